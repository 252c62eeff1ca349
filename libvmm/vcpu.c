// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A vCPU thread: run the guest, serve its exits, until the VM ends.
 *
 * Kicking: vmm_vcpu_kick() sets run->immediate_exit, so that the next KVM_RUN
 * returns at once, and sends a signal, so that one under way returns too.
 * Either order of these and of the thread's own check of the VM's end is safe.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vmm/error.h>
#include "internal.h"

#define KICK_SIGNAL	SIGUSR1

/* Ample for what an exit needs, and too small to be backed by a huge page. */
#define STACK_SIZE	(256 << 10)

static void kick_handler(int sig)
{
	/* Its only work is to interrupt a system call. */
	(void)sig;
}

int vmm_vcpu_create(struct vmm_vm *vm, struct vmm_vcpu *vcpu, unsigned int index)
{
	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)index);
	if (vcpu->fd < 0)
		return vmm_fail(errno, "%s: cannot create vCPU %u: %s", vm->dev->path, index,
				strerror(errno));
	vcpu->run = mmap(NULL, vm->dev->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		vcpu->run = NULL;
		return vmm_fail(errno, "%s: cannot map vCPU %u: %s", vm->dev->path, index,
				strerror(errno));
	}
	return vmm_cpuid_set(vcpu);
}

void vmm_vcpu_destroy(struct vmm_vcpu *vcpu)
{
	if (vcpu->run)
		munmap(vcpu->run, vcpu->vm->dev->run_size);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
	vcpu->run = NULL;
	vcpu->fd = -1;
}

void vmm_vcpu_kick(struct vmm_vcpu *vcpu)
{
	if (!vcpu->started)
		return;
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	pthread_kill(vcpu->thread, KICK_SIGNAL);
}

/* Text that grows; for the sentence about a vCPU that cannot go on. */
struct text {
	char buf[960];
	size_t len;
};

static void __attribute__((format(printf, 2, 3))) text_add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->len, sizeof(t->buf) - t->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len += (size_t)n < sizeof(t->buf) - t->len ? (size_t)n :
			  sizeof(t->buf) - t->len - 1;
}

static void text_add_state(struct text *t, struct vmm_vcpu *vcpu)
{
	struct kvm_regs r;
	struct kvm_sregs s;

	if (ioctl(vcpu->fd, KVM_GET_REGS, &r) < 0 || ioctl(vcpu->fd, KVM_GET_SREGS, &s) < 0)
		return;
	text_add(t, "\n  rip %04x:%016llx rflags %08llx cr0 %08llx cr2 %016llx cr3 %016llx cr4 %08llx efer %llx",
		 s.cs.selector, r.rip, r.rflags, s.cr0, s.cr2, s.cr3, s.cr4, s.efer);
	text_add(t, "\n  rax %016llx rbx %016llx rcx %016llx rdx %016llx", r.rax, r.rbx, r.rcx,
		 r.rdx);
	text_add(t, "\n  rsi %016llx rdi %016llx rsp %016llx rbp %016llx", r.rsi, r.rdi, r.rsp,
		 r.rbp);
}

static void handle_io(struct vmm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint64_t size = run->io.size, count = run->io.count, off = run->io.data_offset;
	uint8_t *data = (uint8_t *)run + off;
	uint64_t i;

	/* The device is trusted less than its bounds: a bad offset must not stray. */
	if (!size || size > 4 || off > vcpu->vm->dev->run_size ||
	    count > (vcpu->vm->dev->run_size - off) / size) {
		vmm_vm_end(vcpu->vm, VMM_END_ERROR, 0, "vCPU %u: impossible port exit",
			   vcpu->index);
		return;
	}
	for (i = 0; i < count; i++)
		vmm_bus_access(&vcpu->vm->pio, run->io.port, data + i * size, size,
			       run->io.direction == KVM_EXIT_IO_OUT);
}

static void handle_mmio(struct vmm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	unsigned int len = run->mmio.len <= 8 ? run->mmio.len : 8;

	vmm_bus_access(&vcpu->vm->mmio, run->mmio.phys_addr, run->mmio.data, len,
		       run->mmio.is_write);
}

static void handle_system_event(struct vmm_vcpu *vcpu)
{
	struct vmm_vm *vm = vcpu->vm;

	switch (vcpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		vmm_vm_end(vm, VMM_END_POWEROFF, 0, NULL);
		break;
	case KVM_SYSTEM_EVENT_RESET:
		vmm_vm_end(vm, VMM_END_RESET, 0, NULL);
		break;
	case KVM_SYSTEM_EVENT_CRASH:
		vmm_vm_end(vm, VMM_END_CRASH, 0, "the guest reported a crash");
		break;
	default:
		vmm_vm_end(vm, VMM_END_ERROR, 0, "vCPU %u: unknown system event %u", vcpu->index,
			   vcpu->run->system_event.type);
	}
}

