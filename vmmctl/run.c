// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmmctl run: boot a kernel in a new VM and stay until it ends.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <vmm/acpi.h>
#include <vmm/boot.h>
#include <vmm/console.h>
#include <vmm/error.h>
#include <vmm/pc.h>
#include <vmm/tty.h>
#include <vmm/vm.h>
#include "vmmctl.h"

struct options {
	const char *kernel;
	const char *initrd;
	const char *cmdline;
	const char *name;
	const char *device;
	uint64_t memory;
	unsigned int cpus;
	uint16_t debug_exit;
	bool no_sandbox;
};

/*
 * A distribution's kernel spends half of its boot on testing its own cryptography. Whoever
 * gives a command line gets that one and nothing more.
 */
#define CMDLINE	"console=ttyS0 cryptomgr.notests"

static const char usage[] =
	"usage: vmmctl run --kernel FILE [OPTION]...\n"
	"\n"
	"  -k, --kernel FILE        Linux bzImage, or an ELF or Multiboot kernel\n"
	"  -i, --initrd FILE        initial RAM disk (Multiboot: the module)\n"
	"  -c, --cmdline STRING     kernel command line (default \"" CMDLINE "\")\n"
	"  -m, --memory SIZE        memory in MiB, or with K, M, G, T (default 512M)\n"
	"  -p, --cpus N             virtual CPUs (default 1)\n"
	"  -n, --name NAME          name of the VM\n"
	"  -d, --device NODE        default /dev/vmm, or /dev/kvm where that is absent\n"
	"      --debug-exit[=PORT]  isa-debug-exit device for test kernels (default 0xf4)\n"
	"      --no-sandbox         keep capabilities and system calls\n"
	"  -h, --help               this text\n"
	"\n"
	"Ctrl-A x ends the VM, Ctrl-A h helps.\n"
	"\n"
	"exit status: 0 power-off, 2 wrong usage, 4 could not start, 10 reset, 12 crash,\n"
	"14 killed, 16 internal error; odd: the status of --debug-exit\n";

enum {
	OPT_DEBUG_EXIT = 256,
	OPT_NO_SANDBOX,
};

