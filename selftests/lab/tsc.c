// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints this machine's TSC rate in kHz, measured against the system's clock: QEMU's
 * TCG gives a guest this very counter, and a host that measures it by emulated timers
 * on a busy machine gets it wrong by factors.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Clock and counter at one moment: of many pairs the one least disturbed. */
static uint64_t sample(uint64_t *tsc)
{
	uint64_t before, after, ns, best = UINT64_MAX, at = 0;
	int i;

	for (i = 0; i < 1000; i++) {
		before = __rdtsc();
		ns = clock_ns();
		after = __rdtsc();
		if (after - before >= best)
			continue;
		best = after - before;
		*tsc = before + best / 2;
		at = ns;
	}
	return at;
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 200000000 };
	uint64_t tsc0, tsc1, ns0, ns1;

	ns0 = sample(&tsc0);
	nanosleep(&pause, NULL);
	ns1 = sample(&tsc1);
	printf("%llu\n", (unsigned long long)((double)(tsc1 - tsc0) * 1e6 / (double)(ns1 - ns0) + .5));
	return 0;
}
