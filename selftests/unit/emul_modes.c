// SPDX-License-Identifier: GPL-2.0-only
/*
 * What user space cannot run natively: real mode, segmentation, privilege, faults, descriptors,
 * port I/O, re-execution. A small machine of flat memory without paging; a page that faults and
 * a page that is a device.
 */
#include <check.h>
#include <stdlib.h>
#include "../../kmod/emul/emul.h"
#include "emul_test.h"

#define RAM		0x200000u
#define BAD_PAGE	0x150000u	/* any access: #PF */
#define DEV_PAGE	0x160000u	/* reads answer EMUL_IO_NEEDED once each */
#define GDT		0x1000u
#define IDT		0x3000u
#define TSS		0x4000u
#define CODE		0x8000u
#define STACK		0x9000u

static u8 ram[RAM];
static struct emul e;
static struct emul_seg segs[EMUL_NR_SREG];
static struct emul_dtable gdt, idt;
static u64 cr[9], dr[8], efer, xcr0;
static u64 msr_index, msr_value;
static bool gp_on_set;

/* the device */
static unsigned int dev_reads, dev_asked;
static bool dev_ready;
static u64 dev_value;

/* ports */
static u16 io_port;
static unsigned int io_size, io_count, io_calls;
static bool io_needed;
static u8 io_data[EMUL_PIO_MAX];

static unsigned int cmpxchg_calls;
static bool cmpxchg_loses;
static unsigned int halts;
static u64 invlpg_la;

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

static const struct emul_ops ops = {
	.fetch = m_fetch, .read = m_read, .write = m_write, .cmpxchg = m_cmpxchg,
	.probe = m_probe, .get_seg = m_get_seg, .set_seg = m_set_seg, .get_gdt = m_get_gdt,
	.set_gdt = m_set_gdt, .get_idt = m_get_idt, .set_idt = m_set_idt, .get_cr = m_get_cr,
	.set_cr = m_set_cr, .get_dr = m_get_dr, .set_dr = m_set_dr, .get_msr = m_get_msr,
	.set_msr = m_set_msr, .get_xcr = m_get_xcr, .pio_in = m_pio_in, .pio_out = m_pio_out,
	.cpuid = m_cpuid, .rdtsc = m_rdtsc, .hlt = m_hlt, .wbinvd = m_hlt, .invlpg = m_invlpg,
};

/* ---- setting up ------------------------------------------------------------------------- */

static void set_seg(unsigned int sreg, u16 sel, u64 base, u32 limit, u32 attr)
{
	segs[sreg] = (struct emul_seg) {
		.selector = sel, .base = base, .limit = limit, .attr = attr,
	};
}

/* A descriptor: base, limit in units of G, attributes as in emul_seg */
static void desc(unsigned int sel, u32 base, u32 limit, u32 attr)
{
	u64 d = (u64)(limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)(attr & 0xff) << 40 |
		(u64)(limit >> 16 & 0xf) << 48 | (u64)(attr >> 12 & 0xf) << 52 |
		(u64)(base >> 24) << 56;

	memcpy(ram + GDT + (sel & ~7u), &d, 8);
}

#define CODE32	0xc09bu
#define CODE16	0x009bu
#define CODE64	0xa09bu
#define DATA32	0xc093u
#define RODATA	0xc091u
#define XONLY	0xc099u
#define DPL3	0x60u

static void machine(enum emul_mode mode)
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

static enum emul_status step(const char *bytes, unsigned int n)
{
	u64 at = e.rip;

	if (e.mode != EMUL_LONG)
		at = (u32)(segs[EMUL_CS].base + at);
	memcpy(ram + at, bytes, n);
	emul_init(&e);
	return emul_step(&e);
}

/* Run one instruction given as a string literal */
#define STEP(s)		step(s, sizeof(s) - 1)
#define OK(s)		ck_assert_int_eq(STEP(s), EMUL_OK)

static void is_fault(enum emul_status st, u8 vector, int error)
{
	ck_assert_int_eq(st, EMUL_FAULT);
	ck_assert_uint_eq(e.fault.vector, vector);
	ck_assert_int_eq(e.fault.has_error, error >= 0);
	if (error >= 0)
		ck_assert_uint_eq(e.fault.error, (u32)error);
}

#define FAULTS(s, vector, error) do {					\
		u64 rip_ = e.rip, sp_ = e.gpr[EMUL_RSP];		\
									\
		is_fault(STEP(s), vector, error);			\
		ck_assert_uint_eq(e.rip, rip_);				\
		ck_assert_uint_eq(e.gpr[EMUL_RSP], sp_);		\
	} while (0)

static u64 get(u32 la, unsigned int len)
{
	u64 v = 0;

	memcpy(&v, ram + la, len);
	return v;
}

static void put(u32 la, u64 v, unsigned int len)
{
	memcpy(ram + la, &v, len);
}

/* ---- segmentation --------------------------------------------------------------------------- */

START_TEST(real_mode_limit_is_checked_without_error_code)
{
	machine(EMUL_REAL);
	e.gpr[EMUL_RBX] = 0xffff;
	FAULTS("\x8b\x07", EMUL_GP, -1);		/* mov ax, [bx] */
	e.gpr[EMUL_RBX] = 0xfffe;
	OK("\x8b\x07");
	e.gpr[EMUL_RBP] = 0xffff;
	FAULTS("\x8b\x46\x00", EMUL_SS_FAULT, -1);	/* mov ax, [bp] */
	e.gpr[EMUL_RSP] = 1;
	FAULTS("\x50", EMUL_SS_FAULT, -1);		/* push ax */
}
END_TEST

START_TEST(real_mode_addresses_wrap_at_16_bits)
{
	machine(EMUL_REAL);
	segs[EMUL_DS].base = 0x20000;
	put(0x20004, 0x1234, 2);
	e.gpr[EMUL_RBX] = 0xfff0;
	e.gpr[EMUL_RSI] = 0x14;
	OK("\x8b\x00");					/* mov ax, [bx+si] */
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0x1234);
}
END_TEST

START_TEST(unreal_mode_uses_the_cached_limit)
{
	machine(EMUL_REAL);
	e.gpr[EMUL_RBX] = 0x100000;
	put(0x100000, 0xdeadbeef, 4);
	FAULTS("\x67\x66\x8b\x03", EMUL_GP, -1);
	segs[EMUL_DS].limit = 0xffffffff;
	OK("\x67\x66\x8b\x03");				/* mov eax, [ebx] */
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0xdeadbeef);
	/* loading the register in real mode keeps the limit */
	e.gpr[EMUL_RAX] = 0x10;
	OK("\x8e\xd8");					/* mov ds, ax */
	ck_assert_uint_eq(segs[EMUL_DS].base, 0x100);
	ck_assert_uint_eq(segs[EMUL_DS].limit, 0xffffffff);
}
END_TEST

