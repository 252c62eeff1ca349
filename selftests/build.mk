# SPDX-License-Identifier: GPL-2.0-only
# Test programs. Each folder's fragment adds its targets; included by the top Makefile.
-include selftests/unit/*.mk
-include selftests/abi/build.mk
-include selftests/fuzz/build.mk
