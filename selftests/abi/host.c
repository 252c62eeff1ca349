// SPDX-License-Identifier: GPL-2.0-only
/*
 * ABI tests: what is not about one vCPU: statistics, many VMs, closing at bad moments.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lib.h"

/* ---- statistics ----------------------------------------------------------------------------- */

static void check_stats(int fd, const char *what)
{
	struct kvm_stats_header h;
	size_t size;
	uint32_t i, end = 0;
	char k[64];

	CHECK(pread(fd, &h, sizeof(h), 0) == sizeof(h));
	snprintf(k, sizeof(k), "%s: flags", what);
	answer(k, "%#x", h.flags);
	snprintf(k, sizeof(k), "%s: name size", what);
	answer(k, "%u", h.name_size);
	EQUAL(h.id_offset, sizeof(h));
	CHECK(h.num_desc > 0 && h.num_desc < 1000);
	CHECK(h.desc_offset >= h.id_offset + 1 && h.name_size <= 256);
	size = sizeof(struct kvm_stats_desc) + h.name_size;
	CHECK(h.data_offset >= h.desc_offset + h.num_desc * size);
	for (i = 0; i < h.num_desc; i++) {
		char buf[sizeof(struct kvm_stats_desc) + 256];
		struct kvm_stats_desc *d = (void *)buf;
		uint64_t value;

		CHECK(pread(fd, buf, size, h.desc_offset + i * size) == (ssize_t)size);
		CHECK(memchr(d + 1, 0, h.name_size) && ((char *)(d + 1))[0]);
		CHECK((d->flags & KVM_STATS_TYPE_MASK) <= KVM_STATS_TYPE_MAX);
		CHECK((d->flags & KVM_STATS_UNIT_MASK) <= KVM_STATS_UNIT_MAX);
		CHECK((d->flags & KVM_STATS_BASE_MASK) <= KVM_STATS_BASE_MAX);
		CHECK(d->size >= 1 && d->offset % 8 == 0);
		if (d->offset + d->size * 8 > end)
			end = d->offset + d->size * 8;
		EQUAL(pread(fd, &value, 8, h.data_offset + d->offset), 8);
	}
	/* It ends where the last one does. */
	EQUAL(pread(fd, k, 1, h.data_offset + end), 0);
	snprintf(k, sizeof(k), "%s: write", what);
	ask(k, write(fd, "x", 1));
}

static void hlt_guest(void)
{
	asm volatile("hlt");
}

static void stats(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);
	int v = MUST(ioctl(vm->fd, KVM_GET_STATS_FD, 0)), c = MUST(ioctl(vm->vcpu[0], KVM_GET_STATS_FD, 0));
	char id[48] = "";

	check_stats(v, "VM");
	check_stats(c, "vCPU");
	CHECK(pread(v, id, sizeof(id) - 1, sizeof(struct kvm_stats_header)) > 0);
	CHECK(!strncmp(id, "kvm", 3));	/* by which their readers know them */
	/* They outlive the descriptors they came from. */
	vm_free(vm);
	CHECK(pread(v, id, 8, 0) == 8);
	CHECK(pread(c, id, 8, 0) == 8);
}

#define SPIN_TICKS	40000000ull

static void pause_guest(void)
{
	uint64_t start = g_rdtsc();

	sync_host(1);
	while (g_rdtsc() - start < SPIN_TICKS)
		asm volatile("pause; pause; pause; pause; pause; pause; pause; pause");
	sync_host(2);
}

/* Where spinning exits, nobody else wants the CPU, and it soon exits less often. */
static void spinner(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);
	uint64_t before;

	vcpu_call(vm, 0, pause_guest);
	expect_sync(vm, 0, 1);
	before = stat_value(vm->vcpu[0], "exits");
	expect_sync(vm, 0, 2);
	before = stat_value(vm->vcpu[0], "exits") - before;
	note("%llu exits", (unsigned long long)before);
	CHECK(before < SPIN_TICKS / 4096 / 4);
}

/* ---- buffers that user space has to fetch ----------------------------------------------------- */

static struct {
	struct vm *vm;
	unsigned long request;
	void *buffer;
	volatile long result;
	volatile bool changed;
} slow;

static void *slow_ioctl(void *arg)
{
	(void)arg;
	slow.result = ioctl(slow.vm->vcpu[0], slow.request, slow.buffer);
	return NULL;
}

static void *slot_change(void *arg)
{
	vm_slot(slow.vm, 9, 0, 0x40000000, 4096, arg);
	vm_slot(slow.vm, 9, 0, 0x40000000, 0, arg);
	slow.changed = true;
	return NULL;
}

