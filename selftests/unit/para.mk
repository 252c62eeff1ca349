# SPDX-License-Identifier: GPL-2.0-only
# Clock arithmetic and CPUID lookup in user space.

check-programs: $(B)/unit/para_test

$(B)/unit/para_test: selftests/unit/para_test.c kmod/para/timescale.h kmod/cpuid_lookup.h kmod/halt_poll.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -pthread -Ikmod $(CFLAGS) -o $@ \
		selftests/unit/para_test.c $(LDFLAGS) -lcheck_pic -lsubunit -lm -lrt -pthread
