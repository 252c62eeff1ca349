// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvmm unpacks a bzImage as the decompressor in it would; whatever is not right in one is
 * left to the decompressor.
 */
#include <asm/bootparam.h>
#include <check.h>
#include <elf.h>
#include <lz4.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/boot.h>
#include <vmm/memory.h>
#include <zlib.h>
#include <zstd.h>
#include "run_suite.h"

#define MIB		(1ULL << 20)
#define PREFERRED	0x1000000
#define KERNEL_MAP	0xffffffff80000000ULL
#define LINKED		(KERNEL_MAP + PREFERRED)
#define NEED		(8 * MIB)
#define ZERO_PAGE	0x7000
#define SETUP		1024		/* bytes in front of the payload */
#define HEAD		512		/* bytes of "decompressor" */
#define BLOCK		4096		/* of LZ4 */

/* The kernel in it: a segment with what is to be relocated, one more that moves by less. */
#define TEXT		0x1000		/* offset in the file; goes to 0 */
#define DATA		0x3000		/* goes to 0x1800 */
#define SECTIONS	0x4000
#define ENTRY		0x40

enum { QWORD = 0x100, DWORD = 0x200, INVERSE = 0x300 };	/* where in the text */

struct kernel {
	Elf64_Ehdr e;
	Elf64_Phdr ph[3];
	uint8_t pad[SECTIONS - sizeof(Elf64_Ehdr) - 3 * sizeof(Elf64_Phdr)];
	Elf64_Shdr sh[1];
	uint32_t relocations[6];
};

static struct vmm_memory mem;
static struct kernel kernel;
static uint8_t bz[2 * sizeof(kernel)];
static size_t bz_len;

static struct setup_header *header(void)
{
	return (struct setup_header *)(bz + 0x1f1);
}

static void put(size_t at, uint64_t v, size_t len)
{
	memcpy((uint8_t *)&kernel + at, &v, len);
}

static void make_kernel(void)
{
	memset(&kernel, 0, sizeof(kernel));
	memcpy(kernel.e.e_ident, ELFMAG, SELFMAG);
	kernel.e.e_ident[EI_CLASS] = ELFCLASS64;
	kernel.e.e_machine = EM_X86_64;
	kernel.e.e_entry = PREFERRED + ENTRY;
	kernel.e.e_phoff = sizeof(kernel.e);
	kernel.e.e_phentsize = sizeof(kernel.ph[0]);
	kernel.e.e_phnum = 3;
	kernel.e.e_shoff = SECTIONS;
	kernel.e.e_shentsize = sizeof(kernel.sh[0]);
	kernel.e.e_shnum = 1;
	kernel.ph[0] = (Elf64_Phdr) { .p_type = PT_LOAD, .p_offset = TEXT, .p_paddr = PREFERRED,
				      .p_filesz = 0x1000 };
	kernel.ph[1] = (Elf64_Phdr) { .p_type = PT_LOAD, .p_offset = DATA,
				      .p_paddr = PREFERRED + 0x1800, .p_filesz = 0x800 };
	kernel.ph[2] = (Elf64_Phdr) { .p_type = PT_NOTE, .p_paddr = 1, .p_filesz = ~0ULL };
	memcpy((uint8_t *)&kernel + TEXT, "text", 4);
	memcpy((uint8_t *)&kernel + DATA, "data", 4);
	put(TEXT + QWORD, LINKED + 8, 8);
	put(TEXT + DWORD, (uint32_t)(LINKED + 16), 4);
	put(TEXT + INVERSE, 0x01000000, 4);
	kernel.relocations[1] = (uint32_t)(LINKED + QWORD);
	kernel.relocations[3] = (uint32_t)(LINKED + INVERSE);
	kernel.relocations[5] = (uint32_t)(LINKED + DWORD);
}

static size_t lz4(uint8_t *out, size_t room, size_t len)
{
	static const uint32_t magic = 0x184c2102;
	size_t done = 0, at = 4;

	memcpy(out, &magic, 4);
	while (done < len) {
		size_t block = len - done < BLOCK ? len - done : BLOCK;
		uint32_t n = LZ4_compress_default((char *)&kernel + done, (char *)out + at + 4,
						  block, room - at - 4);

		memcpy(out + at, &n, 4);
		at += 4 + n;
		done += block;
	}
	return at;
}