START_TEST(protected_mode_checks_type_and_limit)
{
	machine(EMUL_PROT32);
	e.gpr[EMUL_RBX] = 0x100;
	set_seg(EMUL_DS, 0x38, 0, 0xffffffff, RODATA);
	OK("\x8b\x03");
	FAULTS("\x89\x03", EMUL_GP, 0);			/* write to read-only */
	OK("\x36\x89\x03");				/* ss: is writable */
	FAULTS("\x2e\x89\x03", EMUL_GP, 0);		/* write to code */
	set_seg(EMUL_ES, 0x38, 0, 0xffffffff, XONLY);
	FAULTS("\x26\x8b\x03", EMUL_GP, 0);		/* read of execute-only */
	set_seg(EMUL_ES, 0, 0, 0, EMUL_SEG_UNUSABLE);
	FAULTS("\x26\x8b\x03", EMUL_GP, 0);		/* null */
	set_seg(EMUL_FS, 0x38, 0x1000, 0xff, 0x4093);
	e.gpr[EMUL_RBX] = 0xfc;
	OK("\x64\x89\x03");
	e.gpr[EMUL_RBX] = 0xfd;
	FAULTS("\x64\x89\x03", EMUL_GP, 0);		/* limit */
	e.gpr[EMUL_RBX] = 0xffffffff;
	FAULTS("\x64\x89\x03", EMUL_GP, 0);		/* wraps around */
	segs[EMUL_SS].limit = 0xfff;
	e.gpr[EMUL_RSP] = 0x1002;
	FAULTS("\x50", EMUL_SS_FAULT, 0);
}
END_TEST

START_TEST(expand_down_segments_reach_from_limit_to_top)
{
	machine(EMUL_PROT32);
	set_seg(EMUL_DS, 0x38, 0, 0xfff, 0x0097);	/* 16-bit expand-down */
	e.gpr[EMUL_RBX] = 0x1000;
	OK("\x8b\x03");
	e.gpr[EMUL_RBX] = 0xfff;
	FAULTS("\x8b\x03", EMUL_GP, 0);
	e.gpr[EMUL_RBX] = 0xfffd;
	FAULTS("\x8b\x03", EMUL_GP, 0);			/* past 64 KiB */
	segs[EMUL_DS].attr |= EMUL_SEG_DB;
	OK("\x8b\x03");
}
END_TEST

START_TEST(long_mode_ignores_limits_and_checks_canonical_form)
{
	machine(EMUL_LONG);
	segs[EMUL_DS].limit = 0;
	segs[EMUL_DS].base = 0x5000;
	put(0x100, 77, 8);
	e.gpr[EMUL_RBX] = 0x100;
	OK("\x48\x8b\x03");
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 77);
	e.gpr[EMUL_RBX] = 0x800000000000;
	FAULTS("\x48\x8b\x03", EMUL_GP, 0);
	e.gpr[EMUL_RBX] = 0x7ffffffffffc;
	FAULTS("\x48\x8b\x03", EMUL_GP, 0);		/* its end is not */
	e.gpr[EMUL_RBP] = 0x800000000000;
	FAULTS("\x48\x8b\x45\x00", EMUL_SS_FAULT, 0);
	e.gpr[EMUL_R13] = 0x800000000000;
	FAULTS("\x49\x8b\x45\x00", EMUL_GP, 0);		/* R13 does not imply SS */
	cr[4] |= 1 << 12;				/* LA57 */
	ck_assert_int_eq(STEP("\x48\x8b\x03"), EMUL_UNHANDLEABLE);	/* canonical, no RAM there */
	segs[EMUL_GS].base = 0x2000;
	put(0x2100, 88, 8);
	e.gpr[EMUL_RBX] = 0x100;
	OK("\x65\x48\x8b\x03");
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 88);
}
END_TEST

/* ---- decoding ------------------------------------------------------------------------------------ */

START_TEST(lock_is_undefined_where_it_is_not_allowed)
{
	machine(EMUL_LONG);
	FAULTS("\xf0\x48\x89\x03", EMUL_UD, -1);	/* lock mov */
	FAULTS("\xf0\x01\xc0", EMUL_UD, -1);		/* lock add reg, reg */
	FAULTS("\xf0\x39\x03", EMUL_UD, -1);		/* lock cmp [mem] */
	FAULTS("\xf0\x03\x03", EMUL_UD, -1);		/* lock add reg, [mem] */
	FAULTS("\xf0\x0f\xa3\x03", EMUL_UD, -1);	/* lock bt */
	FAULTS("\x0f\x20\xc8", EMUL_UD, -1);		/* CR1 */
	FAULTS("\x0f\x0b", EMUL_UD, -1);
	FAULTS("\x8e\xc8", EMUL_UD, -1);		/* mov cs */
	FAULTS("\x8c\xf0", EMUL_UD, -1);		/* segment register 6 */
	FAULTS("\x06", EMUL_UD, -1);			/* push es in 64-bit mode */
	FAULTS("\x66\xc5\xfa\x6f\x03", EMUL_UD, -1);	/* 66 before VEX */
	e.gpr[EMUL_RBX] = 0x100;
	OK("\xf0\x01\x03");
	ck_assert_uint_eq(cmpxchg_calls, 1);
	OK("\x87\x03");					/* xchg locks by itself */
	ck_assert_uint_eq(cmpxchg_calls, 2);
}
END_TEST

START_TEST(fifteen_bytes_are_the_limit)
{
	machine(EMUL_LONG);
	OK("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90");
	FAULTS("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90", EMUL_GP, 0);
}
END_TEST

START_TEST(fetch_faults_at_limit_and_page)
{
	machine(EMUL_PROT32);
	segs[EMUL_CS].limit = CODE + 2;
	OK("\x90\x90");
	FAULTS("\xb8\x01\x02\x03\x04", EMUL_GP, 0);
	machine(EMUL_PROT32);
	e.rip = BAD_PAGE - 2;
	FAULTS("\xb8\x01\x02\x03\x04", EMUL_PF, 16);
	ck_assert_uint_eq(e.fault.cr2, BAD_PAGE);
	OK("\x89\xc0");		/* ends at the page: the next one is not touched */
}
END_TEST

