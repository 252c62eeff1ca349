// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ABI tests' harness: see lib.h.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "lib.h"

#define ROW_SECONDS	8
#define ROW_SECONDS_SLOW	80	/* where the host's kernel checks itself at every step */
#define STATUS_SKIP	77

const char *device;
int dev = -1;
bool on_kvm, amd, tcg;
volatile struct guest guest __attribute__((aligned(4096)));

static const char *row_name;
static int answers_fd = -1;
static char why[256];
int row_seconds = ROW_SECONDS;

/* ---- rows ------------------------------------------------------------------------- */

const char *errno_name(int err)
{
	const char *name = strerrorname_np(err);

	return name ? name : "?";
}

void answer(const char *key, const char *fmt, ...)
{
	char value[2048], line[4096];
	va_list ap;
	int n;

	if (answers_fd < 0)
		return;
	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	n = snprintf(line, sizeof(line), "%s\t%s\t%s\n", row_name, key, value);
	if (write(answers_fd, line, n) != n)
		fail("cannot write answers");
}

long ask(const char *key, long result)
{
	int err = errno;

	if (result < 0)
		answer(key, "%s", errno_name(err));
	else
		answer(key, "%ld", result);
	errno = err;
	return result;
}

void note(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	note("%s: %s", row_name ? row_name : "set-up", why);
	fflush(stdout);
	_exit(1);
}

void skip(const char *reason)
{
	note("%s: skipped, %s", row_name, reason);
	fflush(stdout);
	_exit(STATUS_SKIP);
}

static void on_signal(int sig)
{
	(void)sig;	/* ends KVM_RUN */
}

void identify(void)
{
	unsigned int a, b, c, d;
	struct utsname u;

	__cpuid(0, a, b, c, d);
	amd = b == signature_AMD_ebx || b == 0x6f677948;	/* Hygo */
	__cpuid(0x40000000, a, b, c, d);
	tcg = b == 0x54474354;
	if (!uname(&u) && strstr(u.release, "lab-debug"))
		row_seconds = ROW_SECONDS_SLOW;
}

static int wait_row(pid_t child)
{
	struct timespec nap = { .tv_nsec = 2000000 };
	time_t end = time(NULL) + row_seconds;
	int status;

	while (waitpid(child, &status, WNOHANG) == 0) {
		if (time(NULL) > end) {
			note("%s: still running after %d s", row_name, row_seconds);
			kill(child, SIGKILL);
			waitpid(child, &status, 0);
			return -1;
		}
		nanosleep(&nap, NULL);
	}
	if (WIFSIGNALED(status)) {
		note("%s: signal %d", row_name, WTERMSIG(status));
		return -1;
	}
	return WEXITSTATUS(status);
}

static int run_row(const struct row *row)
{
	pid_t child;

	row_name = row->name;
	fflush(stdout);
	child = fork();
	if (child < 0)
		return -1;
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		row->run();
		fflush(stdout);
		_exit(0);
	}
	return wait_row(child);
}

/*
 * KVM is what we are held against, and an emulated host sometimes loses an interrupt of it:
 * half a row's answers are no answer. It gets another try; vmm does not.
 */
#define ORACLE_TRIES	3

static int run_oracle_row(const struct row *row)
{
	off_t before = answers_fd >= 0 ? lseek(answers_fd, 0, SEEK_END) : 0;
	int i, status = run_row(row);

	for (i = 1; i < ORACLE_TRIES && status && status != STATUS_SKIP; i++) {
		note("%s: failed, once more", row->name);
		if (answers_fd >= 0 && ftruncate(answers_fd, before))
			return -1;
		status = run_row(row);
	}
	return status;
}

