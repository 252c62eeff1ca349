// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * 16550A UART (National Semiconductor PC16550D data sheet).
 *
 * The transmitter is never busy: a byte written leaves at once, into a buffer
 * that goes out at a newline, when it is full, or two milliseconds after its
 * first byte. Two locks, so that a terminal that blocks the output (Ctrl-S)
 * never blocks the input: @lock guards the registers, @tx_lock the buffer and
 * the order of output. @tx_lock is taken alone, never within @lock.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <vmm/error.h>
#include <vmm/pc.h>

#define RX_FIFO			16
#define TX_BUFFER		1024
#define TX_DELAY_NS		2000000

enum {
	REG_DATA = 0,		/* RBR and THR; DLL when DLAB */
	REG_IER = 1,		/* DLM when DLAB */
	REG_IIR = 2,		/* FCR when written */
	REG_LCR = 3,
	REG_MCR = 4,
	REG_LSR = 5,
	REG_MSR = 6,
	REG_SCR = 7,
};

#define IER_RDI			0x01
#define IER_THRI		0x02
#define IER_RLSI		0x04
#define IER_MSI			0x08

#define IIR_NONE		0x01
#define IIR_MSI			0x00
#define IIR_THRI		0x02
#define IIR_RDI			0x04
#define IIR_RLSI		0x06
#define IIR_TIMEOUT		0x0c
#define IIR_FIFO		0xc0

#define FCR_ENABLE		0x01
#define FCR_CLEAR_RX		0x02
#define FCR_CLEAR_TX		0x04

#define LCR_DLAB		0x80

#define MCR_DTR			0x01
#define MCR_RTS			0x02
#define MCR_OUT1		0x04
#define MCR_OUT2		0x08
#define MCR_LOOP		0x10

#define LSR_DR			0x01
#define LSR_OE			0x02
#define LSR_BI			0x10
#define LSR_ERRORS		0x1e
#define LSR_THRE		0x20
#define LSR_TEMT		0x40

#define MSR_DELTA		0x0f
#define MSR_TERI		0x04
#define MSR_CTS			0x10
#define MSR_DSR			0x20
#define MSR_RI			0x40
#define MSR_DCD			0x80

/* A guest without interrupts is taken to wait for input after so many looks at LSR. */
#define POLLS_TO_LISTEN		8

struct vmm_uart {
	struct vmm_irq irq;
	void (*output)(void *opaque, const uint8_t *data, size_t len);
	void *output_opaque;
	void (*room)(void *opaque);
	void *room_opaque;
	struct vmm_loop *loop;
	int room_fd;		/* eventfd: the guest made room */
	int timer_fd;		/* timerfd: flush a partial line */

	pthread_mutex_t lock;
	uint8_t ier, lcr, mcr, lsr, msr, scr, dll, dlm, fcr;
	bool thre_pending;
	int level;
	uint8_t rx[RX_FIFO];
	unsigned int rx_head, rx_len;
	unsigned int polls;
	bool starved;		/* input was refused for want of room */

	pthread_mutex_t tx_lock;
	uint8_t tx[TX_BUFFER];
	size_t tx_len;
	bool timer_armed;
};

static unsigned int rx_size(const struct vmm_uart *u)
{
	return u->fcr & FCR_ENABLE ? RX_FIFO : 1;
}

static unsigned int rx_trigger(const struct vmm_uart *u)
{
	static const uint8_t levels[] = { 1, 4, 8, 14 };

	return u->fcr & FCR_ENABLE ? levels[u->fcr >> 6] : 1;
}

static uint8_t iir(const struct vmm_uart *u)
{
	uint8_t fifo = u->fcr & FCR_ENABLE ? IIR_FIFO : 0;

	if (u->ier & IER_RLSI && u->lsr & LSR_ERRORS)
		return IIR_RLSI | fifo;
	if (u->ier & IER_RDI && u->rx_len)
		/* No wire, no character times: what is below the trigger times out at once. */
		return (u->rx_len >= rx_trigger(u) ? IIR_RDI : IIR_TIMEOUT) | fifo;
	if (u->ier & IER_THRI && u->thre_pending)
		return IIR_THRI | fifo;
	if (u->ier & IER_MSI && u->msr & MSR_DELTA)
		return IIR_MSI | fifo;
	return IIR_NONE | fifo;
}

static void update_irq(struct vmm_uart *u)
{
	int level = !(iir(u) & IIR_NONE);

	if (level == u->level)
		return;
	u->level = level;
	u->irq.set(u->irq.opaque, u->irq.gsi, level);
}

static void rx_push(struct vmm_uart *u, uint8_t c)
{
	if (u->rx_len == rx_size(u)) {
		u->lsr |= LSR_OE;
		return;
	}
	u->rx[(u->rx_head + u->rx_len++) % RX_FIFO] = c;
	u->lsr |= LSR_DR;
}

static uint8_t rx_pop(struct vmm_uart *u)
{
	uint8_t c = 0;

	if (u->rx_len) {
		c = u->rx[u->rx_head];
		u->rx_head = (u->rx_head + 1) % RX_FIFO;
		u->rx_len--;
	}
	if (!u->rx_len)
		u->lsr &= ~LSR_DR;
	return c;
}

