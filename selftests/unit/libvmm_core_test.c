// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvmm's core: bus dispatch, guest memory bounds, CPUID policy, event loop,
 * terminal.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>
#include <vmm/bus.h>
#include <vmm/error.h>
#include <vmm/loop.h>
#include <vmm/memory.h>
#include <vmm/tty.h>
#include "internal.h"
#include "run_suite.h"

#define ROWS(t)	(sizeof(t) / sizeof((t)[0]))

/* ---- bus ------------------------------------------------------------------------ */

static struct {
	unsigned int n;
	uint64_t off[8];
	unsigned int size[8];
	uint64_t value[8];
} seen;

static uint64_t reg_read(void *opaque, uint64_t off, unsigned int size)
{
	seen.off[seen.n] = off;
	seen.size[seen.n++] = size;
	return (uintptr_t)opaque + off;
}

static void reg_write(void *opaque, uint64_t off, unsigned int size, uint64_t value)
{
	(void)opaque;
	seen.off[seen.n] = off;
	seen.size[seen.n] = size;
	seen.value[seen.n++] = value;
}

static struct vmm_range range(uint64_t base, uint64_t len, unsigned int flags)
{
	return (struct vmm_range) { .base = base, .len = len, .name = "test", .flags = flags,
				    .opaque = (void *)base, .read = reg_read,
				    .write = reg_write };
}

static int add(struct vmm_bus *bus, uint64_t base, uint64_t len, unsigned int flags)
{
	struct vmm_range r = range(base, len, flags);

	return vmm_bus_add(bus, &r);
}

START_TEST(bus_finds_the_range_that_holds_an_address)
{
	struct vmm_bus bus = { .nr = 0 };
	uint64_t a;

	ck_assert_ptr_null(vmm_bus_find(&bus, 0));
	ck_assert_int_eq(add(&bus, 0x300, 0x10, 0), 0);
	ck_assert_int_eq(add(&bus, 0x100, 0x10, 0), 0);
	ck_assert_int_eq(add(&bus, 0x110, 1, 0), 0);
	ck_assert_int_eq(add(&bus, UINT64_MAX, 1, 0), 0);
	for (a = 0; a < 0x400; a++) {
		const struct vmm_range *r = vmm_bus_find(&bus, a);
		uint64_t base = a >= 0x100 && a < 0x110 ? 0x100 : a == 0x110 ? 0x110 :
				a >= 0x300 && a < 0x310 ? 0x300 : 0;

		ck_assert_uint_eq(r ? r->base : 0, base);
	}
	ck_assert_ptr_nonnull(vmm_bus_find(&bus, UINT64_MAX));
	ck_assert_ptr_null(vmm_bus_find(&bus, UINT64_MAX - 1));
	vmm_bus_destroy(&bus);
}
END_TEST

START_TEST(bus_refuses_overlaps_and_bad_lengths)
{
	struct vmm_bus bus = { .nr = 0 };

	ck_assert_int_eq(add(&bus, 0x100, 0x10, 0), 0);
	ck_assert_int_eq(add(&bus, 0x10f, 1, 0), -EEXIST);
	ck_assert_int_eq(add(&bus, 0xf0, 0x11, 0), -EEXIST);
	ck_assert_int_eq(add(&bus, 0x0, 0x1000, 0), -EEXIST);
	ck_assert_int_eq(add(&bus, 0xf0, 0x10, 0), 0);
	ck_assert_int_eq(add(&bus, 0x200, 0, 0), -EINVAL);
	ck_assert_int_eq(add(&bus, UINT64_MAX, 2, 0), -EINVAL);
	ck_assert_uint_eq(bus.nr, 2);
	vmm_bus_destroy(&bus);
}
END_TEST

START_TEST(bus_reads_ones_where_nobody_answers)
{
	struct vmm_bus bus = { .nr = 0 };
	uint64_t v = 0;

	vmm_bus_access(&bus, 0x80, &v, 4, false);
	ck_assert_uint_eq(v, 0xffffffff);
	vmm_bus_access(&bus, UINT64_MAX, &v, 8, true);
	ck_assert_uint_eq(v, 0xffffffff);
}
END_TEST

