# SPDX-License-Identifier: GPL-2.0-only
vmm-y += kmod/emul/core.o kmod/emul/decode.o kmod/emul/table.o kmod/emul/alu.o kmod/emul/bits.o \
	 kmod/emul/move.o kmod/emul/stack.o kmod/emul/seg.o kmod/emul/far.o kmod/emul/task.o kmod/emul/flow.o \
	 kmod/emul/string.o kmod/emul/sys.o kmod/emul/simd.o kmod/emul/x87.o
