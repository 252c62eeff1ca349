// SPDX-License-Identifier: GPL-2.0-only
/*
 * What kvmclock computes, and what CPUID answers, away from the kernel.
 */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <linux/kvm.h>

#include "cpuid_lookup.h"
#include "halt_poll.h"
#include "para/timescale.h"
#include "run_suite.h"

/* ---- kvmclock's scale ------------------------------------------------------------- */

static const unsigned long long rates_khz[] = {
	1, 1000, 100000, 999999, 1000000, 1000001, 1999999, 2000000, 2000001, 2400000, 3792874,
	5000000, 25000000,
};

START_TEST(scale_has_31_significant_bits)
{
	struct vmm_timescale t = vmm_timescale(rates_khz[_i]);

	ck_assert_uint_ge(t.mul, 1u << 31);
}
END_TEST

/* As the guest does it: one part in 2^29 is all that may be lost, over a day too. */
START_TEST(scale_keeps_time)
{
	const unsigned long long seconds[] = { 1, 60, 86400 };
	struct vmm_timescale t = vmm_timescale(rates_khz[_i]);

	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		unsigned long long ns = vmm_timescale_ns(t, seconds[i] * rates_khz[_i] * 1000);
		unsigned long long want = seconds[i] * 1000000000ull;
		unsigned long long off = ns > want ? ns - want : want - ns;

		ck_assert_uint_le(off, want >> 29);
	}
}
END_TEST

START_TEST(scale_never_goes_back)
{
	struct vmm_timescale t = vmm_timescale(rates_khz[_i]);
	unsigned long long last = 0;

	for (unsigned long long ticks = 1ull << 40; ticks < (1ull << 40) + 10000; ticks += 7) {
		unsigned long long ns = vmm_timescale_ns(t, ticks);

		ck_assert_uint_ge(ns, last);
		last = ns;
	}
}
END_TEST

START_TEST(tsc_write_within_a_second_matches)
{
	const unsigned long long khz = 2000000, second = khz * 1000, at = 1000 * second;

	ck_assert(vmm_tsc_matches(at, at, khz));
	ck_assert(vmm_tsc_matches(at + second - 1, at, khz));
	ck_assert(vmm_tsc_matches(at - second + 1, at, khz));
	ck_assert(!vmm_tsc_matches(at + second, at, khz));
	ck_assert(!vmm_tsc_matches(at - second, at, khz));
	ck_assert(!vmm_tsc_matches(0, at, khz));
	ck_assert(!vmm_tsc_matches(~0ull, at, khz));
	/* Around zero the difference wraps, and is still small. */
	ck_assert(vmm_tsc_matches(~0ull, 5, khz));
	ck_assert(vmm_tsc_matches(5, ~0ull, khz));
}
END_TEST

/* ---- polling in HLT ---------------------------------------------------------------- */

#define MAX	VMM_HALT_POLL_DEFAULT

START_TEST(window_opens_for_short_halts)
{
	unsigned int w = 0, last;

	w = vmm_halt_poll_window(w, 50000, MAX);
	ck_assert_uint_eq(w, VMM_HALT_POLL_START);
	do {
		last = w;
		w = vmm_halt_poll_window(w, 50000, MAX);
		ck_assert(w == last || w == 2 * last);
	} while (w != last);
	/* Once it catches the wake-up it has the right size. */
	ck_assert_uint_ge(w, 50000);
	ck_assert_uint_lt(w, 100000);
	ck_assert_uint_eq(vmm_halt_poll_window(w, 100, MAX), w);
}
END_TEST

START_TEST(window_never_exceeds_the_limit)
{
	unsigned int limits[] = { 1, 9999, 10000, 10001, 150000, MAX, ~0u };

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		unsigned int w = 0, n;

		for (n = 0; n < 100; n++) {
			w = vmm_halt_poll_window(w, limits[i] - 1ull, limits[i]);
			ck_assert_uint_le(w, limits[i]);
		}
	}
}
END_TEST

