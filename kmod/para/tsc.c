// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's TSC (SDM 18.17, 25.6.5): guest = host * ratio + offset. The vCPUs of a
 * VM share one offset unless somebody takes them apart, for only then can a guest
 * read time on any of them and never see it go back.
 *
 * The host's own TSC may misbehave in two ways. It may restart in a suspend: the
 * loss is added to every offset. Or the CPUs may disagree about it: then a vCPU's
 * offset is recomputed from elapsed time whenever it changes CPUs.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/math64.h>
#include <linux/syscore_ops.h>
#include <asm/tsc.h>

#include "para.h"

/* How far a wanted rate may be from the host's to pass as the same: parts per million. */
#define TOLERANCE_PPM	250

/* Both formats of ratio (VMX 16.48, SVM 8.32) hold less than 2^8. */
#define MAX_RATIO	255

static u64 suspend_tsc;		/* host TSC at the last suspend; 0 once resumed */
static u64 resume_loss;		/* what all suspends together took from it; written with one CPU up */

static u64 scale(const struct vmm_kvmclock *kc, u64 host_tsc)
{
	if (!kc->tsc_ratio)
		return host_tsc;
	return mul_u64_u64_shr(host_tsc, kc->tsc_ratio, vmm_backend.caps.tsc_scaling_frac_bits);
}

/**
 * vmm_guest_tsc() - the guest's TSC at a moment of the host's
 * @vcpu: any context
 * @host_tsc: from rdtsc()
 *
 * Return: guest ticks.
 */
u64 vmm_guest_tsc(struct vmm_vcpu *vcpu, u64 host_tsc)
{
	return scale(vcpu->kvmclock, host_tsc) + READ_ONCE(vcpu->tsc_offset);
}

static void push(struct vmm_vcpu *vcpu)
{
	if (vmm_backend.caps.tsc_scaling)
		vmm_backend.set_tsc_ratio(vcpu, vcpu->kvmclock->tsc_ratio);
	vmm_backend.set_tsc_offset(vcpu, vcpu->tsc_offset);
}

/**
 * vmm_tsc_push() - tell the backend the offset and ratio
 * @vcpu: loaded, or about to be: then it is done when it is
 */
void vmm_tsc_push(struct vmm_vcpu *vcpu)
{
	if (vcpu->loaded)
		push(vcpu);
	else
		vcpu->kvmclock->push = true;
}

static u64 ns_to_ticks(u64 ns, u64 khz)
{
	u64 ms = div_u64(ns, 1000000);

	/* In parts: DIV traps when a quotient overflows, and a guest's rate may be 255 times ours. */
	return ms * khz + div_u64((ns - ms * 1000000) * khz, 1000000);
}

/* What later writes are held against; vm->clock_lock is held. */
static void begin_epoch(struct vmm_vcpu *vcpu, u64 offset, u64 value, u64 now)
{
	struct vmm_vm *vm = vcpu->vm;

	vm->tsc_offset = offset;
	vm->tsc_write_khz = vcpu->kvmclock->tsc_hw_khz;
	vm->tsc_write_ns = now;
	vm->tsc_write_value = value;
}

/*
 * Give the TSC a value. A write of 0, or of what an earlier write has become by now,
 * joins the vCPU to the offset that write established; anything else starts anew.
 */
static void synchronize(struct vmm_vcpu *vcpu, u64 value)
{
	struct vmm_kvmclock *kc = vcpu->kvmclock;
	struct vmm_vm *vm = vcpu->vm;
	bool stable = !check_tsc_unstable(), joins = false;
	u64 expected, now, offset;
	unsigned long flags;

	raw_spin_lock_irqsave(&vm->clock_lock, flags);
	vmm_tsc_adopt_resume(vm);
	now = vmm_host_ns();
	if (stable)
		expected = scale(kc, rdtsc()) + vm->tsc_offset;
	else
		expected = vm->tsc_write_value +
			   ns_to_ticks(now - vm->tsc_write_ns, kc->tsc_hw_khz);
	if (vm->tsc_write_khz == kc->tsc_hw_khz)
		joins = !value || vmm_tsc_matches(value, expected, kc->tsc_hw_khz);
	if (joins && stable)
		offset = vm->tsc_offset;
	else	/* CPUs disagree: the same value, not the same offset, means in step. */
		offset = (joins ? expected : value) - scale(kc, rdtsc());
	if (!joins)
		begin_epoch(vcpu, offset, value, now);
	WRITE_ONCE(vcpu->tsc_offset, offset);
	WRITE_ONCE(vm->clock_stale, true);
	raw_spin_unlock_irqrestore(&vm->clock_lock, flags);

	vmm_tsc_push(vcpu);
	vmm_make_request(vcpu, VMM_REQ_CLOCK_UPDATE);
}

