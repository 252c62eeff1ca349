# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034	# run's variables
#
# A host in Bochs: a CD to boot from and a configuration, in the run's folder;
# sourced by run.

bochs_command() {
	bochs_cd
	bochs_config >"$dir/bochsrc"
	if [ "$(cat "$LAB/bochs/kind")" = built ]; then
		emulator_kind=bochs
		emulator=("$LAB/bochs${LAB_PROFILE:+-profile}/bochs" -q -f bochsrc)
		return
	fi
	# Debian's has the debugger, which waits for a word, and needs a screen.
	emulator_kind="bochs-term"
	echo c >"$dir/rc"
	sed -i 's/nogui/term/' "$dir/bochsrc"
	printf 'sound: waveoutdrv=dummy\nspeaker: enabled=0\n' >>"$dir/bochsrc"
	emulator=(bochs -q -f bochsrc -rc rc)
}

# The BIOS reads a CD faster than a disk, and isolinux loads what it is given.
bochs_cd() {
	local cd=$dir/cd
	mkdir "$cd"
	cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$cd/" ||
		die "no isolinux here: run selftests/lab/fetch deps"
	ln -s "$(readlink -f "$LAB/$kernel/vmlinuz")" "$cd/vmlinuz"
	mv "$dir/initrd" "$cd/initrd"
	cat >"$cd/isolinux.cfg" <<-EOF
	DEFAULT lab
	PROMPT 0
	TIMEOUT 0
	LABEL lab
	KERNEL vmlinuz
	INITRD initrd
	APPEND $(cmdline)
	EOF
	xorriso -as mkisofs -quiet -f -o "$dir/boot.iso" -b isolinux.bin -c boot.cat \
		-no-emul-boot -boot-load-size 4 -boot-info-table "$cd" 2>"$dir/log" ||
		die "xorriso: $(cat "$dir/log")"
	rm -r "$cd"
}

bochs_config() {
	local bochs=$LAB/bochs mem=$memory time0=utc
	# More than this Bochs pages to a file by itself.
	[ "$mem" -le 2048 ] || mem=2048
	# With sync=none time is counted in instructions, so runs repeat; idle
	# time passes at once.
	[ -z "$count" ] || time0=1767225600
	cat <<-EOF
	config_interface: textconfig
	display_library: nogui
	memory: guest=$memory, host=$mem
	cpu: model=corei7_skylake_x, count=$cpus, ips=$(bochs_ips), reset_on_triple_fault=1
	romimage: file=$bochs/bios.bin
	vgaromimage: file=$bochs/vgabios.bin
	ata0: enabled=1
	ata0-master: type=cdrom, path=boot.iso, status=inserted
	boot: cdrom
	com1: enabled=1, mode=file, dev=com1
	com2: enabled=1, mode=term, dev=com2
	port_e9_hack: enabled=1
	clock: sync=none, time0=$time0
	log: /dev/stderr
	panic: action=fatal
	error: action=ignore
	info: action=ignore
	debug: action=ignore
	EOF
}
