# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The lab's own apt; sourced after common.sh. Its sources are derived from the
# machine's, its state is under build/lab/apt. apt checks what it downloads
# against the archive's signature.

SUITE=bookworm
APT_DIR=$LAB/apt

# index_targets: what the machine's apt knows: URI, suite, component a line. Where
# "apt-get update" never ran it knows nothing; then the lists are read to a folder of
# the lab's, which needs no root.
index_targets() {
	local format="\$(REPO_URI) \$(RELEASE) \$(COMPONENT)" lists=$APT_DIR/machine-lists
	if apt-get indextargets --format "$format" 2>/dev/null | grep .; then
		return
	fi
	if [ ! -d "$lists" ]; then
		mkdir -p "$lists/partial"
		apt-get -o "Dir::State::lists=$lists" -o APT::Sandbox::User=root update -qq >&2 || true
	fi
	apt-get -o "Dir::State::lists=$lists" indextargets --format "$format"
}

# uris KIND: the machine's archive URIs, KIND main or security.
uris() {
	index_targets |
	while read -r uri release component; do
		[ "$component" = main ] || continue
		case $release in
		*-security) [ "$1" != security ] || echo "$uri" ;;
		*-updates|*-backports) ;;
		bullseye|bookworm|trixie|forky|sid|stable|testing|unstable)
			[ "$1" != main ] || echo "$uri" ;;
		esac
	done | sort -u | head -n 1
}

# apt_setup: writes the lab's sources and configuration.
apt_setup() {
	local main security key suite by=
	mkdir -p "$APT_DIR"/{empty,lists/partial,cache/archives/partial}
	main=$(uris main)
	[ -n "$main" ] || die "this machine's apt has no Debian archive (or needs: apt-get update)"
	security=$(uris security)
	key=/usr/share/keyrings/debian-archive-keyring.gpg
	[ ! -e "$key" ] || by="[signed-by=$key] "
	{
		echo "deb $by$main $SUITE main"
		echo "deb $by$main $SUITE-updates main"
		echo "deb $by$main $SUITE-backports main"
		[ -z "$security" ] || echo "deb $by$security $SUITE-security main"
	} >"$APT_DIR/sources.list"
	for suite in "$SUITE" trixie; do
		echo "deb-src $by$main $suite main" >"$APT_DIR/sources-$suite.list"
	done
	: >"$APT_DIR/status"
	cat >"$APT_DIR/apt.conf" <<EOF
Dir::Etc::sourcelist "$APT_DIR/sources.list";
Dir::Etc::sourceparts "$APT_DIR/empty";
Dir::Etc::preferencesparts "$APT_DIR/empty";
Dir::State "$APT_DIR";
Dir::State::status "$APT_DIR/status";
Dir::Cache "$APT_DIR/cache";
APT::Get::List-Cleanup "false";
APT::Sandbox::User "root";
EOF
}

lab_apt() {
	local tool=$1
	shift
	APT_CONFIG=$APT_DIR/apt.conf "$tool" -q "$@"
}

# apt_lists: package lists not older than a day; --fresh: new ones.
apt_lists() {
	apt_setup
	if [ "${1-}" != --fresh ] && [ -n "$(find "$APT_DIR/lists-done" -mmin -1440 2>/dev/null)" ]; then
		return 0
	fi
	note "reading package lists"
	lab_apt apt-get update -qq >&2 || die "apt-get update failed for the lab's sources"
	touch "$APT_DIR/lists-done"
}

field() {	# field NAME PACKAGE [SUITE]
	lab_apt apt-cache ${3:+-o "APT::Default-Release=$3"} show --no-all-versions "$2" 2>/dev/null |
		sed -n "s/^$1: //p" | head -n 1
}

# depends PACKAGE PATTERN SUITE: the first dependency that matches.
depends() {
	field Depends "$1" "$3" | tr ',|' '\n' | sed 's/(.*//; s/ //g' | grep -E -- "$2" | head -n 1
}

# download DIR PACKAGE...: into DIR, tried again with fresh lists.
download() {
	local dir=$1
	shift
	mkdir -p "$dir"
	(cd "$dir" && lab_apt apt-get download "$@" >&2) && return 0
	apt_lists --fresh
	(cd "$dir" && lab_apt apt-get download "$@" >&2) || die "can't download $*"
}