/*
 * Input waits until somebody listens. A driver that probes or opens the port
 * empties it, and whatever was piped in before would be lost. OUT2 is what lets
 * interrupts out of the card in a PC: who wants them sets it.
 */
static bool listening(const struct vmm_uart *u)
{
	return (u->ier & IER_RDI && u->mcr & MCR_OUT2) || u->polls >= POLLS_TO_LISTEN;
}

static size_t rx_room(const struct vmm_uart *u)
{
	return listening(u) ? rx_size(u) - u->rx_len : 0;
}

/* Called with the lock held after anything that may have made room. */
static void rx_wake(struct vmm_uart *u)
{
	uint64_t one = 1;

	if (!u->starved || !rx_room(u))
		return;
	u->starved = false;
	/* Fails only when the loop has not yet taken earlier wakes: it will look. */
	if (write(u->room_fd, &one, sizeof(one)) < 0)
		return;
}

/* Modem lines: a terminal that is always there, or in loopback our own outputs. */
static void update_msr(struct vmm_uart *u)
{
	uint8_t old = u->msr, now;

	if (u->mcr & MCR_LOOP)
		now = (u->mcr & MCR_RTS ? MSR_CTS : 0) | (u->mcr & MCR_DTR ? MSR_DSR : 0) |
		      (u->mcr & MCR_OUT1 ? MSR_RI : 0) | (u->mcr & MCR_OUT2 ? MSR_DCD : 0);
	else
		now = MSR_CTS | MSR_DSR | MSR_DCD;
	u->msr = now | (old & MSR_DELTA) | ((old ^ now) & (MSR_CTS | MSR_DSR | MSR_DCD)) >> 4;
	if (old & MSR_RI && !(now & MSR_RI))
		u->msr |= MSR_TERI;
}

static void tx_send(struct vmm_uart *u)
{
	if (u->tx_len)
		u->output(u->output_opaque, u->tx, u->tx_len);
	u->tx_len = 0;
}

static void tx_push(struct vmm_uart *u, uint8_t c)
{
	pthread_mutex_lock(&u->tx_lock);
	u->tx[u->tx_len++] = c;
	if (c == '\n' || u->tx_len == TX_BUFFER || u->timer_fd < 0) {
		tx_send(u);
	} else if (!u->timer_armed) {
		struct itimerspec t = { .it_value.tv_nsec = TX_DELAY_NS };

		u->timer_armed = timerfd_settime(u->timer_fd, 0, &t, NULL) == 0;
		if (!u->timer_armed)
			tx_send(u);
	}
	pthread_mutex_unlock(&u->tx_lock);
}

static void write_fcr(struct vmm_uart *u, uint8_t v)
{
	/*
	 * The data sheet empties the FIFO when it is switched on or off, too. Linux
	 * switches it on after the receive interrupt, and a byte piped in between
	 * would be lost: here only the clear bit empties it.
	 */
	if (v & FCR_CLEAR_RX) {
		u->rx_len = 0;
		u->lsr &= ~LSR_DR;
	}
	u->fcr = v & FCR_ENABLE ? v & 0xc9 : 0;
}

static void write_ier(struct vmm_uart *u, uint8_t v)
{
	/* The empty transmitter asks as soon as it may (data sheet 8.7). */
	if (v & IER_THRI && !(u->ier & IER_THRI))
		u->thre_pending = true;
	u->ier = v & 0x0f;
}

static void uart_write(void *opaque, uint64_t reg, unsigned int size, uint64_t value)
{
	struct vmm_uart *u = opaque;
	uint8_t v = value;
	bool send = false;

	(void)size;
	pthread_mutex_lock(&u->lock);
	if (reg != REG_LSR)
		u->polls = 0;
	switch (reg) {
	case REG_DATA:
		if (u->lcr & LCR_DLAB) {
			u->dll = v;
			break;
		}
		u->thre_pending = true;
		if (u->mcr & MCR_LOOP)
			rx_push(u, v);
		else
			send = true;
		break;
	case REG_IER:
		if (u->lcr & LCR_DLAB)
			u->dlm = v;
		else
			write_ier(u, v);
		break;
	case REG_IIR:
		write_fcr(u, v);
		break;
	case REG_LCR:
		u->lcr = v;
		break;
	case REG_MCR:
		u->mcr = v & 0x1f;
		update_msr(u);
		break;
	case REG_SCR:
		u->scr = v;
		break;
	}
	update_irq(u);
	rx_wake(u);
	pthread_mutex_unlock(&u->lock);
	if (send)
		tx_push(u, v);
}