static const struct {
	enum emul_mode mode;
	const char *bytes;
	u8 n, len;
} lengths[] = {
#define L(mode, s, len)	{ mode, s, sizeof(s) - 1, len }
	L(EMUL_LONG, "\x0f\xa2\x90\x90", 2),				/* cpuid */
	L(EMUL_LONG, "\xf4\x90", 1),
	L(EMUL_LONG, "\x0f\x01\xd9", 3),				/* vmmcall */
	L(EMUL_LONG, "\x0f\x01\xc1", 3),				/* vmcall */
	L(EMUL_LONG, "\x0f\x01\xd8", 3),				/* vmrun */
	L(EMUL_LONG, "\x0f\x01\xc8", 3),				/* monitor */
	L(EMUL_LONG, "\x0f\x33", 2),					/* rdpmc */
	L(EMUL_LONG, "\xe5\x71\x90", 2),
	L(EMUL_LONG, "\x66\xef", 2),
	L(EMUL_LONG, "\xf3\x66\x6f", 3),
	L(EMUL_LONG, "\x44\x0f\x22\xc0", 4),				/* mov cr8, rax */
	L(EMUL_PROT32, "\x0f\x20\x00\x90", 3),				/* mov ignores mod */
	L(EMUL_LONG, "\x0f\x01\x3c\x25\x00\x00\x00\x00\x90", 8),	/* invlpg [abs] */
	L(EMUL_LONG, "\x0f\x01\xf0", 3),				/* lmsw ax */
	L(EMUL_LONG, "\x0f\x01\xd1", 3),				/* xsetbv */
	L(EMUL_LONG, "\x48\xb8\x01\x02\x03\x04\x05\x06\x07\x08", 10),
	L(EMUL_LONG, "\xa1\x01\x02\x03\x04\x05\x06\x07\x08", 9),
	L(EMUL_LONG, "\x67\xa1\x01\x02\x03\x04", 6),
	L(EMUL_PROT32, "\xa1\x01\x02\x03\x04", 5),
	L(EMUL_REAL, "\xa1\x01\x02", 3),
	L(EMUL_REAL, "\x66\xa1\x01\x02", 4),
	L(EMUL_REAL, "\xea\x01\x02\x03\x04", 5),
	L(EMUL_REAL, "\x66\xea\x01\x02\x03\x04\x05\x06", 8),
	L(EMUL_PROT32, "\x9a\x01\x02\x03\x04\x05\x06", 7),
	L(EMUL_LONG, "\xc8\x10\x00\x01", 4),
	L(EMUL_LONG, "\xc2\x08\x00", 3),
	L(EMUL_LONG, "\xcd\x80", 2),
	L(EMUL_LONG, "\xd9\x7d\xfe", 3),				/* fnstcw */
	L(EMUL_LONG, "\xdb\xe3", 2),					/* fninit */
	L(EMUL_LONG, "\x0f\xae\x01", 3),				/* fxsave */
	L(EMUL_LONG, "\x0f\x58\xc1", 3),				/* addps */
	L(EMUL_LONG, "\x66\x0f\x70\xc1\x1b", 5),			/* pshufd */
	L(EMUL_LONG, "\x66\x0f\x73\xd9\x08", 5),			/* psrldq */
	L(EMUL_LONG, "\x66\x0f\x3a\x0f\xc1\x08", 6),			/* palignr */
	L(EMUL_LONG, "\x66\x0f\x38\x00\xc1", 5),			/* pshufb */
	L(EMUL_LONG, "\xc5\xf8\x77", 3),				/* vzeroupper */
	L(EMUL_LONG, "\xc4\xe3\x7d\x06\xc1\x01", 6),			/* vperm2f128 */
	L(EMUL_LONG, "\xc5\xf9\x70\xc1\x1b", 5),			/* vpshufd */
	L(EMUL_LONG, "\x62\xf1\x7c\x48\x28\x45\x01", 7),		/* vmovaps zmm, [rbp+64] */
	L(EMUL_LONG, "\x62\xf3\x7d\x48\x25\xc1\x55", 7),		/* vpternlogd */
	L(EMUL_PROT32, "\x62\x03", 2),					/* bound */
	L(EMUL_REAL, "\xc5\x47\x05", 3),				/* lds */
	L(EMUL_REAL, "\x8b\x87\x34\x12", 4),
	L(EMUL_REAL, "\x67\x8b\x84\x24\x01\x02\x03\x04", 8),
	L(EMUL_LONG, "\xf7\x05\x01\x02\x03\x04\x05\x06\x07\x08", 10),	/* test dword [rip] */
	L(EMUL_LONG, "\x66\xf7\x00\x01\x02", 5),
	L(EMUL_LONG, "\xf6\x00\x01", 3),
	L(EMUL_LONG, "\xf7\x18", 2),					/* neg has no immediate */
	L(EMUL_LONG, "\xf3\x0f\x1e\xfa", 4),				/* endbr64 */
	L(EMUL_LONG, "\xf3\x0f\xc7\xf8", 4),				/* rdpid */
	L(EMUL_LONG, "\x0f\xc7\xf0", 3),				/* rdrand */
	L(EMUL_LONG, "\x2e\x0f\x84\x01\x02\x03\x04", 7),
	L(EMUL_PROT16, "\x0f\x84\x01\x02", 4),
	L(EMUL_LONG, "\x66\xe8\x01\x02\x03\x04", 6),
	L(EMUL_LONG, "\x0f\x0f\xc1\x9e", 4),				/* 3DNow! */
	L(EMUL_LONG, "\x0f\x05", 2),
	L(EMUL_LONG, "\x0f\x34", 2),
	L(EMUL_LONG, "\x0f\xaa", 2),
	L(EMUL_LONG, "\x0f\x09", 2),
};

START_TEST(length_is_known)
{
	struct emul_insn in;
	unsigned int n;
	enum emul_status st;

	st = emul_decode_bytes(&in, lengths[_i].mode, (const u8 *)lengths[_i].bytes,
			       lengths[_i].n);
	ck_assert_msg(st == EMUL_OK, "row %d: status %d", _i, st);
	ck_assert_msg(in.len == lengths[_i].len, "row %d: length %u, not %u", _i, in.len,
		      lengths[_i].len);
	/* with any byte missing it asks for more */
	for (n = 0; n < lengths[_i].len; n++)
		ck_assert_int_eq(emul_decode_bytes(&in, lengths[_i].mode,
						   (const u8 *)lengths[_i].bytes, n), EMUL_RETRY);
}
END_TEST

START_TEST(operands_are_exposed)
{
	struct emul_insn in;

	ck_assert_int_eq(emul_decode_bytes(&in, EMUL_LONG, (const u8 *)"\x45\x0f\x22\xc1", 4),
			 EMUL_OK);			/* mov cr8, r9 */
	ck_assert_int_eq(in.op[0].type, EMUL_OP_CR);
	ck_assert_uint_eq(in.op[0].reg, 8);
	ck_assert_int_eq(in.op[1].type, EMUL_OP_REG);
	ck_assert_uint_eq(in.op[1].reg, EMUL_R9);
	ck_assert_int_eq(emul_decode_bytes(&in, EMUL_PROT32, (const u8 *)"\x0f\x23\xfb", 3),
			 EMUL_OK);			/* mov dr7, ebx */
	ck_assert_int_eq(in.op[0].type, EMUL_OP_DR);
	ck_assert_uint_eq(in.op[0].reg, 7);
	ck_assert_uint_eq(in.op[1].reg, EMUL_RBX);
	ck_assert_uint_eq(in.op[1].size, 4);
}
END_TEST

/* ---- faults and re-execution ------------------------------------------------------------------------- */

START_TEST(a_page_fault_leaves_nothing_behind)
{
	machine(EMUL_LONG);
	e.cpl = 3;
	e.gpr[EMUL_RBX] = BAD_PAGE + 8;
	e.gpr[EMUL_RAX] = 5;
	FAULTS("\x48\x01\x03", EMUL_PF, 2 | 4);		/* a read-modify-write is a write */
	ck_assert_uint_eq(e.fault.cr2, BAD_PAGE + 8);
	FAULTS("\x48\x8b\x03", EMUL_PF, 4);
	FAULTS("\xf0\x48\x0f\xc1\x03", EMUL_PF, 2 | 4);
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 5);
	FAULTS("\x0f\xb1\x03", EMUL_PF, 2 | 4);		/* cmpxchg */
	FAULTS("\xff\x33", EMUL_PF, 4);			/* push [rbx]: RSP unchanged */
	FAULTS("\x8f\x03", EMUL_PF, 2 | 4);		/* pop [rbx] */
	e.gpr[EMUL_RSP] = BAD_PAGE + 8;
	FAULTS("\x50", EMUL_PF, 2 | 4);
	FAULTS("\xe8\x00\x00\x00\x00", EMUL_PF, 2 | 4);
	FAULTS("\xc3", EMUL_PF, 4);
}
END_TEST

