// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Raw terminal mode and its undoing.
 *
 * Three ways out put the settings back: the caller, exit() and a fatal signal.
 * SIGKILL and SIGSTOP leave a raw terminal behind; nobody can help that.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <vmm/error.h>
#include <vmm/tty.h>

static struct termios saved;
static volatile sig_atomic_t saved_fd = -1;

static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };

void vmm_tty_restore(void)
{
	int fd = saved_fd;
	sigset_t set, old;

	if (fd < 0)
		return;
	saved_fd = -1;
	/* From the background this raises SIGTTOU, which would stop us right here. */
	sigemptyset(&set);
	sigaddset(&set, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	tcsetattr(fd, TCSADRAIN, &saved);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void fatal_handler(int sig)
{
	vmm_tty_restore();
	/* SA_RESETHAND put the default back: die of the same signal. */
	raise(sig);
}

int vmm_tty_raw(int fd)
{
	static int registered;
	struct termios raw;
	size_t i;

	if (!isatty(fd) || tcgetpgrp(fd) != getpgrp())
		return 0;
	if (tcgetattr(fd, &saved) < 0)
		return vmm_fail(errno, "cannot read the terminal's settings: %s", strerror(errno));
	raw = saved;
	cfmakeraw(&raw);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (!registered) {
		atexit(vmm_tty_restore);
		for (i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
			struct sigaction act = { .sa_handler = fatal_handler,
						 .sa_flags = SA_RESETHAND | SA_NODEFER };

			sigaction(fatal[i], &act, NULL);
		}
		registered = 1;
	}
	saved_fd = fd;
	if (tcsetattr(fd, TCSADRAIN, &raw) < 0) {
		saved_fd = -1;
		return vmm_fail(errno, "cannot put the terminal into raw mode: %s",
				strerror(errno));
	}
	return 1;
}

#define CTRL_A	0x01

enum vmm_tty_action vmm_tty_filter(struct vmm_tty_escape *esc, unsigned char c,
				   unsigned char out[2], size_t *n)
{
	*n = 0;
	if (!esc->pending) {
		if (c == CTRL_A)
			esc->pending = 1;
		else
			out[(*n)++] = c;
		return VMM_TTY_DATA;
	}
	esc->pending = 0;
	switch (c) {
	case 'x':
	case 'X':
		return VMM_TTY_QUIT;
	case 'c':
	case 'h':
	case '?':
		return VMM_TTY_HELP;
	case CTRL_A:
		out[(*n)++] = CTRL_A;
		return VMM_TTY_DATA;
	default:
		/* Not an escape after all: the guest gets both. */
		out[(*n)++] = CTRL_A;
		out[(*n)++] = c;
		return VMM_TTY_DATA;
	}
}
