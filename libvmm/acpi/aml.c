// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * AML writer (ACPI 6.4 chapter 20.2) and small resource descriptors (6.4.2).
 */
#include <string.h>
#include "aml.h"

#define AML_NAME	0x08
#define AML_BYTE	0x0a
#define AML_WORD	0x0b
#define AML_DWORD	0x0c
#define AML_STRING	0x0d
#define AML_QWORD	0x0e
#define AML_SCOPE	0x10
#define AML_BUFFER	0x11
#define AML_PACKAGE	0x12
#define AML_DUAL_NAME	0x2e
#define AML_MULTI_NAME	0x2f
#define AML_EXT		0x5b
#define AML_EXT_DEVICE	0x82

void aml_byte(struct aml *a, uint8_t byte)
{
	if (a->len < a->cap)
		a->buf[a->len++] = byte;
	else
		a->overflow = true;
}

static void aml_le(struct aml *a, uint64_t value, unsigned int bytes)
{
	while (bytes--) {
		aml_byte(a, value);
		value >>= 8;
	}
}

/* Segments of four letters with no dots, short ones padded by '_' already. */
static void name_string(struct aml *a, const char *path)
{
	size_t segs;

	while (*path == '\\' || *path == '^')
		aml_byte(a, *path++);
	segs = strlen(path) / 4;
	if (segs == 2)
		aml_byte(a, AML_DUAL_NAME);
	if (segs > 2) {
		aml_byte(a, AML_MULTI_NAME);
		aml_byte(a, segs);
	}
	while (*path)
		aml_byte(a, *path++);
}

void aml_name(struct aml *a, const char *path)
{
	aml_byte(a, AML_NAME);
	name_string(a, path);
}

void aml_int(struct aml *a, uint64_t value)
{
	if (value <= 1) {
		aml_byte(a, value);
	} else if (value <= 0xff) {
		aml_byte(a, AML_BYTE);
		aml_le(a, value, 1);
	} else if (value <= 0xffff) {
		aml_byte(a, AML_WORD);
		aml_le(a, value, 2);
	} else if (value <= 0xffffffff) {
		aml_byte(a, AML_DWORD);
		aml_le(a, value, 4);
	} else {
		aml_byte(a, AML_QWORD);
		aml_le(a, value, 8);
	}
}

void aml_string(struct aml *a, const char *s)
{
	aml_byte(a, AML_STRING);
	while (*s)
		aml_byte(a, *s++);
	aml_byte(a, 0);
}

static unsigned int hex_digit(char c)
{
	return c <= '9' ? c - '0' : c - 'A' + 10;
}

void aml_eisaid(struct aml *a, const char *id)
{
	uint32_t v = (id[0] - 0x40u) << 26 | (id[1] - 0x40u) << 21 | (id[2] - 0x40u) << 16 |
		     hex_digit(id[3]) << 12 | hex_digit(id[4]) << 8 | hex_digit(id[5]) << 4 |
		     hex_digit(id[6]);

	aml_byte(a, AML_DWORD);
	aml_le(a, __builtin_bswap32(v), 4);
}

/* A length of two bytes is always right up to 4095, and can be patched in place. */
static size_t pkg_open(struct aml *a)
{
	size_t mark = a->len;

	aml_le(a, 0, 2);
	return mark;
}

void aml_close(struct aml *a, size_t mark)
{
	size_t len = a->len - mark;

	if (a->overflow || len > 0xfff) {
		a->overflow = true;
		return;
	}
	a->buf[mark] = 1 << 6 | (len & 0xf);
	a->buf[mark + 1] = len >> 4;
}

size_t aml_scope(struct aml *a, const char *path)
{
	size_t mark;

	aml_byte(a, AML_SCOPE);
	mark = pkg_open(a);
	name_string(a, path);
	return mark;
}

size_t aml_device(struct aml *a, const char *name)
{
	size_t mark;

	aml_byte(a, AML_EXT);
	aml_byte(a, AML_EXT_DEVICE);
	mark = pkg_open(a);
	name_string(a, name);
	return mark;
}

size_t aml_package(struct aml *a, uint8_t n)
{
	size_t mark;

	aml_byte(a, AML_PACKAGE);
	mark = pkg_open(a);
	aml_byte(a, n);
	return mark;
}

void aml_crs_isa(struct aml *a, uint16_t base, uint8_t len, unsigned int irq)
{
	size_t mark;

	aml_name(a, "_CRS");
	aml_byte(a, AML_BUFFER);
	mark = pkg_open(a);
	aml_int(a, 8 + (irq ? 3 : 0) + 2);
	/* I/O port descriptor: decodes 16 bits, minimum and maximum base, alignment, length. */
	aml_byte(a, 0x47);
	aml_byte(a, 1);
	aml_le(a, base, 2);
	aml_le(a, base, 2);
	aml_byte(a, 1);
	aml_byte(a, len);
	if (irq) {
		/* IRQ descriptor without flags: edge, active high, exclusive. */
		aml_byte(a, 0x22);
		aml_le(a, 1u << irq, 2);
	}
	/* End tag; a checksum of 0 means none. */
	aml_byte(a, 0x79);
	aml_byte(a, 0);
	aml_close(a, mark);
}
