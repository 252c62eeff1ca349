// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM to be killed: two vCPUs that send each other IPIs, LAPIC timers, a PIT, memory that
 * comes and goes, an irqfd somebody writes and an ioeventfd somebody reads.
 *
 *	life DEVICE			run until killed
 *	life DEVICE SECONDS		run so long; exit status 0 when all made progress
 *	life DEVICE exec|fork|close	run for a part of a second, then end so: exec another
 *					program; leave the descriptors to a child; close them in
 *					any order while the vCPUs run
 *	life DEVICE create		create a VM and a vCPU; prints "created" or the errno
 *	life DEVICE hold		the same, and keep them until standard input ends
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>

#include "lib.h"

#define HEAP	0x20000000ul
#define HEAP_SIZE	0x400000ul

static struct vm *vm;
static int irq, doorbell;
static uint8_t *heap;
static volatile bool stop, closing;
static volatile uint64_t rounds[2], doorbells;

static void eoi(struct frame *f)
{
	(void)f;
	*(volatile uint32_t *)0xfee000b0ul = 0;
}

static void work(int me)
{
	uint64_t i;

	guest.irq = eoi;
	lapic_write(0xf0, 0x1ff);
	lapic_write(0x350, 0x10000);
	lapic_write(0x3e0, 0xb);
	lapic_write(0x320, 0x20041);
	lapic_write(0x380, 500000);
	*(volatile uint32_t *)0xfec00000ul = 0x10 + 2 * 5;
	*(volatile uint32_t *)0xfec00010ul = 0x81;
	for (i = 0; !stop; i++) {
		g_poke(HEAP + (i * 4104 + me * 8) % HEAP_SIZE / 8 * 8, i);
		if (!(i & 63)) {
			*(volatile uint32_t *)MMIO = i;		/* the doorbell */
			lapic_write(0x310, !me << 24);
			lapic_write(0x300, 0x4061);
			asm volatile("sti; hlt; cli" : : : "memory");
		}
		rounds[me]++;
	}
}

static void first(void)
{
	work(0);
}

static void second(void)
{
	work(1);
}

static void *run(void *arg)
{
	long i = (long)arg;

	for (;;) {
		if (ioctl(vm->vcpu[i], KVM_RUN, 0) < 0) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			if (closing)	/* EBADF; EFAULT without its memory */
				return NULL;
			fail("KVM_RUN: %s", errno_name(errno));
		}
		if (vm->run[i]->exit_reason == KVM_EXIT_IO)
			return NULL;
		if (vm->run[i]->exit_reason != KVM_EXIT_MMIO) {
			describe_exit(vm, i);
			fail("exit %s", exit_name(vm->run[i]->exit_reason));
		}
	}
}

static void *ring(void *arg)
{
	uint64_t one = 1;

	(void)arg;
	while (!stop) {
		if (write(irq, &one, 8) != 8)
			break;
		usleep(700);
	}
	return NULL;
}

static void *answer_doorbell(void *arg)
{
	uint64_t n;

	(void)arg;
	while (!stop)
		if (read(doorbell, &n, 8) == 8)
			doorbells += n;
	return NULL;
}

/* The VM's descriptors and those it knows, one after the other, in any order. */
static void close_all(void)
{
	int fds[] = { vm->fd, vm->vcpu[0], vm->vcpu[1], irq, doorbell, dev };
	unsigned int n, i;

	closing = true;
	for (n = ARRAY_SIZE(fds); n; n--) {
		i = rand() % n;
		close(fds[i]);
		fds[i] = fds[n - 1];
		usleep(rand() % 3000);
	}
}

