# SPDX-License-Identifier: GPL-2.0-only
# The ABI tests. Linked statically at a fixed address: guests run functions of the program, see lib.h.

ABI_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -fno-pie -mno-red-zone -fcf-protection=none \
	      -fno-stack-protector -fno-tree-loop-distribute-patterns -pthread
ABI_LDFLAGS := -static -no-pie -Wl,-z,norelro -pthread
ABI_SRC := abi compare lib system state memory guest irq pv pv_apf host optin more mmio many race

check-programs: $(B)/abi/abi $(B)/abi/hostile $(B)/abi/life $(B)/abi/bringup

$(B)/abi/%.o: selftests/abi/%.c selftests/abi/lib.h
	@mkdir -p $(@D)
	$(CC) $(ABI_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/abi/abi: $(ABI_SRC:%=$(B)/abi/%.o)
	$(CC) $(ABI_LDFLAGS) $(CFLAGS) -o $@ $^ $(LDFLAGS)

$(B)/abi/hostile: $(B)/abi/hostile.o $(B)/abi/lib.o
	$(CC) $(ABI_LDFLAGS) $(CFLAGS) -o $@ $^ $(LDFLAGS)

$(B)/abi/life: $(B)/abi/life.o $(B)/abi/lib.o
	$(CC) $(ABI_LDFLAGS) $(CFLAGS) -o $@ $^ $(LDFLAGS)

BRINGUP_SRC := selftests/abi/bringup.c \
	       $(patsubst %,selftests/abi/bringup_%.c,vm real system event debug exit)

$(B)/abi/bringup: $(BRINGUP_SRC) selftests/abi/bringup.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -static $(CFLAGS) -o $@ $(BRINGUP_SRC) $(LDFLAGS)

-include $(wildcard $(B)/abi/*.d)
