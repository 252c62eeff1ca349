// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC's timer (SDM 11.5.4): one-shot, periodic, TSC deadline. It counts
 * 1 GHz, as KVM's does and CPUID leaf 40000010H says.
 *
 * It runs on an hrtimer or, where the hardware can end the guest's turn by itself at a
 * given time, on that: no interrupt of the host's, no timer queue. The hardware's
 * counts only while the guest runs. A vCPU that is preempted finds it expired when it
 * comes back; one that sleeps has it moved to the hrtimer, which wakes it.
 *
 * Locking: the vCPU thread starts and stops the hrtimer; the callback, in hard
 * interrupt context, reads ->periodic and ->period (constant while it is queued) and
 * sets ->timer_fired. It never writes ->first, so the count is plain arithmetic.
 */
#include <linux/ktime.h>
#include <linux/math64.h>
#include <asm/tsc.h>
#include "internal.h"
#include "lapic.h"

#define LAPIC_TICK_NS		1
/* A guest that asks for faster periods would keep the host busy with its timer alone. */
#define LAPIC_MIN_PERIOD_NS	(200 * NSEC_PER_USEC)
/* Ten years: later than any deadline that means something, and far from overflow. */
#define LAPIC_MAX_MS		(10ull * 365 * 86400 * MSEC_PER_SEC)

/* Ticks of the bus clock per count: bits 3, 1, 0 of the divide register. */
static u32 divide(const struct vmm_lapic *lapic)
{
	u32 tdcr = lapic_reg(lapic, APIC_TDCR);
	u32 shift = (tdcr & 3) | (tdcr & 8) >> 1;

	return 1u << ((shift + 1) & 7);
}

static enum hrtimer_restart lapic_timer_fn(struct hrtimer *timer)
{
	struct vmm_lapic *lapic = container_of(timer, struct vmm_lapic, timer);

	WRITE_ONCE(lapic->timer_fired, true);
	vmm_make_request(lapic->vcpu, VMM_REQ_TIMER);
	vmm_vcpu_kick(lapic->vcpu);

	if (!lapic->periodic)
		return HRTIMER_NORESTART;
	/* Periods that passed meanwhile are one interrupt: IRR would merge them anyway. */
	hrtimer_forward_now(timer, ns_to_ktime(lapic->period));
	return HRTIMER_RESTART;
}

/* Is the interval one the hardware keeps? Then it does from here on. */
static bool start_in_guest(struct vmm_lapic *lapic, ktime_t now)
{
	u64 ticks;

	/* A moved vCPU's deadline means something only where the TSCs agree. */
	if (!vmm_backend.caps.preempt_timer || lapic->periodic || check_tsc_unstable())
		return false;
	ticks = mul_u64_u32_div(ktime_sub(lapic->first, now) + 1, tsc_khz, USEC_PER_SEC) + 1;
	return !vmm_backend.set_preempt_timer(lapic->vcpu, rdtsc() + ticks);
}

static void start_clock(struct vmm_lapic *lapic, ktime_t now)
{
	lapic->in_guest = start_in_guest(lapic, now);
	if (!lapic->in_guest)
		hrtimer_start(&lapic->timer, lapic->first, HRTIMER_MODE_ABS_PINNED_HARD);
}

static void stop_clock(struct vmm_lapic *lapic)
{
	if (lapic->in_guest)
		vmm_backend.set_preempt_timer(lapic->vcpu, ~0ull);
	else
		hrtimer_cancel(&lapic->timer);
	lapic->in_guest = false;
}

void lapic_timer_init(struct vmm_lapic *lapic)
{
	hrtimer_init(&lapic->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_PINNED_HARD);
	lapic->timer.function = lapic_timer_fn;
}

/**
 * lapic_timer_stop() - disarm, and forget an expiry that is not yet delivered
 * @lapic: on its vCPU's thread
 */
void lapic_timer_stop(struct vmm_lapic *lapic)
{
	stop_clock(lapic);
	lapic->armed = false;
	WRITE_ONCE(lapic->timer_fired, false);
}

/* Arm for @first; @now is the time, or a little earlier. */
static void timer_arm(struct vmm_lapic *lapic, ktime_t now, ktime_t first)
{
	lapic->first = first;
	lapic->armed = true;
	lapic->periodic = lapic_timer_mode(lapic) == APIC_LVT_TIMER_PERIODIC;
	if (lapic->periodic || ktime_after(first, now)) {
		start_clock(lapic, now);
	} else {
		WRITE_ONCE(lapic->timer_fired, true);
		vmm_make_request(lapic->vcpu, VMM_REQ_TIMER);
	}
}

