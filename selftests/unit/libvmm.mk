# SPDX-License-Identifier: GPL-2.0-only
# Unit tests of libvmm, and the fuzzer of its boot protocols (make fuzz-boot, wants clang).

LIBVMM_TESTS := boot unpack pc core

check-programs: $(LIBVMM_TESTS:%=$(B)/unit/libvmm_%_test)

$(B)/unit/libvmm_%_test: selftests/unit/libvmm_%_test.c $(B)/libvmm.a
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -pthread -Iinclude -Ilibvmm $(CFLAGS) \
		-MMD -MP -o $@ $< $(B)/libvmm.a $(LDFLAGS) $(LIBVMM_LIBS) \
		-lcheck_pic -lsubunit -lm -lrt -lutil -pthread

-include $(LIBVMM_TESTS:%=$(B)/unit/libvmm_%_test.d)

.PHONY: fuzz-boot
fuzz-boot: $(B)/fuzz/boot_fuzz
	@mkdir -p $(B)/fuzz/boot-corpus
	$< -max_total_time=$(or $(FUZZ_SECONDS),60) -max_len=16384 $(B)/fuzz/boot-corpus

$(B)/fuzz/boot_fuzz: selftests/fuzz/boot_fuzz.c $(wildcard libvmm/boot/*.[ch]) libvmm/memory.c libvmm/device.c \
		libvmm/error.c
	@mkdir -p $(@D)
	clang -std=gnu11 -O1 -g -Wall -Wextra -Werror -fsanitize=fuzzer,address,undefined \
		-Iinclude -Ilibvmm -o $@ $(filter %.c,$^) $(LIBVMM_LIBS)
