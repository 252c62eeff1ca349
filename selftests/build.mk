# SPDX-License-Identifier: GPL-2.0-only
# Test programs: each folder's fragment adds what it builds to check-programs.
.PHONY: check-programs
check-programs:

include $(sort $(wildcard selftests/*/*.mk))
