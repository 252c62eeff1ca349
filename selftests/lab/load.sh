#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a lab host: /lab/load kvm|vmm|none [NAME=VALUE...] loads one module and
# unloads the other; /lab/unload unloads both. /lab/host says what this host
# needs: vendor, kvm_args, vmm_args.

vendor=amd kvm_args='' vmm_args=''
# shellcheck source=/dev/null
[ ! -e /lab/host ] || . /lab/host

fail() {
	echo "$*" >&2
	exit 1
}

loaded() {
	grep -q "^$1 " /proc/modules
}

unload() {
	for m in vmm kvm_amd kvm_intel kvm; do
		if loaded $m; then
			rmmod $m || fail "can't unload $m"
		fi
	done
}

# An unknown parameter is only a line in the log to the kernel, an error here.
known() {
	for a in $1; do
		grep -aq "parmtype=${a%%=*}:" "$2" || fail "$2 has no parameter ${a%%=*}"
	done
}

load_kvm() {
	file=$(find /lib/modules -name "kvm-$vendor.ko")
	[ -n "$file" ] || fail "this kernel has no kvm-$vendor"
	known "$*" "$file"
	# shellcheck disable=SC2086
	modprobe "kvm-$vendor" $kvm_args "$@" || fail "kvm-$vendor does not load: $(dmesg | tail -n 3)"
	[ -c /dev/kvm ] || fail "kvm-$vendor is loaded and there is no /dev/kvm"
}

load_vmm() {
	[ -e /lab/vmm.ko ] || fail "vmm.ko was not built for this kernel"
	# shellcheck disable=SC2086
	known "$vmm_args $*" /lab/vmm.ko
	# shellcheck disable=SC2086
	insmod /lab/vmm.ko $vmm_args "$@" || fail "vmm.ko does not load: $(dmesg | tail -n 3)"
	[ -c /dev/vmm ] || fail "vmm.ko is loaded and there is no /dev/vmm"
}

case ${0##*/} in
unload)
	unload
	exit 0 ;;
esac
what=$1
shift
# The parameters may come as one word.
# shellcheck disable=SC2048,SC2086
set -- $*
case $what in
kvm) unload; load_kvm "$@" ;;
vmm) unload; load_vmm "$@" ;;
none) unload ;;
*) fail "usage: /lab/load kvm|vmm|none [NAME=VALUE...]" ;;
esac
