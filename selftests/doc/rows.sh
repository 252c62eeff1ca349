# SPDX-License-Identifier: GPL-2.0-only
# Documentation that is derived from the sources is up to date; sourced by selftests/check.

row unit doc-abi sh -c \
	"scripts/abi-tables --check --header $B/lab/6.12/root/usr/src/linux-headers-6.12.*-common/include/uapi/linux/kvm.h"
row unit doc-sparse selftests/doc/sparse
row unit doc-layout selftests/doc/layout
