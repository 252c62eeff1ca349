# SPDX-License-Identifier: GPL-2.0-only
# The page-table engine in user space.

MMU_TEST_SRC := selftests/unit/mmu_test.c kmod/mmu/engine.c kmod/mmu/ept.c kmod/mmu/npt.c

check-programs: $(B)/unit/mmu_test

$(B)/unit/mmu_test: $(MMU_TEST_SRC) kmod/mmu/engine.h kmod/mmu/port.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -pthread -Ikmod $(CFLAGS) -o $@ \
		$(MMU_TEST_SRC) $(LDFLAGS) -lcheck_pic -lsubunit -lm -lrt -pthread
