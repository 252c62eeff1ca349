// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM's interrupt controllers as a whole: creation, and their state for user space.
 *
 * Locking: creation under vm->lock; irqchip.mode is written last, with release, and
 * says that everything else is there.
 */
#include "vmm.h"
#include "internal.h"

/**
 * vmm_irqchip_init() - before anything else
 * @vm: a VM that nobody else knows yet
 */
void vmm_irqchip_init(struct vmm_vm *vm)
{
	struct vmm_irqchip *c = &vm->irqchip;

	mutex_init(&c->apic_map_lock);
	INIT_LIST_HEAD(&c->irqfds);
	spin_lock_init(&c->irqfds_lock);
	INIT_LIST_HEAD(&c->resamplers);
	INIT_LIST_HEAD(&c->ioeventfds);
	INIT_LIST_HEAD(&c->ack_notifiers);
	atomic_set(&c->nmi_watchdogs, 0);
}

/**
 * vmm_irqchip_register() - put a controller on a bus
 * @vm: the VM; vm->slots_lock is taken
 * @bus: which
 * @addr: first address
 * @len: bytes
 * @dev: the controller, which stays its own owner
 *
 * Return: as vmm_bus_add().
 */
int vmm_irqchip_register(struct vmm_vm *vm, enum vmm_bus bus, u64 addr, int len,
			 struct vmm_iodev *dev)
{
	int ret;

	mutex_lock(&vm->slots_lock);
	ret = vmm_bus_add(vm, bus, addr, len, dev);
	mutex_unlock(&vm->slots_lock);
	return ret;
}

/**
 * vmm_irqchip_create() - KVM_CREATE_IRQCHIP
 * @vm: the VM; vm->lock is held
 *
 * Return: 0, -EEXIST, -EINVAL (there are vCPUs), -ENOMEM.
 */
int vmm_irqchip_create(struct vmm_vm *vm)
{
	int ret;

	if (vmm_irqchip_in_module(&vm->irqchip))
		return -EEXIST;
	if (vm->created_vcpus)
		return -EINVAL;
	ret = vmm_pic_create(vm);
	if (ret)
		return ret;
	ret = vmm_ioapic_create(vm);
	if (ret)
		goto no_ioapic;
	ret = vmm_routing_default(vm, false);
	if (ret)
		goto no_routing;
	smp_store_release(&vm->irqchip.mode, VMM_IRQCHIP_FULL);
	return 0;

no_routing:
	vmm_ioapic_destroy(vm);
no_ioapic:
	vmm_pic_destroy(vm);
	return ret;
}

/**
 * vmm_irqchip_split() - KVM_CAP_SPLIT_IRQCHIP: LAPICs here, the rest in user space
 * @vm: the VM; vm->lock is held
 * @pins: GSIs below this are user space's IOAPIC pins, whose EOIs it wants to see
 *
 * Return: 0, -EEXIST (an irqchip or vCPUs), -EINVAL (too many pins), -ENOMEM.
 */
int vmm_irqchip_split(struct vmm_vm *vm, u32 pins)
{
	int ret;

	if (pins > VMM_MAX_GSI)
		return -EINVAL;
	if (vmm_irqchip_in_module(&vm->irqchip) || vm->created_vcpus)
		return -EEXIST;
	ret = vmm_routing_default(vm, true);
	if (ret)
		return ret;
	vm->irqchip.split_pins = pins;
	smp_store_release(&vm->irqchip.mode, VMM_IRQCHIP_SPLIT);
	return 0;
}

void vmm_irqchip_destroy(struct vmm_vm *vm)
{
	vmm_pit_destroy(vm);
	vmm_ioapic_destroy(vm);
	vmm_pic_destroy(vm);
	vmm_routing_free(vm);
	vmm_apic_map_free(vm);
}

/**
 * vmm_irqchip_get() - KVM_GET_IRQCHIP
 * @vm: the VM
 * @chip: chip_id says which; the rest is filled
 *
 * Return: 0, -ENXIO (no full irqchip), -EINVAL (no such chip).
 */
int vmm_irqchip_get(struct vmm_vm *vm, struct kvm_irqchip *chip)
{
	struct vmm_irqchip *c = &vm->irqchip;

	if (smp_load_acquire(&c->mode) != VMM_IRQCHIP_FULL)
		return -ENXIO;
	chip->pad = 0;
	memset(&chip->chip, 0, sizeof(chip->chip));
	switch (chip->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		vmm_pic_get(c->pic, chip->chip_id, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		vmm_ioapic_get(c->ioapic, &chip->chip.ioapic);
		return 0;
	default:
		return -EINVAL;
	}
}

/**
 * vmm_irqchip_set() - KVM_SET_IRQCHIP
 * @vm: the VM
 * @chip: which, and its state
 *
 * Return: 0, -ENXIO (no full irqchip), -EINVAL (no such chip).
 */
int vmm_irqchip_set(struct vmm_vm *vm, const struct kvm_irqchip *chip)
{
	struct vmm_irqchip *c = &vm->irqchip;

	if (smp_load_acquire(&c->mode) != VMM_IRQCHIP_FULL)
		return -ENXIO;
	switch (chip->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		vmm_pic_set(c->pic, chip->chip_id, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		vmm_ioapic_set(c->ioapic, &chip->chip.ioapic);
		return 0;
	default:
		return -EINVAL;
	}
}