START_TEST(window_closes_after_a_long_halt)
{
	ck_assert_uint_eq(vmm_halt_poll_window(80000, MAX + 1, MAX), 0);
	ck_assert_uint_eq(vmm_halt_poll_window(0, 1ull << 40, MAX), 0);
}
END_TEST

START_TEST(window_stays_shut_without_polling)
{
	ck_assert_uint_eq(vmm_halt_poll_window(0, 0, 0), 0);
	ck_assert_uint_eq(vmm_halt_poll_window(0, 500, 0), 0);
}
END_TEST

/* ---- CPUID -------------------------------------------------------------------------- */

static struct kvm_cpuid_entry2 the_entries[64];
static __u16 the_order[64];
static struct cpuid_set the_set;

static void put(__u32 function, __u32 index, __u32 flags, __u32 eax)
{
	the_set.entries[the_set.nent++] = (struct kvm_cpuid_entry2) {
		.function = function, .index = index, .flags = flags, .eax = eax,
	};
}

static void set_vendor(const char *vendor)
{
	struct kvm_cpuid_entry2 *e = the_set.entries;

	while (e->function)
		e++;
	memcpy(&e->ebx, vendor, 4);
	memcpy(&e->edx, vendor + 4, 4);
	memcpy(&e->ecx, vendor + 8, 4);
}

/* Out of order on purpose; EAX names the entry. */
static void fill(void)
{
	const __u32 indexed = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;

	the_set = (struct cpuid_set) { .entries = the_entries, .order = the_order };
	put(0x80000001, 0, 0, 0x8001);
	put(7, 1, indexed, 0x71);
	put(0xd, 0, indexed, 0xd0);
	put(0x40000000, 0, 0, 0x40000001);
	put(7, 0, indexed, 0x70);
	put(1, 0, 0, 0x1000);
	put(0, 0, 0, 0xd);
	put(0x80000000, 0, 0, 0x80000008);
	put(0x40000001, 0, 0, 0x4001);
	put(1, 0, 0, 0xbad);		/* a duplicate: the first one counts */
	put(0xd, 1, indexed, 0xd1);
	cpuid_sort(&the_set);
	set_vendor("GenuineIntel");
}

static __u32 found(__u32 function, __u32 index)
{
	struct kvm_cpuid_entry2 *e = cpuid_lookup(&the_set, function, index);

	return e ? e->eax : 0;
}

static __u32 absent(__u32 function, __u32 index)
{
	struct kvm_cpuid_entry2 *e = cpuid_absent(&the_set, function, index);

	return e ? e->eax : 0;
}

START_TEST(lookup_finds_by_function_and_index)
{
	ck_assert_uint_eq(found(0, 0), 0xd);
	ck_assert_uint_eq(found(7, 0), 0x70);
	ck_assert_uint_eq(found(7, 1), 0x71);
	ck_assert_uint_eq(found(0xd, 1), 0xd1);
	ck_assert_uint_eq(found(0x80000001, 0), 0x8001);
	ck_assert_uint_eq(found(0x40000001, 0), 0x4001);
}
END_TEST

START_TEST(lookup_ignores_an_index_without_meaning)
{
	ck_assert_uint_eq(found(1, 0), 0x1000);
	ck_assert_uint_eq(found(1, 12345), 0x1000);
}
END_TEST

START_TEST(lookup_finds_nothing_that_is_not_there)
{
	ck_assert_uint_eq(found(7, 2), 0);
	ck_assert_uint_eq(found(2, 0), 0);
	ck_assert_uint_eq(found(0xffffffff, 0), 0);
}
END_TEST

START_TEST(lookup_in_nothing_finds_nothing)
{
	struct cpuid_set none = { .nent = 0 };
	__u32 function = 0;

	cpuid_sort(&none);
	do {
		ck_assert_ptr_null(cpuid_lookup(&none, function, 0));
		ck_assert_ptr_null(cpuid_absent(&none, function, 0));
		function += 0x00fedcbb;
	} while (function > 0x00fedcbb);
}
END_TEST

