/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The terminal: raw mode that is always undone, and the Ctrl-A escapes.
 */
#ifndef VMM_TTY_H
#define VMM_TTY_H

#include <stddef.h>

/**
 * vmm_tty_raw() - put a terminal into raw mode
 * @fd: a descriptor; nothing happens when it is no terminal or not ours now
 *
 * From here until vmm_tty_restore() the old settings are also put back by
 * exit() and by a fatal signal.
 *
 * Return: 1 when raw, 0 when left alone, or a negative errno.
 */
int vmm_tty_raw(int fd);

/* Put the old settings back. Any number of times; async-signal-safe. */
void vmm_tty_restore(void);

enum vmm_tty_action {
	VMM_TTY_DATA,
	VMM_TTY_QUIT,		/* Ctrl-A x */
	VMM_TTY_HELP,		/* Ctrl-A h, Ctrl-A ?, Ctrl-A c */
};

/**
 * struct vmm_tty_escape - state of the escape filter; zero it first
 */
struct vmm_tty_escape {
	int pending;
};

/**
 * vmm_tty_filter() - feed one byte typed
 * @esc: state
 * @c: the byte
 * @out: filled with what the guest gets
 * @n: filled with how many bytes of @out are set, 0 to 2
 *
 * Ctrl-A twice sends one Ctrl-A.
 */
enum vmm_tty_action vmm_tty_filter(struct vmm_tty_escape *esc, unsigned char c,
				   unsigned char out[2], size_t *n);

#endif
