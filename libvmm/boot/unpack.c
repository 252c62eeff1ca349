// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A bzImage unpacked by us: what the decompressor in front of the kernel would do in
 * the guest, with fewer instructions and without the memory that it needs to do it.
 * The payload goes straight to guest memory and becomes a kernel there: its segments are
 * moved to their places and, as the decompressor does (Linux: "nokaslr" in
 * Documentation/admin-guide/kernel-parameters.txt), it is relocated to random addresses.
 *
 * Whatever is not as it should be is left to the decompressor, which can say what.
 */
#include <asm/bootparam.h>
#include <elf.h>
#include <lz4.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include "layout.h"

#define KERNEL_MAP		0xffffffff80000000ULL	/* virtual address of image offset -pref */
#define KERNEL_MAP_SIZE		0x40000000ULL
#define PHDRS_MAX		64

/* A kernel being unpacked. */
struct unpacked {
	uint8_t *base;		/* our address of its first byte */
	uint64_t size;		/* room there: what the header says it needs */
	uint64_t pref;		/* address that it is linked for */
	uint64_t len;		/* of what was decompressed: ELF file, then relocations */
	uint64_t elf_len;
	uint64_t entry;		/* offset from its first byte */
};

/* ---- formats: return the length of what came out, 0 when it is no such thing --------- */

static size_t unlz4(const uint8_t *in, size_t len, uint8_t *out, size_t room)
{
	static const uint32_t magic = 0x184c2102;	/* the legacy frame: blocks with their length */
	size_t done = 0;
	uint32_t block;
	int n;

	if (len < 4 || memcmp(in, &magic, 4))
		return 0;
	for (; len >= 4; in += block, len -= block) {
		memcpy(&block, in, 4);
		in += 4;
		len -= 4;
		if (block == magic)
			block = 0;
		else if (!block)
			break;
		if (block > len || room - done > LZ4_MAX_INPUT_SIZE)
			return 0;
		if (!block)
			continue;
		n = LZ4_decompress_safe((const char *)in, (char *)out + done, block, room - done);
		if (n < 0)
			return 0;
		done += n;
	}
	return done;
}

static size_t unzstd(const uint8_t *in, size_t len, uint8_t *out, size_t room)
{
	size_t n = ZSTD_decompress(out, room, in, len);

	return ZSTD_isError(n) ? 0 : n;
}

