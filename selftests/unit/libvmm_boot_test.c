// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvmm's boot protocols on images made here: good ones are entered as their
 * protocol says, damaged and hostile ones are refused with the right error.
 */
#include <asm/bootparam.h>
#include <check.h>
#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/acpi.h>
#include <vmm/boot.h>
#include <vmm/error.h>
#include <vmm/memory.h>
#include "run_suite.h"

#define MIB		(1ULL << 20)
#define ZERO_PAGE	0x7000
#define SETUP_SECTS	1
#define PAYLOAD		4096
#define PREFERRED	0x1000000

static struct vmm_memory mem;

static void setup(void)
{
	ck_assert_int_eq(vmm_memory_create(&mem, 64 * MIB, 0, NULL), 0);
}

static void teardown(void)
{
	vmm_memory_destroy(&mem);
}

static struct vmm_image image(const void *data, size_t size)
{
	return (struct vmm_image) { .name = "test", .size = size, .fd = -1, .data = data };
}

static int load_with(const void *data, size_t size, const struct vmm_image *initrd,
		     const char *cmdline, struct vmm_boot_entry *entry)
{
	struct vmm_image kernel = image(data, size);
	struct vmm_boot_params params = { .kernel = &kernel, .initrd = initrd,
					  .cmdline = cmdline, .rsdp = 0xe0000 };

	return vmm_boot_load(&mem, &params, entry);
}

static int load(const void *data, size_t size)
{
	struct vmm_boot_entry entry;

	return load_with(data, size, NULL, "", &entry);
}

/* ---- bzImage ---------------------------------------------------------------- */

static uint8_t bz[(SETUP_SECTS + 1) * 512 + PAYLOAD];

static struct setup_header *bz_header(void)
{
	return (struct setup_header *)(bz + 0x1f1);
}

static struct setup_header *make_bzimage(void)
{
	struct setup_header *h = bz_header();
	size_t i;

	memset(bz, 0, sizeof(bz));
	for (i = 0; i < PAYLOAD; i++)
		bz[(SETUP_SECTS + 1) * 512 + i] = i * 7 + 1;
	h->setup_sects = SETUP_SECTS;
	h->syssize = PAYLOAD / 16;
	h->boot_flag = 0xaa55;
	h->header = 0x53726448;
	h->version = 0x020f;
	bz[0x201] = 0x6c;	/* the header's length */
	h->loadflags = LOADED_HIGH;
	h->initrd_addr_max = 0x7fffffff;
	h->kernel_alignment = 0x200000;
	h->xloadflags = XLF_KERNEL_64;
	h->cmdline_size = 2047;
	h->pref_address = PREFERRED;
	h->init_size = 8 * MIB;
	return h;
}

START_TEST(bzimage_is_entered_by_the_64_bit_protocol)
{
	static uint8_t ramdisk[5000];
	struct vmm_image initrd = image(ramdisk, sizeof(ramdisk));
	struct vmm_boot_entry e;
	struct boot_params *zp;
	unsigned int i;

	make_bzimage();
	memset(ramdisk, 0x5a, sizeof(ramdisk));
	ck_assert_int_eq(load_with(bz, sizeof(bz), &initrd, "quiet ro", &e), 0);
	ck_assert_int_eq(e.mode, VMM_BOOT_LONG);
	ck_assert_uint_eq(e.ip, PREFERRED + 0x200);
	ck_assert_uint_eq(e.si, ZERO_PAGE);
	ck_assert_mem_eq(vmm_memory_at(&mem, PREFERRED, PAYLOAD), bz + 1024, PAYLOAD);

	zp = vmm_memory_at(&mem, ZERO_PAGE, sizeof(*zp));
	ck_assert_uint_eq(zp->hdr.type_of_loader, 0xff);
	ck_assert_uint_eq(zp->acpi_rsdp_addr, 0xe0000);
	ck_assert_str_eq(vmm_memory_at(&mem, zp->hdr.cmd_line_ptr, 9), "quiet ro");
	ck_assert_uint_eq(zp->hdr.ramdisk_size, sizeof(ramdisk));
	ck_assert_uint_eq(zp->hdr.ramdisk_image, (64 * MIB - sizeof(ramdisk)) & ~0xfffULL);
	ck_assert_mem_eq(vmm_memory_at(&mem, zp->hdr.ramdisk_image, sizeof(ramdisk)), ramdisk,
			 sizeof(ramdisk));
	/* The map is sorted, does not overlap, and ends with all RAM told. */
	ck_assert_uint_ge(zp->e820_entries, 4);
	for (i = 1; i < zp->e820_entries; i++)
		ck_assert_uint_ge(zp->e820_table[i].addr,
				  zp->e820_table[i - 1].addr + zp->e820_table[i - 1].size);
	ck_assert_uint_eq(zp->e820_table[3].addr, MIB);
	ck_assert_uint_eq(zp->e820_table[3].size, 63 * MIB);
	ck_assert_uint_eq(zp->e820_table[3].type, 1);
}
END_TEST

