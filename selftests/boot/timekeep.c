// SPDX-License-Identifier: GPL-2.0-only
/*
 * In the guest: mark the start and the end of a span of guest time, so that whoever
 * reads the console can compare it with their own clock.
 *
 *	timekeep spin SECONDS | sleep SECONDS | ticks COUNT
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void spin(double seconds)
{
	double end = now() + seconds;

	while (now() < end)
		;
}

/* COUNT expirations of a 500 us timer, each an interrupt of its own. */
static void ticks(uint64_t count)
{
	const struct itimerspec every = {
		.it_interval.tv_nsec = 500000, .it_value.tv_nsec = 500000,
	};
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	uint64_t seen = 0, n;

	if (fd < 0 || timerfd_settime(fd, 0, &every, NULL))
		exit(1);
	while (seen < count) {
		if (read(fd, &n, sizeof(n)) != sizeof(n))
			exit(1);
		seen += n;
	}
	close(fd);
}

int main(int argc, char **argv)
{
	double start;

	if (argc != 3)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	start = now();
	printf("timekeep: %s start\n", argv[1]);
	if (!strcmp(argv[1], "spin"))
		spin(atof(argv[2]));
	else if (!strcmp(argv[1], "sleep"))
		usleep(atof(argv[2]) * 1e6);
	else if (!strcmp(argv[1], "ticks"))
		ticks(atoll(argv[2]));
	else
		return 2;
	printf("timekeep: %s end %.6f\n", argv[1], now() - start);
	return 0;
}
