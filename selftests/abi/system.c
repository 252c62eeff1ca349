// SPDX-License-Identifier: GPL-2.0-only
/*
 * ABI tests: the device's and the VM's ioctls that run no guest.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "lib.h"

#define BAD_POINTER	((void *)8)

static void device_basics(void)
{
	char byte;

	EQUAL(ioctl(dev, KVM_GET_API_VERSION, 0), 12);
	ask("version with an argument", ioctl(dev, KVM_GET_API_VERSION, 1));
	ask("mmap size with an argument", ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 1));
	CHECK(MUST(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0)) >= 4096);
	ask("unknown ioctl", ioctl(dev, _IO(KVMIO, 0xfe), 0));
	ask("another type's ioctl", ioctl(dev, _IO('x', 0), 0));
	ask("a VM's ioctl on the device", ioctl(dev, KVM_CREATE_VCPU, 0));
	ask("a vCPU's ioctl on the device", ioctl(dev, KVM_RUN, 0));
	ask("CREATE_VM of type 0x8000", ioctl(dev, KVM_CREATE_VM, 0x8000));
	ask("CREATE_VM of type -1", ioctl(dev, KVM_CREATE_VM, -1));
	ask("read", read(dev, &byte, 1));
	ask("MCE_CAP to nowhere", ioctl(dev, KVM_X86_GET_MCE_CAP_SUPPORTED, BAD_POINTER));
}

static void mce_cap(void)
{
	uint64_t cap = 0;

	if (ask("call", ioctl(dev, KVM_X86_GET_MCE_CAP_SUPPORTED, &cap)) == 0)
		answer("value", "%#llx", (unsigned long long)cap);
}

static void extensions(int fd, const char *where)
{
	char k[64];
	int i;

	for (i = 0; i <= 250; i++) {
		snprintf(k, sizeof(k), "cap %d%s", i, where);
		ask(k, ioctl(fd, KVM_CHECK_EXTENSION, i));
	}
	for (i = 250; i < 0x10000; i += 97)
		EQUAL(ioctl(fd, KVM_CHECK_EXTENSION, i), 0);
}

static void extensions_of_device(void)
{
	extensions(dev, " of device");
}

static void extensions_of_vm(void)
{
	extensions(vm_new(NO_VCPU)->fd, " of VM");
}

static void vm_basics(void)
{
	struct vm *vm = vm_new(NO_VCPU);
	uint64_t identity = 0xfffbc000;

	ask("unknown ioctl", ioctl(vm->fd, _IO(KVMIO, 0xfe), 0));
	ask("a vCPU's ioctl on a VM", ioctl(vm->fd, KVM_RUN, 0));
	ask("the device's ioctl on a VM", ioctl(vm->fd, KVM_CREATE_VM, 0));
	ask("TSS address", ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000));
	ask("TSS address too high", ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffff000));
	ask("TSS address above 4G", ioctl(vm->fd, KVM_SET_TSS_ADDR, 0x100000000));
	ask("identity map", ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity));
	ask("identity map from nowhere", ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, BAD_POINTER));
	identity = 0;
	ask("identity map, default", ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity));
	ask("boot CPU", ioctl(vm->fd, KVM_SET_BOOT_CPU_ID, 0));
	ask("slots above the limit", vm_slot(vm, 40000, 0, 0x800000, 0x1000, vm->low));
	vm_add_vcpu(vm);
	ask("identity map after a vCPU", ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity));
	ask("boot CPU after a vCPU", ioctl(vm->fd, KVM_SET_BOOT_CPU_ID, 0));
}

static void vcpu_creation(void)
{
	struct vm *vm = vm_new(NO_VCPU);
	int max = ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPU_ID);
	int fd;

	ask("id beyond the maximum", ioctl(vm->fd, KVM_CREATE_VCPU, max));
	ask("id -1", ioctl(vm->fd, KVM_CREATE_VCPU, -1));
	ask("id 1 << 32", ioctl(vm->fd, KVM_CREATE_VCPU, 1ul << 32));
	fd = MUST(ioctl(vm->fd, KVM_CREATE_VCPU, 5));
	ask("same id again", ioctl(vm->fd, KVM_CREATE_VCPU, 5));
	close(fd);
	ask("same id after close", ioctl(vm->fd, KVM_CREATE_VCPU, 5));
	fd = MUST(ioctl(vm->fd, KVM_CREATE_VCPU, 1));
	ask("unknown ioctl", ioctl(fd, _IO(KVMIO, 0xfe), 0));
	ask("a VM's ioctl on a vCPU", ioctl(fd, KVM_CREATE_IRQCHIP, 0));
	ask("the device's ioctl on a vCPU", ioctl(fd, KVM_CREATE_VM, 0));
	ask("KVM_RUN with an argument", ioctl(fd, KVM_RUN, 1));
	ask("irqchip after a vCPU", ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
}

static void mmap_vcpu(void)
{
	struct vm *vm = vm_new(0);
	size_t size = vm->run_size;
	void *p;

	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu[0], 0x100000);
	answer("mmap far beyond the end", "%s", p == MAP_FAILED ? errno_name(errno) : "mapped");
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, vm->vcpu[0], 0);
	answer("private mmap", "%s", p == MAP_FAILED ? errno_name(errno) : "mapped");
	p = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, vm->vcpu[0], 0);
	answer("executable mmap", "%s", p == MAP_FAILED ? errno_name(errno) : "mapped");
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, vm->fd, 0);
	answer("mmap of a VM", "%s", p == MAP_FAILED ? errno_name(errno) : "mapped");
	/* Two mappings show the same page. */
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu[0], 0);
	CHECK(p != MAP_FAILED);
	vm->run[0]->cr8 = 7;
	EQUAL(((struct kvm_run *)p)->cr8, 7);
}

