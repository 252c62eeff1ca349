/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A writer of AML, the byte code of ACPI definition blocks (ACPI 6.4 chapter
 * 20). It never writes past its buffer; check @overflow at the end.
 */
#ifndef LIBVMM_ACPI_AML_H
#define LIBVMM_ACPI_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
	uint8_t *buf;
	size_t cap;
	size_t len;
	bool overflow;
};

void aml_byte(struct aml *a, uint8_t byte);

/* Name(): @path is a name string: segments of 4, with \ or ^ in front. The value follows. */
void aml_name(struct aml *a, const char *path);

/* An integer constant, in its shortest form. */
void aml_int(struct aml *a, uint64_t value);

void aml_string(struct aml *a, const char *s);

/* An EISA id such as "PNP0501" as an integer. */
void aml_eisaid(struct aml *a, const char *id);

/* Open a Scope or Device; aml_close() with the mark returned ends it. */
size_t aml_scope(struct aml *a, const char *path);
size_t aml_device(struct aml *a, const char *name);

/* A Package of @n elements, which follow. */
size_t aml_package(struct aml *a, uint8_t n);

void aml_close(struct aml *a, size_t mark);

/**
 * aml_crs_isa() - Name(_CRS) with one port range and, if wanted, one ISA interrupt
 * @a: writer
 * @base: first port
 * @len: number of ports
 * @irq: 1 to 15, or 0 for none
 */
void aml_crs_isa(struct aml *a, uint16_t base, uint8_t len, unsigned int irq);

#endif
