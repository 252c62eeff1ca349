# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Debian's source packages; sourced after apt.sh by what builds an emulator.

src_apt() {	# SUITE TOOL ARG...
	local suite=$1 tool=$2
	shift 2
	lab_apt "$tool" -o "Dir::Etc::sourcelist=$APT_DIR/sources-$suite.list" "$@"
}

# source_tarballs SUITE PACKAGE DIR: leaves orig.tar.xz, and debian.tar.xz where it can be
# had, in DIR, or fails.
#
# The archive may answer for the tarballs and not for the .dsc, so apt's word
# on the whole download isn't asked: the signed index's checksums are.
source_tarballs() {
	local suite=$1 package=$2 dir=$3 name sum
	[ -n "$(find "$APT_DIR/sources-$suite-done" -mmin -1440 2>/dev/null)" ] || {
		apt_setup
		src_apt "$suite" apt-get update -qq >&2 || return 1
		touch "$APT_DIR/sources-$suite-done"
	}
	src_apt "$suite" apt-cache showsrc --only-source "$package" |
		sed -n '/^Checksums-Sha256:/,/^[^ ]/ s/^ \([0-9a-f]*\) [0-9]* \(.*\.\(orig\|debian\)\.tar\.xz\)$/\1 \2/p' \
		>"$dir/sums"
	(cd "$dir" && src_apt "$suite" apt-get source --download-only -qq "$package" >apt.log 2>&1) || true
	while read -r sum name; do
		[ -e "$dir/$name" ] || continue
		echo "$sum  $dir/$name" | sha256sum -c --quiet >&2 || continue
		case $name in
		*.orig.tar.xz) mv "$dir/$name" "$dir/orig.tar.xz" ;;
		*) mv "$dir/$name" "$dir/debian.tar.xz" ;;
		esac
	done <"$dir/sums"
	[ -e "$dir/orig.tar.xz" ]
}