static void msr_lists(void)
{
	struct {
		struct kvm_msr_list head;
		uint32_t index[1024];
	} list = { .head.nmsrs = 0 };
	uint32_t i;
	char k[64];

	ask("room for none", ioctl(dev, KVM_GET_MSR_INDEX_LIST, &list));
	CHECK(list.head.nmsrs > 0 && list.head.nmsrs < 1024);
	ask("from nowhere", ioctl(dev, KVM_GET_MSR_INDEX_LIST, BAD_POINTER));
	list.head.nmsrs = 1024;
	ask("call", ioctl(dev, KVM_GET_MSR_INDEX_LIST, &list));
	for (i = 0; i < list.head.nmsrs; i++) {
		snprintf(k, sizeof(k), "msr %#x", list.index[i]);
		answer(k, "listed");
	}
	list.head.nmsrs = 0;
	ask("features, room for none", ioctl(dev, KVM_GET_MSR_FEATURE_INDEX_LIST, &list));
	list.head.nmsrs = 1024;
	ask("features", ioctl(dev, KVM_GET_MSR_FEATURE_INDEX_LIST, &list));
	for (i = 0; i < list.head.nmsrs; i++) {
		struct {
			struct kvm_msrs head;
			struct kvm_msr_entry e;
		} m = { { .nmsrs = 1 }, { .index = list.index[i] } };

		snprintf(k, sizeof(k), "feature msr %#x", list.index[i]);
		if (ioctl(dev, KVM_GET_MSRS, &m) == 1)
			answer(k, "%#llx", (unsigned long long)m.e.data);
		else
			answer(k, "not readable");
	}
}

static void feature_msr_errors(void)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e[2];
	} m = { { .nmsrs = 1 }, { { .index = 0xdeadbeef } } };

	ask("unknown MSR", ioctl(dev, KVM_GET_MSRS, &m));
	m.head.nmsrs = 0;
	ask("none", ioctl(dev, KVM_GET_MSRS, &m));
	m.head.nmsrs = 1000000;
	ask("a million", ioctl(dev, KVM_GET_MSRS, &m));
	ask("from nowhere", ioctl(dev, KVM_GET_MSRS, BAD_POINTER));
}

