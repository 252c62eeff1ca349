# SPDX-License-Identifier: GPL-2.0-only
# Programs of the boot tests; timekeep runs in the guest and is static.

BOOT_PROGRAMS := $(B)/boot/timekeep $(B)/boot/stamp
check-programs: $(BOOT_PROGRAMS) $(B)/guest/initrd.img

$(B)/boot/%: selftests/boot/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -static $(CFLAGS) -o $@ $<

$(B)/guest/initrd.img: selftests/guest/mkinitrd selftests/guest/init $(B)/boot/timekeep
	selftests/guest/mkinitrd $@ $(B)/boot/timekeep
