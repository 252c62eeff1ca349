// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Linux bzImage, unpacked (unpack.c) or with its decompressor, by the 64-bit boot
 * protocol (Documentation/arch/x86/boot.rst of Linux), and the zero page that every
 * Linux entry shares.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <vmm/error.h>
#include "layout.h"

#define HEADER_OFFSET		0x1f1
#define HEADER_MAGIC		0x53726448	/* "HdrS" */
#define BOOT_FLAG		0xaa55
#define VERSION_XLOADFLAGS	0x020c
#define LOADER_UNDEFINED	0xff
#define ENTRY_64		0x200

_Static_assert(offsetof(struct boot_params, hdr) == HEADER_OFFSET, "boot_params layout");
_Static_assert(sizeof(struct boot_params) == 4096, "boot_params size");

int boot_linux_zero_page(const struct vmm_memory *mem, const struct vmm_boot_params *params,
			 const struct setup_header *header, size_t header_len)
{
	struct boot_params *zp = vmm_memory_at(mem, BOOT_ZERO_PAGE, sizeof(*zp));
	struct boot_range map[BOOT_RANGES_MAX];
	unsigned int i, n;

	if (!zp)
		return vmm_fail(ENOMEM, "not enough memory for the zero page");
	memset(zp, 0, sizeof(*zp));
	memcpy(&zp->hdr, header, header_len < sizeof(*header) ? header_len : sizeof(*header));
	zp->acpi_rsdp_addr = params->rsdp;
	n = boot_memory_map(mem, map);
	for (i = 0; i < n; i++) {
		zp->e820_table[i].addr = map[i].base;
		zp->e820_table[i].size = map[i].size;
		zp->e820_table[i].type = map[i].type;
	}
	zp->e820_entries = n;
	return 0;
}

/* Check what the file claims of itself; @setup is filled with the setup part's size. */
static int check_header(const struct vmm_image *img, const struct setup_header *h,
			uint64_t *setup, uint64_t *payload)
{
	/* 0 means 4 for the oldest loaders' sake. */
	*setup = ((h->setup_sects ? h->setup_sects : 4) + 1) * 512ULL;
	*payload = h->syssize * 16ULL;
	if (h->version < VERSION_XLOADFLAGS || !(h->xloadflags & XLF_KERNEL_64))
		return vmm_fail(ENOEXEC,
				"%s has no 64-bit entry (boot protocol %u.%02u): it is a 32-bit or very old kernel",
				img->name, h->version >> 8, h->version & 0xff);
	if (!(h->loadflags & LOADED_HIGH))
		return vmm_fail(ENOEXEC, "%s is a zImage, which loads low: make a bzImage",
				img->name);
	if (*payload <= ENTRY_64)
		return vmm_fail(ENOEXEC, "%s is damaged: its header says the kernel has %" PRIu64 " bytes",
				img->name, *payload);
	/* The size is in paragraphs; the last may be incomplete in the file. */
	if (*setup > img->size || *payload - 15 > img->size - *setup)
		return vmm_fail(ENOEXEC,
				"%s is truncated: its header says %" PRIu64 " bytes, the file has %" PRIu64,
				img->name, *setup + *payload, img->size);
	if (*payload > img->size - *setup)
		*payload = img->size - *setup;
	return 0;
}

/* Where the kernel goes: where it likes to be, so that it need not move itself. */
static int place(const struct vmm_memory *mem, const struct vmm_image *img,
		 const struct setup_header *h, uint64_t payload, uint64_t *load, uint64_t *end)
{
	uint64_t need = h->init_size > payload ? h->init_size : payload;

	*load = h->pref_address;
	if (*load < BOOT_HIGH || *load >= VMM_HOLE_START || *load & 0xfff)
		return vmm_fail(ENOEXEC, "%s is damaged: its preferred address is %#" PRIx64,
				img->name, *load);
	if (*load > mem->ram_low || need > mem->ram_low - *load)
		return vmm_fail(ENOMEM,
				"not enough memory: %s needs %" PRIu64 " MiB to start, the guest has %" PRIu64 " MiB (raise --memory)",
				img->name, (*load + need + (1 << 20) - 1) >> 20,
				(mem->ram_low + mem->ram_high) >> 20);
	*end = *load + need;
	return 0;
}

int boot_probe_bzimage(const struct vmm_memory *mem, const struct vmm_boot_params *params,
		       struct vmm_boot_entry *entry)
{
	const struct vmm_image *img = params->kernel;
	uint64_t setup, payload, load = 0, end = 0, initrd = 0, ip;
	bool unpacked;
	struct setup_header h = { 0 };
	uint8_t sector[HEADER_OFFSET + sizeof(h)] = { 0 };
	uint64_t have = img->size < sizeof(sector) ? img->size : sizeof(sector);
	size_t len;
	int err = vmm_image_read(img, 0, sector, have);

	if (err)
		return err;
	memcpy(&h, sector + HEADER_OFFSET, sizeof(h));
	if (h.boot_flag != BOOT_FLAG || h.header != HEADER_MAGIC)
		return 1;
	if (have < sizeof(sector))
		return vmm_fail(ENOEXEC, "%s is truncated: it ends within its header", img->name);
	err = check_header(img, &h, &setup, &payload);
	if (!err)
		err = place(mem, img, &h, payload, &load, &end);
	if (!err)
		err = boot_load_cmdline(mem, params->cmdline, h.cmdline_size);
	if (!err && params->initrd)
		err = boot_load_initrd(mem, params->initrd, end, h.initrd_addr_max + 1ULL, &initrd);
	if (err)
		return err;
	unpacked = !boot_unpack(mem, params, &h, setup, &load, initrd ? initrd : mem->ram_low, &ip);
	if (!unpacked) {
		ip = load + ENTRY_64;
		err = boot_load_bytes(mem, img, setup, load, payload);
		if (err)
			return err;
	}

	/* The header's length: its end is at 0x202 plus the byte at 0x201. */
	len = 0x202 + sector[0x201] - HEADER_OFFSET;
	h.type_of_loader = LOADER_UNDEFINED;
	h.cmd_line_ptr = BOOT_CMDLINE;
	h.code32_start = load;
	h.ramdisk_image = initrd;
	h.ramdisk_size = params->initrd ? params->initrd->size : 0;
	h.setup_data = 0;
	err = boot_linux_zero_page(mem, params, &h, len);
	if (err)
		return err;
	*entry = (struct vmm_boot_entry) {
		.protocol = "Linux 64-bit",
		.mode = VMM_BOOT_LONG,
		/* As the decompressor, which makes the switch otherwise. */
		.five_levels = unpacked && h.xloadflags & XLF_5LEVEL_ENABLED &&
			       !boot_has_word(params->cmdline, "no5lvl"),
		.ip = ip,
		.si = BOOT_ZERO_PAGE,
	};
	return 0;
}
