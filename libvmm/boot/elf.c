// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * ELF kernels: load the segments, then enter by PVH note, Multiboot header, or
 * as a 64-bit Linux vmlinux (System V ABI chapter 4 and 5).
 */
#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <vmm/error.h>
#include "layout.h"

#define PHDRS_MAX		64
#define NOTES_MAX		65536
#define XEN_ELFNOTE_PHYS32_ENTRY 18

/* Both classes' program headers, widened. */
struct segment {
	uint32_t type;
	uint64_t offset;
	uint64_t vaddr;
	uint64_t paddr;
	uint64_t filesz;
	uint64_t memsz;
};

struct elf_file {
	const struct vmm_image *img;
	bool is64;
	uint64_t entry;
	unsigned int nr;
	struct segment seg[PHDRS_MAX];
};

static int damaged(const struct vmm_image *img, const char *what)
{
	return vmm_fail(ENOEXEC, "%s is damaged: %s", img->name, what);
}

static int read_segments(struct elf_file *f, uint64_t phoff, unsigned int phnum,
			 unsigned int phentsize)
{
	size_t want = f->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	unsigned int i;

	if (!phnum)
		return damaged(f->img, "an ELF file without program headers");
	if (phnum > PHDRS_MAX)
		return damaged(f->img, "too many ELF program headers");
	if (phentsize != want)
		return damaged(f->img, "ELF program headers of an odd size");
	for (i = 0; i < phnum; i++) {
		union {
			Elf64_Phdr h64;
			Elf32_Phdr h32;
		} p;
		struct segment *s = &f->seg[i];
		int err;

		if (phoff > f->img->size)
			return damaged(f->img, "ELF program headers outside the file");
		err = vmm_image_read(f->img, phoff + (uint64_t)i * want, &p, want);
		if (err)
			return err;
		if (f->is64)
			*s = (struct segment) { p.h64.p_type, p.h64.p_offset, p.h64.p_vaddr,
						p.h64.p_paddr, p.h64.p_filesz, p.h64.p_memsz };
		else
			*s = (struct segment) { p.h32.p_type, p.h32.p_offset, p.h32.p_vaddr,
						p.h32.p_paddr, p.h32.p_filesz, p.h32.p_memsz };
	}
	f->nr = phnum;
	return 0;
}

/* Return: 0, 1 when not an ELF kernel, or an error. */
static int read_header(struct elf_file *f)
{
	const struct vmm_image *img = f->img;
	union {
		unsigned char ident[EI_NIDENT];
		Elf64_Ehdr h64;
		Elf32_Ehdr h32;
	} e;
	int err;

	if (img->size < EI_NIDENT)
		return 1;
	err = vmm_image_read(img, 0, e.ident, EI_NIDENT);
	if (err)
		return err;
	if (memcmp(e.ident, ELFMAG, SELFMAG))
		return 1;
	f->is64 = e.ident[EI_CLASS] == ELFCLASS64;
	if ((!f->is64 && e.ident[EI_CLASS] != ELFCLASS32) || e.ident[EI_DATA] != ELFDATA2LSB)
		return vmm_fail(ENOEXEC, "%s is an ELF file for another kind of processor",
				img->name);
	err = vmm_image_read(img, 0, &e, f->is64 ? sizeof(e.h64) : sizeof(e.h32));
	if (err)
		return err;
	if (f->is64 ? e.h64.e_machine != EM_X86_64 :
	    e.h32.e_machine != EM_386 && e.h32.e_machine != EM_X86_64)
		return vmm_fail(ENOEXEC, "%s is an ELF file for another kind of processor",
				img->name);
	if ((f->is64 ? e.h64.e_type : e.h32.e_type) != ET_EXEC &&
	    (f->is64 ? e.h64.e_type : e.h32.e_type) != ET_DYN)
		return vmm_fail(ENOEXEC, "%s is an ELF file that cannot be run", img->name);
	f->entry = f->is64 ? e.h64.e_entry : e.h32.e_entry;
	if (f->is64)
		return read_segments(f, e.h64.e_phoff, e.h64.e_phnum, e.h64.e_phentsize);
	return read_segments(f, e.h32.e_phoff, e.h32.e_phnum, e.h32.e_phentsize);
}

static int load_segments(const struct vmm_memory *mem, struct elf_file *f, struct boot_elf *elf)
{
	bool entry_found = false;
	unsigned int i, loaded = 0;

	elf->is64 = f->is64;
	elf->entry = f->entry;
	elf->end = 0;
	for (i = 0; i < f->nr; i++) {
		const struct segment *s = &f->seg[i];
		int err;

		if (s->type != PT_LOAD || !s->memsz)
			continue;
		if (s->filesz > s->memsz || s->paddr + s->memsz < s->paddr)
			return damaged(f->img, "an ELF segment with impossible sizes");
		if (s->paddr < BOOT_DATA_END)
			return vmm_fail(ENOEXEC,
					"%s loads at %#" PRIx64 ": memory below %#llx holds boot data",
					f->img->name, s->paddr, BOOT_DATA_END);
		/* All of it must be RAM; what the file does not fill is zero already. */
		if (!boot_ram_at(mem, s->paddr, s->memsz))
			return vmm_fail(ENOMEM,
					"not enough memory: %s has a segment of %" PRIu64 " KiB at %#" PRIx64 " (raise --memory)",
					f->img->name, s->memsz >> 10, s->paddr);
		err = boot_load_bytes(mem, f->img, s->offset, s->paddr, s->filesz);
		if (err)
			return err;
		if (s->paddr + s->memsz > elf->end)
			elf->end = s->paddr + s->memsz;
		/* An entry point given as a virtual address has its segment's offset. */
		if (!entry_found && f->entry - s->vaddr < s->memsz && f->entry >= s->vaddr) {
			elf->entry = f->entry - s->vaddr + s->paddr;
			entry_found = true;
		}
		loaded++;
	}
	if (!loaded)
		return damaged(f->img, "an ELF file with nothing to load");
	if (!vmm_memory_at(mem, elf->entry, 1))
		return damaged(f->img, "an ELF entry point outside memory");
	return 0;
}