int run_rows(const struct row *const *tables, const char *answers, const char *only)
{
	struct sigaction sa = { .sa_handler = on_signal };
	const struct row *const *t, *r;
	int n = 0, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	identify();
	on_kvm = strstr(device, "kvm");
	dev = open(device, O_RDWR | O_CLOEXEC);
	if (dev < 0) {
		printf("Bail out! %s: %s\n", device, strerror(errno));
		return 2;
	}
	if (answers) {
		answers_fd = open(answers, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
		if (answers_fd < 0) {
			printf("Bail out! %s: %s\n", answers, strerror(errno));
			return 2;
		}
	}
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	for (t = tables; *t; t++)
		for (r = *t; r->name; r++)
			n += !only || strstr(r->name, only);
	printf("1..%d\n", n);
	n = 0;
	for (t = tables; *t; t++) {
		for (r = *t; r->name; r++) {
			int status;

			if (only && !strstr(r->name, only))
				continue;
			status = on_kvm ? run_oracle_row(r) : run_row(r);
			n++;
			if (status && status != STATUS_SKIP)
				failed++;
			printf("%sok %d - %s%s\n", status && status != STATUS_SKIP ? "not " : "",
			       n, r->name, status == STATUS_SKIP ? " # SKIP" : "");
		}
	}
	return failed ? 1 : 0;
}

/* ---- VMs ----------------------------------------------------------------------------- */

extern char __executable_start[], _end[];

void *map_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap of %zu bytes: %s", size, strerror(errno));
	return p;
}

int vm_slot(struct vm *vm, uint32_t slot, uint32_t flags, uint64_t gpa, uint64_t size, void *hva)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

struct kvm_cpuid2 *supported_cpuid(void)
{
	static struct kvm_cpuid2 *cpuid;

	if (!cpuid) {
		cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));
		cpuid->nent = 256;
		MUST(ioctl(dev, KVM_GET_SUPPORTED_CPUID, cpuid));
	}
	return cpuid;
}

const struct kvm_cpuid_entry2 *cpuid_leaf(uint32_t function, uint32_t index)
{
	struct kvm_cpuid2 *cpuid = supported_cpuid();
	uint32_t i;

	for (i = 0; i < cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function == function &&
		    (e->index == index || !(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX)))
			return e;
	}
	return NULL;
}

struct one_msr {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
};

void set_msr(struct vm *vm, int i, uint32_t index, uint64_t value)
{
	struct one_msr m = { { .nmsrs = 1 }, { .index = index, .data = value } };

	if (MUST(ioctl(vm->vcpu[i], KVM_SET_MSRS, &m)) != 1)
		fail("MSR %#x cannot be set to %#llx", index, (unsigned long long)value);
}

uint64_t get_msr(struct vm *vm, int i, uint32_t index)
{
	struct one_msr m = { { .nmsrs = 1 }, { .index = index } };

	if (MUST(ioctl(vm->vcpu[i], KVM_GET_MSRS, &m)) != 1)
		fail("MSR %#x cannot be read", index);
	return m.entry.data;
}

uint64_t stat_value(int vcpu_or_vm, const char *name)
{
	int fd = ioctl(vcpu_or_vm, KVM_GET_STATS_FD, 0);
	struct kvm_stats_header h;
	uint64_t value = ~0ull;
	uint32_t i;

	if (fd < 0 || pread(fd, &h, sizeof(h), 0) != sizeof(h))
		return value;
	for (i = 0; i < h.num_desc; i++) {
		char buf[sizeof(struct kvm_stats_desc) + 256];
		struct kvm_stats_desc *d = (void *)buf;
		size_t size = sizeof(*d) + h.name_size;

		if (pread(fd, buf, size, h.desc_offset + i * size) != (ssize_t)size)
			break;
		if (!strcmp((char *)(d + 1), name) &&
		    pread(fd, &value, 8, h.data_offset + d->offset) != 8)
			break;
	}
	close(fd);
	return value;
}

static const uint64_t gdt[] = {
	0,
	0x00cf9b000000ffff,	/* CODE32 */
	0x00cf93000000ffff,	/* DATA */
	0x00af9b000000ffff,	/* CODE64 */
	0,
	0x00affb000000ffff,	/* CODE64_USER */
	0x00cff3000000ffff,	/* DATA_USER */
	0x00008b0000000067 | TSS << 16,
	0,
};

