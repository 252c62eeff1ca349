/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From TSC ticks to nanoseconds, as the pvclock page tells a guest to do it:
 *
 *	ns = ((ticks << shift) * mul) >> 32	(shift < 0: ticks >> -shift)
 *
 * Arithmetic only, no kernel headers beyond types: the unit tests include it.
 */
#ifndef VMM_TIMESCALE_H
#define VMM_TIMESCALE_H

struct vmm_timescale {
	unsigned int mul;
	signed char shift;
};

/**
 * vmm_timescale() - multiplier and shift for a tick rate
 * @khz: ticks per millisecond; not 0
 *
 * The rate is first brought into (1, 2] GHz by the shift, which puts the multiplier
 * into [2^31, 2^32): 31 significant bits at any rate.
 *
 * Return: the pair.
 */
static inline struct vmm_timescale vmm_timescale(unsigned long long khz)
{
	const unsigned long long ns = 1000000000ull;
	struct vmm_timescale t = { 0, 0 };
	unsigned long long hz = khz * 1000;

	while (hz > 2 * ns) {
		hz >>= 1;
		t.shift--;
	}
	while (hz <= ns) {
		hz <<= 1;
		t.shift++;
	}
	t.mul = (unsigned int)((ns << 32) / hz);
	return t;
}

/**
 * vmm_timescale_ns() - ticks to nanoseconds
 * @t: from vmm_timescale()
 * @ticks: duration
 *
 * Return: ns, modulo 2^64.
 */
static inline unsigned long long vmm_timescale_ns(struct vmm_timescale t, unsigned long long ticks)
{
	if (t.shift < 0)
		ticks >>= -t.shift;
	else
		ticks <<= t.shift;
	return (unsigned long long)(((unsigned __int128)ticks * t.mul) >> 32);
}

/**
 * vmm_tsc_matches() - is a value written to the TSC meant to agree with its course?
 * @value: written now
 * @expected: where the TSC of the VM's other vCPUs stands now
 * @khz: its rate
 *
 * User space restores the TSCs of a machine one after another, and what it writes
 * to the second was read within about a second of the first.
 *
 * Return: non-zero when the two lie less than a second apart.
 */
static inline int vmm_tsc_matches(unsigned long long value, unsigned long long expected,
				  unsigned long long khz)
{
	unsigned long long second = khz * 1000;

	return value - expected + second - 1 < 2 * second - 1;
}

#endif /* VMM_TIMESCALE_H */
