# SPDX-License-Identifier: GPL-2.0-only
# A tiny Multiboot kernel.

check-programs: $(B)/guest/multiboot.elf

$(B)/guest/multiboot.elf: selftests/guest/multiboot.S
	@mkdir -p $(@D)
	$(CC) -m32 -nostdlib -static -Wl,-Ttext=0x100000,--build-id=none -Wl,-z,noexecstack -o $@ $<
