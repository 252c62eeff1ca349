// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmmctl info: the device, the backend and what they can do.
 */
#include <getopt.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <vmm/device.h>
#include <vmm/error.h>
#include "vmmctl.h"

static const char usage[] =
	"usage: vmmctl info [OPTION]...\n"
	"\n"
	"  -d, --device NODE   default /dev/vmm, or /dev/kvm where that is absent\n"
	"  -h, --help          this text\n";

static const struct {
	long cap;
	const char *name;
	bool number;		/* the answer is a number, not yes or no */
} features[] = {
	{ KVM_CAP_NR_VCPUS, "vCPUs recommended", true },
	{ KVM_CAP_MAX_VCPUS, "vCPUs at most", true },
	{ KVM_CAP_MAX_VCPU_ID, "vCPU ids", true },
	{ KVM_CAP_NR_MEMSLOTS, "memory slots", true },
	{ KVM_CAP_IRQCHIP, "in-kernel interrupt controllers", false },
	{ KVM_CAP_SPLIT_IRQCHIP, "split interrupt controllers", false },
	{ KVM_CAP_PIT2, "in-kernel timer (PIT)", false },
	{ KVM_CAP_TSC_DEADLINE_TIMER, "TSC-deadline timer", false },
	{ KVM_CAP_GET_TSC_KHZ, "TSC frequency known", false },
	{ KVM_CAP_IRQFD, "irqfd", false },
	{ KVM_CAP_IOEVENTFD, "ioeventfd", false },
	{ KVM_CAP_SIGNAL_MSI, "MSI", false },
	{ KVM_CAP_READONLY_MEM, "read-only memory", false },
	{ KVM_CAP_SYNC_MMU, "swappable guest memory", false },
	{ KVM_CAP_XSAVE, "XSAVE state", false },
	{ KVM_CAP_XCRS, "extended control registers", false },
	{ KVM_CAP_VCPU_EVENTS, "pending events", false },
	{ KVM_CAP_DEBUGREGS, "debug registers", false },
	{ KVM_CAP_ADJUST_CLOCK, "guest clock", false },
	{ KVM_CAP_IMMEDIATE_EXIT, "immediate exit", false },
	{ KVM_CAP_SET_GUEST_DEBUG, "guest debugging", false },
	{ KVM_CAP_DIRTY_LOG_RING, "dirty ring", false },
	{ KVM_CAP_NESTED_STATE, "nested virtualization", false },
	{ KVM_CAP_BINARY_STATS_FD, "statistics", false },
};

/* First line of a file, or NULL. */
static const char *read_line(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");
	char *got;

	if (!f)
		return NULL;
	got = fgets(buf, size, f);
	fclose(f);
	if (!got)
		return NULL;
	buf[strcspn(buf, "\n")] = 0;
	return buf;
}

/* Which module serves the node; it is the module's to say with which backend. */
static void show_backend(const struct vmm_device *dev)
{
	char line[64];
	const char *backend = NULL;

	if (strstr(dev->path, "kvm")) {
		if (access("/sys/module/kvm_intel", F_OK) == 0)
			backend = "kvm_intel";
		else if (access("/sys/module/kvm_amd", F_OK) == 0)
			backend = "kvm_amd";
	} else {
		backend = read_line("/sys/module/vmm/parameters/backend", line, sizeof(line));
	}
	printf("%-32s %s\n", "backend", backend ? backend : "unknown");
}

static void show_cpuid(const struct vmm_device *dev)
{
	struct kvm_cpuid2 *cpuid;
	unsigned int i;

	if (vmm_device_cpuid(dev, &cpuid))
		return;
	printf("%-32s %u\n", "CPUID leaves", cpuid->nent);
	for (i = 0; i < cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &cpuid->entries[i];
		__u32 id[3] = { e->ebx, e->ecx, e->edx };

		/* A hypervisor leaf's signature is in another order than the vendor's. */
		if (e->function == 0x40000000)
			printf("%-32s %.12s\n", "hypervisor signature", (const char *)id);
		if (e->function == 0) {
			id[1] = e->edx;
			id[2] = e->ecx;
			printf("%-32s %.12s\n", "processor", (const char *)id);
		}
		if (e->function == 0x80000008)
			printf("%-32s %u\n", "physical address bits", e->eax & 0xff);
	}
	free(cpuid);
}

int verb_info(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *path = NULL;
	char program[] = "vmmctl";
	struct vmm_device dev;
	size_t i;
	int c;

	argv[0] = program;
	while ((c = getopt_long(argc, argv, "d:h", longopts, NULL)) != -1) {
		switch (c) {
		case 'd':
			path = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return STATUS_OK;
		default:
			fputs("try: vmmctl info --help\n", stderr);
			return STATUS_USAGE;
		}
	}
	if (optind < argc) {
		complain("'%s' is not an option; try: vmmctl info --help", argv[optind]);
		return STATUS_USAGE;
	}
	if (vmm_device_open(&dev, path)) {
		complain("%s", vmm_error());
		return STATUS_SETUP;
	}
	printf("%-32s %s\n", "device", dev.path);
	printf("%-32s %d\n", "API version", ioctl(dev.fd, KVM_GET_API_VERSION, 0));
	show_backend(&dev);
	show_cpuid(&dev);
	for (i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		int v = vmm_device_cap(&dev, features[i].cap);

		if (features[i].number)
			printf("%-32s %d\n", features[i].name, v);
		else
			printf("%-32s %s\n", features[i].name, v ? "yes" : "no");
	}
	vmm_device_close(&dev);
	return STATUS_OK;
}