START_TEST(bzimage_header_fields_beyond_its_length_are_zero)
{
	struct vmm_boot_entry e;
	struct boot_params *zp;

	make_bzimage()->handover_offset = 0x1234;
	bz[0x201] = 0x264 - 0x202;	/* ends just before handover_offset */
	ck_assert_int_eq(load_with(bz, sizeof(bz), NULL, "", &e), 0);
	zp = vmm_memory_at(&mem, ZERO_PAGE, sizeof(*zp));
	ck_assert_uint_eq(zp->hdr.init_size, 8 * MIB);
	ck_assert_uint_eq(zp->hdr.handover_offset, 0);
}
END_TEST

START_TEST(every_truncated_bzimage_is_refused)
{
	size_t size;

	make_bzimage();
	/* The last paragraph may be incomplete; nothing else. */
	for (size = 0; size < sizeof(bz) - 15; size++)
		ck_assert_int_eq(load(bz, size), -ENOEXEC);
	for (; size <= sizeof(bz); size++)
		ck_assert_int_eq(load(bz, size), 0);
	make_bzimage();
	ck_assert_int_eq(load(bz, 2000), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(vmm_error(), "truncated"));
}
END_TEST

START_TEST(high_memory_comes_after_the_hole)
{
	struct vmm_boot_entry e;
	struct boot_params *zp;
	struct boot_e820_entry *last;

	vmm_memory_destroy(&mem);
	ck_assert_int_eq(vmm_memory_create(&mem, 6144 * MIB, 0, NULL), 0);
	make_bzimage();
	ck_assert_int_eq(load_with(bz, sizeof(bz), NULL, "", &e), 0);
	zp = vmm_memory_at(&mem, ZERO_PAGE, sizeof(*zp));
	ck_assert_uint_eq(zp->e820_table[3].size, VMM_HOLE_START - MIB);
	last = &zp->e820_table[zp->e820_entries - 1];
	ck_assert_uint_eq(last->addr, VMM_HOLE_END);
	ck_assert_uint_eq(last->size, 6144 * MIB - VMM_HOLE_START);
	ck_assert_ptr_null(vmm_memory_at(&mem, VMM_HOLE_START, 1));
	ck_assert_ptr_null(vmm_memory_at(&mem, VMM_HOLE_START - 1, 2));
	ck_assert_ptr_nonnull(vmm_memory_at(&mem, VMM_HOLE_END, 1));
}
END_TEST

/* One field wrong, one error. */
static void set_32bit(struct setup_header *h) { h->xloadflags = 0; }
static void set_old(struct setup_header *h) { h->version = 0x0203; }
static void set_zimage(struct setup_header *h) { h->loadflags = 0; }
static void set_empty(struct setup_header *h) { h->syssize = 0; }
static void set_huge(struct setup_header *h) { h->syssize = 0xffffffff; }
static void set_sects(struct setup_header *h) { h->setup_sects = 255; }
static void set_low(struct setup_header *h) { h->pref_address = 0x1000; }
static void set_high(struct setup_header *h) { h->pref_address = ~0xfffULL; }
static void set_odd(struct setup_header *h) { h->pref_address = PREFERRED + 1; }
static void set_beyond(struct setup_header *h) { h->pref_address = 65 * MIB; }
static void set_big(struct setup_header *h) { h->init_size = 0xffffffff; }
static void set_flag(struct setup_header *h) { h->boot_flag = 0; }
static void set_magic(struct setup_header *h) { h->header = 0; }