/* Does a change of the memory slots wait for an ioctl that waits for user space? */
static void slow_buffer(const char *name, unsigned long request)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_zeropage zero = { 0 };
	pthread_t waiting, changing;
	struct pollfd p;
	int i;

	p.fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	p.events = POLLIN;
	if (p.fd < 0 || ioctl(p.fd, UFFDIO_API, &api))
		skip("no userfaultfd");
	slow.vm = vm_new(WITH_IRQCHIP);
	slow.request = request;
	slow.changed = false;
	slow.buffer = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(slow.buffer != MAP_FAILED);
	reg.range.start = zero.range.start = (uintptr_t)slow.buffer;
	reg.range.len = zero.range.len = 4096;
	MUST(ioctl(p.fd, UFFDIO_REGISTER, &reg));
	CHECK(pthread_create(&waiting, NULL, slow_ioctl, NULL) == 0);
	CHECK(poll(&p, 1, 10000) == 1);
	CHECK(pthread_create(&changing, NULL, slot_change, map_memory(4096)) == 0);
	for (i = 0; i < 50 && !slow.changed; i++)
		usleep(10000);
	answer(name, "%s", slow.changed ? "waits for nobody" : "waits");
	MUST(ioctl(p.fd, UFFDIO_ZEROPAGE, &zero));
	pthread_join(waiting, NULL);
	pthread_join(changing, NULL);
	close(p.fd);
	vm_free(slow.vm);
}

static void slow_buffers(void)
{
	slow_buffer("KVM_SET_CPUID2", KVM_SET_CPUID2);
	slow_buffer("KVM_GET_CPUID2", KVM_GET_CPUID2);
	slow_buffer("KVM_GET_XSAVE2", KVM_GET_XSAVE2);
	slow_buffer("KVM_SET_MSRS", KVM_SET_MSRS);
	slow_buffer("KVM_GET_MSRS", KVM_GET_MSRS);
}

/* ---- many, and odd ends ----------------------------------------------------------------------- */

static void many_vms(void)
{
	struct vm *vm[24];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vm); i++) {
		vm[i] = vm_new(i & 1 ? WITH_PIT : 0);
		vcpu_call(vm[i], 0, hlt_guest);
	}
	for (i = 0; i < ARRAY_SIZE(vm); i += 2)
		run_until(vm[i], 0, KVM_EXIT_HLT);
	for (i = 0; i < ARRAY_SIZE(vm); i++)
		vm_free(vm[i]);
}

static void many_vcpus(void)
{
	struct vm *vm = vm_new(NO_VCPU | WITH_IRQCHIP);
	int i, fd[64];

	for (i = 0; i < 64; i++)
		fd[i] = MUST(ioctl(vm->fd, KVM_CREATE_VCPU, i));
	for (i = 0; i < 64; i += 2)
		close(fd[i]);
	close(vm->fd);
	for (i = 1; i < 64; i += 2)
		close(fd[i]);
}

static void spin_guest(void)
{
	guest_spins();
	for (;;)
		guest.v[1]++;
}

static struct vm *shared;

static void *run_thread(void *arg)
{
	return (void *)(long)ioctl(shared->vcpu[(long)arg], KVM_RUN, 0);
}

/* Everything is closed while a vCPU runs: it runs on until a signal. */
static void closed_while_running(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);
	pthread_t thread;
	int i;

	shared = vm;
	vcpu_call(vm, 0, spin_guest);
	CHECK(pthread_create(&thread, NULL, run_thread, NULL) == 0);
	for (i = 0; i < 1000 && guest.v[1] < 100; i++)
		usleep(1000);
	close(vm->vcpu[0]);
	close(vm->fd);
	munmap(vm->run[0], vm->run_size);
	usleep(10000);
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
}

/* Two threads run one vCPU: they take turns. */
static void one_vcpu_two_threads(void)
{
	struct vm *vm = vm_new(0);
	pthread_t a, b;

	shared = vm;
	vcpu_call(vm, 0, spin_guest);
	CHECK(pthread_create(&a, NULL, run_thread, NULL) == 0);
	CHECK(pthread_create(&b, NULL, run_thread, NULL) == 0);
	usleep(20000);
	/* Whoever waits for the other's KVM_RUN cannot be hit by a mere signal, but then runs. */
	pthread_kill(a, SIGUSR1);
	usleep(20000);
	pthread_kill(b, SIGUSR1);
	usleep(20000);
	pthread_kill(a, SIGUSR1);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
}

static void killed(int flags)
{
	int i, status;
	pid_t child;

	for (i = 0; i < 10; i++) {
		child = fork();
		if (!child) {
			struct vm *vm = vm_new(flags);

			vcpu_call(vm, 0, spin_guest);
			run_until(vm, 0, KVM_EXIT_HLT);
		}
		usleep(1000 + i * 3000);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
}

static void killed_running(void)
{
	killed(0);
	killed(WITH_PIT);
}

const struct row host_rows[] = {
	{ "host: statistics", stats },
	{ "host: a spinner's exits", spinner },
	{ "host: slot changes while an ioctl waits for its buffer", slow_buffers },
	{ "host: many VMs", many_vms },
	{ "host: many vCPUs", many_vcpus },
	{ "host: closed while running", closed_while_running },
	{ "host: one vCPU, two threads", one_vcpu_two_threads },
	{ "host: killed while running", killed_running },
	{ NULL, NULL },
};
