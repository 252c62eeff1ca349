// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmmctl: run virtual machines on /dev/vmm. One file per verb.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "vmmctl.h"

void complain(const char *fmt, ...)
{
	va_list ap;

	fputs("vmmctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static int verb_help(int argc, char **argv);

static int verb_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf("vmmctl %s\n", VMMCTL_VERSION);
	return STATUS_OK;
}

static const struct {
	const char *name;
	int (*fn)(int argc, char **argv);
	const char *summary;	/* NULL: another name of a verb above */
} verbs[] = {
	{ "run", verb_run, "boot a kernel in a new virtual machine" },
	{ "info", verb_info, "show the device and what it can do" },
	{ "doctor", verb_doctor, "tell what stands between this machine and running a VM" },
	{ "help", verb_help, "show this, or a verb's options: vmmctl VERB --help" },
	{ "version", verb_version, "show the version" },
	{ "--help", verb_help, NULL },
	{ "-h", verb_help, NULL },
	{ "--version", verb_version, NULL },
	{ "-V", verb_version, NULL },
};

#define NR_VERBS	(sizeof(verbs) / sizeof(verbs[0]))

static int verb_help(int argc, char **argv)
{
	size_t i;

	if (argc > 1) {
		char help[] = "--help";
		char *args[] = { argv[1], help, NULL };

		for (i = 0; i < NR_VERBS; i++) {
			if (!strcmp(verbs[i].name, argv[1]) && verbs[i].fn != verb_help &&
			    verbs[i].fn != verb_version)
				return verbs[i].fn(2, args);
		}
	}
	printf("usage: vmmctl VERB [OPTION]...\n\n");
	for (i = 0; i < NR_VERBS; i++) {
		if (verbs[i].summary)
			printf("  %-10s %s\n", verbs[i].name, verbs[i].summary);
	}
	printf("\nThe manual page vmmctl(1) has all of it.\n");
	return STATUS_OK;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2) {
		complain("no verb given; try: vmmctl help");
		return STATUS_USAGE;
	}
	for (i = 0; i < NR_VERBS; i++) {
		if (!strcmp(verbs[i].name, argv[1])) {
			int status = verbs[i].fn(argc - 1, argv + 1);

			/* A full disk under standard output is a failure too. */
			if (fflush(stdout) && status == STATUS_OK)
				status = STATUS_SETUP;
			return status;
		}
	}
	complain("unknown verb '%s'; try: vmmctl help", argv[1]);
	return STATUS_USAGE;
}
