/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel has to be told around a guest entry: for RCU, context tracking
 * and lockdep, guest mode is like user mode. <linux/kvm_host.h> has this too, but
 * cannot be included beside our types.
 */
#ifndef VMM_GUEST_STATE_H
#define VMM_GUEST_STATE_H

#include <linux/context_tracking.h>
#include <linux/ftrace.h>
#include <linux/instrumentation.h>
#include <linux/irqflags.h>
#include <linux/rcupdate.h>
#include <linux/vtime.h>
#include <asm/mce.h>
#include <asm/ptrace.h>

/* CPU time between these is the guest's; the tick that ends a turn still is. Irqs off. */
static __always_inline void guest_timing_enter_irqoff(void)
{
	vtime_account_guest_enter();
}

static __always_inline void guest_timing_exit_irqoff(void)
{
	vtime_account_guest_exit();
}

/*
 * Interrupts off. From here to guest_state_exit_irqoff() only noinstr code may run;
 * the guest may run with interrupts on, which is what lockdep is told.
 *
 * @quiescent: tell RCU that this CPU holds no reference. To do so at every entry would
 * cost more than many an exit; after each host interrupt is as often as RCU asks. (A CPU
 * whose ticks all fall outside the guest gets need_resched from RCU in time.)
 */
static __always_inline void guest_state_enter_irqoff(bool quiescent)
{
	instrumentation_begin();
	trace_hardirqs_on_prepare();
	lockdep_hardirqs_on_prepare();
	instrumentation_end();

	if (!context_tracking_guest_enter() && quiescent) {
		instrumentation_begin();
		rcu_note_context_switch(false);
		instrumentation_end();
	}
	lockdep_hardirqs_on(CALLER_ADDR0);
}

static __always_inline void guest_state_exit_irqoff(void)
{
	lockdep_hardirqs_off(CALLER_ADDR0);
	context_tracking_guest_exit();

	instrumentation_begin();
	trace_hardirqs_off_finish();
	instrumentation_end();
}

/* A machine check that ended the guest's turn goes to the host's handler. Irqs off. */
static inline void host_machine_check(void)
{
#ifdef CONFIG_X86_MCE
	/* It interrupted the guest, which is to the handler what user space is. */
	struct pt_regs regs = { .cs = 3, .flags = X86_EFLAGS_IF };

	do_machine_check(&regs);
#endif
}

#endif /* VMM_GUEST_STATE_H */