/* 256 stubs of 16 bytes: an error code where the CPU pushes none, the vector. */
asm(".pushsection .text\n"
    ".balign 16\n"
    "guest_stubs:\n"
    ".set v, 0\n"
    ".rept 256\n"
    ".balign 16\n"
    ".if !(v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21)\n"
    "push $0\n"
    ".endif\n"
    "push $v\n"
    "jmp guest_common\n"
    ".set v, v + 1\n"
    ".endr\n"
    ".balign 16\n"
    "guest_common:\n"
    "push %rax; push %rbx; push %rcx; push %rdx; push %rbp; push %rsi; push %rdi\n"
    "push %r8; push %r9; push %r10; push %r11; push %r12; push %r13; push %r14; push %r15\n"
    "mov %rsp, %rdi\n"
    "mov %rsp, %rbp\n"
    "and $-16, %rsp\n"
    "cld\n"
    "call guest_trap\n"
    "mov %rbp, %rsp\n"
    "pop %r15; pop %r14; pop %r13; pop %r12; pop %r11; pop %r10; pop %r9; pop %r8\n"
    "pop %rdi; pop %rsi; pop %rbp; pop %rdx; pop %rcx; pop %rbx; pop %rax\n"
    "add $16, %rsp\n"
    "iretq\n"
    "guest_return:\n"
    "mov $" STR(DONE) ", %eax; mov $" STR(SYNC_PORT) ", %edx; out %eax, %dx\n"
    "jmp guest_return\n"
    ".popsection\n");
extern const char guest_stubs[], guest_return[];

__attribute__((used, target("general-regs-only")))
void guest_trap(struct frame *f)
{
	uint64_t cr2, dr6;

	asm volatile("mov %%cr2, %0" : "=r" (cr2));
	guest.vector = f->vector;
	guest.error = f->error;
	guest.rip = f->rip;
	guest.rflags = f->rflags;
	guest.cr2 = cr2;
	/* At once: several vCPUs may be taking the same. */
	__atomic_fetch_add(&guest.count[f->vector & 255], 1, __ATOMIC_RELAXED);
	if (f->vector == 1) {
		asm volatile("mov %%dr6, %0" : "=r" (dr6));
		guest.dr6 = dr6;
		f->rflags = (f->rflags & ~0x100ul) | 0x10000;	/* TF off, RF on */
	}
	if (f->vector >= 32) {
		if (guest.irq)
			guest.irq(f);
	} else if (guest.fixup) {
		f->rip = guest.fixup;
		guest.fixup = 0;
	} else if (f->vector != 2 && f->vector != 1 && f->vector != 3 &&
		   !(guest.pass[0] & 1ul << f->vector)) {
		sync_host(OOPS | f->vector);
	}
}

static void make_tables(struct vm *vm)
{
	uint64_t *pml4 = (void *)(vm->low + PML4), *pdpt = (void *)(vm->low + PDPT),
		 *pd = (void *)(vm->low + PDS);
	uint64_t i, stub;
	uint16_t *gate;

	memcpy(vm->low + GDT, gdt, sizeof(gdt));
	pml4[0] = PDPT | 7;
	for (i = 0; i < MAPPED_GIB; i++)
		pdpt[i] = (PDS + i * 4096) | 7;
	for (i = 0; i < MAPPED_GIB * 512; i++)
		pd[i] = i << 21 | 0x87;
	for (i = 0; i < 256; i++) {
		gate = (void *)(vm->low + IDT + i * 16);
		stub = (uintptr_t)guest_stubs + i * 16;
		gate[0] = stub;
		gate[1] = CODE64;
		gate[2] = i == 3 ? 0xee00 : 0x8e00;
		gate[3] = stub >> 16;
	}
}

