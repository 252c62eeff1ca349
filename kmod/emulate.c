// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator (emul/) tied to a vCPU: its registers, its memory through the guest's page tables,
 * devices in the module and in user space.
 *
 * Device accesses that user space must serve end KVM_RUN in the middle of an instruction. Reads:
 * the callback fills kvm_run and answers EMUL_IO_NEEDED; with the answer the instruction is
 * executed again from its start, and finds what it has read before (device reads have side
 * effects) in a log. Writes are queued, the instruction completes, and the queue is then worked
 * off, one KVM_EXIT_MMIO of at most 8 bytes each.
 *
 * All of it runs on the vCPU thread with SRCU held, and may sleep.
 */
#include <linux/kvm.h>
#include <linux/slab.h>

#include "vmm.h"
#include "trace.h"
#include "emul/emul.h"
#include "mmu/gwalk.h"
#include "emulate.h"

/* ---- memory ----------------------------------------------------------------- */

static u32 mmu_access(const struct emul *e, unsigned int acc)
{
	u32 access = acc & EMUL_ACC_WRITE ? VMM_ACCESS_WRITE : VMM_ACCESS_READ;

	if (acc & EMUL_ACC_FETCH)
		access = VMM_ACCESS_EXEC;
	if (acc & EMUL_ACC_SYSTEM)
		access |= VMM_ACCESS_IMPLICIT;
	else if (e->cpl == 3)
		access |= VMM_ACCESS_USER;
	return access;
}

/* Translate; the exit's own translation serves when it covers the access */
static enum emul_status translate(struct emul *e, u64 la, unsigned int acc, u64 *gpa)
{
	struct vmm_emulation *em = to_em(e);
	u32 access = mmu_access(e, acc), error;
	int r;

	if (em->hint_access && !((la ^ em->hint_la) & PAGE_MASK) && (access & em->hint_access) &&
	    !(access & VMM_ACCESS_IMPLICIT)) {
		*gpa = (em->hint_gpa & PAGE_MASK) | (la & ~PAGE_MASK);
		return EMUL_OK;
	}
	r = vmm_gva_to_gpa(em->vcpu, la, access, gpa, &error);
	if (!r)
		return EMUL_OK;
	if (r < 0)
		return EMUL_UNHANDLEABLE;
	e->fault = (struct emul_fault) {
		.kind = EMUL_EV_FAULT, .vector = PF_VECTOR, .has_error = true,
		.error = error, .cr2 = la,
	};
	return EMUL_FAULT;
}

/* A page that is not (this way) accessible memory: the LAPIC's, a hole, a read-only slot */
static bool is_device(struct vmm_vcpu *vcpu, u64 gpa, bool write)
{
	struct vmm_slot *slot;

	if (vmm_lapic_owns_gpa(vcpu, gpa))
		return true;
	slot = vmm_vcpu_find_slot(vcpu, gpa >> PAGE_SHIFT);
	return !slot || (write && (slot->flags & KVM_MEM_READONLY));
}

static unsigned int page_part(u64 addr, unsigned int len)
{
	return min_t(unsigned int, len, PAGE_SIZE - (addr & ~PAGE_MASK));
}

/**
 * vmm_fill_mmio_exit() - show user space an access to a device
 * @vcpu: vCPU thread
 * @gpa: guest-physical address
 * @len: bytes, 1..8
 * @data: what is written, little endian; NULL: it is a read
 *
 * Return: 0, which a handler passes on.
 */
int vmm_fill_mmio_exit(struct vmm_vcpu *vcpu, u64 gpa, u32 len, const u64 *data)
{
	struct kvm_run *run = vcpu->run;
	u64 value = data ? *data & GENMASK_ULL(len * 8 - 1, 0) : 0;

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = gpa;
	run->mmio.len = len;
	run->mmio.is_write = !!data;
	memcpy(run->mmio.data, &value, sizeof(value));
	return 0;
}

