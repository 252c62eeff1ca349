// SPDX-License-Identifier: GPL-2.0-only
/* The small machine of emul_machine.h, and its emul_ops. */
#include "emul_machine.h"

u8 ram[RAM];
struct emul e;
struct emul_seg segs[EMUL_NR_SREG];
struct emul_dtable gdt, idt;
u64 cr[9], dr[8], efer, xcr0;
u64 msr_index, msr_value;
bool gp_on_set;

/* the device */
static unsigned int dev_reads, dev_asked;
bool dev_ready;
u64 dev_value;

/* ports */
u16 io_port;
unsigned int io_size, io_count, io_calls;
bool io_needed;
u8 io_data[EMUL_PIO_MAX];

unsigned int cmpxchg_calls;
bool cmpxchg_loses;
unsigned int halts;
u64 invlpg_la;
u32 missing;
bool rewrites;
int fpu_op;
bool fpu_faults;

static enum emul_status page_fault(u64 la, unsigned int acc)
{
	e.fault = (struct emul_fault) {
		.vector = EMUL_PF, .has_error = true, .cr2 = la,
		.error = (acc & EMUL_ACC_WRITE ? 2 : 0) | (acc & EMUL_ACC_FETCH ? 16 : 0) |
			 (e.cpl == 3 && !(acc & EMUL_ACC_SYSTEM) ? 4 : 0),
	};
	return EMUL_FAULT;
}

static enum emul_status check_page(u64 la, unsigned int len, unsigned int acc)
{
	u64 bad = BAD_PAGE;

	if (la + len > RAM)
		return EMUL_UNHANDLEABLE;
	if (la + len > bad && la < bad + 4096)
		return page_fault(la < bad ? bad : la, acc);
	return EMUL_OK;
}

static enum emul_status m_fetch(struct emul *em, u64 la, void *buf, unsigned int len)
{
	enum emul_status st = check_page(la, len, EMUL_ACC_FETCH);

	(void)em;
	ck_assert((la & 4095) + len <= 4096);
	if (st == EMUL_OK)
		memcpy(buf, ram + la, len);
	if (st == EMUL_OK && rewrites)
		memset(ram + la, 0xf4, len);
	return st;
}

static enum emul_status m_read(struct emul *em, u64 la, void *buf, unsigned int len,
			       unsigned int acc)
{
	enum emul_status st = check_page(la, len, acc);

	(void)em;
	if (st != EMUL_OK)
		return st;
	if (la >= DEV_PAGE && la < DEV_PAGE + 4096) {
		dev_asked++;
		if (!dev_ready)
			return EMUL_IO_NEEDED;
		dev_reads++;
		memcpy(buf, &dev_value, len);
		return EMUL_OK;
	}
	memcpy(buf, ram + la, len);
	return EMUL_OK;
}

static enum emul_status m_write(struct emul *em, u64 la, const void *buf, unsigned int len,
				unsigned int acc)
{
	enum emul_status st = check_page(la, len, acc);

	ck_assert(acc & EMUL_ACC_WRITE);
	if (st != EMUL_OK)
		return st;
	if (la >= DEV_PAGE && la < DEV_PAGE + 4096)
		em->stop = true;
	memcpy(ram + la, buf, len);
	return EMUL_OK;
}

static enum emul_status m_cmpxchg(struct emul *em, u64 la, void *old, const void *new,
				  unsigned int len, unsigned int acc)
{
	enum emul_status st = check_page(la, len, acc);

	(void)em;
	cmpxchg_calls++;
	if (st != EMUL_OK)
		return st;
	if (cmpxchg_loses || memcmp(ram + la, old, len)) {
		memcpy(old, ram + la, len);
		return EMUL_RETRY;
	}
	memcpy(ram + la, new, len);
	return EMUL_OK;
}

static enum emul_status m_probe(struct emul *em, u64 la, unsigned int len, unsigned int acc)
{
	(void)em;
	return check_page(la, len, acc);
}

static void m_get_seg(struct emul *em, unsigned int sreg, struct emul_seg *seg)
{
	(void)em;
	*seg = segs[sreg];
}

static void m_set_seg(struct emul *em, unsigned int sreg, const struct emul_seg *seg)
{
	(void)em;
	segs[sreg] = *seg;
}

static void m_get_gdt(struct emul *em, struct emul_dtable *dt)
{
	(void)em;
	*dt = gdt;
}

