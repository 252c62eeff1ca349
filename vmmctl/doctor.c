// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmmctl doctor: what stands between this machine and running a VM. One line
 * per finding, with the remedy below what is wrong.
 */
#include <errno.h>
#include <getopt.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <vmm/device.h>
#include <vmm/error.h>
#include "vmmctl.h"

static const char usage[] =
	"usage: vmmctl doctor [OPTION]...\n"
	"\n"
	"  -d, --device NODE   default /dev/vmm, or /dev/kvm where that is absent\n"
	"  -h, --help          this text\n"
	"\n"
	"exit status: 0 a VM can run, 4 it cannot\n";

/* What the checks share. */
struct patient {
	const char *path;	/* of --device, or NULL */
	struct vmm_device dev;	/* fd -1 when it could not be opened */
	bool vmx;
	bool svm;
	bool hypervisor;
	bool can_run;
};

static void line(const char *mark, const char *fmt, va_list ap)
{
	printf("%-5s ", mark);
	vprintf(fmt, ap);
	putchar('\n');
}

static void __attribute__((format(printf, 1, 2))) good(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line("ok", fmt, ap);
	va_end(ap);
}

static void __attribute__((format(printf, 1, 2))) note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line("note", fmt, ap);
	va_end(ap);
}

static void __attribute__((format(printf, 1, 2))) bad(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line("FAIL", fmt, ap);
	va_end(ap);
}

static void __attribute__((format(printf, 1, 2))) remedy(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line("", fmt, ap);
	va_end(ap);
}

/* Does a line of flags hold this word? */
static bool has_word(const char *flags, const char *word)
{
	size_t len = strlen(word);
	const char *at = flags;

	while ((at = strstr(at, word))) {
		if ((at == flags || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\n'))
			return true;
		at += len;
	}
	return false;
}

static void check_cpu(struct patient *p)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char *text = NULL;
	size_t size = 0;

	while (f && getline(&text, &size, f) > 0) {
		if (strncmp(text, "flags", 5))
			continue;
		p->vmx = has_word(text, "vmx");
		p->svm = has_word(text, "svm");
		p->hypervisor = has_word(text, "hypervisor");
		break;
	}
	free(text);
	if (f)
		fclose(f);
	if (p->vmx || p->svm) {
		good("the processor has %s", p->vmx ? "VT-x" : "AMD-V");
	} else if (p->can_run) {
		note("the processor shows neither VT-x nor AMD-V, yet VMs can be made");
	} else {
		bad("the processor offers neither VT-x nor AMD-V");
		if (p->hypervisor)
			remedy("this is a virtual machine: have its host turn nested virtualization on,");
		else
			remedy("turn virtualization on in the firmware's set-up (Intel VT-x, AMD-V, SVM mode),");
		remedy("or use the emulated hosts of the source tree: make demo");
	}
	if (p->hypervisor && (p->vmx || p->svm))
		note("this machine is itself a virtual machine: guests run nested");
}

static bool module_loaded(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return access(path, F_OK) == 0;
}

/* From Linux 6.12 on KVM may hold the CPUs as long as it is loaded. */
static bool kvm_holds_cpus(void)
{
	FILE *f = fopen("/sys/module/kvm/parameters/enable_virt_at_load", "re");
	int c = f ? fgetc(f) : EOF;

	if (f)
		fclose(f);
	return c == 'Y' && (module_loaded("kvm_intel") || module_loaded("kvm_amd"));
}

static void check_module(struct patient *p)
{
	bool kvm = module_loaded("kvm_intel") || module_loaded("kvm_amd") ||
		   access("/dev/kvm", F_OK) == 0;
	bool vmm = module_loaded("vmm");

	(void)p;
	if (vmm)
		good("module vmm is loaded");
	else if (kvm)
		note("module vmm is not loaded; KVM is there, and serves as well");
	else
		note("neither module vmm nor KVM is there");
	if (kvm_holds_cpus()) {
		note("this kernel's KVM has the processor as long as it is loaded; for vmm to have it:");
		remedy("rmmod kvm_amd (or kvm_intel), or load kvm with enable_virt_at_load=0");
	} else if (vmm && kvm) {
		note("KVM is there beside vmm: only one of them can use the processor at a time");
	}
}

static void check_build(struct patient *p)
{
	struct utsname u;
	char path[128];

	(void)p;
	if (module_loaded("vmm") || uname(&u) < 0)
		return;
	snprintf(path, sizeof(path), "/lib/modules/%.60s/build", u.release);
	if (access(path, F_OK) == 0) {
		good("headers to build the module for kernel %s are installed", u.release);
		return;
	}
	note("no headers to build the module for kernel %s", u.release);
	remedy("on Debian: apt install linux-headers-%s", u.release);
}

static void check_lockdown(struct patient *p)
{
	FILE *f = fopen("/sys/kernel/security/lockdown", "re");
	char text[128];

	(void)p;
	if (!f)
		return;
	if (fgets(text, sizeof(text), f) && !strstr(text, "[none]") && !module_loaded("vmm")) {
		note("the kernel is locked down: it takes only signed modules");
		remedy("sign vmm.ko with a key the machine trusts, or turn Secure Boot off");
	}
	fclose(f);
}

static void check_device(struct patient *p)
{
	struct stat st;

	if (vmm_device_open(&p->dev, p->path) == 0) {
		good("%s can be opened", p->dev.path);
		return;
	}
	bad("%s", vmm_error());
	if (stat("/dev/vmm", &st) == 0)
		remedy("/dev/vmm is of user %u and group %u, mode %o", st.st_uid, st.st_gid,
		       st.st_mode & 07777);
}

static void check_vm(struct patient *p)
{
	int vm, vcpu, err;

	if (p->dev.fd < 0)
		return;
	vm = ioctl(p->dev.fd, KVM_CREATE_VM, 0);
	if (vm < 0) {
		err = errno;
		bad("%s cannot make a VM: %s", p->dev.path, strerror(err));
		if (err == EBUSY)
			remedy("another hypervisor uses the processor: end its VMs or unload its module");
		else
			remedy("the kernel's log may say why: dmesg | tail");
		return;
	}
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0) {
		bad("%s cannot make a vCPU: %s", p->dev.path, strerror(errno));
		remedy("the kernel's log may say why: dmesg | tail");
	} else {
		good("%s makes a VM and a vCPU", p->dev.path);
		p->can_run = true;
		close(vcpu);
	}
	close(vm);
}