START_TEST(pusha_faults_as_a_whole)
{
	u64 i;

	machine(EMUL_PROT32);
	e.gpr[EMUL_RSP] = BAD_PAGE + 4096 + 8;	/* two pushes fit, the third faults */
	for (i = BAD_PAGE + 4096; i < BAD_PAGE + 4096 + 8; i++)
		ram[i] = 0xaa;
	FAULTS("\x60", EMUL_PF, 2);
	ck_assert_uint_eq(get(BAD_PAGE + 4096, 8), 0xaaaaaaaaaaaaaaaa);
}
END_TEST

START_TEST(device_data_that_comes_later_changes_nothing_before)
{
	machine(EMUL_LONG);
	e.gpr[EMUL_RBX] = DEV_PAGE;
	e.gpr[EMUL_RAX] = 1;
	ck_assert_int_eq(STEP("\x48\x01\x03"), EMUL_IO_NEEDED);	/* add [rbx], rax */
	ck_assert_uint_eq(e.rip, CODE);
	ck_assert_uint_eq(e.rflags, 2);
	dev_ready = true;
	dev_value = ~0ULL;
	ck_assert_int_eq(emul_execute(&e), EMUL_OK);
	ck_assert_uint_eq(get(DEV_PAGE, 8), 0);
	ck_assert_uint_eq(e.rflags & 0x8d5, 0x55);	/* CF PF AF ZF */
	ck_assert_uint_eq(e.rip, CODE + 3);

	/* an immediate survives re-execution */
	machine(EMUL_LONG);
	e.gpr[EMUL_RBX] = DEV_PAGE;
	dev_ready = true;
	dev_value = 0x10;
	OK("\x81\x0b\x01\x00\x00\x80");			/* or dword [rbx], 0x80000001 */
	ck_assert_uint_eq(get(DEV_PAGE, 4), 0x80000011);
}
END_TEST

START_TEST(a_lost_race_is_retried_and_given_up)
{
	machine(EMUL_LONG);
	e.gpr[EMUL_RBX] = 0x100;
	e.gpr[EMUL_RAX] = 3;
	cmpxchg_loses = true;
	ck_assert_int_eq(STEP("\xf0\x48\x0f\xc1\x03"), EMUL_RETRY);
	ck_assert(cmpxchg_calls > 1 && cmpxchg_calls < 100);
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 3);
	ck_assert_uint_eq(e.rip, CODE);
}
END_TEST

START_TEST(division_errors)
{
	machine(EMUL_LONG);
	FAULTS("\xf7\xf1", EMUL_DE, -1);		/* div ecx = 0 */
	e.gpr[EMUL_RCX] = 1;
	e.gpr[EMUL_RDX] = 1;
	FAULTS("\xf7\xf1", EMUL_DE, -1);		/* quotient too large */
	e.gpr[EMUL_RAX] = 0x8000000000000000;
	e.gpr[EMUL_RDX] = ~0ULL;
	e.gpr[EMUL_RCX] = ~0ULL;
	FAULTS("\x48\xf7\xf9", EMUL_DE, -1);		/* idiv: INT64_MIN / -1 */
	e.gpr[EMUL_RCX] = 1;
	OK("\x48\xf7\xf9");
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0x8000000000000000);
}
END_TEST

/* ---- real-mode control flow -------------------------------------------------------------------------- */

START_TEST(real_mode_interrupt_and_return)
{
	machine(EMUL_REAL);
	put(0x10 * 4, 0x1234, 2);
	put(0x10 * 4 + 2, 0x0200, 2);
	e.rflags = 0x302 | 1;
	set_seg(EMUL_CS, 0x100, 0x1000, 0xffff, 0x93);
	OK("\xcd\x10");
	ck_assert_uint_eq(e.rip, 0x1234);
	ck_assert_uint_eq(segs[EMUL_CS].base, 0x2000);
	ck_assert_uint_eq(e.rflags, 2 | 1);
	ck_assert_uint_eq(e.gpr[EMUL_RSP], STACK - 6);
	ck_assert_uint_eq(get(STACK - 6, 2), CODE + 2);
	ck_assert_uint_eq(get(STACK - 4, 2), 0x100);
	ck_assert_uint_eq(get(STACK - 2, 2), 0x303);
	OK("\xcf");
	ck_assert_uint_eq(e.rip, CODE + 2);
	ck_assert_uint_eq(segs[EMUL_CS].selector, 0x100);
	ck_assert_uint_eq(e.rflags, 0x303);
	idt.limit = 0x10 * 4 + 2;
	FAULTS("\xcd\x10", EMUL_GP, -1);
}
END_TEST

START_TEST(real_mode_injection)
{
	machine(EMUL_REAL);
	put(8 * 4, 0xfea5, 2);
	put(8 * 4 + 2, 0xf000, 2);
	e.rflags = 0x202;
	emul_init(&e);
	ck_assert_int_eq(emul_inject_real(&e, 8), EMUL_OK);
	ck_assert_uint_eq(e.rip, 0xfea5);
	ck_assert_uint_eq(segs[EMUL_CS].base, 0xf0000);
	ck_assert_uint_eq(get(STACK - 6, 2), CODE);
	ck_assert_uint_eq(e.rflags, 2);
}
END_TEST

START_TEST(real_mode_far_transfers)
{
	machine(EMUL_REAL);
	OK("\xea\x00\x10\x00\x07");			/* jmp 0700:1000 */
	ck_assert_uint_eq(e.rip, 0x1000);
	ck_assert_uint_eq(segs[EMUL_CS].base, 0x7000);
	OK("\x9a\x00\x20\x00\x05");			/* call 0500:2000 */
	ck_assert_uint_eq(get(STACK - 4, 2), 0x1005);
	ck_assert_uint_eq(get(STACK - 2, 2), 0x700);
	OK("\xca\x02\x00");				/* retf 2 */
	ck_assert_uint_eq(e.rip, 0x1005);
	ck_assert_uint_eq(segs[EMUL_CS].selector, 0x700);
	ck_assert_uint_eq(e.gpr[EMUL_RSP], STACK + 2);
	put(0x300, 0x06001111, 4);
	e.gpr[EMUL_RBX] = 0x300;
	OK("\xc4\x07");					/* les ax, [bx] */
	ck_assert_uint_eq(segs[EMUL_ES].base, 0x6000);
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0x1111);
	segs[EMUL_CS].limit = 0x1fff;
	FAULTS("\xe9\x00\xd0", EMUL_GP, -1);	/* jump below 0 wraps above the limit */
}
END_TEST

