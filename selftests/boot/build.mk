# SPDX-License-Identifier: GPL-2.0-only
# Programs of the boot tests; but for stamp they run in the guest and are static.

BOOT_GUEST := $(B)/boot/timekeep $(B)/boot/smpwork $(B)/boot/pvload $(B)/boot/stress
BOOT_PROGRAMS := $(BOOT_GUEST) $(B)/boot/stamp
check-programs: $(BOOT_PROGRAMS) $(B)/guest/initrd.img

$(B)/boot/%: selftests/boot/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -static -pthread $(CFLAGS) -o $@ $<

$(B)/guest/initrd.img: selftests/guest/mkinitrd selftests/guest/init $(BOOT_GUEST) selftests/boot/hotplug
	selftests/guest/mkinitrd $@ $(BOOT_GUEST) selftests/boot/hotplug