static enum emul_status device_read_part(struct vmm_emulation *em, u64 gpa, void *data,
					 unsigned int len)
{
	struct fragment *f;
	int r;

	new_iteration(em);
	if (em->read_at < em->nreads) {
		f = &em->reads[em->read_at];
		if (f->gpa != gpa || f->len != len)
			return EMUL_RETRY;	/* not the execution that did these reads */
		em->read_at++;
		memcpy(data, f->data, len);
		return EMUL_OK;
	}
	if (em->nreads == MAX_READS)
		return EMUL_UNHANDLEABLE;
	f = &em->reads[em->nreads];
	f->gpa = gpa;
	f->len = len;
	memset(f->data, 0, sizeof(f->data));
	r = vmm_bus_read(em->vcpu, VMM_BUS_MMIO, gpa, len, f->data);
	if (!r) {
		em->nreads++;
		em->read_at++;
		memcpy(data, f->data, len);
		return EMUL_OK;
	}
	em->need = NEED_MMIO_READ;
	vmm_fill_mmio_exit(em->vcpu, gpa, len, NULL);
	return EMUL_IO_NEEDED;
}

static enum emul_status device_read(struct vmm_emulation *em, u64 gpa, u8 *data, unsigned int len)
{
	enum emul_status st;
	unsigned int n;

	em->vcpu->stats.mmio_exits++;
	for (; len; len -= n, gpa += n, data += n) {
		n = min(len, 8u);
		st = device_read_part(em, gpa, data, n);
		if (st != EMUL_OK)
			return st;
	}
	return EMUL_OK;
}

static enum emul_status device_write(struct vmm_emulation *em, u64 gpa, const u8 *data,
				     unsigned int len)
{
	struct fragment *f;
	unsigned int n;

	em->vcpu->stats.mmio_exits++;
	for (; len; len -= n, gpa += n, data += n) {
		n = min(len, 8u);
		/* once something waits for user space, the rest must not overtake it */
		if (!em->nwrites && !vmm_bus_write(em->vcpu, VMM_BUS_MMIO, gpa, n, data))
			continue;
		if (em->nwrites == MAX_WRITES)
			return EMUL_UNHANDLEABLE;
		f = &em->writes[em->nwrites++];
		f->gpa = gpa;
		f->len = n;
		memset(f->data, 0, sizeof(f->data));
		memcpy(f->data, data, n);
		em->e.stop = true;
	}
	return EMUL_OK;
}

static enum emul_status op_fetch(struct emul *e, u64 la, void *buf, unsigned int len)
{
	struct vmm_vcpu *vcpu = to_vcpu(e);
	enum emul_status st;
	u64 gpa;

	st = translate(e, la, EMUL_ACC_FETCH, &gpa);
	if (st != EMUL_OK)
		return st;
	/* code in a device is not emulated: nobody executes from one */
	return vmm_read_guest_code(vcpu->vm, gpa, buf, len) ? EMUL_UNHANDLEABLE : EMUL_OK;
}

static enum emul_status op_read(struct emul *e, u64 la, void *buf, unsigned int len,
				unsigned int acc)
{
	struct vmm_emulation *em = to_em(e);
	enum emul_status st;
	unsigned int n;
	u8 *to = buf;
	u64 gpa;

	for (; len; len -= n, la += n, to += n) {
		n = page_part(la, len);
		st = translate(e, la, acc, &gpa);
		if (st != EMUL_OK)
			return st;
		if (is_device(em->vcpu, gpa, false))
			st = device_read(em, gpa, to, n);
		else if (vmm_read_guest(em->vcpu->vm, gpa, to, n))
			st = EMUL_UNHANDLEABLE;
		if (st != EMUL_OK)
			return st;
	}
	return EMUL_OK;
}

static enum emul_status op_probe(struct emul *e, u64 la, unsigned int len, unsigned int acc)
{
	enum emul_status st;
	unsigned int n;
	u64 gpa;

	for (; len; len -= n, la += n) {
		n = page_part(la, len);
		st = translate(e, la, acc, &gpa);
		if (st != EMUL_OK)
			return st;
	}
	return EMUL_OK;
}

static enum emul_status op_write(struct emul *e, u64 la, const void *buf, unsigned int len,
				 unsigned int acc)
{
	struct vmm_emulation *em = to_em(e);
	enum emul_status st = EMUL_OK;
	const u8 *from = buf;
	unsigned int n;
	u64 gpa;

	/* no part is written when another part faults */
	if (page_part(la, len) < len)
		st = op_probe(e, la, len, acc);
	for (; st == EMUL_OK && len; len -= n, la += n, from += n) {
		n = page_part(la, len);
		st = translate(e, la, acc, &gpa);
		if (st != EMUL_OK)
			return st;
		if (is_device(em->vcpu, gpa, true))
			st = device_write(em, gpa, from, n);
		else if (vmm_write_guest(em->vcpu->vm, gpa, from, n))
			st = EMUL_UNHANDLEABLE;
	}
	return st;
}

