# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
row svm lab-svm selftests/lab/test --host svm
row vmx lab-vmx selftests/lab/test --host vmx