/**
 * vmm_guest_tsc_set_offset() - user space says what is between the (scaled) host TSC and the guest's
 * @vcpu: loaded, vcpu->mutex held
 * @offset: ticks; vCPUs given the same are in step
 */
void vmm_guest_tsc_set_offset(struct vmm_vcpu *vcpu, u64 offset)
{
	struct vmm_kvmclock *kc = vcpu->kvmclock;
	struct vmm_vm *vm = vcpu->vm;
	unsigned long flags;

	raw_spin_lock_irqsave(&vm->clock_lock, flags);
	vmm_tsc_adopt_resume(vm);
	if (vm->tsc_write_khz != kc->tsc_hw_khz || vm->tsc_offset != offset)
		begin_epoch(vcpu, offset, scale(kc, rdtsc()) + offset, vmm_host_ns());
	WRITE_ONCE(vcpu->tsc_offset, offset);
	WRITE_ONCE(vm->clock_stale, true);
	raw_spin_unlock_irqrestore(&vm->clock_lock, flags);

	vmm_tsc_push(vcpu);
	vmm_make_request(vcpu, VMM_REQ_CLOCK_UPDATE);
}

/**
 * vmm_guest_tsc_adjust() - move the guest's TSC, as a write to IA32_TSC_ADJUST does
 * @vcpu: loaded, vcpu->mutex held
 * @delta: ticks
 */
void vmm_guest_tsc_adjust(struct vmm_vcpu *vcpu, s64 delta)
{
	struct vmm_vm *vm = vcpu->vm;
	unsigned long flags;

	raw_spin_lock_irqsave(&vm->clock_lock, flags);
	WRITE_ONCE(vcpu->tsc_offset, vcpu->tsc_offset + delta);
	WRITE_ONCE(vm->clock_stale, true);
	raw_spin_unlock_irqrestore(&vm->clock_lock, flags);

	vmm_tsc_push(vcpu);
	/* The page translates from this TSC. */
	vmm_make_request(vcpu, VMM_REQ_CLOCK_UPDATE);
}

/**
 * vmm_guest_tsc_write() - a write to IA32_TSC
 * @vcpu: loaded, vcpu->mutex held
 * @value: what was written
 * @host: by user space, which sets up all vCPUs and means them to agree; a guest's
 *	own write is taken as is, and shows in IA32_TSC_ADJUST (SDM 18.17.3)
 */
void vmm_guest_tsc_write(struct vmm_vcpu *vcpu, u64 value, bool host)
{
	u64 by;

	if (host) {
		synchronize(vcpu, value);
		return;
	}
	by = value - vmm_guest_tsc(vcpu, rdtsc());
	vcpu->tsc_adjust += by;
	vmm_guest_tsc_adjust(vcpu, by);
}

/* ---- rate --------------------------------------------------------------------- */

static bool like_host(u32 khz)
{
	u64 tolerance = div_u64((u64)tsc_khz * TOLERANCE_PPM, 1000000);

	return khz >= tsc_khz - tolerance && khz <= tsc_khz + tolerance;
}

static bool rate_possible(u32 khz)
{
	if (like_host(khz))
		return true;
	return vmm_backend.caps.tsc_scaling && khz <= INT_MAX && khz < (u64)tsc_khz * MAX_RATIO;
}

