// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvmm's PC devices through their ports, and the ACPI tables that describe
 * them.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <vmm/acpi.h>
#include <vmm/error.h>
#include <vmm/pc.h>
#include <zlib.h>
#include "run_suite.h"

static struct vmm_bus pio, mmio;
static int level;
static unsigned int rises;

static void irq_set(void *opaque, unsigned int gsi, int l)
{
	(void)opaque;
	(void)gsi;
	rises += l && !level;
	level = l;
}

static const struct vmm_irq irq = { irq_set, NULL, 4 };

static void out8(uint16_t port, uint8_t v)
{
	vmm_bus_access(&pio, port, &v, 1, true);
}

static uint8_t in8(uint16_t port)
{
	uint8_t v;

	vmm_bus_access(&pio, port, &v, 1, false);
	return v;
}

/* ---- UART ------------------------------------------------------------------------- */

#define COM(r)	(VMM_PC_COM1 + (r))

static struct vmm_uart *uart;
static char sent[4096];
static size_t nr_sent;

static void on_output(void *opaque, const uint8_t *data, size_t len)
{
	(void)opaque;
	memcpy(sent + nr_sent, data, len);
	nr_sent += len;
}

static void uart_setup(void)
{
	level = rises = nr_sent = 0;
	memset(&pio, 0, sizeof(pio));
	uart = vmm_uart_create(&irq, on_output, NULL);
	ck_assert_int_eq(vmm_uart_attach(uart, &pio, VMM_PC_COM1), 0);
}

static void uart_teardown(void)
{
	vmm_uart_destroy(uart);
	vmm_bus_destroy(&pio);
}

static size_t type(const char *s)
{
	return vmm_uart_input(uart, (const uint8_t *)s, strlen(s));
}

START_TEST(uart_sends_what_is_written)
{
	out8(COM(0), 'h');
	out8(COM(0), 'i');
	ck_assert_uint_eq(nr_sent, 2);
	ck_assert_mem_eq(sent, "hi", 2);
	ck_assert_uint_eq(in8(COM(5)), 0x60);
}
END_TEST

START_TEST(uart_registers_keep_their_bits)
{
	out8(COM(3), 0x83);
	out8(COM(0), 0x0c);
	out8(COM(1), 0x01);
	ck_assert_uint_eq(in8(COM(0)), 0x0c);
	ck_assert_uint_eq(in8(COM(1)), 0x01);
	ck_assert_uint_eq(nr_sent, 0);
	out8(COM(3), 0x03);
	ck_assert_uint_eq(in8(COM(1)), 0);
	out8(COM(1), 0xff);
	ck_assert_uint_eq(in8(COM(1)), 0x0f);
	out8(COM(1), 0);
	out8(COM(7), 0xa5);
	ck_assert_uint_eq(in8(COM(7)), 0xa5);
	out8(COM(4), 0xff);
	ck_assert_uint_eq(in8(COM(4)), 0x1f);
	ck_assert_uint_eq(in8(COM(3)), 0x03);
}
END_TEST

START_TEST(uart_fifo_shows_in_iir)
{
	ck_assert_uint_eq(in8(COM(2)), 0x01);
	out8(COM(2), 0x01);
	ck_assert_uint_eq(in8(COM(2)), 0xc1);
	out8(COM(2), 0x00);
	ck_assert_uint_eq(in8(COM(2)), 0x01);
}
END_TEST

START_TEST(uart_empty_transmitter_interrupts_once)
{
	out8(COM(1), 0x02);
	ck_assert_int_eq(level, 1);
	ck_assert_uint_eq(in8(COM(2)), 0x02);
	/* Reading it is the acknowledgement. */
	ck_assert_int_eq(level, 0);
	ck_assert_uint_eq(in8(COM(2)), 0x01);
	out8(COM(0), 'x');
	ck_assert_int_eq(level, 1);
	ck_assert_uint_eq(rises, 2);
	/* Reading it while something more urgent shows is none. */
	out8(COM(4), 0x08);
	out8(COM(1), 0x03);
	ck_assert_uint_eq(type("a"), 1);
	ck_assert_uint_eq(in8(COM(2)), 0x04);
	ck_assert_uint_eq(in8(COM(0)), 'a');
	ck_assert_uint_eq(in8(COM(2)), 0x02);
}
END_TEST

START_TEST(uart_takes_no_more_than_the_fifo_holds)
{
	unsigned int i;

	out8(COM(2), 0xc1);	/* FIFO, trigger at 14 */
	out8(COM(4), 0x0b);
	out8(COM(1), 0x01);
	ck_assert_uint_eq(type("abcdefghijklmnopqrstuvwxyz"), 16);
	ck_assert_int_eq(level, 1);
	ck_assert_uint_eq(in8(COM(2)), 0xc4);
	for (i = 0; i < 16; i++) {
		ck_assert_uint_eq(in8(COM(5)) & 1, 1);
		ck_assert_uint_eq(in8(COM(0)), 'a' + i);
		/* Below the trigger it is the time-out that interrupts. */
		if (i == 5)
			ck_assert_uint_eq(in8(COM(2)), 0xcc);
	}
	ck_assert_uint_eq(in8(COM(5)) & 1, 0);
	ck_assert_int_eq(level, 0);
	ck_assert_uint_eq(in8(COM(0)), 0);
}
END_TEST

