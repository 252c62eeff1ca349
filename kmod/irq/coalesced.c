// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coalesced MMIO and port I/O: zones where a guest's writes wait in a ring that user
 * space reads when it likes, or at the next exit, instead of exiting one by one.
 *
 * A zone is a device on a bus that takes writes while the ring has room. The ring is
 * one page of the VM, mapped with every vCPU and writable by user space: what it says
 * is taken for a hint and every index from it is clamped.
 *
 * Locking: zones come and go under vm->slots_lock; writers of the ring hold its lock.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include "vmm.h"

struct coalesced_zone {
	struct vmm_iodev dev;
	struct vmm_vm *vm;
	struct list_head link;		/* vm->coalesced.zones */
	u64 addr;
	u32 size;			/* bytes */
	bool pio;
};

static bool zone_has(const struct coalesced_zone *zone, u64 addr, u32 len)
{
	return addr >= zone->addr && addr - zone->addr <= zone->size &&
	       len <= zone->size - (addr - zone->addr);
}

static int zone_write(struct vmm_vcpu *vcpu, struct vmm_iodev *dev, u64 addr, int len,
		      const void *data)
{
	struct coalesced_zone *zone = container_of(dev, struct coalesced_zone, dev);
	struct vmm_coalesced *c = &zone->vm->coalesced;
	struct kvm_coalesced_mmio_ring *ring = page_address(c->page);
	struct kvm_coalesced_mmio *entry;
	u32 last, next;

	if (!zone_has(zone, addr, len))
		return -EOPNOTSUPP;
	spin_lock(&c->lock);
	last = READ_ONCE(ring->last);
	next = last + 1 < KVM_COALESCED_MMIO_MAX ? last + 1 : 0;
	/* Full, or nonsense: the write goes to user space by itself, which reads the ring first. */
	if (last >= KVM_COALESCED_MMIO_MAX || next == READ_ONCE(ring->first)) {
		spin_unlock(&c->lock);
		return -EOPNOTSUPP;
	}
	entry = &ring->coalesced_mmio[array_index_nospec(last, KVM_COALESCED_MMIO_MAX)];
	entry->phys_addr = addr;
	entry->len = len;
	entry->pio = zone->pio;
	memcpy(entry->data, data, len);
	/* User space that sees the new index sees the entry. */
	smp_store_release(&ring->last, next);
	spin_unlock(&c->lock);
	return 0;
}

static void zone_destroy(struct vmm_iodev *dev)
{
	struct coalesced_zone *zone = container_of(dev, struct coalesced_zone, dev);

	list_del(&zone->link);
	kfree(zone);
}

static const struct vmm_iodev_ops zone_ops = {
	.write = zone_write,
	.destroy = zone_destroy,
};

static enum vmm_bus zone_bus(bool pio)
{
	return pio ? VMM_BUS_PIO : VMM_BUS_MMIO;
}

/**
 * vmm_coalesced_init() - the VM's ring
 * @vm: being created
 *
 * Return: 0 or -ENOMEM.
 */
int vmm_coalesced_init(struct vmm_vm *vm)
{
	struct vmm_coalesced *c = &vm->coalesced;

	BUILD_BUG_ON(sizeof_field(struct kvm_coalesced_mmio, data) < 8);
	spin_lock_init(&c->lock);
	INIT_LIST_HEAD(&c->zones);
	c->page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	return c->page ? 0 : -ENOMEM;
}

/**
 * vmm_coalesced_free() - give the ring back
 * @vm: being destroyed; its buses, which own the zones, are gone
 */
void vmm_coalesced_free(struct vmm_vm *vm)
{
	if (vm->coalesced.page)
		put_page(vm->coalesced.page);
}

/**
 * vmm_coalesced_register() - KVM_REGISTER_COALESCED_MMIO
 * @vm: the VM; vm->slots_lock is held
 * @arg: where, how long, port or memory
 *
 * Return: 0; -EINVAL for a kind of zone that does not exist, -ENOSPC, -ENOMEM.
 */
int vmm_coalesced_register(struct vmm_vm *vm, const struct kvm_coalesced_mmio_zone *arg)
{
	struct coalesced_zone *zone;
	int r;

	if (arg->pio > 1)
		return -EINVAL;
	zone = kzalloc(sizeof(*zone), GFP_KERNEL_ACCOUNT);
	if (!zone)
		return -ENOMEM;
	zone->dev.ops = &zone_ops;
	zone->vm = vm;
	zone->addr = arg->addr;
	zone->size = arg->size;
	zone->pio = arg->pio;
	r = vmm_bus_add(vm, zone_bus(zone->pio), zone->addr, zone->size, &zone->dev);
	if (r) {
		kfree(zone);
		return r;
	}
	list_add_tail(&zone->link, &vm->coalesced.zones);
	return 0;
}

/**
 * vmm_coalesced_unregister() - KVM_UNREGISTER_COALESCED_MMIO
 * @vm: the VM; vm->slots_lock is held
 * @arg: every zone of this kind that contains it goes
 *
 * What is in the ring already stays there.
 *
 * Return: 0, also when there was none; -EINVAL for a kind of zone that does not exist.
 */
int vmm_coalesced_unregister(struct vmm_vm *vm, const struct kvm_coalesced_mmio_zone *arg)
{
	struct coalesced_zone *zone, *next;

	if (arg->pio > 1)
		return -EINVAL;
	list_for_each_entry_safe(zone, next, &vm->coalesced.zones, link) {
		if (zone->pio != arg->pio || !zone_has(zone, arg->addr, arg->size))
			continue;
		vmm_bus_remove(vm, zone_bus(zone->pio), &zone->dev);
		zone_destroy(&zone->dev);
	}
	return 0;
}