static void check_memory(struct patient *p)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	struct rlimit as;
	char text[128];

	(void)p;
	while (f && fgets(text, sizeof(text), f)) {
		if (sscanf(text, "MemAvailable: %llu kB", &kib) == 1)
			break;
	}
	if (f)
		fclose(f);
	if (kib >= 256 << 10) {
		good("%llu MiB of memory are available", kib >> 10);
	} else {
		note("only %llu MiB of memory are available", kib >> 10);
		remedy("end other programs, or give guests less (vmmctl run --memory)");
	}
	if (getrlimit(RLIMIT_AS, &as) == 0 && as.rlim_cur != RLIM_INFINITY) {
		note("address space is limited to %llu MiB, guest memory included",
		     (unsigned long long)as.rlim_cur >> 20);
		remedy("raise it: ulimit -v unlimited");
	}
}

int verb_doctor(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static void (* const checks[])(struct patient *p) = {
		/* The device first: where a VM can be made, the rest are notes. */
		check_device, check_vm, check_cpu, check_module, check_build, check_lockdown,
		check_memory,
	};
	struct patient p = { .dev.fd = -1 };
	char program[] = "vmmctl";
	size_t i;
	int c;

	argv[0] = program;
	while ((c = getopt_long(argc, argv, "d:h", longopts, NULL)) != -1) {
		switch (c) {
		case 'd':
			p.path = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return STATUS_OK;
		default:
			fputs("try: vmmctl doctor --help\n", stderr);
			return STATUS_USAGE;
		}
	}
	if (optind < argc) {
		complain("'%s' is not an option; try: vmmctl doctor --help", argv[optind]);
		return STATUS_USAGE;
	}
	for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		checks[i](&p);
	vmm_device_close(&p.dev);
	if (p.can_run)
		printf("A VM can run here: vmmctl run --kernel FILE\n");
	else
		printf("A VM cannot run here yet: see the lines marked FAIL.\n");
	return p.can_run ? STATUS_OK : STATUS_SETUP;
}