START_TEST(interrupt_shadows)
{
	machine(EMUL_REAL);
	OK("\xfb");
	ck_assert_uint_eq(e.int_shadow, EMUL_SHADOW_STI);
	OK("\xfb");
	ck_assert_uint_eq(e.int_shadow, 0);		/* IF was set already */
	OK("\x8e\xd0");					/* mov ss, ax */
	ck_assert_uint_eq(e.int_shadow, EMUL_SHADOW_MOV_SS);
	OK("\x17");					/* pop ss */
	ck_assert_uint_eq(e.int_shadow, EMUL_SHADOW_MOV_SS);
	OK("\x1f");					/* pop ds */
	ck_assert_uint_eq(e.int_shadow, 0);
}
END_TEST

/* ---- descriptors --------------------------------------------------------------------------------------- */

START_TEST(data_segment_loads_are_checked)
{
	machine(EMUL_PROT32);
	e.gpr[EMUL_RAX] = 0x200;
	FAULTS("\x8e\xd8", EMUL_GP, 0x200);		/* beyond the table */
	e.gpr[EMUL_RAX] = 0x0f;
	FAULTS("\x8e\xd8", EMUL_GP, 0x0c);		/* no LDT */
	desc(0x38, 0x12345678, 0xabcde, DATA32 & ~EMUL_SEG_P);
	e.gpr[EMUL_RAX] = 0x38;
	FAULTS("\x8e\xd8", EMUL_NP, 0x38);
	FAULTS("\x8e\xd0", EMUL_SS_FAULT, 0x38);
	desc(0x38, 0x12345678, 0xabcde, (DATA32 & ~EMUL_SEG_ACCESSED));
	OK("\x8e\xd8");
	ck_assert_uint_eq(segs[EMUL_DS].base, 0x12345678);
	ck_assert_uint_eq(segs[EMUL_DS].limit, 0xabcdefff);
	ck_assert_uint_eq(segs[EMUL_DS].attr, DATA32);
	ck_assert_uint_eq(ram[GDT + 0x38 + 5], 0x93);	/* accessed */
	desc(0x38, 0, 0xfffff, XONLY);
	FAULTS("\x8e\xd8", EMUL_GP, 0x38);
	desc(0x38, 0, 0xfffff, RODATA);
	FAULTS("\x8e\xd0", EMUL_GP, 0x38);		/* SS must be writable */
	e.gpr[EMUL_RAX] = 0x13;
	FAULTS("\x8e\xd0", EMUL_GP, 0x10);		/* RPL != CPL */
	e.gpr[EMUL_RAX] = 0;
	OK("\x8e\xd8");
	ck_assert(segs[EMUL_DS].attr & EMUL_SEG_UNUSABLE);
	FAULTS("\x8e\xd0", EMUL_GP, 0);			/* null SS */
	e.cpl = 3;
	e.gpr[EMUL_RAX] = 0x10;
	FAULTS("\x8e\xd8", EMUL_GP, 0x10);		/* DPL 0 at CPL 3 */
	e.gpr[EMUL_RAX] = 0x23;
	OK("\x8e\xd8");
}
END_TEST

START_TEST(null_ss_is_allowed_in_64_bit_kernel_code)
{
	machine(EMUL_LONG);
	OK("\x8e\xd0");
	ck_assert(segs[EMUL_SS].attr & EMUL_SEG_UNUSABLE);
	machine(EMUL_LONG);
	e.cpl = 3;
	FAULTS("\x8e\xd0", EMUL_GP, 0);
}
END_TEST

START_TEST(system_segments)
{
	machine(EMUL_LONG);
	desc(0x40, 0x5000, 0x67, 0x89);
	put(GDT + 0x48, 0xffff8000, 8);
	e.gpr[EMUL_RAX] = 0x40;
	OK("\x0f\x00\xd8");				/* ltr ax */
	ck_assert_uint_eq(segs[EMUL_TR].base, 0xffff800000005000);
	ck_assert_uint_eq(segs[EMUL_TR].attr & 15, 11);
	ck_assert_uint_eq(ram[GDT + 0x40 + 5], 0x8b);	/* busy */
	FAULTS("\x0f\x00\xd8", EMUL_GP, 0x40);		/* busy already */
	e.gpr[EMUL_RAX] = 0;
	FAULTS("\x0f\x00\xd8", EMUL_GP, 0);
	OK("\x0f\x00\xd0");				/* lldt 0 */
	ck_assert(segs[EMUL_LDTR].attr & EMUL_SEG_UNUSABLE);
	e.cpl = 3;
	FAULTS("\x0f\x00\xd0", EMUL_GP, 0);
	OK("\x0f\x00\xc8");				/* str eax */
	cr[4] |= 1 << 11;
	FAULTS("\x0f\x00\xc8", EMUL_GP, 0);		/* UMIP */
	machine(EMUL_REAL);
	FAULTS("\x0f\x00\xd0", EMUL_UD, -1);
}
END_TEST

START_TEST(far_jump_changes_mode)
{
	machine(EMUL_PROT32);
	efer = 0x500;
	OK("\xea\x00\x70\x00\x00\x18\x00");		/* jmp 18:7000 */
	ck_assert_int_eq(e.mode, EMUL_LONG);
	ck_assert_uint_eq(segs[EMUL_CS].selector, 0x18);
	ck_assert_uint_eq(e.rip, 0x7000);
	put(0x500, 0x9000, 4);
	put(0x504, 0x08, 2);
	e.gpr[EMUL_RBX] = 0x500;
	OK("\xff\x2b");					/* jmp far [rbx] */
	ck_assert_int_eq(e.mode, EMUL_PROT32);
	FAULTS("\xea\x00\x70\x00\x00\x10\x00", EMUL_GP, 0x10);	/* a data segment */
	FAULTS("\xea\x00\x70\x00\x00\x28\x00", EMUL_GP, 0x28);	/* DPL 3 */
	FAULTS("\xea\x00\x70\x00\x00\x00\x00", EMUL_GP, 0);
	desc(0x38, 0, 0xfffff, CODE32 & ~EMUL_SEG_P);
	FAULTS("\xea\x00\x70\x00\x00\x38\x00", EMUL_NP, 0x38);
	desc(0x38, 0, 0xfff, 0x409b);
	FAULTS("\xea\x00\x70\x00\x00\x38\x00", EMUL_GP, 0);	/* beyond the new limit */
	desc(0x38, 0, 0, 0x8c);				/* a call gate */
	ck_assert_int_eq(STEP("\xea\x00\x70\x00\x00\x38\x00"), EMUL_UNHANDLEABLE);
	ck_assert_uint_eq(e.rip, 0x9000);
}
END_TEST

START_TEST(far_return_to_outer_privilege)
{
	machine(EMUL_PROT32);
	segs[EMUL_ES] = segs[EMUL_SS];
	put(STACK, 0x7000, 4);
	put(STACK + 4, 0x2b, 4);
	put(STACK + 8, 0xdeadbeef, 4);			/* a parameter */
	put(STACK + 12, 0x6000, 4);
	put(STACK + 16, 0x23, 4);
	OK("\xca\x04\x00");
	ck_assert_uint_eq(e.cpl, 3);
	ck_assert_uint_eq(e.rip, 0x7000);
	ck_assert_uint_eq(e.gpr[EMUL_RSP], 0x6004);
	ck_assert_uint_eq(segs[EMUL_SS].selector, 0x23);
	ck_assert(segs[EMUL_ES].attr & EMUL_SEG_UNUSABLE);	/* not for CPL 3 */

	machine(EMUL_PROT32);
	e.cpl = 3;
	put(STACK, 0x7000, 4);
	put(STACK + 4, 0x08, 4);
	FAULTS("\xcb", EMUL_GP, 0x08);			/* inwards */
}
END_TEST