START_TEST(uart_input_waits_until_somebody_listens)
{
	unsigned int i;

	ck_assert_uint_eq(type("abc"), 0);
	/* A probe that sets all enable bits does not listen: OUT2 is off. */
	out8(COM(1), 0x0f);
	ck_assert_uint_eq(type("abc"), 0);
	out8(COM(1), 0);
	/* A guest that polls does. */
	for (i = 0; i < 8; i++)
		in8(COM(5));
	ck_assert_uint_eq(type("abc"), 1);
	ck_assert_uint_eq(in8(COM(0)), 'a');
}
END_TEST

START_TEST(uart_clears_its_fifo_when_told)
{
	out8(COM(4), 0x08);
	out8(COM(1), 0x01);
	out8(COM(2), 0x01);
	ck_assert_uint_eq(type("abc"), 3);
	out8(COM(2), 0x03);
	ck_assert_uint_eq(in8(COM(5)) & 1, 0);
	ck_assert_int_eq(level, 0);
}
END_TEST

START_TEST(uart_loops_back)
{
	out8(COM(4), 0x10);
	out8(COM(0), 'z');
	ck_assert_uint_eq(nr_sent, 0);
	ck_assert_uint_eq(in8(COM(0)), 'z');
	/* The modem outputs come back as inputs, crossed. */
	ck_assert_uint_eq(in8(COM(6)) & 0xf0, 0);
	out8(COM(4), 0x1f);
	ck_assert_uint_eq(in8(COM(6)) & 0xf0, 0xf0);
	out8(COM(4), 0x1a);
	ck_assert_uint_eq(in8(COM(6)) & 0xf0, 0x90);
	/* Without a FIFO the second byte overruns the first. */
	out8(COM(0), '1');
	out8(COM(0), '2');
	ck_assert_uint_eq(in8(COM(5)) & 0x03, 0x03);
	ck_assert_uint_eq(in8(COM(5)) & 0x02, 0);
	out8(COM(4), 0x00);
	ck_assert_uint_eq(in8(COM(6)) & 0xf0, 0xb0);
}
END_TEST

START_TEST(uart_survives_any_access)
{
	uint32_t s = 1;
	int i;

	for (i = 0; i < 200000; i++) {
		s = s * 1664525 + 1013904223;
		if (s >> 31)
			out8(COM(s >> 28 & 7), s >> 8);
		else
			in8(COM(s >> 28 & 7));
		if ((s >> 20 & 15) == 0)
			type("0123456789abcdef0123");
		if (nr_sent > sizeof(sent) / 2)
			nr_sent = 0;
	}
}
END_TEST

/* ---- CMOS ------------------------------------------------------------------------- */

static struct vmm_cmos *cmos;

static void cmos_setup(void)
{
	level = rises = 0;
	memset(&pio, 0, sizeof(pio));
	cmos = vmm_cmos_create(&irq, VMM_HOLE_START, 3ULL << 30);
	ck_assert_int_eq(vmm_cmos_attach(cmos, &pio), 0);
}

static void cmos_teardown(void)
{
	vmm_cmos_destroy(cmos);
	vmm_bus_destroy(&pio);
}

static uint8_t rd(uint8_t reg)
{
	out8(0x70, reg);
	return in8(0x71);
}

static void wr(uint8_t reg, uint8_t v)
{
	out8(0x70, reg);
	out8(0x71, v);
}

static unsigned int bcd(uint8_t v)
{
	return (v >> 4) * 10 + (v & 0xf);
}

static time_t rtc_now(void)
{
	struct tm tm = { .tm_sec = bcd(rd(0)), .tm_min = bcd(rd(2)), .tm_hour = bcd(rd(4)),
			 .tm_mday = bcd(rd(7)), .tm_mon = bcd(rd(8)) - 1,
			 .tm_year = bcd(rd(9)) + bcd(rd(0x32)) * 100 - 1900 };

	return timegm(&tm);
}

START_TEST(rtc_tells_the_hosts_time)
{
	time_t before, told, after;
	struct tm tm;

	/* Across a second's edge the registers may be torn, as on hardware: once more. */
	do {
		before = time(NULL);
		told = rtc_now();
		after = time(NULL);
	} while (before != after);
	ck_assert_int_eq(told, before);
	gmtime_r(&before, &tm);
	ck_assert_uint_eq(rd(6), tm.tm_wday + 1);
	ck_assert_uint_eq(rd(0xd), 0x80);
}
END_TEST

static const struct {
	uint8_t century, year, month, day, hour, weekday;
} dates[] = {
	{ 0x19, 0x70, 0x01, 0x01, 0x00, 5 }, { 0x20, 0x00, 0x02, 0x29, 0x23, 3 },
	{ 0x20, 0x26, 0x11, 0x22, 0x12, 1 }, { 0x21, 0x00, 0x02, 0x28, 0x05, 1 },
	{ 0x19, 0x99, 0x12, 0x31, 0x23, 6 }, { 0x20, 0x24, 0x02, 0x29, 0x11, 5 },
	{ 0x20, 0x38, 0x01, 0x19, 0x03, 3 },
};

