// SPDX-License-Identifier: GPL-2.0-only
/*
 * First light: a vCPU runs a few instructions, and what KVM_RUN says is checked.
 *
 *	bringup [DEVICE [NAME]]
 *
 * Each row of the tables is one VM: a piece of guest code in real, protected or long mode, and the
 * host's side of the conversation. The same program holds on /dev/kvm and on /dev/vmm. Output is
 * TAP; exit status 0 when all passed.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include "bringup.h"

static const struct test *const tables[] = {
	bringup_real, bringup_system, bringup_event, bringup_debug, bringup_exit,
};

#define NR_TABLES	(sizeof(tables) / sizeof(tables[0]))

static void on_alarm(int sig)
{
	(void)sig;	/* KVM_RUN returns EINTR */
}

static void get_cpuid(void)
{
	unsigned int a, b, c, d;

	__cpuid(0, a, b, c, d);
	amd = b == 0x68747541 || b == 0x6f677948;	/* Auth, Hygo */
	cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));
	if (!cpuid)
		exit(2);
	cpuid->nent = 256;
	xioctl(dev, KVM_GET_SUPPORTED_CPUID, cpuid);
}

/* Row @t, the @n-th. False when it failed. */
static bool run_test(const struct test *t, unsigned int n, const char *only)
{
	struct itimerval limit = { .it_value.tv_sec = 3, .it_interval.tv_sec = 1 };
	struct vm vm;
	bool ok;

	if (only && !strstr(t->name, only)) {
		printf("ok %u - %s # SKIP\n", n, t->name);
		return true;
	}
	current = t;
	vm_create(&vm, t);
	why[0] = 0;
	skipped = false;
	/* Ends what hangs; what waits for it need not wait long. */
	if (t->waits) {
		limit.it_value.tv_sec = 0;
		limit.it_value.tv_usec = 300000;
	}
	setitimer(ITIMER_REAL, &limit, NULL);
	ok = t->host(&vm);
	memset(&limit, 0, sizeof(limit));
	setitimer(ITIMER_REAL, &limit, NULL);
	printf("%sok %u - %s%s%s\n", ok ? "" : "not ", n, t->name,
	       skipped ? " # SKIP " : "", skipped ? why : "");
	if (!ok)
		printf("# %s\n", why);
	vm_destroy(&vm);
	return ok;
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "/dev/kvm";
	const char *only = argc > 2 ? argv[2] : NULL;
	struct sigaction sa = { .sa_handler = on_alarm };
	const struct test *t;
	unsigned int i, n = 0;
	bool all = true;

	setvbuf(stdout, NULL, _IOLBF, 0);
	dev = open(path, O_RDWR | O_CLOEXEC);
	if (dev < 0) {
		printf("Bail out! %s: %s\n", path, strerror(errno));
		return 2;
	}
	sigaction(SIGALRM, &sa, NULL);
	get_cpuid();
	for (i = 0; i < NR_TABLES; i++)
		for (t = tables[i]; t->name; t++)
			n++;
	printf("1..%u\n", n);
	for (i = 0, n = 0; i < NR_TABLES; i++)
		for (t = tables[i]; t->name; t++)
			all &= run_test(t, ++n, only);
	return all ? 0 : 1;
}