START_TEST(iretq_always_pops_the_stack)
{
	machine(EMUL_LONG);
	put(STACK, 0x7000, 8);
	put(STACK + 8, 0x18, 8);
	put(STACK + 16, 0x10202, 8);
	put(STACK + 24, 0x6000, 8);
	put(STACK + 32, 0, 8);
	OK("\x48\xcf");
	ck_assert_uint_eq(e.rip, 0x7000);
	ck_assert_uint_eq(e.gpr[EMUL_RSP], 0x6000);
	ck_assert_uint_eq(e.rflags, 0x10202);		/* RF too */
	e.rflags |= 0x4000;
	FAULTS("\x48\xcf", EMUL_GP, 0);			/* NT */
}
END_TEST

START_TEST(software_interrupts_go_to_the_glue)
{
	machine(EMUL_LONG);
	is_fault(STEP("\xcd\x80"), 0x80, -1);
	ck_assert_int_eq(e.fault.kind, EMUL_EV_SOFT_INT);
	ck_assert_uint_eq(e.insn.len, 2);
	ck_assert_uint_eq(e.rip, CODE);
	is_fault(STEP("\xcc"), EMUL_BP, -1);
	ck_assert_int_eq(e.fault.kind, EMUL_EV_SOFT_EXC);
	is_fault(STEP("\xf1"), EMUL_DB, -1);
	ck_assert_int_eq(e.fault.kind, EMUL_EV_ICEBP);
	machine(EMUL_VM86);
	is_fault(STEP("\xcd\x21"), EMUL_GP, 0);		/* IOPL < 3 */
	e.rflags |= 0x3000;
	is_fault(STEP("\xcd\x21"), 0x21, -1);
}
END_TEST

START_TEST(lar_lsl_ver)
{
	machine(EMUL_PROT32);
	e.gpr[EMUL_RCX] = 0x10;
	OK("\x0f\x02\xc1");				/* lar eax, ecx */
	ck_assert(e.rflags & 0x40);
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0xc09300);
	OK("\x0f\x03\xc1");				/* lsl */
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0xffffffff);
	OK("\x0f\x00\xe9");				/* verw cx */
	ck_assert(e.rflags & 0x40);
	e.gpr[EMUL_RCX] = 8;
	OK("\x0f\x00\xe9");
	ck_assert(!(e.rflags & 0x40));			/* code is not writable */
	OK("\x0f\x00\xe1");				/* verr */
	ck_assert(e.rflags & 0x40);
	e.gpr[EMUL_RCX] = 0x1000;
	OK("\x0f\x02\xc1");
	ck_assert(!(e.rflags & 0x40));
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0xffffffff);	/* unchanged */
}
END_TEST

/* ---- privilege and system registers ------------------------------------------------------------------------ */

START_TEST(privileged_instructions_at_cpl_3)
{
	static const char *const priv[] = {
		"\xf4", "\x0f\x06", "\x0f\x08", "\x0f\x09", "\x0f\x20\xc0", "\x0f\x22\xc0",
		"\x0f\x21\xc0", "\x0f\x23\xc0", "\x0f\x30", "\x0f\x32", "\x0f\x01\x13",
		"\x0f\x01\x1b", "\x0f\x01\xf0", "\x0f\x01\x3b", "\x0f\x01\xf8", "\xfa", "\xfb",
		"\xec", "\xee", "\x6c", "\x6e",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(priv); i++) {
		machine(EMUL_LONG);
		segs[EMUL_TR].limit = 0x50;		/* no bitmap */
		e.cpl = 3;
		cr[4] |= 1 << 18;
		is_fault(step(priv[i], 4), EMUL_GP, 0);
	}
}
END_TEST

START_TEST(control_registers)
{
	machine(EMUL_LONG);
	cr[0] = 0x80050033;
	cr[3] = 0x123000;
	OK("\x0f\x20\xd8");				/* mov rax, cr3 */
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0x123000);
	e.gpr[EMUL_RAX] = 0x456000;
	OK("\x0f\x22\xd8");
	ck_assert_uint_eq(cr[3], 0x456000);
	gp_on_set = true;
	FAULTS("\x0f\x22\xd8", EMUL_GP, 0);
	gp_on_set = false;
	cr[0] |= 8;
	OK("\x0f\x06");					/* clts */
	ck_assert_uint_eq(cr[0], 0x80050033);
	e.gpr[EMUL_RAX] = 0xa;
	OK("\x0f\x01\xf0");				/* lmsw: PE stays */
	ck_assert_uint_eq(cr[0], 0x8005003b);
	OK("\x0f\x01\xe1");				/* smsw ecx */
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 0x8005003b);
	cr[4] |= 8;
	FAULTS("\x0f\x21\xe0", EMUL_UD, -1);		/* DR4 with CR4.DE */
	cr[4] &= ~8ULL;
	dr[6] = 0xffff0ff0;
	OK("\x0f\x21\xe0");
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0xffff0ff0);
	e.gpr[EMUL_RAX] = 1ULL << 32;
	FAULTS("\x0f\x23\xf8", EMUL_GP, 0);		/* DR7's upper half */
}
END_TEST

START_TEST(descriptor_tables)
{
	machine(EMUL_REAL);
	put(0x300, 0x27, 2);
	put(0x302, 0x12345678, 4);
	e.gpr[EMUL_RBX] = 0x300;
	OK("\x0f\x01\x17");				/* lgdt [bx]: 24 bits of base */
	ck_assert_uint_eq(gdt.base, 0x345678);
	OK("\x66\x0f\x01\x17");
	ck_assert_uint_eq(gdt.base, 0x12345678);
	ck_assert_uint_eq(gdt.limit, 0x27);
	machine(EMUL_LONG);
	e.gpr[EMUL_RBX] = 0x300;
	OK("\x0f\x01\x0b");				/* sidt */
	ck_assert_uint_eq(get(0x300, 2), 0x3ff);
	ck_assert_uint_eq(get(0x302, 8), IDT);
	put(0x302, 0x800000000000, 8);
	FAULTS("\x0f\x01\x1b", EMUL_GP, 0);		/* lidt, not canonical */
	put(0x302, 0xffff800000000000, 8);
	OK("\x0f\x01\x1b");
	ck_assert_uint_eq(idt.base, 0xffff800000000000);
}
END_TEST