static void cpuid_of(const char *what, unsigned long request)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + 300 * sizeof(c->entries[0]));
	char k[80];
	uint32_t i, n;

	snprintf(k, sizeof(k), "%s, from nowhere", what);
	ask(k, ioctl(dev, request, BAD_POINTER));
	c->nent = 0;
	snprintf(k, sizeof(k), "%s, nent 0", what);
	ask(k, ioctl(dev, request, c));
	c->nent = 1;
	snprintf(k, sizeof(k), "%s, nent 1", what);
	ask(k, ioctl(dev, request, c));
	c->nent = 100000;
	snprintf(k, sizeof(k), "%s, nent 100000", what);
	ask(k, ioctl(dev, request, c));
	c->nent = 300;
	snprintf(k, sizeof(k), "%s", what);
	ask(k, ioctl(dev, request, c));
	n = c->nent;
	CHECK(n <= 300);
	for (i = 0; i < n; i++) {
		const struct kvm_cpuid_entry2 *e = &c->entries[i];
		uint32_t ebx = e->ebx;
		uint32_t edx = e->edx;

		/* The asking CPU's APIC id: what it is depends on where this ran. */
		if (e->function == 1)
			ebx &= 0xffffff;
		if (e->function == 0xb || e->function == 0x1f)
			edx = 0;
		snprintf(k, sizeof(k), "%s %#x.%u flags", what, e->function, e->index);
		answer(k, "%#x", e->flags);
		snprintf(k, sizeof(k), "%s %#x.%u eax", what, e->function, e->index);
		answer(k, "%#x", e->eax);
		snprintf(k, sizeof(k), "%s %#x.%u ebx", what, e->function, e->index);
		answer(k, "%#x", ebx);
		snprintf(k, sizeof(k), "%s %#x.%u ecx", what, e->function, e->index);
		answer(k, "%#x", e->ecx);
		snprintf(k, sizeof(k), "%s %#x.%u edx", what, e->function, e->index);
		answer(k, "%#x", edx);
		EQUAL(e->padding[0] | e->padding[1] | e->padding[2], 0);
	}
	if (n) {
		c->nent = n;
		snprintf(k, sizeof(k), "%s, exact nent", what);
		ask(k, ioctl(dev, request, c));
		c->nent = n - 1;
		snprintf(k, sizeof(k), "%s, nent one too few", what);
		ask(k, ioctl(dev, request, c));
	}
}

static void supported(void)
{
	cpuid_of("cpuid", KVM_GET_SUPPORTED_CPUID);
}

static void emulated(void)
{
	cpuid_of("emulated", KVM_GET_EMULATED_CPUID);
}