static uint64_t uart_read(void *opaque, uint64_t reg, unsigned int size)
{
	struct vmm_uart *u = opaque;
	uint8_t v = 0;

	(void)size;
	pthread_mutex_lock(&u->lock);
	if (reg != REG_LSR)
		u->polls = 0;
	switch (reg) {
	case REG_DATA:
		v = u->lcr & LCR_DLAB ? u->dll : rx_pop(u);
		break;
	case REG_IER:
		v = u->lcr & LCR_DLAB ? u->dlm : u->ier;
		break;
	case REG_IIR:
		v = iir(u);
		/* Reading it acknowledges the transmitter's request, if that is shown. */
		if ((v & 0x0f) == IIR_THRI)
			u->thre_pending = false;
		break;
	case REG_LCR:
		v = u->lcr;
		break;
	case REG_MCR:
		v = u->mcr;
		break;
	case REG_LSR:
		v = u->lsr | LSR_THRE | LSR_TEMT;
		u->lsr &= ~LSR_ERRORS;
		if (u->polls < POLLS_TO_LISTEN)
			u->polls++;
		break;
	case REG_MSR:
		v = u->msr;
		u->msr &= ~MSR_DELTA;
		break;
	case REG_SCR:
		v = u->scr;
		break;
	}
	update_irq(u);
	rx_wake(u);
	pthread_mutex_unlock(&u->lock);
	return v;
}

struct vmm_uart *vmm_uart_create(const struct vmm_irq *irq,
				 void (*output)(void *opaque, const uint8_t *data, size_t len),
				 void *opaque)
{
	struct vmm_uart *u = calloc(1, sizeof(*u));

	if (!u) {
		vmm_fail(ENOMEM, "no memory for a UART");
		return NULL;
	}
	u->irq = *irq;
	u->output = output;
	u->output_opaque = opaque;
	u->room_fd = -1;
	u->timer_fd = -1;
	u->dll = 1;		/* 115200 baud */
	u->msr = MSR_CTS | MSR_DSR | MSR_DCD;
	pthread_mutex_init(&u->lock, NULL);
	pthread_mutex_init(&u->tx_lock, NULL);
	return u;
}

void vmm_uart_destroy(struct vmm_uart *u)
{
	if (!u)
		return;
	vmm_uart_flush(u);
	if (u->loop) {
		if (u->room_fd >= 0)
			vmm_loop_del(u->loop, u->room_fd);
		if (u->timer_fd >= 0)
			vmm_loop_del(u->loop, u->timer_fd);
	}
	if (u->room_fd >= 0)
		close(u->room_fd);
	if (u->timer_fd >= 0)
		close(u->timer_fd);
	pthread_mutex_destroy(&u->lock);
	pthread_mutex_destroy(&u->tx_lock);
	free(u);
}

int vmm_uart_attach(struct vmm_uart *uart, struct vmm_bus *pio, uint16_t base)
{
	struct vmm_range range = {
		.base = base,
		.len = 8,
		.name = "16550A UART",
		.flags = VMM_RANGE_BYTES,
		.opaque = uart,
		.read = uart_read,
		.write = uart_write,
	};

	return vmm_bus_add(pio, &range);
}

size_t vmm_uart_input(struct vmm_uart *u, const uint8_t *data, size_t len)
{
	size_t room, i;

	pthread_mutex_lock(&u->lock);
	room = rx_room(u);
	for (i = 0; i < len && i < room; i++)
		rx_push(u, data[i]);
	u->starved = i < len;
	update_irq(u);
	pthread_mutex_unlock(&u->lock);
	return i;
}

void vmm_uart_flush(struct vmm_uart *u)
{
	pthread_mutex_lock(&u->tx_lock);
	tx_send(u);
	pthread_mutex_unlock(&u->tx_lock);
}

static void timer_ready(void *opaque, uint32_t events)
{
	struct vmm_uart *u = opaque;
	uint64_t n;

	(void)events;
	if (read(u->timer_fd, &n, sizeof(n)) < 0)
		return;
	/* Whoever holds the lock is writing: let the loop go on and come back. */
	if (pthread_mutex_trylock(&u->tx_lock)) {
		struct itimerspec t = { .it_value.tv_nsec = TX_DELAY_NS };

		timerfd_settime(u->timer_fd, 0, &t, NULL);
		return;
	}
	u->timer_armed = false;
	tx_send(u);
	pthread_mutex_unlock(&u->tx_lock);
}

static void room_ready(void *opaque, uint32_t events)
{
	struct vmm_uart *u = opaque;
	uint64_t n;

	(void)events;
	if (read(u->room_fd, &n, sizeof(n)) == sizeof(n))
		u->room(u->room_opaque);
}

int vmm_uart_listen(struct vmm_uart *u, struct vmm_loop *loop, void (*room)(void *opaque),
		    void *opaque)
{
	int err;

	u->room = room;
	u->room_opaque = opaque;
	u->loop = loop;
	u->room_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	u->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (u->room_fd < 0 || u->timer_fd < 0)
		return vmm_fail(errno, "cannot make a descriptor for the UART: %s",
				strerror(errno));
	err = vmm_loop_add(loop, u->room_fd, EPOLLIN, room_ready, u);
	if (!err)
		err = vmm_loop_add(loop, u->timer_fd, EPOLLIN, timer_ready, u);
	return err;
}