static enum emul_status op_cmpxchg(struct emul *e, u64 la, void *old, const void *new,
				   unsigned int len, unsigned int acc)
{
	struct vmm_emulation *em = to_em(e);
	enum emul_status st;
	u64 gpa;
	int r;

	st = translate(e, la, acc, &gpa);
	if (st != EMUL_OK)
		return st;
	/*
	 * On a device, or across pages, there is no atomicity to be had: a plain write. Nor
	 * across cache lines where the host detects split locks: ours would be an #AC in the
	 * kernel. KVM does the same.
	 */
	if (page_part(la, len) < len || is_device(em->vcpu, gpa, true) ||
	    (boot_cpu_has(X86_FEATURE_SPLIT_LOCK_DETECT) &&
	     (gpa ^ (gpa + len - 1)) & ~(u64)(cache_line_size() - 1)))
		return op_write(e, la, new, len, acc);
	r = vmm_cmpxchg_guest(em->vcpu->vm, gpa, old, new, len);
	if (r < 0)
		return EMUL_UNHANDLEABLE;
	return r ? EMUL_RETRY : EMUL_OK;
}

/* ---- segments and system registers ------------------------------------------------ */

static void op_get_seg(struct emul *e, unsigned int sreg, struct emul_seg *seg)
{
	struct kvm_segment s = { 0 };

	vmm_backend.get_segment(to_vcpu(e), &s, sreg);
	seg->selector = s.selector;
	seg->base = s.base;
	seg->limit = s.limit;
	seg->attr = (s.type & 15) | (s.s ? EMUL_SEG_S : 0) | (s.dpl & 3) << 5 |
		    (s.present ? EMUL_SEG_P : 0) | (s.avl ? EMUL_SEG_AVL : 0) |
		    (s.l ? EMUL_SEG_L : 0) | (s.db ? EMUL_SEG_DB : 0) |
		    (s.g ? EMUL_SEG_G : 0) | (s.unusable ? EMUL_SEG_UNUSABLE : 0);
}

static void op_set_seg(struct emul *e, unsigned int sreg, const struct emul_seg *seg)
{
	struct kvm_segment s = {
		.base = seg->base,
		.limit = seg->limit,
		.selector = seg->selector,
		.type = seg->attr & EMUL_SEG_TYPE,
		.s = !!(seg->attr & EMUL_SEG_S),
		.dpl = EMUL_SEG_DPL(seg->attr),
		.present = !!(seg->attr & EMUL_SEG_P),
		.avl = !!(seg->attr & EMUL_SEG_AVL),
		.l = !!(seg->attr & EMUL_SEG_L),
		.db = !!(seg->attr & EMUL_SEG_DB),
		.g = !!(seg->attr & EMUL_SEG_G),
		.unusable = !!(seg->attr & EMUL_SEG_UNUSABLE),
	};

	vmm_set_segment(to_vcpu(e), &s, sreg);
}

static void get_dt(struct emul *e, struct emul_dtable *dt, bool idt)
{
	struct desc_ptr p = { 0 };

	vmm_backend.get_dt(to_vcpu(e), &p, idt);
	dt->base = p.address;
	dt->limit = p.size;
}

static void set_dt(struct emul *e, const struct emul_dtable *dt, bool idt)
{
	struct desc_ptr p = { .address = dt->base, .size = dt->limit };

	vmm_backend.set_dt(to_vcpu(e), &p, idt);
}

static void op_get_gdt(struct emul *e, struct emul_dtable *dt)
{
	get_dt(e, dt, false);
}

static void op_set_gdt(struct emul *e, const struct emul_dtable *dt)
{
	set_dt(e, dt, false);
}

static void op_get_idt(struct emul *e, struct emul_dtable *dt)
{
	get_dt(e, dt, true);
}

static void op_set_idt(struct emul *e, const struct emul_dtable *dt)
{
	set_dt(e, dt, true);
}

static u64 op_get_cr(struct emul *e, unsigned int nr)
{
	struct vmm_vcpu *vcpu = to_vcpu(e);

	switch (nr) {
	case 0:
		return vmm_cr0(vcpu);
	case 2:
		return vcpu->cr2;
	case 3:
		return vmm_cr3(vcpu);
	case 4:
		return vmm_cr4(vcpu);
	default:
		return vmm_get_cr8(vcpu);
	}
}

/* What the core's setters answer: 0, or 1 for #GP(0) */
static enum emul_status or_gp(int fault)
{
	return fault ? EMUL_FAULT : EMUL_OK;
}

