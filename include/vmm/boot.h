/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Boot protocols: put a kernel and what it expects into guest memory, and
 * vCPU 0 at its entry.
 *
 *   Linux bzImage	Documentation/arch/x86/boot.rst, 64-bit protocol; unpacked here
 *			where its compression is gzip, LZ4 or Zstandard
 *   ELF with PVH note	Xen's docs/misc/pvh.pandoc and arch-x86/hvm/start_info.h
 *   Multiboot 1	Multiboot Specification 0.6.96, ELF and address header
 *   ELF64		entered as a Linux vmlinux: long mode, RSI = zero page
 *
 * Images are hostile: every offset and size in them is checked against the
 * file and against guest memory.
 */
#ifndef VMM_BOOT_H
#define VMM_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vmm/memory.h>

struct vmm_vcpu;

/**
 * struct vmm_image - a file to load, or bytes in memory
 * @name: for messages
 * @size: bytes
 * @fd: the open file, or -1 when @data holds the bytes
 * @data: the bytes when @fd is -1
 */
struct vmm_image {
	const char *name;
	uint64_t size;
	int fd;
	const uint8_t *data;
};

/* Open a file. Return: 0 or a negative errno; vmm_error() tells. */
int vmm_image_open(struct vmm_image *img, const char *path);
void vmm_image_close(struct vmm_image *img);

/**
 * vmm_image_read() - copy bytes out of an image
 * Return: 0, -ENOEXEC when the range is not within the image, or a read error.
 */
int vmm_image_read(const struct vmm_image *img, uint64_t off, void *dst, uint64_t len);

/**
 * struct vmm_boot_params - what to boot
 * @kernel: the kernel's image
 * @initrd: initial RAM disk (Multiboot: the one module) or NULL
 * @cmdline: command line, not NULL
 * @rsdp: guest-physical address of the ACPI RSDP, or 0
 */
struct vmm_boot_params {
	const struct vmm_image *kernel;
	const struct vmm_image *initrd;
	const char *cmdline;
	uint64_t rsdp;
};

enum vmm_boot_mode {
	VMM_BOOT_LONG,		/* 64-bit, paging on, memory below 4 GiB mapped one to one */
	VMM_BOOT_PROTECTED,	/* 32-bit, flat segments, paging off */
};

/**
 * struct vmm_boot_entry - the state of vCPU 0 at a kernel's entry
 * @protocol: its name, for messages
 * @mode: processor mode
 * @five_levels: with VMM_BOOT_LONG: five levels of page tables, where the vCPU has them
 * @ip: entry point
 * @ax: RAX
 * @bx: RBX
 * @si: RSI
 */
struct vmm_boot_entry {
	const char *protocol;
	enum vmm_boot_mode mode;
	bool five_levels;
	uint64_t ip;
	uint64_t ax;
	uint64_t bx;
	uint64_t si;
};

/**
 * vmm_boot_load() - recognise a kernel and put it into memory
 * @mem: guest memory
 * @params: what to boot
 * @entry: filled: how to enter it
 *
 * Return: 0; -ENOEXEC when it is not a kernel this library knows or is
 * damaged; -ENOMEM when guest memory is too small; or a read error.
 */
int vmm_boot_load(const struct vmm_memory *mem, const struct vmm_boot_params *params,
		  struct vmm_boot_entry *entry);

/**
 * vmm_boot_enter() - set vCPU registers for @entry
 * @mem: guest memory (GDT and page tables are written there)
 * @vcpu: vCPU 0
 * @entry: from vmm_boot_load()
 *
 * Return: 0 or a negative errno.
 */
int vmm_boot_enter(const struct vmm_memory *mem, struct vmm_vcpu *vcpu,
		   const struct vmm_boot_entry *entry);

#endif
