// SPDX-License-Identifier: GPL-2.0-only
/*
 * ABI tests: the vCPU's state as user space reads and writes it.
 */
#include "lib.h"

#define BAD_POINTER	((void *)8)

static void hex(const char *key, const void *data, size_t size)
{
	char text[2048];
	size_t i;

	for (i = 0; i < size && 2 * i + 3 < sizeof(text); i++)
		snprintf(text + 2 * i, 3, "%02x", ((const uint8_t *)data)[i]);
	text[2 * i] = 0;
	answer(key, "%s", text);
}

static void segment(const char *key, const struct kvm_segment *s)
{
	answer(key, "%#llx %#x %#x type %u present %u dpl %u db %u s %u l %u g %u avl %u unusable %u",
	       s->base, s->limit, s->selector, s->type, s->present, s->dpl, s->db, s->s, s->l, s->g,
	       s->avl, s->unusable);
}

static void show_sregs(const char *when, const struct kvm_sregs *s)
{
	static const struct {
		const char *name;
		size_t at;
	} segs[] = {
		{ "cs", offsetof(struct kvm_sregs, cs) }, { "ds", offsetof(struct kvm_sregs, ds) },
		{ "es", offsetof(struct kvm_sregs, es) }, { "fs", offsetof(struct kvm_sregs, fs) },
		{ "gs", offsetof(struct kvm_sregs, gs) }, { "ss", offsetof(struct kvm_sregs, ss) },
		{ "tr", offsetof(struct kvm_sregs, tr) }, { "ldt", offsetof(struct kvm_sregs, ldt) },
	};
	char k[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(segs); i++) {
		snprintf(k, sizeof(k), "%s: %s", when, segs[i].name);
		segment(k, (const void *)((const char *)s + segs[i].at));
	}
	snprintf(k, sizeof(k), "%s: tables", when);
	answer(k, "gdt %#llx %#x idt %#llx %#x", s->gdt.base, s->gdt.limit, s->idt.base,
	       s->idt.limit);
	snprintf(k, sizeof(k), "%s: control", when);
	answer(k, "cr0 %#llx cr2 %#llx cr3 %#llx cr4 %#llx cr8 %#llx efer %#llx apic %#llx",
	       s->cr0, s->cr2, s->cr3, s->cr4, s->cr8, s->efer, s->apic_base);
	snprintf(k, sizeof(k), "%s: interrupts", when);
	hex(k, s->interrupt_bitmap, sizeof(s->interrupt_bitmap));
}

static void reset_state(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	struct kvm_debugregs dr;
	struct kvm_vcpu_events ev;
	struct kvm_xcrs xcrs;
	struct kvm_lapic_state lapic;
	unsigned int i;
	char k[32];

	MUST(ioctl(vm->vcpu[0], KVM_GET_REGS, &regs));
	hex("regs", &regs, sizeof(regs));
	MUST(ioctl(vm->vcpu[0], KVM_GET_SREGS, &sregs));
	show_sregs("reset", &sregs);
	MUST(ioctl(vm->vcpu[0], KVM_GET_FPU, &fpu));
	hex("fpu", &fpu, sizeof(fpu));
	MUST(ioctl(vm->vcpu[0], KVM_GET_DEBUGREGS, &dr));
	hex("debugregs", &dr, sizeof(dr));
	MUST(ioctl(vm->vcpu[0], KVM_GET_VCPU_EVENTS, &ev));
	ev.flags &= ~KVM_VCPUEVENT_VALID_SMM;
	hex("events", &ev, sizeof(ev));
	if (ask("GET_XCRS", ioctl(vm->vcpu[0], KVM_GET_XCRS, &xcrs)) == 0)
		answer("xcrs", "nr %u flags %u xcr %u value %#llx", xcrs.nr_xcrs, xcrs.flags,
		       xcrs.xcrs[0].xcr, xcrs.xcrs[0].value);
	MUST(ioctl(vm->vcpu[0], KVM_GET_LAPIC, &lapic));
	for (i = 0; i < 0x400; i += 0x10) {
		uint32_t v;

		memcpy(&v, lapic.regs + i, 4);
		snprintf(k, sizeof(k), "lapic %#x", i);
		answer(k, "%#x", v);
	}
}

static void second_reset_state(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct kvm_mp_state mp;
	struct kvm_sregs sregs;

	vm_add_vcpu(vm);
	MUST(ioctl(vm->vcpu[0], KVM_GET_MP_STATE, &mp));
	answer("BSP's mp_state", "%u", mp.mp_state);
	MUST(ioctl(vm->vcpu[1], KVM_GET_MP_STATE, &mp));
	answer("AP's mp_state", "%u", mp.mp_state);
	MUST(ioctl(vm->vcpu[1], KVM_GET_SREGS, &sregs));
	answer("AP's APIC base", "%#llx", sregs.apic_base);
	mp.mp_state = 77;
	ask("mp_state 77", ioctl(vm->vcpu[1], KVM_SET_MP_STATE, &mp));
	for (mp.mp_state = 0; mp.mp_state < 12; mp.mp_state++) {
		char k[32];
		struct kvm_mp_state got;

		snprintf(k, sizeof(k), "set mp_state %u", mp.mp_state);
		ask(k, ioctl(vm->vcpu[1], KVM_SET_MP_STATE, &mp));
		MUST(ioctl(vm->vcpu[1], KVM_GET_MP_STATE, &got));
		snprintf(k, sizeof(k), "after mp_state %u", mp.mp_state);
		answer(k, "%u", got.mp_state);
	}
}