static enum emul_status op_set_cr(struct emul *e, unsigned int nr, u64 val)
{
	struct vmm_vcpu *vcpu = to_vcpu(e);
	unsigned long before;

	switch (nr) {
	case 0:
		return or_gp(vmm_set_cr0(vcpu, val));
	case 2:
		vcpu->cr2 = val;
		return EMUL_OK;
	case 3:
		return or_gp(vmm_set_cr3(vcpu, val));
	case 4:
		return or_gp(vmm_set_cr4(vcpu, val));
	default:
		before = vmm_get_cr8(vcpu);
		if (vmm_set_cr8(vcpu, val))
			return EMUL_FAULT;
		to_em(e)->tpr_lowered = !vcpu->lapic && before > val;
		return EMUL_OK;
	}
}

static enum emul_status op_get_dr(struct emul *e, unsigned int nr, u64 *val)
{
	*val = vmm_get_dr(to_vcpu(e), nr);
	return EMUL_OK;
}

static enum emul_status op_set_dr(struct emul *e, unsigned int nr, u64 val)
{
	return or_gp(vmm_set_dr(to_vcpu(e), nr, val));
}

/* The registers that other instructions use: RDMSR and WRMSR are vmm_rdmsr()'s, vmm_wrmsr()'s. */
static enum emul_status op_get_msr(struct emul *e, u32 index, u64 *val)
{
	struct vmm_msr msr = { .index = index };

	if (index == MSR_EFER) {
		*val = to_vcpu(e)->efer;
		return EMUL_OK;
	}
	if (vmm_msr_get(to_vcpu(e), &msr))
		return EMUL_FAULT;
	*val = msr.data;
	return EMUL_OK;
}

static enum emul_status op_set_msr(struct emul *e, u32 index, u64 val)
{
	struct vmm_msr msr = { .index = index, .data = val };

	return or_gp(vmm_msr_set(to_vcpu(e), &msr));
}

static enum emul_status op_get_xcr(struct emul *e, u32 nr, u64 *val)
{
	if (nr)
		return EMUL_FAULT;
	*val = to_vcpu(e)->xcr0;
	return EMUL_OK;
}

static enum emul_status op_set_xcr(struct emul *e, u32 nr, u64 val)
{
	return or_gp(vmm_set_xcr(to_vcpu(e), nr, val));
}

/* ---- the rest of the CPU ---------------------------------------------------------------- */

static void op_cpuid(struct emul *e, u32 r[4])
{
	vmm_cpuid(to_vcpu(e), &r[0], &r[1], &r[2], &r[3]);
}

static u64 op_rdtsc(struct emul *e, u32 *aux)
{
	struct vmm_vcpu *vcpu = to_vcpu(e);

	*aux = (u32)vcpu->tsc_aux;
	return vmm_guest_tsc(vcpu, rdtsc());
}

static enum emul_status op_hlt(struct emul *e)
{
	to_em(e)->halt = true;
	return EMUL_OK;
}

static enum emul_status op_wbinvd(struct emul *e)
{
	return EMUL_OK;		/* caches are coherent */
}

static enum emul_status op_invlpg(struct emul *e, u64 la)
{
	vmm_backend.flush_tlb_gva(to_vcpu(e), la);
	return EMUL_OK;
}

static bool op_has(struct emul *e, enum emul_feature feature)
{
	static const u16 features[EMUL_NR_FEATURES] = {
		[EMUL_FEAT_CX16]	= X86_FEATURE_CX16,
		[EMUL_FEAT_SSE3]	= X86_FEATURE_XMM3,
		[EMUL_FEAT_SSE41]	= X86_FEATURE_XMM4_1,
		[EMUL_FEAT_SSE42]	= X86_FEATURE_XMM4_2,
		[EMUL_FEAT_POPCNT]	= X86_FEATURE_POPCNT,
		[EMUL_FEAT_LZCNT]	= X86_FEATURE_ABM,
		[EMUL_FEAT_MOVBE]	= X86_FEATURE_MOVBE,
		[EMUL_FEAT_BMI1]	= X86_FEATURE_BMI1,
		[EMUL_FEAT_BMI2]	= X86_FEATURE_BMI2,
		[EMUL_FEAT_ADX]		= X86_FEATURE_ADX,
		[EMUL_FEAT_AVX2]	= X86_FEATURE_AVX2,
		[EMUL_FEAT_SMAP]	= X86_FEATURE_SMAP,
		[EMUL_FEAT_RDTSCP]	= X86_FEATURE_RDTSCP,
		[EMUL_FEAT_RDPID]	= X86_FEATURE_RDPID,
		[EMUL_FEAT_MOVDIRI]	= X86_FEATURE_MOVDIRI,
		[EMUL_FEAT_MOVDIR64B]	= X86_FEATURE_MOVDIR64B,
	};

	return vmm_guest_has(to_vcpu(e), features[feature]);
}

