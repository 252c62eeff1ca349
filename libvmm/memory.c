// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Guest-physical memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vmm/error.h>
#include <vmm/memory.h>

#define HUGE_PAGE	(2ULL << 20)

/*
 * Address space that starts at a multiple of 2 MiB, as the guest's RAM does: only then
 * can a huge page of ours be one of the guest's.
 */
static void *reserve(uint64_t size)
{
	uint8_t *all = mmap(NULL, size + HUGE_PAGE, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), *start;

	if (all == MAP_FAILED)
		return MAP_FAILED;
	start = (uint8_t *)(((uintptr_t)all + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	if (start > all)
		munmap(all, start - all);
	munmap(start + size, all + HUGE_PAGE - start);
	return start;
}

static int slot_map(struct vmm_memory *mem, uint64_t gpa, uint64_t size, unsigned int flags,
		    const char *name, bool ram)
{
	struct vmm_slot *slot = &mem->slots[mem->nr];
	int mapflags = MAP_PRIVATE | MAP_ANONYMOUS;
	void *start;
	int err;

	if (mem->nr == VMM_MEMORY_SLOTS)
		return vmm_fail(ENOMEM, "all %d memory slots are in use", VMM_MEMORY_SLOTS);
	slot->fd = -1;
	if (flags & VMM_MEMORY_MEMFD) {
		slot->fd = memfd_create(name ? name : "vmm-ram", MFD_CLOEXEC);
		if (slot->fd < 0 || ftruncate(slot->fd, size) < 0)
			goto fail;
		mapflags = MAP_SHARED;
	}
	start = reserve(size);
	if (start == MAP_FAILED)
		goto fail;
	/* Pages come when the guest touches them, so more than is free is allowed. */
	slot->hva = mmap(start, size, PROT_READ | PROT_WRITE, mapflags | MAP_NORESERVE | MAP_FIXED,
			 slot->fd, 0);
	if (slot->hva == MAP_FAILED) {
		err = errno;
		munmap(start, size);
		errno = err;
		goto fail;
	}
	/* Advice only: a kernel without huge pages or core filters refuses harmlessly. */
	madvise(slot->hva, size, MADV_HUGEPAGE);
	madvise(slot->hva, size, MADV_DONTDUMP);
	slot->gpa = gpa;
	slot->size = size;
	slot->ram = ram;
	mem->nr++;
	return 0;
fail:
	err = errno;
	if (slot->fd >= 0)
		close(slot->fd);
	return vmm_fail(err, "not enough memory: cannot map %" PRIu64 " MiB for the guest: %s",
			size >> 20, strerror(err));
}

int vmm_memory_create(struct vmm_memory *mem, uint64_t size, unsigned int flags,
		      const char *name)
{
	uint64_t low = size < VMM_HOLE_START ? size : VMM_HOLE_START;
	int err;

	if (size < 1 << 20 || size & 0xfff || size > 1ULL << 46)
		return vmm_fail(EINVAL,
				"memory size %" PRIu64 " is not a multiple of 4 KiB between 1 MiB and 64 TiB",
				size);
	err = slot_map(mem, 0, low, flags, name, true);
	if (!err && size > low)
		err = slot_map(mem, VMM_HOLE_END, size - low, flags, name, true);
	if (err) {
		vmm_memory_destroy(mem);
		return err;
	}
	mem->ram_low = low;
	mem->ram_high = size - low;
	return 0;
}

void *vmm_memory_add(struct vmm_memory *mem, uint64_t gpa, uint64_t size)
{
	unsigned int i;

	for (i = 0; i < mem->nr; i++) {
		if (gpa < mem->slots[i].gpa + mem->slots[i].size &&
		    mem->slots[i].gpa < gpa + size) {
			vmm_fail(EEXIST, "memory at %#" PRIx64 " overlaps another slot", gpa);
			return NULL;
		}
	}
	if (slot_map(mem, gpa, size, 0, NULL, false))
		return NULL;
	return mem->slots[mem->nr - 1].hva;
}

void vmm_memory_destroy(struct vmm_memory *mem)
{
	unsigned int i;

	for (i = 0; i < mem->nr; i++) {
		munmap(mem->slots[i].hva, mem->slots[i].size);
		if (mem->slots[i].fd >= 0)
			close(mem->slots[i].fd);
	}
	memset(mem, 0, sizeof(*mem));
}

void *vmm_memory_at(const struct vmm_memory *mem, uint64_t gpa, uint64_t len)
{
	unsigned int i;

	for (i = 0; i < mem->nr; i++) {
		const struct vmm_slot *slot = &mem->slots[i];
		uint64_t off = gpa - slot->gpa;

		if (gpa >= slot->gpa && off < slot->size && len <= slot->size - off)
			return slot->hva + off;
	}
	return NULL;
}