static void enable_cap(void)
{
	static const struct {
		uint32_t cap, flags;
		uint64_t arg;
	} rows[] = {
		{ 0, 0, 0 }, { 99999, 0, 0 }, { KVM_CAP_SPLIT_IRQCHIP, 1, 24 },
		{ KVM_CAP_SPLIT_IRQCHIP, 0, 5000 }, { KVM_CAP_X2APIC_API, 0, 4 },
		{ KVM_CAP_X2APIC_API, 0, 3 }, { KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 0, 2 },
		{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 0, 4 },
		{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 0, 3 },
		{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 0, 0 },
		{ KVM_CAP_HALT_POLL, 0, 0 }, { KVM_CAP_HALT_POLL, 0, 1ull << 32 },
		{ KVM_CAP_EXCEPTION_PAYLOAD, 0, 1 }, { KVM_CAP_EXIT_ON_EMULATION_FAILURE, 0, 1 },
		{ KVM_CAP_EXIT_ON_EMULATION_FAILURE, 0, 2 }, { KVM_CAP_IRQCHIP, 0, 0 },
		{ KVM_CAP_SPLIT_IRQCHIP, 0, 24 }, { KVM_CAP_SPLIT_IRQCHIP, 0, 24 },
		{ KVM_CAP_DISABLE_QUIRKS2, 0, 1ull << 40 }, { KVM_CAP_DISABLE_QUIRKS2, 0, 0x7f },
		{ KVM_CAP_DISABLE_QUIRKS, 0, 0 }, { KVM_CAP_MSR_PLATFORM_INFO, 0, 0 },
		{ KVM_CAP_MAX_VCPU_ID, 0, 1 << 20 }, { KVM_CAP_MAX_VCPU_ID, 0, 2 },
		{ KVM_CAP_MAX_VCPU_ID, 0, 2 }, { KVM_CAP_MAX_VCPU_ID, 0, 3 },
	};
	struct vm *vm = vm_new(NO_VCPU);
	unsigned int i;
	char k[80];

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kvm_enable_cap cap = {
			.cap = rows[i].cap, .flags = rows[i].flags, .args[0] = rows[i].arg,
		};

		snprintf(k, sizeof(k), "%u: cap %u flags %u arg %#llx", i, rows[i].cap,
			 rows[i].flags, (unsigned long long)rows[i].arg);
		ask(k, ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	}
	ask("from nowhere", ioctl(vm->fd, KVM_ENABLE_CAP, BAD_POINTER));
	ask("vCPU beyond the limit that was set", ioctl(vm->fd, KVM_CREATE_VCPU, 2));
	vm_add_vcpu(vm);
	ask("unknown, on a vCPU", ioctl(vm->vcpu[0], KVM_ENABLE_CAP,
					&(struct kvm_enable_cap) { .cap = 99999 }));
	ask("irqchip after split", ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	ask("PIT with split", ioctl(vm->fd, KVM_CREATE_PIT2, &(struct kvm_pit_config) { 0 }));
	ask("IRQ_LINE with split", ioctl(vm->fd, KVM_IRQ_LINE, &(struct kvm_irq_level) { .irq = 1 }));
	ask("GET_IRQCHIP with split",
	    ioctl(vm->fd, KVM_GET_IRQCHIP, &(struct kvm_irqchip) { .chip_id = 0 }));
}

static void no_irqchip(void)
{
	struct kvm_lapic_state lapic;
	struct kvm_pit_state2 pit = { 0 };
	struct kvm_mp_state mp;
	struct vm *vm = vm_new(0);
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry e;
	} route = { .head.nr = 1, .e = { .gsi = 1, .type = KVM_IRQ_ROUTING_MSI } };

	ask("IRQ_LINE", ioctl(vm->fd, KVM_IRQ_LINE, &(struct kvm_irq_level) { .irq = 1 }));
	ask("IRQ_LINE_STATUS",
	    ioctl(vm->fd, KVM_IRQ_LINE_STATUS, &(struct kvm_irq_level) { .irq = 1 }));
	ask("GET_IRQCHIP", ioctl(vm->fd, KVM_GET_IRQCHIP, &(struct kvm_irqchip) { .chip_id = 0 }));
	ask("SET_IRQCHIP", ioctl(vm->fd, KVM_SET_IRQCHIP, &(struct kvm_irqchip) { .chip_id = 0 }));
	ask("CREATE_PIT", ioctl(vm->fd, KVM_CREATE_PIT, 0));
	ask("CREATE_PIT2", ioctl(vm->fd, KVM_CREATE_PIT2, &(struct kvm_pit_config) { 0 }));
	ask("GET_PIT2", ioctl(vm->fd, KVM_GET_PIT2, &pit));
	ask("SET_PIT2", ioctl(vm->fd, KVM_SET_PIT2, &pit));
	ask("REINJECT_CONTROL",
	    ioctl(vm->fd, KVM_REINJECT_CONTROL, &(struct kvm_reinject_control) { 0 }));
	ask("SIGNAL_MSI",
	    ioctl(vm->fd, KVM_SIGNAL_MSI, &(struct kvm_msi) { .address_lo = 0xfee00000 }));
	ask("SET_GSI_ROUTING", ioctl(vm->fd, KVM_SET_GSI_ROUTING, &route));
	ask("IRQFD", ioctl(vm->fd, KVM_IRQFD,
			   &(struct kvm_irqfd) { .fd = eventfd(0, 0), .gsi = 1 }));
	ask("GET_LAPIC", ioctl(vm->vcpu[0], KVM_GET_LAPIC, &lapic));
	ask("SET_LAPIC", ioctl(vm->vcpu[0], KVM_SET_LAPIC, &lapic));
	ask("GET_MP_STATE", ioctl(vm->vcpu[0], KVM_GET_MP_STATE, &mp));
	answer("mp_state", "%u", mp.mp_state);
	mp.mp_state = KVM_MP_STATE_HALTED;
	ask("SET_MP_STATE halted", ioctl(vm->vcpu[0], KVM_SET_MP_STATE, &mp));
	mp.mp_state = KVM_MP_STATE_RUNNABLE;
	ask("SET_MP_STATE runnable", ioctl(vm->vcpu[0], KVM_SET_MP_STATE, &mp));
	ask("TPR_ACCESS_REPORTING", ioctl(vm->vcpu[0], KVM_TPR_ACCESS_REPORTING,
					  &(struct kvm_tpr_access_ctl) { .enabled = 1 }));
}

