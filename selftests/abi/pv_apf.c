// SPDX-License-Identifier: GPL-2.0-only
/*
 * ABI tests: asynchronous page faults. Memory that user space has to fetch
 * (userfaultfd) stands for swap: it comes exactly when the test says so.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kvm_para.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lib.h"
#include "pv.h"

#define FAR		0x40000000ul	/* the memory that is not there */
#define FAR_PAGES	16
#define READY_VECTOR	0x91
#define SHARED		(SCRATCH + 0x1000)
#define PATTERN		0x1122334455667788ull

struct far {
	int uffd;
	uint8_t *memory;
};

static struct far far_memory(struct vm *vm)
{
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };
	struct far far;

	far.uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (far.uffd < 0)
		skip("no userfaultfd");
	MUST(ioctl(far.uffd, UFFDIO_API, &api));
	far.memory = map_memory(FAR_PAGES * 4096);
	reg.range.start = (uintptr_t)far.memory;
	reg.range.len = FAR_PAGES * 4096;
	MUST(ioctl(far.uffd, UFFDIO_REGISTER, &reg));
	MUST(vm_slot(vm, 5, 0, FAR, FAR_PAGES * 4096, far.memory));
	return far;
}

/* Wait until somebody misses a page; returns which. */
static int missed(struct far *far)
{
	struct pollfd p = { .fd = far->uffd, .events = POLLIN };
	struct uffd_msg msg;

	if (poll(&p, 1, 5000) != 1)
		fail("nobody asked for a page");
	CHECK(read(far->uffd, &msg, sizeof(msg)) == sizeof(msg));
	EQUAL(msg.event, UFFD_EVENT_PAGEFAULT);
	return (msg.arg.pagefault.address - (uintptr_t)far->memory) / 4096;
}

static void deliver(struct far *far, int page)
{
	uint64_t *content = map_memory(4096);
	struct uffdio_copy copy = {
		.dst = (uintptr_t)far->memory + page * 4096, .src = (uintptr_t)content,
		.len = 4096,
	};

	content[0] = PATTERN + page;
	MUST(ioctl(far->uffd, UFFDIO_COPY, &copy));
}

/* ---- a guest that knows how ------------------------------------------------------------- */

/*
 * It has to be in user mode when it faults, or to ask for SEND_ALWAYS. The handler of
 * #PF is the harness's, which goes on at guest.fixup: past the access, to other work.
 */
static void ready_irq(struct frame *f)
{
	volatile struct kvm_vcpu_pv_apf_data *apf = (void *)SHARED;

	if (f->vector == READY_VECTOR) {
		uint64_t n = guest.v[40];

		guest.v[41 + n] = apf->token;
		guest.v[40] = n + 1;
		apf->token = 0;
		g_wrmsr(MSR_KVM_ASYNC_PF_ACK, 1);
	}
	lapic_write(0xb0, 0);
}

static void apf_on(uint64_t flags)
{
	guest.irq = ready_irq;
	lapic_write(0xf0, 0x1ff);
	g_wrmsr(MSR_KVM_ASYNC_PF_INT, READY_VECTOR);
	g_wrmsr(MSR_KVM_ASYNC_PF_EN, SHARED | KVM_ASYNC_PF_ENABLED |
				     KVM_ASYNC_PF_DELIVERY_AS_INT | flags);
}

/* Touch a page: what it held, or 0 after a #PF with a token; that goes to v[at]. */
static uint64_t touch(int page, int at)
{
	volatile struct kvm_vcpu_pv_apf_data *apf = (void *)SHARED;
	uint64_t value = 0, faults = guest.count[14];

	asm volatile("movq $77f, %[fixup]\n"
		     "sti\n nop\n movq (%[p]), %[value]\n nop\n"
		     "77: cli"
		     : [value] "+r" (value), [fixup] "=m" (guest.fixup)
		     : [p] "r" (FAR + page * 4096ul) : "memory");
	guest.fixup = 0;
	guest.v[at] = 0;
	if (guest.count[14] != faults) {
		guest.v[at] = guest.cr2;
		guest.v[at + 1] = apf->flags;
		apf->flags = 0;
		value = 0;
	}
	return value;
}

