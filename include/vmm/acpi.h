/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ACPI tables (ACPI Specification 6.4) for the machine of <vmm/pc.h>.
 */
#ifndef VMM_ACPI_H
#define VMM_ACPI_H

#include <stdbool.h>
#include <stdint.h>
#include <vmm/memory.h>

/* Where the tables go: the BIOS area, which firmware-less kernels scan. */
#define VMM_ACPI_BASE		0xe0000
#define VMM_ACPI_SIZE		0x20000

/**
 * struct vmm_acpi_config - what the tables describe
 * @nr_cpus: processors; APIC ids 0 to @nr_cpus - 1
 * @erst_regs: address of the error-record registers, 0 when there are none
 */
struct vmm_acpi_config {
	unsigned int nr_cpus;
	uint64_t erst_regs;
};

/**
 * vmm_acpi_build() - write all tables into guest memory
 * @mem: guest memory
 * @config: the machine
 * @rsdp: filled with the RSDP's address
 *
 * Return: 0 or -ENOMEM.
 */
int vmm_acpi_build(const struct vmm_memory *mem, const struct vmm_acpi_config *config,
		   uint64_t *rsdp);

#endif
