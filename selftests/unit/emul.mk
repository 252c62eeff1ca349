# SPDX-License-Identifier: GPL-2.0-only
# The emulator's tests. Targets: $(B)/unit/emul_test; $(B)/fuzz/emul_fuzz (needs clang).
EMUL_SRC := $(wildcard kmod/emul/*.c)
EMUL_HDR := $(wildcard kmod/emul/*.h) selftests/unit/emul_test.h
EMUL_TEST_SRC := selftests/unit/emul_test.c selftests/unit/emul_native.c \
		 selftests/unit/emul_native32.c selftests/unit/emul_modes.c

check-programs: $(B)/unit/emul_test

$(B)/unit/emul_test: $(EMUL_TEST_SRC) $(EMUL_SRC) $(EMUL_HDR)
	@mkdir -p $(@D)
	$(CC) -g -O2 -Wall -Wextra -Werror $(EMUL_TEST_SRC) $(EMUL_SRC) \
		$(shell pkg-config --cflags --libs check) -o $@

$(B)/fuzz/emul_fuzz: selftests/fuzz/emul_fuzz.c $(EMUL_SRC) $(EMUL_HDR)
	@mkdir -p $(@D)
	clang -g -O1 -Wall -Wextra -Werror -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined $< $(EMUL_SRC) -o $@