static void wait_tokens(uint64_t n)
{
	while (guest.v[40] < n)
		g_halt();
}

static void told_guest(void)
{
	apf_on(KVM_ASYNC_PF_SEND_ALWAYS);
	wait_tokens(1);
	guest.v[0] = touch(3, 20);
	sync_host(1);
	while (guest.v[40] < 2) {
		guest.v[30]++;
		asm volatile("sti; pause; cli" : : : "memory");
	}
	guest.v[1] = touch(3, 22);
}

static void told(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct far far = far_memory(vm);
	uint64_t exits;

	vcpu_call(vm, 0, told_guest);
	expect_sync(vm, 0, 1);
	EQUAL(guest.v[40], 1);
	EQUAL(guest.v[41], 0xffffffff);		/* after enabling: look at all you wait for */
	EQUAL(guest.v[0], 0);
	EQUAL(guest.v[20], 0x1000);		/* the first token of vCPU 0 */
	EQUAL(guest.v[21], KVM_PV_REASON_PAGE_NOT_PRESENT);
	answer("token", "%#llx", (unsigned long long)guest.v[20]);
	EQUAL(missed(&far), 3);
	exits = vcpu_stat(vm, 0, "exits");
	deliver(&far, 3);
	expect_sync(vm, 0, DONE);
	EQUAL(guest.v[42], 0x1000);
	EQUAL(guest.v[1], PATTERN + 3);
	EQUAL(guest.v[22], 0);			/* no second fault */
	note("from the page's arrival to the guest's use of it: %llu exits, %llu turns of other work",
	     (unsigned long long)(vcpu_stat(vm, 0, "exits") - exits),
	     (unsigned long long)guest.v[30]);
}

static void several_guest(void)
{
	int i;

	apf_on(KVM_ASYNC_PF_SEND_ALWAYS);
	wait_tokens(1);
	for (i = 0; i < 3; i++)
		touch(i, 20 + 2 * i);
	sync_host(1);
	wait_tokens(4);
	for (i = 0; i < 3; i++)
		guest.v[i] = touch(i, 30);
}

static void several(void)
{
	static const int order[] = { 1, 0, 2 };
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct far far = far_memory(vm);
	int i, missing = 0;

	vcpu_call(vm, 0, several_guest);
	expect_sync(vm, 0, 1);
	for (i = 0; i < 3; i++) {
		EQUAL(guest.v[20 + 2 * i], (i + 1) << 12);
		missing |= 1 << missed(&far);
	}
	EQUAL(missing, 7);
	for (i = 0; i < 3; i++) {
		deliver(&far, order[i]);
		usleep(20000);
	}
	expect_sync(vm, 0, DONE);
	for (i = 0; i < 3; i++) {
		EQUAL(guest.v[42 + i], (order[i] + 1) << 12);
		EQUAL(guest.v[i], PATTERN + i);
	}
}

/* ---- a guest that cannot take it ---------------------------------------------------------- */

static void tick_irq(struct frame *f)
{
	(void)f;
	lapic_write(0xb0, 0);
}

static void halting_guest(void)
{
	if (guest.v[5])
		apf_on(0);		/* in user mode only, and this is the kernel */
	guest.irq = tick_irq;
	lapic_write(0xf0, 0x1ff);
	lapic_write(0x3e0, 0xb);
	lapic_write(0x320, 0x20042);
	lapic_write(0x380, 2000000);
	guest.v[0] = 1;
	guest.v[1] = touch(7, 20);
	lapic_write(0x380, 0);
}

/* The page is waited for, but interrupts are served meanwhile. */
static void halting(void)
{
	struct pv_vcpu v = { .host_cpu = -1 };
	uint64_t ticks;
	struct vm *vm;
	struct far far;
	int on;

	for (on = 0; on < 2; on++) {
		vm = vm_new(WITH_IRQCHIP);
		far = far_memory(vm);
		memset((void *)&guest, 0, sizeof(guest));
		guest.v[5] = on;
		pv_start(&v, vm, 0, halting_guest);
		EQUAL(missed(&far), 7);
		ticks = guest.count[0x42];
		usleep(200000);
		ticks = guest.count[0x42] - ticks;
		EQUAL(guest.v[1], 0);
		deliver(&far, 7);
		pv_join(&v);
		EQUAL(guest.v[1], PATTERN + 7);
		EQUAL(guest.v[20], 0);
		note("interrupts served while the page was missing: %llu",
		     (unsigned long long)ticks);
		CHECK(ticks >= 2);
		close(far.uffd);
		vm_free(vm);
	}
}