static size_t zstd(uint8_t *out, size_t room, size_t len)
{
	return ZSTD_compress(out, room, &kernel, len, 1);
}

/* Its last four bytes are the length already. */
static size_t gzip(uint8_t *out, size_t room, size_t len)
{
	z_stream z = { .next_in = (uint8_t *)&kernel, .avail_in = len, .next_out = out,
		       .avail_out = room };

	ck_assert_int_eq(deflateInit2(&z, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, 0), Z_OK);
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out - 4;
}

static size_t (*const formats[])(uint8_t *out, size_t room, size_t len) = { lz4, zstd, gzip };

/* Pack the first len bytes of the kernel. */
static void pack(size_t (*format)(uint8_t *out, size_t room, size_t len), uint32_t len)
{
	struct setup_header *h = header();
	uint8_t *payload = bz + SETUP + HEAD;

	memset(bz, 0, sizeof(bz));
	memset(bz + SETUP, 0xd0, HEAD);
	h->setup_sects = 1;
	h->boot_flag = 0xaa55;
	h->header = 0x53726448;
	h->version = 0x020f;
	bz[0x201] = 0x6c;
	h->loadflags = LOADED_HIGH;
	h->initrd_addr_max = 0x7fffffff;
	h->kernel_alignment = 0x200000;
	h->relocatable_kernel = 1;
	h->xloadflags = XLF_KERNEL_64 | XLF_5LEVEL | XLF_5LEVEL_ENABLED;
	h->cmdline_size = 2047;
	h->pref_address = PREFERRED;
	h->init_size = NEED;
	h->payload_offset = HEAD;
	h->payload_length = format(payload, sizeof(bz) - SETUP - HEAD - 4, len) + 4;
	memcpy(payload + h->payload_length - 4, &len, 4);
	bz_len = (SETUP + HEAD + h->payload_length + 15) & ~15ULL;
	h->syssize = (bz_len - SETUP) / 16;
}

static void load(const char *cmdline, struct vmm_boot_entry *entry)
{
	struct vmm_image image = { .name = "test", .size = bz_len, .fd = -1, .data = bz };
	struct vmm_boot_params params = { .kernel = &image, .cmdline = cmdline };

	ck_assert_int_eq(vmm_boot_load(&mem, &params, entry), 0);
}

static struct setup_header *loaded(void)
{
	struct boot_params *zp = vmm_memory_at(&mem, ZERO_PAGE, sizeof(*zp));

	return &zp->hdr;
}

static uint64_t get(uint64_t at, size_t len)
{
	uint64_t v = 0;

	memcpy(&v, vmm_memory_at(&mem, at, len), len);
	return v;
}

static void setup(void)
{
	ck_assert_int_eq(vmm_memory_create(&mem, 256 * MIB, 0, NULL), 0);
	make_kernel();
}

static void teardown(void)
{
	vmm_memory_destroy(&mem);
}

START_TEST(kernel_is_unpacked_to_where_it_is_linked)
{
	struct vmm_boot_entry e;

	pack(formats[_i], sizeof(kernel));
	load("quiet nokaslr", &e);
	ck_assert_uint_eq(e.ip, PREFERRED + ENTRY);
	ck_assert_uint_eq(e.si, ZERO_PAGE);
	ck_assert_int_eq(e.mode, VMM_BOOT_LONG);
	ck_assert(e.five_levels);
	ck_assert_mem_eq(vmm_memory_at(&mem, PREFERRED, 4), "text", 4);
	ck_assert_mem_eq(vmm_memory_at(&mem, PREFERRED + 0x1800, 4), "data", 4);
	ck_assert_uint_eq(get(PREFERRED + QWORD, 8), LINKED + 8);
	ck_assert_uint_eq(get(PREFERRED + DWORD, 4), (uint32_t)(LINKED + 16));
	ck_assert_uint_eq(get(PREFERRED + INVERSE, 4), 0x01000000);
	ck_assert(!(loaded()->loadflags & KASLR_FLAG));
	load("no5lvl nokaslr", &e);
	ck_assert(!e.five_levels);
}
END_TEST