static void regs_round_trip(void)
{
	struct vm *vm = vm_new(0);
	struct kvm_regs a, b;
	uint64_t *words = (void *)&a;
	unsigned int i;

	for (i = 0; i < sizeof(a) / 8; i++)
		words[i] = 0x0101010101010101ull * (i + 1);
	a.rflags = 0x246;
	MUST(ioctl(vm->vcpu[0], KVM_SET_REGS, &a));
	MUST(ioctl(vm->vcpu[0], KVM_GET_REGS, &b));
	CHECK(!memcmp(&a, &b, sizeof(a)));
	a.rflags = ~0ull;
	ask("all of RFLAGS", ioctl(vm->vcpu[0], KVM_SET_REGS, &a));
	MUST(ioctl(vm->vcpu[0], KVM_GET_REGS, &b));
	answer("RFLAGS after all", "%#llx", b.rflags);
	a.rflags = 0;
	MUST(ioctl(vm->vcpu[0], KVM_SET_REGS, &a));
	MUST(ioctl(vm->vcpu[0], KVM_GET_REGS, &b));
	answer("RFLAGS after none", "%#llx", b.rflags);
	ask("SET_REGS from nowhere", ioctl(vm->vcpu[0], KVM_SET_REGS, BAD_POINTER));
	ask("GET_REGS to nowhere", ioctl(vm->vcpu[0], KVM_GET_REGS, BAD_POINTER));
}

static void sregs_round_trip(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct kvm_sregs a, b;

	vcpu_start(vm, 0, LONG, CODE);
	MUST(ioctl(vm->vcpu[0], KVM_GET_SREGS, &a));
	show_sregs("long mode", &a);
	a.fs.base = 0x7fff12345678;
	a.gs.base = 0xffff888000000000;
	a.gdt.base = 0xffffffff81000000;
	a.cr2 = 0x123456789abc;
	a.cr8 = 5;
	a.ldt = (struct kvm_segment) {
		.base = 0x5000, .limit = 0xff, .selector = 0x40, .type = 2, .present = 1,
	};
	MUST(ioctl(vm->vcpu[0], KVM_SET_SREGS, &a));
	MUST(ioctl(vm->vcpu[0], KVM_GET_SREGS, &b));
	show_sregs("after changes", &b);
	b.apic_base = a.apic_base;
	CHECK(!memcmp(&a, &b, sizeof(a)));
	ask("SET_SREGS from nowhere", ioctl(vm->vcpu[0], KVM_SET_SREGS, BAD_POINTER));
	ask("GET_SREGS to nowhere", ioctl(vm->vcpu[0], KVM_GET_SREGS, BAD_POINTER));
}

/* What SET_SREGS refuses. */
static void sregs_errors(void)
{
	static const struct {
		const char *what;
		uint64_t cr0, cr3, cr4, efer, apic;	/* XORed in */
	} rows[] = {
		{ .what = "nothing" },
		{ "CR0.PE clear with PG", 1, 0, 0, 0, 0 },
		{ "CR0.NW without CD", 1 << 29, 0, 0, 0, 0 },
		{ "CR0 bit 32", 1ull << 32, 0, 0, 0, 0 },
		{ "CR0 bit 20", 1 << 20, 0, 0, 0, 0 },
		{ "CR0.PG clear with LMA", 1ull << 31, 0, 0, 0, 0 },
		{ "CR4.PAE clear", 0, 0, 0x20, 0, 0 },
		{ "CR4 bit 31", 0, 0, 1ull << 31, 0, 0 },
		{ "CR4.VMXE", 0, 0, 1 << 13, 0, 0 },
		{ "CR4 bit 40", 0, 0, 1ull << 40, 0, 0 },
		{ "CR4.PCIDE", 0, 0, 1 << 17, 0, 0 },
		{ "CR4.PKE", 0, 0, 1 << 22, 0, 0 },
		{ "CR4.LA57", 0, 0, 1 << 12, 0, 0 },
		{ "EFER.LMA clear", 0, 0, 0, 0x400, 0 },
		{ "EFER.LME clear", 0, 0, 0, 0x100, 0 },
		{ "EFER bit 20", 0, 0, 0, 1 << 20, 0 },
		{ "EFER.SVME", 0, 0, 0, 1 << 12, 0 },
		{ "EFER.NX", 0, 0, 0, 0x800, 0 },
		{ "CR3 bit 63", 0, 1ull << 63, 0, 0, 0 },
		{ "CR3 bit 51", 0, 1ull << 51, 0, 0, 0 },
		{ "APIC base off", 0, 0, 0, 0, 0x800 },
		{ "x2APIC", 0, 0, 0, 0, 0x400 },
		{ "APIC base bit 52", 0, 0, 0, 0, 1ull << 52 },
		{ "APIC base bit 0", 0, 0, 0, 0, 1 },
	};
	struct kvm_sregs s, got;
	unsigned int i;
	char k[80];

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm *vm = vm_new(WITH_IRQCHIP);

		vcpu_start(vm, 0, LONG, CODE);
		MUST(ioctl(vm->vcpu[0], KVM_GET_SREGS, &s));
		s.cr0 ^= rows[i].cr0;
		s.cr3 ^= rows[i].cr3;
		s.cr4 ^= rows[i].cr4;
		s.efer ^= rows[i].efer;
		s.apic_base ^= rows[i].apic;
		ask(rows[i].what, ioctl(vm->vcpu[0], KVM_SET_SREGS, &s));
		MUST(ioctl(vm->vcpu[0], KVM_GET_SREGS, &got));
		snprintf(k, sizeof(k), "then, %s", rows[i].what);
		answer(k, "cr0 %#llx cr3 %#llx cr4 %#llx efer %#llx apic %#llx", got.cr0, got.cr3,
		       got.cr4, got.efer, got.apic_base);
		vm_free(vm);
	}
}