static void m_set_gdt(struct emul *em, const struct emul_dtable *dt)
{
	(void)em;
	gdt = *dt;
}

static void m_get_idt(struct emul *em, struct emul_dtable *dt)
{
	(void)em;
	*dt = idt;
}

static void m_set_idt(struct emul *em, const struct emul_dtable *dt)
{
	(void)em;
	idt = *dt;
}

static u64 m_get_cr(struct emul *em, unsigned int nr)
{
	(void)em;
	return cr[nr];
}

static enum emul_status m_set_cr(struct emul *em, unsigned int nr, u64 val)
{
	(void)em;
	if (gp_on_set)
		return EMUL_FAULT;
	cr[nr] = val;
	return EMUL_OK;
}

static enum emul_status m_get_dr(struct emul *em, unsigned int nr, u64 *val)
{
	(void)em;
	*val = dr[nr];
	return EMUL_OK;
}

static enum emul_status m_set_dr(struct emul *em, unsigned int nr, u64 val)
{
	(void)em;
	dr[nr] = val;
	return EMUL_OK;
}

static enum emul_status m_get_msr(struct emul *em, u32 msr, u64 *val)
{
	(void)em;
	if (msr == 0xc0000080) {
		*val = efer;
		return EMUL_OK;
	}
	if (msr != msr_index)
		return EMUL_FAULT;
	*val = msr_value;
	return EMUL_OK;
}

static enum emul_status m_set_msr(struct emul *em, u32 msr, u64 val)
{
	(void)em;
	if (msr != msr_index)
		return EMUL_FAULT;
	msr_value = val;
	return EMUL_OK;
}

static enum emul_status m_get_xcr(struct emul *em, u32 nr, u64 *val)
{
	(void)em;
	(void)nr;
	*val = xcr0;
	return EMUL_OK;
}

static enum emul_status m_pio_in(struct emul *em, u16 port, unsigned int size, unsigned int count,
				 void *buf)
{
	(void)em;
	io_calls++;
	if (io_needed)
		return EMUL_IO_NEEDED;
	io_port = port;
	io_size = size;
	io_count = count;
	memcpy(buf, io_data, size * count);
	return EMUL_OK;
}

static enum emul_status m_pio_out(struct emul *em, u16 port, unsigned int size, unsigned int count,
				  const void *buf)
{
	(void)em;
	io_calls++;
	io_port = port;
	io_size = size;
	io_count = count;
	memcpy(io_data, buf, size * count);
	return EMUL_OK;
}

static void m_cpuid(struct emul *em, u32 r[4])
{
	(void)em;
	r[0] += 1;
	r[1] = 2;
	r[2] += 3;
	r[3] = 4;
}

static u64 m_rdtsc(struct emul *em, u32 *aux)
{
	(void)em;
	*aux = 7;
	return 0x1122334455667788;
}

static enum emul_status m_hlt(struct emul *em)
{
	(void)em;
	halts++;
	return EMUL_OK;
}

static enum emul_status m_invlpg(struct emul *em, u64 la)
{
	(void)em;
	invlpg_la = la;
	return EMUL_OK;
}

static bool m_has(struct emul *em, enum emul_feature feature)
{
	(void)em;
	return !(missing >> feature & 1);
}

static enum emul_status m_fpu(struct emul *em, enum emul_fpu_op op, void *buf)
{
	(void)em;
	fpu_op = op;
	if (fpu_faults)
		return EMUL_FAULT;
	if (op == EMUL_FPU_STCW || op == EMUL_FPU_STSW)
		memcpy(buf, "\x7f\x03", 2);
	if (op == EMUL_FPU_SAVE || op == EMUL_FPU_SAVE64)
		memset(buf, 0x5a, 512);
	if (op == EMUL_FPU_RESTORE || op == EMUL_FPU_RESTORE64)
		memcpy(&msr_value, (u8 *)buf + 32, 8);	/* ST0, for the test to see */
	return EMUL_OK;
}

static const struct emul_ops ops = {
	.fetch = m_fetch, .read = m_read, .write = m_write, .cmpxchg = m_cmpxchg,
	.probe = m_probe, .get_seg = m_get_seg, .set_seg = m_set_seg, .get_gdt = m_get_gdt,
	.set_gdt = m_set_gdt, .get_idt = m_get_idt, .set_idt = m_set_idt, .get_cr = m_get_cr,
	.set_cr = m_set_cr, .get_dr = m_get_dr, .set_dr = m_set_dr, .get_msr = m_get_msr,
	.set_msr = m_set_msr, .get_xcr = m_get_xcr, .pio_in = m_pio_in, .pio_out = m_pio_out,
	.cpuid = m_cpuid, .rdtsc = m_rdtsc, .hlt = m_hlt, .wbinvd = m_hlt, .invlpg = m_invlpg,
	.has = m_has, .fpu = m_fpu,
};

