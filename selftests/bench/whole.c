// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs in a lab host: what a whole program costs that boots a guest.
 *
 *	whole NAME PROGRAM [ARG...]		to the guest's first user-space line, and to its end
 *	whole -m MIB NAME PROGRAM [ARG...]	memory that PROGRAM has beside the guest's MIB
 *
 * Prints "NAME...<TAB>FIGURE": the time stamp counter's, which counts instructions in a host
 * with --count, or KiB. What the guest says is copied to standard error.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#define LINE	"vmm-guest: userspace"

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list ap;

	fputs("whole: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static pid_t start(char **argv, FILE **out)
{
	int fds[2];
	pid_t child;

	if (pipe(fds) < 0)
		die("no pipe");
	child = fork();
	if (child < 0)
		die("no process");
	if (!child) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		execvp(argv[0], argv);
		die("%s cannot be run", argv[0]);
	}
	close(fds[1]);
	*out = fdopen(fds[0], "r");
	if (!*out)
		die("no memory");
	return child;
}

/* Reads until the guest's user space says something; false when it never does. */
static bool first_line(FILE *out)
{
	char text[1024];

	while (fgets(text, sizeof(text), out)) {
		if (strstr(text, LINE))
			return true;
		fputs(text, stderr);
	}
	return false;
}

static void drain(FILE *out)
{
	char text[1024];

	while (fgets(text, sizeof(text), out))
		fputs(text, stderr);
}

/* KiB resident in mappings smaller than the guest's memory. */
static unsigned long beside(pid_t pid, unsigned long guest_kib)
{
	unsigned long from, to, rss, sum = 0;
	bool guest = false;
	char path[64], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	f = fopen(path, "re");
	if (!f)
		die("no %s", path);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			guest = (to - from) >> 10 >= guest_kib;
		else if (!guest && sscanf(line, "Rss: %lu kB", &rss) == 1)
			sum += rss;
	}
	fclose(f);
	return sum;
}

/* The least of three boots: a page more or less depends on which thread got further. */
static void memory(const char *name, unsigned long guest_kib, char **argv)
{
	unsigned long least = ~0ul, kib;
	FILE *out;
	pid_t child;
	int i;

	for (i = 0; i < 3; i++) {
		child = start(argv, &out);
		if (!first_line(out))
			die("%s: the guest did not reach user space", name);
		kib = beside(child, guest_kib);
		least = kib < least ? kib : least;
		kill(child, SIGTERM);
		drain(out);
		waitpid(child, NULL, 0);
	}
	printf("%s\t%lu\n", name, least);
}

static void cost(const char *name, char **argv)
{
	uint64_t begin = __rdtsc(), first, all;
	int status = 0;
	FILE *out;
	pid_t child = start(argv, &out);

	if (!first_line(out))
		die("%s: the guest did not reach user space", name);
	first = __rdtsc() - begin;
	drain(out);
	if (waitpid(child, &status, 0) < 0 || status)
		die("%s: ended with status %#x", name, status);
	all = __rdtsc() - begin;
	printf("%s, to the first user-space line\t%lu\n", name, first);
	printf("%s, to power-off\t%lu\n", name, all);
}

int main(int argc, char **argv)
{
	alarm(20);	/* of the host's time: no boot takes a tenth of it */
	if (argc >= 5 && !strcmp(argv[1], "-m"))
		memory(argv[3], strtoul(argv[2], NULL, 10) << 10, argv + 4);
	else if (argc >= 3)
		cost(argv[1], argv + 2);
	else
		die("usage: whole [-m MIB] NAME PROGRAM [ARG...]");
	return 0;
}
