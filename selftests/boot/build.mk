# SPDX-License-Identifier: GPL-2.0-only
# Programs of the boot tests; but for stamp they run in the guest and are static.

BOOT_GUEST := $(B)/boot/timekeep $(B)/boot/smpwork $(B)/boot/pvload
BOOT_PROGRAMS := $(BOOT_GUEST) $(B)/boot/stress $(B)/boot/stamp
check-programs: $(BOOT_PROGRAMS) $(B)/guest/initrd.img

$(B)/boot/%: selftests/boot/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -static -pthread $(CFLAGS) -o $@ $<

$(B)/guest/initrd.img: selftests/guest/mkinitrd selftests/guest/init $(BOOT_GUEST) selftests/boot/hotplug
	selftests/guest/mkinitrd $@ $(BOOT_GUEST) selftests/boot/hotplug

# What the guests of the stress test compile: the emulator, preprocessed, but for the files that
# tcc is too small for.
STRESS_TREE := $(patsubst kmod/emul/%.c,$(B)/boot/tree/%.i,\
		 $(filter-out %/alu.c %/bits.c,$(wildcard kmod/emul/*.c)))
check-programs: $(B)/guest/stress.img

$(B)/boot/tree/%.i: kmod/emul/%.c $(wildcard kmod/emul/*.h)
	@mkdir -p $(@D)
	$(CC) -E -P -Ikmod -o $@ $<

$(B)/guest/stress.img: selftests/guest/mkinitrd selftests/guest/init $(B)/boot/stress $(STRESS_TREE)
	selftests/guest/mkinitrd $@ $(B)/boot/stress /usr/bin/tcc \
		$(foreach source,$(STRESS_TREE),$(source):/tree/$(notdir $(source)))
