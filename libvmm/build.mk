# SPDX-License-Identifier: GPL-2.0-only
# libvmm.a. Included by the top Makefile; wants B (build folder), CC, AR, CFLAGS.

LIBVMM_SRC := $(sort $(wildcard libvmm/*.c libvmm/*/*.c))
LIBVMM_OBJ := $(LIBVMM_SRC:%.c=$(B)/%.o)
LIBVMM_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -pthread -fPIE -Iinclude -Ilibvmm
LIBVMM_LIBS := -lz -llz4 -lzstd -pthread

$(B)/libvmm/%.o: libvmm/%.c
	@mkdir -p $(@D)
	$(CC) $(LIBVMM_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/libvmm.a: $(LIBVMM_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

-include $(LIBVMM_OBJ:.o=.d)
