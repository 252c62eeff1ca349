# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the lab's scripts share; sourced, not run.

LAB_SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$LAB_SRC/../.." && pwd)
LAB=${LAB_DIR:-$TOP/build/lab}

die() {
	echo "lab: $*" >&2
	exit 125
}

note() {
	echo "lab: $*" >&2
}

# with_lock NAME COMMAND...: COMMAND alone among the lab's scripts.
with_lock() {
	local name=$1
	shift
	mkdir -p "$LAB"
	(
		flock 9
		"$@"
	) 9>"$LAB/.lock-$name"
}

# The two small programs of the lab, rebuilt when their source is newer.
build_tools() {
	local bin=$LAB/bin
	[ "$bin/agent" -nt "$LAB_SRC/agent.c" ] && [ "$bin/agent" -nt "$LAB_SRC/proto.h" ] &&
		[ "$bin/mux" -nt "$LAB_SRC/mux.c" ] && [ "$bin/mux" -nt "$LAB_SRC/proto.h" ] &&
		[ "$bin/tsc" -nt "$LAB_SRC/tsc.c" ] && return 0
	with_lock bin build_tools_locked
}

build_tools_locked() {
	local bin=$LAB/bin cflags=(-std=gnu11 -O2 -Wall -Wextra -Werror)
	mkdir -p "$bin"
	if ! gcc "${cflags[@]}" -static -o "$bin/agent.$$" "$LAB_SRC/agent.c" -lutil ||
	   ! gcc "${cflags[@]}" -o "$bin/mux.$$" "$LAB_SRC/mux.c" -lutil ||
	   ! gcc "${cflags[@]}" -o "$bin/tsc.$$" "$LAB_SRC/tsc.c"; then
		die "the lab's own programs do not build"
	fi
	mv "$bin/agent.$$" "$bin/agent"
	mv "$bin/mux.$$" "$bin/mux"
	mv "$bin/tsc.$$" "$bin/tsc"
}

need() {
	local p
	for p; do
		command -v "$p" >/dev/null || PATH=$PATH:/sbin:/usr/sbin command -v "$p" >/dev/null ||
			die "no $p on this machine: run selftests/lab/fetch deps"
	done
}