static void irqchip_errors(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct kvm_irqchip chip = { .chip_id = 3 };
	struct kvm_pit_state2 pit = { 0 };
	unsigned int i;
	char k[64];

	ask("CREATE_IRQCHIP again", ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	ask("GET_IRQCHIP 3", ioctl(vm->fd, KVM_GET_IRQCHIP, &chip));
	chip.chip_id = 3;
	ask("SET_IRQCHIP 3", ioctl(vm->fd, KVM_SET_IRQCHIP, &chip));
	for (i = 0; i < 3; i++) {
		memset(&chip, 0, sizeof(chip));
		chip.chip_id = i;
		snprintf(k, sizeof(k), "GET_IRQCHIP %u", i);
		ask(k, ioctl(vm->fd, KVM_GET_IRQCHIP, &chip));
		snprintf(k, sizeof(k), "SET_IRQCHIP %u", i);
		ask(k, ioctl(vm->fd, KVM_SET_IRQCHIP, &chip));
	}
	ask("GET_PIT2 before CREATE_PIT2", ioctl(vm->fd, KVM_GET_PIT2, &pit));
	ask("SET_PIT2 before CREATE_PIT2", ioctl(vm->fd, KVM_SET_PIT2, &pit));
	ask("REINJECT_CONTROL before CREATE_PIT2",
	    ioctl(vm->fd, KVM_REINJECT_CONTROL, &(struct kvm_reinject_control) { 0 }));
	ask("CREATE_PIT2", ioctl(vm->fd, KVM_CREATE_PIT2, &(struct kvm_pit_config) { 0 }));
	ask("CREATE_PIT2 again", ioctl(vm->fd, KVM_CREATE_PIT2, &(struct kvm_pit_config) { 0 }));
	ask("GET_PIT2", ioctl(vm->fd, KVM_GET_PIT2, &pit));
	ask("SET_PIT2", ioctl(vm->fd, KVM_SET_PIT2, &pit));
	pit.channels[0].mode = 7;
	ask("SET_PIT2 mode 7", ioctl(vm->fd, KVM_SET_PIT2, &pit));
	ask("REINJECT_CONTROL",
	    ioctl(vm->fd, KVM_REINJECT_CONTROL, &(struct kvm_reinject_control) { 0 }));
	ask("IRQ_LINE 1000", ioctl(vm->fd, KVM_IRQ_LINE, &(struct kvm_irq_level) { .irq = 1000 }));
	ask("IRQ_LINE 4", ioctl(vm->fd, KVM_IRQ_LINE, &(struct kvm_irq_level) { .irq = 4 }));
	ask("SIGNAL_MSI to vector 0",
	    ioctl(vm->fd, KVM_SIGNAL_MSI, &(struct kvm_msi) { .address_lo = 0xfee00000 }));
	ask("SIGNAL_MSI with flags",
	    ioctl(vm->fd, KVM_SIGNAL_MSI, &(struct kvm_msi) { .address_lo = 0xfee00000, .flags = 8 }));
}

static void routing_errors(void)
{
	static const struct kvm_irq_routing_entry rows[] = {
		{ .gsi = 0, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { 0, 0 } },
		{ .gsi = 0, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { 0, 8 } },
		{ .gsi = 0, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { 1, 7 } },
		{ .gsi = 0, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { 2, 23 } },
		{ .gsi = 0, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { 2, 24 } },
		{ .gsi = 0, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { 3, 0 } },
		{ .gsi = 5000, .type = KVM_IRQ_ROUTING_MSI },
		{ .gsi = 0, .type = KVM_IRQ_ROUTING_MSI, .u.msi.address_lo = 0xfee00000 },
		{ .gsi = 0, .type = KVM_IRQ_ROUTING_MSI, .flags = 1 },
		{ .gsi = 0, .type = KVM_IRQ_ROUTING_MSI, .flags = 2 },
		{ .gsi = 0, .type = 77 },
	};
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry e[2];
	} r;
	struct vm *vm = vm_new(WITH_IRQCHIP);
	unsigned int i;
	char k[64];

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(&r, 0, sizeof(r));
		r.head.nr = 1;
		r.e[0] = rows[i];
		snprintf(k, sizeof(k), "entry %u", i);
		ask(k, ioctl(vm->fd, KVM_SET_GSI_ROUTING, &r));
	}
	memset(&r, 0, sizeof(r));
	ask("none", ioctl(vm->fd, KVM_SET_GSI_ROUTING, &r));
	r.head.nr = 1000000;
	ask("a million", ioctl(vm->fd, KVM_SET_GSI_ROUTING, &r));
	r.head.nr = 0;
	r.head.flags = 1;
	ask("flags", ioctl(vm->fd, KVM_SET_GSI_ROUTING, &r));
	r.head.flags = 0;
	r.head.nr = 2;
	r.e[0] = r.e[1] = rows[7];
	ask("one GSI as MSI twice", ioctl(vm->fd, KVM_SET_GSI_ROUTING, &r));
	r.e[0] = r.e[1] = rows[0];
	ask("one pin twice", ioctl(vm->fd, KVM_SET_GSI_ROUTING, &r));
	r.e[1] = rows[3];
	ask("one GSI on PIC and IOAPIC", ioctl(vm->fd, KVM_SET_GSI_ROUTING, &r));
	ask("from nowhere", ioctl(vm->fd, KVM_SET_GSI_ROUTING, BAD_POINTER));
}

