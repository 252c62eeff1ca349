# SPDX-License-Identifier: GPL-2.0-only
vmm-y += kmod/svm/svm.o
vmm-y += kmod/svm/exits.o
vmm-y += kmod/svm/events.o
vmm-y += kmod/svm/state.o
vmm-y += kmod/svm/msr.o
vmm-y += kmod/svm/enter.o