static const struct option longopts[] = {
	{ "kernel", required_argument, NULL, 'k' },
	{ "initrd", required_argument, NULL, 'i' },
	{ "cmdline", required_argument, NULL, 'c' },
	{ "append", required_argument, NULL, 'c' },
	{ "memory", required_argument, NULL, 'm' },
	{ "cpus", required_argument, NULL, 'p' },
	{ "name", required_argument, NULL, 'n' },
	{ "device", required_argument, NULL, 'd' },
	{ "debug-exit", optional_argument, NULL, OPT_DEBUG_EXIT },
	{ "no-sandbox", no_argument, NULL, OPT_NO_SANDBOX },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static bool parse_number(const char *s, int base, uint64_t *v, const char **end)
{
	char *e;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	*v = strtoull(s, &e, base);
	*end = e;
	return errno == 0;
}

/* A size: a plain number is MiB. Return: false when it is none. */
static bool parse_size(const char *s, uint64_t *size)
{
	static const char units[] = "KMGT";
	unsigned int shift = 20;
	const char *end, *unit;
	uint64_t v;

	if (!parse_number(s, 10, &v, &end))
		return false;
	if (*end) {
		unit = strchr(units, *end & ~0x20);
		if (!unit)
			return false;
		shift = 10 * (unit - units + 1);
		end++;
		if (*end && strcmp(end, "iB") && strcmp(end, "B"))
			return false;
	}
	if (v > UINT64_MAX >> shift)
		return false;
	*size = v << shift;
	return true;
}

/* Return: -1 to go on, else the exit status. */
static int parse_one(struct options *o, int c)
{
	const char *end;
	uint64_t v;

	switch (c) {
	case 'k':
		o->kernel = optarg;
		return -1;
	case 'i':
		o->initrd = optarg;
		return -1;
	case 'c':
		o->cmdline = optarg;
		return -1;
	case 'n':
		o->name = optarg;
		return -1;
	case 'd':
		o->device = optarg;
		return -1;
	case 'm':
		if (parse_size(optarg, &o->memory))
			return -1;
		complain("--memory %s: not a size; examples: 512M, 4G", optarg);
		return STATUS_USAGE;
	case 'p':
		if (parse_number(optarg, 10, &v, &end) && !*end && v >= 1 && v <= VMM_CPUS_MAX) {
			o->cpus = v;
			return -1;
		}
		complain("--cpus %s: not a number from 1 to %d", optarg, VMM_CPUS_MAX);
		return STATUS_USAGE;
	case OPT_DEBUG_EXIT:
		o->debug_exit = VMM_PC_DEBUG_EXIT;
		if (!optarg)
			return -1;
		if (parse_number(optarg, 0, &v, &end) && !*end && v >= 1 && v <= 0xfffc) {
			o->debug_exit = v;
			return -1;
		}
		complain("--debug-exit=%s: not a port", optarg);
		return STATUS_USAGE;
	case OPT_NO_SANDBOX:
		o->no_sandbox = true;
		return -1;
	case 'h':
		fputs(usage, stdout);
		return STATUS_OK;
	default:
		/* getopt has said what is wrong. */
		fputs("try: vmmctl run --help\n", stderr);
		return STATUS_USAGE;
	}
}

static int parse(struct options *o, int argc, char **argv)
{
	char program[] = "vmmctl";
	int c, status;

	/* getopt prints the program's name before its complaints. */
	argv[0] = program;
	while ((c = getopt_long(argc, argv, "k:i:c:m:p:n:d:h", longopts, NULL)) != -1) {
		status = parse_one(o, c);
		if (status >= 0)
			return status;
	}
	if (optind < argc) {
		complain("'%s' is not an option; try: vmmctl run --help", argv[optind]);
		return STATUS_USAGE;
	}
	if (!o->kernel) {
		complain("no --kernel given; try: vmmctl run --help");
		return STATUS_USAGE;
	}
	return -1;
}

/* Everything that a running VM is made of here. */
struct machine {
	struct options opt;
	struct vmm_image kernel;
	struct vmm_image initrd;
	struct vmm_device dev;
	struct vmm_loop *loop;
	struct vmm_vm vm;
	bool vm_made;
	struct vmm_console *console;
	struct vmm_pc *pc;
	int signal_fd;
};

static void signal_ready(void *opaque, uint32_t events)
{
	struct machine *m = opaque;
	struct signalfd_siginfo info;

	(void)events;
	if (read(m->signal_fd, &info, sizeof(info)) == sizeof(info))
		vmm_vm_end(&m->vm, VMM_END_KILLED, 0, "ended by signal %u (%s)", info.ssi_signo,
			   strsignal(info.ssi_signo));
}

static int watch_signals(struct machine *m)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	m->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (m->signal_fd < 0)
		return vmm_fail(errno, "cannot watch signals: %s", strerror(errno));
	return vmm_loop_add(m->loop, m->signal_fd, EPOLLIN, signal_ready, m);
}

static int open_files(struct machine *m)
{
	int err = vmm_image_open(&m->kernel, m->opt.kernel);

	if (!err && m->opt.initrd)
		err = vmm_image_open(&m->initrd, m->opt.initrd);
	return err;
}

static int make_vm(struct machine *m)
{
	int err = vmm_device_open(&m->dev, m->opt.device);

	if (err)
		return err;
	m->loop = vmm_loop_create();
	if (!m->loop)
		return -ENOMEM;
	err = vmm_vm_create(&m->vm, &m->dev, m->loop, m->opt.name);
	if (err)
		return err;
	m->vm_made = true;
	return vmm_memory_create(&m->vm.mem, m->opt.memory, 0, NULL);
}

static int make_devices(struct machine *m)
{
	struct vmm_pc_config config = { .debug_exit = m->opt.debug_exit };

	m->console = vmm_console_create(&m->vm, STDIN_FILENO, STDOUT_FILENO);
	if (!m->console)
		return -ENOMEM;
	config.console = m->console;
	m->pc = vmm_pc_create(&m->vm, &config);
	return m->pc ? 0 : -EINVAL;
}

