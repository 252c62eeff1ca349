# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
row svm lab-svm selftests/lab/test --host svm
# Open: has not been seen to pass whole on vmx.
[ -z "${VMM_CHECK_OPEN-}" ] || row vmx lab-vmx selftests/lab/test --host vmx