static void sregs_interrupt(void)
{
	struct vm *vm = vm_new(0);
	struct kvm_sregs s, got;

	MUST(ioctl(vm->vcpu[0], KVM_GET_SREGS, &s));
	s.interrupt_bitmap[0x55 / 64] |= 1ull << (0x55 % 64);
	MUST(ioctl(vm->vcpu[0], KVM_SET_SREGS, &s));
	MUST(ioctl(vm->vcpu[0], KVM_GET_SREGS, &got));
	CHECK(!memcmp(s.interrupt_bitmap, got.interrupt_bitmap, sizeof(s.interrupt_bitmap)));
	ask("KVM_INTERRUPT 256",
	    ioctl(vm->vcpu[0], KVM_INTERRUPT, &(struct kvm_interrupt) { .irq = 256 }));
	ask("KVM_INTERRUPT while one is pending",
	    ioctl(vm->vcpu[0], KVM_INTERRUPT, &(struct kvm_interrupt) { .irq = 0x60 }));
	vm = vm_new(WITH_IRQCHIP);
	ask("KVM_INTERRUPT with an irqchip",
	    ioctl(vm->vcpu[0], KVM_INTERRUPT, &(struct kvm_interrupt) { .irq = 0x60 }));
}

static void sregs2(void)
{
	struct vm *vm = vm_new(0);
	struct kvm_sregs2 a, b;
	unsigned int i;

	if (ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_SREGS2) <= 0)
		skip("no KVM_CAP_SREGS2");
	/* PAE paging: the PDPTEs are state of their own. */
	vcpu_start(vm, 0, PROTECTED, CODE);
	MUST(ioctl(vm->vcpu[0], KVM_GET_SREGS2, &a));
	answer("flags without PAE", "%#llx", a.flags);
	a.cr0 |= 0x80000000;
	a.cr4 |= 0x20;
	a.cr3 = SCRATCH;
	a.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	for (i = 0; i < 4; i++)
		a.pdptrs[i] = (SCRATCH + 0x1000 * (i + 1)) | 1;
	ask("SET_SREGS2", ioctl(vm->vcpu[0], KVM_SET_SREGS2, &a));
	MUST(ioctl(vm->vcpu[0], KVM_GET_SREGS2, &b));
	answer("flags with PAE", "%#llx", b.flags);
	for (i = 0; i < 4; i++)
		EQUAL(b.pdptrs[i], a.pdptrs[i]);
	a.flags = 2;
	ask("unknown flag", ioctl(vm->vcpu[0], KVM_SET_SREGS2, &a));
	vcpu_start(vm, 0, LONG, CODE);
	MUST(ioctl(vm->vcpu[0], KVM_GET_SREGS2, &a));
	a.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	ask("PDPTEs in long mode", ioctl(vm->vcpu[0], KVM_SET_SREGS2, &a));
}

static void fpu_round_trip(void)
{
	struct vm *vm = vm_new(0);
	struct kvm_fpu a, b;
	struct kvm_xsave x;
	unsigned int i;

	memset(&a, 0, sizeof(a));
	for (i = 0; i < sizeof(a.fpr); i++)
		a.fpr[i / 16][i % 16] = i % 16 < 10 ? i : 0;
	for (i = 0; i < sizeof(a.xmm); i++)
		a.xmm[i / 16][i % 16] = 255 - i;
	a.fcw = 0x27f;
	a.fsw = 0x3800;
	a.ftwx = 0xff;
	a.last_opcode = 0x123;
	a.last_ip = 0x1122334455667788;
	a.last_dp = 0x8877665544332211;
	a.mxcsr = 0x1f80;
	MUST(ioctl(vm->vcpu[0], KVM_SET_FPU, &a));
	MUST(ioctl(vm->vcpu[0], KVM_GET_FPU, &b));
	hex("fpu", &b, sizeof(b));
	CHECK(!memcmp(a.fpr, b.fpr, sizeof(a.fpr)) && !memcmp(a.xmm, b.xmm, sizeof(a.xmm)));
	MUST(ioctl(vm->vcpu[0], KVM_GET_XSAVE, &x));
	hex("XMM registers by GET_XSAVE", (char *)x.region + 160, sizeof(a.xmm));
	a.mxcsr = ~0u;
	ask("MXCSR ~0 by SET_FPU", ioctl(vm->vcpu[0], KVM_SET_FPU, &a));
}

