// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM: creation, lifetime, death.
 *
 * A VM lives as long as one of its file descriptors does (its own, its vCPUs',
 * its statistics'), and each counts in vm->users. The last one frees it, in
 * process context, when no vCPU thread can exist any more.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "vmm.h"
#include "halt_poll.h"
#include "ioctl.h"

/**
 * vmm_kill() - the one way out for an impossible guest state
 * @vm: never enters its guest again; KVM_RUN answers KVM_EXIT_INTERNAL_ERROR
 * @fmt: why, for the log; the first reason stays
 *
 * Any context.
 */
void vmm_kill(struct vmm_vm *vm, const char *fmt, ...)
{
	struct vmm_vcpu *vcpu;
	unsigned long i;
	va_list args;

	if (cmpxchg(&vm->dead, false, true))
		return;
	va_start(args, fmt);
	vsnprintf(vm->dead_reason, sizeof(vm->dead_reason), fmt, args);
	va_end(args);
	pr_err_ratelimited("%s killed: %s\n", vm->name, vm->dead_reason);
	vmm_for_each_vcpu(i, vcpu, vm) {
		vmm_make_request(vcpu, VMM_REQ_DEAD);
		vmm_vcpu_kick(vcpu);
	}
}

/**
 * vmm_vcpu_by_id() - look a vCPU up by its id
 * @vm: its VM
 * @id: KVM_CREATE_VCPU's argument
 *
 * Any context. Return: the vCPU, or NULL. Ids mostly equal indices, so that is
 * tried first.
 */
struct vmm_vcpu *vmm_vcpu_by_id(struct vmm_vm *vm, int id)
{
	unsigned int online = smp_load_acquire(&vm->online_vcpus);
	struct vmm_vcpu *vcpu;
	unsigned long i;

	if (id < 0)
		return NULL;
	if (id < online) {
		vcpu = vm->vcpus[array_index_nospec(id, online)];
		if (vcpu->id == id)
			return vcpu;
	}
	vmm_for_each_vcpu(i, vcpu, vm)
		if (vcpu->id == id)
			return vcpu;
	return NULL;
}

static void vm_free(struct vmm_vm *vm)
{
	unsigned int i;

	mutex_lock(&vmm_vms_lock);
	list_del(&vm->link);
	mutex_unlock(&vmm_vms_lock);

	/* Devices may hold references to vCPUs, so they go first. */
	vmm_eventfd_destroy(vm);
	vmm_mmu_vm_destroy(vm);
	vmm_bus_destroy(vm);
	vmm_coalesced_free(vm);
	vmm_irqchip_destroy(vm);
	for (i = 0; i < vm->online_vcpus; i++)
		vmm_vcpu_destroy(vm->vcpus[i]);
	vmm_msr_filter_free(vm);
	vmm_memory_destroy(vm);
	cleanup_srcu_struct(&vm->irq_srcu);
	cleanup_srcu_struct(&vm->srcu);
	mmdrop(vm->mm);
	kvfree(vm);
	vmm_hw_put();
}

/**
 * vmm_vm_get() - take a reference for a new file descriptor or work in flight
 * @vm: caller holds a reference already
 */
void vmm_vm_get(struct vmm_vm *vm)
{
	refcount_inc(&vm->users);
}

/**
 * vmm_vm_put() - drop a reference; the last frees the VM
 * @vm: process context, no lock held
 */
void vmm_vm_put(struct vmm_vm *vm)
{
	if (refcount_dec_and_test(&vm->users))
		vm_free(vm);
}

static int vm_release(struct inode *inode, struct file *file)
{
	struct vmm_vm *vm = file->private_data;

	/* irqfds hold the eventfds of others: let go of them with the VM's own fd. */
	vmm_eventfd_destroy(vm);
	vmm_vm_put(vm);
	return 0;
}

static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.release = vm_release,
	.unlocked_ioctl = vmm_vm_ioctl,
	.llseek = noop_llseek,
};

static struct vmm_vm *vm_alloc(void)
{
	struct vmm_vm *vm;
	int r;

	r = vmm_hw_get();
	if (r)
		return ERR_PTR(r);
	r = -ENOMEM;
	vm = kvzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		goto hw;
	mutex_init(&vm->lock);
	mutex_init(&vm->slots_lock);
	mutex_init(&vm->irq_lock);
	raw_spin_lock_init(&vm->clock_lock);
	refcount_set(&vm->users, 1);
	vm->mm = current->mm;
	mmgrab(vm->mm);
	vm->identity_map_addr = 0xfffbc000;	/* KVM's default */
	vm->halt_poll_ns = VMM_HALT_POLL_DEFAULT;
	/* As in the statistics of KVM, whose readers look for the prefix. */
	snprintf(vm->name, sizeof(vm->name), "kvm-%d", task_pid_nr(current));
	r = init_srcu_struct(&vm->srcu);
	if (r)
		goto mm;
	r = init_srcu_struct(&vm->irq_srcu);
	if (r)
		goto srcu;
	r = vmm_memory_init(vm);
	if (r)
		goto irq_srcu;
	r = vmm_coalesced_init(vm);
	if (r)
		goto memory;
	vmm_irqchip_init(vm);
	vmm_clock_vm_init(vm);
	r = vmm_mmu_vm_init(vm);
	if (r)
		goto coalesced;
	mutex_lock(&vmm_vms_lock);
	list_add_tail(&vm->link, &vmm_vms);
	mutex_unlock(&vmm_vms_lock);
	return vm;
coalesced:
	vmm_bus_destroy(vm);
	vmm_coalesced_free(vm);
memory:
	vmm_memory_destroy(vm);
irq_srcu:
	cleanup_srcu_struct(&vm->irq_srcu);
srcu:
	cleanup_srcu_struct(&vm->srcu);
mm:
	mmdrop(vm->mm);
	kvfree(vm);
hw:
	vmm_hw_put();
	return ERR_PTR(r);
}

/**
 * vmm_create_vm() - KVM_CREATE_VM
 * @type: must be 0
 *
 * Return: a file descriptor; -EINVAL, -ENOMEM, -EMFILE, -EBUSY when another
 * hypervisor holds a CPU.
 */
int vmm_create_vm(unsigned long type)
{
	struct vmm_vm *vm;
	struct file *file;
	int fd;

	if (type)
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	vm = vm_alloc();
	if (IS_ERR(vm)) {
		put_unused_fd(fd);
		return PTR_ERR(vm);
	}
	file = anon_inode_getfile("kvm-vm", &vm_fops, vm, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		vmm_vm_put(vm);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}