START_TEST(rtc_takes_a_time_and_goes_on_from_it)
{
	uint8_t b = rd(0xb);

	wr(0xb, b | 0x80);
	wr(0x32, dates[_i].century);
	wr(9, dates[_i].year);
	wr(8, dates[_i].month);
	wr(7, dates[_i].day);
	wr(4, dates[_i].hour);
	wr(2, 0x10);
	wr(0, 0x20);
	wr(0xb, b);
	ck_assert_uint_eq(rd(0x32), dates[_i].century);
	ck_assert_uint_eq(rd(9), dates[_i].year);
	ck_assert_uint_eq(rd(8), dates[_i].month);
	ck_assert_uint_eq(rd(7), dates[_i].day);
	ck_assert_uint_eq(rd(6), dates[_i].weekday);
	ck_assert_uint_eq(rd(4), dates[_i].hour);
	ck_assert_uint_eq(rd(2), 0x10);
	ck_assert_uint_le(bcd(rd(0)) - 20, 2);
}
END_TEST

START_TEST(rtc_speaks_binary_and_twelve_hours)
{
	wr(0xb, 0x82);
	wr(4, 0x15);
	wr(0xb, 0x02);
	ck_assert_uint_eq(rd(4), 0x15);
	wr(0xb, 0x06);
	ck_assert_uint_eq(rd(4), 15);
	wr(0xb, 0x04);
	ck_assert_uint_eq(rd(4), 0x80 | 3);
	wr(0xb, 0x00);
	ck_assert_uint_eq(rd(4), 0x83);
	wr(0xb, 0x80);
	wr(4, 0x12);	/* midnight */
	wr(0xb, 0x00);
	wr(0xb, 0x02);
	ck_assert_uint_eq(rd(4), 0x00);
}
END_TEST

START_TEST(rtc_flags_are_cleared_by_reading)
{
	struct timespec t = { .tv_sec = 1, .tv_nsec = 100000000 };

	rd(0xc);
	nanosleep(&t, NULL);
	ck_assert_uint_eq(rd(0xc) & 0x10, 0x10);
	ck_assert_uint_eq(rd(0xc), 0);
	/* A periodic interrupt does not exist, and says so. */
	wr(0xb, 0x42);
	ck_assert_uint_eq(rd(0xb), 0x02);
}
END_TEST

START_TEST(cmos_tells_memory_sizes)
{
	ck_assert_uint_eq(rd(0x15) | rd(0x16) << 8, 640);
	ck_assert_uint_eq(rd(0x17) | rd(0x18) << 8, 63 << 10);
	ck_assert_uint_eq(rd(0x34) | rd(0x35) << 8, (VMM_HOLE_START - (16 << 20)) >> 16);
	ck_assert_uint_eq(rd(0x5b) | rd(0x5c) << 8 | rd(0x5d) << 16, (3ULL << 30) >> 16);
	/* Plain memory elsewhere; bit 7 of the index is the NMI mask. */
	wr(0x40, 0x77);
	ck_assert_uint_eq(rd(0xc0), 0x77);
}
END_TEST

/* ---- ACPI power management ------------------------------------------------------------ */

static struct vmm_vm vm;

static void vm_setup(void)
{
	memset(&vm, 0, sizeof(vm));
	memset(&pio, 0, sizeof(pio));
	pthread_mutex_init(&vm.end_lock, NULL);
	vm.loop = vmm_loop_create();
	vm.fd = -1;
	level = rises = 0;
}

static void vm_teardown(void)
{
	vmm_loop_destroy(vm.loop);
	vmm_bus_destroy(&pio);
}

START_TEST(acpi_power_off_ends_the_vm)
{
	struct vmm_acpipm *pm = vmm_acpipm_create(&vm, &irq);
	uint16_t v;

	ck_assert_int_eq(vmm_acpipm_attach(pm, &pio), 0);
	vmm_bus_access(&pio, VMM_PC_PM1_CNT, &v, 2, false);
	ck_assert_uint_eq(v & 1, 1);
	/* The type alone, or another type, or another bit: nothing. */
	v = VMM_PC_SLP_TYP_S5 << 10;
	vmm_bus_access(&pio, VMM_PC_PM1_CNT, &v, 2, true);
	v = 0x2000 | 1 << 10;
	vmm_bus_access(&pio, VMM_PC_PM1_CNT, &v, 2, true);
	ck_assert_int_eq(vmm_vm_ended(&vm), VMM_END_NONE);
	v = 0x2000 | VMM_PC_SLP_TYP_S5 << 10;
	vmm_bus_access(&pio, VMM_PC_PM1_CNT, &v, 2, true);
	ck_assert_int_eq(vmm_vm_ended(&vm), VMM_END_POWEROFF);
	vmm_acpipm_destroy(pm);
}
END_TEST

