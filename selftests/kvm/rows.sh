# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# KVM's own selftests: does each still do on vmm what Documentation/kvm-selftests.md says?
row svm kvm-selftests selftests/kvm/run --check
