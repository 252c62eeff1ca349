// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of /dev/vmm, of a VM and of a vCPU, as tables: number, how its
 * argument travels, what must hold, handler. One prologue per object checks and
 * copies, so that a handler sees kernel memory and the locks its row names.
 * Documentation/virt/kvm/api.rst of the kernel is the specification.
 */
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "vmm.h"
#include "ioctl.h"

/* How the argument travels: */
#define ARG_IN		BIT(0)	/* copied in, size from the number */
#define ARG_OUT		BIT(1)	/* copied out when the handler returned >= 0; zeroed first */
#define ARG_VALUE	BIT(2)	/* the argument is a number (neither: a user pointer) */
/* What must hold: */
#define LOCK_VM		BIT(3)	/* vm->lock */
#define LOCK_SLOTS	BIT(4)	/* vm->slots_lock */
#define VCPU_LOAD	BIT(5)	/* vcpu->mutex is always held; here the vCPU is loaded, too, and SRCU read-held */
#define WHEN_DEAD	BIT(6)	/* allowed on a killed VM */
/*
 * With VCPU_LOAD: no SRCU. The handler copies from or to user space, which may take as long
 * as user space likes (userfaultfd), and changes of the memory slots wait for SRCU.
 */
#define OWN_SRCU	BIT(7)

/* KVM's, too: fewer shadow pages than this cannot map an instruction and its operands. */
#define MIN_MMU_PAGES	64

struct row {
	unsigned int cmd;
	unsigned int flags;
	union {
		int (*dev)(void *arg);
		int (*vm)(struct vmm_vm *vm, void *arg);
		int (*vcpu)(struct vmm_vcpu *vcpu, void *arg);
	};
};

/* Wrap a typed handler as the table wants it. */
#define VM_ROW(c, f, fn)	{ .cmd = (c), .flags = (f), .vm = (fn) }
#define VCPU_ROW(c, f, fn)	{ .cmd = (c), .flags = (f), .vcpu = (fn) }
#define DEV_ROW(c, f, fn)	{ .cmd = (c), .flags = (f), .dev = (fn) }

#define TYPED(obj, name, type, fn)						\
static int name(struct vmm_##obj *obj, void *arg) { return fn(obj, (type *)arg); }

static const struct row *find_row(const struct row *rows, size_t count, unsigned int cmd)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (rows[i].cmd == cmd)
			return &rows[array_index_nospec(i, count)];
	return NULL;
}

/* An argument of up to this many bytes lives on the stack. */
#define ARG_STACK	320

union arg_buf {
	u8 bytes[ARG_STACK];
	u64 align;
};

/*
 * Fetch the argument as the row says. Returns what the handler gets, or an
 * ERR_PTR; *heap is set when it has to be freed.
 */
static void *arg_get(const struct row *row, unsigned long arg, union arg_buf *stack, void **heap)
{
	size_t size = _IOC_SIZE(row->cmd);
	void *buf = stack;

	*heap = NULL;
	if (!(row->flags & (ARG_IN | ARG_OUT)))
		return (void *)arg;
	if (size > sizeof(*stack)) {
		buf = *heap = kzalloc(size, GFP_KERNEL_ACCOUNT);
		if (!buf)
			return ERR_PTR(-ENOMEM);
	} else if (!(row->flags & ARG_IN)) {
		memset(stack, 0, size);
	}
	if ((row->flags & ARG_IN) && copy_from_user(buf, (void __user *)arg, size)) {
		kfree(*heap);
		*heap = NULL;
		return ERR_PTR(-EFAULT);
	}
	return buf;
}

static long arg_put(const struct row *row, unsigned long arg, void *buf, void *heap, long r)
{
	if (r >= 0 && (row->flags & ARG_OUT) &&
	    copy_to_user((void __user *)arg, buf, _IOC_SIZE(row->cmd)))
		r = -EFAULT;
	kfree(heap);
	return r;
}

/* ---- /dev/vmm -------------------------------------------------------------- */

static int dev_api_version(void *arg)
{
	return arg ? -EINVAL : KVM_API_VERSION;
}

static int dev_create_vm(void *arg)
{
	return vmm_create_vm((unsigned long)arg);
}

static int dev_mmap_size(void *arg)
{
	/* kvm_run, the port I/O page, the ring of coalesced writes. */
	return arg ? -EINVAL : 3 * PAGE_SIZE;
}

