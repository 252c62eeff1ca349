// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device attributes of /dev/vmm and of a vCPU (KVM_HAS/GET/SET_DEVICE_ATTR): numbers
 * that have no ioctl of their own.
 */
#include <linux/uaccess.h>

#include "vmm.h"
#include "ioctl.h"

static u64 __user *attr_addr(const struct kvm_device_attr *attr)
{
	return (u64 __user *)(unsigned long)attr->addr;
}

/**
 * vmm_dev_has_attr() - KVM_HAS_DEVICE_ATTR on /dev/vmm
 * @attr: group and attribute
 *
 * Return: 0 or -ENXIO.
 */
int vmm_dev_has_attr(const struct kvm_device_attr *attr)
{
	return !attr->group && attr->attr == KVM_X86_XCOMP_GUEST_SUPP ? 0 : -ENXIO;
}

/**
 * vmm_dev_get_attr() - KVM_GET_DEVICE_ATTR on /dev/vmm: the XCR0 bits guests can have
 * @attr: group, attribute and where the answer goes
 *
 * Return: 0, -ENXIO or -EFAULT.
 */
int vmm_dev_get_attr(const struct kvm_device_attr *attr)
{
	int r = vmm_dev_has_attr(attr);

	return r ? r : put_user(vmm_supported_xcr0, attr_addr(attr));
}

/**
 * vmm_vcpu_has_attr() - KVM_HAS_DEVICE_ATTR on a vCPU
 * @vcpu: vcpu->mutex held
 * @attr: group and attribute
 *
 * Return: 0 or -ENXIO.
 */
int vmm_vcpu_has_attr(struct vmm_vcpu *vcpu, const struct kvm_device_attr *attr)
{
	return attr->group == KVM_VCPU_TSC_CTRL && attr->attr == KVM_VCPU_TSC_OFFSET ? 0 : -ENXIO;
}

/**
 * vmm_vcpu_get_attr() - KVM_GET_DEVICE_ATTR on a vCPU: its TSC's offset, ticks
 * @vcpu: vcpu->mutex held
 * @attr: group, attribute and where the answer goes
 *
 * Return: 0, -ENXIO or -EFAULT.
 */
int vmm_vcpu_get_attr(struct vmm_vcpu *vcpu, const struct kvm_device_attr *attr)
{
	int r = vmm_vcpu_has_attr(vcpu, attr);

	return r ? r : put_user(READ_ONCE(vcpu->tsc_offset), attr_addr(attr));
}

/**
 * vmm_vcpu_set_attr() - KVM_SET_DEVICE_ATTR on a vCPU: its TSC's offset, ticks
 * @vcpu: vcpu->mutex held, loaded
 * @attr: group, attribute and where the value is
 *
 * Return: 0, -ENXIO or -EFAULT.
 */
int vmm_vcpu_set_attr(struct vmm_vcpu *vcpu, const struct kvm_device_attr *attr)
{
	int r = vmm_vcpu_has_attr(vcpu, attr);
	u64 offset;

	if (r)
		return r;
	if (get_user(offset, attr_addr(attr)))
		return -EFAULT;
	vmm_guest_tsc_set_offset(vcpu, offset);
	return 0;
}
