// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_RUN: from user space into the guest and back. It reads top to bottom:
 * vmm_vcpu_run() finishes what user space owed us, loops over enter_guest() and
 * sleep_halted(), and tells user space why it ended. What each exit means is in
 * handlers.c; the most frequent are handled before interrupts go back on.
 */
#include <linux/entry-kvm.h>
#include <linux/hw_breakpoint.h>
#include <linux/kvm.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/uaccess.h>

#include "guest_state.h"
#include "halt_poll.h"
#include "vmm.h"
#include "ioctl.h"
#include "trace.h"

DEFINE_STATIC_CALL_NULL(vmm_prepare, *vmm_backend.prepare);
DEFINE_STATIC_CALL_NULL(vmm_run, *vmm_backend.run);

/* ---- before an entry ------------------------------------------------------------ */

/*
 * Serve requests. Returns 1 to go on, else what vmm_vcpu_run() returns (run is
 * filled in for 0).
 */
static int serve_requests(struct vmm_vcpu *vcpu)
{
	if (vmm_test_request(vcpu, VMM_REQ_DEAD))
		return -EIO;
	vmm_check_request(vcpu, VMM_REQ_KICK);
	if (vmm_check_request(vcpu, VMM_REQ_STEAL))
		vmm_steal_update(vcpu);
	vmm_flush_vcpu_requests(vcpu);
	if (vmm_check_request(vcpu, VMM_REQ_CLOCK_UPDATE)) {
		int r = vmm_clock_update(vcpu);

		if (r < 0)
			return r;
	}
	if (vmm_check_request(vcpu, VMM_REQ_TIMER)) {
		vmm_lapic_timer_expired(vcpu);
		vmm_make_request(vcpu, VMM_REQ_EVENT);
	}
	if (vmm_check_request(vcpu, VMM_REQ_ASYNC_PF))
		vmm_async_pf_ready(vcpu);
	if (vmm_check_request(vcpu, VMM_REQ_NMI))
		vmm_collect_nmis(vcpu);
	if (vmm_check_request(vcpu, VMM_REQ_TPR_ACCESS)) {
		vcpu->run->exit_reason = KVM_EXIT_TPR_ACCESS;
		vcpu->run->tpr_access.rip = vcpu->tpr_access.rip;
		vcpu->run->tpr_access.is_write = vcpu->tpr_access.write;
		return 0;
	}
	if (vmm_check_request(vcpu, VMM_REQ_MSR_FILTER))
		vmm_msr_update_exits(vcpu);
	if (vmm_check_request(vcpu, VMM_REQ_SCAN_IOAPIC))
		vmm_lapic_scan_ioapic(vcpu);
	if (vmm_check_request(vcpu, VMM_REQ_TRIPLE_FAULT)) {
		vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
		return 0;
	}
	if (vcpu->eoi_exit_vector >= 0) {
		vcpu->run->exit_reason = KVM_EXIT_IOAPIC_EOI;
		vcpu->run->eoi.vector = vcpu->eoi_exit_vector;
		vcpu->eoi_exit_vector = -1;
		return 0;
	}
	return 1;
}

/* With its LAPIC here, a vCPU takes an interrupt of user space's PIC when that LAPIC lets it. */
static bool lapic_lets_user_inject(struct vmm_vcpu *vcpu)
{
	return smp_load_acquire(&vcpu->vm->irqchip.mode) != VMM_IRQCHIP_SPLIT ||
	       (vcpu->user_irq < 0 && vmm_lapic_accepts_pic(vcpu));
}

/*
 * Split or no irqchip: does user space wait for the chance to inject? Where the LAPIC
 * lets nothing through there is no window to wait for: one opened now would end each
 * entry before the guest's next instruction.
 */
static __always_inline bool user_wants_irq_window(struct vmm_vcpu *vcpu)
{
	return unlikely(READ_ONCE(vcpu->run->request_interrupt_window)) &&
	       smp_load_acquire(&vcpu->vm->irqchip.mode) != VMM_IRQCHIP_FULL &&
	       lapic_lets_user_inject(vcpu);
}

static bool user_may_inject(struct vmm_vcpu *vcpu)
{
	return lapic_lets_user_inject(vcpu) &&
	       !vcpu->interrupt.injected && !vcpu->exception.injected &&
	       !vcpu->exception.pending && vmm_backend.irq_allowed(vcpu);
}

/* Work that only the thread itself can do, away from the guest. */
#define THREAD_WORK	(_TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL | _TIF_NEED_RESCHED)

