// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The per-thread error sentence.
 */
#include <stdarg.h>
#include <stdio.h>
#include <vmm/error.h>

static __thread char message[1024];

int vmm_fail(int err, const char *fmt, ...)
{
	char text[sizeof(message)];
	va_list ap;

	/* By way of a second buffer: an argument may be the last message. */
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(message, sizeof(message), "%s", text);
	return -err;
}

const char *vmm_error(void)
{
	return message[0] ? message : "no error was recorded";
}
