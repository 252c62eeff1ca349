# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The ABI tests: answers held against KVM's on each kernel, hostile user space, lifetimes.

abi_row() {	# LANE KERNEL
	row "$1" "abi-$1-$2" "$lab" --host "$1" --kernel "$2" --load none --timeout 900 \
		--add "$B/abi/abi" --add selftests/abi/both \
		--add selftests/abi/differences:/differences -- both
}

lifetime_row() {	# LANE CPUS COUNT
	row "$1" "lifetime-$1" "$lab" --host "$1" --cpus "$2" --load none --timeout 900 \
		--add "$B/abi/life" --add selftests/abi/lifetime.sh -- lifetime.sh "$3"
}

row vmx hostile-vmx "$lab" --host vmx --load vmm --timeout 900 \
	--add "$B/abi/hostile" -- hostile /dev/vmm 30 0
# Random guest state aborts QEMU's TCG now and then, on KVM as on vmm: by itself this row
# says little of vmm.
if [ -n "${VMM_CHECK_OPEN-}" ]; then
	row svm hostile-svm "$lab" --host svm --load vmm --timeout 900 \
		--add "$B/abi/hostile" -- hostile /dev/vmm 30 0
fi
for lane in svm vmx; do
	abi_row "$lane" 6.1
	row "$lane" "bringup-$lane" "$lab" --host "$lane" --load vmm --timeout 300 \
		--add "$B/abi/bringup" -- bringup /dev/vmm
done
abi_row svm 6.12
lifetime_row svm 2 100
lifetime_row vmx 1 20

# The debugging kernel takes 10 minutes to build: where somebody did, it is used.
if [ -e "$B/lab/debug/vmlinuz" ]; then
	row svm slow-hostile-debug sh -c 'make -s build/kmod/debug/vmm.ko && exec "$@"' sh \
		"$lab" --host svm --kernel debug --load vmm --timeout 1500 \
		--add "$B/abi/hostile" --add "$B/abi/abi" -- \
		sh -c 'hostile /dev/vmm 120 0; a=$?; abi /dev/vmm && exit $a'
	row svm slow-lifetime-debug "$lab" --host svm --kernel debug --cpus 2 --load none \
		--timeout 1500 --add "$B/abi/life" --add selftests/abi/lifetime.sh -- lifetime.sh 200
fi