START_TEST(bus_passes_whole_accesses_and_splits_the_others)
{
	struct vmm_bus bus = { .nr = 0 };
	uint64_t v = 0;

	add(&bus, 0x100, 8, 0);
	add(&bus, 0x200, 8, VMM_RANGE_BYTES);
	memset(&seen, 0, sizeof(seen));
	v = 0x11223344;
	vmm_bus_access(&bus, 0x104, &v, 4, true);
	ck_assert_uint_eq(seen.n, 1);
	ck_assert_uint_eq(seen.off[0], 4);
	ck_assert_uint_eq(seen.size[0], 4);
	ck_assert_uint_eq(seen.value[0], 0x11223344);

	/* Across the end: two bytes arrive, two get lost. */
	seen.n = 0;
	vmm_bus_access(&bus, 0x106, &v, 4, true);
	ck_assert_uint_eq(seen.n, 2);
	ck_assert_uint_eq(seen.value[0], 0x44);
	ck_assert_uint_eq(seen.value[1], 0x33);
	seen.n = 0;
	v = 0;
	vmm_bus_access(&bus, 0x106, &v, 4, false);
	ck_assert_uint_eq(v, 0xffff0706);

	/* Byte registers get bytes, low first. */
	seen.n = 0;
	v = 0x0102;
	vmm_bus_access(&bus, 0x200, &v, 2, true);
	ck_assert_uint_eq(seen.n, 2);
	ck_assert_uint_eq(seen.off[1], 1);
	ck_assert_uint_eq(seen.value[0], 2);
	ck_assert_uint_eq(seen.value[1], 1);
	vmm_bus_destroy(&bus);
}
END_TEST

/* ---- memory --------------------------------------------------------------------- */

#define GIB	(1ULL << 30)

static const struct {
	uint64_t gpa;
	uint64_t len;
	bool ok;
} memory_rows[] = {
	{ 0, 1, true },
	{ 0, 3 * GIB, true },
	{ 0, 3 * GIB + 1, false },
	{ 3 * GIB - 1, 1, true },
	{ 3 * GIB - 1, 2, false },
	{ 3 * GIB, 0, false },
	{ 3 * GIB, 1, false },
	{ 4 * GIB - 1, 1, false },
	{ 4 * GIB - 1, 2, false },
	{ 4 * GIB, 1, true },
	{ 4 * GIB, GIB, true },
	{ 4 * GIB, GIB + 1, false },
	{ 5 * GIB - 1, 1, true },
	{ 5 * GIB, 1, false },
	{ UINT64_MAX, 1, false },
	{ 1, UINT64_MAX, false },
	{ UINT64_MAX, UINT64_MAX, false },
};

START_TEST(memory_is_reached_only_within_a_slot)
{
	struct vmm_memory mem = { .nr = 0 };
	void *p;

	ck_assert_int_eq(vmm_memory_create(&mem, 4 * GIB, 0, NULL), 0);
	/* Huge pages are huge pages of the guest. */
	ck_assert_uint_eq(((uintptr_t)mem.slots[0].hva - mem.slots[0].gpa) % (2 << 20), 0);
	ck_assert_uint_eq(((uintptr_t)mem.slots[1].hva - mem.slots[1].gpa) % (2 << 20), 0);
	p = vmm_memory_at(&mem, memory_rows[_i].gpa, memory_rows[_i].len);
	ck_assert_int_eq(p != NULL, memory_rows[_i].ok);
	vmm_memory_destroy(&mem);
}
END_TEST

START_TEST(memory_of_a_bad_size_is_refused)
{
	struct vmm_memory mem = { .nr = 0 };

	ck_assert_int_eq(vmm_memory_create(&mem, 0, 0, NULL), -EINVAL);
	ck_assert_int_eq(vmm_memory_create(&mem, 4096, 0, NULL), -EINVAL);
	ck_assert_int_eq(vmm_memory_create(&mem, GIB + 1, 0, NULL), -EINVAL);
	ck_assert_int_eq(vmm_memory_create(&mem, UINT64_MAX & ~0xfffULL, 0, NULL), -EINVAL);
	/* More than an address space holds. */
	ck_assert_int_lt(vmm_memory_create(&mem, 200ULL << 40, 0, NULL), 0);
	ck_assert_uint_eq(mem.nr, 0);
}
END_TEST

START_TEST(memory_slots_do_not_overlap_and_do_not_run_over)
{
	struct vmm_memory mem = { .nr = 0 };
	unsigned int i;

	ck_assert_int_eq(vmm_memory_create(&mem, GIB, VMM_MEMORY_MEMFD, "test"), 0);
	ck_assert_int_ge(mem.slots[0].fd, 0);
	ck_assert_ptr_null(vmm_memory_add(&mem, GIB - 4096, 8192));
	for (i = mem.nr; i < VMM_MEMORY_SLOTS; i++)
		ck_assert_ptr_nonnull(vmm_memory_add(&mem, 2 * GIB + i * 4096ULL, 4096));
	ck_assert_ptr_null(vmm_memory_add(&mem, 3 * GIB, 4096));
	vmm_memory_destroy(&mem);
}
END_TEST