START_TEST(acpi_timer_runs_at_its_frequency)
{
	struct timespec t = { .tv_nsec = 50000000 }, a, b;
	struct vmm_acpipm *pm = vmm_acpipm_create(&vm, &irq);
	uint32_t t0 = 0, t1 = 0;
	double secs;

	ck_assert_int_eq(vmm_acpipm_attach(pm, &pio), 0);
	clock_gettime(CLOCK_MONOTONIC, &a);
	vmm_bus_access(&pio, VMM_PC_PM_TMR, &t0, 4, false);
	nanosleep(&t, NULL);
	vmm_bus_access(&pio, VMM_PC_PM_TMR, &t1, 4, false);
	clock_gettime(CLOCK_MONOTONIC, &b);
	secs = (b.tv_sec - a.tv_sec) + (b.tv_nsec - a.tv_nsec) / 1e9;
	ck_assert_uint_le(t1 - t0, secs * 3579545 + 1);
	ck_assert_uint_ge(t1 - t0, 0.05 * 3579545);
	vmm_acpipm_destroy(pm);
}
END_TEST

START_TEST(acpi_event_registers_take_any_size)
{
	struct vmm_acpipm *pm = vmm_acpipm_create(&vm, &irq);
	uint32_t v = 0xffffffff;
	uint8_t b = 0x12;

	ck_assert_int_eq(vmm_acpipm_attach(pm, &pio), 0);
	vmm_bus_access(&pio, VMM_PC_PM1_EVT, &v, 4, true);
	vmm_bus_access(&pio, VMM_PC_PM1_EVT, &v, 4, false);
	/* No event has happened, all are enabled. */
	ck_assert_uint_eq(v, 0xffff0000);
	vmm_bus_access(&pio, VMM_PC_PM1_EVT + 3, &b, 1, true);
	vmm_bus_access(&pio, VMM_PC_PM1_EVT + 2, &v, 2, false);
	ck_assert_uint_eq(v & 0xffff, 0x12ff);
	ck_assert_int_eq(level, 0);
	vmm_acpipm_destroy(pm);
}
END_TEST

/* ---- the VM's end --------------------------------------------------------------------- */

START_TEST(the_first_end_stays)
{
	vmm_vm_end(&vm, VMM_END_CRASH, 0, "first %d", 1);
	vmm_vm_end(&vm, VMM_END_POWEROFF, 5, "second");
	ck_assert_int_eq(vmm_vm_ended(&vm), VMM_END_CRASH);
	ck_assert_int_eq(vmm_vm_end_code(&vm), 0);
	ck_assert_str_eq(vmm_vm_end_detail(&vm), "first 1");
	/* It stopped the loop. */
	ck_assert_int_eq(vmm_loop_run(vm.loop), 0);
}
END_TEST

static const struct {
	uint16_t port;
	uint32_t value;
	unsigned int size;
	enum vmm_end end;
	int code;
} ends[] = {
	{ 0x64, 0xfe, 1, VMM_END_RESET, 0 },
	{ 0x64, 0xfd, 1, VMM_END_NONE, 0 },
	{ 0xcf9, 0x06, 1, VMM_END_RESET, 0 },
	{ 0xcf9, 0x0e, 1, VMM_END_RESET, 0 },
	{ 0xcf9, 0x02, 1, VMM_END_NONE, 0 },
	{ 0xcf8, 0x80000000, 4, VMM_END_NONE, 0 },
	{ 0xcf8, 0xffffffff, 4, VMM_END_NONE, 0 },
	{ 0xf4, 0, 4, VMM_END_DEBUG_EXIT, 1 },
	{ 0xf4, 1, 1, VMM_END_DEBUG_EXIT, 3 },
	{ 0xf4, 0x7f, 4, VMM_END_DEBUG_EXIT, 0xff },
	{ 0x505, 4, 1, VMM_END_POWEROFF, 0 },
	{ 0x505, 2, 1, VMM_END_NONE, 0 },
	{ 0x80, 0xff, 1, VMM_END_NONE, 0 },
};

START_TEST(a_port_write_ends_the_vm_as_it_should)
{
	struct vmm_console *console = vmm_console_create(&vm, -1, STDOUT_FILENO);
	struct vmm_pc_config config = { .debug_exit = 0xf4, .console = console };
	struct vmm_pc *pc;
	uint32_t v = ends[_i].value;

	ck_assert_int_eq(vmm_memory_create(&vm.mem, 16 << 20, 0, NULL), 0);
	pc = vmm_pc_create(&vm, &config);
	ck_assert_msg(pc != NULL, "%s", vmm_error());
	vmm_bus_access(&vm.pio, ends[_i].port, &v, ends[_i].size, true);
	ck_assert_int_eq(vmm_vm_ended(&vm), ends[_i].end);
	ck_assert_int_eq(vmm_vm_end_code(&vm), ends[_i].code);
	vmm_pc_destroy(pc);
	vmm_console_destroy(console);
	vmm_bus_destroy(&vm.pio);
	vmm_bus_destroy(&vm.mmio);
	vmm_memory_destroy(&vm.mem);
}
END_TEST