void set_seg(unsigned int sreg, u16 sel, u64 base, u32 limit, u32 attr)
{
	segs[sreg] = (struct emul_seg) {
		.selector = sel, .base = base, .limit = limit, .attr = attr,
	};
}

void desc(unsigned int sel, u32 base, u32 limit, u32 attr)
{
	u64 d = (u64)(limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)(attr & 0xff) << 40 |
		(u64)(limit >> 16 & 0xf) << 48 | (u64)(attr >> 12 & 0xf) << 52 |
		(u64)(base >> 24) << 56;

	memcpy(ram + GDT + (sel & ~7u), &d, 8);
}

void machine(enum emul_mode mode)
{
	unsigned int i;

	memset(&e, 0, sizeof(e));
	memset(ram, 0, sizeof(ram));
	memset(cr, 0, sizeof(cr));
	memset(dr, 0, sizeof(dr));
	e.ops = &ops;
	e.mode = mode;
	e.rflags = 2;
	e.rip = CODE;
	e.gpr[EMUL_RSP] = STACK;
	gdt = (struct emul_dtable) { GDT, 0xff };
	idt = (struct emul_dtable) { mode == EMUL_REAL ? 0 : IDT, 0x3ff };
	efer = mode == EMUL_LONG ? 0x500 : 0;
	cr[0] = mode == EMUL_REAL ? 0 : 0x80000011;
	cr[4] = 0x600;
	xcr0 = 7;
	missing = 0;
	fpu_op = -1;
	fpu_faults = rewrites = false;
	gp_on_set = io_needed = dev_ready = cmpxchg_loses = false;
	dev_reads = dev_asked = io_calls = cmpxchg_calls = halts = io_count = 0;
	for (i = 0; i < 6; i++) {
		if (mode == EMUL_REAL || mode == EMUL_VM86)
			set_seg(i, 0, 0, 0xffff, mode == EMUL_VM86 ? 0xf3 : 0x93);
		else
			set_seg(i, 0x10, 0, 0xffffffff, DATA32);
	}
	if (mode == EMUL_VM86)
		e.cpl = 3;
	if (mode >= EMUL_PROT16)
		set_seg(EMUL_CS, 8, 0, 0xffffffff, mode == EMUL_LONG ? CODE64 :
			mode == EMUL_PROT32 ? CODE32 : CODE16);
	if (mode == EMUL_PROT16)
		set_seg(EMUL_SS, 0x10, 0, 0xffff, 0x93);
	set_seg(EMUL_LDTR, 0, 0, 0, EMUL_SEG_UNUSABLE);
	set_seg(EMUL_TR, 0x40, TSS, 0x2067, 0x8b);
	desc(0x08, 0, 0xfffff, CODE32);
	desc(0x10, 0, 0xfffff, DATA32);
	desc(0x18, 0, 0xfffff, CODE64);
	desc(0x20, 0, 0xfffff, DATA32 | DPL3);
	desc(0x28, 0, 0xfffff, CODE32 | DPL3);
	desc(0x30, 0, 0xffff, CODE16);
}

enum emul_status step(const char *bytes, unsigned int n)
{
	u64 at = e.rip;

	if (e.mode != EMUL_LONG)
		at = (u32)(segs[EMUL_CS].base + at);
	memcpy(ram + at, bytes, n);
	emul_init(&e);
	return emul_step(&e);
}

void is_fault(enum emul_status st, u8 vector, int error)
{
	ck_assert_int_eq(st, EMUL_FAULT);
	ck_assert_uint_eq(e.fault.vector, vector);
	ck_assert_int_eq(e.fault.has_error, error >= 0);
	if (error >= 0)
		ck_assert_uint_eq(e.fault.error, (u32)error);
}

u64 get(u32 la, unsigned int len)
{
	u64 v = 0;

	memcpy(&v, ram + la, len);
	return v;
}

void put(u32 la, u64 v, unsigned int len)
{
	memcpy(ram + la, &v, len);
}