static const struct emul_ops ops = {
	.fetch = op_fetch,
	.read = op_read,
	.write = op_write,
	.cmpxchg = op_cmpxchg,
	.probe = op_probe,
	.get_seg = op_get_seg,
	.set_seg = op_set_seg,
	.get_gdt = op_get_gdt,
	.set_gdt = op_set_gdt,
	.get_idt = op_get_idt,
	.set_idt = op_set_idt,
	.get_cr = op_get_cr,
	.set_cr = op_set_cr,
	.get_dr = op_get_dr,
	.set_dr = op_set_dr,
	.get_msr = op_get_msr,
	.set_msr = op_set_msr,
	.get_xcr = op_get_xcr,
	.set_xcr = op_set_xcr,
	.pio_in = vmm_emulate_in,
	.pio_out = vmm_emulate_out,
	.cpuid = op_cpuid,
	.rdtsc = op_rdtsc,
	.hlt = op_hlt,
	.wbinvd = op_wbinvd,
	.invlpg = op_invlpg,
	.get_xmm = vmm_emulate_get_xmm,
	.set_xmm = vmm_emulate_set_xmm,
	.get_mmx = vmm_emulate_get_mmx,
	.set_mmx = vmm_emulate_set_mmx,
	.has = op_has,
	.fpu = vmm_emulate_fpu,
};

/* ---- one instruction ---------------------------------------------------------------------- */

static enum emul_mode current_mode(struct vmm_vcpu *vcpu)
{
	int db, l;

	if (!(vmm_cr0(vcpu) & X86_CR0_PE))
		return EMUL_REAL;
	if (vmm_rflags(vcpu) & X86_EFLAGS_VM)
		return EMUL_VM86;
	vmm_backend.cs_db_l(vcpu, &db, &l);
	if (vmm_long_mode(vcpu) && l)
		return EMUL_LONG;
	return db ? EMUL_PROT32 : EMUL_PROT16;
}

/**
 * vmm_emulation_load() - take the vCPU's state over into the emulation
 * @em: on the vCPU thread
 * @gprs: general registers too, which decoding a length does not need
 */
void vmm_emulation_load(struct vmm_emulation *em, bool gprs)
{
	struct vmm_vcpu *vcpu = em->vcpu;
	struct emul *e = &em->e;
	int i;

	vcpu->l1d_unclean = true;
	emul_init(e);
	e->mode = current_mode(vcpu);
	e->cpl = e->mode == EMUL_REAL ? 0 : vmm_backend.cpl(vcpu);
	e->rip = vmm_rip(vcpu);
	e->rflags = vmm_rflags(vcpu);
	if (gprs)
		for (i = 0; i < EMUL_NR_GPR; i++)
			e->gpr[i] = vmm_reg(vcpu, i);
}

/**
 * vmm_emulation_store() - put general registers, RIP and RFLAGS back into the vCPU
 * @em: on the vCPU thread
 */
void vmm_emulation_store(struct vmm_emulation *em)
{
	struct vmm_vcpu *vcpu = em->vcpu;
	struct emul *e = &em->e;
	int i;

	for (i = 0; i < EMUL_NR_GPR; i++)
		if (vmm_reg(vcpu, i) != e->gpr[i])
			vmm_set_reg(vcpu, i, e->gpr[i]);
	if (vmm_rip(vcpu) != e->rip)
		vmm_set_rip(vcpu, e->rip);
	if (vmm_rflags(vcpu) != e->rflags) {
		if ((vmm_rflags(vcpu) ^ e->rflags) & X86_EFLAGS_IF)
			vmm_make_request(vcpu, VMM_REQ_EVENT);
		vmm_set_rflags(vcpu, e->rflags);
	}
}

