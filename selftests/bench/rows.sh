# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# No kind of work has become more expensive than Documentation/performance.md says.
row svm bench-svm selftests/bench/run --check svm
row vmx bench-vmx selftests/bench/run --check vmx
