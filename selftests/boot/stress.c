// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs in the guest: all that makes vCPUs talk to each other at once.
 *
 *	stress SECONDS
 *
 * Groups of processes that pass messages through pipes, threads that wake each other,
 * mappings changed under other threads (TLB shootdowns) and barriers on all CPUs (IPIs),
 * timers, processes that come and go; and compilers, two at a time, that build the
 * sources in TREE again and again, every object the same each time. Each kind counts; a
 * kind that stands still for STALL seconds has lost an interrupt or a wake-up: exit
 * status 1. So has a sleep of a millisecond that takes that long.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <glob.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STALL		60
#define SENDERS		4
#define PAGES		16
#define PAGE		4096ul
#define TREE		"/tree/*.i"
#define SOURCES		32

enum kind { MESSAGES, WAKES, SHOOTDOWNS, BARRIERS, TICKS, SLEEPS, PROCESSES, OBJECTS, KINDS };

static const char *const names[KINDS] = {
	"messages", "wakes", "shootdowns", "barriers", "ticks", "sleeps", "processes", "objects",
};

static volatile uint64_t *counts;	/* shared with the children */
static uint8_t *volatile area;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_changed = PTHREAD_COND_INITIALIZER;
static int turn;

static void count(enum kind k)
{
	__atomic_add_fetch(&counts[k], 1, __ATOMIC_RELAXED);
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void sender(int fd)
{
	char message[100] = "message";

	while (write(fd, message, sizeof(message)) == (ssize_t)sizeof(message))
		;
	_exit(0);
}

static void receiver(struct pollfd *p)
{
	char message[100];
	int i;

	for (;;) {
		if (poll(p, SENDERS, -1) < 0)
			_exit(0);
		for (i = 0; i < SENDERS; i++) {
			if (!(p[i].revents & POLLIN))
				continue;
			if (read(p[i].fd, message, sizeof(message)) != (ssize_t)sizeof(message))
				_exit(0);
			count(MESSAGES);
		}
	}
}

/* Some senders and a receiver, each a process. */
static void group(void)
{
	struct pollfd p[SENDERS];
	int i, fd[2];

	for (i = 0; i < SENDERS; i++) {
		if (pipe(fd))
			die("pipe");
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			sender(fd[1]);
		}
		close(fd[1]);
		p[i].fd = fd[0];
		p[i].events = POLLIN;
	}
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		receiver(p);
	}
	for (i = 0; i < SENDERS; i++)
		close(p[i].fd);
}

static void *wake(void *arg)
{
	int me = arg != NULL;

	pthread_mutex_lock(&lock);
	for (;;) {
		while (turn != me)
			pthread_cond_wait(&turn_changed, &lock);
		turn = !me;
		count(WAKES);
		pthread_cond_broadcast(&turn_changed);
	}
	return NULL;
}

/* Reads what shoot() maps and protects: the CPU it runs on caches the translations. */
static void *touch(void *arg)
{
	uint64_t sum = 0;
	int i;

	(void)arg;
	for (;;) {
		for (i = 0; i < PAGES; i++)
			sum += *(volatile uint8_t *)(area + i * PAGE);
		if (!sum)
			usleep(100);
		sched_yield();
	}
	return NULL;
}

static void *shoot(void *arg)
{
	(void)arg;
	for (;;) {
		memset(area, 1, PAGES * PAGE);
		if (mprotect(area, PAGES * PAGE, PROT_READ))
			die("mprotect");
		if (madvise(area, PAGES * PAGE, MADV_DONTNEED))
			die("madvise");
		/* What a CPU still had cached would read as 1. */
		if (area[rand() % PAGES * PAGE]) {
			printf("stress: a page that is gone is still read\n");
			exit(1);
		}
		if (mprotect(area, PAGES * PAGE, PROT_READ | PROT_WRITE))
			die("mprotect");
		count(SHOOTDOWNS);
	}
	return NULL;
}

static void *barrier(void *arg)
{
	(void)arg;
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
		die("membarrier");
	for (;;) {
		syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
		count(BARRIERS);
	}
	return NULL;
}

