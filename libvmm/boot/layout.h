/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where boot data lies below 640 KiB, and what the boot protocols share.
 */
#ifndef LIBVMM_BOOT_LAYOUT_H
#define LIBVMM_BOOT_LAYOUT_H

#include <stdbool.h>
#include <vmm/boot.h>

#define BOOT_GDT		0x0500ULL
#define BOOT_INFO		0x6000ULL	/* PVH or Multiboot information, one page */
#define BOOT_ZERO_PAGE		0x7000ULL	/* Linux struct boot_params */
#define BOOT_PAGE_TABLES	0x9000ULL	/* seven pages */
#define BOOT_CMDLINE		0x20000ULL
#define BOOT_CMDLINE_MAX	0x10000ULL
#define BOOT_DATA_END		0x30000ULL	/* all of the above lies below */

#define BOOT_EBDA		0x9fc00ULL	/* end of conventional memory */
#define BOOT_HIGH		0x100000ULL	/* 1 MiB: RAM goes on here */

/* Memory types; E820, PVH and Multiboot use the same numbers. */
#define BOOT_RAM		1
#define BOOT_RESERVED		2

/**
 * struct boot_range - a line of the memory map
 */
struct boot_range {
	uint64_t base;
	uint64_t size;
	uint32_t type;
};

#define BOOT_RANGES_MAX		8

/**
 * boot_memory_map() - the guest's memory map, sorted
 * @mem: guest memory
 * @map: filled
 *
 * Return: number of lines.
 */
unsigned int boot_memory_map(const struct vmm_memory *mem,
			     struct boot_range map[BOOT_RANGES_MAX]);

/**
 * boot_ram_at() - as vmm_memory_at(), but RAM only, not a device's memory
 */
void *boot_ram_at(const struct vmm_memory *mem, uint64_t gpa, uint64_t len);

/**
 * boot_load_bytes() - copy part of an image into guest RAM
 * @mem: guest memory
 * @img: image
 * @off: offset in the image
 * @gpa: destination
 * @len: bytes
 *
 * Return: 0; -ENOEXEC when the image is too short; -ENOMEM when there is no
 * such RAM.
 */
int boot_load_bytes(const struct vmm_memory *mem, const struct vmm_image *img, uint64_t off,
		    uint64_t gpa, uint64_t len);

/**
 * boot_load_cmdline() - write the command line at BOOT_CMDLINE
 * @max: longest the kernel takes, without the final NUL
 *
 * Return: 0 or -E2BIG.
 */
int boot_load_cmdline(const struct vmm_memory *mem, const char *cmdline, uint64_t max);

/**
 * boot_has_word() - is a word in the command line?
 * @word: the word; one that ends with '=' stands for all that begin like that
 */
bool boot_has_word(const char *cmdline, const char *word);

/**
 * boot_load_initrd() - put the initial RAM disk as high as possible
 * @mem: guest memory
 * @initrd: its image
 * @floor: the kernel uses memory up to here
 * @top: highest end address the kernel allows
 * @gpa: filled with where it went
 *
 * Return: 0 or a negative errno.
 */
int boot_load_initrd(const struct vmm_memory *mem, const struct vmm_image *initrd,
		     uint64_t floor, uint64_t top, uint64_t *gpa);

/**
 * boot_probe_* - recognise and load one kind of kernel
 *
 * Return: 0 when loaded, 1 when the image is of another kind, or a negative
 * errno as vmm_boot_load().
 */
int boot_probe_bzimage(const struct vmm_memory *mem, const struct vmm_boot_params *params,
		       struct vmm_boot_entry *entry);
int boot_probe_elf(const struct vmm_memory *mem, const struct vmm_boot_params *params,
		   struct vmm_boot_entry *entry);
int boot_probe_multiboot(const struct vmm_memory *mem, const struct vmm_boot_params *params,
			 struct vmm_boot_entry *entry);

struct setup_header;

/**
 * boot_linux_zero_page() - fill Linux's struct boot_params
 * @mem: guest memory
 * @params: what is booted
 * @header: the kernel's setup header, already completed
 * @header_len: its length
 *
 * Return: 0 or a negative errno.
 */
int boot_linux_zero_page(const struct vmm_memory *mem, const struct vmm_boot_params *params,
			 const struct setup_header *header, size_t header_len);

/**
 * boot_unpack() - do the work of a bzImage's decompressor: decompress and relocate it
 * @mem: guest memory
 * @params: what is booted; "nokaslr" in the command line keeps it where it is linked
 * @header: the image's; the flag that tells the kernel of random addresses is set
 * @payload: offset in the file of what the header's payload_offset counts from
 * @load: where it would be loaded; filled with where it is
 * @top: all memory from @load to here is free
 * @entry: filled with its 64-bit entry point
 *
 * Return: 0, or 1 when this is better left to the decompressor; memory from @load to @top
 * may have changed then.
 */
int boot_unpack(const struct vmm_memory *mem, const struct vmm_boot_params *params,
		struct setup_header *header, uint64_t payload, uint64_t *load, uint64_t top,
		uint64_t *entry);

/* What an ELF image turned out to be, once its segments are loaded. */
struct boot_elf {
	uint64_t entry;		/* physical entry point of the ELF header */
	uint64_t end;		/* highest physical address used */
	bool is64;
};

/**
 * boot_pvh_enter() - write hvm_start_info for an ELF with a PVH note
 * @pvh_entry: from the note
 */
int boot_pvh_enter(const struct vmm_memory *mem, const struct vmm_boot_params *params,
		   const struct boot_elf *elf, uint32_t pvh_entry,
		   struct vmm_boot_entry *entry);

/**
 * boot_multiboot_enter() - write Multiboot information
 * @flags: the header's flags
 * @start: physical entry point
 * @end: the kernel uses memory up to here
 */
int boot_multiboot_enter(const struct vmm_memory *mem, const struct vmm_boot_params *params,
			 uint32_t flags, uint32_t start, uint64_t end,
			 struct vmm_boot_entry *entry);

/* The Multiboot header, 4-byte aligned within the first 8 KiB. */
struct boot_multiboot_header {
	uint32_t magic;
	uint32_t flags;
	uint32_t checksum;
	uint32_t header_addr;
	uint32_t load_addr;
	uint32_t load_end_addr;
	uint32_t bss_end_addr;
	uint32_t entry_addr;
};

#define BOOT_MULTIBOOT_ADDRESSES	(1u << 16)	/* the address fields are valid */

/**
 * boot_multiboot_find() - look for a Multiboot header
 * @off: filled with its offset in the image
 *
 * Return: 0 when found, 1 when there is none, or a read error.
 */
int boot_multiboot_find(const struct vmm_image *img, struct boot_multiboot_header *header,
			uint64_t *off);

#endif