START_TEST(a_reset_after_a_panic_is_a_crash)
{
	struct vmm_console *console = vmm_console_create(&vm, -1, STDOUT_FILENO);
	struct vmm_pc_config config = { .console = console };
	struct vmm_pc *pc;
	uint8_t v = 1;

	ck_assert_int_eq(vmm_memory_create(&vm.mem, 16 << 20, 0, NULL), 0);
	pc = vmm_pc_create(&vm, &config);
	ck_assert_ptr_nonnull(pc);
	vmm_bus_access(&vm.pio, VMM_PC_PVPANIC, &v, 1, true);
	ck_assert_int_eq(vmm_vm_ended(&vm), VMM_END_NONE);
	if (_i) {
		v = 6;
		vmm_bus_access(&vm.pio, VMM_PC_RESET, &v, 1, true);
	} else {
		/* It never resets: the grace is over after a second. */
		ck_assert_int_eq(vmm_loop_run(vm.loop), 0);
	}
	ck_assert_int_eq(vmm_vm_ended(&vm), VMM_END_CRASH);
	vmm_pc_destroy(pc);
	vmm_console_destroy(console);
	vmm_bus_destroy(&vm.pio);
	vmm_bus_destroy(&vm.mmio);
	vmm_memory_destroy(&vm.mem);
}
END_TEST

START_TEST(piped_input_reaches_the_guest_whole)
{
	struct vmm_console *console;
	struct vmm_pc_config config = { .debug_exit = 0 };
	char name[] = "/tmp/libvmm-console-XXXXXX";
	int fd = mkstemp(name), out[2], i, got = 0;
	struct vmm_pc *pc;
	uint8_t v;

	/* A regular file, larger than every buffer on the way. */
	unlink(name);
	for (i = 0; i < 20000; i++) {
		v = i * 31;
		ck_assert_int_eq(write(fd, &v, 1), 1);
	}
	lseek(fd, 0, SEEK_SET);
	ck_assert_int_eq(pipe(out), 0);
	console = vmm_console_create(&vm, fd, out[1]);
	config.console = console;
	ck_assert_int_eq(vmm_memory_create(&vm.mem, 16 << 20, 0, NULL), 0);
	vm.vcpus = NULL;
	pc = vmm_pc_create(&vm, &config);
	ck_assert_msg(pc != NULL, "%s", vmm_error());
	/* A guest that polls, and a loop that is turned once for each look. */
	while (got < 20000) {
		uint8_t lsr;

		vmm_bus_access(&vm.pio, COM(5), &lsr, 1, false);
		if (lsr & 1) {
			vmm_bus_access(&vm.pio, COM(0), &v, 1, false);
			ck_assert_uint_eq(v, (uint8_t)(got * 31));
			got++;
		} else {
			ck_assert_int_ge(vmm_loop_once(vm.loop, 0), 0);
		}
	}
	vmm_pc_destroy(pc);
	vmm_console_destroy(console);
	vmm_bus_destroy(&vm.pio);
	vmm_bus_destroy(&vm.mmio);
	vmm_memory_destroy(&vm.mem);
}
END_TEST

/* ---- error records ---------------------------------------------------------------------- */

#define ERST	0xfeb00000ULL

static struct vmm_erst *erst;
static uint8_t range[VMM_ERST_RANGE_SIZE];
static char panic[256];
static int panics;

static void on_panic(void *opaque, const char *message)
{
	(void)opaque;
	panics++;
	snprintf(panic, sizeof(panic), "%s", message);
}

static void erst_setup(void)
{
	memset(&mmio, 0, sizeof(mmio));
	memset(range, 0, sizeof(range));
	panics = 0;
	panic[0] = 0;
	erst = vmm_erst_create(range, 0x1000, on_panic, NULL);
	ck_assert_int_eq(vmm_erst_attach(erst, &mmio, ERST), 0);
}

static void erst_teardown(void)
{
	vmm_erst_destroy(erst);
	vmm_bus_destroy(&mmio);
}

static uint64_t act(enum vmm_erst_action action)
{
	uint32_t a = action;
	uint64_t v;

	vmm_bus_access(&mmio, ERST + VMM_ERST_ACTION, &a, 4, true);
	vmm_bus_access(&mmio, ERST + VMM_ERST_VALUE, &v, 8, false);
	return v;
}

static void act_with(enum vmm_erst_action action, uint64_t v)
{
	vmm_bus_access(&mmio, ERST + VMM_ERST_VALUE, &v, 8, true);
	act(action);
}

/* Write a record as the ACPI specification's steps say. Return: the status. */
static uint64_t write_record(uint64_t id, const void *text, uint32_t len, uint64_t offset)
{
	uint32_t total = 200 + len;
	uint64_t status;

	if (offset + total <= sizeof(range)) {
		memcpy(range + offset, "CPER", 4);
		memcpy(range + offset + 20, &total, 4);
		memcpy(range + offset + 96, &id, 8);
		memcpy(range + offset + 200, text, len);
	}
	act(VMM_ERST_BEGIN_WRITE);
	act_with(VMM_ERST_SET_RECORD_OFFSET, offset);
	act(VMM_ERST_EXECUTE);
	ck_assert_uint_eq(act(VMM_ERST_CHECK_BUSY), 0);
	status = act(VMM_ERST_GET_STATUS) >> 1;
	act(VMM_ERST_END);
	return status;
}

static const char panic_text[] =
	"Panic#1 Part1\n<4>[    1.0] hello\n<0>[    2.0] Kernel panic - not syncing: boom\n<4>x";