/* TIF_NOTIFY_RESUME work can wait for the way back to user space, but not for ever. */
static bool resume_work_overdue(struct vmm_vcpu *vcpu)
{
	if (!vcpu->resume_work_deadline) {
		vcpu->resume_work_deadline = (jiffies + HZ / 20) ?: 1;
		return false;
	}
	return time_after(jiffies, vcpu->resume_work_deadline);
}

/* ---- into the guest ---------------------------------------------------------------- */

/* Is there anything that an entry must not put off? Interrupts off. */
static __always_inline bool held_up(struct vmm_vcpu *vcpu)
{
	return unlikely(READ_ONCE(vcpu->requests) || (read_thread_flags() & THREAD_WORK));
}

/* ... after a quick exit, with which the guest may go on for as long as it likes. */
static __always_inline bool loop_held_up(struct vmm_vcpu *vcpu)
{
	unsigned long flags = read_thread_flags();

	if (unlikely(READ_ONCE(vcpu->requests)))
		return true;
	return unlikely(flags & (THREAD_WORK | _TIF_NOTIFY_RESUME)) &&
	       ((flags & THREAD_WORK) || resume_work_overdue(vcpu));
}

/*
 * Run the guest until it exits for something that cannot be handled with interrupts
 * off, or other work waits. A host interrupt ends it, too, so it holds up nobody. To
 * others the vCPU is IN_GUEST all the while: what they wait for its leaving with takes
 * an IPI, which comes when this is over.
 *
 * Return: what the handler of the last exit says; VMM_NOT_NOW: it is still to be called.
 */
static __always_inline int run_guest(struct vmm_vcpu *vcpu)
{
	unsigned int reason;
	int r;

	static_call(vmm_prepare)(vcpu);
	for (;;) {
		if (trace_vmm_entry_enabled())
			trace_vmm_entry(vcpu->id, vmm_rip(vcpu));
		vmm_flush_assert_entry(vcpu);

		static_call(vmm_run)(vcpu);

		reason = vcpu->exit.reason;
		if (trace_vmm_exit_enabled())
			trace_vmm_exit(vcpu->id, vmm_rip(vcpu), reason, vcpu->exit.hw_reason,
				       vcpu->exit.qual);
		if (WARN_ON_ONCE(reason >= VMM_NR_EXITS))
			vcpu->exit.reason = reason = VMM_EXIT_UNKNOWN;
		vcpu->stats.exits++;
		vcpu->stats.exit_count[reason]++;
		/* What the guest left in memory for the LAPIC is not read with interrupts off. */
		if (unlikely(vcpu->pv_eoi_offered || vcpu->vapic))
			return VMM_NOT_NOW;
		r = vmm_handle_quickly(vcpu);
		if (r != 1 || loop_held_up(vcpu) || unlikely(vcpu->eoi_exit_vector >= 0))
			return r;
		/* Somebody waits for it to leave, and another would not be heard. */
		if (unlikely(READ_ONCE(vcpu->mode) != VMM_IN_GUEST))
			return r;
		/* An MSR's value was taken out of the CPU: it goes in again with save_host(). */
		if (unlikely(!vcpu->host_saved))
			return r;
	}
}

/*
 * The first entry since the vCPU was loaded, or since the host's state was restored.
 * Preemption off. False: this CPU came up without entering VMX or SVM operation.
 */
static noinline bool prepare_cpu(struct vmm_vcpu *vcpu)
{
	if (!__this_cpu_read(vmm_hw_enabled))
		return false;
	vmm_mmu_load(vcpu);
	vmm_backend.save_host(vcpu);
	vcpu->host_saved = true;
	return true;
}

/*
 * Enter the guest and handle why it came back. SRCU is held on entry and on return, but
 * not while the guest runs.
 *
 * Return: 1 to go on, 0 to user space with run filled in, or -errno.
 */
