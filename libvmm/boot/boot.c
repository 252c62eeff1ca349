// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the boot protocols share: the memory map, the command line, the initial
 * RAM disk, and the processor state at the entry.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <vmm/acpi.h>
#include <vmm/error.h>
#include <vmm/vm.h>
#include "layout.h"

unsigned int boot_memory_map(const struct vmm_memory *mem,
			     struct boot_range map[BOOT_RANGES_MAX])
{
	unsigned int n = 0;

	map[n++] = (struct boot_range) { 0, BOOT_EBDA, BOOT_RAM };
	map[n++] = (struct boot_range) { BOOT_EBDA, 0xa0000 - BOOT_EBDA, BOOT_RESERVED };
	map[n++] = (struct boot_range) { VMM_ACPI_BASE, VMM_ACPI_SIZE, BOOT_RESERVED };
	if (mem->ram_low > BOOT_HIGH)
		map[n++] = (struct boot_range) { BOOT_HIGH, mem->ram_low - BOOT_HIGH, BOOT_RAM };
	/* Everything from the TSS pages to 4 GiB: nothing may be put there. */
	map[n++] = (struct boot_range) { VMM_IDENTITY_ADDR, VMM_HOLE_END - VMM_IDENTITY_ADDR,
					 BOOT_RESERVED };
	if (mem->ram_high)
		map[n++] = (struct boot_range) { VMM_HOLE_END, mem->ram_high, BOOT_RAM };
	return n;
}

void *boot_ram_at(const struct vmm_memory *mem, uint64_t gpa, uint64_t len)
{
	uint64_t off = gpa - VMM_HOLE_END;

	/* A device's slot is memory too, but not the kernel's. */
	if (!(gpa < mem->ram_low && len <= mem->ram_low - gpa) &&
	    !(gpa >= VMM_HOLE_END && off < mem->ram_high && len <= mem->ram_high - off))
		return NULL;
	return vmm_memory_at(mem, gpa, len);
}

int boot_load_bytes(const struct vmm_memory *mem, const struct vmm_image *img, uint64_t off,
		    uint64_t gpa, uint64_t len)
{
	void *dst;

	if (!len)
		return 0;
	dst = boot_ram_at(mem, gpa, len);
	if (!dst)
		return vmm_fail(ENOMEM,
				"not enough memory: %s needs %#" PRIx64 " bytes at %#" PRIx64 ", the guest has %" PRIu64 " MiB",
				img->name, len, gpa, (mem->ram_low + mem->ram_high) >> 20);
	return vmm_image_read(img, off, dst, len);
}

int boot_load_cmdline(const struct vmm_memory *mem, const char *cmdline, uint64_t max)
{
	size_t len = strlen(cmdline);
	char *dst;

	if (max >= BOOT_CMDLINE_MAX)
		max = BOOT_CMDLINE_MAX - 1;
	if (len > max)
		return vmm_fail(E2BIG,
				"the command line has %zu characters, the kernel takes %" PRIu64,
				len, max);
	dst = vmm_memory_at(mem, BOOT_CMDLINE, BOOT_CMDLINE_MAX);
	if (!dst)
		return vmm_fail(ENOMEM, "not enough memory for the command line");
	memcpy(dst, cmdline, len + 1);
	return 0;
}

bool boot_has_word(const char *cmdline, const char *word)
{
	size_t len = strlen(word);
	const char *at;

	for (at = cmdline; (at = strstr(at, word)); at += len)
		if ((at == cmdline || at[-1] == ' ') &&
		    (word[len - 1] == '=' || !at[len] || at[len] == ' '))
			return true;
	return false;
}

int boot_load_initrd(const struct vmm_memory *mem, const struct vmm_image *initrd,
		     uint64_t floor, uint64_t top, uint64_t *gpa)
{
	uint64_t at;

	if (top > mem->ram_low)
		top = mem->ram_low;
	if (floor < BOOT_HIGH)
		floor = BOOT_HIGH;
	if (top < floor || initrd->size > top - floor)
		goto too_big;
	at = (top - initrd->size) & ~0xfffULL;
	if (at < floor)
		goto too_big;
	*gpa = at;
	return boot_load_bytes(mem, initrd, 0, at, initrd->size);
too_big:
	return vmm_fail(ENOMEM,
			"not enough memory: the initial RAM disk %s has %" PRIu64 " KiB, above the kernel are %" PRIu64 " KiB free (raise --memory)",
			initrd->name, initrd->size >> 10, top > floor ? (top - floor) >> 10 : 0);
}

int vmm_boot_load(const struct vmm_memory *mem, const struct vmm_boot_params *params,
		  struct vmm_boot_entry *entry)
{
	static int (* const probes[])(const struct vmm_memory *, const struct vmm_boot_params *,
				      struct vmm_boot_entry *) = {
		boot_probe_bzimage,
		boot_probe_elf,
		boot_probe_multiboot,
	};
	size_t i;

	memset(entry, 0, sizeof(*entry));
	if (!vmm_memory_at(mem, 0, BOOT_HIGH))
		return vmm_fail(ENOMEM, "not enough memory: a PC has 1 MiB at least");
	if (!params->kernel->size)
		return vmm_fail(ENOEXEC, "%s is empty", params->kernel->name);
	for (i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		int ret = probes[i](mem, params, entry);

		if (ret <= 0)
			return ret;
	}
	return vmm_fail(ENOEXEC,
			"%s is not a kernel image: neither a bzImage, nor an ELF kernel, nor a Multiboot kernel",
			params->kernel->name);
}

