/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest-physical memory: RAM below and above the device hole, and extra slots
 * that devices own. Every access of the library goes through vmm_memory_at().
 */
#ifndef VMM_MEMORY_H
#define VMM_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* RAM ends here at the latest and goes on at 4 GiB; between them live devices. */
#define VMM_HOLE_START		0xc0000000ULL
#define VMM_HOLE_END		0x100000000ULL

/* Three pages for KVM_SET_TSS_ADDR and one for the identity map, in the hole. */
#define VMM_IDENTITY_ADDR	0xfeffc000ULL
#define VMM_TSS_ADDR		0xfeffd000ULL

#define VMM_MEMORY_SLOTS	8

/* RAM is a memfd, which another process can map, instead of anonymous memory. */
#define VMM_MEMORY_MEMFD	0x1

/**
 * struct vmm_slot - a piece of guest-physical memory
 * @gpa: guest-physical address
 * @size: bytes
 * @hva: where it is mapped here
 * @ram: it is RAM of the memory map, not a device's
 * @fd: its memfd or -1
 */
struct vmm_slot {
	uint64_t gpa;
	uint64_t size;
	uint8_t *hva;
	bool ram;
	int fd;
};

/**
 * struct vmm_memory - all memory of a VM
 * @slots: in the order of their slot numbers
 * @nr: number of slots
 * @ram_low: bytes of RAM from address 0
 * @ram_high: bytes of RAM from 4 GiB
 */
struct vmm_memory {
	struct vmm_slot slots[VMM_MEMORY_SLOTS];
	unsigned int nr;
	uint64_t ram_low;
	uint64_t ram_high;
};

/**
 * vmm_memory_create() - map RAM; no page of it is touched
 * @mem: zeroed
 * @size: bytes, a multiple of 4 KiB, 1 MiB at least
 * @flags: VMM_MEMORY_*
 * @name: of the memfd, or NULL
 *
 * Return: 0, -EINVAL or -ENOMEM.
 */
int vmm_memory_create(struct vmm_memory *mem, uint64_t size, unsigned int flags,
		      const char *name);

/**
 * vmm_memory_add() - map memory that a device owns (not in the guest's memory map)
 * @mem: memory whose slots are not registered yet
 * @gpa: page-aligned address
 * @size: bytes, a multiple of 4 KiB
 *
 * Return: its mapping, zeroed, or NULL.
 */
void *vmm_memory_add(struct vmm_memory *mem, uint64_t gpa, uint64_t size);

/* Unmap everything. */
void vmm_memory_destroy(struct vmm_memory *mem);

/**
 * vmm_memory_at() - the one door to guest memory
 * @mem: memory
 * @gpa: guest-physical address, any value
 * @len: bytes, any value
 *
 * Return: a pointer to @len bytes that lie wholly within one slot, or NULL.
 */
void *vmm_memory_at(const struct vmm_memory *mem, uint64_t gpa, uint64_t len);

#endif