/* Length of the programmed interval, ns; 0: not running. */
static u64 timer_period(const struct vmm_lapic *lapic)
{
	u64 period = (u64)lapic_reg(lapic, APIC_TMICT) * LAPIC_TICK_NS * divide(lapic);

	if (period && lapic_timer_mode(lapic) == APIC_LVT_TIMER_PERIODIC)
		period = max_t(u64, period, LAPIC_MIN_PERIOD_NS);
	return period;
}

static void start_deadline(struct vmm_lapic *lapic)
{
	struct vmm_vcpu *vcpu = lapic->vcpu;
	u64 khz = vcpu->tsc_khz, tsc, delta = 0, ms, ns;
	ktime_t now;

	if (!lapic->tsc_deadline || !khz)
		return;
	now = ktime_get();
	tsc = vmm_guest_tsc(vcpu, rdtsc());
	if (lapic->tsc_deadline > tsc)
		delta = lapic->tsc_deadline - tsc;
	ms = min(div64_u64(delta, khz), LAPIC_MAX_MS);
	ns = ms * NSEC_PER_MSEC + div64_u64((delta % khz) * NSEC_PER_MSEC, khz);
	timer_arm(lapic, now, ktime_add_ns(now, ns));
}

/**
 * lapic_timer_start() - start from the initial count, or for the TSC deadline
 * @lapic: stopped, on its vCPU's thread
 */
void lapic_timer_start(struct vmm_lapic *lapic)
{
	ktime_t now;

	if (lapic_tsc_deadline_mode(lapic)) {
		start_deadline(lapic);
		return;
	}
	lapic->period = timer_period(lapic);
	if (!lapic->period || lapic_timer_mode(lapic) > APIC_LVT_TIMER_PERIODIC)
		return;
	now = ktime_get();
	timer_arm(lapic, now, ktime_add_ns(now, lapic->period));
}

/**
 * lapic_timer_resume() - go on from a saved current count (KVM_SET_LAPIC)
 * @lapic: stopped, on its vCPU's thread, all other registers restored
 * @count: TMCCT. 0 in one-shot mode: it had expired, but perhaps not been delivered,
 *	so it expires now
 */
void lapic_timer_resume(struct vmm_lapic *lapic, u32 count)
{
	u64 left = (u64)count * LAPIC_TICK_NS * divide(lapic);
	u32 mode = lapic_timer_mode(lapic);
	ktime_t now;

	if (mode == APIC_LVT_TIMER_TSCDEADLINE) {
		start_deadline(lapic);
		return;
	}
	lapic->period = timer_period(lapic);
	if (!lapic->period || mode > APIC_LVT_TIMER_PERIODIC)
		return;
	if (left > lapic->period || (!left && mode == APIC_LVT_TIMER_PERIODIC))
		left = lapic->period;
	now = ktime_get();
	timer_arm(lapic, now, ktime_add_ns(now, left));
}

/* ns to the next expiry; 0: passed, or not running. */
static u64 timer_left(const struct vmm_lapic *lapic, ktime_t now)
{
	s64 left = ktime_sub(lapic->first, now);

	if (!lapic->armed)
		return 0;
	if (left > 0)
		return left;
	if (!lapic->periodic)
		return 0;
	return lapic->period - (u64)-left % lapic->period;
}

/* The current-count register. */
u32 lapic_timer_count(struct vmm_lapic *lapic)
{
	u64 left;

	if (lapic_tsc_deadline_mode(lapic))
		return 0;
	left = div_u64(timer_left(lapic, ktime_get()), LAPIC_TICK_NS * divide(lapic));
	/* The lower bound on periods may make it more than the guest asked for. */
	return min_t(u64, left, lapic_reg(lapic, APIC_TMICT));
}

/**
 * lapic_timer_lvt_changed() - the LVT timer entry was written
 * @lapic: on its vCPU's thread
 * @old_mode: timer mode before, APIC_LVT_TIMER_*
 *
 * To or from TSC-deadline mode disarms (SDM 11.5.4.1); between one-shot and
 * periodic the current interval runs to its end and the new mode holds then.
 */
