// SPDX-License-Identifier: GPL-2.0-only
/*
 * The buses: which in-module device answers at an address. A bus is a sorted array
 * that readers walk under SRCU and that an addition replaces as a whole.
 *
 * Locking: additions and removals hold vm->slots_lock; accesses hold vm->srcu.
 */
#include <linux/slab.h>
#include "vmm.h"

/* Bounds the memory user space can pin with ioeventfds. */
#define BUS_MAX_RANGES	65536

/* So many devices at one address are not asked with interrupts off. */
#define BUS_MANY_RANGES	64

struct bus_range {
	u64 addr;
	u32 len;		/* 0: any access that starts at addr */
	struct vmm_iodev *dev;	/* NULL: removed; the next addition drops the entry */
};

struct vmm_io_bus {
	unsigned int count;
	u32 max_len;		/* the longest range, at least 1 */
	bool overlaps;		/* some address has more than one range */
	struct bus_range range[];
};

static struct vmm_io_bus *bus_writer(struct vmm_vm *vm, enum vmm_bus bus)
{
	return rcu_dereference_protected(vm->bus[bus], lockdep_is_held(&vm->slots_lock));
}

/* Ranges come in the order of their addresses. */
static void append(struct vmm_io_bus *b, u64 addr, u32 len, struct vmm_iodev *dev)
{
	const struct bus_range *before = b->count ? &b->range[b->count - 1] : NULL;

	/* If any two overlap, so do two neighbours. */
	if (before && addr - before->addr < max(before->len, 1u))
		b->overlaps = true;
	b->max_len = max3(b->max_len, len, 1u);
	b->range[b->count++] = (struct bus_range){ addr, len, dev };
}

/**
 * vmm_bus_add() - put a device on a bus
 * @vm: the VM; vm->slots_lock is held
 * @bus: which bus
 * @addr: first port or guest-physical address
 * @len: length in bytes; 0 answers any access that starts at @addr
 * @dev: the device; the bus owns it if it has a destroy operation
 *
 * Ranges may overlap: all devices concerned are asked in turn.
 *
 * Return: 0, -ENOSPC, -ENOMEM.
 */
