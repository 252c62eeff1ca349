# SPDX-License-Identifier: GPL-2.0-only
# The benchmark: the ABI tests' guests, measured.

check-programs: $(B)/bench/bench

$(B)/bench/bench: selftests/bench/bench.c $(B)/abi/lib.o selftests/abi/lib.h
	@mkdir -p $(@D)
	$(CC) $(ABI_CFLAGS) $(ABI_LDFLAGS) $(CFLAGS) -o $@ $< $(B)/abi/lib.o $(LDFLAGS)