static void xsave_round_trip(void)
{
	struct vm *vm = vm_new(0);
	struct kvm_xsave a, b;
	struct kvm_xsave big[4];
	uint64_t *header = (void *)((char *)&a + 512);
	const struct kvm_cpuid_entry2 *e = cpuid_leaf(0xd, 0);
	unsigned int i;

	MUST(ioctl(vm->vcpu[0], KVM_GET_XSAVE, &a));
	hex("reset: header", header, 64);
	hex("reset: x87", &a, 32);
	for (i = 0; i < 256; i++)
		((uint8_t *)&a)[160 + i] = i;
	header[0] = 3;
	if (e && e->eax & 4) {
		header[0] = 7;
		for (i = 0; i < 256; i++)
			((uint8_t *)&a)[576 + i] = 255 - i;
	}
	ask("SET_XSAVE", ioctl(vm->vcpu[0], KVM_SET_XSAVE, &a));
	MUST(ioctl(vm->vcpu[0], KVM_GET_XSAVE, &b));
	CHECK(!memcmp((char *)&a + 160, (char *)&b + 160, 256));
	if (header[0] & 4)
		CHECK(!memcmp((char *)&a + 576, (char *)&b + 576, 256));
	header[0] = 1ull << 62;
	ask("unsupported feature", ioctl(vm->vcpu[0], KVM_SET_XSAVE, &a));
	header[0] = 3;
	header[1] = 1ull << 63 | 3;
	ask("compacted", ioctl(vm->vcpu[0], KVM_SET_XSAVE, &a));
	header[1] = 0;
	header[2] = 1;
	ask("reserved header", ioctl(vm->vcpu[0], KVM_SET_XSAVE, &a));
	header[2] = 0;
	((uint32_t *)&a)[6] = ~0u;
	ask("MXCSR ~0", ioctl(vm->vcpu[0], KVM_SET_XSAVE, &a));
	ask("XSAVE2's size", ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2));
	if (ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2) > (int)sizeof(big))
		return;
	memset(big, 0, sizeof(big));
	ask("GET_XSAVE2", ioctl(vm->vcpu[0], KVM_GET_XSAVE2, big));
	MUST(ioctl(vm->vcpu[0], KVM_GET_XSAVE, &b));
	CHECK(!memcmp(big, &b, 160 + 256));
	ask("GET_XSAVE2 to nowhere", ioctl(vm->vcpu[0], KVM_GET_XSAVE2, BAD_POINTER));
	ask("GET_XSAVE to nowhere", ioctl(vm->vcpu[0], KVM_GET_XSAVE, BAD_POINTER));
}

static void xcrs_round_trip(void)
{
	static const uint64_t values[] = { 0, 1, 2, 3, 5, 7, 0xe7, 0x207, 1ull << 63, ~0ull };
	const struct kvm_cpuid_entry2 *e = cpuid_leaf(0xd, 0);
	struct vm *vm = vm_new(0);
	struct kvm_xcrs x, got;
	unsigned int i;
	char k[32];

	if (!e)
		skip("no XSAVE");
	for (i = 0; i < ARRAY_SIZE(values); i++) {
		memset(&x, 0, sizeof(x));
		x.nr_xcrs = 1;
		x.xcrs[0].value = values[i];
		snprintf(k, sizeof(k), "XCR0 %#llx", (unsigned long long)values[i]);
		ask(k, ioctl(vm->vcpu[0], KVM_SET_XCRS, &x));
	}
	MUST(ioctl(vm->vcpu[0], KVM_GET_XCRS, &got));
	answer("last", "%#llx", got.xcrs[0].value);
	x.xcrs[0].value = 1;
	x.xcrs[0].xcr = 1;
	ask("XCR1", ioctl(vm->vcpu[0], KVM_SET_XCRS, &x));
	x.nr_xcrs = 1000;
	ask("1000 of them", ioctl(vm->vcpu[0], KVM_SET_XCRS, &x));
	x.nr_xcrs = 0;
	x.flags = 1;
	ask("flags", ioctl(vm->vcpu[0], KVM_SET_XCRS, &x));
}

/* All MSRs of the list, read after reset. */
static void msr_reset_values(void)
{
	struct {
		struct kvm_msr_list head;
		uint32_t index[1024];
	} list = { .head.nmsrs = 1024 };
	struct vm *vm = vm_new(WITH_IRQCHIP);
	uint32_t i;
	char k[32];

	MUST(ioctl(dev, KVM_GET_MSR_INDEX_LIST, &list));
	for (i = 0; i < list.head.nmsrs; i++) {
		struct {
			struct kvm_msrs head;
			struct kvm_msr_entry e;
		} m = { { .nmsrs = 1 }, { .index = list.index[i] } };
		int r = ioctl(vm->vcpu[0], KVM_GET_MSRS, &m);

		snprintf(k, sizeof(k), "msr %#x", list.index[i]);
		if (list.index[i] == 0x10 || list.index[i] == 0x3b)
			continue;	/* TSC and its offset run */
		if (r == 1)
			answer(k, "%#llx", (unsigned long long)m.e.data);
		else
			answer(k, "%s", r ? errno_name(errno) : "not processed");
	}
}