/* Where the memory allows it, and as one wants it: 2 lists of relocations, or 3. */
START_TEST(kernel_is_relocated_to_random_addresses)
{
	uint64_t last_at = 0, last_delta = 0, at, delta;
	unsigned int i, moved = 0, shifted = 0;
	struct vmm_boot_entry e;

	if (_i) {
		kernel.relocations[2] = (uint32_t)(LINKED + DWORD);
		kernel.relocations[1] = 0;
		kernel.relocations[0] = (uint32_t)(LINKED + QWORD);
		kernel.e.e_shnum = 0;
		kernel.e.e_shoff += sizeof(kernel.sh[0]) - 4;
	}
	pack(lz4, sizeof(kernel) - (_i ? 12 : 0));
	for (i = 0; i < 16; i++) {
		load("quiet", &e);
		at = e.ip - ENTRY;
		ck_assert_uint_eq(at % 0x200000, 0);
		ck_assert_uint_ge(at, PREFERRED);
		ck_assert_uint_le(at + NEED, 256 * MIB);
		ck_assert_mem_eq(vmm_memory_at(&mem, at, 4), "text", 4);
		delta = get(at + QWORD, 8) - LINKED - 8;
		ck_assert_uint_eq(delta % 0x200000, 0);
		ck_assert_uint_le(PREFERRED + delta + NEED, 1024 * MIB);
		ck_assert_uint_eq(get(at + DWORD, 4), (uint32_t)(LINKED + 16 + delta));
		ck_assert_uint_eq(get(at + INVERSE, 4), (uint32_t)(0x01000000 - (_i ? 0 : delta)));
		ck_assert(loaded()->loadflags & KASLR_FLAG);
		ck_assert_uint_eq(loaded()->code32_start, at);
		moved += i && at != last_at;
		shifted += i && delta != last_delta;
		last_at = at;
		last_delta = delta;
	}
	ck_assert_uint_gt(moved, 8);
	ck_assert_uint_gt(shifted, 8);
	/* Where memory is not what it seems, only the virtual address is random. */
	load("mem=64M", &e);
	ck_assert_uint_eq(e.ip, PREFERRED + ENTRY);
	ck_assert(loaded()->loadflags & KASLR_FLAG);
}
END_TEST

START_TEST(kernel_without_relocations_is_not_moved)
{
	struct vmm_boot_entry e;

	pack(lz4, SECTIONS + sizeof(kernel.sh));
	load("mem=1G", &e);
	ck_assert_uint_eq(e.ip, PREFERRED + ENTRY);
	ck_assert_uint_eq(get(PREFERRED + QWORD, 8), LINKED + 8);
	ck_assert(!(loaded()->loadflags & KASLR_FLAG));
}
END_TEST

/* One thing wrong; it is found before packing or after. */
static void no_elf(void) { kernel.e.e_ident[0] = 0; }
static void class_32(void) { kernel.e.e_ident[EI_CLASS] = ELFCLASS32; }
static void segments_many(void) { kernel.e.e_phnum = 0xffff; }
static void segments_beyond(void) { kernel.e.e_phoff = ~0ULL - 8; }
static void segment_forward(void) { kernel.ph[1].p_paddr = PREFERRED + DATA + 1; }
static void segment_below(void) { kernel.ph[1].p_paddr = PREFERRED - 1; }
static void segment_long(void) { kernel.ph[1].p_filesz = ~0ULL; }
static void segment_far(void) { kernel.ph[1].p_offset = ~0ULL; }
static void sections_beyond(void) { kernel.e.e_shoff = sizeof(kernel); }
static void sections_wrap(void) { kernel.e.e_shoff = ~0ULL; }
static void entry_below(void) { kernel.e.e_entry = PREFERRED - 1; }
static void entry_beyond(void) { kernel.e.e_entry = PREFERRED + NEED; }
static void relocation_below(void) { kernel.relocations[5] = (uint32_t)(LINKED - 1); }
static void relocation_beyond(void) { kernel.relocations[1] = (uint32_t)(LINKED + SECTIONS + 60); }
static void relocation_positive(void) { kernel.relocations[3] = 0x1000; }
static void relocations_open(void) { kernel.relocations[0] = (uint32_t)LINKED; }
static void relocations_four(void) { kernel.relocations[1] = 0; }
static void align_small(void) { header()->kernel_alignment = 4096; }
static void align_odd(void) { header()->kernel_alignment = 0x300000; }
static void fixed(void) { header()->relocatable_kernel = 0; }
static void payload_beyond(void) { header()->payload_offset = ~0u; }
static void payload_long(void) { header()->payload_length = ~0u; }
static void payload_short(void) { header()->payload_length = 4; }
static void payload_cut(void) { header()->payload_length -= 8; }
static void length_wrong(void) { bz[SETUP + HEAD + header()->payload_length - 4]++; }
static void length_huge(void) { bz[SETUP + HEAD + header()->payload_length - 1] = 0xff; }
static void block_long(void) { bz[SETUP + HEAD + 7] = 0xff; }
static void magic_wrong(void) { bz[SETUP + HEAD]++; }