struct vm *vm_new(unsigned int flags)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	struct vm *vm = calloc(1, sizeof(*vm));
	size_t image = ((uintptr_t)_end - IMAGE + 4095) & ~4095ul;

	if ((uintptr_t)__executable_start != IMAGE)
		fail("the program is not linked at %#lx", IMAGE);
	vm->fd = MUST(ioctl(dev, KVM_CREATE_VM, 0));
	vm->run_size = MUST(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0));
	vm->low = map_memory(LOW_SIZE);
	MUST(ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000));
	MUST(vm_slot(vm, 0, 0, 0, LOW_SIZE, vm->low));
	MUST(vm_slot(vm, 1, 0, IMAGE, image, __executable_start));
	make_tables(vm);
	if (flags & (WITH_IRQCHIP | WITH_PIT)) {
		vm->irqchip = true;
		MUST(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	}
	if (flags & WITH_PIT)
		MUST(ioctl(vm->fd, KVM_CREATE_PIT2, &pit));
	if (!(flags & NO_VCPU))
		vm_add_vcpu(vm);
	return vm;
}

int vm_add_vcpu_id(struct vm *vm, unsigned int id)
{
	int i = vm->nr_vcpus;
	struct kvm_cpuid2 *cpuid = supported_cpuid();
	uint32_t n;

	vm->vcpu[i] = MUST(ioctl(vm->fd, KVM_CREATE_VCPU, id));
	vm->run[i] = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu[i], 0);
	if (vm->run[i] == MAP_FAILED)
		fail("mmap of kvm_run: %s", strerror(errno));
	/* The APIC id is the vCPU's, not the asking CPU's. */
	for (n = 0; n < cpuid->nent; n++)
		if (cpuid->entries[n].function == 1)
			cpuid->entries[n].ebx = (cpuid->entries[n].ebx & 0xffffff) | id << 24;
	MUST(ioctl(vm->vcpu[i], KVM_SET_CPUID2, cpuid));
	return vm->nr_vcpus++;
}

int vm_add_vcpu(struct vm *vm)
{
	return vm_add_vcpu_id(vm, vm->nr_vcpus);
}

void vm_free(struct vm *vm)
{
	int i;

	for (i = 0; i < vm->nr_vcpus; i++) {
		munmap(vm->run[i], vm->run_size);
		close(vm->vcpu[i]);
	}
	close(vm->fd);
	munmap(vm->low, LOW_SIZE);
	free(vm);
}

void vcpu_start(struct vm *vm, int i, enum mode mode, uint64_t rip)
{
	struct kvm_segment code = {
		.limit = 0xffffffff, .selector = mode == LONG ? CODE64 : CODE32, .type = 11,
		.present = 1, .s = 1, .g = 1, .db = mode != LONG, .l = mode == LONG,
	};
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = DATA, .type = 3, .present = 1, .s = 1, .g = 1,
		.db = 1,
	};
	uint64_t *stack = (void *)(vm->low + STACKS + (i + 1) * STACK_SIZE - 8);
	struct kvm_regs regs = {
		.rflags = 2, .rip = rip, .rsp = STACKS + (i + 1) * STACK_SIZE - 8,
	};
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_sregs sregs;

	MUST(ioctl(vm->vcpu[i], KVM_GET_SREGS, &sregs));
	if (mode == REAL) {
		sregs.cs.base = 0;
		sregs.cs.selector = 0;
		regs.rsp = 0x7000;
	} else {
		sregs.cs = code;
		sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
		sregs.gdt.base = GDT;
		sregs.gdt.limit = sizeof(gdt) - 1;
		sregs.idt.base = IDT;
		sregs.idt.limit = 0xfff;
		sregs.tr = (struct kvm_segment) {
			.base = TSS, .limit = 0x67, .selector = TSS_SEL, .type = 11, .present = 1,
		};
		sregs.cr0 = 0x31;	/* PE ET NE */
	}
	if (mode == LONG) {
		*stack = (uintptr_t)guest_return;
		sregs.cr0 |= 0x80010000;
		sregs.cr4 = 0x620;	/* PAE OSFXSR OSXMMEXCPT */
		sregs.cr3 = PML4;
		sregs.efer = 0x500;
	}
	MUST(ioctl(vm->vcpu[i], KVM_SET_SREGS, &sregs));
	MUST(ioctl(vm->vcpu[i], KVM_SET_REGS, &regs));
	if (vm->irqchip)
		MUST(ioctl(vm->vcpu[i], KVM_SET_MP_STATE, &mp));
}

