// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * ACPI power management: PM1 event and control blocks and the PM timer
 * (ACPI 6.4 chapter 4.8.3). The machine is always in ACPI mode; the only fixed
 * event is the carry of the 32-bit timer, every ten minutes.
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

#define PM_TIMER_HZ	3579545ULL
#define NSEC		1000000000ULL
#define CARRY_BIT	31

#define STS_TMR		0x0001
#define CNT_SCI_EN	0x0001
#define CNT_SLP_TYP(v)	((v) >> 10 & 7)
#define CNT_SLP_EN	0x2000
#define CNT_KEEP	0x1c02		/* BM_RLD, SLP_TYP */

struct vmm_acpipm {
	struct vmm_vm *vm;
	struct vmm_irq irq;
	struct vmm_loop *loop;
	int timer_fd;
	uint64_t start;		/* host nanoseconds when the timer was 0 */

	pthread_mutex_t lock;
	uint16_t en;
	uint16_t cnt;
	uint64_t carries;	/* that the guest has acknowledged */
	int level;
};

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

/* The timer without the cut to 32 bits. */
static uint64_t ticks(const struct vmm_acpipm *pm)
{
	return (unsigned __int128)(monotonic_ns() - pm->start) * PM_TIMER_HZ / NSEC;
}

static uint16_t status(const struct vmm_acpipm *pm)
{
	return ticks(pm) >> CARRY_BIT != pm->carries ? STS_TMR : 0;
}

static void update_sci(struct vmm_acpipm *pm)
{
	int level = (status(pm) & pm->en) != 0;
	struct itimerspec t = { 0 };

	if (level != pm->level) {
		pm->level = level;
		pm->irq.set(pm->irq.opaque, pm->irq.gsi, level);
	}
	if (pm->timer_fd < 0)
		return;
	if (pm->en & STS_TMR && !level) {
		uint64_t next = (ticks(pm) >> CARRY_BIT) + 1;
		uint64_t at = pm->start + 1 +
			      (unsigned __int128)(next << CARRY_BIT) * NSEC / PM_TIMER_HZ;

		t.it_value.tv_sec = at / NSEC;
		t.it_value.tv_nsec = at % NSEC;
	}
	timerfd_settime(pm->timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
}

static void timer_ready(void *opaque, uint32_t events)
{
	struct vmm_acpipm *pm = opaque;
	uint64_t n;

	(void)events;
	if (read(pm->timer_fd, &n, sizeof(n)) < 0)
		return;
	pthread_mutex_lock(&pm->lock);
	update_sci(pm);
	pthread_mutex_unlock(&pm->lock);
}

/* PM1 event block: status, then enable, two bytes each. */
static uint64_t evt_read(void *opaque, uint64_t off, unsigned int size)
{
	struct vmm_acpipm *pm = opaque;
	uint32_t v;

	(void)size;
	pthread_mutex_lock(&pm->lock);
	v = (uint32_t)pm->en << 16 | status(pm);
	pthread_mutex_unlock(&pm->lock);
	return v >> off * 8;
}

static void evt_write(void *opaque, uint64_t off, unsigned int size, uint64_t value)
{
	struct vmm_acpipm *pm = opaque;
	uint32_t mask = size == 4 ? ~0u : ((1u << size * 8) - 1) << off * 8;
	uint32_t v = (uint32_t)value << off * 8;

	pthread_mutex_lock(&pm->lock);
	if (v & mask & STS_TMR)
		pm->carries = ticks(pm) >> CARRY_BIT;
	pm->en = (pm->en & ~(mask >> 16)) | (v & mask) >> 16;
	update_sci(pm);
	pthread_mutex_unlock(&pm->lock);
}

static uint64_t cnt_read(void *opaque, uint64_t off, unsigned int size)
{
	struct vmm_acpipm *pm = opaque;
	uint16_t v;

	(void)size;
	pthread_mutex_lock(&pm->lock);
	v = pm->cnt | CNT_SCI_EN;
	pthread_mutex_unlock(&pm->lock);
	return v >> off * 8;
}

static void cnt_write(void *opaque, uint64_t off, unsigned int size, uint64_t value)
{
	struct vmm_acpipm *pm = opaque;
	uint16_t mask = size >= 2 ? 0xffff : 0xff << off * 8;
	uint16_t v = (value << off * 8) & mask;

	pthread_mutex_lock(&pm->lock);
	pm->cnt = ((pm->cnt & ~mask) | v) & CNT_KEEP;
	v |= pm->cnt;
	pthread_mutex_unlock(&pm->lock);
	if (v & CNT_SLP_EN && CNT_SLP_TYP(v) == VMM_PC_SLP_TYP_S5)
		vmm_vm_end(pm->vm, VMM_END_POWEROFF, 0, NULL);
}

static uint64_t tmr_read(void *opaque, uint64_t off, unsigned int size)
{
	(void)size;
	return (uint32_t)ticks(opaque) >> off * 8;
}

struct vmm_acpipm *vmm_acpipm_create(struct vmm_vm *vm, const struct vmm_irq *irq)
{
	struct vmm_acpipm *pm = calloc(1, sizeof(*pm));

	if (!pm) {
		vmm_fail(ENOMEM, "no memory for ACPI power management");
		return NULL;
	}
	pm->vm = vm;
	pm->irq = *irq;
	pm->timer_fd = -1;
	pm->start = monotonic_ns();
	pthread_mutex_init(&pm->lock, NULL);
	return pm;
}

void vmm_acpipm_destroy(struct vmm_acpipm *pm)
{
	if (!pm)
		return;
	if (pm->timer_fd >= 0) {
		vmm_loop_del(pm->loop, pm->timer_fd);
		close(pm->timer_fd);
	}
	pthread_mutex_destroy(&pm->lock);
	free(pm);
}

int vmm_acpipm_attach(struct vmm_acpipm *pm, struct vmm_bus *pio)
{
	struct vmm_range evt = { .base = VMM_PC_PM1_EVT, .len = 4, .name = "ACPI PM1 event",
				 .opaque = pm, .read = evt_read, .write = evt_write };
	struct vmm_range cnt = { .base = VMM_PC_PM1_CNT, .len = 2, .name = "ACPI PM1 control",
				 .opaque = pm, .read = cnt_read, .write = cnt_write };
	struct vmm_range tmr = { .base = VMM_PC_PM_TMR, .len = 4, .name = "ACPI PM timer",
				 .opaque = pm, .read = tmr_read };
	int err = vmm_bus_add(pio, &evt);

	if (!err)
		err = vmm_bus_add(pio, &cnt);
	if (!err)
		err = vmm_bus_add(pio, &tmr);
	return err;
}

int vmm_acpipm_listen(struct vmm_acpipm *pm, struct vmm_loop *loop)
{
	pm->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (pm->timer_fd < 0)
		return vmm_fail(errno, "cannot make a timer for the ACPI timer: %s",
				strerror(errno));
	pm->loop = loop;
	return vmm_loop_add(loop, pm->timer_fd, EPOLLIN, timer_ready, pm);
}