static void msr_round_trip(void)
{
	static const struct {
		uint32_t index;
		uint64_t value;
	} rows[] = {
		{ 0x10, 0x123456789 }, { 0x1b, 0xfee00900 }, { 0x1b, 0xfee00d00 }, { 0x1b, 1 },
		{ 0x3b, 0 }, { 0x8b, 1 }, { 0xfe, 0 }, { 0x174, 8 }, { 0x174, ~0ull },
		{ 0x175, 0xffffffff81000000 }, { 0x175, 1ull << 62 }, { 0x176, 0x1000 },
		{ 0x17a, 0 }, { 0x17b, 1 }, { 0x1a0, 1 }, { 0x1a0, 0x40001 }, { 0x1a0, ~0ull },
		{ 0x1d9, 1 }, { 0x1d9, ~0ull }, { 0x200, 6 }, { 0x201, 0xff0000800 }, { 0x200, 2 },
		{ 0x201, ~0ull }, { 0x250, 0x0606060606060606 }, { 0x250, 2 }, { 0x277, 0x0007040600070406 },
		{ 0x277, 2 }, { 0x277, ~0ull }, { 0x2ff, 0xc06 }, { 0x2ff, 0xff }, { 0x400, 0 },
		{ 0x400, 1 }, { 0x400, ~0ull }, { 0x401, 0 }, { 0x401, 5 }, { 0x6e0, 0 }, { 0x802, 0 },
		{ 0x808, 0x20 }, { 0xda0, 0 }, { 0x48, 0 }, { 0x48, 1ull << 40 }, { 0x49, 0 },
		{ 0x49, 1 }, { 0x4b564d00, 0x1000 }, { 0x4b564d01, SCRATCH | 1 }, { 0x4b564d01, ~0ull },
		{ 0x11, 0x1000 }, { 0x12, SCRATCH | 1 }, { 0x4b564d02, 0 }, { 0x4b564d02, SCRATCH | 1 },
		{ 0x4b564d03, 0 }, { 0x4b564d03, SCRATCH | 1 }, { 0x4b564d04, 0 },
		{ 0x4b564d04, SCRATCH | 1 }, { 0x4b564d04, 2 }, { 0x4b564d05, 1 }, { 0x4b564d05, 0 },
		{ 0x4b564d06, 0 }, { 0x4b564d07, 0 }, { 0xc0000080, 0 }, { 0xc0000080, 0x901 },
		{ 0xc0000080, ~0ull }, { 0xc0000081, 0x23001000000000 }, { 0xc0000082, 0xffffffff81000000 },
		{ 0xc0000082, 1ull << 62 }, { 0xc0000083, 0x1234 }, { 0xc0000084, 0x257fd5 },
		{ 0xc0000084, ~0ull }, { 0xc0000100, 0x7fff00000000 }, { 0xc0000100, 1ull << 62 },
		{ 0xc0000101, 0xffff888000000000 }, { 0xc0000102, 0x1000 }, { 0xc0000102, 1ull << 62 },
		{ 0xc0000103, 5 }, { 0xc0000103, ~0ull }, { 0xc0010015, 0 }, { 0xc0010015, 0x40 },
		{ 0xc0010015, 1 << 24 }, { 0xc001001f, 0 }, { 0xc0010058, 0 }, { 0xc0010117, 0 },
		{ 0xc0010114, 0 }, { 0xc0010140, 0 }, { 0xc0010141, 0 }, { 0xc0011020, 0 },
		{ 0xc0011029, 2 }, { 0xc001102a, 0 }, { 0xdeadbeef, 0 }, { 0x40000000, 1 },
		{ 0x40000001, 0 }, { 0x345, 0 }, { 0x38f, 0 }, { 0x186, 0 }, { 0xc1, 0 },
		{ 0xc0010000, 0 }, { 0xc0010004, 0 }, { 0x10a, 0 }, { 0x122, 0 }, { 0x140, 0 },
		{ 0xcd, 0 }, { 0x1fc, 0 }, { 0x2a, 0 }, { 0x179, 0 },
	};
	struct vm *vm = vm_new(WITH_IRQCHIP);
	unsigned int i;
	char k[64];

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct {
			struct kvm_msrs head;
			struct kvm_msr_entry e;
		} m = { { .nmsrs = 1 }, { .index = rows[i].index, .data = rows[i].value } };

		snprintf(k, sizeof(k), "set %#x to %#llx", rows[i].index,
			 (unsigned long long)rows[i].value);
		ask(k, ioctl(vm->vcpu[0], KVM_SET_MSRS, &m));
		if (rows[i].index == 0x10 || rows[i].index == 0x3b)
			continue;
		snprintf(k, sizeof(k), "read %#x after %#llx", rows[i].index,
			 (unsigned long long)rows[i].value);
		m.e.data = 0;
		if (ask(k, ioctl(vm->vcpu[0], KVM_GET_MSRS, &m)) == 1) {
			snprintf(k, sizeof(k), "value of %#x after %#llx", rows[i].index,
				 (unsigned long long)rows[i].value);
			answer(k, "%#llx", (unsigned long long)m.e.data);
		}
	}
}

static void msr_errors(void)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e[4];
	} m;
	struct vm *vm = vm_new(0);

	memset(&m, 0, sizeof(m));
	m.e[0].index = 0x174;
	m.e[0].data = 0x10;
	m.e[1].index = 0x175;
	m.e[1].data = 0x20;
	m.e[2].index = 0xdeadbeef;
	m.e[3].index = 0x176;
	m.e[3].data = 0x30;
	m.head.nmsrs = 4;
	EQUAL(ioctl(vm->vcpu[0], KVM_SET_MSRS, &m), 2);	/* stops at the unknown one */
	EQUAL(get_msr(vm, 0, 0x175), 0x20);
	EQUAL(get_msr(vm, 0, 0x176), 0);
	EQUAL(ioctl(vm->vcpu[0], KVM_GET_MSRS, &m), 2);
	m.head.nmsrs = 0;
	ask("GET none", ioctl(vm->vcpu[0], KVM_GET_MSRS, &m));
	ask("SET none", ioctl(vm->vcpu[0], KVM_SET_MSRS, &m));
	m.head.nmsrs = 257;
	ask("257", ioctl(vm->vcpu[0], KVM_SET_MSRS, &m));
	m.head.nmsrs = ~0u;
	ask("~0", ioctl(vm->vcpu[0], KVM_GET_MSRS, &m));
	ask("from nowhere", ioctl(vm->vcpu[0], KVM_GET_MSRS, BAD_POINTER));
}