static int dev_check_extension(void *arg)
{
	return vmm_check_extension(NULL, (unsigned long)arg);
}

static int dev_supported_cpuid(void *arg)
{
	return vmm_cpuid_supported((struct kvm_cpuid2 __user *)arg, false);
}

static int dev_emulated_cpuid(void *arg)
{
	return vmm_cpuid_supported((struct kvm_cpuid2 __user *)arg, true);
}

static int dev_msr_list(void *arg)
{
	return vmm_msr_index_list((struct kvm_msr_list __user *)arg, false);
}

static int dev_feature_msr_list(void *arg)
{
	return vmm_msr_index_list((struct kvm_msr_list __user *)arg, true);
}

static int dev_get_msrs(void *arg)
{
	return vmm_msr_feature_io((struct kvm_msrs __user *)arg);
}

static int dev_mce_cap(void *arg)
{
	*(u64 *)arg = vmm_mce_cap();
	return 0;
}

static int dev_has_attr(void *arg)
{
	return vmm_dev_has_attr(arg);
}

static int dev_get_attr(void *arg)
{
	return vmm_dev_get_attr(arg);
}

static const struct row dev_rows[] = {
	DEV_ROW(KVM_GET_API_VERSION,		ARG_VALUE,	dev_api_version),
	DEV_ROW(KVM_CREATE_VM,			ARG_VALUE,	dev_create_vm),
	DEV_ROW(KVM_CHECK_EXTENSION,		ARG_VALUE,	dev_check_extension),
	DEV_ROW(KVM_GET_VCPU_MMAP_SIZE,		ARG_VALUE,	dev_mmap_size),
	DEV_ROW(KVM_GET_SUPPORTED_CPUID,	0,		dev_supported_cpuid),
	DEV_ROW(KVM_GET_EMULATED_CPUID,		0,		dev_emulated_cpuid),
	DEV_ROW(KVM_GET_MSR_INDEX_LIST,		0,		dev_msr_list),
	DEV_ROW(KVM_GET_MSR_FEATURE_INDEX_LIST,	0,		dev_feature_msr_list),
	DEV_ROW(KVM_GET_MSRS,			0,		dev_get_msrs),
	DEV_ROW(KVM_HAS_DEVICE_ATTR,		ARG_IN,		dev_has_attr),
	DEV_ROW(KVM_GET_DEVICE_ATTR,		ARG_IN,		dev_get_attr),
	DEV_ROW(KVM_X86_GET_MCE_CAP_SUPPORTED,	ARG_OUT,	dev_mce_cap),
};

/**
 * vmm_dev_ioctl() - ioctls of /dev/vmm
 * @file: unused
 * @cmd: KVM ioctl number
 * @arg: as the number says
 *
 * Return: the handler's; -ENOTTY for a number vmm does not know, -EFAULT.
 */
long vmm_dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct row *row = find_row(dev_rows, ARRAY_SIZE(dev_rows), cmd);
	union arg_buf stack;
	void *heap, *buf;

	if (!row)
		return -ENOTTY;
	buf = arg_get(row, arg, &stack, &heap);
	if (IS_ERR(buf) && (row->flags & (ARG_IN | ARG_OUT)))
		return PTR_ERR(buf);
	return arg_put(row, arg, buf, heap, row->dev(buf));
}

/* ---- VM ---------------------------------------------------------------------- */

static int vm_check_extension(struct vmm_vm *vm, void *arg)
{
	return vmm_check_extension(vm, (unsigned long)arg);
}

static int vm_create_vcpu(struct vmm_vm *vm, void *arg)
{
	return vmm_create_vcpu(vm, (unsigned long)arg);
}

TYPED(vm, vm_enable_cap, struct kvm_enable_cap, vmm_enable_cap_vm)
TYPED(vm, vm_set_region, struct kvm_userspace_memory_region, vmm_set_memory_region)
TYPED(vm, vm_dirty_log, struct kvm_dirty_log, vmm_get_dirty_log)
TYPED(vm, vm_clear_dirty, struct kvm_clear_dirty_log, vmm_clear_dirty_log)
TYPED(vm, vm_get_irqchip, struct kvm_irqchip, vmm_irqchip_get)
TYPED(vm, vm_set_irqchip, struct kvm_irqchip, vmm_irqchip_set)
TYPED(vm, vm_signal_msi, struct kvm_msi, vmm_send_msi)
TYPED(vm, vm_irqfd, struct kvm_irqfd, vmm_irqfd)
TYPED(vm, vm_ioeventfd, struct kvm_ioeventfd, vmm_ioeventfd)
TYPED(vm, vm_coalesce, struct kvm_coalesced_mmio_zone, vmm_coalesced_register)
TYPED(vm, vm_uncoalesce, struct kvm_coalesced_mmio_zone, vmm_coalesced_unregister)
TYPED(vm, vm_msr_filter, struct kvm_msr_filter, vmm_set_msr_filter)
TYPED(vm, vm_get_pit2, struct kvm_pit_state2, vmm_pit_get)
TYPED(vm, vm_set_pit2, struct kvm_pit_state2, vmm_pit_set)