START_TEST(records_are_kept_read_and_cleared)
{
	ck_assert_uint_eq(act(VMM_ERST_GET_RANGE), 0x1000);
	ck_assert_uint_eq(act(VMM_ERST_GET_RANGE_LENGTH), sizeof(range));
	ck_assert_uint_eq(act(VMM_ERST_GET_RECORD_ID), UINT64_MAX);
	ck_assert_uint_eq(write_record(7, "Oops#1 Part1\nx", 14, 0), 0);
	ck_assert_uint_eq(write_record(8, "other", 5, 64), 0);
	ck_assert_uint_eq(act(VMM_ERST_GET_RECORD_COUNT), 2);
	ck_assert_uint_eq(act(VMM_ERST_GET_RECORD_ID), 7);
	ck_assert_uint_eq(act(VMM_ERST_GET_RECORD_ID), 8);
	memset(range, 0, sizeof(range));
	act(VMM_ERST_BEGIN_READ);
	act_with(VMM_ERST_SET_RECORD_OFFSET, 0);
	act_with(VMM_ERST_SET_RECORD_ID, 7);
	act(VMM_ERST_EXECUTE);
	ck_assert_uint_eq(act(VMM_ERST_GET_STATUS), 0);
	ck_assert_mem_eq(range + 200, "Oops#1 Part1\nx", 14);
	act(VMM_ERST_BEGIN_CLEAR);
	act_with(VMM_ERST_SET_RECORD_ID, 7);
	act(VMM_ERST_EXECUTE);
	ck_assert_uint_eq(act(VMM_ERST_GET_STATUS), 0);
	act(VMM_ERST_EXECUTE);
	ck_assert_uint_eq(act(VMM_ERST_GET_STATUS) >> 1, 5);
	ck_assert_uint_eq(act(VMM_ERST_GET_RECORD_COUNT), 1);
	/* An oops that was survived is no panic. */
	ck_assert_int_eq(panics, 0);
}
END_TEST

START_TEST(a_recorded_panic_is_told_once)
{
	ck_assert_uint_eq(write_record(1, panic_text, sizeof(panic_text), 0), 0);
	ck_assert_int_eq(panics, 1);
	ck_assert_str_eq(panic, "Kernel panic - not syncing: boom");
	ck_assert_uint_eq(write_record(2, panic_text, sizeof(panic_text), 0), 0);
	ck_assert_int_eq(panics, 1);
}
END_TEST

static size_t deflated(const char *text, size_t len, uint8_t *out, size_t room)
{
	z_stream z = { 0 };

	ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, -11, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (uint8_t *)text;
	z.avail_in = len;
	z.next_out = out;
	z.avail_out = room;
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

START_TEST(a_compressed_panic_is_read)
{
	static char oops[60000];
	uint8_t out[4096];
	size_t n;

	memcpy(oops, "Oops#1 Part1\nKernel panic - not syncing: no", 44);
	memset(oops + 44, 'x', sizeof(oops) - 44);
	n = deflated(oops, sizeof(oops), out, sizeof(out));
	ck_assert_uint_eq(write_record(1, out, n, 0), 0);
	ck_assert_int_eq(panics, 0);
	n = deflated(panic_text, sizeof(panic_text), out, sizeof(out));
	ck_assert_uint_eq(write_record(2, out, n, 0), 0);
	ck_assert_int_eq(panics, 1);
	ck_assert_str_eq(panic, "Kernel panic - not syncing: boom");
}
END_TEST

START_TEST(a_panic_that_inflates_without_end_is_cut)
{
	static char bomb[4 << 20];
	static uint8_t out[16000];
	size_t n;

	memset(bomb, 'A', sizeof(bomb));
	memcpy(bomb, "Panic#1 Part1\n", 14);
	n = deflated(bomb, sizeof(bomb), out, sizeof(out));
	ck_assert_uint_eq(write_record(1, out, n, 0), 0);
	ck_assert_int_eq(panics, 1);
	ck_assert_str_eq(panic, "Kernel panic");
}
END_TEST

START_TEST(hostile_records_are_refused)
{
	static const uint32_t lens[] = { 0, 1, 127, VMM_ERST_RANGE_SIZE + 1, 0x7fffffff,
					 0xffffffff };
	static const uint64_t offsets[] = { VMM_ERST_RANGE_SIZE - 127, VMM_ERST_RANGE_SIZE,
					    UINT64_MAX, UINT64_MAX - 127, 1ULL << 32 };
	uint64_t id = 5;
	size_t i;

	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		memcpy(range + 20, &lens[i], 4);
		memcpy(range + 96, &id, 8);
		act(VMM_ERST_BEGIN_WRITE);
		act_with(VMM_ERST_SET_RECORD_OFFSET, 0);
		act(VMM_ERST_EXECUTE);
		ck_assert_uint_eq(act(VMM_ERST_GET_STATUS) >> 1, 3);
	}
	ck_assert_uint_eq(write_record(9, "x", 1, 0), 0);
	for (i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		act(VMM_ERST_BEGIN_WRITE);
		act_with(VMM_ERST_SET_RECORD_OFFSET, offsets[i]);
		act(VMM_ERST_EXECUTE);
		ck_assert_uint_eq(act(VMM_ERST_GET_STATUS) >> 1, 3);
		act(VMM_ERST_BEGIN_READ);
		act_with(VMM_ERST_SET_RECORD_ID, 9);
		act_with(VMM_ERST_SET_RECORD_OFFSET, offsets[i]);
		act(VMM_ERST_EXECUTE);
		ck_assert_uint_eq(act(VMM_ERST_GET_STATUS) >> 1, 3);
	}
	ck_assert_uint_eq(write_record(0, "x", 1, 0), 3);
	ck_assert_uint_eq(write_record(UINT64_MAX, "x", 1, 0), 3);
}
END_TEST