static void cpuid_set(void)
{
	struct vm *vm = vm_new(NO_VCPU);
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + 300 * sizeof(c->entries[0]));
	uint32_t n = supported_cpuid()->nent;
	int fd = MUST(ioctl(vm->fd, KVM_CREATE_VCPU, 0));

	c->nent = 300;
	ask("GET before SET", ioctl(fd, KVM_GET_CPUID2, c));
	answer("nent before SET", "%u", c->nent);
	memcpy(c, supported_cpuid(), sizeof(*c) + n * sizeof(c->entries[0]));
	ask("SET", ioctl(fd, KVM_SET_CPUID2, c));
	ask("SET again", ioctl(fd, KVM_SET_CPUID2, c));
	c->nent = 1;
	ask("GET with too little room", ioctl(fd, KVM_GET_CPUID2, c));
	answer("nent then", "%s", c->nent == n ? "what is needed" : c->nent == 1 ? "as asked" : "?");
	c->nent = 300;
	ask("GET", ioctl(fd, KVM_GET_CPUID2, c));
	answer("nent after GET", "%s", c->nent == n ? "what there is" : "as asked");
	c->nent = 257;
	ask("SET of 257", ioctl(fd, KVM_SET_CPUID2, c));
	c->nent = ~0u;
	ask("SET of ~0", ioctl(fd, KVM_SET_CPUID2, c));
	c->nent = 0;
	ask("SET of none", ioctl(fd, KVM_SET_CPUID2, c));
	ask("SET_CPUID of none", ioctl(fd, KVM_SET_CPUID, c));
	ask("SET from nowhere", ioctl(fd, KVM_SET_CPUID2, BAD_POINTER));
	/* Address widths KVM checks. */
	c->nent = 1;
	c->entries[0] = (struct kvm_cpuid_entry2) { .function = 0x80000008, .eax = 0x3020 };
	ask("virtual width 32", ioctl(fd, KVM_SET_CPUID2, c));
	c->entries[0].eax = 0x0030;
	ask("virtual width 0", ioctl(fd, KVM_SET_CPUID2, c));
}

/* Which bits of CR4 a vCPU takes that was given no CPUID: those of the machine. */
static void cr4_before_cpuid(void)
{
	struct vm *vm = vm_new(NO_VCPU);
	int i, fd = MUST(ioctl(vm->fd, KVM_CREATE_VCPU, 0));
	struct kvm_sregs s;
	char k[80];

	MUST(ioctl(fd, KVM_GET_SREGS, &s));
	for (i = 0; i < 32; i++) {
		s.cr4 = 1ull << i;
		snprintf(k, sizeof(k), "CR4 %#llx before SET_CPUID2", s.cr4);
		ask(k, ioctl(fd, KVM_SET_SREGS, &s));
	}
}

static void cpuid_after_run(void)
{
	struct vm *vm = vm_new(0);
	struct kvm_cpuid2 *c = supported_cpuid();
	uint32_t i;

	memcpy(vm->low + CODE, "\xf4\xf4", 2);
	vcpu_start(vm, 0, REAL, CODE);
	run_until(vm, 0, KVM_EXIT_HLT);
	ask("same CPUID after KVM_RUN", ioctl(vm->vcpu[0], KVM_SET_CPUID2, c));
	for (i = 0; i < c->nent; i++)
		if (c->entries[i].function == 1)
			c->entries[i].ecx ^= 1;
	ask("other CPUID after KVM_RUN", ioctl(vm->vcpu[0], KVM_SET_CPUID2, c));
}

static void events(void)
{
	static const struct {
		const char *what;
		struct kvm_vcpu_events ev;
	} rows[] = {
		{ "nothing", { .flags = 0 } },
		{ "flag 31", { .flags = 1u << 31 } },
		{ "NMI pending", { .nmi.pending = 1, .flags = KVM_VCPUEVENT_VALID_NMI_PENDING } },
		{ "NMI masked", { .nmi.masked = 1 } },
		{ "exception 14", { .exception = { .injected = 1, .nr = 14, .has_error_code = 1,
						   .error_code = 2 } } },
		{ "exception 32", { .exception = { .injected = 1, .nr = 32 } } },
		{ "exception 2", { .exception = { .injected = 1, .nr = 2 } } },
		{ "exception pending without the capability",
		  { .exception = { .pending = 1, .nr = 6 }, .flags = KVM_VCPUEVENT_VALID_PAYLOAD } },
		{ "interrupt 0x41", { .interrupt = { .injected = 1, .nr = 0x41 } } },
		{ "soft interrupt", { .interrupt = { .injected = 1, .nr = 0x41, .soft = 1 } } },
		{ "STI shadow", { .interrupt.shadow = KVM_X86_SHADOW_INT_STI,
				  .flags = KVM_VCPUEVENT_VALID_SHADOW } },
		{ "SIPI", { .sipi_vector = 0x9a, .flags = KVM_VCPUEVENT_VALID_SIPI_VECTOR } },
		{ "SMM", { .smi.smm = 1, .flags = KVM_VCPUEVENT_VALID_SMM } },
		{ "no SMM", { .flags = KVM_VCPUEVENT_VALID_SMM } },
		{ "triple fault", { .triple_fault.pending = 1,
				    .flags = KVM_VCPUEVENT_VALID_TRIPLE_FAULT } },
	};
	struct kvm_vcpu_events got;
	unsigned int i;
	char k[80];

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm *vm = vm_new(WITH_IRQCHIP);

		ask(rows[i].what, ioctl(vm->vcpu[0], KVM_SET_VCPU_EVENTS, &rows[i].ev));
		MUST(ioctl(vm->vcpu[0], KVM_GET_VCPU_EVENTS, &got));
		snprintf(k, sizeof(k), "SMM after %s", rows[i].what);
		answer(k, "valid %u smm %u", !!(got.flags & KVM_VCPUEVENT_VALID_SMM), got.smi.smm);
		got.flags &= ~KVM_VCPUEVENT_VALID_SMM;
		memset(&got.smi, 0, sizeof(got.smi));
		snprintf(k, sizeof(k), "after %s", rows[i].what);
		hex(k, &got, sizeof(got));
		vm_free(vm);
	}
}