static int vm_get_pit(struct vmm_vm *vm, void *arg)
{
	struct kvm_pit_state2 s;
	int r = vmm_pit_get(vm, &s);

	if (!r)
		memcpy(arg, s.channels, sizeof(struct kvm_pit_state));
	return r;
}

static int vm_set_pit(struct vmm_vm *vm, void *arg)
{
	struct kvm_pit_state2 s;
	int r = vmm_pit_get(vm, &s);	/* the flags stay as they are */

	if (r)
		return r;
	memcpy(s.channels, arg, sizeof(struct kvm_pit_state));
	return vmm_pit_set(vm, &s);
}

TYPED(vm, vm_set_clock, struct kvm_clock_data, vmm_clock_set)

static int vm_set_tss_addr(struct vmm_vm *vm, void *arg)
{
	unsigned long addr = (unsigned long)arg;

	/* Three pages below 4 GiB, as KVM demands even where nothing needs them. */
	if (addr > 0xfffff000ul - 3 * PAGE_SIZE)
		return -EINVAL;
	vm->tss_addr = addr;
	return 0;
}

static int vm_set_identity_map(struct vmm_vm *vm, void *arg)
{
	if (vm->created_vcpus)
		return -EINVAL;
	vm->identity_map_addr = *(u64 *)arg;
	return 0;
}

static int vm_create_irqchip(struct vmm_vm *vm, void *arg)
{
	return vmm_irqchip_create(vm);
}

static int vm_create_pit(struct vmm_vm *vm, void *arg)
{
	return vmm_pit_create(vm, KVM_PIT_SPEAKER_DUMMY);
}

static int vm_create_pit2(struct vmm_vm *vm, void *arg)
{
	struct kvm_pit_config *config = arg;

	return vmm_pit_create(vm, config->flags);
}

static int vm_reinject_control(struct vmm_vm *vm, void *arg)
{
	struct kvm_reinject_control *control = arg;

	return vmm_pit_reinject(vm, control->pit_reinject);
}

static int vm_irq_line(struct vmm_vm *vm, void *arg)
{
	struct kvm_irq_level *line = arg;

	/* -ENXIO before the chip exists; the split chip has no lines either. */
	if (smp_load_acquire(&vm->irqchip.mode) == VMM_IRQCHIP_NONE)
		return -ENXIO;
	vmm_set_irq(vm, VMM_IRQ_SOURCE_USER, line->irq, !!line->level);
	return 0;
}

static int vm_irq_line_status(struct vmm_vm *vm, void *arg)
{
	struct kvm_irq_level *line = arg;

	if (smp_load_acquire(&vm->irqchip.mode) == VMM_IRQCHIP_NONE)
		return -ENXIO;
	line->status = vmm_set_irq(vm, VMM_IRQ_SOURCE_USER | VMM_IRQ_LINE_STATUS, line->irq,
				   !!line->level);
	return 0;
}

static int vm_set_routing(struct vmm_vm *vm, void *arg)
{
	struct kvm_irq_routing __user *user = (struct kvm_irq_routing __user *)arg;
	struct kvm_irq_routing_entry *entries = NULL;
	struct kvm_irq_routing head;
	int r;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (!vmm_irqchip_in_module(&vm->irqchip))
		return -EINVAL;
	if (head.nr > VMM_MAX_IRQ_ROUTES || head.flags)
		return -EINVAL;
	if (head.nr) {
		entries = vmemdup_user(user->entries, array_size(sizeof(*entries), head.nr));
		if (IS_ERR(entries))
			return PTR_ERR(entries);
	}
	r = vmm_set_routing(vm, entries, head.nr, head.flags);
	kvfree(entries);
	return r;
}

static int vm_get_clock(struct vmm_vm *vm, void *arg)
{
	return vmm_clock_get(vm, (struct kvm_clock_data __user *)arg);
}

