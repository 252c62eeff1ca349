# SPDX-License-Identifier: GPL-2.0-only
# The emulator's tests. Targets: $(B)/unit/emul_test, which runs anywhere; $(B)/selftests/emul_guest,
# which runs in a lab host; $(B)/fuzz/emul_fuzz (needs clang), which runs until stopped.
EMUL_SRC := $(wildcard kmod/emul/*.c)
EMUL_HDR := $(wildcard kmod/emul/*.h) $(addprefix selftests/unit/emul_,test.h native.h machine.h)
# test: main(). forms encode cpu native: against this CPU; native16, native32: in
# compatibility mode. The rest
# run on machine.
EMUL_TEST_SRC := $(addprefix selftests/unit/emul_,test.c forms.c encode.c cpu.c native.c native16.c native32.c \
		   machine.c real.c segment.c decode.c fault.c system.c string.c task.c)

check-programs: $(B)/unit/emul_test $(B)/selftests/emul_guest

$(B)/unit/emul_test: $(EMUL_TEST_SRC) $(EMUL_SRC) $(EMUL_HDR)
	@mkdir -p $(@D)
	$(CC) -g -O2 -Wall -Wextra -Werror $(EMUL_TEST_SRC) $(EMUL_SRC) \
		$(shell pkg-config --cflags --libs check) -o $@

$(B)/selftests/emul_guest: selftests/unit/emul_guest.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -static $(CFLAGS) -o $@ $< $(LDFLAGS)

$(B)/fuzz/emul_fuzz: selftests/fuzz/emul_fuzz.c $(EMUL_SRC) $(EMUL_HDR)
	@mkdir -p $(@D)
	clang -g -O1 -Wall -Wextra -Werror -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined $< $(EMUL_SRC) -o $@
