# SPDX-License-Identifier: GPL-2.0-only
#
# make            build the module (for the lab's kernels), libvmm and vmmctl
# make demo       boot a stock Debian kernel under vmmctl on vmm.ko [HOST=svm|vmx|native]
# make check      every test, on emulated AMD-V and VT-x hosts
# make check-kvm-selftests    KVM's own tests on KVM and on vmm, for Documentation/kvm-selftests.md
# make bench      what each kind of work costs, KVM and vmm side by side [HOST=svm|vmx]
# make host       build the module for the kernel this machine runs
# make load       ... and load it      make unload   remove it
# make install    module, vmmctl, libvmm, headers and man pages [PREFIX=/usr/local DESTDIR=]
# make clean      all that was built, but not what was fetched    make distclean   that too

B := build
HOST ?= svm
KERNEL ?= 6.1
KERNELS := 6.1 6.12
PREFIX ?= /usr/local
RELEASE := $(shell uname -r)
LAB := selftests/lab

CC ?= gcc
AR ?= ar
CFLAGS ?=

.DEFAULT_GOAL := all
.PHONY: all kmod host demo check check-quick bench check-kvm-selftests sparse load unload install uninstall clean distclean deps FORCE

all: kmod $(B)/libvmm.a $(B)/vmmctl/vmmctl

include libvmm/build.mk
include vmmctl/build.mk
include selftests/build.mk

# ---- packages ----------------------------------------------------------------

# Installs what is missing when root; otherwise says the one command that does.
deps:
	@$(LAB)/fetch deps --install

# ---- the module ---------------------------------------------------------------

kmod: $(KERNELS:%=$(B)/kmod/%/vmm.ko)

$(B)/lab/%/release:
	@$(LAB)/fetch kernel $*

$(B)/kmod/%/vmm.ko: $(B)/lab/%/release FORCE
	+@scripts/build-kmod $* $(B)/lab/$*/headers VMM_WERROR=y $(if $(filter debug,$*),VMM_DEBUG=y UBSAN_SANITIZE=y)

sparse: $(B)/lab/6.1/release
	+@scripts/build-kmod sparse $(B)/lab/6.1/headers C=2 CF="-Wsparse-error"

host:
	+@scripts/build-kmod host /lib/modules/$(RELEASE)/build

load: host
	@scripts/load $(B)/kmod/host/vmm.ko

unload:
	rmmod vmm

# ---- try it ---------------------------------------------------------------------

demo: deps $(B)/kmod/$(KERNEL)/vmm.ko $(B)/vmmctl/vmmctl
	@selftests/demo $(HOST) $(KERNEL)

check: deps
	@selftests/check

check-kvm-selftests: deps $(B)/kmod/6.1/vmm.ko
	@selftests/kvm/run

# Instructions per kind of work, beside KVM's: Documentation/performance.md.
bench: deps $(B)/kmod/6.1/vmm.ko $(B)/vmmctl/vmmctl $(BENCH)
	@selftests/bench/run $(HOST)

check-quick: deps
	@selftests/check --quick

# ---- install ----------------------------------------------------------------------

install: host all
	install -D -m 644 $(B)/kmod/host/vmm.ko $(DESTDIR)/lib/modules/$(RELEASE)/extra/vmm.ko
	install -D -m 755 $(B)/vmmctl/vmmctl $(DESTDIR)$(PREFIX)/bin/vmmctl
	install -D -m 644 $(B)/libvmm.a $(DESTDIR)$(PREFIX)/lib/libvmm.a
	install -d $(DESTDIR)$(PREFIX)/include/vmm
	install -m 644 include/vmm/*.h $(DESTDIR)$(PREFIX)/include/vmm/
	install -D -m 644 Documentation/man/vmmctl.1 $(DESTDIR)$(PREFIX)/share/man/man1/vmmctl.1
	install -D -m 644 scripts/60-vmm.rules $(DESTDIR)/etc/udev/rules.d/60-vmm.rules
	$(if $(DESTDIR),,depmod -a)

uninstall:
	rm -f $(DESTDIR)/lib/modules/$(RELEASE)/extra/vmm.ko $(DESTDIR)$(PREFIX)/bin/vmmctl
	rm -f $(DESTDIR)$(PREFIX)/lib/libvmm.a $(DESTDIR)$(PREFIX)/share/man/man1/vmmctl.1
	rm -rf $(DESTDIR)$(PREFIX)/include/vmm
	rm -f $(DESTDIR)/etc/udev/rules.d/60-vmm.rules

clean:
	rm -rf $(B)/kmod $(B)/libvmm $(B)/libvmm.a $(B)/vmmctl $(B)/unit $(B)/selftests $(B)/guest

distclean:
	rm -rf $(B)
