# SPDX-License-Identifier: GPL-2.0-only
# vmmctl. Included by the top Makefile after libvmm/build.mk.

VMMCTL_SRC := $(sort $(wildcard vmmctl/*.c))
VMMCTL_OBJ := $(VMMCTL_SRC:%.c=$(B)/%.o)
VMMCTL_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -pthread -fPIE -Iinclude
# No shared libraries: what they take of memory would be more than all the rest.
VMMCTL_LDFLAGS := -static-pie
VMMCTL_LIBS := $(LIBVMM_LIBS) -lcap -lseccomp

$(B)/vmmctl/%.o: vmmctl/%.c
	@mkdir -p $(@D)
	$(CC) $(VMMCTL_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/vmmctl/vmmctl: $(VMMCTL_OBJ) $(B)/libvmm.a
	$(CC) $(VMMCTL_CFLAGS) $(CFLAGS) $(VMMCTL_LDFLAGS) $(LDFLAGS) -o $@ $^ $(VMMCTL_LIBS)

-include $(VMMCTL_OBJ:.o=.d)
