// SPDX-License-Identifier: GPL-2.0-only
/*
 * In the host: copy lines from stdin to stdout, each with the host's clock in front.
 */
#include <stdio.h>
#include <time.h>

int main(void)
{
	char line[4096];
	struct timespec t;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		clock_gettime(CLOCK_MONOTONIC, &t);
		printf("%ld.%09ld %s", (long)t.tv_sec, t.tv_nsec, line);
	}
	return 0;
}