/*
 * The limit is on shadow pages. With two-dimensional paging there are none, whatever
 * the limit is.
 */
static int vm_set_mmu_pages(struct vmm_vm *vm, void *arg)
{
	if ((unsigned long)arg < MIN_MMU_PAGES)
		return -EINVAL;
	vm->max_mmu_pages = (unsigned long)arg;
	return 0;
}

static int vm_get_mmu_pages(struct vmm_vm *vm, void *arg)
{
	return vm->max_mmu_pages;
}

static int vm_set_boot_cpu(struct vmm_vm *vm, void *arg)
{
	if (vm->created_vcpus)
		return -EBUSY;
	vm->bsp_vcpu_id = (unsigned long)arg;
	return 0;
}

static int vm_set_tsc_khz(struct vmm_vm *vm, void *arg)
{
	return vmm_vm_set_tsc_khz(vm, (unsigned long)arg);
}

static int vm_get_tsc_khz(struct vmm_vm *vm, void *arg)
{
	return READ_ONCE(vm->default_tsc_khz);
}

static int vm_stats_fd(struct vmm_vm *vm, void *arg)
{
	return vmm_stats_vm_fd(vm);
}

static const struct row vm_rows[] = {
	VM_ROW(KVM_CHECK_EXTENSION,		ARG_VALUE,			vm_check_extension),
	VM_ROW(KVM_CREATE_VCPU,			ARG_VALUE,			vm_create_vcpu),
	VM_ROW(KVM_ENABLE_CAP,			ARG_IN,				vm_enable_cap),
	VM_ROW(KVM_SET_USER_MEMORY_REGION,	ARG_IN | LOCK_SLOTS,		vm_set_region),
	VM_ROW(KVM_GET_DIRTY_LOG,		ARG_IN | LOCK_SLOTS,		vm_dirty_log),
	VM_ROW(KVM_CLEAR_DIRTY_LOG,		ARG_IN | LOCK_SLOTS,		vm_clear_dirty),
	VM_ROW(KVM_SET_TSS_ADDR,		ARG_VALUE | LOCK_VM,		vm_set_tss_addr),
	VM_ROW(KVM_SET_IDENTITY_MAP_ADDR,	ARG_IN | LOCK_VM,		vm_set_identity_map),
	VM_ROW(KVM_CREATE_IRQCHIP,		ARG_VALUE | LOCK_VM,		vm_create_irqchip),
	VM_ROW(KVM_GET_IRQCHIP,			ARG_IN | ARG_OUT,		vm_get_irqchip),
	VM_ROW(KVM_SET_IRQCHIP,			ARG_IN,				vm_set_irqchip),
	VM_ROW(KVM_IRQ_LINE,			ARG_IN,				vm_irq_line),
	VM_ROW(KVM_IRQ_LINE_STATUS,		ARG_IN | ARG_OUT,		vm_irq_line_status),
	VM_ROW(KVM_SET_GSI_ROUTING,		0,				vm_set_routing),
	VM_ROW(KVM_SIGNAL_MSI,			ARG_IN,				vm_signal_msi),
	VM_ROW(KVM_IRQFD,			ARG_IN,				vm_irqfd),
	VM_ROW(KVM_X86_SET_MSR_FILTER,		ARG_IN | LOCK_VM,		vm_msr_filter),
	VM_ROW(KVM_REGISTER_COALESCED_MMIO,	ARG_IN | LOCK_SLOTS,		vm_coalesce),
	VM_ROW(KVM_UNREGISTER_COALESCED_MMIO,	ARG_IN | LOCK_SLOTS,		vm_uncoalesce),
	VM_ROW(KVM_IOEVENTFD,			ARG_IN,				vm_ioeventfd),
	VM_ROW(KVM_CREATE_PIT,			ARG_VALUE | LOCK_VM,		vm_create_pit),
	VM_ROW(KVM_CREATE_PIT2,			ARG_IN | LOCK_VM,		vm_create_pit2),
	VM_ROW(KVM_GET_PIT,			ARG_IN | ARG_OUT,		vm_get_pit),
	VM_ROW(KVM_SET_PIT,			ARG_IN | LOCK_VM,		vm_set_pit),
	VM_ROW(KVM_GET_PIT2,			ARG_OUT,			vm_get_pit2),
	VM_ROW(KVM_SET_PIT2,			ARG_IN,				vm_set_pit2),
	VM_ROW(KVM_REINJECT_CONTROL,		ARG_IN,				vm_reinject_control),
	VM_ROW(KVM_GET_CLOCK,			0,				vm_get_clock),
	VM_ROW(KVM_SET_CLOCK,			ARG_IN,				vm_set_clock),
	VM_ROW(KVM_SET_NR_MMU_PAGES,		ARG_VALUE | LOCK_SLOTS,		vm_set_mmu_pages),
	VM_ROW(KVM_GET_NR_MMU_PAGES,		ARG_VALUE | LOCK_SLOTS,		vm_get_mmu_pages),
	VM_ROW(KVM_SET_BOOT_CPU_ID,		ARG_VALUE | LOCK_VM,		vm_set_boot_cpu),
	VM_ROW(KVM_SET_TSC_KHZ,			ARG_VALUE,			vm_set_tsc_khz),
	VM_ROW(KVM_GET_TSC_KHZ,			ARG_VALUE,			vm_get_tsc_khz),
	VM_ROW(KVM_GET_STATS_FD,		ARG_VALUE,			vm_stats_fd),
};