static void debugregs(void)
{
	static const struct kvm_debugregs rows[] = {
		{ .db = { 1, 2, 3, 4 }, .dr6 = 0xffff0ff0, .dr7 = 0x400 },
		{ .dr6 = 0xffff4ff1, .dr7 = 0x455 },
		{ .dr6 = 1ull << 32, .dr7 = 0x400 },
		{ .dr6 = 0xffff0ff0, .dr7 = 1ull << 32 },
		{ .dr6 = 0, .dr7 = 0 },
		{ .db = { ~0ull, 1ull << 63, 0, 0 }, .dr6 = 0xffff0ff0, .dr7 = 0xffff27ff },
		{ .flags = 1, .dr6 = 0xffff0ff0, .dr7 = 0x400 },
	};
	struct vm *vm = vm_new(0);
	struct kvm_debugregs got;
	unsigned int i;
	char k[32];

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(k, sizeof(k), "set %u", i);
		ask(k, ioctl(vm->vcpu[0], KVM_SET_DEBUGREGS, &rows[i]));
		MUST(ioctl(vm->vcpu[0], KVM_GET_DEBUGREGS, &got));
		snprintf(k, sizeof(k), "get %u", i);
		hex(k, &got, sizeof(got));
	}
}

static void lapic_round_trip(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct kvm_lapic_state a, b;
	uint32_t v = 0x1ff, i;
	char k[32];

	MUST(ioctl(vm->vcpu[0], KVM_GET_LAPIC, &a));
	memcpy(a.regs + 0xf0, &v, 4);	/* SPIV: enable */
	v = 0x20;
	memcpy(a.regs + 0x80, &v, 4);	/* TPR */
	v = 0x100fe;
	memcpy(a.regs + 0x320, &v, 4);	/* LVTT */
	v = 0x00040000;
	memcpy(a.regs + 0x220, &v, 4);	/* IRR of 0x52 */
	MUST(ioctl(vm->vcpu[0], KVM_SET_LAPIC, &a));
	MUST(ioctl(vm->vcpu[0], KVM_GET_LAPIC, &b));
	for (i = 0; i < 0x400; i += 0x10) {
		memcpy(&v, b.regs + i, 4);
		snprintf(k, sizeof(k), "lapic %#x", i);
		answer(k, "%#x", v);
	}
	memset(&a, 0xff, sizeof(a));
	ask("all ones", ioctl(vm->vcpu[0], KVM_SET_LAPIC, &a));
	ask("from nowhere", ioctl(vm->vcpu[0], KVM_SET_LAPIC, BAD_POINTER));
}

static void irqchip_round_trip(void)
{
	struct vm *vm = vm_new(WITH_PIT);
	struct kvm_irqchip a = { .chip_id = KVM_IRQCHIP_PIC_MASTER }, b;
	struct kvm_pit_state2 pit;
	unsigned int i;
	char k[48];

	for (i = 0; i < 3; i++) {
		memset(&a, 0, sizeof(a));
		a.chip_id = i;
		MUST(ioctl(vm->fd, KVM_GET_IRQCHIP, &a));
		snprintf(k, sizeof(k), "chip %u at reset", i);
		hex(k, &a.chip, i < 2 ? sizeof(a.chip.pic) : sizeof(a.chip.ioapic));
	}
	memset(&a, 0, sizeof(a));
	a.chip_id = KVM_IRQCHIP_PIC_MASTER;
	a.chip.pic.imr = 0xaa;
	a.chip.pic.irq_base = 0x30;
	a.chip.pic.init4 = 1;
	a.chip.pic.elcr = 0x10;
	a.chip.pic.elcr_mask = 0xf8;
	MUST(ioctl(vm->fd, KVM_SET_IRQCHIP, &a));
	b = (struct kvm_irqchip) { .chip_id = KVM_IRQCHIP_PIC_MASTER };
	MUST(ioctl(vm->fd, KVM_GET_IRQCHIP, &b));
	hex("PIC", &b.chip.pic, sizeof(b.chip.pic));
	memset(&a, 0, sizeof(a));
	a.chip_id = KVM_IRQCHIP_IOAPIC;
	a.chip.ioapic.base_address = 0xfec00000;
	a.chip.ioapic.id = 3;
	for (i = 0; i < 24; i++)
		a.chip.ioapic.redirtbl[i].bits = 0x0300000000000000ull | 0x10930 | i << 3;
	MUST(ioctl(vm->fd, KVM_SET_IRQCHIP, &a));
	b = (struct kvm_irqchip) { .chip_id = KVM_IRQCHIP_IOAPIC };
	MUST(ioctl(vm->fd, KVM_GET_IRQCHIP, &b));
	hex("IOAPIC", &b.chip.ioapic, sizeof(b.chip.ioapic));
	MUST(ioctl(vm->fd, KVM_GET_PIT2, &pit));
	for (i = 0; i < 3; i++) {
		struct kvm_pit_channel_state *c = &pit.channels[i];

		snprintf(k, sizeof(k), "PIT channel %u", i);
		answer(k, "count %#x latched %#x/%u status %u/%u rw %u/%u/%u mode %u bcd %u gate %u",
		       c->count, c->latched_count, c->count_latched, c->status_latched, c->status,
		       c->read_state, c->write_state, c->rw_mode, c->mode, c->bcd, c->gate);
	}
	answer("PIT flags", "%#x", pit.flags);
	pit.channels[2].mode = 3;
	pit.channels[2].count = 1193;
	pit.channels[2].gate = 1;
	pit.flags = KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	MUST(ioctl(vm->fd, KVM_SET_PIT2, &pit));
	memset(&pit, 0, sizeof(pit));
	MUST(ioctl(vm->fd, KVM_GET_PIT2, &pit));
	answer("PIT flags after", "%#x", pit.flags);
	answer("PIT channel 2 after", "mode %u count %u gate %u", pit.channels[2].mode,
	       pit.channels[2].count, pit.channels[2].gate);
}