static void irqfd_errors(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);
	int fd = eventfd(0, EFD_NONBLOCK), pipefd[2];
	struct kvm_irqfd irqfd = { .fd = fd, .gsi = 5 };

	CHECK(pipe(pipefd) == 0);
	ask("assign", ioctl(vm->fd, KVM_IRQFD, &irqfd));
	ask("assign again", ioctl(vm->fd, KVM_IRQFD, &irqfd));
	irqfd.flags = KVM_IRQFD_FLAG_DEASSIGN;
	ask("deassign", ioctl(vm->fd, KVM_IRQFD, &irqfd));
	ask("deassign again", ioctl(vm->fd, KVM_IRQFD, &irqfd));
	irqfd.flags = 8;
	ask("unknown flag", ioctl(vm->fd, KVM_IRQFD, &irqfd));
	irqfd.flags = 0;
	irqfd.fd = -1;
	ask("fd -1", ioctl(vm->fd, KVM_IRQFD, &irqfd));
	irqfd.fd = pipefd[0];
	ask("a pipe", ioctl(vm->fd, KVM_IRQFD, &irqfd));
	irqfd.fd = fd;
	irqfd.gsi = 1u << 30;
	ask("GSI out of range", ioctl(vm->fd, KVM_IRQFD, &irqfd));
	irqfd.gsi = 6;
	irqfd.flags = KVM_IRQFD_FLAG_RESAMPLE;
	irqfd.resamplefd = -1;
	ask("resample fd -1", ioctl(vm->fd, KVM_IRQFD, &irqfd));
}

