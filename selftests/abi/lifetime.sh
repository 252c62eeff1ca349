#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a lab host, with nothing loaded: lifetime.sh [N]. How the module loads, refuses to,
# and unloads; VMs that are killed N times (200) at random moments leave nothing behind;
# CPUs that go and come under a running VM (where there are two). TAP.

n=${1:-200}
vendor=amd vmm_args= kvm_args=
[ ! -e /lab/host ] || . /lab/host
[ "$vendor" = amd ] && other=vmx missing=VT-x || other=svm missing=AMD-V
cpus=$(grep -c ^processor /proc/cpuinfo)
nr=0 bad=0

check() {	# NAME COMMAND...
	name=$1
	shift
	nr=$((nr + 1))
	/lab/load none
	if "$@" >/tmp/out 2>&1; then
		echo "ok $nr - $name"
	else
		echo "not ok $nr - $name"
		sed 's/^/# /' /tmp/out
		bad=1
	fi
}

skip() {
	nr=$((nr + 1))
	echo "ok $nr - $1 # SKIP $2"
}

load() {
	# shellcheck disable=SC2086
	insmod /lab/vmm.ko $vmm_args "$@"
}

loaded() {
	grep -q '^vmm ' /proc/modules
}

used() {
	awk '$1 == "vmm" { print $3 }' /proc/modules
}

# Our log lines since mark; busybox's insmod tries twice, in two ways.
mark() {
	marked=$(dmesg | wc -l)
}

said() {
	dmesg | tail -n +$((marked + 1)) | grep -o 'vmm: .*' | sort -u
}

refuses() {	# WORD [PARAMETER]: not loaded, with one line that has WORD
	mark
	word=$1
	shift
	if load "$@"; then
		echo "it loaded with $*"
		rmmod vmm
		return 1
	fi
	said
	[ "$(said | wc -l)" = 1 ] && said | grep -q "$word"
}

works() {
	[ "$(life /dev/vmm create)" = created ]
}

loads() {
	load "$@" && [ -c /dev/vmm ] && works && rmmod vmm && [ ! -e /dev/vmm ]
}

twice() {
	load || return 1
	load 2>/dev/null && return 1
	works && rmmod vmm
}

# A VM held by a process whose standard input is fd 9.
hold() {	# DEVICE
	rm -f /tmp/pipe /tmp/held
	mkfifo /tmp/pipe
	life "$1" hold </tmp/pipe >/tmp/held &
	holder=$!
	exec 9>/tmp/pipe
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		grep -q . /tmp/held && break
		usleep 100000
	done
	grep -q created /tmp/held
}

release() {
	exec 9>&-
	wait $holder
}

rmmod_refused() {
	load || return 1
	hold /dev/vmm || { cat /tmp/held; return 1; }
	[ "$(used)" -gt 0 ] || { echo "use count $(used)"; return 1; }
	if rmmod vmm 2>/dev/null; then
		echo "rmmod succeeded with a VM alive"
		return 1
	fi
	release
	[ "$(used)" = 0 ] || { echo "use count $(used) after the VM"; return 1; }
	rmmod vmm
}

# Whoever has the CPU first keeps it; when it is gone, the other can have it. KVM has it
# while a VM lives; from Linux 6.12 on, where not told otherwise, while it is loaded.
with_kvm() {
	/lab/load kvm || return 1
	hold /dev/kvm || { cat /tmp/held; return 1; }
	mark
	if load 2>/dev/null; then
		answer=$(life /dev/vmm create)
		echo "vmm with a VM of KVM's alive: $answer"
		[ "$answer" = EBUSY ] || return 1
	else
		said
		[ "$(said | wc -l)" = 1 ] || return 1
	fi
	release
	if [ "$(cat /sys/module/kvm/parameters/enable_virt_at_load 2>/dev/null)" = Y ]; then
		refuses "another hypervisor" || { echo "with KVM loaded, and no VM"; return 1; }
		/lab/load none
		loads
		return
	fi
	loaded || load || return 1
	works || { echo "not after KVM's VM went, either"; return 1; }
	hold /dev/vmm || return 1
	answer=$(life /dev/kvm create)
	echo "KVM with a VM of ours alive: $answer"
	release
	[ "$answer" != created ] || return 1
	/lab/load none
}

# KVM's module comes and goes while a VM of ours lives. Kernels that switch the CPUs on when
# it loads refuse it; none has anything to complain of (a complaint fails the whole run).
kvm_comes() {
	load || return 1
	hold /dev/vmm || { cat /tmp/held; return 1; }
	mark
	for _ in 1 2; do
		# shellcheck disable=SC2086
		modprobe "kvm-$vendor" $kvm_args 2>/dev/null && rmmod "kvm_$vendor"
	done
	release
	dmesg | tail -n +$((marked + 1)) | grep -A20 'WARNING: ' && return 1
	works || return 1
	rmmod vmm
}

files() {
	awk '{ print $1 }' /proc/sys/fs/file-nr
}

free_kib() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	usleep 300000
	echo 3 >/proc/sys/vm/drop_caches
	awk '$1 == "MemFree:" { print $2 }' /proc/meminfo
}

slab_kib() {
	awk '$1 == "SUnreclaim:" || $1 == "Percpu:" { n += $2 } END { print n }' /proc/meminfo
}

# A number from 0 to below MAX.
random() {	# MAX
	echo $(($(od -An -N2 -tu2 /dev/urandom) * $1 / 65536))
}

# Start COMMAND and kill it, at a moment of up to MAX us.
kill_one() {	# MAX COMMAND...
	max=$1
	shift
	"$@" </dev/null >/tmp/life.log 2>&1 &
	pid=$!
	usleep "$(random "$max")"
	kill -9 $pid 2>/dev/null || { echo "it ended by itself:"; cat /tmp/life.log; return 1; }
	wait $pid 2>/dev/null
	return 0
}

