# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The initramfs of a lab host; sourced by run. A base per kernel is made once
# (busybox, the agent, modules); each run appends an archive with what it adds.

# Modules that a host may want, by the names modprobe knows. What a kernel
# lacks, or has built in, is left out.
HOST_MODULES="kvm kvm-amd kvm-intel irqbypass msr cpuid tun vhost vhost_net vhost_vsock
	virtio_pci virtio_blk virtio_net virtio_console virtio_rng virtio_balloon 9p 9pnet_virtio
	overlay loop"

# pack DIR: the archive of a tree, on standard output.
pack() {
	(cd "$1" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet)
}

# base_initramfs KERNEL: prints the path of the base archive.
base_initramfs() {
	local out=$LAB/base-$1.cpio
	if [ ! -e "$out" ] || [ "$LAB_SRC/initramfs.sh" -nt "$out" ] ||
	   [ "$LAB_SRC/load.sh" -nt "$out" ] || [ "$LAB/bin/agent" -nt "$out" ] ||
	   [ "$LAB/$1/release" -nt "$out" ]; then
		with_lock base base_locked "$1" "$out" >&2
	fi
	echo "$out"
}

base_locked() {
	local kernel=$1 out=$2 tree applet
	tree=$LAB/.base.$$
	rm -rf "$tree"
	mkdir -p "$tree"/{bin,sbin,lab,proc,sys,dev,tmp,run,etc,root,var,lib/modules,usr/bin,usr/sbin}
	cp /bin/busybox "$tree/bin/busybox"
	# Only a static one runs where there is no C library.
	if ldd "$tree/bin/busybox" >/dev/null 2>&1; then
		rm -rf "$tree"
		die "busybox here needs shared libraries: install busybox-static"
	fi
	for applet in $("$tree/bin/busybox" --list); do
		[ "$applet" = busybox ] || ln -s busybox "$tree/bin/$applet"
	done
	cp "$LAB/bin/agent" "$tree/init"
	cp "$LAB_SRC/load.sh" "$tree/lab/load"
	ln -s load "$tree/lab/unload"
	chmod 755 "$tree/lab/load"
	echo "root:x:0:0:root:/:/bin/sh" >"$tree/etc/passwd"
	echo "nobody:x:65534:65534:nobody:/:/bin/sh" >>"$tree/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$tree/etc/group"
	base_modules "$kernel" "$tree"
	pack "$tree" >"$out.$$"
	mv "$out.$$" "$out"
	rm -rf "$tree"
}

# base_modules KERNEL TREE: the modules with all they depend on.
base_modules() {
	local src=$LAB/$1/modules tree=$2 release dest name file
	release=$(cat "$LAB/$1/release")
	dest=$tree/lib/modules/$release
	mkdir -p "$dest"
	cp "$src"/modules.{builtin,builtin.modinfo,order} "$dest/"
	if [ ! -e "$src/modules.dep" ]; then
		module_deps "$1" "$release"
	fi
	for name in $HOST_MODULES; do
		# shellcheck disable=SC2086
		module_closure "$src" "$name"
	done | sort -u | while read -r file; do
		mkdir -p "$dest/${file%/*}"
		case $file in
		*.xz) xz -dc "$src/$file" >"$dest/${file%.xz}" ;;
		*.zst) zstd -qdc "$src/$file" >"$dest/${file%.zst}" ;;
		*) cp "$src/$file" "$dest/$file" ;;
		esac
	done
	PATH=$PATH:/sbin:/usr/sbin depmod -b "$tree" "$release"
}

# depmod wants DIR/lib/modules/RELEASE, whatever the package's layout.
module_deps() {
	local fake=$LAB/.depmod.$$
	mkdir -p "$fake/lib/modules"
	ln -s "$(readlink -f "$LAB/$1/modules")" "$fake/lib/modules/$2"
	PATH=$PATH:/sbin:/usr/sbin depmod -b "$fake" "$2"
	rm -r "$fake"
}

# module_closure DIR NAME: the files of a module and of what it depends on.
module_closure() {
	local pattern=${2//[-_]/[-_]}
	sed -n "s#^\(\(.*/\)\?$pattern\.ko[.a-z]*\):#\1#p" "$1/modules.dep" | tr ' ' '\n' | grep . || true
}

# add_file TREE SRC[:DST]
add_file() {
	local tree=$1 src=${2%%:*} dst='' lib
	[ "$src" = "$2" ] || dst=${2#*:}
	[ -e "$src" ] || die "--add $src: no such file"
	case $dst in
	'') if [ -f "$src" ] && [ -x "$src" ]; then dst=/bin/${src##*/}; else dst=/$(basename "$src"); fi ;;
	*/) dst=$dst$(basename "$src") ;;
	esac
	case /$dst/ in
	*/../*) die "--add $2: no .. in DST" ;;
	esac
	mkdir -p "$tree/$(dirname "$dst")"
	if [ -d "$src" ]; then
		mkdir -p "$tree/$dst"
		cp -RL "$src/." "$tree/$dst/"
		return
	fi
	cp -L "$src" "$tree/$dst"
	# A shared library's path stays the one the program's loader looks at.
	if [ "$(head -c 4 "$src" | tail -c 3 | tr -d '\0')" = ELF ]; then
		for lib in $(ldd "$src" 2>/dev/null | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p'); do
			mkdir -p "$tree/$(dirname "$lib")"
			[ -e "$tree/$lib" ] || cp -L "$lib" "$tree/$lib"
		done
	fi
}