START_TEST(msrs_cpuid_tsc)
{
	machine(EMUL_LONG);
	msr_index = 0x1b;
	msr_value = 0x1122334455667788;
	e.gpr[EMUL_RCX] = 0xffffffff0000001b;
	OK("\x0f\x32");
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0x55667788);
	ck_assert_uint_eq(e.gpr[EMUL_RDX], 0x11223344);
	e.gpr[EMUL_RAX] = 0xffffffff00000001;
	OK("\x0f\x30");
	ck_assert_uint_eq(msr_value, 0x1122334400000001);
	e.gpr[EMUL_RCX] = 0x1c;
	FAULTS("\x0f\x32", EMUL_GP, 0);
	FAULTS("\x0f\x30", EMUL_GP, 0);
	e.gpr[EMUL_RAX] = 0x10;
	e.gpr[EMUL_RCX] = 0x20;
	OK("\x0f\xa2");
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0x11);
	ck_assert_uint_eq(e.gpr[EMUL_RBX], 2);
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 0x23);
	OK("\x0f\x01\xf9");				/* rdtscp */
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0x55667788);
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 7);
	e.cpl = 3;
	cr[4] |= 4;
	FAULTS("\x0f\x31", EMUL_GP, 0);			/* CR4.TSD */
	OK("\x90");
	e.cpl = 0;
	OK("\xf4");
	ck_assert_uint_eq(halts, 1);
	segs[EMUL_GS].base = 0x10;
	e.gpr[EMUL_RBX] = 0x800000000000;
	OK("\x65\x0f\x01\x3b");				/* invlpg does not check */
	ck_assert_uint_eq(invlpg_la, 0x800000000010);
}
END_TEST

START_TEST(popf_respects_privilege)
{
	machine(EMUL_PROT32);
	put(STACK, 0x3247fd7 & ~0x20000u, 4);
	e.cpl = 3;
	OK("\x9d");
	ck_assert_uint_eq(e.rflags & 0x3200, 0);	/* neither IOPL nor IF */
	ck_assert_uint_eq(e.rflags & 0x244dd7, 0x244dd7 & 0x3247fd7);
	machine(EMUL_PROT32);
	put(STACK, 0x3202, 4);
	OK("\x9d");
	ck_assert_uint_eq(e.rflags, 0x3202);
	e.gpr[EMUL_RSP] = STACK;
	e.cpl = 3;
	put(STACK, 2, 4);
	OK("\x9d");
	ck_assert_uint_eq(e.rflags, 0x3002);		/* IOPL 3: IF yes, IOPL no */
	machine(EMUL_VM86);
	FAULTS("\x9d", EMUL_GP, 0);
	FAULTS("\x9c", EMUL_GP, 0);
	FAULTS("\xcf", EMUL_GP, 0);
}
END_TEST

START_TEST(vector_moves_respect_cr0_and_cr4)
{
	machine(EMUL_LONG);
	cr[0] |= 8;
	FAULTS("\x0f\x10\x03", EMUL_NM, -1);
	cr[0] ^= 8 | 4;
	FAULTS("\x0f\x10\x03", EMUL_UD, -1);
	cr[0] ^= 4;
	cr[4] &= ~0x200ULL;
	FAULTS("\x0f\x10\x03", EMUL_UD, -1);
	FAULTS("\xc5\xf8\x10\x03", EMUL_UD, -1);	/* no OSXSAVE */
	cr[4] |= 1 << 18;
	xcr0 = 3;
	FAULTS("\xc5\xf8\x10\x03", EMUL_UD, -1);
}
END_TEST

/* ---- strings and ports ----------------------------------------------------------------------------------------- */

START_TEST(port_permission_bitmap)
{
	machine(EMUL_PROT32);
	e.cpl = 3;
	put(TSS + 102, 0x68, 2);
	memset(ram + TSS + 0x68, 0xff, 0x2000);
	ram[TSS + 0x68 + 0x60 / 8] = 0xf0;		/* 60..63 allowed */
	e.gpr[EMUL_RDX] = 0x60;
	OK("\xec");
	OK("\xed");
	e.gpr[EMUL_RDX] = 0x61;
	FAULTS("\xed", EMUL_GP, 0);			/* reaches 64 */
	OK("\xec");
	segs[EMUL_TR].limit = 0x68 + 0x60 / 8;
	FAULTS("\xec", EMUL_GP, 0);			/* two bytes must be inside */
	e.rflags |= 0x3000;
	e.gpr[EMUL_RDX] = 0x80;
	OK("\xec");					/* IOPL 3 */
	ck_assert_uint_eq(io_port, 0x80);
}
END_TEST

START_TEST(string_input_comes_in_batches)
{
	unsigned int i;

	machine(EMUL_LONG);
	for (i = 0; i < sizeof(io_data); i++)
		io_data[i] = (u8)i;
	e.gpr[EMUL_RDX] = 0x1f0;
	e.gpr[EMUL_RCX] = 300;
	e.gpr[EMUL_RDI] = 0x10f80;			/* 128 bytes to the page's end */
	OK("\xf3\x66\x6d");				/* rep insw */
	ck_assert_uint_eq(io_size, 2);
	ck_assert(!e.rep_pending);
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 0);
	ck_assert_uint_eq(e.gpr[EMUL_RDI], 0x10f80 + 600);
	ck_assert_uint_eq(io_calls, 2);
	ck_assert_uint_eq(get(0x10f80, 4), 0x03020100);
	ck_assert_uint_eq(get(0x11000, 4), 0x03020100);

	/* downwards one by one */
	e.rflags |= 0x400;
	e.gpr[EMUL_RCX] = 3;
	io_calls = 0;
	OK("\xf3\x6c");
	ck_assert_uint_eq(io_calls, 3);

	/* a destination that faults: the device is not read */
	e.rflags = 2;
	io_calls = 0;
	e.gpr[EMUL_RDI] = BAD_PAGE;
	e.gpr[EMUL_RCX] = 3;
	FAULTS("\xf3\x6c", EMUL_PF, 2);
	ck_assert_uint_eq(io_calls, 0);
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 3);

	/* the data comes later */
	io_needed = true;
	e.gpr[EMUL_RDI] = 0x12000;
	ck_assert_int_eq(STEP("\xf3\x6c"), EMUL_IO_NEEDED);
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 3);
	io_needed = false;
	ck_assert_int_eq(emul_execute(&e), EMUL_OK);
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 0);
	ck_assert_uint_eq(get(0x12000, 3), 0x020100);
	OK("\xf3\x6c");					/* RCX = 0: nothing */
	ck_assert_uint_eq(e.rip, CODE + 3 + 2 + 2 + 2);
}
END_TEST

START_TEST(string_output)
{
	machine(EMUL_LONG);
	put(0x10000, 0x4433221188776655, 8);
	e.gpr[EMUL_RDX] = 0x3f8;
	e.gpr[EMUL_RCX] = 2;
	e.gpr[EMUL_RSI] = 0x10000;
	OK("\xf3\x6f");
	ck_assert_uint_eq(io_count, 2);
	ck_assert_uint_eq(io_size, 4);
	ck_assert_uint_eq(e.gpr[EMUL_RSI], 0x10008);
	ck_assert(!memcmp(io_data, ram + 0x10000, 8));
	OK("\x6e");					/* outsb */
	ck_assert_uint_eq(io_count, 1);
	e.gpr[EMUL_RCX] = 2;
	e.gpr[EMUL_RSI] = BAD_PAGE - 4;
	is_fault(STEP("\xf3\x6f"), EMUL_PF, 0);		/* after one item */
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 1);
	ck_assert_uint_eq(e.gpr[EMUL_RSI], BAD_PAGE);
}
END_TEST

