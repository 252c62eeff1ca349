# SPDX-License-Identifier: GPL-2.0-only
# What QEMU's guests get besides the test guest's initial RAM disk: their kernel's drivers.
# "cloud" is the lab's 6.1; "guest" Debian's full kernel, with real machines' devices.

QEMU_DRIVERS := virtio_pci virtio_mmio virtio_blk virtio_net sd_mod ahci e1000
QEMU_GUEST := selftests/qemu/look selftests/qemu/compress selftests/qemu/syncing
check-programs: $(B)/guest/modules-cloud.img $(B)/guest/modules-guest.img

$(B)/guest/modules-cloud.img: kernel := 6.1
$(B)/guest/modules-guest.img: kernel := guest
$(B)/guest/modules-cloud.img: $(B)/lab/6.1/release
$(B)/guest/modules-guest.img: $(B)/lab/guest/release
$(B)/guest/modules-%.img: selftests/qemu/mkmodules $(QEMU_GUEST)
	selftests/qemu/mkmodules $@ $(B)/lab/$(kernel) $(QEMU_DRIVERS) -- $(QEMU_GUEST)

# The newer QEMU that guests are run with beside this machine's.
check-programs: $(B)/lab/qemu/bin
$(B)/lab/qemu/bin:
	@$(LAB)/fetch qemu

check-programs: $(B)/qemu/gdbstub
$(B)/qemu/gdbstub: selftests/qemu/gdbstub.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -static $(CFLAGS) -o $@ $<
