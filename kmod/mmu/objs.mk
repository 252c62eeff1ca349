# SPDX-License-Identifier: GPL-2.0-only
vmm-y += kmod/mmu/engine.o kmod/mmu/ept.o kmod/mmu/npt.o kmod/mmu/mmu.o kmod/mmu/host.o \
	 kmod/mmu/fault.o kmod/mmu/notifier.o kmod/mmu/flush.o kmod/mmu/dirty.o \
	 kmod/mmu/gwalk.o