/* Descriptors as the Linux protocol wants them: code at 0x10, data at 0x18. */
static const uint64_t boot_gdt[] = {
	0,
	0,
	0x00af9b000000ffffULL,	/* 0x10: 64-bit code, overwritten for 32-bit entries */
	0x00cf93000000ffffULL,	/* 0x18: flat data */
	0x00008b0000000067ULL,	/* 0x20: busy TSS, base 0 */
};

#define LEAF7_ECX_LA57		(1u << 16)
#define CR4_LA57		(1u << 12)
#define GDT_CODE32	0x00cf9b000000ffffULL

static void set_segment(struct kvm_segment *seg, uint16_t selector, uint8_t type, bool is_long)
{
	*seg = (struct kvm_segment) {
		.base = 0,
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.db = !is_long,
		.s = 1,
		.l = is_long,
		.g = 1,
	};
}

#define PML5			(BOOT_PAGE_TABLES + 0x6000)

/* Map the first 4 GiB one to one with 2 MiB pages, through four levels or five (SDM 4.5). */
static int write_page_tables(const struct vmm_memory *mem)
{
	uint64_t *table = vmm_memory_at(mem, BOOT_PAGE_TABLES, 7 * 4096);
	unsigned int i;

	if (!table)
		return vmm_fail(ENOMEM, "not enough memory for boot page tables");
	memset(table, 0, 2 * 4096);
	table[0] = (BOOT_PAGE_TABLES + 0x1000) | 3;
	for (i = 0; i < 4; i++)
		table[512 + i] = (BOOT_PAGE_TABLES + 0x2000 + i * 0x1000) | 3;
	for (i = 0; i < 4 * 512; i++)
		table[1024 + i] = ((uint64_t)i << 21) | 0x83;
	table = vmm_memory_at(mem, PML5, 4096);
	memset(table, 0, 4096);
	table[0] = BOOT_PAGE_TABLES | 3;
	return 0;
}

static int write_gdt(const struct vmm_memory *mem, bool is_long)
{
	uint64_t *gdt = vmm_memory_at(mem, BOOT_GDT, sizeof(boot_gdt));

	if (!gdt)
		return vmm_fail(ENOMEM, "not enough memory for the boot GDT");
	memcpy(gdt, boot_gdt, sizeof(boot_gdt));
	if (!is_long)
		gdt[2] = GDT_CODE32;
	return 0;
}

static bool has_la57(const struct vmm_vcpu *vcpu)
{
	struct kvm_cpuid2 *cpuid;
	bool has = false;
	unsigned int i;

	if (vmm_device_cpuid(vcpu->vm->dev, &cpuid))
		return false;
	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 7 && cpuid->entries[i].index == 0)
			has = cpuid->entries[i].ecx & LEAF7_ECX_LA57;
	free(cpuid);
	return has;
}

int vmm_boot_enter(const struct vmm_memory *mem, struct vmm_vcpu *vcpu,
		   const struct vmm_boot_entry *entry)
{
	bool is_long = entry->mode == VMM_BOOT_LONG;
	struct kvm_regs regs = {
		.rip = entry->ip,
		.rax = entry->ax,
		.rbx = entry->bx,
		.rsi = entry->si,
		.rflags = 2,
	};
	struct kvm_sregs sregs;
	int err = write_gdt(mem, is_long);

	if (!err && is_long)
		err = write_page_tables(mem);
	if (err)
		return err;
	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
		return vmm_fail(errno, "KVM_GET_SREGS: %s", strerror(errno));
	set_segment(&sregs.cs, 0x10, 0xb, is_long);
	set_segment(&sregs.ds, 0x18, 0x3, false);
	sregs.es = sregs.ds;
	sregs.fs = sregs.ds;
	sregs.gs = sregs.ds;
	sregs.ss = sregs.ds;
	sregs.tr = (struct kvm_segment) { .limit = 0x67, .selector = 0x20, .type = 0xb,
					  .present = 1 };
	sregs.gdt.base = BOOT_GDT;
	sregs.gdt.limit = sizeof(boot_gdt) - 1;
	/* No interrupt or exception can be served before the kernel loads its own. */
	sregs.idt.base = 0;
	sregs.idt.limit = 0;
	sregs.cr0 = 0x11;	/* PE, ET */
	sregs.cr4 = 0;
	sregs.efer = 0;
	sregs.cr3 = 0;
	if (is_long) {
		sregs.cr0 |= 0x80000020;	/* PG, NE */
		sregs.cr4 = 0x20;		/* PAE */
		sregs.efer = 0x500;		/* LME, LMA */
		sregs.cr3 = BOOT_PAGE_TABLES;
		if (entry->five_levels && has_la57(vcpu)) {
			sregs.cr4 |= CR4_LA57;
			sregs.cr3 = PML5;
		}
	}
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) < 0)
		return vmm_fail(errno, "KVM_SET_SREGS: %s", strerror(errno));
	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0)
		return vmm_fail(errno, "KVM_SET_REGS: %s", strerror(errno));
	return 0;
}