void lapic_timer_lvt_changed(struct vmm_lapic *lapic, u32 old_mode)
{
	u32 mode = lapic_timer_mode(lapic);
	bool fired;
	ktime_t now;
	u64 left;

	if (mode == old_mode)
		return;
	if (mode == APIC_LVT_TIMER_TSCDEADLINE || old_mode == APIC_LVT_TIMER_TSCDEADLINE) {
		lapic_timer_stop(lapic);
		lapic_set_reg(lapic, APIC_TMICT, 0);
		lapic->tsc_deadline = 0;
		return;
	}
	now = ktime_get();
	left = timer_left(lapic, now);
	stop_clock(lapic);
	fired = READ_ONCE(lapic->timer_fired);
	lapic->armed = false;
	lapic->period = timer_period(lapic);
	if (left && lapic->period && mode <= APIC_LVT_TIMER_PERIODIC)
		timer_arm(lapic, now, ktime_add_ns(now, left));
	if (fired)
		vmm_make_request(lapic->vcpu, VMM_REQ_TIMER);
}

/**
 * lapic_timer_set_divide() - the divide configuration was written
 * @lapic: on its vCPU's thread
 * @tdcr: new value; what is left of the current count is kept, at the new rate
 */
void lapic_timer_set_divide(struct vmm_lapic *lapic, u32 tdcr)
{
	u32 old = divide(lapic);
	ktime_t now;
	u64 left;

	if (lapic_tsc_deadline_mode(lapic) || !lapic->armed) {
		lapic_set_reg(lapic, APIC_TDCR, tdcr);
		return;
	}
	now = ktime_get();
	left = timer_left(lapic, now);
	lapic_set_reg(lapic, APIC_TDCR, tdcr);
	if (divide(lapic) == old)
		return;
	stop_clock(lapic);
	lapic->armed = false;
	lapic->period = timer_period(lapic);
	if (left && lapic->period)
		timer_arm(lapic, now, ktime_add_ns(now, div_u64(left, old) * divide(lapic)));
}

/**
 * vmm_lapic_timer_expired() - serve VMM_REQ_TIMER: the timer's interrupt goes to IRR
 * @vcpu: the vCPU, on its thread
 */
void vmm_lapic_timer_expired(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *lapic = vcpu->lapic;

	if (!lapic || !xchg(&lapic->timer_fired, false))
		return;
	vmm_lapic_local_deliver(vcpu, APIC_LVTT);
	if (!lapic->periodic)
		lapic->armed = false;
	/* SDM 11.5.4.1: the MSR reads 0 once the interrupt is generated. */
	if (lapic_tsc_deadline_mode(lapic))
		lapic->tsc_deadline = 0;
}

/**
 * vmm_lapic_timer_exit() - the hardware's timer ended the guest's turn
 * @vcpu: the vCPU, on its thread
 */
void vmm_lapic_timer_exit(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *lapic = vcpu->lapic;

	if (!lapic || !lapic->in_guest)
		return;
	lapic->in_guest = false;
	WRITE_ONCE(lapic->timer_fired, true);
	vmm_lapic_timer_expired(vcpu);
}

/**
 * vmm_lapic_timer_to_host() - a timer that the hardware keeps goes to an hrtimer
 * @vcpu: the vCPU, on its thread: it is about to sleep, or the host's TSC has changed
 */
void vmm_lapic_timer_to_host(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *lapic = vcpu->lapic;

	if (!lapic || !lapic->in_guest)
		return;
	stop_clock(lapic);
	hrtimer_start(&lapic->timer, lapic->first, HRTIMER_MODE_ABS_PINNED_HARD);
}

bool vmm_lapic_timer_pending(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *lapic = vcpu->lapic;

	return lapic && READ_ONCE(lapic->timer_fired) && lapic_enabled(lapic) &&
	       !(lapic_reg(lapic, APIC_LVTT) & APIC_LVT_MASKED);
}

/**
 * vmm_lapic_migrate_timer() - bring the hrtimer to this host CPU
 * @vcpu: the vCPU, being loaded here; preemption off
 *
 * An expiry on the CPU where the guest runs makes it exit by itself, with no IPI.
 */
void vmm_lapic_migrate_timer(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *lapic = vcpu->lapic;

	if (lapic && hrtimer_cancel(&lapic->timer))
		hrtimer_start_expires(&lapic->timer, HRTIMER_MODE_ABS_PINNED_HARD);
}
