// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The event loop.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <vmm/error.h>
#include <vmm/loop.h>

#define LOOP_MAX	64

struct watch {
	int fd;
	vmm_loop_fn fn;
	void *opaque;
};

struct vmm_loop {
	int epfd;
	int wakefd;
	atomic_bool stop;
	struct watch watches[LOOP_MAX];
};

static void loop_wake(void *opaque, uint32_t events)
{
	struct vmm_loop *loop = opaque;
	uint64_t n;

	(void)events;
	/* Nonblocking; only the wake itself matters. */
	if (read(loop->wakefd, &n, sizeof(n)) < 0)
		return;
}

struct vmm_loop *vmm_loop_create(void)
{
	struct vmm_loop *loop = calloc(1, sizeof(*loop));
	int i;

	if (!loop) {
		vmm_fail(ENOMEM, "no memory for the event loop");
		return NULL;
	}
	for (i = 0; i < LOOP_MAX; i++)
		loop->watches[i].fd = -1;
	loop->epfd = epoll_create1(EPOLL_CLOEXEC);
	loop->wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->epfd < 0 || loop->wakefd < 0) {
		vmm_fail(errno, "cannot create the event loop: %s", strerror(errno));
		vmm_loop_destroy(loop);
		return NULL;
	}
	if (vmm_loop_add(loop, loop->wakefd, EPOLLIN, loop_wake, loop)) {
		vmm_loop_destroy(loop);
		return NULL;
	}
	return loop;
}

void vmm_loop_destroy(struct vmm_loop *loop)
{
	if (!loop)
		return;
	if (loop->epfd >= 0)
		close(loop->epfd);
	if (loop->wakefd >= 0)
		close(loop->wakefd);
	free(loop);
}

static int loop_slot(struct vmm_loop *loop, int fd)
{
	int i;

	for (i = 0; i < LOOP_MAX; i++) {
		if (loop->watches[i].fd == fd)
			return i;
	}
	return -1;
}

int vmm_loop_add(struct vmm_loop *loop, int fd, uint32_t events, vmm_loop_fn fn, void *opaque)
{
	int i = loop_slot(loop, -1);
	struct epoll_event ev = { .events = events, .data.u32 = i };

	if (i < 0)
		return vmm_fail(ENOSPC, "the event loop is full");
	if (epoll_ctl(loop->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return vmm_fail(errno, "cannot watch descriptor %d: %s", fd, strerror(errno));
	loop->watches[i] = (struct watch) { .fd = fd, .fn = fn, .opaque = opaque };
	return 0;
}

int vmm_loop_mod(struct vmm_loop *loop, int fd, uint32_t events)
{
	int i = loop_slot(loop, fd);
	struct epoll_event ev = { .events = events, .data.u32 = i };

	if (i < 0)
		return vmm_fail(ENOENT, "descriptor %d is not watched", fd);
	if (epoll_ctl(loop->epfd, EPOLL_CTL_MOD, fd, &ev) < 0)
		return vmm_fail(errno, "cannot watch descriptor %d: %s", fd, strerror(errno));
	return 0;
}

void vmm_loop_del(struct vmm_loop *loop, int fd)
{
	int i = loop_slot(loop, fd);

	if (i < 0)
		return;
	epoll_ctl(loop->epfd, EPOLL_CTL_DEL, fd, NULL);
	loop->watches[i].fd = -1;
}

int vmm_loop_once(struct vmm_loop *loop, int timeout_ms)
{
	struct epoll_event ev[8];
	int i, n = epoll_wait(loop->epfd, ev, 8, timeout_ms);

	if (n < 0 && errno == EINTR)
		return 0;
	if (n < 0)
		return vmm_fail(errno, "the event loop failed: %s", strerror(errno));
	for (i = 0; i < n; i++) {
		struct watch *w = &loop->watches[ev[i].data.u32];

		/* A handler before this one may have removed it. */
		if (w->fd >= 0)
			w->fn(w->opaque, ev[i].events);
	}
	return n;
}

int vmm_loop_run(struct vmm_loop *loop)
{
	while (!atomic_load(&loop->stop)) {
		int n = vmm_loop_once(loop, -1);

		if (n < 0)
			return n;
	}
	return 0;
}

void vmm_loop_stop(struct vmm_loop *loop)
{
	uint64_t one = 1;

	atomic_store(&loop->stop, true);
	/* Fails only when the counter is full, and then the loop is awake anyway. */
	if (write(loop->wakefd, &one, sizeof(one)) < 0)
		return;
}