/* As many functions as a set can hold, far more than buckets, each with two subleaves. */
START_TEST(lookup_finds_each_of_many)
{
	static struct kvm_cpuid_entry2 entries[256];
	static __u16 order[256];
	struct cpuid_set many = { .nent = 256, .entries = entries, .order = order };
	int i;

	for (i = 0; i < 256; i++) {
		entries[i].function = i / 2 * 0x9e3779b1u;
		entries[i].index = i % 2;
		entries[i].flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	}
	cpuid_sort(&many);
	for (i = 0; i < 256; i++)
		ck_assert_ptr_eq(cpuid_lookup(&many, entries[i].function, i % 2), &entries[i]);
	ck_assert_ptr_null(cpuid_lookup(&many, entries[7].function, 2));
	ck_assert_ptr_null(cpuid_lookup(&many, 1, 0));
}
END_TEST

START_TEST(intel_answers_beyond_the_end_with_the_highest_basic_leaf)
{
	ck_assert_uint_eq(absent(0xe, 0), 0xd0);
	ck_assert_uint_eq(absent(0x3fffffff, 1), 0xd1);
	ck_assert_uint_eq(absent(0x80000009, 0), 0xd0);
	ck_assert_uint_eq(absent(0xffffffff, 0), 0xd0);
	ck_assert_uint_eq(absent(0x40000002, 0), 0xd0);
	ck_assert_uint_eq(absent(0x4fffffff, 0), 0xd0);
	/* No subleaf 9 of the highest leaf either. */
	ck_assert_uint_eq(absent(0xe, 9), 0);
}
END_TEST

START_TEST(within_the_range_an_absent_leaf_is_zero)
{
	ck_assert_uint_eq(absent(2, 0), 0);
	ck_assert_uint_eq(absent(7, 5), 0);
	ck_assert_uint_eq(absent(0x80000004, 0), 0);
}
END_TEST

START_TEST(amd_answers_zero)
{
	set_vendor(_i ? "HygonGenuine" : "AuthenticAMD");
	ck_assert_uint_eq(absent(0xe, 0), 0);
	ck_assert_uint_eq(absent(0x80000009, 0), 0);
	ck_assert_uint_eq(absent(0x40000002, 0), 0);
}
END_TEST

static Suite *para_suite(void)
{
	const int rates = sizeof(rates_khz) / sizeof(rates_khz[0]);
	Suite *s = suite_create("para");
	TCase *clock = tcase_create("clock"), *cpuid = tcase_create("cpuid");
	TCase *halt = tcase_create("halt");

	tcase_add_loop_test(clock, scale_has_31_significant_bits, 0, rates);
	tcase_add_loop_test(clock, scale_keeps_time, 0, rates);
	tcase_add_loop_test(clock, scale_never_goes_back, 0, rates);
	tcase_add_test(clock, tsc_write_within_a_second_matches);
	suite_add_tcase(s, clock);

	tcase_add_test(halt, window_opens_for_short_halts);
	tcase_add_test(halt, window_never_exceeds_the_limit);
	tcase_add_test(halt, window_closes_after_a_long_halt);
	tcase_add_test(halt, window_stays_shut_without_polling);
	suite_add_tcase(s, halt);

	tcase_add_checked_fixture(cpuid, fill, NULL);
	tcase_add_test(cpuid, lookup_finds_by_function_and_index);
	tcase_add_test(cpuid, lookup_ignores_an_index_without_meaning);
	tcase_add_test(cpuid, lookup_finds_nothing_that_is_not_there);
	tcase_add_test(cpuid, lookup_in_nothing_finds_nothing);
	tcase_add_test(cpuid, lookup_finds_each_of_many);
	tcase_add_test(cpuid, intel_answers_beyond_the_end_with_the_highest_basic_leaf);
	tcase_add_test(cpuid, within_the_range_an_absent_leaf_is_zero);
	tcase_add_loop_test(cpuid, amd_answers_zero, 0, 2);
	suite_add_tcase(s, cpuid);
	return s;
}

int main(void)
{
	return run_suite(para_suite());
}
