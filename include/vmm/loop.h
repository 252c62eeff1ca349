/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The event loop: one thread that waits for descriptors and calls handlers.
 */
#ifndef VMM_LOOP_H
#define VMM_LOOP_H

#include <stdint.h>

struct vmm_loop;

typedef void (*vmm_loop_fn)(void *opaque, uint32_t events);

/* Return: a loop or NULL (vmm_error() tells). */
struct vmm_loop *vmm_loop_create(void);

void vmm_loop_destroy(struct vmm_loop *loop);

/**
 * vmm_loop_add() - watch a descriptor
 * @loop: the loop
 * @fd: descriptor, still the caller's to close after vmm_loop_del()
 * @events: EPOLLIN and so on; 0 to only reserve a place
 * @fn: called in the loop's thread
 * @opaque: given to @fn
 *
 * Only before vmm_loop_run() or from within a handler.
 * Return: 0 or a negative errno; -EPERM for a regular file, which is always ready.
 */
int vmm_loop_add(struct vmm_loop *loop, int fd, uint32_t events, vmm_loop_fn fn, void *opaque);

/**
 * vmm_loop_mod() - change what is watched; from any thread
 * Return: 0 or a negative errno.
 */
int vmm_loop_mod(struct vmm_loop *loop, int fd, uint32_t events);

/* Stop watching. Only before vmm_loop_run() or from within a handler. */
void vmm_loop_del(struct vmm_loop *loop, int fd);

/**
 * vmm_loop_once() - wait for descriptors and call their handlers, once
 * @loop: the loop
 * @timeout_ms: milliseconds to wait, -1 without end
 *
 * Return: how many were ready, or a negative errno.
 */
int vmm_loop_once(struct vmm_loop *loop, int timeout_ms);

/* Run handlers until vmm_loop_stop(). Return: 0 or a negative errno. */
int vmm_loop_run(struct vmm_loop *loop);

/* Make vmm_loop_run() return; from any thread, also before it started. */
void vmm_loop_stop(struct vmm_loop *loop);

#endif