/**
 * vmm_vm_ioctl() - ioctls of a VM
 * @file: its file
 * @cmd: KVM ioctl number
 * @arg: as the number says
 *
 * Return: the handler's; -ENOTTY for a number vmm does not know, -EFAULT, -EIO
 * from a process other than the creator's or on a killed VM.
 */
long vmm_vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct row *row = find_row(vm_rows, ARRAY_SIZE(vm_rows), cmd);
	struct vmm_vm *vm = file->private_data;
	union arg_buf stack;
	void *heap, *buf;
	long r;

	if (vm->mm != current->mm)
		return -EIO;
	if (!row)
		return -ENOTTY;
	if (READ_ONCE(vm->dead) && !(row->flags & WHEN_DEAD))
		return -EIO;
	buf = arg_get(row, arg, &stack, &heap);
	if (IS_ERR(buf) && (row->flags & (ARG_IN | ARG_OUT)))
		return PTR_ERR(buf);
	if (row->flags & LOCK_VM)
		mutex_lock(&vm->lock);
	if (row->flags & LOCK_SLOTS)
		mutex_lock(&vm->slots_lock);
	r = row->vm(vm, buf);
	if (row->flags & LOCK_SLOTS)
		mutex_unlock(&vm->slots_lock);
	if (row->flags & LOCK_VM)
		mutex_unlock(&vm->lock);
	return arg_put(row, arg, buf, heap, r);
}

/* ---- vCPU --------------------------------------------------------------------- */

TYPED(vcpu, vcpu_get_regs, struct kvm_regs, vmm_get_regs)
TYPED(vcpu, vcpu_set_regs, struct kvm_regs, vmm_set_regs)
TYPED(vcpu, vcpu_get_sregs, struct kvm_sregs, vmm_get_sregs)
TYPED(vcpu, vcpu_set_sregs, struct kvm_sregs, vmm_set_sregs)
TYPED(vcpu, vcpu_get_sregs2, struct kvm_sregs2, vmm_get_sregs2)
TYPED(vcpu, vcpu_set_sregs2, struct kvm_sregs2, vmm_set_sregs2)
TYPED(vcpu, vcpu_get_fpu, struct kvm_fpu, vmm_fpu_get)
TYPED(vcpu, vcpu_set_fpu, struct kvm_fpu, vmm_fpu_set)
TYPED(vcpu, vcpu_get_xsave, struct kvm_xsave, vmm_xsave_get)
TYPED(vcpu, vcpu_set_xsave, struct kvm_xsave, vmm_xsave_set)
TYPED(vcpu, vcpu_get_xcrs, struct kvm_xcrs, vmm_xcrs_get)
TYPED(vcpu, vcpu_set_xcrs, struct kvm_xcrs, vmm_xcrs_set)
TYPED(vcpu, vcpu_get_mp_state, struct kvm_mp_state, vmm_get_mp_state)
TYPED(vcpu, vcpu_set_mp_state, struct kvm_mp_state, vmm_set_mp_state)
TYPED(vcpu, vcpu_get_events, struct kvm_vcpu_events, vmm_get_vcpu_events)
TYPED(vcpu, vcpu_set_events, struct kvm_vcpu_events, vmm_set_vcpu_events)
TYPED(vcpu, vcpu_get_debugregs, struct kvm_debugregs, vmm_get_debugregs)
TYPED(vcpu, vcpu_set_debugregs, struct kvm_debugregs, vmm_set_debugregs)
TYPED(vcpu, vcpu_guest_debug, struct kvm_guest_debug, vmm_set_guest_debug)
TYPED(vcpu, vcpu_translate, struct kvm_translation, vmm_translate)
TYPED(vcpu, vcpu_interrupt, struct kvm_interrupt, vmm_user_interrupt)
TYPED(vcpu, vcpu_vapic_addr, struct kvm_vapic_addr, vmm_set_vapic_addr)
TYPED(vcpu, vcpu_tpr_access, struct kvm_tpr_access_ctl, vmm_tpr_reporting)
TYPED(vcpu, vcpu_set_mce, struct kvm_x86_mce, vmm_set_mce)
TYPED(vcpu, vcpu_has_attr, struct kvm_device_attr, vmm_vcpu_has_attr)
TYPED(vcpu, vcpu_get_attr, struct kvm_device_attr, vmm_vcpu_get_attr)
TYPED(vcpu, vcpu_set_attr, struct kvm_device_attr, vmm_vcpu_set_attr)
TYPED(vcpu, vcpu_enable_cap, struct kvm_enable_cap, vmm_enable_cap_vcpu)

