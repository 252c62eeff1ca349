// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * MC146818 real-time clock and CMOS memory behind ports 0x70 and 0x71.
 *
 * The clock tells the host's UTC plus an offset that the guest sets by writing
 * the time. Update-ended and alarm interrupts work; the periodic interrupt
 * (register A's rate) does not exist, and its enable bit reads as zero.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <vmm/error.h>
#include <vmm/pc.h>

enum {
	SECONDS = 0x00,
	SECONDS_ALARM = 0x01,
	MINUTES = 0x02,
	MINUTES_ALARM = 0x03,
	HOURS = 0x04,
	HOURS_ALARM = 0x05,
	WEEKDAY = 0x06,
	DAY = 0x07,
	MONTH = 0x08,
	YEAR = 0x09,
	REG_A = 0x0a,
	REG_B = 0x0b,
	REG_C = 0x0c,
	REG_D = 0x0d,
	BASE_MEMORY = 0x15,	/* KiB below 640 KiB */
	EXTENDED_MEMORY = 0x17,	/* KiB above 1 MiB, up to 64 MiB */
	EXTENDED_MEMORY2 = 0x30,
	CENTURY = 0x32,
	MEMORY_16M = 0x34,	/* 64 KiB units above 16 MiB, below 4 GiB */
	MEMORY_4G = 0x5b,	/* 64 KiB units above 4 GiB, three bytes */
	CMOS_SIZE = 128,
};

#define A_UIP		0x80
#define A_DIVIDER	0x20	/* a 32.768 kHz crystal: the clock runs */
#define B_24H		0x02
#define B_BINARY	0x04
#define B_UIE		0x10
#define B_AIE		0x20
#define B_PIE		0x40
#define B_SET		0x80
#define C_UF		0x10
#define C_AF		0x20
#define C_IRQF		0x80
#define D_VALID		0x80
#define HOUR_PM		0x80
#define ALARM_ANY	0xc0

#define NSEC		1000000000LL
#define SECONDS_PER_DAY	86400
#define UIP_NSEC	244000	/* UIP rises so long before an update */

struct vmm_cmos {
	struct vmm_irq irq;
	struct vmm_loop *loop;
	int timer_fd;

	pthread_mutex_t lock;
	uint8_t index;
	uint8_t ram[CMOS_SIZE];
	int64_t offset;		/* seconds, guest minus host */
	int64_t updated;	/* guest second of which C_UF and C_AF know */
	int level;
	bool armed;
};

static int64_t host_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

static uint8_t to_reg(const struct vmm_cmos *c, unsigned int v)
{
	if (c->ram[REG_B] & B_BINARY)
		return v;
	return v / 10 << 4 | v % 10;
}

static unsigned int from_reg(const struct vmm_cmos *c, uint8_t v)
{
	if (c->ram[REG_B] & B_BINARY)
		return v;
	return (v >> 4) * 10 + (v & 0xf);
}

static uint8_t hour_to_reg(const struct vmm_cmos *c, unsigned int hour)
{
	if (c->ram[REG_B] & B_24H)
		return to_reg(c, hour);
	return to_reg(c, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static unsigned int hour_from_reg(const struct vmm_cmos *c, uint8_t v)
{
	unsigned int hour;

	if (c->ram[REG_B] & B_24H)
		return from_reg(c, v);
	hour = from_reg(c, v & ~HOUR_PM) % 12;
	return v & HOUR_PM ? hour + 12 : hour;
}

/*
 * Calendar of the proleptic Gregorian years, counted from 1 March of year 0 so
 * that the leap day is a year's last. The C library's would read the time
 * zone's files, here in the middle of a guest's exit.
 */
struct date {
	int64_t year;
	unsigned int month;	/* 1 to 12 */
	unsigned int day;	/* 1 to 31 */
};

#define DAYS_TO_EPOCH	719468		/* from 1 March 0000 to 1 January 1970 */
#define DAYS_IN_ERA	146097		/* 400 years */

static struct date date_from_days(int64_t days)
{
	int64_t era, doe, yoe, doy, m;

	days += DAYS_TO_EPOCH;
	era = (days >= 0 ? days : days - (DAYS_IN_ERA - 1)) / DAYS_IN_ERA;
	doe = days - era * DAYS_IN_ERA;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	m = (5 * doy + 2) / 153;	/* months from March, of 30.6 days on average */
	return (struct date) {
		.year = yoe + era * 400 + (m >= 10),
		.month = m < 10 ? m + 3 : m - 9,
		.day = doy - (153 * m + 2) / 5 + 1,
	};
}

static int64_t days_from_date(struct date d)
{
	int64_t y = d.month <= 2 ? d.year - 1 : d.year;
	int64_t m = d.month > 2 ? d.month - 3 : d.month + 9;
	int64_t era = y / 400, yoe = y - era * 400;
	int64_t doy = (153 * m + 2) / 5 + d.day - 1;

	return era * DAYS_IN_ERA + yoe * 365 + yoe / 4 - yoe / 100 + doy - DAYS_TO_EPOCH;
}

/* Put the running time into the registers, unless the guest is setting them. */
static void latch(struct vmm_cmos *c)
{
	int64_t now = host_ns() / NSEC + c->offset;
	int64_t days = now / SECONDS_PER_DAY, secs = now % SECONDS_PER_DAY;
	struct date d;

	if (c->ram[REG_B] & B_SET)
		return;
	if (secs < 0) {
		secs += SECONDS_PER_DAY;
		days--;
	}
	d = date_from_days(days);
	c->ram[SECONDS] = to_reg(c, secs % 60);
	c->ram[MINUTES] = to_reg(c, secs / 60 % 60);
	c->ram[HOURS] = hour_to_reg(c, secs / 3600);
	/* Sunday is 1; 1 January 1970 was a Thursday. */
	c->ram[WEEKDAY] = to_reg(c, ((days + 4) % 7 + 7) % 7 + 1);
	c->ram[DAY] = to_reg(c, d.day);
	c->ram[MONTH] = to_reg(c, d.month);
	c->ram[YEAR] = to_reg(c, d.year % 100);
	c->ram[CENTURY] = to_reg(c, d.year / 100);
}

/* The guest wrote the time: from now on that is what the clock tells. */
static void adopt(struct vmm_cmos *c)
{
	struct date d = {
		.year = from_reg(c, c->ram[CENTURY]) * 100 + from_reg(c, c->ram[YEAR]),
		.month = from_reg(c, c->ram[MONTH]),
		.day = from_reg(c, c->ram[DAY]),
	};
	int64_t secs = hour_from_reg(c, c->ram[HOURS]) * 3600 +
		       from_reg(c, c->ram[MINUTES]) * 60 + from_reg(c, c->ram[SECONDS]);

	/* Nonsense from the guest gives a nonsense time, but a defined one. */
	c->offset = days_from_date(d) * SECONDS_PER_DAY + secs - host_ns() / NSEC;
}

static bool alarm_field(uint8_t alarm, uint8_t now)
{
	return (alarm & ALARM_ANY) == ALARM_ANY || alarm == now;
}

static void update_irq(struct vmm_cmos *c)
{
	int level = (c->ram[REG_C] & c->ram[REG_B] & (C_UF | C_AF)) != 0;

	if (level)
		c->ram[REG_C] |= C_IRQF;
	if (level == c->level)
		return;
	c->level = level;
	c->irq.set(c->irq.opaque, c->irq.gsi, level);
}

/* Set the flags of every second that passed; a long sleep counts as its last. */
static void tick(struct vmm_cmos *c)
{
	int64_t now = host_ns() / NSEC + c->offset;

	if (c->ram[REG_B] & B_SET || now == c->updated)
		return;
	c->updated = now;
	latch(c);
	c->ram[REG_C] |= C_UF;
	if (alarm_field(c->ram[SECONDS_ALARM], c->ram[SECONDS]) &&
	    alarm_field(c->ram[MINUTES_ALARM], c->ram[MINUTES]) &&
	    alarm_field(c->ram[HOURS_ALARM], c->ram[HOURS]))
		c->ram[REG_C] |= C_AF;
}

/* A timer runs only while an interrupt is wanted. */
static void arm(struct vmm_cmos *c)
{
	bool want = c->ram[REG_B] & (B_UIE | B_AIE) && !(c->ram[REG_B] & B_SET);
	struct itimerspec t = { 0 };

	if (c->timer_fd < 0 || want == c->armed)
		return;
	c->armed = want;
	if (want) {
		/* At each full second of the host, which is the guest's too. */
		t.it_value.tv_sec = host_ns() / NSEC + 1;
		t.it_interval.tv_sec = 1;
	}
	timerfd_settime(c->timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
}

static uint8_t read_reg(struct vmm_cmos *c, uint8_t reg)
{
	uint8_t v;

	switch (reg) {
	case SECONDS:
	case MINUTES:
	case HOURS:
	case WEEKDAY:
	case DAY:
	case MONTH:
	case YEAR:
	case CENTURY:
		latch(c);
		return c->ram[reg];
	case REG_A:
		v = c->ram[REG_A];
		if (!(c->ram[REG_B] & B_SET) && host_ns() % NSEC >= NSEC - UIP_NSEC)
			v |= A_UIP;
		return v;
	case REG_C:
		tick(c);
		v = c->ram[REG_C];
		c->ram[REG_C] = 0;
		update_irq(c);
		return v;
	case REG_D:
		return D_VALID;
	default:
		return c->ram[reg];
	}
}

static void write_reg(struct vmm_cmos *c, uint8_t reg, uint8_t v)
{
	bool was_set = c->ram[REG_B] & B_SET;

	switch (reg) {
	case SECONDS:
	case MINUTES:
	case HOURS:
	case WEEKDAY:
	case DAY:
	case MONTH:
	case YEAR:
	case CENTURY:
		latch(c);
		c->ram[reg] = v;
		/* While SET is on, the time is taken over when SET goes off. */
		if (!was_set)
			adopt(c);
		break;
	case REG_A:
		c->ram[REG_A] = v & ~A_UIP;
		break;
	case REG_B:
		latch(c);
		/* SET turns the update interrupt off (data sheet, register B). */
		if (v & B_SET)
			v &= ~B_UIE;
		c->ram[REG_B] = v & ~B_PIE;
		if (was_set && !(v & B_SET))
			adopt(c);
		/* In another format the same time has other digits. */
		latch(c);
		arm(c);
		update_irq(c);
		break;
	case REG_C:
	case REG_D:
		break;
	default:
		c->ram[reg] = v;
	}
}

static uint64_t cmos_read(void *opaque, uint64_t off, unsigned int size)
{
	struct vmm_cmos *c = opaque;
	uint8_t v;

	(void)size;
	if (off == 0)
		return 0xff;	/* the index is write-only */
	pthread_mutex_lock(&c->lock);
	v = read_reg(c, c->index);
	pthread_mutex_unlock(&c->lock);
	return v;
}

static void cmos_write(void *opaque, uint64_t off, unsigned int size, uint64_t value)
{
	struct vmm_cmos *c = opaque;

	(void)size;
	pthread_mutex_lock(&c->lock);
	if (off == 0)
		c->index = value & 0x7f;	/* bit 7 masks NMI, of which there is none */
	else
		write_reg(c, c->index, value);
	pthread_mutex_unlock(&c->lock);
}

static void put16(struct vmm_cmos *c, unsigned int reg, uint64_t value)
{
	if (value > 0xffff)
		value = 0xffff;
	c->ram[reg] = value;
	c->ram[reg + 1] = value >> 8;
}

struct vmm_cmos *vmm_cmos_create(const struct vmm_irq *irq, uint64_t ram_low, uint64_t ram_high)
{
	struct vmm_cmos *c = calloc(1, sizeof(*c));
	uint64_t ext = ram_low > 1 << 20 ? ram_low - (1 << 20) : 0;
	uint64_t high = ram_high >> 16;

	if (!c) {
		vmm_fail(ENOMEM, "no memory for the RTC");
		return NULL;
	}
	c->irq = *irq;
	c->timer_fd = -1;
	pthread_mutex_init(&c->lock, NULL);
	c->ram[REG_A] = A_DIVIDER | 6;
	c->ram[REG_B] = B_24H;
	put16(c, BASE_MEMORY, 640);
	put16(c, EXTENDED_MEMORY, ext >> 10 > 63 << 10 ? 63 << 10 : ext >> 10);
	put16(c, EXTENDED_MEMORY2, ext >> 10 > 63 << 10 ? 63 << 10 : ext >> 10);
	put16(c, MEMORY_16M, ram_low > 16 << 20 ? (ram_low - (16 << 20)) >> 16 : 0);
	if (high > 0xffffff)
		high = 0xffffff;
	put16(c, MEMORY_4G, high & 0xffff);
	c->ram[MEMORY_4G + 2] = high >> 16;
	c->updated = host_ns() / NSEC;
	return c;
}

void vmm_cmos_destroy(struct vmm_cmos *c)
{
	if (!c)
		return;
	if (c->timer_fd >= 0) {
		vmm_loop_del(c->loop, c->timer_fd);
		close(c->timer_fd);
	}
	pthread_mutex_destroy(&c->lock);
	free(c);
}

int vmm_cmos_attach(struct vmm_cmos *cmos, struct vmm_bus *pio)
{
	struct vmm_range range = {
		.base = VMM_PC_CMOS,
		.len = 2,
		.name = "RTC",
		.flags = VMM_RANGE_BYTES,
		.opaque = cmos,
		.read = cmos_read,
		.write = cmos_write,
	};

	return vmm_bus_add(pio, &range);
}

static void timer_ready(void *opaque, uint32_t events)
{
	struct vmm_cmos *c = opaque;
	uint64_t n;

	(void)events;
	if (read(c->timer_fd, &n, sizeof(n)) < 0)
		return;
	pthread_mutex_lock(&c->lock);
	tick(c);
	update_irq(c);
	pthread_mutex_unlock(&c->lock);
}

int vmm_cmos_listen(struct vmm_cmos *c, struct vmm_loop *loop)
{
	c->timer_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (c->timer_fd < 0)
		return vmm_fail(errno, "cannot make a timer for the RTC: %s", strerror(errno));
	c->loop = loop;
	return vmm_loop_add(loop, c->timer_fd, EPOLLIN, timer_ready, c);
}
