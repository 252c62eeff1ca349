// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The VM object and its end.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <vmm/error.h>
#include "internal.h"

static int vm_failed(struct vmm_vm *vm, const char *what)
{
	return vmm_fail(errno, "%s: %s: %s", vm->dev->path, what, strerror(errno));
}

static int vm_create_fd(struct vmm_vm *vm)
{
	static const struct {
		long cap;
		const char *name;
	} needed[] = {
		{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
		{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
		{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
		{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
	};
	size_t i;

	for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (!vmm_device_cap(vm->dev, needed[i].cap))
			return vmm_fail(ENOTSUP, "%s lacks %s, which this program needs",
					vm->dev->path, needed[i].name);
	}
	do {
		vm->fd = ioctl(vm->dev->fd, KVM_CREATE_VM, 0);
	} while (vm->fd < 0 && errno == EINTR);
	if (vm->fd >= 0)
		return 0;
	if (errno == EBUSY)
		return vmm_fail(EBUSY, "%s: another hypervisor is using the processor",
				vm->dev->path);
	return vm_failed(vm, "KVM_CREATE_VM");
}

int vmm_vm_create(struct vmm_vm *vm, struct vmm_device *dev, struct vmm_loop *loop,
		  const char *name)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	__u64 identity = VMM_IDENTITY_ADDR;
	int err;

	vm->dev = dev;
	vm->loop = loop;
	vm->fd = -1;
	snprintf(vm->name, sizeof(vm->name), "%s", name ? name : "vm");
	pthread_mutex_init(&vm->end_lock, NULL);
	err = vm_create_fd(vm);
	if (err)
		return err;
	/* VT-x without unrestricted guest needs these pages; others ignore them. */
	if (vmm_device_cap(dev, KVM_CAP_SET_IDENTITY_MAP_ADDR) &&
	    ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0)
		err = vm_failed(vm, "KVM_SET_IDENTITY_MAP_ADDR");
	else if (vmm_device_cap(dev, KVM_CAP_SET_TSS_ADDR) &&
		 ioctl(vm->fd, KVM_SET_TSS_ADDR, (unsigned long)VMM_TSS_ADDR) < 0)
		err = vm_failed(vm, "KVM_SET_TSS_ADDR");
	else if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) < 0)
		err = vm_failed(vm, "KVM_CREATE_IRQCHIP");
	else if (ioctl(vm->fd, KVM_CREATE_PIT2, &pit) < 0)
		err = vm_failed(vm, "KVM_CREATE_PIT2");
	if (err) {
		close(vm->fd);
		vm->fd = -1;
	}
	return err;
}

int vmm_vm_set_memory(struct vmm_vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->mem.nr; i++) {
		const struct vmm_slot *slot = &vm->mem.slots[i];
		struct kvm_userspace_memory_region region = {
			.slot = i,
			.guest_phys_addr = slot->gpa,
			.memory_size = slot->size,
			.userspace_addr = (uintptr_t)slot->hva,
		};

		if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
			return vmm_fail(errno,
					"%s: cannot give the guest %" PRIu64 " KiB of memory at %#" PRIx64 ": %s",
					vm->dev->path, slot->size >> 10, slot->gpa,
					strerror(errno));
	}
	return 0;
}

int vmm_vm_add_vcpus(struct vmm_vm *vm, unsigned int nr)
{
	int max = vmm_device_cap(vm->dev, KVM_CAP_MAX_VCPUS);
	unsigned int i;
	int err;

	if (!max)
		max = vmm_device_cap(vm->dev, KVM_CAP_NR_VCPUS);
	if (max <= 0)
		max = 4;	/* what the API promises where neither is told */
	if (max > VMM_CPUS_MAX)
		max = VMM_CPUS_MAX;
	if (!nr || nr > (unsigned int)max)
		return vmm_fail(EINVAL, "%u CPUs: %s allows 1 to %d", nr, vm->dev->path, max);
	vm->vcpus = calloc(nr, sizeof(*vm->vcpus));
	if (!vm->vcpus)
		return vmm_fail(ENOMEM, "no memory for %u vCPUs", nr);
	/* CPUID tells the topology, so the number must be known before the first. */
	vm->nr_vcpus = nr;
	for (i = 0; i < nr; i++)
		vm->vcpus[i].fd = -1;
	for (i = 0; i < nr; i++) {
		err = vmm_vcpu_create(vm, &vm->vcpus[i], i);
		if (err)
			return err;
	}
	return 0;
}

int vmm_vm_start(struct vmm_vm *vm)
{
	unsigned int i;
	int err;

	for (i = 0; i < vm->nr_vcpus; i++) {
		err = vmm_vcpu_start(&vm->vcpus[i]);
		if (err) {
			char why[512];

			snprintf(why, sizeof(why), "%s", vmm_error());
			vmm_vm_end(vm, VMM_END_ERROR, 0, "%s", why);
			vmm_vm_join(vm);
			return err;
		}
	}
	return 0;
}

void vmm_vm_end(struct vmm_vm *vm, enum vmm_end end, int code, const char *fmt, ...)
{
	unsigned int i;
	va_list ap;

	pthread_mutex_lock(&vm->end_lock);
	if (vm->end == VMM_END_NONE) {
		if (fmt) {
			va_start(ap, fmt);
			vsnprintf(vm->end_detail, sizeof(vm->end_detail), fmt, ap);
			va_end(ap);
		}
		vm->end_code = code;
		__atomic_store_n(&vm->end, end, __ATOMIC_RELEASE);
		for (i = 0; i < vm->nr_vcpus; i++)
			vmm_vcpu_kick(&vm->vcpus[i]);
		vmm_loop_stop(vm->loop);
	}
	pthread_mutex_unlock(&vm->end_lock);
}

enum vmm_end vmm_vm_ended(struct vmm_vm *vm)
{
	return __atomic_load_n(&vm->end, __ATOMIC_ACQUIRE);
}

int vmm_vm_end_code(struct vmm_vm *vm)
{
	return vm->end_code;
}

const char *vmm_vm_end_detail(struct vmm_vm *vm)
{
	return vm->end_detail;
}

void vmm_vm_irq(void *opaque, unsigned int gsi, int level)
{
	struct vmm_vm *vm = opaque;
	struct kvm_irq_level irq = { .irq = gsi, .level = level };

	if (ioctl(vm->fd, KVM_IRQ_LINE, &irq) < 0)
		vmm_vm_end(vm, VMM_END_ERROR, 0, "%s: KVM_IRQ_LINE for interrupt %u: %s",
			   vm->dev->path, gsi, strerror(errno));
}

void vmm_vm_join(struct vmm_vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->nr_vcpus; i++) {
		if (vm->vcpus[i].started)
			pthread_join(vm->vcpus[i].thread, NULL);
		vm->vcpus[i].started = false;
	}
}

void vmm_vm_destroy(struct vmm_vm *vm)
{
	unsigned int i;

	vmm_vm_join(vm);
	for (i = 0; i < vm->nr_vcpus; i++)
		vmm_vcpu_destroy(&vm->vcpus[i]);
	free(vm->vcpus);
	vm->vcpus = NULL;
	vm->nr_vcpus = 0;
	if (vm->fd >= 0)
		close(vm->fd);
	vm->fd = -1;
	vmm_memory_destroy(&vm->mem);
	vmm_bus_destroy(&vm->pio);
	vmm_bus_destroy(&vm->mmio);
	pthread_mutex_destroy(&vm->end_lock);
}