/* clock_lock held, or the vCPU not yet known to anybody. */
static void set_rate(struct vmm_vcpu *vcpu, u32 khz)
{
	struct vmm_kvmclock *kc = vcpu->kvmclock;

	vcpu->tsc_khz = khz;
	if (like_host(khz)) {
		kc->tsc_ratio = 0;
		kc->tsc_hw_khz = tsc_khz;
	} else {
		kc->tsc_ratio = mul_u64_u64_div_u64(khz,
						    1ull << vmm_backend.caps.tsc_scaling_frac_bits,
						    tsc_khz);
		kc->tsc_hw_khz = khz;
	}
}

/**
 * vmm_vm_set_tsc_khz() - KVM_SET_TSC_KHZ on a VM: the rate of vCPUs yet to come
 * @vm: no lock needed
 * @khz: 0 for the host's
 *
 * Return: 0; -EINVAL for a rate this CPU cannot make.
 */
int vmm_vm_set_tsc_khz(struct vmm_vm *vm, u32 khz)
{
	if (!khz)
		khz = tsc_khz;
	if (!rate_possible(khz))
		return -EINVAL;
	WRITE_ONCE(vm->default_tsc_khz, khz);
	return 0;
}

/**
 * vmm_vcpu_set_tsc_khz() - KVM_SET_TSC_KHZ on a vCPU
 * @vcpu: loaded, vcpu->mutex held
 * @khz: 0 for the host's
 *
 * The TSC goes on from where it is, at the new rate; vCPUs that change within a
 * second of each other stay in step.
 *
 * Return: 0; -EINVAL for a rate this CPU cannot make.
 */
int vmm_vcpu_set_tsc_khz(struct vmm_vcpu *vcpu, u32 khz)
{
	struct vmm_vm *vm = vcpu->vm;
	unsigned long flags;
	u64 value;

	if (!khz)
		khz = tsc_khz;
	if (!rate_possible(khz))
		return -EINVAL;
	raw_spin_lock_irqsave(&vm->clock_lock, flags);
	value = vmm_guest_tsc(vcpu, rdtsc());
	set_rate(vcpu, khz);
	raw_spin_unlock_irqrestore(&vm->clock_lock, flags);
	synchronize(vcpu, value);
	return 0;
}

/**
 * vmm_tsc_vm_init() - a new VM: the host's rate
 * @vm: not yet known to anybody
 */
void vmm_tsc_vm_init(struct vmm_vm *vm)
{
	vm->default_tsc_khz = tsc_khz;
	vm->tsc_resume_seen = READ_ONCE(resume_loss);
}

/**
 * vmm_tsc_vcpu_create() - a new vCPU's TSC: the VM's rate, in step with its others
 * @vcpu: not yet published; vm->lock held
 */
void vmm_tsc_vcpu_create(struct vmm_vcpu *vcpu)
{
	set_rate(vcpu, READ_ONCE(vcpu->vm->default_tsc_khz));
	synchronize(vcpu, 0);
}

/**
 * vmm_tsc_same() - do all vCPUs read the same TSC at the same moment?
 * @vm: clock_lock held
 *
 * Return: true when they do, so that one pair of (TSC, ns) serves them all.
 */
bool vmm_tsc_same(struct vmm_vm *vm)
{
	struct vmm_vcpu *vcpu;
	unsigned long i;

	vmm_for_each_vcpu(i, vcpu, vm) {
		if (vcpu->tsc_offset != vm->tsc_offset ||
		    vcpu->kvmclock->tsc_hw_khz != vm->tsc_write_khz)
			return false;
	}
	return true;
}

/* ---- the host's TSC misbehaves -------------------------------------------------- */

/**
 * vmm_tsc_adopt_resume() - make up for what suspends took from the host's TSC
 * @vm: clock_lock held
 *
 * Every vCPU's offset grows by the loss, so that no guest sees its TSC go back. Each
 * hands it to the hardware when it is next loaded, which every one is after a suspend.
 *
 * Return: true when there was something to do.
 */
