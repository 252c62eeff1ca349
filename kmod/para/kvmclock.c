// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvmclock: a page per vCPU from which the guest computes nanoseconds out of its TSC
 * (the kernel's Documentation/virt/kvm/x86/msr.rst, struct pvclock_vcpu_time_info).
 *
 * Guest time is the host's raw monotonic clock with suspends counted, plus an offset
 * of the VM. Where the host itself keeps time by the TSC and all vCPUs read the same
 * TSC, every page is built on one pair of (TSC, ns) taken at one moment, the master
 * pair, and the guest is told so (PVCLOCK_TSC_STABLE_BIT): then it may compare times
 * of different vCPUs, and read them without a system call. Otherwise each vCPU
 * takes its own pair when it changes CPUs, and a worker renews them from time to time.
 *
 * Taking the master pair anew must not let a vCPU with the old pair and one with the
 * new run side by side. So: vm->clock_mutex, pull all out of the guest with a request
 * they serve under the same mutex, take the pair, let go.
 */
#include <linux/irq_work.h>
#include <linux/pvclock_gtod.h>
#include <linux/slab.h>
#include <linux/timekeeper_internal.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>
#include <asm/tsc.h>

#include "para.h"

#define KVMCLOCK_ENABLE		BIT_ULL(0)
#define CLOCK_FLAGS		(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)

/* How long a pair of a VM without master pair is left to drift. */
#define RENEW_INTERVAL		(60 * HZ)

/* ---- the host's clocks ---------------------------------------------------------- */

static u64 boot_offset(void)
{
	return ktime_to_ns(ktime_mono_to_any(0, TK_OFFS_BOOT));
}

/**
 * vmm_host_ns() - the clock that guest time is made of
 *
 * Any context but NMI.
 *
 * Return: ns since boot, suspends included, at the rate of the raw clock.
 */
u64 vmm_host_ns(void)
{
	return ktime_get_raw_ns() + boot_offset();
}

/**
 * vmm_host_time() - read TSC and clocks together
 * @t: filled
 *
 * The timekeeper's snapshot holds the counter it was made from. If that lies between
 * two readings of the TSC around it, the counter is the TSC, and the snapshot says
 * exactly what the time was at that tick.
 */
void vmm_host_time(struct vmm_host_time *t)
{
	struct system_time_snapshot snap;
	unsigned long flags;
	u64 before, after;

	local_irq_save(flags);
	before = rdtsc_ordered();
	ktime_get_snapshot(&snap);
	after = rdtsc_ordered();
	local_irq_restore(flags);

	t->by_tsc = snap.cycles >= before && snap.cycles <= after && !check_tsc_unstable();
	t->tsc = t->by_tsc ? snap.cycles : before + (after - before) / 2;
	t->ns = ktime_to_ns(snap.raw) + boot_offset();
	t->real = ktime_to_ns(snap.real);
}

/* ---- the pair ------------------------------------------------------------------- */

/* clock_mutex held. On return no vCPU runs on the old pair, or will. */
static void take_pair(struct vmm_vm *vm)
{
	struct vmm_host_time t;
	unsigned long flags;

	vmm_request_all(vm, VMM_REQ_CLOCK_UPDATE);
	raw_spin_lock_irqsave(&vm->clock_lock, flags);
	vmm_tsc_adopt_resume(vm);
	WRITE_ONCE(vm->clock_stale, false);
	vmm_host_time(&t);
	vm->master_clock = t.by_tsc && vmm_tsc_same(vm);
	vm->master_tsc = t.tsc;
	vm->master_ns = t.ns;
	raw_spin_unlock_irqrestore(&vm->clock_lock, flags);
}

static void freshen(struct vmm_vm *vm)
{
	lockdep_assert_held(&vm->clock_mutex);
	if (READ_ONCE(vm->clock_stale))
		take_pair(vm);
}

/* Guest time by the master pair; clock_lock held. */
static u64 by_master(struct vmm_vm *vm, u64 host_tsc)
{
	u64 ticks = max_t(s64, host_tsc - vm->master_tsc, 0);

	return vm->master_ns + vmm_timescale_ns(vmm_timescale(tsc_khz), ticks) +
	       vm->kvmclock_offset;
}

/**
 * vmm_clock_ns() - what the guest's kvmclock shows now
 * @vm: any context but NMI
 *
 * Return: ns.
 */
u64 vmm_clock_ns(struct vmm_vm *vm)
{
	unsigned long flags;
	u64 ns;

	raw_spin_lock_irqsave(&vm->clock_lock, flags);
	if (vm->master_clock)
		ns = by_master(vm, rdtsc_ordered());
	else
		ns = vmm_host_ns() + vm->kvmclock_offset;
	raw_spin_unlock_irqrestore(&vm->clock_lock, flags);
	return ns;
}

/**
 * vmm_clock_get() - KVM_GET_CLOCK
 * @vm: no lock held
 * @user: where to
 *
 * With a master pair the answer names the host TSC it was computed for, and the real
 * time of that same tick.
 *
 * Return: 0 or -EFAULT.
 */
int vmm_clock_get(struct vmm_vm *vm, struct kvm_clock_data __user *user)
{
	struct kvm_clock_data data = { };
	struct vmm_host_time t;
	unsigned long flags;

	mutex_lock(&vm->clock_mutex);
	freshen(vm);
	raw_spin_lock_irqsave(&vm->clock_lock, flags);
	vmm_host_time(&t);
	if (vm->master_clock && t.by_tsc) {
		data.clock = by_master(vm, t.tsc);
		data.flags = CLOCK_FLAGS;
		data.realtime = t.real;
		data.host_tsc = t.tsc;
	} else {
		data.clock = t.ns + vm->kvmclock_offset;
	}
	raw_spin_unlock_irqrestore(&vm->clock_lock, flags);
	mutex_unlock(&vm->clock_mutex);
	return copy_to_user(user, &data, sizeof(data)) ? -EFAULT : 0;
}

/**
 * vmm_clock_set() - KVM_SET_CLOCK
 * @vm: no lock held
 * @data: with KVM_CLOCK_REALTIME, the clock is moved on by what real time has passed
 *	since .realtime
 *
 * Return: 0; -EINVAL for unknown flags.
 */
int vmm_clock_set(struct vmm_vm *vm, const struct kvm_clock_data *data)
{
	u64 clock = data->clock;
	struct vmm_host_time t;
	unsigned long flags;

	if (data->flags & ~CLOCK_FLAGS)
		return -EINVAL;
	mutex_lock(&vm->clock_mutex);
	take_pair(vm);
	raw_spin_lock_irqsave(&vm->clock_lock, flags);
	vmm_host_time(&t);
	/* Never back: the clocks of two machines may differ a little. */
	if ((data->flags & KVM_CLOCK_REALTIME) && t.real > data->realtime)
		clock += t.real - data->realtime;
	vm->kvmclock_offset = clock - (vm->master_clock ? vm->master_ns : t.ns);
	raw_spin_unlock_irqrestore(&vm->clock_lock, flags);
	mutex_unlock(&vm->clock_mutex);
	return 0;
}

/* ---- the guest's pages ---------------------------------------------------------- */

/*
 * Odd version, contents, even version: the guest reads again when it meets an odd one
 * or finds it changed.
 */
static void write_page(struct vmm_vcpu *vcpu, struct pvclock_vcpu_time_info *info)
{
	struct vmm_kvmclock *kc = vcpu->kvmclock;
	u64 gpa = kc->msr & ~KVMCLOCK_ENABLE;
	struct pvclock_vcpu_time_info old;

	if (vmm_read_guest(vcpu->vm, gpa, &old, sizeof(old)))
		return;
	/* Only the guest clears it, once it has silenced its watchdogs. */
	info->flags |= old.flags & PVCLOCK_GUEST_STOPPED;
	if (kc->stopped_request) {
		info->flags |= PVCLOCK_GUEST_STOPPED;
		kc->stopped_request = false;
	}
	info->version = (old.version + 1) | 1;
	if (vmm_write_guest(vcpu->vm, gpa, &info->version, sizeof(info->version)))
		return;
	smp_wmb();	/* version before contents */
	if (vmm_write_guest(vcpu->vm, gpa, info, sizeof(*info)))
		return;
	smp_wmb();	/* contents before version */
	info->version++;
	vmm_write_guest(vcpu->vm, gpa, &info->version, sizeof(info->version));
}

/**
 * vmm_clock_update() - serve VMM_REQ_CLOCK_UPDATE
 * @vcpu: its thread, SRCU held; may sleep
 *
 * Return: 0.
 */
int vmm_clock_update(struct vmm_vcpu *vcpu)
{
	struct vmm_kvmclock *kc = vcpu->kvmclock;
	struct pvclock_vcpu_time_info info = { };
	struct vmm_vm *vm = vcpu->vm;
	struct vmm_timescale scale;
	struct vmm_host_time t;
	unsigned long flags;

	mutex_lock(&vm->clock_mutex);
	freshen(vm);
	/* freshen() asks every vCPU, this one too: it is served here. */
	clear_bit(VMM_REQ_CLOCK_UPDATE, &vcpu->requests);
	if (!(kc->msr & KVMCLOCK_ENABLE)) {
		mutex_unlock(&vm->clock_mutex);
		return 0;
	}
	raw_spin_lock_irqsave(&vm->clock_lock, flags);
	if (vm->master_clock) {
		t.tsc = vm->master_tsc;
		t.ns = vm->master_ns;
		info.flags = PVCLOCK_TSC_STABLE_BIT;
	} else {
		vmm_host_time(&t);
	}
	scale = vmm_timescale(kc->tsc_hw_khz);
	info.tsc_timestamp = vmm_guest_tsc(vcpu, t.tsc);
	info.system_time = t.ns + vm->kvmclock_offset;
	info.tsc_to_system_mul = scale.mul;
	info.tsc_shift = scale.shift;
	raw_spin_unlock_irqrestore(&vm->clock_lock, flags);
	mutex_unlock(&vm->clock_mutex);

	write_page(vcpu, &info);
	return 0;
}

/**
 * vmm_clock_guest_stopped() - KVM_KVMCLOCK_CTRL: the guest was paused
 * @vcpu: vcpu->mutex held
 *
 * Its watchdogs are told with the next update.
 *
 * Return: 0; -EINVAL when the guest does not use kvmclock.
 */
int vmm_clock_guest_stopped(struct vmm_vcpu *vcpu)
{
	if (!(vcpu->kvmclock->msr & KVMCLOCK_ENABLE))
		return -EINVAL;
	vcpu->kvmclock->stopped_request = true;
	vmm_make_request(vcpu, VMM_REQ_CLOCK_UPDATE);
	return 0;
}

/* The real time at which kvmclock was zero: the guest adds the two. */
static void write_wall_clock(struct vmm_vm *vm, u64 gpa)
{
	struct pvclock_wall_clock wall;
	u32 version, rest;
	u64 sec;

	if (vmm_read_guest(vm, gpa, &version, sizeof(version)))
		return;
	version = (version + 1) | 1;
	if (vmm_write_guest(vm, gpa, &version, sizeof(version)))
		return;
	sec = div_u64_rem(ktime_get_real_ns() - vmm_clock_ns(vm), NSEC_PER_SEC, &rest);
	wall.version = version;
	wall.sec = sec;
	wall.nsec = rest;
	smp_wmb();	/* version before contents */
	if (vmm_write_guest(vm, gpa, &wall, sizeof(wall)))
		return;
	smp_wmb();	/* contents before version */
	version++;
	vmm_write_guest(vm, gpa, &version, sizeof(version));
}

/**
 * vmm_kvmclock_msr_get() - read one
 * @vcpu: its thread
 * @msr: index checked; data is filled
 *
 * Return: 0.
 */
int vmm_kvmclock_msr_get(struct vmm_vcpu *vcpu, struct vmm_msr *msr)
{
	if (msr->index == MSR_KVM_WALL_CLOCK || msr->index == MSR_KVM_WALL_CLOCK_NEW)
		msr->data = READ_ONCE(vcpu->vm->wall_clock_gpa);
	else
		msr->data = vcpu->kvmclock->msr;
	return 0;
}

/**
 * vmm_kvmclock_msr_set() - write one
 * @vcpu: its thread, SRCU held
 * @msr: index checked
 *
 * An address without memory is no error, as with KVM: nothing is written there.
 *
 * Return: 0.
 */
int vmm_kvmclock_msr_set(struct vmm_vcpu *vcpu, struct vmm_msr *msr)
{
	if (msr->index == MSR_KVM_WALL_CLOCK || msr->index == MSR_KVM_WALL_CLOCK_NEW) {
		WRITE_ONCE(vcpu->vm->wall_clock_gpa, msr->data);
		write_wall_clock(vcpu->vm, msr->data);
	} else {
		vcpu->kvmclock->msr = msr->data;
		vmm_make_request(vcpu, VMM_REQ_CLOCK_UPDATE);
	}
	return 0;
}

/* ---- the host's clock changes ------------------------------------------------- */

/* The host took another clocksource: master pairs end, or become possible. */
static void host_clock_changed(struct work_struct *work)
{
	struct vmm_vm *vm;

	mutex_lock(&vmm_vms_lock);
	list_for_each_entry(vm, &vmm_vms, link) {
		mutex_lock(&vm->clock_mutex);
		take_pair(vm);
		mutex_unlock(&vm->clock_mutex);
	}
	mutex_unlock(&vmm_vms_lock);
}

static DECLARE_WORK(host_clock_work, host_clock_changed);

static void queue_host_clock_work(struct irq_work *work)
{
	schedule_work(&host_clock_work);
}

static DEFINE_IRQ_WORK(host_clock_irq_work, queue_host_clock_work);

/* Runs at every tick with the timekeeper locked: no clock may be read in here. */
static int timekeeper_updated(struct notifier_block *nb, unsigned long stepped, void *priv)
{
	static bool was_tsc;
	struct timekeeper *tk = priv;
	bool is_tsc = tk->tkr_mono.clock->vdso_clock_mode == VDSO_CLOCKMODE_TSC;

	if (is_tsc != was_tsc) {
		was_tsc = is_tsc;
		irq_work_queue(&host_clock_irq_work);
	}
	return 0;
}

static struct notifier_block timekeeper_notifier = {
	.notifier_call = timekeeper_updated,
};

static void renew_pairs(struct work_struct *work);
static DECLARE_DELAYED_WORK(renew_work, renew_pairs);

static void renew_pairs(struct work_struct *work)
{
	struct vmm_vm *vm;

	mutex_lock(&vmm_vms_lock);
	list_for_each_entry(vm, &vmm_vms, link) {
		if (!READ_ONCE(vm->master_clock))
			vmm_request_all(vm, VMM_REQ_CLOCK_UPDATE);
	}
	if (!list_empty(&vmm_vms))
		schedule_delayed_work(&renew_work, RENEW_INTERVAL);
	mutex_unlock(&vmm_vms_lock);
}

/* ---- objects ---------------------------------------------------------------------- */

/**
 * vmm_clock_init() - at load
 *
 * Return: 0, or -ENODEV without a usable TSC.
 */
int vmm_clock_init(void)
{
	int r = vmm_tsc_init();

	if (r)
		return r;
	pvclock_gtod_register_notifier(&timekeeper_notifier);
	return 0;
}

/**
 * vmm_clock_exit() - at unload; no VM is left
 */
void vmm_clock_exit(void)
{
	pvclock_gtod_unregister_notifier(&timekeeper_notifier);
	irq_work_sync(&host_clock_irq_work);
	cancel_work_sync(&host_clock_work);
	cancel_delayed_work_sync(&renew_work);
	vmm_tsc_exit();
}

/**
 * vmm_clock_vm_init() - a new VM: its clock starts at zero now
 * @vm: not yet known to anybody
 */
void vmm_clock_vm_init(struct vmm_vm *vm)
{
	mutex_init(&vm->clock_mutex);
	vmm_tsc_vm_init(vm);
	vm->kvmclock_offset = -vmm_host_ns();
	vm->clock_stale = true;
	schedule_delayed_work(&renew_work, RENEW_INTERVAL);
}

/**
 * vmm_clock_vcpu_create() - a new vCPU's TSC and kvmclock
 * @vcpu: not yet published; vm->lock held
 *
 * Return: 0 or -ENOMEM.
 */
int vmm_clock_vcpu_create(struct vmm_vcpu *vcpu)
{
	vcpu->kvmclock = kzalloc(sizeof(*vcpu->kvmclock), GFP_KERNEL_ACCOUNT);
	if (!vcpu->kvmclock)
		return -ENOMEM;
	vmm_tsc_vcpu_create(vcpu);
	return 0;
}

/**
 * vmm_clock_vcpu_destroy() - undo vmm_clock_vcpu_create(), if it was called
 * @vcpu: nobody's any more
 */
void vmm_clock_vcpu_destroy(struct vmm_vcpu *vcpu)
{
	kfree(vcpu->kvmclock);
	vcpu->kvmclock = NULL;
}

/**
 * vmm_clock_vcpu_reset() - RESET and INIT: the page is forgotten, the TSC goes on
 * @vcpu: loaded, after the backend's reset
 */
void vmm_clock_vcpu_reset(struct vmm_vcpu *vcpu)
{
	vcpu->kvmclock->msr = 0;
	vcpu->kvmclock->stopped_request = false;
	vmm_tsc_push(vcpu);
}

/**
 * vmm_clock_vcpu_load() - the vCPU arrives on a CPU
 * @vcpu: preemption off, after backend.vcpu_load; vcpu->last_cpu still the old one
 * @cpu: this CPU
 */
void vmm_clock_vcpu_load(struct vmm_vcpu *vcpu, int cpu)
{
	vmm_tsc_load(vcpu, cpu);
	if (cpu != vcpu->last_cpu && !READ_ONCE(vcpu->vm->master_clock))
		vmm_make_request(vcpu, VMM_REQ_CLOCK_UPDATE);
}

/**
 * vmm_clock_vcpu_put() - the vCPU leaves its CPU
 * @vcpu: preemption off
 */
void vmm_clock_vcpu_put(struct vmm_vcpu *vcpu)
{
	vmm_tsc_put(vcpu);
}