static void update_shadow(struct vmm_emulation *em)
{
	struct vmm_vcpu *vcpu = em->vcpu;
	u32 mask = 0;

	if (em->e.int_shadow & EMUL_SHADOW_STI)
		mask |= KVM_X86_SHADOW_INT_STI;
	if (em->e.int_shadow & EMUL_SHADOW_MOV_SS)
		mask |= KVM_X86_SHADOW_INT_MOV_SS;
	if (mask == vmm_shadow(vcpu))
		return;
	vmm_set_shadow(vcpu, mask);
	vmm_make_request(vcpu, VMM_REQ_EVENT);
}

/**
 * vmm_emulation_raise() - queue the event in which an emulation ended
 * @vcpu: vCPU thread, registers stored
 * @fault: the event
 * @insn_len: length of the instruction that raised it, bytes
 *
 * Return: 1.
 */
int vmm_emulation_raise(struct vmm_vcpu *vcpu, const struct emul_fault *fault, u8 insn_len)
{
	switch (fault->kind) {
	case EMUL_EV_FAULT:
		if (fault->vector == PF_VECTOR)
			vmm_queue_pf(vcpu, fault->error, fault->cr2);
		else if (fault->vector == DB_VECTOR)	/* a debug register, with DR7.GD */
			vmm_queue_exception_p(vcpu, DB_VECTOR, BIT(13));
		else if (fault->has_error)
			vmm_queue_exception_e(vcpu, fault->vector, fault->error);
		else
			vmm_queue_exception(vcpu, fault->vector);
		return 1;
	case EMUL_EV_SOFT_INT:
		vmm_requeue_irq(vcpu, fault->vector, true, insn_len);
		vmm_make_request(vcpu, VMM_REQ_EVENT);
		return 1;
	default:
		/*
		 * INT3, INTO and INT1 trap: the saved RIP is the next instruction's. For
		 * the first two that is the backends' work, injected or intercepted.
		 */
		if (fault->vector == DB_VECTOR)
			vmm_set_rip(vcpu, vmm_rip(vcpu) + insn_len);
		vmm_queue_exception(vcpu, fault->vector);
		return 1;
	}
}

/* An instruction that is not emulated. As KVM: user code gets #UD, a kernel's ends in user space */
static int fail(struct vmm_emulation *em, bool skip)
{
	struct vmm_vcpu *vcpu = em->vcpu;
	struct kvm_run *run = vcpu->run;
	u8 len = em->e.insn.fetched;

	vcpu->stats.insn_emulation_fail++;
	if (!READ_ONCE(vcpu->vm->exit_on_emulation_error) && !skip) {
		vmm_inject_ud(vcpu);
		if (em->e.cpl)
			return 1;
	}
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	memset(&run->emulation_failure, 0, sizeof(run->emulation_failure));
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run->emulation_failure.ndata = 3;
	if (len) {
		run->emulation_failure.flags =
			KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
		run->emulation_failure.insn_size = len;
		memset(run->emulation_failure.insn_bytes, 0x90,
		       sizeof(run->emulation_failure.insn_bytes));
		memcpy(run->emulation_failure.insn_bytes, em->e.insn.bytes, len);
	}
	return 0;
}

static int complete_read(struct vmm_vcpu *vcpu);
static int complete_write(struct vmm_vcpu *vcpu);

/* The instruction is done and everyone knows: what remains of its effects */
static int epilogue(struct vmm_emulation *em)
{
	struct vmm_vcpu *vcpu = em->vcpu;
	bool trap = em->trap;
	int r = 1;

	if (em->halt) {
		em->halt = false;
		r = vmm_halt(vcpu);
	} else if (em->tpr_lowered) {
		em->tpr_lowered = false;
		vcpu->run->exit_reason = KVM_EXIT_SET_TPR;
		r = 0;
	}
	em->trap = false;
	if (trap && r == 1)
		r = vmm_singlestep_trap(vcpu);
	return r;
}

/* Show user space the next queued write, or go on */
static int flush_writes(struct vmm_emulation *em)
{
	struct vmm_vcpu *vcpu = em->vcpu;
	struct fragment *f;

	if (em->pio_out) {
		em->pio_out = false;
		vmm_fill_pio_exit(vcpu, em->pio.port, em->pio.size, em->pio.count, false);
		vmm_complete_with(vcpu, complete_write);
		return 0;
	}
	if (em->write_at == em->nwrites)
		return epilogue(em);
	f = &em->writes[em->write_at++];
	vmm_complete_with(vcpu, complete_write);
	return vmm_fill_mmio_exit(vcpu, f->gpa, f->len, (u64 *)f->data);
}

