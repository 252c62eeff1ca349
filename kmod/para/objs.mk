# SPDX-License-Identifier: GPL-2.0-only
vmm-y += kmod/para/tsc.o kmod/para/kvmclock.o kmod/para/pv_eoi.o kmod/para/hypercall.o
vmm-y += kmod/para/pv_msr.o
vmm-y += kmod/para/steal.o kmod/para/yield.o kmod/para/async_pf.o