START_TEST(a_full_store_says_so)
{
	uint64_t id, status = 0;

	for (id = 1; id < 100 && !status; id++)
		status = write_record(id, "x", 1, 0);
	ck_assert_uint_eq(status, 1);
	/* An old id is written over. */
	ck_assert_uint_eq(write_record(1, "yy", 2, 0), 0);
}
END_TEST

/* ---- ACPI tables ------------------------------------------------------------------------- */

static uint8_t sum(const void *p, size_t len)
{
	const uint8_t *b = p;
	uint8_t s = 0;

	while (len--)
		s += *b++;
	return s;
}

static const uint8_t *table_at(struct vmm_memory *mem, uint64_t gpa)
{
	const uint8_t *t = vmm_memory_at(mem, gpa, 36);
	uint32_t len;

	ck_assert_ptr_nonnull(t);
	memcpy(&len, t + 4, 4);
	ck_assert_ptr_nonnull(vmm_memory_at(mem, gpa, len));
	return t;
}

static uint32_t u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static uint64_t u64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

static void build(struct vmm_memory *mem, unsigned int cpus, uint64_t *rsdp)
{
	struct vmm_acpi_config config = { .nr_cpus = cpus, .erst_regs = ERST };

	ck_assert_int_eq(vmm_memory_create(mem, 4 << 20, 0, NULL), 0);
	ck_assert_msg(vmm_acpi_build(mem, &config, rsdp) == 0, "%s", vmm_error());
}

START_TEST(acpi_tables_are_found_and_sum_to_zero)
{
	static const char want[] = "FACP APIC ERST ";
	struct vmm_memory mem = { .nr = 0 };
	const uint8_t *r, *x, *t;
	char found[16] = "";
	unsigned int cpus = _i ? 255 : 1, i, n;
	uint64_t rsdp;

	build(&mem, cpus, &rsdp);
	r = vmm_memory_at(&mem, rsdp, 36);
	ck_assert_uint_eq(rsdp % 16, 0);
	ck_assert_mem_eq(r, "RSD PTR ", 8);
	ck_assert_uint_eq(sum(r, 20), 0);
	ck_assert_uint_eq(sum(r, 36), 0);
	x = table_at(&mem, u64(r + 24));
	ck_assert_mem_eq(x, "XSDT", 4);
	ck_assert_uint_eq(sum(x, u32(x + 4)), 0);
	n = (u32(x + 4) - 36) / 8;
	for (i = 0; i < n; i++) {
		t = table_at(&mem, u64(x + 36 + i * 8));
		ck_assert_uint_eq(sum(t, u32(t + 4)), 0);
		strncat(found, (const char *)t, 4);
		strcat(found, " ");
		if (!memcmp(t, "FACP", 4)) {
			const uint8_t *d = table_at(&mem, u64(t + 140));

			ck_assert_mem_eq(d, "DSDT", 4);
			ck_assert_uint_eq(sum(d, u32(d + 4)), 0);
			ck_assert_uint_eq(u32(t + 40), u64(t + 140));
			ck_assert_uint_eq(u32(t + 36) % 64, 0);
			ck_assert_uint_eq(u32(t + 64), VMM_PC_PM1_CNT);
			ck_assert_uint_eq(u64(t + 120), VMM_PC_RESET);
		}
		if (!memcmp(t, "APIC", 4))
			ck_assert_uint_eq(u32(t + 4), 44 + cpus * 8 + 12 + 10 + 6);
	}
	ck_assert_str_eq(found, want);
	/* The RSDT holds the same. */
	x = table_at(&mem, u32(r + 16));
	ck_assert_mem_eq(x, "RSDT", 4);
	ck_assert_uint_eq(sum(x, u32(x + 4)), 0);
	ck_assert_uint_eq((u32(x + 4) - 36) / 4, n);
	vmm_memory_destroy(&mem);
}
END_TEST