void vcpu_call(struct vm *vm, int i, void (*function)(void))
{
	vcpu_start(vm, i, LONG, (uintptr_t)function);
}

void vcpu_code(struct vm *vm, int i, enum mode mode, const char *start, const char *end)
{
	memcpy(vm->low + CODE, start, end - start);
	vcpu_start(vm, i, mode, CODE);
}

const char *exit_name(uint32_t reason)
{
	static const char *const names[] = {
		"UNKNOWN", "EXCEPTION", "IO", "HYPERCALL", "DEBUG", "HLT", "MMIO",
		"IRQ_WINDOW_OPEN", "SHUTDOWN", "FAIL_ENTRY", "INTR", "SET_TPR", "TPR_ACCESS",
	};

	if (reason == KVM_EXIT_INTERNAL_ERROR)
		return "INTERNAL_ERROR";
	return reason < ARRAY_SIZE(names) ? names[reason] : "?";
}

void describe_exit(struct vm *vm, int i)
{
	struct kvm_run *run = vm->run[i];
	struct kvm_regs regs = { 0 };

	ioctl(vm->vcpu[i], KVM_GET_REGS, &regs);
	note("exit %u (%s) at rip %#llx rsp %#llx", run->exit_reason, exit_name(run->exit_reason),
	     regs.rip, regs.rsp);
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		note("suberror %u", run->internal.suberror);
	else if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		note("hardware reason %#llx",
		     (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	else if (run->exit_reason == KVM_EXIT_MMIO)
		note("gpa %#llx, %u bytes, write %u", (unsigned long long)run->mmio.phys_addr,
		     run->mmio.len, run->mmio.is_write);
	else if (run->exit_reason == KVM_EXIT_IO)
		note("port %#x, direction %u", run->io.port, run->io.direction);
	note("guest: vector %lld error %#llx rip %#llx cr2 %#llx", (long long)guest.vector,
	     (unsigned long long)guest.error, (unsigned long long)guest.rip,
	     (unsigned long long)guest.cr2);
}

void run_until(struct vm *vm, int i, uint32_t reason)
{
	int r;

	do
		r = ioctl(vm->vcpu[i], KVM_RUN, 0);
	while (r < 0 && errno == EINTR && !vm->run[i]->immediate_exit);
	if (r < 0)
		fail("KVM_RUN: %s", errno_name(errno));
	if (vm->run[i]->exit_reason == reason)
		return;
	describe_exit(vm, i);
	fail("exit %s, expected %s", exit_name(vm->run[i]->exit_reason), exit_name(reason));
}

uint32_t run_sync(struct vm *vm, int i)
{
	uint32_t value;

	run_until(vm, i, KVM_EXIT_IO);
	if (vm->run[i]->io.port != SYNC_PORT || vm->run[i]->io.direction != KVM_EXIT_IO_OUT) {
		describe_exit(vm, i);
		fail("an access to port %#x", vm->run[i]->io.port);
	}
	memcpy(&value, io_data(vm, i), sizeof(value));
	if ((value & 0xffff0000) == OOPS) {
		describe_exit(vm, i);
		fail("the guest took exception %u", value & 0xff);
	}
	return value;
}

void expect_sync(struct vm *vm, int i, uint32_t value)
{
	uint32_t got = run_sync(vm, i);

	if (got != value)
		fail("the guest says %#x, expected %#x", got, value);
}