static const struct {
	void (*before)(void);
	void (*after)(void);
} wrong[] = {
	{ no_elf, NULL }, { class_32, NULL }, { segments_many, NULL }, { segments_beyond, NULL },
	{ segment_forward, NULL }, { segment_below, NULL }, { segment_long, NULL },
	{ segment_far, NULL }, { sections_beyond, NULL }, { sections_wrap, NULL },
	{ entry_below, NULL }, { entry_beyond, NULL }, { relocation_below, NULL },
	{ relocation_beyond, NULL }, { relocation_positive, NULL }, { relocations_open, NULL },
	{ relocations_four, NULL },
	{ NULL, align_small }, { NULL, align_odd }, { NULL, fixed }, { NULL, payload_beyond },
	{ NULL, payload_long }, { NULL, payload_short }, { NULL, payload_cut },
	{ NULL, length_wrong }, { NULL, length_huge }, { NULL, block_long }, { NULL, magic_wrong },
};

START_TEST(damaged_kernel_is_left_to_its_decompressor)
{
	struct vmm_boot_entry e;

	if (wrong[_i].before)
		wrong[_i].before();
	pack(lz4, sizeof(kernel));
	if (wrong[_i].after)
		wrong[_i].after();
	load("", &e);
	ck_assert_uint_eq(e.ip, PREFERRED + 0x200);
	ck_assert(!e.five_levels);
	ck_assert(!(loaded()->loadflags & KASLR_FLAG));
	ck_assert_mem_eq(vmm_memory_at(&mem, PREFERRED, bz_len - SETUP), bz + SETUP,
			 bz_len - SETUP);
}
END_TEST

/* Whatever is wrong, nothing but the guest's memory is read or written. */
START_TEST(random_damage_never_strays)
{
	struct vmm_boot_entry e;
	unsigned int i, n;

	srand(_i);
	for (i = 0; i < 500; i++) {
		make_kernel();
		for (n = rand() % 4; n; n--)
			((uint8_t *)&kernel)[rand() % (sizeof(Elf64_Ehdr) + sizeof(kernel.ph))] ^=
				1 << rand() % 8;
		for (n = rand() % 2; n; n--)
			kernel.relocations[rand() % 6] ^= 1u << rand() % 32;
		pack(formats[_i % 3], sizeof(kernel));
		for (n = rand() % 3; n; n--)
			bz[SETUP + HEAD + rand() % header()->payload_length] ^= 1 << rand() % 8;
		load("", &e);
		ck_assert_ptr_nonnull(vmm_memory_at(&mem, e.ip, 1));
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("libvmm unpack");
	TCase *tc = tcase_create("unpack");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, kernel_is_unpacked_to_where_it_is_linked, 0, 3);
	tcase_add_loop_test(tc, kernel_is_relocated_to_random_addresses, 0, 2);
	tcase_add_test(tc, kernel_without_relocations_is_not_moved);
	tcase_add_loop_test(tc, damaged_kernel_is_left_to_its_decompressor, 0,
			    sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_loop_test(tc, random_damage_never_strays, 0, 6);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