/* ---- CPUID ---------------------------------------------------------------------- */

static struct kvm_cpuid2 *table;

static struct kvm_cpuid_entry2 *put(__u32 function, __u32 eax, __u32 ebx, __u32 ecx, __u32 edx)
{
	struct kvm_cpuid_entry2 *e = &table->entries[table->nent++];

	*e = (struct kvm_cpuid_entry2) { .function = function, .eax = eax, .ebx = ebx,
					 .ecx = ecx, .edx = edx };
	return e;
}

static struct kvm_cpuid_entry2 *get(__u32 function, __u32 index)
{
	unsigned int i;

	for (i = 0; i < table->nent; i++) {
		if (table->entries[i].function == function && table->entries[i].index == index)
			return &table->entries[i];
	}
	return NULL;
}

static void cpuid_setup(void)
{
	table = calloc(1, sizeof(*table) + VMM_CPUID_MAX * sizeof(table->entries[0]));
	put(1, 0x830f10, 0x07040800, 0, 0);
	put(6, 0xffffffff, 3, 1, 7);
	put(0x40000000, 0x40000001, 0, 0, 0);
}

static void cpuid_teardown(void)
{
	free(table);
}

START_TEST(cpuid_tells_each_vcpu_its_apic_id_and_topology)
{
	struct vmm_cpuid_policy p = { .apic_id = 2, .nr_cpus = 3, .tsc_khz = 2000000,
				      .tsc_deadline = true };
	struct kvm_cpuid_entry2 *e;

	put(0, 0x1f, 0x756e6547, 0x6c65746e, 0x49656e69);
	put(4, 0x4163, 0, 0, 0);
	vmm_cpuid_adjust(table, &p);
	e = get(1, 0);
	ck_assert_uint_eq(e->ebx, 0x02030800);
	ck_assert_uint_eq(e->ecx & (1u << 31 | 1 << 24), 1u << 31 | 1 << 24);
	ck_assert_uint_eq(e->edx & 1 << 28, 1 << 28);
	ck_assert_uint_eq(get(6, 0)->eax, 4);
	ck_assert_uint_eq(get(6, 0)->ecx, 0);
	/* Threads: one a core; cores: ids of two bits. */
	e = get(0xb, 0);
	ck_assert_uint_eq(e->eax, 0);
	ck_assert_uint_eq(e->ebx, 1);
	ck_assert_uint_eq(e->ecx, 0x100);
	ck_assert_uint_eq(e->edx, 2);
	ck_assert_uint_eq(e->flags, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	e = get(0x1f, 1);
	ck_assert_uint_eq(e->eax, 2);
	ck_assert_uint_eq(e->ebx, 3);
	ck_assert_uint_eq(e->ecx, 0x201);
	/* The last-level cache is shared by all three cores. */
	e = get(4, 0);
	ck_assert_uint_eq(e->eax >> 14 & 0xfff, 2);
	ck_assert_uint_eq(e->eax >> 26, 3);
}
END_TEST

START_TEST(cpuid_tells_the_tsc_frequency)
{
	struct vmm_cpuid_policy p = { .nr_cpus = 1, .tsc_khz = 2596150 };
	struct kvm_cpuid_entry2 *e;

	put(0, 0x15, 0x756e6547, 0x6c65746e, 0x49656e69);
	vmm_cpuid_adjust(table, &p);
	ck_assert_uint_eq(get(0x40000010, 0)->eax, 2596150);
	ck_assert_uint_eq(get(0x40000010, 0)->ebx, 1000000);
	ck_assert_uint_eq(get(0x40000000, 0)->eax, 0x40000010);
	e = get(0x15, 0);
	ck_assert_uint_eq((uint64_t)e->ecx * e->ebx / e->eax, 2596150000ULL);
	ck_assert_uint_eq(get(0x16, 0)->eax, 2596);
	ck_assert_uint_eq(get(0, 0)->eax, 0x16);
	ck_assert_uint_eq(get(1, 0)->edx & 1 << 28, 0);
}
END_TEST

START_TEST(cpuid_of_amd_has_its_own_topology)
{
	struct vmm_cpuid_policy p = { .apic_id = 4, .nr_cpus = 5, .tsc_khz = 1000000 };

	put(0, 0xd, 0x68747541, 0x444d4163, 0x69746e65);
	put(0x80000001, 0, 0, 1 << 22, 0);
	put(0x80000008, 0x3030, 0, 0x7fff, 0);
	put(0x8000001e, 99, 99, 99, 99);
	vmm_cpuid_adjust(table, &p);
	ck_assert_uint_eq(get(0x80000008, 0)->ecx, 3 << 12 | 4);
	ck_assert_uint_eq(get(0x8000001e, 0)->eax, 4);
	ck_assert_uint_eq(get(0x8000001e, 0)->ebx, 4);
	ck_assert_uint_eq(get(0x8000001e, 0)->ecx, 0);
	ck_assert_uint_eq(get(0x80000001, 0)->ecx & 2, 2);
	ck_assert_ptr_null(get(0x15, 0));
	ck_assert_ptr_nonnull(get(0x40000010, 0));
}
END_TEST

START_TEST(cpuid_without_topoext_has_no_topoext_leaves)
{
	struct vmm_cpuid_policy p = { .nr_cpus = 1 };

	put(0, 0xd, 0x68747541, 0x444d4163, 0x69746e65);
	put(0x80000001, 0, 0, 0, 0);
	put(0x8000001d, 0x121, 0, 0, 0);
	put(0x8000001e, 1, 1, 1, 1);
	vmm_cpuid_adjust(table, &p);
	ck_assert_ptr_null(get(0x8000001d, 0));
	ck_assert_ptr_null(get(0x8000001e, 0));
	/* No frequency known: none told. */
	ck_assert_ptr_null(get(0x40000010, 0));
}
END_TEST

START_TEST(cpuid_table_that_is_full_stays_within_bounds)
{
	struct vmm_cpuid_policy p = { .nr_cpus = 255, .apic_id = 254, .tsc_khz = 1 };

	put(0, 0x1f, 0x756e6547, 0, 0);
	while (table->nent < VMM_CPUID_MAX)
		put(0x10000 + table->nent, 0, 0, 0, 0);
	vmm_cpuid_adjust(table, &p);
	ck_assert_uint_le(table->nent, VMM_CPUID_MAX);
	ck_assert_uint_eq(get(1, 0)->ebx >> 24, 254);
}
END_TEST

/* ---- loop ------------------------------------------------------------------------ */

struct looped {
	struct vmm_loop *loop;
	int fd;
	int n;
};

static void on_byte(void *opaque, uint32_t events)
{
	struct looped *l = opaque;
	char c;

	ck_assert(events & EPOLLIN);
	ck_assert_int_eq(read(l->fd, &c, 1), 1);
	if (++l->n == 3)
		vmm_loop_stop(l->loop);
}

START_TEST(loop_calls_handlers_until_it_is_stopped)
{
	struct looped l = { .loop = vmm_loop_create() };
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	l.fd = p[0];
	ck_assert_int_eq(vmm_loop_add(l.loop, p[0], EPOLLIN, on_byte, &l), 0);
	ck_assert_int_eq(write(p[1], "abcd", 4), 4);
	ck_assert_int_eq(vmm_loop_run(l.loop), 0);
	ck_assert_int_eq(l.n, 3);
	/* Stopped stays stopped. */
	ck_assert_int_eq(vmm_loop_run(l.loop), 0);
	ck_assert_int_eq(l.n, 3);
	vmm_loop_del(l.loop, p[0]);
	ck_assert_int_eq(vmm_loop_mod(l.loop, p[0], EPOLLIN), -ENOENT);
	vmm_loop_destroy(l.loop);
}
END_TEST

/* ---- terminal -------------------------------------------------------------------- */

START_TEST(escapes_are_filtered)
{
	static const struct {
		const char *in;
		const char *out;
		enum vmm_tty_action last;
	} rows[] = {
		{ "abc", "abc", VMM_TTY_DATA },
		{ "\x01x", "", VMM_TTY_QUIT },
		{ "\x01h", "", VMM_TTY_HELP },
		{ "\x01""c", "", VMM_TTY_HELP },
		{ "\x01\x01", "\x01", VMM_TTY_DATA },
		{ "\x01\x01x", "\x01x", VMM_TTY_DATA },
		{ "\x01q", "\x01q", VMM_TTY_DATA },
		{ "a\x01", "a", VMM_TTY_DATA },
		{ "\x03\x1a\x1c", "\x03\x1a\x1c", VMM_TTY_DATA },
	};
	struct vmm_tty_escape esc = { 0 };
	enum vmm_tty_action last = VMM_TTY_DATA;
	unsigned char two[2];
	char out[16] = "";
	const char *p;
	size_t n;

	for (p = rows[_i].in; *p; p++) {
		last = vmm_tty_filter(&esc, *p, two, &n);
		strncat(out, (char *)two, n);
	}
	ck_assert_str_eq(out, rows[_i].out);
	ck_assert_int_eq(last, rows[_i].last);
}
END_TEST

#define NR_ESCAPES	9

/* Run @body in a child whose terminal is a new one; compare its settings before and after. */
static int with_terminal(void (*body)(void))
{
	struct termios before, after;
	int master, slave, status;
	pid_t pid;

	ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
	ck_assert_int_eq(tcgetattr(slave, &before), 0);
	ck_assert(before.c_lflag & ICANON);
	pid = fork();
	if (!pid) {
		if (login_tty(dup(slave)))
			_exit(99);
		body();
		_exit(98);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(tcgetattr(slave, &after), 0);
	ck_assert_uint_eq(after.c_lflag, before.c_lflag);
	ck_assert_uint_eq(after.c_iflag, before.c_iflag);
	ck_assert_uint_eq(after.c_oflag, before.c_oflag);
	close(master);
	close(slave);
	return status;
}

static void go_raw(void)
{
	struct termios t;

	signal(SIGHUP, SIG_DFL);
	if (vmm_tty_raw(0) != 1 || tcgetattr(0, &t) || t.c_lflag & (ICANON | ISIG | ECHO))
		_exit(97);
}

static void body_exit(void)
{
	go_raw();
	exit(7);
}

static void body_abort(void)
{
	go_raw();
	signal(SIGALRM, SIG_DFL);
	abort();
}

static void body_segv(void)
{
	go_raw();
	raise(SIGSEGV);
}

static void body_sys(void)
{
	go_raw();
	raise(SIGSYS);
}

START_TEST(terminal_is_restored_by_exit)
{
	int status = with_terminal(body_exit);

	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 7);
}
END_TEST

START_TEST(terminal_is_restored_by_a_fatal_signal)
{
	static void (* const bodies[])(void) = { body_abort, body_segv, body_sys };
	static const int signals[] = { SIGABRT, SIGSEGV, SIGSYS };
	int status = with_terminal(bodies[_i]);

	/* And the process still dies of that signal. */
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), signals[_i]);
}
END_TEST

