# SPDX-License-Identifier: GPL-2.0-only
# The walk of the guest's page tables in user space, on a shim of the module.

check-programs: $(B)/unit/gwalk_test

$(B)/unit/gwalk_test: selftests/unit/gwalk_test.c kmod/mmu/gwalk.c kmod/mmu/gwalk.h \
		      selftests/unit/gwalk_shim/vmm.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -Iselftests/unit/gwalk_shim $(CFLAGS) -o $@ \
		selftests/unit/gwalk_test.c kmod/mmu/gwalk.c $(LDFLAGS) \
		$(shell pkg-config --cflags --libs check)