# One that ends by itself, in its own way, while its vCPUs run.
end_one() {	# HOW
	life /dev/vmm "$1" >/tmp/life.log 2>&1 || { echo "$1:"; cat /tmp/life.log; return 1; }
	# The child that fork leaves behind.
	while pidof life >/dev/null; do
		usleep 2000
	done
	grep '^#' /tmp/life.log && return 1
	return 0
}

some_lives() {	# COUNT
	i=0
	while [ $i -lt "$1" ]; do
		case $((i % 8)) in
		0) end_one exec || return 1 ;;
		2) end_one fork || return 1 ;;
		4) end_one close || return 1 ;;
		*) kill_one 196000 life /dev/vmm || return 1 ;;
		esac
		i=$((i + 1))
	done
}

some_guests() {	# COUNT
	i=0
	while [ $i -lt "$1" ]; do
		kill_one 1500000 vmmctl run --device /dev/vmm --kernel /guest/6.1 \
			--initrd /guest/initrd.img --memory 256M --cpus $((1 + i % 2)) \
			--cmdline "console=ttyS0 quiet" || return 1
		i=$((i + 1))
	done
}

# With the debugging kernel freed memory stays in KASAN's quarantine; kmemleak is the judge.
slack=1536
[ ! -e /sys/kernel/debug/kmemleak ] || slack=16384

# What does not come back, within what the kernel itself keeps: 3 MiB for all N.
# The kernel's count of open files is only as exact as 32 per CPU, each time it is read; a
# killed VM that stayed would leave five or more.
nothing_left() {	# some_lives|some_guests
	# Else free huge pages wait by the dozen on per-CPU lists, which MemFree leaves out.
	echo 100000 >/proc/sys/vm/percpu_pagelist_high_fraction
	load || return 1
	"$1" 10 || return 1
	files0=$(files) free0=$(free_kib) slab0=$(slab_kib)
	"$1" "$n" || return 1
	# Memory goes back in its own time (RCU, per-CPU lists): what has leaked never does.
	for i in 1 2 3 4 5 6 7 8 9 10; do
		free1=$(free_kib) slab1=$(slab_kib) files1=$(files)
		[ $((free0 - free1)) -lt $((2 * slack)) ] && [ $((slab1 - slab0)) -lt $slack ] &&
			[ $((files1 - files0)) -lt $((64 * cpus)) ] && break
		sleep 1
	done
	echo "free $free0 KiB before, $free1 after; slab and percpu $slab0, $slab1; files $files0, $files1"
	cp /tmp/out /tmp/leak
	[ $((free0 - free1)) -lt $((2 * slack)) ] && [ $((slab1 - slab0)) -lt $slack ] &&
		[ $((files1 - files0)) -lt $((64 * cpus)) ] || return 1
	if pidof life vmmctl; then
		echo "still there"
		return 1
	fi
	[ "$(used)" = 0 ] || { echo "use count $(used)"; return 1; }
	rmmod vmm || return 1
	# The module's threads went with it.
	ps | grep '[[]vmm' && return 1
	loads
}

runs() {
	load || return 1
	life /dev/vmm 2 && rmmod vmm
}

cpu1=/sys/devices/system/cpu/cpu1/online

# A VM that runs for long while a CPU goes and comes 20 times.
hotplug() {
	load || return 1
	life /dev/vmm 12 >/tmp/life.log 2>&1 &
	pid=$!
	i=0
	while [ $i -lt 20 ]; do
		echo 0 >$cpu1 || { echo "cannot take CPU 1 down"; break; }
		usleep 50000
		echo 1 >$cpu1 || { echo "CPU 1 does not come back"; break; }
		usleep 50000
		i=$((i + 1))
	done
	wait $pid
	status=$?
	cat /tmp/life.log
	[ $status = 0 ] && [ $i = 20 ] && rmmod vmm
}

# Both ways: a CPU that was off when the module loaded, one that goes while it is idle.
hotplug_idle() {
	echo 0 >$cpu1
	load || return 1
	works || return 1
	echo 1 >$cpu1
	taskset 2 life /dev/vmm 5 || return 1
	echo 0 >$cpu1
	works || return 1
	rmmod vmm || return 1
	echo 1 >$cpu1
	loads
}

echo "1..14"
check "loads, works, unloads" loads
check "and again" loads
check "backend=$other on this CPU is refused, with one line" refuses "$missing" "backend=$other"
check "a backend nobody knows is refused, with one line" refuses bogus backend=bogus
check "a parameter with a good value" loads backend=auto
check "a second insmod is refused, the first module works on" twice
check "rmmod is refused while a VM lives" rmmod_refused
check "KVM and vmm keep out of each other's way" with_kvm
check "KVM's module comes and goes while a VM of ours lives" kvm_comes
check "two vCPUs, timers, irqfd and ioeventfd for 2 s" runs
check "$n VMs killed, or ended in other ways: nothing stays" nothing_left some_lives
[ ! -e /tmp/leak ] || sed 's/^/# /' /tmp/leak
if [ -e /guest/6.1 ]; then
	check "$n stock guests killed: nothing stays" nothing_left some_guests
	[ ! -e /tmp/leak ] || sed 's/^/# /' /tmp/leak
else
	skip "$n stock guests killed: nothing stays" "no guest here"
fi
if [ "$cpus" -gt 1 ]; then
	check "a CPU goes and comes 20 times under a running VM" hotplug
	check "a CPU goes and comes while no VM lives" hotplug_idle
else
	skip "a CPU goes and comes 20 times under a running VM" "this host has one CPU"
	skip "a CPU goes and comes while no VM lives" "this host has one CPU"
fi
/lab/load none
exit $bad