static int vcpu_run(struct vmm_vcpu *vcpu, void *arg)
{
	return arg ? -EINVAL : vmm_vcpu_run(vcpu);
}

static int vcpu_get_lapic(struct vmm_vcpu *vcpu, void *arg)
{
	return vcpu->lapic ? vmm_lapic_get(vcpu, arg) : -EINVAL;
}

static int vcpu_set_lapic(struct vmm_vcpu *vcpu, void *arg)
{
	return vcpu->lapic ? vmm_lapic_set(vcpu, arg) : -EINVAL;
}

static int vcpu_get_msrs(struct vmm_vcpu *vcpu, void *arg)
{
	return vmm_msr_io(vcpu, (struct kvm_msrs __user *)arg, false);
}

static int vcpu_set_msrs(struct vmm_vcpu *vcpu, void *arg)
{
	return vmm_msr_io(vcpu, (struct kvm_msrs __user *)arg, true);
}

static int vcpu_set_cpuid(struct vmm_vcpu *vcpu, void *arg)
{
	struct kvm_cpuid __user *user = (struct kvm_cpuid __user *)arg;
	struct kvm_cpuid head;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	return vmm_cpuid_set(vcpu, (void __user *)user->entries, head.nent, true);
}

static int vcpu_set_cpuid2(struct vmm_vcpu *vcpu, void *arg)
{
	struct kvm_cpuid2 __user *user = (struct kvm_cpuid2 __user *)arg;
	struct kvm_cpuid2 head;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	return vmm_cpuid_set(vcpu, user->entries, head.nent, false);
}

static int vcpu_get_cpuid2(struct vmm_vcpu *vcpu, void *arg)
{
	return vmm_cpuid_get(vcpu, (struct kvm_cpuid2 __user *)arg);
}

static int vcpu_get_xsave2(struct vmm_vcpu *vcpu, void *arg)
{
	return vmm_xsave2_get(vcpu, (void __user *)arg);
}

static int vcpu_nmi(struct vmm_vcpu *vcpu, void *arg)
{
	vmm_inject_nmi(vcpu);
	return 0;
}

static int vcpu_sigmask(struct vmm_vcpu *vcpu, void *arg)
{
	struct kvm_signal_mask __user *user = (struct kvm_signal_mask __user *)arg;
	struct kvm_signal_mask head;
	sigset_t set;

	if (!user) {
		vcpu->sigset_active = false;
		return 0;
	}
	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.len != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, user->sigset, sizeof(set)))
		return -EFAULT;
	sigdelsetmask(&set, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->sigset = set;
	vcpu->sigset_active = true;
	return 0;
}

static int vcpu_set_tsc_khz(struct vmm_vcpu *vcpu, void *arg)
{
	return vmm_vcpu_set_tsc_khz(vcpu, (unsigned long)arg);
}

static int vcpu_get_tsc_khz(struct vmm_vcpu *vcpu, void *arg)
{
	return vcpu->tsc_khz;
}

static int vcpu_kvmclock_ctrl(struct vmm_vcpu *vcpu, void *arg)
{
	return vmm_clock_guest_stopped(vcpu);
}

