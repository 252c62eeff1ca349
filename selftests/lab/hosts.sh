# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034	# run's variables
#
# The hosts: how each is checked, configured and started; sourced by run.

# host_settings: what /lab/load in the host needs to know.
host_settings() {
	local vendor=amd kvm_args='' vmm_args=''
	case $host in
	vmx*)
		vendor=intel
		# Bochs' APIC virtualization is not what KVM expects.
		kvm_args=enable_apicv=0
		;;
	native)
		! grep -qw vmx /proc/cpuinfo || vendor=intel
		;;
	esac
	if [ "$host" = vmx-shadow ]; then
		kvm_args="$kvm_args ept=0"
		vmm_args=ept=0
	fi
	echo "vendor=$vendor"
	echo "kvm_args='$kvm_args'"
	echo "vmm_args='$vmm_args'"
}

# host_output: how the bytes of COMMAND come out (see proto.h).
host_output() {
	case $host:$(cat "$LAB/bochs/kind" 2>/dev/null) in
	vmx*:debian) echo uart ;;
	*) echo port ;;
	esac
}

nested() {
	local f
	for f in /sys/module/kvm_intel/parameters/nested /sys/module/kvm_amd/parameters/nested; do
		[ -e "$f" ] || continue
		case $(cat "$f") in
		1|Y|y) return 0 ;;
		esac
	done
	return 1
}

# host_check: dies when this machine can't run the host.
host_check() {
	case $host in
	svm*)
		# Debian's own does for guests that behave, on one CPU.
		if [ "$cpus" -gt 1 ] || [ -e "$LAB/tcg" ]; then
			"$LAB_SRC/fetch" tcg || die "no QEMU"
		fi
		command -v qemu-system-x86_64 >/dev/null || die "no QEMU here: run selftests/lab/fetch deps"
		;;
	vmx*)
		"$LAB_SRC/fetch" "bochs${LAB_PROFILE:+-profile}" || die "no Bochs"
		;;
	native)
		if [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then
			die "native: /dev/kvm can't be used here (--here runs on this machine itself)"
		fi
		nested || die "native: this machine's KVM does not nest (--here runs on this machine itself)"
		command -v qemu-system-x86_64 >/dev/null || die "no QEMU here: run selftests/lab/fetch deps"
		[ -z "$count" ] || die "native: no instruction counting on real hardware"
		;;
	esac
}

# here_run COMMAND...: on this machine, with the module put in and taken out.
here_run() {
	local status=0 ko
	[ ${#adds[@]} -eq 0 ] || note "--here: --add is of no use on this machine"
	ko=$TOP/build/kmod/host/vmm.ko
	case $load in
	vmm)
		[ -e "$ko" ] || die "build/kmod/host/vmm.ko is not built (make host)"
		# shellcheck disable=SC2086
		insmod "$ko" $modargs || die "vmm.ko does not load on this machine"
		;;
	kvm) [ -c /dev/kvm ] || die "no /dev/kvm on this machine" ;;
	esac
	if [ "$timeout" = 0 ]; then
		"$@" || status=$?
	else
		timeout "$timeout" "$@" || status=$?
	fi
	[ "$load" != vmm ] || rmmod vmm || die "vmm does not unload"
	exit "$status"
}

# Instructions a second that Bochs takes for real time: about what it reaches.
bochs_ips() {
	if [ -n "$count" ]; then
		echo 1000000000
	else
		echo 270000000
	fi
}

# tsc_rate: tells the host what its TSC counts, which it would get wrong by measuring
# with emulated timers: Bochs' counts instructions, whatever CPUID says of its rate, and
# on TCG it is this machine's, or again instructions.
tsc_rate() {
	case $host:$count in
	native:*) ;;
	vmx*) echo " tsc_early_khz=$(($(bochs_ips) / 1000))" ;;
	*:1) echo " tsc_early_khz=1000000" ;;
	*) echo " tsc_early_khz=$("$LAB/bin/tsc")" ;;
	esac
}

cmdline() {
	local s="panic=-1 quiet log_buf_len=4M no_hash_pointers no_timer_check printk.time=1${LAB_CMDLINE:+ $LAB_CMDLINE}"
	[ -z "$count" ] || s="$s nokaslr"
	s="$s$(tsc_rate)"
	echo "console=ttyS0,115200 $s"
}

# host_command: sets emulator (an array) and emulator_kind.
host_command() {
	case $host in
	vmx*)
		. "$LAB_SRC/bochs.sh"
		bochs_command
		;;
	*)
		emulator_kind=qemu
		qemu_command
		;;
	esac
}

qemu_command() {
	# TCG's cmpxchg16b leaves wrong flags behind (an interrupt right after it, in the
	# host or its guest, sees garbage in RFLAGS); Linux does without when it is absent.
	local cpu=EPYC-Rome,-cx16,+svm,+npt
	case $host in
	svm-shadow) cpu=EPYC-Rome,-cx16,+svm,-npt ;;
	native) cpu=host ;;
	esac
	# Numbers drawn from the machine's own generator would make runs differ.
	[ -z "$count" ] || cpu=$cpu,-rdrand,-rdseed
	emulator=(qemu-system-x86_64)
	# A profile needs Debian's own, which has a disassembler built in.
	if [ "$host" != native ] && [ -e "$LAB/tcg" ] && [ -z "${LAB_PROFILE-}" ]; then
		emulator=("$LAB/tcg/qemu-system-x86_64" -L /usr/share/seabios -L /usr/share/qemu)
	fi
	if [ "$host" = native ]; then
		emulator+=(-accel kvm)
	elif [ -n "$count" ]; then
		emulator+=(-accel "tcg,thread=single" -icount "shift=0,sleep=off")
	else
		emulator+=(-accel tcg)
	fi
	[ -z "$count" ] || emulator+=(-rtc "base=2026-01-01T00:00:00,clock=vm")
	emulator+=(-cpu "$cpu" -smp "$cpus" -m "$memory"
		-nodefaults -no-user-config -display none -no-reboot
		-chardev "stdio,id=console,signal=off" -serial chardev:console
		-chardev "socket,id=in,fd=@in@" -serial chardev:in
		-chardev "socket,id=out,fd=@out@" -device "isa-debugcon,iobase=0xe9,chardev=out"
		-kernel "$LAB/$kernel/vmlinuz" -initrd "$dir/initrd" -append "$(cmdline)")
	# shellcheck disable=SC2206	# words
	emulator+=(${LAB_QEMU-})
}