int vmm_bus_add(struct vmm_vm *vm, enum vmm_bus bus, u64 addr, u32 len, struct vmm_iodev *dev)
{
	struct vmm_io_bus *old = bus_writer(vm, bus), *new;
	unsigned int i, old_count = old ? old->count : 0;
	bool placed = false;

	if (old_count >= BUS_MAX_RANGES)
		return -ENOSPC;
	new = kvzalloc(struct_size(new, range, old_count + 1), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;

	for (i = 0; i < old_count; i++) {
		struct bus_range *r = &old->range[i];

		if (!r->dev)
			continue;
		if (!placed && r->addr > addr) {
			append(new, addr, len, dev);
			placed = true;
		}
		append(new, r->addr, r->len, r->dev);
	}
	if (!placed)
		append(new, addr, len, dev);

	rcu_assign_pointer(vm->bus[bus], new);
	if (old) {
		synchronize_srcu_expedited(&vm->srcu);
		kvfree(old);
	}
	return 0;
}

/**
 * vmm_bus_remove() - take a device off a bus
 * @vm: the VM; vm->slots_lock is held
 * @bus: which bus
 * @dev: the device; its destroy operation is not called
 *
 * Cannot fail. When it returns no access to @dev is in progress.
 */
void vmm_bus_remove(struct vmm_vm *vm, enum vmm_bus bus, struct vmm_iodev *dev)
{
	struct vmm_io_bus *b = bus_writer(vm, bus);
	unsigned int i;

	if (!b)
		return;
	for (i = 0; i < b->count; i++)
		if (b->range[i].dev == dev)
			WRITE_ONCE(b->range[i].dev, NULL);
	synchronize_srcu_expedited(&vm->srcu);
}

/**
 * vmm_bus_destroy() - free the buses and the devices they own
 * @vm: the VM, which nobody uses any more
 */
void vmm_bus_destroy(struct vmm_vm *vm)
{
	unsigned int bus, i;

	for (bus = 0; bus < VMM_NR_BUSES; bus++) {
		struct vmm_io_bus *b = rcu_dereference_protected(vm->bus[bus], true);

		if (!b)
			continue;
		for (i = 0; i < b->count; i++) {
			struct vmm_iodev *dev = b->range[i].dev;

			if (dev && dev->ops->destroy)
				dev->ops->destroy(dev);
		}
		RCU_INIT_POINTER(vm->bus[bus], NULL);
		kvfree(b);
	}
}

/* Index after the last range that begins at or below addr. */
static unsigned int bus_upper(const struct vmm_io_bus *b, u64 addr)
{
	unsigned int lo = 0, hi = b->count;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;

		if (b->range[mid].addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool range_takes(const struct bus_range *r, u64 addr, int len)
{
	if (!r->len)
		return r->addr == addr;
	return addr >= r->addr && addr - r->addr + len <= r->len;
}

static __always_inline int ask(struct vmm_vcpu *vcpu, const struct bus_range *r, u64 addr, int len,
			       void *data, bool write)
{
	struct vmm_iodev *dev = READ_ONCE(r->dev);

	if (!dev)
		return -EOPNOTSUPP;
	if (unlikely(dev->ops->may_wait) && irqs_disabled())
		return -EAGAIN;
	if (write)
		return dev->ops->write ? dev->ops->write(vcpu, dev, addr, len, data) : -EOPNOTSUPP;
	return dev->ops->read ? dev->ops->read(vcpu, dev, addr, len, data) : -EOPNOTSUPP;
}

static int search(struct vmm_vcpu *vcpu, const struct vmm_io_bus *b, enum vmm_bus bus, u64 addr,
		  int len, void *data, bool write)
{
	unsigned int i;

	for (i = bus_upper(b, addr); i-- > 0;) {
		const struct bus_range *r = &b->range[i];
		int ret;

		if (addr - r->addr >= b->max_len)
			break;
		if (!range_takes(r, addr, len))
			continue;
		ret = ask(vcpu, r, addr, len, data, write);
		if (ret != -EOPNOTSUPP) {
			vcpu->bus_hint[bus] = i;
			return ret;
		}
	}
	return -EOPNOTSUPP;
}

/* A driver as a rule comes back to the device it has just used. */
static __always_inline int bus_access(struct vmm_vcpu *vcpu, enum vmm_bus bus, u64 addr, int len,
				      void *data, bool write)
{
	struct vmm_vm *vm = vcpu->vm;
	const struct vmm_io_bus *b = srcu_dereference(vm->bus[bus], &vm->srcu);
	unsigned int hint = vcpu->bus_hint[bus];

	if (!b)
		return -EOPNOTSUPP;
	if (unlikely(b->overlaps) && b->count > BUS_MANY_RANGES && irqs_disabled())
		return -EAGAIN;
	if (hint < b->count && !b->overlaps && range_takes(&b->range[hint], addr, len))
		return ask(vcpu, &b->range[hint], addr, len, data, write);
	return search(vcpu, b, bus, addr, len, data, write);
}

static __always_inline bool lapics_page(struct vmm_vcpu *vcpu, enum vmm_bus bus, u64 addr)
{
	return bus == VMM_BUS_MMIO && !((addr ^ vcpu->apic_base) >> PAGE_SHIFT) &&
	       vmm_lapic_owns_gpa(vcpu, addr);
}

/**
 * vmm_bus_read() - a guest reads a port or device memory
 * @vcpu: the vCPU, on its thread, vm->srcu held
 * @bus: which bus
 * @addr: port or guest-physical address
 * @len: bytes, 1..8
 * @data: where they go, little endian; zeroed
 *
 * Return: 0; -EOPNOTSUPP when nobody answers; -EAGAIN with interrupts off when the device
 * may wait.
 */
int vmm_bus_read(struct vmm_vcpu *vcpu, enum vmm_bus bus, u64 addr, int len, void *data)
{
	if (lapics_page(vcpu, bus, addr)) {
		vmm_lapic_mmio_read(vcpu, addr, len, data);
		return 0;
	}
	return bus_access(vcpu, bus, addr, len, data, false);
}

/**
 * vmm_bus_write() - a guest writes to a port or device memory
 * @vcpu: the vCPU, on its thread, vm->srcu held
 * @bus: which bus
 * @addr: port or guest-physical address
 * @len: bytes, 1..8; 0 and @data NULL on VMM_BUS_FAST_MMIO
 * @data: the bytes, little endian
 *
 * Return: 0; -EOPNOTSUPP when nobody answers; -EAGAIN with interrupts off when the device
 * may wait.
 */
int vmm_bus_write(struct vmm_vcpu *vcpu, enum vmm_bus bus, u64 addr, int len, const void *data)
{
	if (lapics_page(vcpu, bus, addr)) {
		if (unlikely(vmm_lapic_write_waits(vcpu, offset_in_page(addr))) && irqs_disabled())
			return -EAGAIN;
		vmm_lapic_mmio_write(vcpu, addr, len, data);
		return 0;
	}
	return bus_access(vcpu, bus, addr, len, (void *)data, true);
}