static const struct {
	void (*set)(struct setup_header *h);
	int err;
} bz_rows[] = {
	{ set_32bit, -ENOEXEC }, { set_old, -ENOEXEC }, { set_zimage, -ENOEXEC },
	{ set_empty, -ENOEXEC }, { set_huge, -ENOEXEC }, { set_sects, -ENOEXEC },
	{ set_low, -ENOEXEC }, { set_high, -ENOEXEC }, { set_odd, -ENOEXEC },
	{ set_beyond, -ENOMEM }, { set_big, -ENOMEM }, { set_flag, -ENOEXEC },
	{ set_magic, -ENOEXEC },
};

START_TEST(bzimage_with_one_bad_field_is_refused)
{
	bz_rows[_i].set(make_bzimage());
	ck_assert_int_eq(load(bz, sizeof(bz)), bz_rows[_i].err);
}
END_TEST

START_TEST(command_line_longer_than_the_kernel_takes_is_refused)
{
	struct vmm_boot_entry e;
	char line[2050];

	make_bzimage();
	memset(line, 'x', sizeof(line));
	line[2048] = 0;
	ck_assert_int_eq(load_with(bz, sizeof(bz), NULL, line, &e), -E2BIG);
	line[2047] = 0;
	ck_assert_int_eq(load_with(bz, sizeof(bz), NULL, line, &e), 0);
	/* A kernel that claims to take more than there is room for gets the room. */
	make_bzimage()->cmdline_size = 0xffffffff;
	ck_assert_int_eq(load_with(bz, sizeof(bz), NULL, line, &e), 0);
}
END_TEST

START_TEST(initrd_stays_below_the_kernels_limit)
{
	static uint8_t ramdisk[4096];
	struct vmm_image initrd = image(ramdisk, sizeof(ramdisk));
	struct vmm_boot_entry e;
	struct boot_params *zp;

	make_bzimage()->initrd_addr_max = 32 * MIB - 1;
	ck_assert_int_eq(load_with(bz, sizeof(bz), &initrd, "", &e), 0);
	zp = vmm_memory_at(&mem, ZERO_PAGE, sizeof(*zp));
	ck_assert_uint_eq(zp->hdr.ramdisk_image, 32 * MIB - 4096);
	/* No room between the kernel's end and the limit. */
	make_bzimage()->initrd_addr_max = PREFERRED + 8 * MIB;
	ck_assert_int_eq(load_with(bz, sizeof(bz), &initrd, "", &e), -ENOMEM);
}
END_TEST

START_TEST(initrd_larger_than_memory_is_refused)
{
	static uint8_t byte;
	struct vmm_image initrd = image(&byte, 64 * MIB);
	struct vmm_boot_entry e;

	make_bzimage();
	ck_assert_int_eq(load_with(bz, sizeof(bz), &initrd, "", &e), -ENOMEM);
	initrd.size = UINT64_MAX;
	ck_assert_int_eq(load_with(bz, sizeof(bz), &initrd, "", &e), -ENOMEM);
	ck_assert_ptr_nonnull(strstr(vmm_error(), "not enough memory"));
}
END_TEST

/* ---- ELF ---------------------------------------------------------------------- */

struct elf64 {
	Elf64_Ehdr e;
	Elf64_Phdr load;
	Elf64_Phdr note;
	Elf64_Nhdr n;
	char name[4];
	uint32_t desc;
	uint8_t code[64];
};

static struct elf64 elf;