static void handle_shutdown(struct vmm_vcpu *vcpu)
{
	struct text t = { .len = 0 };

	text_add(&t, "triple fault on vCPU %u", vcpu->index);
	text_add_state(&t, vcpu);
	vmm_vm_end(vcpu->vm, VMM_END_CRASH, 0, "%s", t.buf);
}

static void handle_fail_entry(struct vmm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct text t = { .len = 0 };

	text_add(&t, "vCPU %u: the processor refused to enter the guest, hardware reason %#llx on CPU %u",
		 vcpu->index, run->fail_entry.hardware_entry_failure_reason,
		 run->fail_entry.cpu);
	text_add_state(&t, vcpu);
	vmm_vm_end(vcpu->vm, VMM_END_ERROR, 0, "%s", t.buf);
}

static void handle_internal_error(struct vmm_vcpu *vcpu)
{
	static const char * const names[] = {
		[KVM_INTERNAL_ERROR_EMULATION] = "an instruction could not be emulated",
		[KVM_INTERNAL_ERROR_SIMUL_EX] = "nested exceptions",
		[KVM_INTERNAL_ERROR_DELIVERY_EV] = "an event could not be delivered",
		[KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] = "unexpected exit reason",
	};
	struct kvm_run *run = vcpu->run;
	unsigned int sub = run->internal.suberror;
	struct text t = { .len = 0 };
	unsigned int i;

	text_add(&t, "vCPU %u: internal error %u (%s)", vcpu->index, sub,
		 sub < sizeof(names) / sizeof(names[0]) && names[sub] ? names[sub] : "unknown");
	for (i = 0; i < run->internal.ndata && i < 16; i++)
		text_add(&t, "%s%llx", i ? " " : ", data ", run->internal.data[i]);
	text_add_state(&t, vcpu);
	vmm_vm_end(vcpu->vm, VMM_END_ERROR, 0, "%s", t.buf);
}

static void handle_exit(struct vmm_vcpu *vcpu)
{
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(vcpu);
		break;
	case KVM_EXIT_MMIO:
		handle_mmio(vcpu);
		break;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		handle_system_event(vcpu);
		break;
	case KVM_EXIT_SHUTDOWN:
		handle_shutdown(vcpu);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		handle_fail_entry(vcpu);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		handle_internal_error(vcpu);
		break;
	case KVM_EXIT_HLT:
		/* With the APIC in the kernel HLT waits there; here nothing could wake it. */
		vmm_vm_end(vcpu->vm, VMM_END_ERROR, 0, "vCPU %u: HLT came out of the kernel",
			   vcpu->index);
		break;
	default:
		vmm_vm_end(vcpu->vm, VMM_END_ERROR, 0, "vCPU %u: unknown exit reason %u",
			   vcpu->index, vcpu->run->exit_reason);
	}
}

static void run_failed(struct vmm_vcpu *vcpu, int err)
{
	struct text t = { .len = 0 };

	text_add(&t, "vCPU %u: KVM_RUN: %s", vcpu->index, strerror(err));
	if (err == EFAULT)
		text_add(&t, " (guest memory could not be reached: is the host out of memory?)");
	text_add_state(&t, vcpu);
	vmm_vm_end(vcpu->vm, VMM_END_ERROR, 0, "%s", t.buf);
}

static void *vcpu_thread(void *opaque)
{
	struct vmm_vcpu *vcpu = opaque;
	struct vmm_vm *vm = vcpu->vm;
	char name[16];
	sigset_t set;

	/* By the thread itself: for another thread the C library opens files. */
	snprintf(name, sizeof(name), "vcpu%u", vcpu->index & 0xffff);
	pthread_setname_np(pthread_self(), name);
	sigemptyset(&set);
	sigaddset(&set, KICK_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	if (vm->vcpu_enter && vm->vcpu_enter())
		vmm_vm_end(vm, VMM_END_ERROR, 0, "%s", vmm_error());
	while (vmm_vm_ended(vm) == VMM_END_NONE) {
		if (ioctl(vcpu->fd, KVM_RUN, 0) == 0)
			handle_exit(vcpu);
		else if (errno != EINTR && errno != EAGAIN)
			run_failed(vcpu, errno);
	}
	return NULL;
}

int vmm_vcpu_start(struct vmm_vcpu *vcpu)
{
	struct sigaction act = { .sa_handler = kick_handler };
	struct vmm_vm *vm = vcpu->vm;
	pthread_attr_t attr;
	sigset_t all, old;
	int err;

	/* No SA_RESTART: a write to a stopped terminal must return too. */
	sigaction(KICK_SIGNAL, &act, NULL);
	/* The thread takes the kick only; all else is for the caller's threads. */
	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGABRT);
	sigdelset(&all, SIGSYS);
	pthread_mutex_lock(&vm->end_lock);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	err = pthread_create(&vcpu->thread, &attr, vcpu_thread, vcpu);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	vcpu->started = !err;
	pthread_mutex_unlock(&vm->end_lock);
	if (err)
		return vmm_fail(err, "cannot start the thread of vCPU %u: %s", vcpu->index,
				strerror(err));
	return 0;
}
