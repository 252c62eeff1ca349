/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The device node that hosts VMs: /dev/vmm or /dev/kvm. Both answer the ioctls
 * of <linux/kvm.h>.
 */
#ifndef VMM_DEVICE_H
#define VMM_DEVICE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct kvm_cpuid2;

/**
 * struct vmm_device - an open device node
 * @fd: descriptor
 * @path: what was opened
 * @run_size: bytes of the per-vCPU mapping (KVM_GET_VCPU_MMAP_SIZE)
 */
struct vmm_device {
	int fd;
	size_t run_size;
	char path[PATH_MAX];
};

/**
 * vmm_device_open() - open a device that hosts VMs
 * @dev: filled
 * @path: the node, or NULL for /dev/vmm and, where that is absent, /dev/kvm
 *
 * Return: 0 or a negative errno; vmm_error() tells the remedy.
 */
int vmm_device_open(struct vmm_device *dev, const char *path);

void vmm_device_close(struct vmm_device *dev);

/**
 * vmm_device_cap() - ask for a capability (KVM_CHECK_EXTENSION)
 *
 * Return: 0 when absent, else the capability's positive answer.
 */
int vmm_device_cap(const struct vmm_device *dev, long cap);

/**
 * vmm_device_cpuid() - the CPUID leaves the device can give (KVM_GET_SUPPORTED_CPUID)
 * @out: a table to free(), with room for VMM_CPUID_MAX entries
 *
 * Return: 0 or a negative errno.
 */
int vmm_device_cpuid(const struct vmm_device *dev, struct kvm_cpuid2 **out);

#define VMM_CPUID_MAX	256

#endif