static size_t gunzip(const uint8_t *in, size_t len, uint8_t *out, size_t room)
{
	z_stream z = { .next_in = (uint8_t *)in, .avail_in = len, .next_out = out,
		       .avail_out = room };
	int ret;

	if (room > UINT32_MAX || inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		return 0;
	ret = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	return ret == Z_STREAM_END ? z.total_out : 0;
}

/* The payload ends with the length of what comes out of it. */
static bool decompress(struct unpacked *u, const uint8_t *in, size_t len)
{
	uint32_t want;

	if (len < 16)
		return false;
	memcpy(&want, in + len - 4, 4);
	if (want > u->size)
		return false;
	u->len = want;
	if (in[0] == 0x1f && in[1] == 0x8b)	/* there the length is a part of the format */
		return gunzip(in, len, u->base, u->size) == want;
	return unlz4(in, len - 4, u->base, u->size) == want ||
	       unzstd(in, len - 4, u->base, u->size) == want;
}

/* Compressed bytes of the image, mapped or as they are. */
static bool decompress_image(struct unpacked *u, const struct vmm_image *img, uint64_t off,
			     uint64_t len)
{
	uint64_t skip = off % sysconf(_SC_PAGESIZE);
	uint8_t *map;
	bool good;

	if (img->fd < 0)
		return decompress(u, img->data + off, len);
	map = mmap(NULL, len + skip, PROT_READ, MAP_PRIVATE | MAP_POPULATE, img->fd, off - skip);
	if (map == MAP_FAILED)
		return false;
	good = decompress(u, map + skip, len);
	munmap(map, len + skip);
	return good;
}

/* ---- the kernel in it ------------------------------------------------------------------ */

/* Moves each segment to its place. All of them lie at or behind it. */
static bool place_segments(struct unpacked *u)
{
	Elf64_Phdr ph[PHDRS_MAX];
	Elf64_Ehdr e;
	unsigned int i;

	if (u->len < sizeof(e))
		return false;
	memcpy(&e, u->base, sizeof(e));
	if (memcmp(e.e_ident, ELFMAG, SELFMAG) || e.e_ident[EI_CLASS] != ELFCLASS64 ||
	    e.e_machine != EM_X86_64 || e.e_phentsize != sizeof(ph[0]) || e.e_phnum > PHDRS_MAX ||
	    e.e_phoff > u->len || e.e_phnum * sizeof(ph[0]) > u->len - e.e_phoff ||
	    e.e_entry < u->pref || e.e_entry - u->pref >= u->size)
		return false;
	/* The section headers are the last of a file that the linker has made. */
	u->elf_len = e.e_shoff + (uint64_t)e.e_shnum * e.e_shentsize;
	if (e.e_shoff > u->len || u->elf_len > u->len)
		return false;
	u->entry = e.e_entry - u->pref;
	memcpy(ph, u->base + e.e_phoff, e.e_phnum * sizeof(ph[0]));
	for (i = 0; i < e.e_phnum; i++) {
		uint64_t to = ph[i].p_paddr - u->pref, from = ph[i].p_offset;

		if (ph[i].p_type != PT_LOAD)
			continue;
		if (ph[i].p_paddr < u->pref || to > from || from > u->elf_len ||
		    ph[i].p_filesz > u->elf_len - from)
			return false;
		memmove(u->base + to, u->base + from, ph[i].p_filesz);
	}
	return true;
}

/*
 * Adds to what one list of relocations names, from its last entry back to the zero in front
 * of it. A relocation is the lower half of the address as linked. Inlined, because there are
 * some 200,000 of them, and @width is a constant.
 *
 * Return: offset of the zero, or 0 when the list is not right.
 */
static inline __attribute__((always_inline)) uint64_t
relocate(struct unpacked *u, uint64_t end, unsigned int width, uint64_t delta)
{
	uint8_t *base = u->base;
	uint64_t limit = u->elf_len - 8, link = KERNEL_MAP + u->pref, at = end, off, v = 0;
	int32_t address;

	while (at > limit + 8) {
		at -= 4;
		memcpy(&address, base + at, 4);
		if (!address)
			return at;
		off = (uint64_t)(int64_t)address - link;
		if (off >= limit)
			return 0;
		memcpy(&v, base + off, width);
		v += delta;
		memcpy(base + off, &v, width);
	}
	return 0;
}

/* Three lists: of 64 bits, of 32 bits to subtract from (not since Linux 6.15), of 32 bits. */
static bool relocate_all(struct unpacked *u, uint64_t delta)
{
	uint64_t at, lists = 0;
	uint32_t word;

	if (u->len % 4 || u->elf_len % 4 || u->elf_len < 8)
		return false;
	for (at = u->elf_len; at < u->len; at += 4) {
		memcpy(&word, u->base + at, 4);
		lists += !word;
	}
	if (lists != 2 && lists != 3)
		return false;
	at = relocate(u, u->len, 4, delta);
	if (at && lists == 3)
		at = relocate(u, at, 4, -delta);
	if (at)
		at = relocate(u, at, 8, delta);
	return at == u->elf_len;
}

/* ---- where it goes --------------------------------------------------------------------- */

/* A random multiple of @align from @from, at most @room beyond it. */
static uint64_t random_address(uint64_t from, uint64_t room, uint64_t align)
{
	uint64_t r;

	/* A host that has just started has no better ones yet, and need not wait for them. */
	if (getrandom(&r, sizeof(r), GRND_INSECURE) != sizeof(r))
		return from;
	return from + r % (room / align + 1) * align;
}

int boot_unpack(const struct vmm_memory *mem, const struct vmm_boot_params *params,
		struct setup_header *h, uint64_t payload, uint64_t *load, uint64_t top,
		uint64_t *entry)
{
	struct unpacked u = { .size = h->init_size, .pref = h->pref_address };
	uint64_t align = h->kernel_alignment, to = *load, virt = u.pref;
	bool shuffle = !boot_has_word(params->cmdline, "nokaslr");

	if (align < 0x200000 || align & (align - 1) || u.pref % align || !h->relocatable_kernel ||
	    u.pref + u.size > KERNEL_MAP_SIZE || *load + u.size > top)
		return 1;
	payload += h->payload_offset;
	if (payload > params->kernel->size || h->payload_length > params->kernel->size - payload)
		return 1;
	/* These may take memory from the kernel; where it is linked for, it is at home. */
	if (shuffle && !boot_has_word(params->cmdline, "mem=") &&
	    !boot_has_word(params->cmdline, "memmap="))
		to = random_address(*load, top - u.size - *load, align);
	if (shuffle)
		virt = random_address(u.pref, KERNEL_MAP_SIZE - u.size - u.pref, align);
	u.base = boot_ram_at(mem, to, u.size);
	if (!u.base || !decompress_image(&u, params->kernel, payload, h->payload_length) ||
	    !place_segments(&u))
		return 1;
	/* A kernel that cannot be moved has no relocations. */
	if (shuffle && u.len > u.elf_len) {
		if (!relocate_all(&u, virt - u.pref))
			return 1;
		h->loadflags |= KASLR_FLAG;
	}
	*load = to;
	*entry = to + u.entry;
	return 0;
}
