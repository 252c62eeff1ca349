// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs in an SMP guest: what several CPUs must get right together, for a while each.
 *
 *	smpwork SECONDS
 *
 * clock	a time read on one CPU is not before one read earlier on another
 * tlb		after a page was remapped, no CPU sees the old one through its TLB
 * wake		threads pinned to different CPUs wake each other through pipes, and no
 *		wake-up is lost or late by more than LATE
 * sleep	a sleep ends on every CPU, not before its time
 *
 * Prints a line each and "smpwork: ok" at the end; else what is wrong, status 1.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MAX_CPUS	64
#define LATE		5000000000ull	/* ns; far more than the slowest emulator needs */

static int cpus;
static atomic_int stop, failures;
static atomic_ulong rounds;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void wrong(const char *what, unsigned long a, unsigned long b)
{
	if (failures++ < 10)
		printf("smpwork: wrong: %s (%lu, %lu)\n", what, a, b);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		wrong("cannot move to CPU", cpu, 0);
}

/* ---- clock -------------------------------------------------------------------------- */

static pthread_mutex_t clock_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t latest;

static void *clock_thread(void *arg)
{
	uint64_t t;
	int i;

	pin((intptr_t)arg);
	while (!stop) {
		for (i = 0; i < 50; i++) {
			pthread_mutex_lock(&clock_lock);
			t = now();
			if (t < latest)
				wrong("the clock went back by ns", latest - t, (intptr_t)arg);
			latest = t;
			pthread_mutex_unlock(&clock_lock);
			rounds++;
		}
		sched_yield();
	}
	return NULL;
}

/* ---- TLB ---------------------------------------------------------------------------- */

static volatile uint64_t *window;
static atomic_ulong shown;		/* the page holds this, or something newer */
static int memory;

static void *tlb_thread(void *arg)
{
	long page = sysconf(_SC_PAGESIZE);
	intptr_t me = (intptr_t)arg;
	uint64_t n, seen;
	void *at;

	pin(me);
	for (n = 1; !stop; n++) {
		if (me) {
			n = shown;
			seen = *window;
			if (seen < n)
				wrong("an old page is still seen", seen, n);
			continue;
		}
		if (pwrite(memory, &n, sizeof(n), (n & 1) * page) != sizeof(n))
			wrong("pwrite", n, 0);
		at = mmap((void *)window, page, PROT_READ, MAP_SHARED | MAP_FIXED, memory,
			  (n & 1) * page);
		if (at == MAP_FAILED)
			wrong("mmap", n, 0);
		shown = n;
		rounds++;
		sched_yield();
	}
	return NULL;
}

/* ---- wake-ups ----------------------------------------------------------------------- */

static int ring[MAX_CPUS][2];

/* A token goes round; each CPU sleeps until its predecessor passes it on. */
static void *wake_thread(void *arg)
{
	intptr_t me = (intptr_t)arg;
	uint64_t sent, t;

	pin(me);
	while (read(ring[me][0], &sent, sizeof(sent)) == sizeof(sent)) {
		t = now();
		if (t > sent && t - sent > LATE && sent)
			wrong("a wake-up was late by ns", t - sent, me);
		if (stop)
			sent = 0;
		else
			sent = t;
		if (write(ring[(me + 1) % cpus][1], &sent, sizeof(sent)) != sizeof(sent))
			wrong("pipe", me, 0);
		rounds++;
		if (!sent)
			break;
	}
	return NULL;
}

/* ---- sleeps ------------------------------------------------------------------------- */

static void *sleep_thread(void *arg)
{
	struct timespec ts = { 0, 1000000 + 100000 * (intptr_t)arg };
	uint64_t t;

	pin((intptr_t)arg);
	while (!stop) {
		t = now();
		clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
		t = now() - t;
		if (t < (uint64_t)ts.tv_nsec || t > LATE)
			wrong("a sleep took ns", t, ts.tv_nsec);
		rounds++;
	}
	return NULL;
}

/* ------------------------------------------------------------------------------------- */

static void run(const char *name, void *(*thread)(void *), unsigned int ms, int token)
{
	pthread_t threads[MAX_CPUS];
	uint64_t first = now();
	intptr_t i;

	stop = 0;
	rounds = 0;
	for (i = 0; i < cpus; i++)
		if (pthread_create(&threads[i], NULL, thread, (void *)i))
			exit(2);
	if (token && write(ring[0][1], &first, sizeof(first)) != sizeof(first))
		exit(2);
	usleep(ms * 1000);
	stop = 1;
	for (i = 0; i < cpus; i++)
		pthread_join(threads[i], NULL);
	if (!rounds)
		wrong("nothing was done", 0, 0);
	printf("smpwork: %s %lu\n", name, (unsigned long)rounds);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	unsigned int ms = (argc > 1 ? atof(argv[1]) : 1) * 1000 / 4;
	long page = sysconf(_SC_PAGESIZE);
	int i;

	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (cpus > MAX_CPUS)
		cpus = MAX_CPUS;
	run("clock", clock_thread, ms, 0);

	memory = memfd_create("tlb", 0);
	if (memory < 0 || ftruncate(memory, 2 * page))
		return 2;
	window = mmap(NULL, page, PROT_READ, MAP_SHARED, memory, 0);
	if (window == MAP_FAILED)
		return 2;
	run("tlb", tlb_thread, ms, 0);

	for (i = 0; i < cpus; i++)
		if (pipe(ring[i]))
			return 2;
	run("wake", wake_thread, ms, 1);
	run("sleep", sleep_thread, ms, 0);
	if (!failures)
		printf("smpwork: ok %d\n", cpus);
	return !!failures;
}