bool vmm_tsc_adopt_resume(struct vmm_vm *vm)
{
	u64 loss = READ_ONCE(resume_loss) - vm->tsc_resume_seen;
	u64 epoch = vm->tsc_offset;
	struct vmm_vcpu *vcpu;
	unsigned long i;

	if (!loss)
		return false;
	vmm_for_each_vcpu(i, vcpu, vm) {
		u64 old = vcpu->tsc_offset;

		WRITE_ONCE(vcpu->tsc_offset, old + scale(vcpu->kvmclock, loss));
		vcpu->kvmclock->push = true;
		if (old == epoch)
			vm->tsc_offset = vcpu->tsc_offset;
	}
	/* Pairs with the acquire in vmm_tsc_load(): it sees push set. */
	smp_store_release(&vm->tsc_resume_seen, vm->tsc_resume_seen + loss);
	WRITE_ONCE(vm->clock_stale, true);
	return true;
}

/**
 * vmm_tsc_load() - the vCPU arrives on a CPU
 * @vcpu: preemption off, vCPU current in hardware
 * @cpu: this CPU
 */
void vmm_tsc_load(struct vmm_vcpu *vcpu, int cpu)
{
	struct vmm_kvmclock *kc = vcpu->kvmclock;
	struct vmm_vm *vm = vcpu->vm;
	unsigned long flags;

	if (unlikely(smp_load_acquire(&vm->tsc_resume_seen) != READ_ONCE(resume_loss))) {
		raw_spin_lock_irqsave(&vm->clock_lock, flags);
		vmm_tsc_adopt_resume(vm);
		raw_spin_unlock_irqrestore(&vm->clock_lock, flags);
	}
	if (check_tsc_unstable() && kc->put_valid && cpu != vcpu->last_cpu) {
		u64 elapsed, value;

		raw_spin_lock_irqsave(&vm->clock_lock, flags);
		elapsed = max_t(s64, vmm_host_ns() - kc->put_ns, 0);
		value = kc->put_tsc + ns_to_ticks(elapsed, kc->tsc_hw_khz);
		WRITE_ONCE(vcpu->tsc_offset, value - scale(kc, rdtsc()));
		raw_spin_unlock_irqrestore(&vm->clock_lock, flags);
		kc->push = true;
	}
	if (unlikely(kc->push)) {
		kc->push = false;
		vmm_make_request(vcpu, VMM_REQ_CLOCK_UPDATE);
		push(vcpu);
		/* A deadline in terms of the old TSC means nothing any more. */
		vmm_lapic_timer_to_host(vcpu);
	}
}

/**
 * vmm_tsc_put() - the vCPU leaves its CPU
 * @vcpu: preemption off
 */
void vmm_tsc_put(struct vmm_vcpu *vcpu)
{
	struct vmm_kvmclock *kc = vcpu->kvmclock;

	if (!check_tsc_unstable())
		return;
	kc->put_tsc = vmm_guest_tsc(vcpu, rdtsc());
	kc->put_ns = vmm_host_ns();
	kc->put_valid = true;
}

/* One CPU is up, interrupts are off, every task is frozen: in both of these. */
static int tsc_suspend(void)
{
	suspend_tsc = rdtsc();
	return 0;
}

/**
 * vmm_clock_resume() - the machine comes out of a suspend
 *
 * Called from a syscore resume hook. When the TSC restarted, notes how much it lost;
 * vCPUs find out when they are loaded.
 */
void vmm_clock_resume(void)
{
	u64 now = rdtsc();

	if (suspend_tsc > now)
		WRITE_ONCE(resume_loss, resume_loss + suspend_tsc - now);
	suspend_tsc = 0;
}

static struct syscore_ops tsc_syscore_ops = {
	.suspend = tsc_suspend,
};

/**
 * vmm_tsc_init() - at load
 *
 * Return: 0; -ENODEV on a host that does not know its TSC's rate.
 */
int vmm_tsc_init(void)
{
	if (!tsc_khz) {
		pr_err("the host has no usable TSC\n");
		return -ENODEV;
	}
	register_syscore_ops(&tsc_syscore_ops);
	return 0;
}

/**
 * vmm_tsc_exit() - at unload
 */
void vmm_tsc_exit(void)
{
	unregister_syscore_ops(&tsc_syscore_ops);
}
