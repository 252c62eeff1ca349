# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The ABI tests: answers held against KVM's on each kernel, hostile user space, lifetimes.

abi_row() {	# LANE KERNEL
	row "$1" "abi-$1-$2" "$lab" --host "$1" --kernel "$2" --load none --timeout 900 \
		--add "$B/abi/abi" --add selftests/abi/both \
		--add selftests/abi/differences:/differences -- both
}

lifetime_row() {	# LANE CPUS COUNT KERNEL [LAB-OPTION...]
	row "$1" "lifetime-$1-$4" "$lab" --host "$1" --cpus "$2" --kernel "$4" --load none --timeout 900 \
		"${@:5}" --add "$B/abi/life" --add selftests/abi/lifetime.sh -- lifetime.sh "$3"
}

# What lifetime.sh needs to kill stock guests, too.
guests=(--add "$B/vmmctl/vmmctl" --add "$B/lab/6.1/vmlinuz:/guest/6.1"
	--add "$B/guest/initrd.img:/guest/initrd.img")

for lane in svm vmx; do
	cpus=1
	[ $lane = vmx ] || cpus=2
	row "$lane" "hostile-$lane" "$lab" --host "$lane" --cpus $cpus --load vmm --timeout 900 \
		--add "$B/abi/hostile" -- hostile /dev/vmm 30 "${VMM_HOSTILE_SEED:-1}"
	abi_row "$lane" 6.1
	row "$lane" "bringup-$lane" "$lab" --host "$lane" --load vmm --timeout 300 \
		--add "$B/abi/bringup" -- bringup /dev/vmm
done
abi_row svm 6.12
lifetime_row svm 2 100 6.1 "${guests[@]}"
lifetime_row svm 2 20 6.12 "${guests[@]}"
lifetime_row vmx 1 20 6.1

# The debugging kernel takes 10 minutes to build: where somebody did, it is used.
debug_row() {	# NAME LAB-OPTION...
	row svm "$1" sh -c 'make -s build/kmod/debug/vmm.ko && exec "$@"' sh \
		"$lab" --host svm --kernel debug --timeout 2400 "${@:2}"
}

if [ -e "$B/lab/debug/vmlinuz" ]; then
	debug_row slow-hostile-debug --cpus 2 --load vmm --leaks --add "$B/abi/hostile" \
		-- hostile /dev/vmm 120 "${VMM_HOSTILE_SEED:-1}"
	debug_row slow-abi-debug --cpus 2 --load vmm --leaks --add "$B/abi/abi" --add "$B/abi/bringup" \
		-- sh -c 'bringup /dev/vmm >/tmp/bringup || { cat /tmp/bringup; exit 1; }; abi /dev/vmm'
	debug_row slow-lifetime-debug --cpus 2 --memory 2048 --load none --leaks "${guests[@]}" \
		--add "$B/abi/life" --add selftests/abi/lifetime.sh -- lifetime.sh 100
	debug_row slow-stress-debug --cpus 2 --memory 2048 --load vmm --leaks "${guests[@]}" \
		--add "$B/boot/stamp" --add selftests/boot/boot \
		--add "$B/guest/stress.img:/guest/stress.img" \
		-- boot /dev/vmm stress:6.1:4:600 smp:6.1:4
else
	row svm slow-debug printf '1..1\nok 1 - debugging kernel # SKIP %s\n' \
		"selftests/lab/fetch kernel debug builds it"
fi
