/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A console: two descriptors on this side, a UART on the guest's. A terminal
 * is always read, so that its escapes work whatever the guest does; from a
 * pipe or file no more is taken than the guest can hold.
 */
#ifndef VMM_CONSOLE_H
#define VMM_CONSOLE_H

#include <stddef.h>
#include <stdint.h>
#include <vmm/loop.h>

struct vmm_console;
struct vmm_uart;
struct vmm_vm;

/**
 * vmm_console_create() - make a console
 * @vm: Ctrl-A x ends it as killed
 * @in_fd: input or -1
 * @out_fd: output
 *
 * Return: a console or NULL.
 */
struct vmm_console *vmm_console_create(struct vmm_vm *vm, int in_fd, int out_fd);

void vmm_console_destroy(struct vmm_console *console);

/**
 * vmm_console_connect() - wire it to a UART and start watching the input
 * Return: 0 or a negative errno.
 */
int vmm_console_connect(struct vmm_console *console, struct vmm_uart *uart);

/* The UART goes away. */
void vmm_console_disconnect(struct vmm_console *console);

/* Output for the UART: struct vmm_console is @opaque. */
void vmm_console_output(void *opaque, const uint8_t *data, size_t len);

#endif
