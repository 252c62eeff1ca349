// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Multiboot 1 (Multiboot Specification 0.6.96): ELF kernels and kernels whose
 * header carries its own load addresses.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/error.h>
#include "layout.h"

#define HEADER_MAGIC		0x1badb002u
#define LOADER_MAGIC		0x2badb002u
#define SEARCH			8192

#define WANT_UNKNOWN		0xfff8u		/* required features beyond bits 0 to 2 */
#define WANT_VIDEO		0x4u

#define INFO_MEMORY		0x001u
#define INFO_CMDLINE		0x004u
#define INFO_MODS		0x008u
#define INFO_MMAP		0x040u
#define INFO_LOADER		0x200u

struct info {
	uint32_t flags;
	uint32_t mem_lower;
	uint32_t mem_upper;
	uint32_t boot_device;
	uint32_t cmdline;
	uint32_t mods_count;
	uint32_t mods_addr;
	uint32_t syms[4];
	uint32_t mmap_length;
	uint32_t mmap_addr;
	uint32_t drives_length;
	uint32_t drives_addr;
	uint32_t config_table;
	uint32_t boot_loader_name;
	uint32_t apm_table;
	uint32_t vbe[4];
	uint8_t framebuffer[28];
};

struct module {
	uint32_t start;
	uint32_t end;
	uint32_t cmdline;
	uint32_t reserved;
};

struct mmap_entry {
	uint32_t size;		/* of the rest */
	uint64_t addr;
	uint64_t len;
	uint32_t type;
} __attribute__((packed));

struct multiboot_page {
	struct info info;
	struct module module;
	struct mmap_entry map[BOOT_RANGES_MAX];
	char loader[16];
	char module_cmdline[256];
};

int boot_multiboot_find(const struct vmm_image *img, struct boot_multiboot_header *header,
			uint64_t *off)
{
	uint64_t have = img->size < SEARCH ? img->size : SEARCH;
	uint8_t head[SEARCH];
	uint64_t at;
	int err = vmm_image_read(img, 0, head, have);

	if (err)
		return err;
	memset(header, 0, sizeof(*header));
	for (at = 0; at + 12 <= have; at += 4) {
		uint32_t w[3];

		memcpy(w, head + at, sizeof(w));
		if (w[0] != HEADER_MAGIC || w[0] + w[1] + w[2] != 0)
			continue;
		memcpy(header, head + at,
		       have - at < sizeof(*header) ? have - at : sizeof(*header));
		if (header->flags & BOOT_MULTIBOOT_ADDRESSES && have - at < sizeof(*header))
			return vmm_fail(ENOEXEC, "%s is truncated within its Multiboot header",
					img->name);
		*off = at;
		return 0;
	}
	return 1;
}

/* As every loader does, the image's name comes first; kernels skip it. */
static int load_cmdline(const struct vmm_memory *mem, const struct vmm_boot_params *params)
{
	char *line;
	int err;

	if (asprintf(&line, "%s %s", params->kernel->name, params->cmdline) < 0)
		return vmm_fail(ENOMEM, "no memory for the command line");
	err = boot_load_cmdline(mem, line, BOOT_CMDLINE_MAX - 1);
	free(line);
	return err;
}

int boot_multiboot_enter(const struct vmm_memory *mem, const struct vmm_boot_params *params,
			 uint32_t flags, uint32_t start, uint64_t end,
			 struct vmm_boot_entry *entry)
{
	struct multiboot_page *page = vmm_memory_at(mem, BOOT_INFO, sizeof(*page));
	struct boot_range map[BOOT_RANGES_MAX];
	unsigned int i, n;
	uint64_t initrd;
	int err;