static int complete_write(struct vmm_vcpu *vcpu)
{
	return flush_writes(vcpu->emulation);
}

static int finish(struct vmm_emulation *em, enum emul_status st)
{
	struct vmm_vcpu *vcpu = em->vcpu;
	struct emul *e = &em->e;

	switch (st) {
	case EMUL_OK:
		vmm_emulation_store(em);
		update_shadow(em);
		if (e->int_shadow & EMUL_SHADOW_MOV_SS)
			em->trap = false;
		return flush_writes(em);
	case EMUL_FAULT:
		vmm_emulation_store(em);
		return vmm_emulation_raise(vcpu, &e->fault, e->insn.len);
	case EMUL_IO_NEEDED:
		vmm_emulation_store(em);
		vmm_complete_with(vcpu, complete_read);
		return 0;
	case EMUL_RETRY:
		vmm_emulation_store(em);
		return 1;
	default:
		vmm_emulation_store(em);
		return fail(em, false);
	}
}

static enum emul_status execute(struct vmm_emulation *em)
{
	em->need = NEED_NOTHING;
	em->read_at = 0;
	em->nwrites = 0;
	em->write_at = 0;
	em->pio_out = false;
	return emul_execute(&em->e);
}

/* User space has answered a read: execute again, with the answer in the log */
static int complete_read(struct vmm_vcpu *vcpu)
{
	struct vmm_emulation *em = vcpu->emulation;
	int i;

	/* It may have changed registers on the way, as a device that serves calls does */
	for (i = 0; i < EMUL_NR_GPR; i++)
		em->e.gpr[i] = vmm_reg(vcpu, i);
	em->e.rflags = vmm_rflags(vcpu);
	switch (em->need) {
	case NEED_MMIO_READ:
		memcpy(em->reads[em->nreads].data, vcpu->run->mmio.data,
		       sizeof(em->reads[em->nreads].data));
		em->nreads++;
		break;
	case NEED_PIO_IN:
		em->pio_in_valid = true;
		break;
	default:
		break;
	}
	return finish(em, execute(em));
}

/* VMCALL on AMD, VMMCALL on Intel: the guest meant a hypercall. Give it the right instruction */
static int patch_hypercall(struct vmm_emulation *em)
{
	struct vmm_vcpu *vcpu = em->vcpu;
	const struct emul_seg *cs;
	struct emul *e = &em->e;
	struct emul_seg seg;
	u64 la = e->rip;

	if (vcpu->vm->disabled_quirks & KVM_X86_QUIRK_FIX_HYPERCALL_INSN) {
		vmm_inject_ud(vcpu);
		return 1;
	}
	if (e->mode != EMUL_LONG) {
		op_get_seg(e, EMUL_CS, &seg);
		cs = &seg;
		la = (u32)(cs->base + la);
	}
	switch (op_write(e, la, vmm_backend.hypercall_insn, 3, EMUL_ACC_WRITE)) {
	case EMUL_OK:
	case EMUL_RETRY:
		return 1;
	case EMUL_FAULT:
		return vmm_emulation_raise(vcpu, &e->fault, 0);
	default:
		return fail(em, false);
	}
}

static bool is_hypercall(const struct emul_insn *in)
{
	return in->map == EMUL_MAP_0F && in->opcode == 0x01 &&
	       (in->modrm == 0xc1 || in->modrm == 0xd9);
}

/* MOVBE or RDPID, as KVM_GET_EMULATED_CPUID promises, on a CPU that has none. */
static bool is_promised(const struct emul_insn *in)
{
	if (in->map == EMUL_MAP_0F38 && (in->opcode | 1) == 0xf1 && in->rep != 0xf2)
		return !boot_cpu_has(X86_FEATURE_MOVBE);
	return in->map == EMUL_MAP_0F && in->opcode == 0xc7 && in->rep == 0xf3 &&
	       in->modrm >= 0xf8 && !boot_cpu_has(X86_FEATURE_RDPID);
}

/* RDMSR and WRMSR may need user space: the exits' handlers know how. */
static bool is_msr_access(const struct emul *e)
{
	return e->insn.map == EMUL_MAP_0F && (e->insn.opcode == 0x30 || e->insn.opcode == 0x32) &&
	       !e->cpl;
}

static int access_msr(struct vmm_emulation *em)
{
	struct vmm_vcpu *vcpu = em->vcpu;

	vcpu->exit.insn_len = em->e.insn.len;
	return em->e.insn.opcode == 0x32 ? vmm_rdmsr(vcpu) : vmm_wrmsr(vcpu);
}