/* Find the PVH entry in one note segment. Return: 0 found, 1 not, or an error. */
static int scan_notes(const struct vmm_image *img, const struct segment *s, uint32_t *pvh)
{
	uint64_t at = 0;

	if (s->filesz > NOTES_MAX)
		return 1;
	while (s->filesz - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr n;
		uint64_t name, desc, next;
		char text[4];
		int err;

		if (s->offset > img->size)
			return damaged(img, "ELF notes outside the file");
		err = vmm_image_read(img, s->offset + at, &n, sizeof(n));
		if (err)
			return err;
		name = at + sizeof(n);
		desc = name + (((uint64_t)n.n_namesz + 3) & ~3ULL);
		next = desc + (((uint64_t)n.n_descsz + 3) & ~3ULL);
		if (desc + n.n_descsz > s->filesz)
			return 1;
		if (n.n_type == XEN_ELFNOTE_PHYS32_ENTRY && n.n_namesz == 4 && n.n_descsz >= 4) {
			err = vmm_image_read(img, s->offset + name, text, 4);
			if (!err)
				err = vmm_image_read(img, s->offset + desc, pvh, 4);
			if (err)
				return err;
			if (!memcmp(text, "Xen", 4))
				return 0;
		}
		if (next > s->filesz)
			return 1;
		at = next;
	}
	return 1;
}

static int find_pvh(const struct elf_file *f, uint32_t *pvh)
{
	unsigned int i;

	for (i = 0; i < f->nr; i++) {
		int ret;

		if (f->seg[i].type != PT_NOTE)
			continue;
		ret = scan_notes(f->img, &f->seg[i], pvh);
		if (ret <= 0)
			return ret;
	}
	return 1;
}

/* A vmlinux without a PVH note: long mode with the zero page, as a bzImage's payload. */
static int enter_vmlinux(const struct vmm_memory *mem, const struct vmm_boot_params *params,
			 const struct boot_elf *elf, struct vmm_boot_entry *entry)
{
	struct setup_header h = {
		.boot_flag = 0xaa55,
		.header = 0x53726448,
		.version = 0x020c,
		.type_of_loader = 0xff,
		.loadflags = LOADED_HIGH,
		.cmd_line_ptr = BOOT_CMDLINE,
		.kernel_alignment = 0x200000,
	};
	uint64_t initrd = 0;
	int err = boot_load_cmdline(mem, params->cmdline, 2047);

	if (!err && params->initrd)
		err = boot_load_initrd(mem, params->initrd, elf->end, VMM_HOLE_START, &initrd);
	if (err)
		return err;
	h.ramdisk_image = initrd;
	h.ramdisk_size = params->initrd ? params->initrd->size : 0;
	err = boot_linux_zero_page(mem, params, &h, sizeof(h));
	*entry = (struct vmm_boot_entry) {
		.protocol = "ELF64",
		.mode = VMM_BOOT_LONG,
		.ip = elf->entry,
		.si = BOOT_ZERO_PAGE,
	};
	return err;
}

int boot_probe_elf(const struct vmm_memory *mem, const struct vmm_boot_params *params,
		   struct vmm_boot_entry *entry)
{
	struct elf_file f = { .img = params->kernel };
	struct boot_multiboot_header mb;
	struct boot_elf elf;
	uint32_t pvh = 0;
	uint64_t off;
	int ret = read_header(&f);
	int no_pvh, no_mb;	/* 0 when there is one, as the finders return */

	if (ret)
		return ret;
	no_pvh = find_pvh(&f, &pvh);
	if (no_pvh < 0)
		return no_pvh;
	no_mb = boot_multiboot_find(params->kernel, &mb, &off);
	if (no_mb < 0)
		return no_mb;
	/* Its own addresses win over the ELF header: Multiboot 3.1.2, flag bit 16. */
	if (no_pvh && !no_mb && mb.flags & BOOT_MULTIBOOT_ADDRESSES)
		return 1;
	ret = load_segments(mem, &f, &elf);
	if (ret)
		return ret;
	if (!no_pvh)
		return boot_pvh_enter(mem, params, &elf, pvh, entry);
	if (!no_mb)
		return boot_multiboot_enter(mem, params, mb.flags, elf.entry, elf.end, entry);
	if (elf.is64)
		return enter_vmlinux(mem, params, &elf, entry);
	return vmm_fail(ENOEXEC,
			"%s is not a kernel image: a 32-bit ELF file with neither PVH note nor Multiboot header",
			params->kernel->name);
}