/* iasl must read every table back, and compile its own reading of the DSDT. */
START_TEST(acpi_tables_satisfy_iasl)
{
	struct vmm_memory mem = { .nr = 0 };
	char dir[] = "/tmp/libvmm-acpi-XXXXXX", path[96], command[512], text[16384];
	const uint8_t *r, *x, *t;
	uint64_t rsdp, gpa;
	unsigned int i, n;
	size_t len;
	FILE *f;

	if (system("command -v iasl >/dev/null 2>&1") != 0) {
		fprintf(stderr, "iasl is not installed (acpica-tools): tables not read back\n");
		return;
	}
	ck_assert_ptr_nonnull(mkdtemp(dir));
	build(&mem, 4, &rsdp);
	r = vmm_memory_at(&mem, rsdp, 36);
	x = table_at(&mem, u64(r + 24));
	n = (u32(x + 4) - 36) / 8;
	for (i = 0; i <= n; i++) {
		/* The last is the DSDT, which only the FADT knows. */
		gpa = i < n ? u64(x + 36 + i * 8) :
		      u64(table_at(&mem, u64(x + 36)) + 140);
		t = table_at(&mem, gpa);
		snprintf(path, sizeof(path), "%s/%.4s.aml", dir, (const char *)t);
		f = fopen(path, "w");
		ck_assert_ptr_nonnull(f);
		ck_assert_uint_eq(fwrite(t, 1, u32(t + 4), f), u32(t + 4));
		fclose(f);
		snprintf(command, sizeof(command),
			 "cd %s && iasl -d %.4s.aml >%.4s.log 2>&1 && ! grep -iE 'error|invalid|incorrect|unknown' %.4s.log",
			 dir, (const char *)t, (const char *)t, (const char *)t);
		ck_assert_msg(system(command) == 0, "iasl -d fails on %.4s", (const char *)t);
	}
	snprintf(command, sizeof(command),
		 "cd %s && iasl -tc -p again DSDT.dsl >again.log 2>&1 && grep -q '0 Errors, 0 Warnings' again.log",
		 dir);
	ck_assert_msg(system(command) == 0, "iasl does not compile the DSDT it read");
	snprintf(path, sizeof(path), "%s/DSDT.dsl", dir);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	len = fread(text, 1, sizeof(text) - 1, f);
	text[len] = 0;
	fclose(f);
	ck_assert_ptr_nonnull(strstr(text, "PNP0501"));
	ck_assert_ptr_nonnull(strstr(text, "PNP0B00"));
	ck_assert_ptr_nonnull(strstr(text, "QEMU0001"));
	ck_assert_ptr_nonnull(strstr(text, "_S5"));
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
	vmm_memory_destroy(&mem);
}
END_TEST

#define ROWS(t)	(sizeof(t) / sizeof((t)[0]))

int main(void)
{
	Suite *s = suite_create("libvmm pc");
	TCase *u = tcase_create("uart"), *c = tcase_create("cmos"), *v = tcase_create("vm");
	TCase *e = tcase_create("erst"), *a = tcase_create("acpi");

	tcase_add_checked_fixture(u, uart_setup, uart_teardown);
	tcase_add_test(u, uart_sends_what_is_written);
	tcase_add_test(u, uart_registers_keep_their_bits);
	tcase_add_test(u, uart_fifo_shows_in_iir);
	tcase_add_test(u, uart_empty_transmitter_interrupts_once);
	tcase_add_test(u, uart_takes_no_more_than_the_fifo_holds);
	tcase_add_test(u, uart_input_waits_until_somebody_listens);
	tcase_add_test(u, uart_clears_its_fifo_when_told);
	tcase_add_test(u, uart_loops_back);
	tcase_add_test(u, uart_survives_any_access);
	suite_add_tcase(s, u);

	tcase_add_checked_fixture(c, cmos_setup, cmos_teardown);
	tcase_add_test(c, rtc_tells_the_hosts_time);
	tcase_add_loop_test(c, rtc_takes_a_time_and_goes_on_from_it, 0, ROWS(dates));
	tcase_add_test(c, rtc_speaks_binary_and_twelve_hours);
	tcase_add_test(c, rtc_flags_are_cleared_by_reading);
	tcase_add_test(c, cmos_tells_memory_sizes);
	suite_add_tcase(s, c);

	tcase_add_checked_fixture(v, vm_setup, vm_teardown);
	tcase_set_timeout(v, 30);
	tcase_add_test(v, acpi_power_off_ends_the_vm);
	tcase_add_test(v, acpi_timer_runs_at_its_frequency);
	tcase_add_test(v, acpi_event_registers_take_any_size);
	tcase_add_test(v, the_first_end_stays);
	tcase_add_loop_test(v, a_port_write_ends_the_vm_as_it_should, 0, ROWS(ends));
	tcase_add_loop_test(v, a_reset_after_a_panic_is_a_crash, 0, 2);
	tcase_add_test(v, piped_input_reaches_the_guest_whole);
	suite_add_tcase(s, v);

	tcase_add_checked_fixture(e, erst_setup, erst_teardown);
	tcase_add_test(e, records_are_kept_read_and_cleared);
	tcase_add_test(e, a_recorded_panic_is_told_once);
	tcase_add_test(e, a_compressed_panic_is_read);
	tcase_add_test(e, a_panic_that_inflates_without_end_is_cut);
	tcase_add_test(e, hostile_records_are_refused);
	tcase_add_test(e, a_full_store_says_so);
	suite_add_tcase(s, e);

	tcase_add_loop_test(a, acpi_tables_are_found_and_sum_to_zero, 0, 2);
	tcase_add_test(a, acpi_tables_satisfy_iasl);
	suite_add_tcase(s, a);

	return run_suite(s);
}
