// SPDX-License-Identifier: GPL-2.0-only
/*
 * Work that makes a guest's CPUs talk to each other: one thread per CPU, each of them
 * in the same memory, which one keeps changing the rights of. Every change has to be
 * flushed from the TLBs of all the others.
 *
 * usage: pvload ROUNDS
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS	64

static atomic_bool stop;
static atomic_int running;
static volatile char *memory;

static void pin(long cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void *reader(void *arg)
{
	unsigned long sum = 0;

	pin((long)arg);
	atomic_fetch_add(&running, 1);
	while (!atomic_load(&stop))
		sum += memory[0];
	return (void *)sum;
}

int main(int argc, char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), rounds = argc > 1 ? atol(argv[1]) : 100, i;
	pthread_t threads[MAX_THREADS];
	struct timespec a, b;

	if (cpus > MAX_THREADS)
		cpus = MAX_THREADS;
	memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	pin(0);
	for (i = 1; i < cpus; i++)
		if (pthread_create(&threads[i], NULL, reader, (void *)i))
			return 1;
	while (atomic_load(&running) < cpus - 1)
		sched_yield();
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (i = 0; i < rounds; i++) {
		if (mprotect((void *)memory, 4096, PROT_READ))
			return 1;
		if (mprotect((void *)memory, 4096, PROT_READ | PROT_WRITE))
			return 1;
		memory[0] = i;
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	atomic_store(&stop, true);
	for (i = 1; i < cpus; i++)
		pthread_join(threads[i], NULL);
	printf("pvload: %ld rounds, %ld CPUs, %ld ms\n", rounds, cpus,
	       (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000);
	return 0;
}
