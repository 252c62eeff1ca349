# SPDX-License-Identifier: GPL-2.0-only
# The PIC, the I/O APIC and the PIT in user space, on a shim of the kernel.

IRQ_TEST_SRC := kmod/irq/pic.c kmod/irq/ioapic.c kmod/irq/pit.c
IRQ_TEST_HDR := kmod/irq/irq.h kmod/irq/internal.h selftests/unit/irq_shim/shim.h \
		selftests/unit/irq_shim/vmm.h

check-programs: $(B)/unit/irq_test

# The sources are included by the test, which looks inside.
$(B)/unit/irq_test: selftests/unit/irq_test.c $(IRQ_TEST_SRC) $(IRQ_TEST_HDR)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Werror \
		-Iselftests/unit/irq_shim -Ikmod -Ikmod/irq $(CFLAGS) -o $@ $< $(LDFLAGS) \
		$(shell pkg-config --cflags --libs check)