static int enter_guest(struct vmm_vcpu *vcpu, int *srcu)
	__must_hold(&vcpu->vm->srcu)
{
	struct vmm_vm *vm = vcpu->vm;
	enum vmm_exit_reason reason;
	u64 start;
	int r;

	if (unlikely(READ_ONCE(vcpu->requests) & ~BIT(VMM_REQ_EVENT)) ||
	    unlikely(vcpu->eoi_exit_vector >= 0)) {
		r = serve_requests(vcpu);
		if (r <= 0)
			return r;
	}
	if (vmm_check_request(vcpu, VMM_REQ_EVENT) || user_wants_irq_window(vcpu)) {
		if (vcpu->lapic) {
			vmm_lapic_accept_events(vcpu);
			if (vcpu->mp_state != KVM_MP_STATE_RUNNABLE)
				return 1;
		}
		r = vmm_inject_pending(vcpu);
		if (r < 0)
			return r;
		if (user_wants_irq_window(vcpu))
			vmm_backend.open_irq_window(vcpu);
		if (vcpu->lapic) {
			vmm_lapic_update_cr8_intercept(vcpu);
			vmm_pv_eoi_sync_to(vcpu);
			if (unlikely(vcpu->vapic))
				vmm_vapic_sync_to(vcpu);
		}
	}

	preempt_disable();
	if (unlikely(!vcpu->host_saved) && !prepare_cpu(vcpu)) {
		preempt_enable();
		vcpu->run->exit_reason = KVM_EXIT_FAIL_ENTRY;
		vcpu->run->fail_entry.hardware_entry_failure_reason = 0;
		vcpu->run->fail_entry.cpu = raw_smp_processor_id();
		return 0;
	}
	local_irq_disable();
	srcu_read_unlock(&vm->srcu, *srcu);
	/* Whoever made a request before this sees IN_GUEST or we see the request. */
	smp_store_mb(vcpu->mode, VMM_IN_GUEST);
	if (held_up(vcpu) || unlikely(vmm_rebooting)) {
		smp_store_mb(vcpu->mode, VMM_OUTSIDE_GUEST);
		local_irq_enable();
		preempt_enable();
		*srcu = srcu_read_lock(&vm->srcu);
		if (vcpu->pv_eoi)
			vmm_pv_eoi_sync_from(vcpu);
		vmm_backend.cancel_injection(vcpu);
		vmm_make_request(vcpu, VMM_REQ_EVENT);
		return vmm_rebooting ? -EIO : 1;
	}

	/* A context switch or a kernel_fpu_begin() since left the registers in memory. */
	if (unlikely(test_thread_flag(TIF_NEED_FPU_LOAD)))
		switch_fpu_return();
	if (vmm_uses_xstate(vcpu))
		vmm_xstate_enter(vcpu);
	if (unlikely(vcpu->db_loaded))
		vmm_debug_enter(vcpu);
	guest_timing_enter_irqoff();
	vcpu->launched_once = true;

	r = run_guest(vcpu);

	start = rdtsc();
	if (unlikely(vcpu->db_loaded || hw_breakpoint_active()))
		vmm_debug_exit(vcpu);
	if (vmm_uses_xstate(vcpu))
		vmm_xstate_exit(vcpu);
	smp_store_release(&vcpu->mode, VMM_OUTSIDE_GUEST);
	vcpu->between_insns = vcpu->exit.reason == VMM_EXIT_INTR;
	if (vcpu->exit.reason == VMM_EXIT_INTR) {
		/* That interrupt is taken here, on the guest's time; ours starts after it. */
		local_irq_enable();
		vcpu->stats.irq_exits++;
		local_irq_disable();
	}
	guest_timing_exit_irqoff();
	local_irq_enable();
	preempt_enable();

	*srcu = srcu_read_lock(&vm->srcu);
	if (unlikely(vcpu->pv_eoi_offered))
		vmm_pv_eoi_sync_from(vcpu);
	if (unlikely(vcpu->vapic))
		vmm_vapic_sync_from(vcpu);
	if (r != VMM_NOT_NOW)
		return r;
	reason = vcpu->exit.reason;
	if (reason == VMM_EXIT_NONE || reason == VMM_EXIT_INTR)
		return 1;
	r = vmm_exit_handlers[reason](vcpu);
	vcpu->stats.exit_ticks[reason] += rdtsc() - start;
	return r;
}

/* ---- a halted guest ------------------------------------------------------------------ */

static bool must_wake(struct vmm_vcpu *vcpu)
{
	return vmm_has_events(vcpu) || signal_pending(current) ||
	       vmm_test_request(vcpu, VMM_REQ_ASYNC_PF) ||
	       vmm_test_request(vcpu, VMM_REQ_DEAD) || vmm_test_request(vcpu, VMM_REQ_KICK);
}

static void sleep_until_woken(struct vmm_vcpu *vcpu)
{
	prepare_to_rcuwait(&vcpu->wait);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (must_wake(vcpu))
			break;
		schedule();
	}
	finish_rcuwait(&vcpu->wait);
}

/* Look for a wake-up for as long as @until, unless somebody else can use the CPU. */
static bool poll_until(struct vmm_vcpu *vcpu, u64 until)
{
	do {
		if (must_wake(vcpu))
			return true;
		cpu_relax();
	} while (single_task_running() && !need_resched() && ktime_get_ns() < until);
	return must_wake(vcpu);
}

