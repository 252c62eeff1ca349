# SPDX-License-Identifier: GPL-2.0-only
# The decision about speculative-execution countermeasures in user space.

check-programs: $(B)/unit/mitigate_test

$(B)/unit/mitigate_test: selftests/unit/mitigate_test.c kmod/mitigate.c kmod/mitigate.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -pthread -Ikmod $(CFLAGS) -o $@ \
		selftests/unit/mitigate_test.c kmod/mitigate.c \
		$(LDFLAGS) -lcheck_pic -lsubunit -lm -lrt -pthread