static void translate(void)
{
	static const uint64_t at[] = { 0, 0x1234, 0x3fffffff, 8ull << 30, 1ull << 47, ~0ull };
	struct vm *vm = vm_new(0);
	unsigned int i;
	char k[48];

	vcpu_start(vm, 0, LONG, CODE);
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		struct kvm_translation tr = { .linear_address = at[i] };

		snprintf(k, sizeof(k), "%#llx", (unsigned long long)at[i]);
		if (ioctl(vm->vcpu[0], KVM_TRANSLATE, &tr))
			answer(k, "%s", errno_name(errno));
		else
			answer(k, "%#llx valid %u writeable %u usermode %u",
			       tr.valid ? tr.physical_address : 0, tr.valid, tr.writeable,
			       tr.usermode);
	}
}

static void signal_mask(void)
{
	struct {
		struct kvm_signal_mask head;
		uint64_t set;
	} __attribute__((packed)) m = { { .len = 8 }, 0 };
	struct vm *vm = vm_new(0);

	ask("8 bytes", ioctl(vm->vcpu[0], KVM_SET_SIGNAL_MASK, &m));
	m.head.len = 16;
	ask("16 bytes", ioctl(vm->vcpu[0], KVM_SET_SIGNAL_MASK, &m));
	m.head.len = 0;
	ask("0 bytes", ioctl(vm->vcpu[0], KVM_SET_SIGNAL_MASK, &m));
	ask("none", ioctl(vm->vcpu[0], KVM_SET_SIGNAL_MASK, NULL));
	ask("from nowhere", ioctl(vm->vcpu[0], KVM_SET_SIGNAL_MASK, BAD_POINTER));
}

static void setup_mce(void)
{
	static const uint64_t caps[] = { 0, 10, 0x10a, 0x100010a, 32, 33, 255, ~0ull };
	struct vm *vm = vm_new(0);
	unsigned int i;
	char k[48];

	for (i = 0; i < ARRAY_SIZE(caps); i++) {
		uint64_t cap = caps[i];

		snprintf(k, sizeof(k), "cap %#llx", (unsigned long long)cap);
		ask(k, ioctl(vm->vcpu[0], KVM_X86_SETUP_MCE, &cap));
	}
	ask("KVMCLOCK_CTRL without a clock", ioctl(vm->vcpu[0], KVM_KVMCLOCK_CTRL, 0));
	ask("SMI", ioctl(vm->vcpu[0], KVM_SMI, 0));
	ask("guest debug, unknown bits", ioctl(vm->vcpu[0], KVM_SET_GUEST_DEBUG,
					       &(struct kvm_guest_debug) { .control = 1 << 15 | 1 }));
}

const struct row state_rows[] = {
	{ "state: at reset", reset_state },
	{ "state: of a second vCPU, and MP_STATE", second_reset_state },
	{ "state: REGS", regs_round_trip },
	{ "state: SREGS", sregs_round_trip },
	{ "state: what SREGS refuses", sregs_errors },
	{ "state: pending interrupt", sregs_interrupt },
	{ "state: SREGS2", sregs2 },
	{ "state: FPU", fpu_round_trip },
	{ "state: XSAVE", xsave_round_trip },
	{ "state: XCRS", xcrs_round_trip },
	{ "state: MSRs at reset", msr_reset_values },
	{ "state: MSRs one by one", msr_round_trip },
	{ "state: MSR counts", msr_errors },
	{ "state: CPUID", cpuid_set },
	{ "state: CR4 before CPUID", cr4_before_cpuid },
	{ "state: CPUID after KVM_RUN", cpuid_after_run },
	{ "state: VCPU_EVENTS", events },
	{ "state: DEBUGREGS", debugregs },
	{ "state: LAPIC", lapic_round_trip },
	{ "state: PIC, IOAPIC, PIT", irqchip_round_trip },
	{ "state: TRANSLATE", translate },
	{ "state: SIGNAL_MASK", signal_mask },
	{ "state: MCE and others", setup_mce },
	{ NULL, NULL },
};
