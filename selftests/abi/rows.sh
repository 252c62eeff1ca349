# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The ABI tests: answers held against KVM's on each kernel, hostile user space, lifetimes.

abi_row() {	# LANE KERNEL [NAME]
	local lane=$1 kernel=$2

	shift 2
	row "$lane" "abi-$lane-$kernel" "$lab" --host "$lane" --kernel "$kernel" --load none \
		--timeout 900 --add "$B/abi/abi" --add selftests/abi/both \
		--add selftests/abi/differences:/differences -- both "$@"
}

for lane in svm vmx; do
	abi_row "$lane" 6.1
	row "$lane" "bringup-$lane" "$lab" --host "$lane" --load vmm --timeout 300 \
		--add "$B/abi/bringup" -- bringup /dev/vmm
	row "$lane" "hostile-$lane" "$lab" --host "$lane" --load vmm --timeout 600 \
		--add "$B/abi/hostile" -- hostile /dev/vmm 30 0
done
abi_row svm 6.12