static int skip(struct vmm_emulation *em)
{
	struct emul *e = &em->e;

	e->rip += e->insn.len;
	if (e->mode != EMUL_LONG)
		e->rip = (u32)e->rip;
	vmm_set_rip(em->vcpu, e->rip);
	update_shadow(em);
	return em->trap ? epilogue(em) : 1;
}

/* The exit may know the translation of the address that faulted: no need to walk for it */
static void take_hint(struct vmm_emulation *em, gpa_t gpa)
{
	struct vmm_exit *x = &em->vcpu->exit;

	em->hint_access = 0;
	if (gpa == VMM_INVALID_GPA || !x->memory.gva_valid ||
	    (x->reason != VMM_EXIT_MEMORY && x->reason != VMM_EXIT_MMIO) ||
	    (x->memory.access & VMM_ACCESS_GUEST_PT))
		return;
	em->hint_la = x->memory.gva;
	em->hint_gpa = gpa;
	em->hint_access = x->memory.access & (VMM_ACCESS_READ | VMM_ACCESS_WRITE);
}

/**
 * vmm_emulate() - emulate the instruction at RIP
 * @vcpu: vCPU thread, SRCU held
 * @gpa: guest-physical address that the exit reported, or VMM_INVALID_GPA
 * @flags: VMM_EMUL_*
 *
 * Return: 1 to re-enter the guest, 0 to go to user space with kvm_run filled in, or -errno.
 */
int vmm_emulate(struct vmm_vcpu *vcpu, gpa_t gpa, u32 flags)
{
	struct vmm_emulation *em = vcpu->emulation;
	enum emul_status st;

	vcpu->stats.insn_emulation++;
	em->need = NEED_NOTHING;
	em->nreads = 0;
	em->commits = em->e.commits;
	em->pio_in_valid = false;
	em->pio_out = false;
	em->nwrites = 0;
	em->write_at = 0;
	em->halt = false;
	em->tpr_lowered = false;
	take_hint(em, gpa);
	vmm_emulation_load(em, true);
	em->trap = em->e.rflags & X86_EFLAGS_TF;

	st = emul_decode(&em->e);
	if (st == EMUL_OK && (flags & VMM_EMUL_UD) && !is_promised(&em->e.insn)) {
		if (is_hypercall(&em->e.insn))
			return patch_hypercall(em);
		/* the CPU knew the instruction, and refused it for a reason of its own */
		vmm_inject_ud(vcpu);
		return 1;
	}
	if (st == EMUL_UNHANDLEABLE && (flags & VMM_EMUL_UD)) {
		vmm_inject_ud(vcpu);
		return 1;
	}
	if (st == EMUL_UNHANDLEABLE && (flags & VMM_EMUL_SKIP))
		return fail(em, true);
	if (st == EMUL_OK && (flags & VMM_EMUL_SKIP))
		return skip(em);
	if (st == EMUL_OK && is_msr_access(&em->e))
		return access_msr(em);
	if (st == EMUL_OK)
		st = execute(em);
	return finish(em, st);
}

/**
 * vmm_decode_length() - length of the instruction at RIP
 * @vcpu: vCPU thread, SRCU held, not between vmm_emulate() and its completion
 *
 * Return: bytes; 0 when it cannot be read or is no instruction.
 */
int vmm_decode_length(struct vmm_vcpu *vcpu)
{
	struct vmm_emulation *em = vcpu->emulation;

	em->hint_access = 0;
	vmm_emulation_load(em, false);
	return emul_decode(&em->e) == EMUL_OK ? em->e.insn.len : 0;
}

/**
 * vmm_emulation_create() - allocate a vCPU's emulation state
 * @vcpu: being created
 *
 * Return: 0 or -ENOMEM.
 */
int vmm_emulation_create(struct vmm_vcpu *vcpu)
{
	struct vmm_emulation *em = kzalloc(sizeof(*em), GFP_KERNEL_ACCOUNT);

	if (!em)
		return -ENOMEM;
	em->vcpu = vcpu;
	em->e.ops = &ops;
	vcpu->emulation = em;
	return 0;
}

/**
 * vmm_emulation_destroy() - free it
 * @vcpu: being destroyed; creation may have failed
 */
void vmm_emulation_destroy(struct vmm_vcpu *vcpu)
{
	kfree(vcpu->emulation);
	vcpu->emulation = NULL;
}
