/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An address space of device registers (port I/O or MMIO): sorted ranges that
 * do not overlap, found by binary search.
 *
 * A bus is filled before the first vCPU runs and is not changed afterwards, so
 * that dispatch needs no lock. A device locks its own state.
 */
#ifndef VMM_BUS_H
#define VMM_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The device has byte registers only: wider accesses are split, low byte first. */
#define VMM_RANGE_BYTES		0x1

/**
 * struct vmm_range - the registers of one device
 * @base: first address
 * @len: length in addresses, not 0
 * @name: for messages
 * @flags: VMM_RANGE_*
 * @opaque: given to @read and @write
 * @read: returns @size (1, 2, 4 or 8) bytes at @offset from @base; NULL reads all ones
 * @write: takes @size bytes at @offset; NULL drops them
 */
struct vmm_range {
	uint64_t base;
	uint64_t len;
	const char *name;
	unsigned int flags;
	void *opaque;
	uint64_t (*read)(void *opaque, uint64_t offset, unsigned int size);
	void (*write)(void *opaque, uint64_t offset, unsigned int size, uint64_t value);
};

/**
 * struct vmm_bus - one address space
 * @ranges: sorted by base
 * @nr: number of ranges
 */
struct vmm_bus {
	struct vmm_range *ranges;
	size_t nr;
};

/**
 * vmm_bus_add() - add a device's registers; copies @range
 * @bus: a zeroed or partly filled bus that no vCPU uses yet
 * @range: the registers
 *
 * Return: 0, -EINVAL (empty or wrapping), -EEXIST (overlap) or -ENOMEM.
 */
int vmm_bus_add(struct vmm_bus *bus, const struct vmm_range *range);

/* Free the table; the devices are their owners' to free. */
void vmm_bus_destroy(struct vmm_bus *bus);

/**
 * vmm_bus_find() - the range that holds an address
 *
 * Return: the range or NULL.
 */
const struct vmm_range *vmm_bus_find(const struct vmm_bus *bus, uint64_t addr);

/**
 * vmm_bus_access() - carry out one guest access
 * @bus: the address space
 * @addr: first address
 * @data: little-endian bytes, read or filled
 * @len: 1 to 8 bytes
 * @write: direction
 *
 * Bytes that no device answers read as ones and are dropped when written, as
 * on a bus that nobody drives.
 */
void vmm_bus_access(const struct vmm_bus *bus, uint64_t addr, void *data, unsigned int len,
		    bool write);

#endif
