# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Debian's QEMU, unmodified, with stock guests; sourced by selftests/check.

qemu_row() {	# LANE HOST-CPUS MEMORY COMMAND...
	local lane=$1 cpus=$2 memory=$3 share=/usr/share

	shift 3
	row "$lane" "qemu-$lane" "$lab" --host "$lane" --cpus "$cpus" --memory "$memory" \
		--load vmm --timeout 900 \
		--add /usr/bin/qemu-system-x86_64:/usr/bin/ \
		--add $share/seabios/bios.bin:$share/seabios/ \
		--add $share/seabios/bios-256k.bin:$share/seabios/ \
		--add $share/qemu/bios-microvm.bin:$share/qemu/ \
		--add $share/qemu/linuxboot_dma.bin:$share/qemu/ \
		--add $share/qemu/kvmvapic.bin:$share/qemu/ \
		--add $share/OVMF/OVMF_CODE_4M.fd:/qemu/code.fd \
		--add $share/OVMF/OVMF_VARS_4M.fd:/qemu/vars.fd \
		--add "$B/lab/6.1/vmlinuz:/guest/cloud" --add "$B/lab/guest/vmlinuz:/guest/guest" \
		--add "$B/guest/initrd.img:/guest/initrd.img" \
		--add "$B/guest/modules-cloud.img:/guest/modules-cloud.img" \
		--add "$B/guest/modules-guest.img:/guest/modules-guest.img" \
		--add "$B/lab/qemu/bin/qemu-system-x86_64:/qemu/qemu-new" \
		--add "$B/lab/qemu/share:/qemu/new" \
		--add "$B/qemu/gdbstub" --add selftests/qemu/gdb \
		--add selftests/qemu/migrate --add selftests/qemu/boot \
		--add selftests/qemu/configurations:/qemu/configurations -- "$@"
}

# More vCPUs than CPUs; the guests' programs are those of selftests/boot.
qemu_row svm 2 3072 sh -c 'boot /dev/vmm "$@"; gdb /dev/vmm; migrate /dev/vmm 2' sh \
	pc pc-smp2 pc-split pc-off q35 q35-smp4 q35-split-smp2 microvm-split microvm-off \
	pc-ovmf q35-ovmf-smp4 new-pc new-q35-split new-q35-ovmf
# With the one CPU that Bochs is fast enough for.
qemu_row vmx 1 1536 sh -c 'boot /dev/vmm "$@"; gdb /dev/vmm' sh \
	pc pc-ovmf q35-ovmf-split q35-ovmf-off
