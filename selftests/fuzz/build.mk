# SPDX-License-Identifier: GPL-2.0-only
# The fuzzers, which want clang and are not part of make check: make fuzz [FUZZ_SECONDS=60].

.PHONY: fuzz fuzz-emul
fuzz: fuzz-emul fuzz-boot

fuzz-emul: $(B)/fuzz/emul_fuzz
	@mkdir -p $(B)/fuzz/emul-corpus
	$< -max_total_time=$(or $(FUZZ_SECONDS),60) $(B)/fuzz/emul-corpus