START_TEST(what_is_no_terminal_is_left_alone)
{
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(vmm_tty_raw(p[0]), 0);
	ck_assert_int_eq(vmm_tty_raw(-1), 0);
	vmm_tty_restore();
}
END_TEST

START_TEST(errors_may_quote_the_last_error)
{
	ck_assert_int_eq(vmm_fail(EINVAL, "first %d", 1), -EINVAL);
	ck_assert_int_eq(vmm_fail(ENOMEM, "second, after: %s", vmm_error()), -ENOMEM);
	ck_assert_str_eq(vmm_error(), "second, after: first 1");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("libvmm core");
	TCase *tc = tcase_create("core");
	TCase *cpuid = tcase_create("cpuid");

	tcase_add_test(tc, bus_finds_the_range_that_holds_an_address);
	tcase_add_test(tc, bus_refuses_overlaps_and_bad_lengths);
	tcase_add_test(tc, bus_reads_ones_where_nobody_answers);
	tcase_add_test(tc, bus_passes_whole_accesses_and_splits_the_others);
	tcase_add_loop_test(tc, memory_is_reached_only_within_a_slot, 0, ROWS(memory_rows));
	tcase_add_test(tc, memory_of_a_bad_size_is_refused);
	tcase_add_test(tc, memory_slots_do_not_overlap_and_do_not_run_over);
	tcase_add_test(tc, loop_calls_handlers_until_it_is_stopped);
	tcase_add_loop_test(tc, escapes_are_filtered, 0, NR_ESCAPES);
	tcase_add_test(tc, terminal_is_restored_by_exit);
	tcase_add_loop_test(tc, terminal_is_restored_by_a_fatal_signal, 0, 3);
	tcase_add_test(tc, what_is_no_terminal_is_left_alone);
	tcase_add_test(tc, errors_may_quote_the_last_error);
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(cpuid, cpuid_setup, cpuid_teardown);
	tcase_add_test(cpuid, cpuid_tells_each_vcpu_its_apic_id_and_topology);
	tcase_add_test(cpuid, cpuid_tells_the_tsc_frequency);
	tcase_add_test(cpuid, cpuid_of_amd_has_its_own_topology);
	tcase_add_test(cpuid, cpuid_without_topoext_has_no_topoext_leaves);
	tcase_add_test(cpuid, cpuid_table_that_is_full_stays_within_bounds);
	suite_add_tcase(s, cpuid);
	return run_suite(s);
}