static struct elf64 *make_elf64(void)
{
	memset(&elf, 0, sizeof(elf));
	memcpy(elf.e.e_ident, ELFMAG, SELFMAG);
	elf.e.e_ident[EI_CLASS] = ELFCLASS64;
	elf.e.e_ident[EI_DATA] = ELFDATA2LSB;
	elf.e.e_type = ET_EXEC;
	elf.e.e_machine = EM_X86_64;
	elf.e.e_entry = 0xffffffff80200010ULL;
	elf.e.e_phoff = offsetof(struct elf64, load);
	elf.e.e_phentsize = sizeof(Elf64_Phdr);
	elf.e.e_phnum = 2;
	elf.load = (Elf64_Phdr) { .p_type = PT_LOAD, .p_offset = offsetof(struct elf64, code),
				  .p_vaddr = 0xffffffff80200000ULL, .p_paddr = 0x200000,
				  .p_filesz = sizeof(elf.code), .p_memsz = 0x10000 };
	elf.note = (Elf64_Phdr) { .p_type = PT_NOTE, .p_offset = offsetof(struct elf64, n),
				  .p_filesz = sizeof(elf.n) + 8 };
	elf.n = (Elf64_Nhdr) { .n_namesz = 4, .n_descsz = 4, .n_type = 18 };
	memcpy(elf.name, "Xen", 4);
	elf.desc = 0x200020;
	memset(elf.code, 0x90, sizeof(elf.code));
	return &elf;
}

START_TEST(elf_with_a_pvh_note_is_entered_in_protected_mode)
{
	struct vmm_boot_entry e;
	uint32_t *info;

	make_elf64();
	ck_assert_int_eq(load_with(&elf, sizeof(elf), NULL, "a b", &e), 0);
	ck_assert_str_eq(e.protocol, "PVH");
	ck_assert_int_eq(e.mode, VMM_BOOT_PROTECTED);
	ck_assert_uint_eq(e.ip, 0x200020);
	info = vmm_memory_at(&mem, e.bx, 64);
	ck_assert_uint_eq(info[0], 0x336ec578);
	ck_assert_uint_eq(info[1], 1);
	ck_assert_str_eq(vmm_memory_at(&mem, info[6], 4), "a b");
	ck_assert_uint_eq(info[8], 0xe0000);
	ck_assert_mem_eq(vmm_memory_at(&mem, 0x200000, 64), elf.code, 64);
}
END_TEST

START_TEST(elf64_without_a_note_is_entered_as_vmlinux)
{
	struct vmm_boot_entry e;
	struct boot_params *zp;

	make_elf64()->e.e_phnum = 1;
	ck_assert_int_eq(load_with(&elf, sizeof(elf), NULL, "", &e), 0);
	ck_assert_int_eq(e.mode, VMM_BOOT_LONG);
	/* The virtual entry point, moved to where the segment is. */
	ck_assert_uint_eq(e.ip, 0x200010);
	ck_assert_uint_eq(e.si, ZERO_PAGE);
	zp = vmm_memory_at(&mem, ZERO_PAGE, sizeof(*zp));
	ck_assert_uint_eq(zp->hdr.header, 0x53726448);
	ck_assert_uint_ge(zp->e820_entries, 4);
}
END_TEST

START_TEST(every_truncated_elf_is_refused)
{
	size_t size;

	/* Up to the last byte that it uses; the C structure ends with padding. */
	for (size = 0; size < offsetof(struct elf64, code) + sizeof(elf.code); size++) {
		make_elf64();
		ck_assert_int_eq(load(&elf, size), -ENOEXEC);
	}
}
END_TEST