/* HLT: poll for a while that adapts to what the halts are like, then sleep. */
static void wait_halted(struct vmm_vcpu *vcpu)
{
	u32 max = vcpu->no_halt_poll ? 0 : READ_ONCE(vcpu->vm->halt_poll_ns);
	u32 window = min(vcpu->halt_poll_ns, max);
	u64 start = ktime_get_ns(), now = start;
	bool woken = false;

	if (window) {
		woken = poll_until(vcpu, start + window);
		now = ktime_get_ns();
		vcpu->stats.halt_attempted_poll++;
		vcpu->stats.halt_successful_poll += woken;
		if (woken)
			vcpu->stats.halt_poll_success_ns += now - start;
		else
			vcpu->stats.halt_poll_fail_ns += now - start;
	}
	if (!woken) {
		u64 slept = now;

		sleep_until_woken(vcpu);
		now = ktime_get_ns();
		vcpu->stats.halt_wait_ns += now - slept;
	}
	vcpu->halt_poll_ns = vmm_halt_poll_window(window, now - start, max);
}

static void leave_halt(struct vmm_vcpu *vcpu)
{
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
	WRITE_ONCE(vcpu->unhalted, false);
}

/*
 * Sleep until something concerns the vCPU. Returns 1, its mp_state updated when an
 * event ended the halt.
 */
static int sleep_halted(struct vmm_vcpu *vcpu, int *srcu)
	__must_hold(&vcpu->vm->srcu)
{
	struct vmm_vm *vm = vcpu->vm;

	srcu_read_unlock(&vm->srcu, *srcu);
	vmm_lapic_timer_to_host(vcpu);
	if (vcpu->mp_state == KVM_MP_STATE_HALTED)
		wait_halted(vcpu);
	else
		sleep_until_woken(vcpu);
	*srcu = srcu_read_lock(&vm->srcu);

	vmm_check_request(vcpu, VMM_REQ_KICK);
	if (vmm_test_request(vcpu, VMM_REQ_DEAD))
		return -EIO;
	if (vmm_check_request(vcpu, VMM_REQ_TIMER))
		vmm_lapic_timer_expired(vcpu);
	if (vmm_check_request(vcpu, VMM_REQ_ASYNC_PF))
		vmm_async_pf_ready(vcpu);
	vmm_collect_nmis(vcpu);
	if (vcpu->lapic)
		vmm_lapic_accept_events(vcpu);
	if (vmm_has_events(vcpu)) {
		/* Memory or not: an interrupt can be served. */
		vcpu->async_halted = false;
		if (vcpu->mp_state == KVM_MP_STATE_HALTED)
			leave_halt(vcpu);
	}
	vmm_make_request(vcpu, VMM_REQ_EVENT);
	return 1;
}

/**
 * vmm_halt() - the guest executed HLT; RIP is already past it
 * @vcpu: vCPU thread
 *
 * Return: 1 to sleep in the module, 0 to leave it to user space (no irqchip here).
 */
int vmm_halt(struct vmm_vcpu *vcpu)
{
	vcpu->stats.halt_exits++;
	if (!vcpu->lapic) {
		vcpu->run->exit_reason = KVM_EXIT_HLT;
		return 0;
	}
	vcpu->mp_state = KVM_MP_STATE_HALTED;
	if (vmm_has_events(vcpu)) {
		leave_halt(vcpu);
		vmm_make_request(vcpu, VMM_REQ_EVENT);
	}
	return 1;
}

/* ---- the loop ------------------------------------------------------------------------- */

static int run_loop(struct vmm_vcpu *vcpu, int *srcu)
{
	unsigned long flags;
	int r;

	for (;;) {
		if (vcpu->mp_state == KVM_MP_STATE_RUNNABLE && !vcpu->async_halted)
			r = enter_guest(vcpu, srcu);
		else
			r = sleep_halted(vcpu, srcu);
		if (r <= 0)
			return r;
		if (user_wants_irq_window(vcpu) && user_may_inject(vcpu)) {
			vcpu->run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
			vcpu->stats.request_irq_exits++;
			return 0;
		}
		flags = read_thread_flags();
		if (likely(!(flags & (THREAD_WORK | _TIF_NOTIFY_RESUME))))
			continue;
		if (signal_pending(current)) {
			vcpu->run->exit_reason = KVM_EXIT_INTR;
			vcpu->stats.signal_exits++;
			return -EINTR;
		}
		if ((flags & _TIF_NOTIFY_RESUME) && resume_work_overdue(vcpu)) {
			/*
			 * Go once through the kernel's exit path, which does the
			 * work and restarts the system call, unseen by user space.
			 */
			vcpu->resume_work_deadline = 0;
			set_thread_flag(TIF_SIGPENDING);
			return -ERESTARTNOINTR;
		}
		if (need_resched()) {
			srcu_read_unlock(&vcpu->vm->srcu, *srcu);
			cond_resched();
			*srcu = srcu_read_lock(&vcpu->vm->srcu);
		}
	}
}