/* With interrupts off nothing can be done meanwhile: the fault is waited for. */
static void masked_guest(void)
{
	apf_on(KVM_ASYNC_PF_SEND_ALWAYS);
	wait_tokens(1);
	guest.v[0] = *(volatile uint64_t *)FAR;
}

static void masked(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct far far = far_memory(vm);
	struct pv_vcpu v = { .host_cpu = -1 };

	pv_start(&v, vm, 0, masked_guest);
	EQUAL(missed(&far), 0);
	usleep(20000);
	EQUAL(guest.v[0], 0);
	deliver(&far, 0);
	pv_join(&v);
	EQUAL(guest.v[0], PATTERN);
	EQUAL(guest.count[14], 0);
}

/* ---- nobody waits any more ----------------------------------------------------------------- */

static void forget_guest(void)
{
	apf_on(KVM_ASYNC_PF_SEND_ALWAYS);
	wait_tokens(1);
	touch(2, 20);
	g_wrmsr(MSR_KVM_ASYNC_PF_EN, 0);
	sync_host(1);
	asm volatile("sti; nop; cli" : : : "memory");
}

static void forgotten(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct far far = far_memory(vm);

	if (on_kvm)
		skip("KVM waits for the page when the guest switches it off");
	vcpu_call(vm, 0, forget_guest);
	expect_sync(vm, 0, 1);
	EQUAL(guest.v[20], 0x1000);
	EQUAL(missed(&far), 2);
	deliver(&far, 2);
	usleep(20000);
	expect_sync(vm, 0, DONE);
	EQUAL(guest.v[40], 1);		/* the token of the beginning, no other */
}

static int module_refs(void)
{
	char text[16] = "-1";
	int fd = open("/sys/module/vmm/refcnt", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, text, sizeof(text) - 1) <= 0)
			strcpy(text, "-1");
		close(fd);
	}
	return atoi(text);
}

/* A VM, and a whole process, go while a page is being fetched; neither waits for it. */
static void abandoned(void)
{
	int refs = module_refs(), i, status;
	struct far far;
	struct vm *vm;
	pid_t child;

	if (on_kvm)
		skip("KVM waits for the page");
	vm = vm_new(WITH_IRQCHIP);
	far = far_memory(vm);
	vcpu_call(vm, 0, told_guest);
	expect_sync(vm, 0, 1);
	EQUAL(missed(&far), 3);
	vm_free(vm);
	deliver(&far, 3);
	close(far.uffd);

	child = fork();
	if (!child) {
		dev = open(device, O_RDWR | O_CLOEXEC);
		memset((void *)&guest, 0, sizeof(guest));
		vm = vm_new(WITH_IRQCHIP);
		far = far_memory(vm);
		vcpu_call(vm, 0, told_guest);
		expect_sync(vm, 0, 1);
		missed(&far);
		raise(SIGKILL);
	}
	for (i = 0; i < 300 && waitpid(child, &status, WNOHANG) == 0; i++)
		usleep(10000);
	CHECK(i < 300);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	/* All references that the fetches held are given back. */
	for (i = 0; i < 300 && module_refs() > refs; i++)
		usleep(10000);
	EQUAL(module_refs(), refs);
}

const struct row pv_apf_rows[] = {
	{ "pv: async page fault: told, and told when it is there", told },
	{ "pv: async page fault: several, one token at a time", several },
	{ "pv: async page fault: halted, interrupts served", halting },
	{ "pv: async page fault: not with interrupts off", masked },
	{ "pv: async page fault: switched off meanwhile", forgotten },
	{ "pv: async page fault: VM or process gone meanwhile", abandoned },
	{ NULL, NULL },
};