static void elf_machine(struct elf64 *f) { f->e.e_machine = EM_AARCH64; }
static void elf_big_endian(struct elf64 *f) { f->e.e_ident[EI_DATA] = ELFDATA2MSB; }
static void elf_object(struct elf64 *f) { f->e.e_type = ET_REL; }
static void elf_phnum0(struct elf64 *f) { f->e.e_phnum = 0; }
static void elf_phnum(struct elf64 *f) { f->e.e_phnum = 65535; }
static void elf_phentsize(struct elf64 *f) { f->e.e_phentsize = 1; }
static void elf_phoff(struct elf64 *f) { f->e.e_phoff = ~0ULL; }
static void elf_phoff2(struct elf64 *f) { f->e.e_phoff = ~0ULL - 55; }
static void elf_filesz(struct elf64 *f) { f->load.p_filesz = f->load.p_memsz + 1; }
static void elf_wrap(struct elf64 *f) { f->load.p_paddr = ~0ULL - 100; }
static void elf_offset(struct elf64 *f) { f->load.p_offset = ~0ULL; }
static void elf_low(struct elf64 *f) { f->load.p_paddr = 0x7000; }
static void elf_hole(struct elf64 *f) { f->load.p_paddr = VMM_HOLE_START; }
static void elf_memsz(struct elf64 *f) { f->load.p_memsz = 1ULL << 40; }
static void elf_nothing(struct elf64 *f) { f->load.p_type = PT_NULL; }
static void elf_pvh_entry(struct elf64 *f) { f->desc = 0xc0000000; }
static void elf_note_off(struct elf64 *f) { f->note.p_offset = ~0ULL - 8; }

static const struct {
	void (*set)(struct elf64 *f);
	int err;
} elf_rows[] = {
	{ elf_machine, -ENOEXEC }, { elf_big_endian, -ENOEXEC }, { elf_object, -ENOEXEC },
	{ elf_phnum0, -ENOEXEC }, { elf_phnum, -ENOEXEC }, { elf_phentsize, -ENOEXEC },
	{ elf_phoff, -ENOEXEC }, { elf_phoff2, -ENOEXEC }, { elf_filesz, -ENOEXEC },
	{ elf_wrap, -ENOEXEC }, { elf_offset, -ENOEXEC }, { elf_low, -ENOEXEC },
	{ elf_hole, -ENOMEM }, { elf_memsz, -ENOMEM }, { elf_nothing, -ENOEXEC },
	{ elf_pvh_entry, -ENOEXEC }, { elf_note_off, -ENOEXEC },
};

START_TEST(elf_with_one_bad_field_is_refused)
{
	elf_rows[_i].set(make_elf64());
	ck_assert_int_eq(load(&elf, sizeof(elf)), elf_rows[_i].err);
}
END_TEST

START_TEST(notes_of_impossible_sizes_are_not_followed)
{
	struct vmm_boot_entry e;

	/* No note that fits: an ELF64 without PVH. */
	make_elf64()->n.n_namesz = 0xffffffff;
	ck_assert_int_eq(load_with(&elf, sizeof(elf), NULL, "", &e), 0);
	ck_assert_int_eq(e.mode, VMM_BOOT_LONG);
	make_elf64()->n.n_descsz = 0xfffffffd;
	ck_assert_int_eq(load_with(&elf, sizeof(elf), NULL, "", &e), 0);
	ck_assert_int_eq(e.mode, VMM_BOOT_LONG);
	make_elf64()->note.p_filesz = ~0ULL;
	ck_assert_int_eq(load_with(&elf, sizeof(elf), NULL, "", &e), 0);
	ck_assert_int_eq(e.mode, VMM_BOOT_LONG);
}
END_TEST

/* ---- Multiboot ------------------------------------------------------------------ */

static struct {
	uint8_t pad[16];
	uint32_t header[8];
	uint8_t code[64];
} mb;

static void make_multiboot(uint32_t flags)
{
	memset(&mb, 0, sizeof(mb));
	memset(mb.code, 0xf4, sizeof(mb.code));
	mb.header[0] = 0x1badb002;
	mb.header[1] = flags;
	mb.header[2] = -(0x1badb002 + flags);
	mb.header[3] = 0x100010;		/* header_addr */
	mb.header[4] = 0x100000;		/* load_addr */
	mb.header[5] = 0x100000 + sizeof(mb);	/* load_end_addr */
	mb.header[6] = 0x108000;		/* bss_end_addr */
	mb.header[7] = 0x100030;		/* entry_addr */
}