static int vcpu_setup_mce(struct vmm_vcpu *vcpu, void *arg)
{
	return vmm_setup_mce(vcpu, *(u64 *)arg);
}

static int vcpu_stats_fd(struct vmm_vcpu *vcpu, void *arg)
{
	return vmm_stats_vcpu_fd(vcpu);
}

static const struct row vcpu_rows[] = {
	VCPU_ROW(KVM_RUN,		ARG_VALUE | WHEN_DEAD,		vcpu_run),
	VCPU_ROW(KVM_GET_REGS,		ARG_OUT | VCPU_LOAD,		vcpu_get_regs),
	VCPU_ROW(KVM_SET_REGS,		ARG_IN | VCPU_LOAD,		vcpu_set_regs),
	VCPU_ROW(KVM_GET_SREGS,		ARG_OUT | VCPU_LOAD,		vcpu_get_sregs),
	VCPU_ROW(KVM_SET_SREGS,		ARG_IN | VCPU_LOAD,		vcpu_set_sregs),
	VCPU_ROW(KVM_GET_SREGS2,	ARG_OUT | VCPU_LOAD,		vcpu_get_sregs2),
	VCPU_ROW(KVM_SET_SREGS2,	ARG_IN | VCPU_LOAD,		vcpu_set_sregs2),
	VCPU_ROW(KVM_GET_FPU,		ARG_OUT | VCPU_LOAD,		vcpu_get_fpu),
	VCPU_ROW(KVM_SET_FPU,		ARG_IN | VCPU_LOAD,		vcpu_set_fpu),
	VCPU_ROW(KVM_GET_XSAVE,		ARG_OUT | VCPU_LOAD,		vcpu_get_xsave),
	VCPU_ROW(KVM_SET_XSAVE,		ARG_IN | VCPU_LOAD,		vcpu_set_xsave),
	VCPU_ROW(KVM_GET_XSAVE2,	VCPU_LOAD | OWN_SRCU,		vcpu_get_xsave2),
	VCPU_ROW(KVM_GET_XCRS,		ARG_OUT | VCPU_LOAD,		vcpu_get_xcrs),
	VCPU_ROW(KVM_SET_XCRS,		ARG_IN | VCPU_LOAD,		vcpu_set_xcrs),
	VCPU_ROW(KVM_GET_MSRS,		VCPU_LOAD | OWN_SRCU,		vcpu_get_msrs),
	VCPU_ROW(KVM_SET_MSRS,		VCPU_LOAD | OWN_SRCU,		vcpu_set_msrs),
	VCPU_ROW(KVM_SET_CPUID,		VCPU_LOAD | OWN_SRCU,		vcpu_set_cpuid),
	VCPU_ROW(KVM_SET_CPUID2,	VCPU_LOAD | OWN_SRCU,		vcpu_set_cpuid2),
	VCPU_ROW(KVM_GET_CPUID2,	VCPU_LOAD | OWN_SRCU,		vcpu_get_cpuid2),
	VCPU_ROW(KVM_GET_LAPIC,		ARG_OUT | VCPU_LOAD,		vcpu_get_lapic),
	VCPU_ROW(KVM_SET_LAPIC,		ARG_IN | VCPU_LOAD,		vcpu_set_lapic),
	VCPU_ROW(KVM_GET_MP_STATE,	ARG_OUT | VCPU_LOAD,		vcpu_get_mp_state),
	VCPU_ROW(KVM_SET_MP_STATE,	ARG_IN | VCPU_LOAD,		vcpu_set_mp_state),
	VCPU_ROW(KVM_GET_VCPU_EVENTS,	ARG_OUT | VCPU_LOAD,		vcpu_get_events),
	VCPU_ROW(KVM_SET_VCPU_EVENTS,	ARG_IN | VCPU_LOAD,		vcpu_set_events),
	VCPU_ROW(KVM_GET_DEBUGREGS,	ARG_OUT | VCPU_LOAD,		vcpu_get_debugregs),
	VCPU_ROW(KVM_SET_DEBUGREGS,	ARG_IN | VCPU_LOAD,		vcpu_set_debugregs),
	VCPU_ROW(KVM_SET_GUEST_DEBUG,	ARG_IN | VCPU_LOAD,		vcpu_guest_debug),
	VCPU_ROW(KVM_TRANSLATE,		ARG_IN | ARG_OUT | VCPU_LOAD,	vcpu_translate),
	VCPU_ROW(KVM_INTERRUPT,		ARG_IN | VCPU_LOAD,		vcpu_interrupt),
	VCPU_ROW(KVM_NMI,		ARG_VALUE | VCPU_LOAD,		vcpu_nmi),
	VCPU_ROW(KVM_SET_SIGNAL_MASK,	0,				vcpu_sigmask),
	VCPU_ROW(KVM_SET_TSC_KHZ,	ARG_VALUE | VCPU_LOAD,		vcpu_set_tsc_khz),
	VCPU_ROW(KVM_GET_TSC_KHZ,	ARG_VALUE,			vcpu_get_tsc_khz),
	VCPU_ROW(KVM_KVMCLOCK_CTRL,	ARG_VALUE | VCPU_LOAD,		vcpu_kvmclock_ctrl),
	VCPU_ROW(KVM_X86_SETUP_MCE,	ARG_IN | VCPU_LOAD,		vcpu_setup_mce),
	VCPU_ROW(KVM_X86_SET_MCE,	ARG_IN | VCPU_LOAD,		vcpu_set_mce),
	VCPU_ROW(KVM_HAS_DEVICE_ATTR,	ARG_IN,				vcpu_has_attr),
	VCPU_ROW(KVM_GET_DEVICE_ATTR,	ARG_IN,				vcpu_get_attr),
	VCPU_ROW(KVM_SET_DEVICE_ATTR,	ARG_IN | VCPU_LOAD | OWN_SRCU,	vcpu_set_attr),
	VCPU_ROW(KVM_SET_VAPIC_ADDR,	ARG_IN | VCPU_LOAD,		vcpu_vapic_addr),
	VCPU_ROW(KVM_TPR_ACCESS_REPORTING, ARG_IN | ARG_OUT,		vcpu_tpr_access),
	VCPU_ROW(KVM_ENABLE_CAP,	ARG_IN | VCPU_LOAD,		vcpu_enable_cap),
	VCPU_ROW(KVM_GET_STATS_FD,	ARG_VALUE,			vcpu_stats_fd),
};