static void *tick(void *arg)
{
	struct itimerspec every = { { 0, 1000000 }, { 0, 1000000 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	uint64_t n;

	(void)arg;
	if (fd < 0 || timerfd_settime(fd, 0, &every, NULL))
		die("timerfd");
	while (read(fd, &n, sizeof(n)) == sizeof(n))
		count(TICKS);
	die("timerfd read");
	return NULL;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void *nap(void *arg)
{
	double start, took;

	(void)arg;
	for (;;) {
		start = now();
		usleep(1000);
		took = now() - start;
		if (took > STALL || took < 0) {
			printf("stress: a sleep of 1 ms took %.1f s\n", took);
			exit(1);
		}
		count(SLEEPS);
	}
	return NULL;
}

static void *processes(void *arg)
{
	pid_t child;

	(void)arg;
	for (;;) {
		child = fork();
		if (!child)
			_exit(0);
		if (child > 0 && waitpid(child, NULL, 0) == child)
			count(PROCESSES);
		usleep(1000);
	}
	return NULL;
}

/* FNV-1a of a file. */
static uint64_t checksum(const char *path)
{
	uint64_t sum = 0xcbf29ce484222325;
	uint8_t buf[4096];
	ssize_t n, i;
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		die(path);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (i = 0; i < n; i++)
			sum = (sum ^ buf[i]) * 0x100000001b3;
	close(fd);
	return sum;
}

/* A builder takes the next source; what it was compiled to the first time it must be compiled to. */
static void *builder(void *arg)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	static uint64_t sums[SOURCES];
	static unsigned int next;
	static glob_t tree;
	char object[32];
	int status;

	snprintf(object, sizeof(object), "/tmp/%p.o", arg);
	pthread_mutex_lock(&mutex);
	if (!tree.gl_pathc && (glob(TREE, 0, NULL, &tree) || tree.gl_pathc > SOURCES))
		die(TREE);
	for (;;) {
		unsigned int n = next++ % tree.gl_pathc;
		uint64_t sum;
		pid_t child;

		pthread_mutex_unlock(&mutex);
		unlink(object);
		child = fork();
		if (!child) {
			execl("/bin/tcc", "tcc", "-w", "-c", "-o", object, tree.gl_pathv[n], NULL);
			_exit(127);
		}
		if (child < 0 || waitpid(child, &status, 0) != child || status) {
			printf("stress: the compiler ends with %#x at %s\n", status, tree.gl_pathv[n]);
			exit(1);
		}
		sum = checksum(object);
		count(OBJECTS);
		pthread_mutex_lock(&mutex);
		if (sums[n] && sums[n] != sum) {
			printf("stress: %s is not compiled to what it was\n", tree.gl_pathv[n]);
			exit(1);
		}
		sums[n] = sum;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static void *(*const threads[])(void *) = {
		wake, wake, touch, touch, shoot, barrier, tick, nap, nap, processes,
		builder, builder,
	};
	double end, changed[KINDS], t;
	uint64_t seen[KINDS] = { 0 };
	pthread_t thread;
	size_t i;
	int k;

	if (argc != 2) {
		fprintf(stderr, "usage: stress SECONDS\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	counts = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED || area == MAP_FAILED)
		die("mmap");
	for (i = 0; i < 3; i++)
		group();
	for (i = 0; i < sizeof(threads) / sizeof(threads[0]); i++)
		if (pthread_create(&thread, NULL, threads[i], (void *)i))
			die("pthread_create");
	end = now() + atoi(argv[1]);
	for (k = 0; k < KINDS; k++)
		changed[k] = now();
	do {
		sleep(1);
		t = now();
		for (k = 0; k < KINDS; k++) {
			if (counts[k] != seen[k])
				changed[k] = t;
			seen[k] = counts[k];
			if (t - changed[k] > STALL) {
				printf("stress: no %s for %d s\n", names[k], STALL);
				return 1;
			}
		}
	} while (t < end);
	printf("stress: done:");
	for (k = 0; k < KINDS; k++)
		printf(" %llu %s", (unsigned long long)counts[k], names[k]);
	printf("\n");
	return 0;
}