static void ioeventfd_errors(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);
	int fd = eventfd(0, EFD_NONBLOCK), pipefd[2];
	struct kvm_ioeventfd io = { .fd = fd, .addr = 0x500, .len = 4,
				    .flags = KVM_IOEVENTFD_FLAG_PIO };

	CHECK(pipe(pipefd) == 0);
	ask("assign", ioctl(vm->fd, KVM_IOEVENTFD, &io));
	ask("assign again", ioctl(vm->fd, KVM_IOEVENTFD, &io));
	io.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
	ask("with data where without is", ioctl(vm->fd, KVM_IOEVENTFD, &io));
	io.flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN;
	ask("deassign", ioctl(vm->fd, KVM_IOEVENTFD, &io));
	ask("deassign again", ioctl(vm->fd, KVM_IOEVENTFD, &io));
	io.flags = 1 << 10;
	ask("unknown flag", ioctl(vm->fd, KVM_IOEVENTFD, &io));
	io.flags = 0;
	io.len = 3;
	ask("length 3", ioctl(vm->fd, KVM_IOEVENTFD, &io));
	io.len = 16;
	ask("length 16", ioctl(vm->fd, KVM_IOEVENTFD, &io));
	io.len = 0;
	ask("length 0", ioctl(vm->fd, KVM_IOEVENTFD, &io));
	io.flags = KVM_IOEVENTFD_FLAG_DATAMATCH;
	ask("length 0 with data", ioctl(vm->fd, KVM_IOEVENTFD, &io));
	io.flags = 0;
	io.len = 4;
	io.addr = ~1ull;
	ask("wrapping address", ioctl(vm->fd, KVM_IOEVENTFD, &io));
	io.addr = 0x1000;
	io.fd = pipefd[0];
	ask("a pipe", ioctl(vm->fd, KVM_IOEVENTFD, &io));
	io.fd = -1;
	ask("fd -1", ioctl(vm->fd, KVM_IOEVENTFD, &io));
}

static void clock_ioctls(void)
{
	struct kvm_clock_data a = { 0 }, b = { 0 };
	struct vm *vm = vm_new(0);

	MUST(ioctl(vm->fd, KVM_GET_CLOCK, &a));
	usleep(20000);
	MUST(ioctl(vm->fd, KVM_GET_CLOCK, &b));
	CHECK(b.clock >= a.clock + 15000000 && b.clock < a.clock + 5000000000);
	answer("flags", "%#x", b.flags);
	memset(&a, 0, sizeof(a));
	a.clock = 1000000000000;
	ask("SET_CLOCK", ioctl(vm->fd, KVM_SET_CLOCK, &a));
	MUST(ioctl(vm->fd, KVM_GET_CLOCK, &b));
	CHECK(b.clock >= a.clock && b.clock < a.clock + 5000000000);
	a.flags = 1 << 20;
	ask("SET_CLOCK with unknown flags", ioctl(vm->fd, KVM_SET_CLOCK, &a));
	a.flags = KVM_CLOCK_REALTIME;
	a.realtime = 0;
	ask("SET_CLOCK with real time 0", ioctl(vm->fd, KVM_SET_CLOCK, &a));
	ask("SET_CLOCK from nowhere", ioctl(vm->fd, KVM_SET_CLOCK, BAD_POINTER));
	ask("GET_CLOCK to nowhere", ioctl(vm->fd, KVM_GET_CLOCK, BAD_POINTER));
}