	if (!page)
		return vmm_fail(ENOMEM, "not enough memory for Multiboot information");
	if (flags & (WANT_UNKNOWN | WANT_VIDEO))
		return vmm_fail(ENOEXEC,
				"%s asks its loader for features this one lacks (Multiboot flags %#x)",
				params->kernel->name, flags & 0xffff);
	err = load_cmdline(mem, params);
	if (err)
		return err;
	memset(page, 0, sizeof(*page));
	if (params->initrd) {
		err = boot_load_initrd(mem, params->initrd, end, VMM_HOLE_START, &initrd);
		if (err)
			return err;
		page->module.start = initrd;
		page->module.end = initrd + params->initrd->size;
		page->module.cmdline = BOOT_INFO + offsetof(struct multiboot_page, module_cmdline);
		strncpy(page->module_cmdline, params->initrd->name,
			sizeof(page->module_cmdline) - 1);
		page->info.flags |= INFO_MODS;
		page->info.mods_count = 1;
		page->info.mods_addr = BOOT_INFO + offsetof(struct multiboot_page, module);
	}
	n = boot_memory_map(mem, map);
	for (i = 0; i < n; i++) {
		page->map[i].size = sizeof(page->map[i]) - sizeof(page->map[i].size);
		page->map[i].addr = map[i].base;
		page->map[i].len = map[i].size;
		page->map[i].type = map[i].type;
	}
	strcpy(page->loader, "vmm");
	page->info.flags |= INFO_MEMORY | INFO_CMDLINE | INFO_MMAP | INFO_LOADER;
	page->info.mem_lower = BOOT_EBDA >> 10;
	page->info.mem_upper = mem->ram_low > BOOT_HIGH ? (mem->ram_low - BOOT_HIGH) >> 10 : 0;
	page->info.cmdline = BOOT_CMDLINE;
	page->info.mmap_addr = BOOT_INFO + offsetof(struct multiboot_page, map);
	page->info.mmap_length = n * sizeof(page->map[0]);
	page->info.boot_loader_name = BOOT_INFO + offsetof(struct multiboot_page, loader);
	*entry = (struct vmm_boot_entry) {
		.protocol = "Multiboot",
		.mode = VMM_BOOT_PROTECTED,
		.ip = start,
		.ax = LOADER_MAGIC,
		.bx = BOOT_INFO,
	};
	return 0;
}

int boot_probe_multiboot(const struct vmm_memory *mem, const struct vmm_boot_params *params,
			 struct vmm_boot_entry *entry)
{
	const struct vmm_image *img = params->kernel;
	struct boot_multiboot_header h;
	uint64_t off, from, len, end;
	int ret = boot_multiboot_find(img, &h, &off);

	if (ret)
		return ret;
	if (!(h.flags & BOOT_MULTIBOOT_ADDRESSES))
		return vmm_fail(ENOEXEC,
				"%s has a Multiboot header without addresses but is no ELF file",
				img->name);
	if (h.header_addr < h.load_addr || h.header_addr - h.load_addr > off)
		return vmm_fail(ENOEXEC, "%s is damaged: its Multiboot addresses do not fit together",
				img->name);
	if (h.load_addr < BOOT_DATA_END)
		return vmm_fail(ENOEXEC, "%s loads at %#x: memory below %#llx holds boot data",
				img->name, h.load_addr, BOOT_DATA_END);
	from = off - (h.header_addr - h.load_addr);
	len = img->size - from;
	if (h.load_end_addr) {
		if (h.load_end_addr < h.load_addr)
			return vmm_fail(ENOEXEC, "%s is damaged: its Multiboot end lies before its start",
					img->name);
		len = h.load_end_addr - h.load_addr;
	}
	end = h.load_addr + len;
	if (h.bss_end_addr > end)
		end = h.bss_end_addr;
	if (!boot_ram_at(mem, h.load_addr, end - h.load_addr))
		return vmm_fail(ENOMEM,
				"not enough memory: %s needs memory up to %#" PRIx64 " (raise --memory)",
				img->name, end);
	if (!vmm_memory_at(mem, h.entry_addr, 1))
		return vmm_fail(ENOEXEC, "%s is damaged: its entry point %#x is outside memory",
				img->name, h.entry_addr);
	ret = boot_load_bytes(mem, img, from, h.load_addr, len);
	if (ret)
		return ret;
	return boot_multiboot_enter(mem, params, h.flags, h.entry_addr, end, entry);
}