static void end(const char *how)
{
	struct kvm_regs regs;
	pid_t child;

	srand(getpid());
	usleep(rand() % 200000);
	if (!strcmp(how, "exec")) {
		execl("/proc/self/exe", "life", device, "create", NULL);
		fail("exec: %s", errno_name(errno));
	}
	if (!strcmp(how, "fork")) {
		child = fork();
		if (child)
			_exit(child < 0);
		/* Another process's VM. */
		REFUSED(ioctl(vm->fd, KVM_CREATE_VCPU, 2), EIO);
		REFUSED(ioctl(vm->vcpu[0], KVM_GET_REGS, &regs), EIO);
	}
	close_all();
	if (rand() & 1)
		munmap(vm->run[0], vm->run_size);
	munmap(heap, HEAP_SIZE);
	usleep(1000);
	_exit(0);
}

static void live(unsigned int seconds, const char *how)
{
	struct kvm_ioeventfd io = { .addr = MMIO, .len = 4 };
	struct kvm_irqfd irqfd = { .gsi = 5 };
	struct timespec nap = { .tv_nsec = 3000000 };
	pthread_t t[4];
	time_t until;
	int i;

	vm = vm_new(WITH_PIT);
	vm_add_vcpu(vm);
	heap = map_memory(HEAP_SIZE);
	MUST(vm_slot(vm, 5, 0, HEAP, HEAP_SIZE, heap));
	irq = irqfd.fd = MUST(eventfd(0, 0));
	doorbell = io.fd = MUST(eventfd(0, 0));
	MUST(ioctl(vm->fd, KVM_IRQFD, &irqfd));
	MUST(ioctl(vm->fd, KVM_IOEVENTFD, &io));
	vcpu_call(vm, 0, first);
	vcpu_call(vm, 1, second);
	CHECK(!pthread_create(&t[0], NULL, run, (void *)0));
	CHECK(!pthread_create(&t[1], NULL, run, (void *)1));
	CHECK(!pthread_create(&t[2], NULL, ring, NULL));
	CHECK(!pthread_create(&t[3], NULL, answer_doorbell, NULL));
	if (how)
		end(how);
	until = time(NULL) + seconds;
	for (i = 0; !seconds || time(NULL) < until; i++) {
		nanosleep(&nap, NULL);
		madvise(heap + (i % 4) * (HEAP_SIZE / 4), HEAP_SIZE / 4, MADV_DONTNEED);
		if (!(i % 7))
			MUST(vm_slot(vm, 5, i % 2 ? KVM_MEM_LOG_DIRTY_PAGES : 0, HEAP, HEAP_SIZE, heap));
	}
	stop = true;
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	if (!rounds[0] || !rounds[1] || !doorbells || !guest.count[0x41] || !guest.count[0x61])
		fail("no progress: rounds %llu %llu, doorbells %llu, ticks %llu, IPIs %llu",
		     (unsigned long long)rounds[0], (unsigned long long)rounds[1],
		     (unsigned long long)doorbells, (unsigned long long)guest.count[0x41],
		     (unsigned long long)guest.count[0x61]);
}

static int create(void)
{
	int v = ioctl(dev, KVM_CREATE_VM, 0), c;

	if (v < 0) {
		printf("%s\n", errno_name(errno));
		return 1;
	}
	c = ioctl(v, KVM_CREATE_VCPU, 0);
	if (c < 0) {
		printf("vCPU: %s\n", errno_name(errno));
		return 1;
	}
	printf("created\n");
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	struct timespec nap = { .tv_sec = 1 };
	const char *what = argc > 2 ? argv[2] : "0";
	char c;

	if (argc < 2) {
		fprintf(stderr, "usage: life DEVICE [SECONDS|exec|fork|close|create|hold]\n");
		return 2;
	}
	device = argv[1];
	dev = open(device, O_RDWR | O_CLOEXEC);
	if (dev < 0) {
		printf("%s\n", errno_name(errno));
		return 1;
	}
	if (!strcmp(what, "create"))
		return create();
	if (!strcmp(what, "hold")) {
		if (create())
			return 1;
		while (read(0, &c, 1) > 0)
			nanosleep(&nap, NULL);
		return 0;
	}
	if (*what < '0' || *what > '9')
		live(0, what);
	live(strtoul(what, NULL, 0), NULL);
	return 0;
}