START_TEST(multiboot_with_addresses_is_entered)
{
	static uint8_t data[100];
	struct vmm_image module = image(data, sizeof(data));
	struct vmm_boot_entry e;
	uint32_t *info, *mod;

	make_multiboot(1 << 16 | 3);
	ck_assert_int_eq(load_with(&mb, sizeof(mb), &module, "x=1", &e), 0);
	ck_assert_int_eq(e.mode, VMM_BOOT_PROTECTED);
	ck_assert_uint_eq(e.ip, 0x100030);
	ck_assert_uint_eq(e.ax, 0x2badb002);
	ck_assert_mem_eq(vmm_memory_at(&mem, 0x100000, sizeof(mb)), &mb, sizeof(mb));
	info = vmm_memory_at(&mem, e.bx, 52);
	ck_assert_uint_eq(info[0] & 0x4d, 0x4d);	/* memory, cmdline, mods, mmap */
	ck_assert_uint_eq(info[2], 63 * 1024);
	ck_assert_str_eq(vmm_memory_at(&mem, info[4], 9), "test x=1");
	ck_assert_uint_eq(info[5], 1);
	mod = vmm_memory_at(&mem, info[6], 16);
	ck_assert_uint_eq(mod[1] - mod[0], sizeof(data));
	/* Every map entry's size counts what follows it. */
	ck_assert_uint_eq(info[11] % 24, 0);
	ck_assert_uint_eq(*(uint32_t *)vmm_memory_at(&mem, info[12], 4), 20);
}
END_TEST

START_TEST(elf32_with_a_multiboot_header_is_entered)
{
	static struct {
		Elf32_Ehdr e;
		Elf32_Phdr p;
		uint32_t header[3];
		uint8_t code[32];
	} f = {
		.e = { .e_type = ET_EXEC, .e_machine = EM_386, .e_entry = 0x100004,
		       .e_phoff = sizeof(Elf32_Ehdr), .e_phentsize = sizeof(Elf32_Phdr),
		       .e_phnum = 1 },
		.header = { 0x1badb002, 0, -0x1badb002u },
	};
	struct vmm_boot_entry e;

	memcpy(f.e.e_ident, ELFMAG, SELFMAG);
	f.e.e_ident[EI_CLASS] = ELFCLASS32;
	f.e.e_ident[EI_DATA] = ELFDATA2LSB;
	f.p = (Elf32_Phdr) { .p_type = PT_LOAD, .p_offset = sizeof(f.e) + sizeof(f.p),
			     .p_vaddr = 0x100000, .p_paddr = 0x100000, .p_filesz = 44,
			     .p_memsz = 4096 };
	ck_assert_int_eq(load_with(&f, sizeof(f), NULL, "", &e), 0);
	ck_assert_str_eq(e.protocol, "Multiboot");
	ck_assert_uint_eq(e.ip, 0x100004);
	/* Without the header it is just some 32-bit program. */
	f.header[2]++;
	ck_assert_int_eq(load(&f, sizeof(f)), -ENOEXEC);
}
END_TEST

static const struct {
	unsigned int field;
	uint32_t value;
	int err;
} mb_rows[] = {
	{ 3, 0x0fffff, -ENOEXEC },	/* header before what is loaded */
	{ 3, 0x200000, -ENOEXEC },	/* header farther in than it is in the file */
	{ 4, 0x7000, -ENOEXEC },	/* loads over boot data (and does not fit) */
	{ 5, 0x0fffff, -ENOEXEC },	/* ends before it starts */
	{ 5, 0x180000, -ENOEXEC },	/* longer than the file */
	{ 5, 0xffffffff, -ENOMEM },
	{ 6, 0xffffffff, -ENOMEM },
	{ 7, 0xd0000000, -ENOEXEC },	/* entry in the hole */
};

START_TEST(multiboot_with_one_bad_address_is_refused)
{
	make_multiboot(1 << 16);
	mb.header[mb_rows[_i].field] = mb_rows[_i].value;
	ck_assert_int_eq(load(&mb, sizeof(mb)), mb_rows[_i].err);
}
END_TEST

START_TEST(multiboot_wishes_that_cannot_be_met_are_refused)
{
	make_multiboot(1 << 16 | 4);
	ck_assert_int_eq(load(&mb, sizeof(mb)), -ENOEXEC);
	make_multiboot(1 << 16 | 0x8000);
	ck_assert_int_eq(load(&mb, sizeof(mb)), -ENOEXEC);
	make_multiboot(0);
	ck_assert_int_eq(load(&mb, sizeof(mb)), -ENOEXEC);
}
END_TEST

