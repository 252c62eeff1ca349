# SPDX-License-Identifier: GPL-2.0-only
vmm-y += kmod/vmx/vmx.o kmod/vmx/caps.o kmod/vmx/cpu.o kmod/vmx/state.o kmod/vmx/events.o \
	 kmod/vmx/exits.o kmod/vmx/log.o kmod/vmx/msr.o kmod/vmx/tlb.o kmod/vmx/dump.o kmod/vmx/enter.o
