// SPDX-License-Identifier: GPL-2.0-only
/* has DEVICE CAPABILITY: exit status 0 when the device says that it has it, 1 when not. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

int main(int argc, char **argv)
{
	int fd, answer;

	if (argc != 3) {
		fprintf(stderr, "usage: has DEVICE CAPABILITY\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		perror(argv[1]);
		return 2;
	}
	answer = ioctl(fd, KVM_CHECK_EXTENSION, atoi(argv[2]));
	if (answer < 0) {
		perror("KVM_CHECK_EXTENSION");
		return 2;
	}
	return answer > 0 ? 0 : 1;
}
