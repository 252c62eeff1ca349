/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The three ioctl entry points, and what the objects offer them.
 */
#ifndef VMM_IOCTL_H
#define VMM_IOCTL_H

#include <linux/fs.h>

struct vmm_vm;
struct vmm_vcpu;

long vmm_dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
long vmm_vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
long vmm_vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/* main.c */
int vmm_hw_get(void);
void vmm_hw_put(void);
DECLARE_PER_CPU(bool, vmm_hw_enabled);	/* this CPU may run a guest; preemption off */

/* vm.c */
int vmm_create_vm(unsigned long type);
/* vcpu.c */
int vmm_create_vcpu(struct vmm_vm *vm, unsigned long id);
void vmm_vcpu_destroy(struct vmm_vcpu *vcpu);
/* irq/vapic.c */
int vmm_set_vapic_addr(struct vmm_vcpu *vcpu, const struct kvm_vapic_addr *addr);
int vmm_tpr_reporting(struct vmm_vcpu *vcpu, const struct kvm_tpr_access_ctl *ctl);
/* msr_exit.c */
int vmm_set_msr_filter(struct vmm_vm *vm, const struct kvm_msr_filter *user);
int vmm_set_msr_exits(struct vmm_vm *vm, u64 mask);
/* attr.c */
int vmm_dev_has_attr(const struct kvm_device_attr *attr);
int vmm_dev_get_attr(const struct kvm_device_attr *attr);
int vmm_vcpu_has_attr(struct vmm_vcpu *vcpu, const struct kvm_device_attr *attr);
int vmm_vcpu_get_attr(struct vmm_vcpu *vcpu, const struct kvm_device_attr *attr);
int vmm_vcpu_set_attr(struct vmm_vcpu *vcpu, const struct kvm_device_attr *attr);
/* caps.c */
int vmm_check_extension(struct vmm_vm *vm, unsigned long cap);	/* vm NULL: on /dev/vmm */
int vmm_enable_cap_vm(struct vmm_vm *vm, const struct kvm_enable_cap *cap);
int vmm_enable_cap_vcpu(struct vmm_vcpu *vcpu, const struct kvm_enable_cap *cap);

/* vcpu_state.c: the vCPU's registers for user space. vcpu->mutex held, vCPU loaded. */
int vmm_get_regs(struct vmm_vcpu *vcpu, struct kvm_regs *regs);
int vmm_set_regs(struct vmm_vcpu *vcpu, const struct kvm_regs *regs);
int vmm_get_sregs(struct vmm_vcpu *vcpu, struct kvm_sregs *sregs);
int vmm_set_sregs(struct vmm_vcpu *vcpu, const struct kvm_sregs *sregs);
int vmm_get_sregs2(struct vmm_vcpu *vcpu, struct kvm_sregs2 *sregs);
int vmm_set_sregs2(struct vmm_vcpu *vcpu, const struct kvm_sregs2 *sregs);
int vmm_get_mp_state(struct vmm_vcpu *vcpu, struct kvm_mp_state *mp);
int vmm_set_mp_state(struct vmm_vcpu *vcpu, const struct kvm_mp_state *mp);
int vmm_get_vcpu_events(struct vmm_vcpu *vcpu, struct kvm_vcpu_events *events);
int vmm_set_vcpu_events(struct vmm_vcpu *vcpu, const struct kvm_vcpu_events *events);
int vmm_get_debugregs(struct vmm_vcpu *vcpu, struct kvm_debugregs *dbg);
int vmm_set_debugregs(struct vmm_vcpu *vcpu, const struct kvm_debugregs *dbg);
int vmm_set_guest_debug(struct vmm_vcpu *vcpu, const struct kvm_guest_debug *dbg);
int vmm_translate(struct vmm_vcpu *vcpu, struct kvm_translation *tr);
int vmm_user_interrupt(struct vmm_vcpu *vcpu, const struct kvm_interrupt *irq);
int vmm_sync_regs_in(struct vmm_vcpu *vcpu, u64 dirty);
void vmm_sync_regs_out(struct vmm_vcpu *vcpu, u64 valid);
int vmm_setup_mce(struct vmm_vcpu *vcpu, u64 cap);
int vmm_set_mce(struct vmm_vcpu *vcpu, const struct kvm_x86_mce *mce);

#endif /* VMM_IOCTL_H */
