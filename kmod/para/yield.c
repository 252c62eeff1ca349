// SPDX-License-Identifier: GPL-2.0-only
/*
 * Giving the CPU to another vCPU of the same VM: one that has something to do which
 * this one waits for, and no CPU to do it on. The guest says whom it waits for
 * (KVM_HC_SCHED_YIELD, KVM_HC_KICK_CPU), or is caught executing PAUSE in a loop.
 */
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/stat.h>
#include <linux/sched/task.h>

#include "para.h"

/* More threads than this that cannot take the CPU, and the spinner goes on spinning. */
#define MAX_FAILURES	3

/**
 * vmm_note_thread() - current is going to run the vCPU
 * @vcpu: vcpu->mutex held
 */
void vmm_note_thread(struct vmm_vcpu *vcpu)
{
	struct pid *pid = task_pid(current), *old = vcpu->thread;

	if (likely(pid == old))
		return;
	get_pid(pid);
	spin_lock(&vcpu->thread_lock);
	vcpu->thread = pid;
	spin_unlock(&vcpu->thread_lock);
	put_pid(old);
	vmm_steal_new_thread(vcpu);
}

/**
 * vmm_forget_thread() - the vCPU goes
 * @vcpu: nobody's any more
 */
void vmm_forget_thread(struct vmm_vcpu *vcpu)
{
	put_pid(vcpu->thread);
	vcpu->thread = NULL;
}

/* 1: it runs now; 0: it cannot; -ESRCH: it is not waiting for a CPU. */
static int yield_to_vcpu(struct vmm_vcpu *target)
{
	struct task_struct *task;
	int r;

	spin_lock(&target->thread_lock);
	task = get_pid_task(target->thread, PIDTYPE_PID);
	spin_unlock(&target->thread_lock);
	if (!task)
		return 0;
	r = yield_to(task, true);
	put_task_struct(task);
	return r;
}

/**
 * vmm_yield_hint() - the guest says whom it is waiting for
 * @vcpu: its thread, SRCU held; may sleep
 * @target: runs now if it wants to and can
 */
void vmm_yield_hint(struct vmm_vcpu *vcpu, struct vmm_vcpu *target)
{
	vcpu->stats.directed_yield_attempted++;
	/* Nobody else wants this CPU: the target has one, or sleeps. */
	if (single_task_running() || target == vcpu || !READ_ONCE(target->ready))
		return;
	if (yield_to_vcpu(target) > 0)
		vcpu->stats.directed_yield_successful++;
}

/*
 * Is a vCPU worth yielding to? One that spins itself only every other time: it waits
 * for the same thing as a rule, but may have got it since.
 */
static bool worth_it(struct vmm_vcpu *vcpu, bool kernel_only)
{
	if (!READ_ONCE(vcpu->ready))
		return false;
	/* A kernel's spinlock is held by somebody in the kernel. */
	if (kernel_only && !READ_ONCE(vcpu->preempted_in_kernel))
		return false;
	if (READ_ONCE(vcpu->spinning)) {
		bool skip = !READ_ONCE(vcpu->spin_skipped);

		WRITE_ONCE(vcpu->spin_skipped, skip);
		return !skip;
	}
	return true;
}

/**
 * vmm_on_spin() - the guest executes PAUSE in a loop
 * @vcpu: its thread, SRCU held; may sleep
 *
 * Looks for a vCPU that has lost its CPU, which may hold what the guest spins for;
 * after the one that was found last time, so that all get their turn.
 */
void vmm_on_spin(struct vmm_vcpu *vcpu)
{
	unsigned int n = smp_load_acquire(&vcpu->vm->online_vcpus), failures = 0, i;
	unsigned int start = READ_ONCE(vcpu->vm->last_boosted) + 1;
	bool in_kernel = vmm_backend.cpl(vcpu) == 0;

	WRITE_ONCE(vcpu->spinning, true);
	for (i = 0; i < n && failures < MAX_FAILURES; i++) {
		unsigned int idx = (start + i) % n;
		struct vmm_vcpu *target = vcpu->vm->vcpus[array_index_nospec(idx, n)];
		int r;

		if (target == vcpu || !worth_it(target, in_kernel))
			continue;
		vcpu->stats.directed_yield_attempted++;
		r = yield_to_vcpu(target);
		if (r > 0) {
			vcpu->stats.directed_yield_successful++;
			WRITE_ONCE(vcpu->vm->last_boosted, idx);
			break;
		}
		failures += r < 0;
	}
	WRITE_ONCE(vcpu->spinning, false);
	/* Until the next time it is a spinner that has not been passed over. */
	WRITE_ONCE(vcpu->spin_skipped, false);
}