START_TEST(every_truncated_multiboot_image_is_refused)
{
	size_t size;

	make_multiboot(1 << 16);
	for (size = 0; size < sizeof(mb); size++)
		ck_assert_int_eq(load(&mb, size), -ENOEXEC);
}
END_TEST

/* ---- all of them ------------------------------------------------------------------ */

START_TEST(a_file_that_is_no_kernel_is_refused)
{
	static const char text[] = "#!/bin/sh\necho no kernel\n";

	ck_assert_int_eq(load(text, sizeof(text)), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(vmm_error(), "not a kernel image"));
	ck_assert_int_eq(load(text, 0), -ENOEXEC);
}
END_TEST

/* xorshift: the same changes in every run. */
static uint32_t rnd(void)
{
	static uint32_t s = 2463534242u;

	s ^= s << 13;
	s ^= s >> 17;
	s ^= s << 5;
	return s;
}

START_TEST(images_with_random_damage_never_stray)
{
	uint8_t buf[sizeof(bz)];
	size_t size;
	int i, j;

	for (i = 0; i < 30000; i++) {
		switch (i % 3) {
		case 0:
			make_bzimage();
			memcpy(buf, bz, size = sizeof(bz));
			break;
		case 1:
			make_elf64();
			memcpy(buf, &elf, size = sizeof(elf));
			break;
		default:
			make_multiboot(1 << 16);
			memcpy(buf, &mb, size = sizeof(mb));
		}
		for (j = rnd() % 6; j >= 0; j--) {
			size_t at = i % 3 == 0 ? 0x1f1 + rnd() % 128 : rnd() % size;

			buf[at] = rnd() % 3 ? rnd() : (rnd() % 2 ? 0xff : 0);
		}
		/* Whatever it answers, it answers, and no error is a strange one. */
		switch (load(buf, size)) {
		case 0:
		case -ENOEXEC:
		case -ENOMEM:
		case -E2BIG:
			break;
		default:
			ck_abort_msg("unexpected error: %s", vmm_error());
		}
	}
}
END_TEST

#define ROWS(t)	(sizeof(t) / sizeof((t)[0]))

int main(void)
{
	Suite *s = suite_create("libvmm boot");
	TCase *tc = tcase_create("boot");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, bzimage_is_entered_by_the_64_bit_protocol);
	tcase_add_test(tc, bzimage_header_fields_beyond_its_length_are_zero);
	tcase_add_test(tc, every_truncated_bzimage_is_refused);
	tcase_add_test(tc, high_memory_comes_after_the_hole);
	tcase_add_loop_test(tc, bzimage_with_one_bad_field_is_refused, 0, ROWS(bz_rows));
	tcase_add_test(tc, command_line_longer_than_the_kernel_takes_is_refused);
	tcase_add_test(tc, initrd_stays_below_the_kernels_limit);
	tcase_add_test(tc, initrd_larger_than_memory_is_refused);
	tcase_add_test(tc, elf_with_a_pvh_note_is_entered_in_protected_mode);
	tcase_add_test(tc, elf64_without_a_note_is_entered_as_vmlinux);
	tcase_add_test(tc, every_truncated_elf_is_refused);
	tcase_add_loop_test(tc, elf_with_one_bad_field_is_refused, 0, ROWS(elf_rows));
	tcase_add_test(tc, notes_of_impossible_sizes_are_not_followed);
	tcase_add_test(tc, multiboot_with_addresses_is_entered);
	tcase_add_test(tc, elf32_with_a_multiboot_header_is_entered);
	tcase_add_loop_test(tc, multiboot_with_one_bad_address_is_refused, 0, ROWS(mb_rows));
	tcase_add_test(tc, multiboot_wishes_that_cannot_be_met_are_refused);
	tcase_add_test(tc, every_truncated_multiboot_image_is_refused);
	tcase_add_test(tc, a_file_that_is_no_kernel_is_refused);
	tcase_add_test(tc, images_with_random_damage_never_stray);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