START_TEST(rep_stops_at_a_fault_with_progress_kept)
{
	machine(EMUL_LONG);
	memset(ram + 0x10000, 0x5a, 64);
	e.gpr[EMUL_RSI] = 0x10000;
	e.gpr[EMUL_RDI] = BAD_PAGE - 16;
	e.gpr[EMUL_RCX] = 8;
	is_fault(STEP("\xf3\x48\xa5"), EMUL_PF, 2);
	ck_assert_uint_eq(e.fault.cr2, BAD_PAGE);
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 6);
	ck_assert_uint_eq(e.gpr[EMUL_RSI], 0x10010);
	ck_assert_uint_eq(e.gpr[EMUL_RDI], BAD_PAGE);
	ck_assert_uint_eq(e.rip, CODE);
}
END_TEST

START_TEST(rep_is_bounded_and_resumes)
{
	machine(EMUL_LONG);
	e.gpr[EMUL_RAX] = 0xabcd;
	e.gpr[EMUL_RDI] = 0x10000;
	e.gpr[EMUL_RCX] = 10000;
	OK("\xf3\xaa");
	ck_assert(e.rep_pending);
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 10000 - EMUL_REP_MAX);
	ck_assert_uint_eq(e.rip, CODE);
	while (e.rep_pending)
		OK("\xf3\xaa");
	ck_assert_uint_eq(e.gpr[EMUL_RDI], 0x10000 + 10000);
	ck_assert_uint_eq(e.rip, CODE + 2);
	ck_assert_uint_eq(ram[0x10000 + 9999], 0xcd);
	ck_assert_uint_eq(ram[0x10000 + 10000], 0);

	/* a device that must tell user space stops it after each item */
	e.gpr[EMUL_RDI] = DEV_PAGE;
	e.gpr[EMUL_RCX] = 3;
	OK("\xf3\xaa");
	ck_assert(e.rep_pending);
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 2);

	/* and a single-stepped one after each */
	e.gpr[EMUL_RDI] = 0x10000;
	e.rflags |= 0x100;
	OK("\xf3\xaa");
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 1);
}
END_TEST

START_TEST(rep_uses_the_address_size_for_its_counter)
{
	machine(EMUL_REAL);
	e.gpr[EMUL_RCX] = 0xffff0002;
	e.gpr[EMUL_RDI] = 0xabcdffff;
	e.gpr[EMUL_RAX] = 0x11;
	OK("\xf3\xaa");
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 0xffff0000);
	ck_assert_uint_eq(e.gpr[EMUL_RDI], 0xabcd0001);	/* DI wrapped */
	ck_assert_uint_eq(ram[0xffff], 0x11);
	ck_assert_uint_eq(ram[0], 0x11);
}
END_TEST

START_TEST(cmps_from_a_device_keeps_its_first_operand)
{
	machine(EMUL_LONG);
	e.gpr[EMUL_RSI] = 0x10000;
	e.gpr[EMUL_RDI] = DEV_PAGE;
	put(0x10000, 0x42, 1);
	ck_assert_int_eq(STEP("\xa6"), EMUL_IO_NEEDED);
	ck_assert_uint_eq(e.gpr[EMUL_RSI], 0x10000);
	dev_ready = true;
	dev_value = 0x42;
	ck_assert_int_eq(emul_execute(&e), EMUL_OK);
	ck_assert(e.rflags & 0x40);
	ck_assert_uint_eq(e.gpr[EMUL_RDI], DEV_PAGE + 1);
}
END_TEST

START_TEST(sixteen_bit_code)
{
	machine(EMUL_PROT16);
	e.gpr[EMUL_RSP] = 0x12340100;			/* SS.B = 0: only SP counts */
	e.gpr[EMUL_RAX] = 0x99887766;
	OK("\x50");
	ck_assert_uint_eq(e.gpr[EMUL_RSP], 0x123400fe);
	ck_assert_uint_eq(get(0xfe, 2), 0x7766);
	OK("\x66\x50");
	ck_assert_uint_eq(get(0xfa, 4), 0x99887766);
	OK("\xe8\xfd\xff");				/* call to itself */
	ck_assert_uint_eq(get(0xf8, 2), CODE + 6);
	ck_assert_uint_eq(e.rip, CODE + 3);
	e.rip = 0xfffe;
	OK("\xeb\x10");					/* IP wraps */
	ck_assert_uint_eq(e.rip, 0x10);
}
END_TEST

void emul_modes_cases(Suite *s)
{
	TCase *t = tcase_create("modes");

	tcase_add_test(t, real_mode_limit_is_checked_without_error_code);
	tcase_add_test(t, real_mode_addresses_wrap_at_16_bits);
	tcase_add_test(t, unreal_mode_uses_the_cached_limit);
	tcase_add_test(t, protected_mode_checks_type_and_limit);
	tcase_add_test(t, expand_down_segments_reach_from_limit_to_top);
	tcase_add_test(t, long_mode_ignores_limits_and_checks_canonical_form);
	tcase_add_test(t, lock_is_undefined_where_it_is_not_allowed);
	tcase_add_test(t, fifteen_bytes_are_the_limit);
	tcase_add_test(t, fetch_faults_at_limit_and_page);
	tcase_add_loop_test(t, length_is_known, 0, ARRAY_SIZE(lengths));
	tcase_add_test(t, operands_are_exposed);
	tcase_add_test(t, a_page_fault_leaves_nothing_behind);
	tcase_add_test(t, pusha_faults_as_a_whole);
	tcase_add_test(t, device_data_that_comes_later_changes_nothing_before);
	tcase_add_test(t, a_lost_race_is_retried_and_given_up);
	tcase_add_test(t, division_errors);
	tcase_add_test(t, real_mode_interrupt_and_return);
	tcase_add_test(t, real_mode_injection);
	tcase_add_test(t, real_mode_far_transfers);
	tcase_add_test(t, interrupt_shadows);
	tcase_add_test(t, data_segment_loads_are_checked);
	tcase_add_test(t, null_ss_is_allowed_in_64_bit_kernel_code);
	tcase_add_test(t, system_segments);
	tcase_add_test(t, far_jump_changes_mode);
	tcase_add_test(t, far_return_to_outer_privilege);
	tcase_add_test(t, iretq_always_pops_the_stack);
	tcase_add_test(t, software_interrupts_go_to_the_glue);
	tcase_add_test(t, lar_lsl_ver);
	tcase_add_test(t, privileged_instructions_at_cpl_3);
	tcase_add_test(t, control_registers);
	tcase_add_test(t, descriptor_tables);
	tcase_add_test(t, msrs_cpuid_tsc);
	tcase_add_test(t, popf_respects_privilege);
	tcase_add_test(t, vector_moves_respect_cr0_and_cr4);
	tcase_add_test(t, port_permission_bitmap);
	tcase_add_test(t, string_input_comes_in_batches);
	tcase_add_test(t, string_output);
	tcase_add_test(t, rep_stops_at_a_fault_with_progress_kept);
	tcase_add_test(t, rep_is_bounded_and_resumes);
	tcase_add_test(t, rep_uses_the_address_size_for_its_counter);
	tcase_add_test(t, cmps_from_a_device_keeps_its_first_operand);
	tcase_add_test(t, sixteen_bit_code);
	suite_add_tcase(s, t);
}
