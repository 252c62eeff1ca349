# SPDX-License-Identifier: GPL-2.0-only
# The benchmark: the ABI tests' guests, measured, and whole programs.

BENCH := $(addprefix $(B)/bench/,bench whole vmlinux initrd.img)
check-programs: $(BENCH)

$(B)/bench/bench: selftests/bench/bench.c $(B)/abi/lib.o selftests/abi/lib.h
	@mkdir -p $(@D)
	$(CC) $(ABI_CFLAGS) $(ABI_LDFLAGS) $(CFLAGS) -o $@ $< $(B)/abi/lib.o $(LDFLAGS)

$(B)/bench/whole: selftests/bench/whole.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -static $(CFLAGS) -o $@ $<

$(B)/bench/vmlinux: selftests/bench/mkvmlinux $(B)/lab/6.1/release
	@mkdir -p $(@D)
	selftests/bench/mkvmlinux $(B)/lab/6.1/vmlinuz $@

# Busybox alone: about 1 MB.
$(B)/bench/initrd.img: selftests/guest/mkinitrd selftests/bench/init
	selftests/guest/mkinitrd $@ selftests/bench/init:init
