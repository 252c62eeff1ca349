// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * PVH direct boot (Xen: docs/misc/pvh.pandoc, xen/include/public/arch-x86/hvm/
 * start_info.h): 32-bit entry, EBX points to hvm_start_info version 1.
 */
#include <errno.h>
#include <string.h>
#include <vmm/error.h>
#include "layout.h"

#define HVM_START_MAGIC		0x336ec578

struct hvm_start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist_paddr;
	uint64_t cmdline_paddr;
	uint64_t rsdp_paddr;
	uint64_t memmap_paddr;
	uint32_t memmap_entries;
	uint32_t reserved;
};

struct hvm_modlist_entry {
	uint64_t paddr;
	uint64_t size;
	uint64_t cmdline_paddr;
	uint64_t reserved;
};

struct hvm_memmap_entry {
	uint64_t addr;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

struct pvh_info {
	struct hvm_start_info start;
	struct hvm_modlist_entry module;
	struct hvm_memmap_entry map[BOOT_RANGES_MAX];
};

int boot_pvh_enter(const struct vmm_memory *mem, const struct vmm_boot_params *params,
		   const struct boot_elf *elf, uint32_t pvh_entry,
		   struct vmm_boot_entry *entry)
{
	struct pvh_info *info = vmm_memory_at(mem, BOOT_INFO, sizeof(*info));
	struct boot_range map[BOOT_RANGES_MAX];
	unsigned int i, n;
	int err;

	if (!info || !vmm_memory_at(mem, pvh_entry, 1))
		return vmm_fail(ENOEXEC, "%s is damaged: its PVH entry %#x is outside memory",
				params->kernel->name, pvh_entry);
	err = boot_load_cmdline(mem, params->cmdline, BOOT_CMDLINE_MAX - 1);
	if (err)
		return err;
	memset(info, 0, sizeof(*info));
	if (params->initrd) {
		err = boot_load_initrd(mem, params->initrd, elf->end, VMM_HOLE_START,
				       &info->module.paddr);
		if (err)
			return err;
		info->module.size = params->initrd->size;
		info->start.nr_modules = 1;
		info->start.modlist_paddr = BOOT_INFO + offsetof(struct pvh_info, module);
	}
	n = boot_memory_map(mem, map);
	for (i = 0; i < n; i++) {
		info->map[i].addr = map[i].base;
		info->map[i].size = map[i].size;
		info->map[i].type = map[i].type;
	}
	info->start.magic = HVM_START_MAGIC;
	info->start.version = 1;
	info->start.cmdline_paddr = BOOT_CMDLINE;
	info->start.rsdp_paddr = params->rsdp;
	info->start.memmap_paddr = BOOT_INFO + offsetof(struct pvh_info, map);
	info->start.memmap_entries = n;
	*entry = (struct vmm_boot_entry) {
		.protocol = "PVH",
		.mode = VMM_BOOT_PROTECTED,
		.ip = pvh_entry,
		.bx = BOOT_INFO,
	};
	return 0;
}
