// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The console between two descriptors and a UART.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <vmm/console.h>
#include <vmm/error.h>
#include <vmm/pc.h>
#include <vmm/tty.h>
#include <vmm/vm.h>

#define QUEUE	4096

struct vmm_console {
	struct vmm_vm *vm;
	struct vmm_uart *uart;
	int in_fd;
	int out_fd;
	bool terminal;
	bool watched;
	bool always_ready;	/* a regular file, which epoll does not take */
	bool out_gone;
	struct vmm_tty_escape escape;
	uint8_t queue[QUEUE];	/* typed or piped in, not yet taken by the guest */
	size_t head, len;
};

static const char help[] =
	"\r\nCtrl-A x    end the virtual machine\r\n"
	"Ctrl-A h    this help\r\n"
	"Ctrl-A Ctrl-A    send Ctrl-A\r\n";

struct vmm_console *vmm_console_create(struct vmm_vm *vm, int in_fd, int out_fd)
{
	struct vmm_console *c = calloc(1, sizeof(*c));

	if (!c) {
		vmm_fail(ENOMEM, "no memory for a console");
		return NULL;
	}
	c->vm = vm;
	c->in_fd = in_fd;
	c->out_fd = out_fd;
	c->terminal = in_fd >= 0 && isatty(in_fd);
	return c;
}

void vmm_console_destroy(struct vmm_console *c)
{
	free(c);
}

void vmm_console_output(void *opaque, const uint8_t *data, size_t len)
{
	struct vmm_console *c = opaque;

	while (len && !c->out_gone) {
		ssize_t n = write(c->out_fd, data, len);

		if (n >= 0) {
			data += n;
			len -= n;
		} else if (errno == EAGAIN) {
			/* Somebody else's descriptor, somebody else's flags: wait. */
			struct pollfd p = { .fd = c->out_fd, .events = POLLOUT };

			if (poll(&p, 1, 100) == 0 && vmm_vm_ended(c->vm))
				return;
		} else if (errno == EINTR) {
			/* A kick: a vCPU stuck at a stopped terminal is to leave. */
			if (vmm_vm_ended(c->vm))
				return;
		} else {
			/* The reader left; the guest need not know. */
			c->out_gone = true;
		}
	}
}

static void queue_put(struct vmm_console *c, const uint8_t *data, size_t len)
{
	/* Only a terminal is read beyond the room: what is typed too far ahead is lost. */
	while (len-- && c->len < QUEUE)
		c->queue[(c->head + c->len++) % QUEUE] = *data++;
}

static void queue_drain(struct vmm_console *c)
{
	while (c->len) {
		size_t run = c->head + c->len > QUEUE ? QUEUE - c->head : c->len;
		size_t n = vmm_uart_input(c->uart, c->queue + c->head, run);

		c->head = (c->head + n) % QUEUE;
		c->len -= n;
		if (n < run)
			break;
	}
}

static void take(struct vmm_console *c, const uint8_t *data, size_t len)
{
	unsigned char out[2];
	size_t n;

	if (!c->terminal) {
		queue_put(c, data, len);
		return;
	}
	for (; len; len--) {
		switch (vmm_tty_filter(&c->escape, *data++, out, &n)) {
		case VMM_TTY_DATA:
			queue_put(c, out, n);
			break;
		case VMM_TTY_HELP:
			vmm_console_output(c, (const uint8_t *)help, sizeof(help) - 1);
			break;
		case VMM_TTY_QUIT:
			vmm_vm_end(c->vm, VMM_END_KILLED, 0, "ended by Ctrl-A x");
			return;
		}
	}
}

/* Return: false when there is no more input, now or ever. */
static bool read_input(struct vmm_console *c)
{
	size_t room = c->terminal ? QUEUE : QUEUE - c->len;
	uint8_t buf[QUEUE];
	ssize_t n = read(c->in_fd, buf, room);

	if (n > 0) {
		take(c, buf, n);
		queue_drain(c);
		return true;
	}
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (c->watched)
		vmm_loop_del(c->vm->loop, c->in_fd);
	c->watched = false;
	c->in_fd = -1;
	/* A terminal that hung up leaves nobody who could end the VM. */
	if (c->terminal)
		vmm_vm_end(c->vm, VMM_END_KILLED, 0, "the terminal hung up");
	return false;
}

static void input_ready(void *opaque, uint32_t events);

/* Watch the input when there is room; not watched, a hang-up stays unseen too. */
static void watch(struct vmm_console *c)
{
	bool want = c->in_fd >= 0 && (c->terminal || c->len < QUEUE);

	while (want && c->always_ready && read_input(c))
		want = c->len < QUEUE;
	if (c->in_fd < 0 || c->always_ready || want == c->watched)
		return;
	if (!want)
		vmm_loop_del(c->vm->loop, c->in_fd);
	else if (vmm_loop_add(c->vm->loop, c->in_fd, EPOLLIN, input_ready, c) == -EPERM)
		c->always_ready = true;
	c->watched = want && !c->always_ready;
}

static void input_ready(void *opaque, uint32_t events)
{
	struct vmm_console *c = opaque;

	(void)events;
	if (read_input(c))
		watch(c);
}

static void room(void *opaque)
{
	struct vmm_console *c = opaque;

	queue_drain(c);
	watch(c);
}

int vmm_console_connect(struct vmm_console *c, struct vmm_uart *uart)
{
	int err;

	c->uart = uart;
	err = vmm_uart_listen(uart, c->vm->loop, room, c);
	if (err)
		return err;
	watch(c);
	if (c->always_ready)
		watch(c);
	return 0;
}

void vmm_console_disconnect(struct vmm_console *c)
{
	if (c->watched)
		vmm_loop_del(c->vm->loop, c->in_fd);
	c->watched = false;
	c->uart = NULL;
}
