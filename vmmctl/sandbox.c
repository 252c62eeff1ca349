// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a running VM's process gives up (DESIGN D11): its capabilities, and
 * every system call that its threads do not make.
 *
 * A call outside the list raises SIGSYS rather than killing the process on the
 * spot, so that the terminal is put back first; the handler then dies of it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/kvm.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <vmm/error.h>
#include "vmmctl.h"

/* ioctls of KVM, by the byte that tells their family. */
#define IOC_FAMILY	0xff00
#define IOC_KVM		(KVMIO << 8)

/* A terminal's settings, and whose it is; not TIOCSTI, which types for its owner. */
static const unsigned long terminal_ioctls[] = {
	TCGETS, TCSETS, TCSETSW, TIOCGPGRP,
};

/* What every thread does: locks, time, memory for itself, its end. */
static const int common_calls[] = {
	SCMP_SYS(brk), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(exit),
	SCMP_SYS(exit_group), SCMP_SYS(futex), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(gettimeofday), SCMP_SYS(madvise), SCMP_SYS(munmap), SCMP_SYS(poll),
	SCMP_SYS(restart_syscall), SCMP_SYS(rseq), SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sched_yield),
	SCMP_SYS(set_robust_list), SCMP_SYS(tgkill), SCMP_SYS(timerfd_settime),
	SCMP_SYS(write), SCMP_SYS(mremap),
};

/* What the event loop does besides: wait, read, watch, start threads, tidy up. */
static const int loop_calls[] = {
	SCMP_SYS(clone3), SCMP_SYS(close), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_wait), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(getpgrp),
	SCMP_SYS(lseek), SCMP_SYS(prctl), SCMP_SYS(read), SCMP_SYS(seccomp), SCMP_SYS(writev),
};

/* What a vCPU asks of the device: to run, to raise a line, and its state for a report. */
static const unsigned long vcpu_ioctls[] = {
	KVM_RUN, KVM_IRQ_LINE, KVM_GET_REGS, KVM_GET_SREGS,
};

static int allow(scmp_filter_ctx ctx, const int *calls, size_t nr)
{
	size_t i;
	int err;

	for (i = 0; i < nr; i++) {
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
		if (err)
			return err;
	}
	return 0;
}

/* Memory, but never code. */
static int allow_common(scmp_filter_ctx ctx)
{
	int err = allow(ctx, common_calls, sizeof(common_calls) / sizeof(common_calls[0]));

	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return err;
}

static int allow_ioctls(scmp_filter_ctx ctx, const unsigned long *ioctls, size_t nr)
{
	size_t i;
	int err;

	for (i = 0; i < nr; i++) {
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1(SCMP_CMP_EQ, ioctls[i]));
		if (err)
			return err;
	}
	return 0;
}

static int allow_process(scmp_filter_ctx ctx)
{
	int err = allow_common(ctx);

	if (!err)
		err = allow(ctx, loop_calls, sizeof(loop_calls) / sizeof(loop_calls[0]));
	/* Threads, not processes. */
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				       SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	if (!err)
		err = allow_ioctls(ctx, terminal_ioctls,
				   sizeof(terminal_ioctls) / sizeof(terminal_ioctls[0]));
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1(SCMP_CMP_MASKED_EQ, IOC_FAMILY, IOC_KVM));
	return err;
}

static int allow_vcpu(scmp_filter_ctx ctx)
{
	int err = allow_common(ctx);

	if (!err)
		err = allow_ioctls(ctx, vcpu_ioctls,
				   sizeof(vcpu_ioctls) / sizeof(vcpu_ioctls[0]));
	/* For the terminal's rescue when this thread dies. */
	if (!err)
		err = allow_ioctls(ctx, terminal_ioctls,
				   sizeof(terminal_ioctls) / sizeof(terminal_ioctls[0]));
	return err;
}

static int load(int (*fill)(scmp_filter_ctx ctx))
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	int err;

	if (!ctx)
		return vmm_fail(ENOMEM, "no memory for the system call filter");
	/* The filter runs at every exit: first what a vCPU does all the time. */
	err = seccomp_syscall_priority(ctx, SCMP_SYS(ioctl), 255);
	if (!err)
		err = fill(ctx);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	if (err)
		return vmm_fail(-err,
				"cannot confine the process (%s); --no-sandbox runs without",
				strerror(-err));
	return 0;
}

static int drop_capabilities(void)
{
	cap_t none = cap_init();
	int err = 0;

	if (!none || cap_set_proc(none) < 0)
		err = vmm_fail(errno, "cannot drop capabilities: %s", strerror(errno));
	cap_free(none);
	return err;
}

int sandbox_enter(void)
{
	int err = drop_capabilities();

	return err ? err : load(allow_process);
}

int sandbox_vcpu(void)
{
	return load(allow_vcpu);
}