static int load(struct machine *m)
{
	struct vmm_acpi_config acpi = { .nr_cpus = m->opt.cpus, .erst_regs = VMM_PC_ERST_REGS };
	struct vmm_boot_params params = {
		.kernel = &m->kernel,
		.initrd = m->opt.initrd ? &m->initrd : NULL,
		.cmdline = m->opt.cmdline,
	};
	struct vmm_boot_entry entry;
	int err = vmm_acpi_build(&m->vm.mem, &acpi, &params.rsdp);

	if (!err)
		err = vmm_boot_load(&m->vm.mem, &params, &entry);
	if (!err)
		err = vmm_vm_set_memory(&m->vm);
	if (!err)
		err = vmm_vm_add_vcpus(&m->vm, m->opt.cpus);
	if (!err)
		err = vmm_boot_enter(&m->vm.mem, &m->vm.vcpus[0], &entry);
	return err;
}

static int set_up(struct machine *m)
{
	int err;

	/*
	 * No heap per thread: nobody allocates often, and with many threads glibc asks how
	 * many CPUs there are before it makes another, which the sandbox forbids.
	 */
	mallopt(M_ARENA_MAX, 1);
	err = open_files(m);
	if (!err)
		err = make_vm(m);
	if (!err)
		err = watch_signals(m);
	if (!err)
		err = make_devices(m);
	if (!err)
		err = load(m);
	vmm_image_close(&m->kernel);
	vmm_image_close(&m->initrd);
	if (!err && !m->opt.no_sandbox) {
		m->vm.vcpu_enter = sandbox_vcpu;
		err = sandbox_enter();
	}
	return err;
}

static void tear_down(struct machine *m)
{
	if (m->pc)
		vmm_pc_destroy(m->pc);
	vmm_console_destroy(m->console);
	if (m->vm_made)
		vmm_vm_destroy(&m->vm);
	if (m->signal_fd >= 0)
		close(m->signal_fd);
	vmm_loop_destroy(m->loop);
	vmm_device_close(&m->dev);
}

static int report(struct machine *m)
{
	const char *name = m->vm.name, *detail = vmm_vm_end_detail(&m->vm);

	switch (vmm_vm_ended(&m->vm)) {
	case VMM_END_POWEROFF:
		return STATUS_OK;
	case VMM_END_RESET:
		complain("%s: the guest asked for a reset", name);
		return STATUS_RESET;
	case VMM_END_CRASH:
		complain("%s: the guest crashed: %s", name, detail);
		return STATUS_CRASH;
	case VMM_END_KILLED:
		complain("%s: %s", name, detail);
		return STATUS_KILLED;
	case VMM_END_DEBUG_EXIT:
		return vmm_vm_end_code(&m->vm);
	case VMM_END_ERROR:
	case VMM_END_NONE:
		break;
	}
	complain("%s: %s", name, *detail ? detail : vmm_error());
	return STATUS_INTERNAL;
}

static int run(struct machine *m)
{
	int err;

	if (vmm_tty_raw(STDIN_FILENO) < 0)
		complain("%s", vmm_error());
	err = vmm_vm_start(&m->vm);
	if (!err)
		err = vmm_loop_run(m->loop);
	if (err)
		vmm_vm_end(&m->vm, VMM_END_ERROR, 0, "%s", vmm_error());
	vmm_vm_join(&m->vm);
	/* What the guest said last belongs before our own words. */
	vmm_pc_destroy(m->pc);
	m->pc = NULL;
	vmm_tty_restore();
	return report(m);
}

int verb_run(int argc, char **argv)
{
	struct machine m = {
		.opt = {
			.cmdline = CMDLINE,
			.memory = 512ULL << 20,
			.cpus = 1,
		},
		.kernel.fd = -1,
		.initrd.fd = -1,
		.dev.fd = -1,
		.signal_fd = -1,
	};
	int status = parse(&m.opt, argc, argv);

	if (status >= 0)
		return status;
	if (set_up(&m)) {
		complain("%s", vmm_error());
		status = STATUS_SETUP;
	} else {
		status = run(&m);
	}
	tear_down(&m);
	return status;
}
