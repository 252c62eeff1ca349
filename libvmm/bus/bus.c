// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Address-space dispatch.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/bus.h>
#include <vmm/error.h>

/* Index of the first range that ends after @addr. */
static size_t bus_lower(const struct vmm_bus *bus, uint64_t addr)
{
	size_t lo = 0, hi = bus->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		/* base + len may be 2^64; its last address cannot overflow. */
		if (bus->ranges[mid].base + (bus->ranges[mid].len - 1) < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int vmm_bus_add(struct vmm_bus *bus, const struct vmm_range *range)
{
	uint64_t last = range->base + (range->len - 1);
	struct vmm_range *ranges;
	size_t at;

	if (!range->len || last < range->base)
		return vmm_fail(EINVAL, "%s: registers at %#" PRIx64 " have a bad length %#" PRIx64,
				range->name, range->base, range->len);
	at = bus_lower(bus, range->base);
	if (at < bus->nr && bus->ranges[at].base <= last)
		return vmm_fail(EEXIST, "%s: registers at %#" PRIx64 " overlap those of %s",
				range->name, range->base, bus->ranges[at].name);
	ranges = realloc(bus->ranges, (bus->nr + 1) * sizeof(*ranges));
	if (!ranges)
		return vmm_fail(ENOMEM, "%s: no memory for an address range", range->name);
	memmove(ranges + at + 1, ranges + at, (bus->nr - at) * sizeof(*ranges));
	ranges[at] = *range;
	bus->ranges = ranges;
	bus->nr++;
	return 0;
}

void vmm_bus_destroy(struct vmm_bus *bus)
{
	free(bus->ranges);
	bus->ranges = NULL;
	bus->nr = 0;
}

const struct vmm_range *vmm_bus_find(const struct vmm_bus *bus, uint64_t addr)
{
	size_t at = bus_lower(bus, addr);

	if (at < bus->nr && bus->ranges[at].base <= addr)
		return &bus->ranges[at];
	return NULL;
}

static void range_access(const struct vmm_range *range, uint64_t off, uint8_t *data,
			 unsigned int len, bool write)
{
	uint64_t value = 0;

	if (write) {
		memcpy(&value, data, len);
		if (range->write)
			range->write(range->opaque, off, len, value);
		return;
	}
	value = range->read ? range->read(range->opaque, off, len) : ~0ULL;
	memcpy(data, &value, len);
}

void vmm_bus_access(const struct vmm_bus *bus, uint64_t addr, void *data, unsigned int len,
		    bool write)
{
	const struct vmm_range *range = vmm_bus_find(bus, addr);
	uint8_t *bytes = data;
	unsigned int i;

	if (range && (len == 1 || (!(range->flags & VMM_RANGE_BYTES) && (len & (len - 1)) == 0)) &&
	    range->len - (addr - range->base) >= len) {
		range_access(range, addr - range->base, bytes, len, write);
		return;
	}
	/* A byte device, an odd size or an access across an edge: byte by byte. */
	for (i = 0; i < len; i++) {
		uint64_t at = addr + i;

		range = vmm_bus_find(bus, at);
		if (range)
			range_access(range, at - range->base, bytes + i, 1, write);
		else if (!write)
			bytes[i] = 0xff;
	}
}
