# SPDX-License-Identifier: GPL-2.0-only
# Guests of a few instructions in each processor mode.

check-programs: $(B)/selftests/modes

$(B)/selftests/modes: selftests/modes/modes.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -static $(CFLAGS) -o $@ $< $(LDFLAGS)