static void tsc_khz(void)
{
	struct vm *vm = vm_new(0);
	long khz = ioctl(vm->vcpu[0], KVM_GET_TSC_KHZ, 0);

	CHECK(khz > 100000);
	EQUAL(ioctl(vm->fd, KVM_GET_TSC_KHZ, 0), khz);
	ask("same frequency", ioctl(vm->vcpu[0], KVM_SET_TSC_KHZ, khz));
	ask("default frequency", ioctl(vm->vcpu[0], KVM_SET_TSC_KHZ, 0));
	ask("above what fits", ioctl(vm->vcpu[0], KVM_SET_TSC_KHZ, ~0u));
	ask("VM, after a vCPU", ioctl(vm->fd, KVM_SET_TSC_KHZ, khz));
}

static void fork_vm(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct kvm_regs regs;
	pid_t child;
	int status;

	child = fork();
	if (!child) {
		ask("VM ioctl in another process", ioctl(vm->fd, KVM_CHECK_EXTENSION, 0));
		ask("unknown VM ioctl in another process", ioctl(vm->fd, _IO(KVMIO, 0xfe), 0));
		ask("vCPU ioctl in another process", ioctl(vm->vcpu[0], KVM_GET_REGS, &regs));
		ask("KVM_RUN in another process", ioctl(vm->vcpu[0], KVM_RUN, 0));
		ask("stats fd in another process", ioctl(vm->vcpu[0], KVM_GET_STATS_FD, 0));
		_exit(0);
	}
	waitpid(child, &status, 0);
	EQUAL(status, 0);
	MUST(ioctl(vm->vcpu[0], KVM_GET_REGS, &regs));
}

/* A vCPU keeps its VM. */
static void vm_closed(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct kvm_sregs sregs;

	close(vm->fd);
	ask("GET_SREGS", ioctl(vm->vcpu[0], KVM_GET_SREGS, &sregs));
	ask("SET_SREGS", ioctl(vm->vcpu[0], KVM_SET_SREGS, &sregs));
	ask("closed VM", ioctl(vm->fd, KVM_CHECK_EXTENSION, 0));
	close(vm->vcpu[0]);
	/* Its kvm_run stays mapped. */
	vm->run[0]->immediate_exit = 1;
}

const struct row system_rows[] = {
	{ "device: basics", device_basics },
	{ "device: MCE capabilities", mce_cap },
	{ "device: capabilities", extensions_of_device },
	{ "device: MSR lists and feature MSRs", msr_lists },
	{ "device: feature MSR errors", feature_msr_errors },
	{ "device: supported CPUID", supported },
	{ "device: emulated CPUID", emulated },
	{ "VM: basics", vm_basics },
	{ "VM: capabilities", extensions_of_vm },
	{ "VM: vCPU creation", vcpu_creation },
	{ "VM: mmap of a vCPU", mmap_vcpu },
	{ "VM: ENABLE_CAP", enable_cap },
	{ "VM: no irqchip", no_irqchip },
	{ "VM: irqchip and PIT errors", irqchip_errors },
	{ "VM: GSI routing errors", routing_errors },
	{ "VM: irqfd errors", irqfd_errors },
	{ "VM: ioeventfd errors", ioeventfd_errors },
	{ "VM: clock", clock_ioctls },
	{ "VM: TSC frequency", tsc_khz },
	{ "VM: in another process", fork_vm },
	{ "VM: closed before its vCPU", vm_closed },
	{ NULL, NULL },
};