/* What user space reads from kvm_run after every KVM_RUN. */
static void report_state(struct vmm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 valid = READ_ONCE(run->kvm_valid_regs);

	if (valid)
		vmm_sync_regs_out(vcpu, valid);
	run->if_flag = !!(vmm_rflags(vcpu) & X86_EFLAGS_IF);
	run->cr8 = vmm_get_cr8(vcpu);
	run->apic_base = vcpu->apic_base;
	run->ready_for_interrupt_injection =
		smp_load_acquire(&vcpu->vm->irqchip.mode) == VMM_IRQCHIP_FULL ||
		user_may_inject(vcpu);
}

static int dead_exit(struct vmm_vcpu *vcpu)
{
	vmm_internal_error(vcpu, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON);
	return 0;
}

/* What is left of the exit user space has just handled, then the loop. */
static int resume(struct vmm_vcpu *vcpu, int *srcu)
{
	u64 dirty = READ_ONCE(vcpu->run->kvm_dirty_regs);
	int (*complete)(struct vmm_vcpu *vcpu);
	int r;

	if (READ_ONCE(vcpu->run->kvm_valid_regs) & ~(u64)KVM_SYNC_X86_VALID_FIELDS)
		return -EINVAL;
	if (dirty) {
		r = vmm_sync_regs_in(vcpu, dirty);
		if (r)
			return r;
	}
	if (!vmm_irqchip_in_module(&vcpu->vm->irqchip) && vmm_set_cr8(vcpu, vcpu->run->cr8))
		return -EINVAL;
	complete = vcpu->io.complete;
	vcpu->io.complete = NULL;
	/* A vCPU that user space moved (reset, say) is not at that instruction any more. */
	if (complete && vmm_rip(vcpu) == vcpu->io.rip) {
		vmm_fpu_load(vcpu);
		r = complete(vcpu);
		if (r <= 0)
			return r;
	}
	if (READ_ONCE(vcpu->run->immediate_exit))
		return -EINTR;
	vcpu->resume_work_deadline = 0;
	vmm_fpu_load(vcpu);
	return run_loop(vcpu, srcu);
}

/* An application processor that nobody has started yet. */
static int wait_for_sipi(struct vmm_vcpu *vcpu, int *srcu)
{
	int r;

	if (READ_ONCE(vcpu->run->immediate_exit))
		return -EINTR;
	r = sleep_halted(vcpu, srcu);
	if (r < 0)
		return r;
	if (signal_pending(current)) {
		vcpu->run->exit_reason = KVM_EXIT_INTR;
		vcpu->stats.signal_exits++;
		return -EINTR;
	}
	return -EAGAIN;
}

/**
 * vmm_vcpu_run() - KVM_RUN
 * @vcpu: vcpu->mutex held, not loaded
 *
 * Return: 0 with vcpu->run describing the exit; -EINTR on a signal or
 * immediate_exit; -EAGAIN after waiting for a startup IPI; -EFAULT, -EINVAL,
 * -ENOMEM as KVM_RUN documents.
 */
int vmm_vcpu_run(struct vmm_vcpu *vcpu)
{
	struct vmm_vm *vm = vcpu->vm;
	sigset_t saved;
	int r, srcu;

	if (vcpu->sigset_active)
		sigprocmask(SIG_SETMASK, &vcpu->sigset, &saved);
	vcpu->run->flags = 0;
	vmm_note_thread(vcpu);
	vmm_vcpu_load(vcpu);
	srcu = srcu_read_lock(&vm->srcu);

	if (READ_ONCE(vm->dead))
		r = -EIO;
	else if (vcpu->mp_state == KVM_MP_STATE_UNINITIALIZED)
		r = wait_for_sipi(vcpu, &srcu);
	else
		r = resume(vcpu, &srcu);
	if (READ_ONCE(vm->dead))
		r = dead_exit(vcpu);
	else
		report_state(vcpu);

	srcu_read_unlock(&vm->srcu, srcu);
	vmm_fpu_put(vcpu);
	vmm_vcpu_put(vcpu);
	if (vcpu->sigset_active) {
		sigprocmask(SIG_SETMASK, &saved, NULL);
		/* It looked for signals, found none, and took the flag off. */
		if (r == -ERESTARTNOINTR)
			set_thread_flag(TIF_SIGPENDING);
	}
	return r;
}
