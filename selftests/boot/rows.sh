# SPDX-License-Identifier: GPL-2.0-only
# Stock kernels under vmmctl on vmm.ko; sourced by selftests/check.

boot_row() {	# LANE HOST-KERNEL CPUS TEST...
	local lane=$1 kernel=$2 cpus=$3 name=boot-$1-$2 more=()

	shift 3
	case "$*" in
	*smp:*)
		name=boot-smp-$lane-$kernel
		more=(--add "$B/guest/stress.img:/guest/stress.img") ;;
	esac
	row "$lane" "$name" "$lab" --host "$lane" --kernel "$kernel" --cpus "$cpus" --load vmm \
		--timeout 1500 \
		--add "$B/vmmctl/vmmctl" --add "$B/boot/stamp" --add selftests/boot/boot \
		--add "$B/lab/6.1/vmlinuz:/guest/6.1" --add "$B/lab/6.12/vmlinuz:/guest/6.12" \
		--add "$B/guest/initrd.img:/guest/initrd.img" "${more[@]}" -- boot /dev/vmm "$@"
}

# A guest with more CPUs than its host: that is where vCPUs wait for each other.
row svm pv-svm "$lab" --host svm --load vmm --cpus 1 --timeout 900 --add "$B/vmmctl/vmmctl" \
	--add selftests/boot/pv --add "$B/lab/6.1/vmlinuz:/guest/6.1" \
	--add "$B/guest/initrd.img:/guest/initrd.img" -- pv /dev/vmm 6.1 2
for lane in svm vmx; do
	boot_row "$lane" 6.1 1 boot:6.1:128M boot:6.1:1G boot:6.1:6G boot:6.12:1G end:6.1 time:6.1
	boot_row "$lane" 6.12 1 boot:6.12:128M boot:6.12:6G boot:6.1:1G end:6.12 time:6.12
done

# More vCPUs than the host has CPUs.
boot_row svm 6.1 2 smp:6.1:2 smp:6.12:4 many:6.1:16 stress:6.1:4:30