static long call_loaded(const struct row *row, struct vmm_vcpu *vcpu, void *buf)
{
	long r;
	int srcu;

	vmm_vcpu_load(vcpu);
	if (row->flags & OWN_SRCU) {
		r = row->vcpu(vcpu, buf);
	} else {
		srcu = srcu_read_lock(&vcpu->vm->srcu);
		r = row->vcpu(vcpu, buf);
		srcu_read_unlock(&vcpu->vm->srcu, srcu);
	}
	vmm_vcpu_put(vcpu);
	return r;
}

static long call_locked(const struct row *row, struct vmm_vcpu *vcpu, void *buf)
{
	long r;

	if (mutex_lock_killable(&vcpu->mutex))
		return -EINTR;
	r = row->flags & VCPU_LOAD ? call_loaded(row, vcpu, buf) : row->vcpu(vcpu, buf);
	mutex_unlock(&vcpu->mutex);
	return r;
}

/* Apart, so that KVM_RUN does not pay for a buffer. */
static noinline long call_with_buffer(const struct row *row, struct vmm_vcpu *vcpu,
				      unsigned long arg)
{
	union arg_buf stack;
	void *heap, *buf = arg_get(row, arg, &stack, &heap);

	return IS_ERR(buf) ? PTR_ERR(buf) :
			     arg_put(row, arg, buf, heap, call_locked(row, vcpu, buf));
}

/**
 * vmm_vcpu_ioctl() - ioctls of a vCPU
 * @file: its file
 * @cmd: KVM ioctl number
 * @arg: as the number says
 *
 * One at a time per vCPU: a second caller waits for vcpu->mutex, killably.
 *
 * Return: the handler's; -ENOTTY for a number vmm does not know, -EFAULT, -EINTR,
 * -EIO from a process other than the creator's or on a killed VM.
 */
long vmm_vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct row *row = find_row(vcpu_rows, ARRAY_SIZE(vcpu_rows), cmd);
	struct vmm_vcpu *vcpu = file->private_data;
	struct vmm_vm *vm = vcpu->vm;

	if (vm->mm != current->mm)
		return -EIO;
	if (!row)
		return -ENOTTY;
	if (READ_ONCE(vm->dead) && !(row->flags & WHEN_DEAD))
		return -EIO;
	if (row->flags & (ARG_IN | ARG_OUT))
		return call_with_buffer(row, vcpu, arg);
	return call_locked(row, vcpu, (void *)arg);
}
