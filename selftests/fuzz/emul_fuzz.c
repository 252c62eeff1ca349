// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer harness of the decoder and emulator: random bytes as instruction, registers, segments,
 * memory and as the answers of the callbacks, in every mode.
 *
 * Beside what the sanitizers find, it holds: an instruction has 1 to 15 bytes; what did not
 * complete changed no register; no callback is asked for a length it does not promise.
 */
#include <stdio.h>
#include <stdlib.h>
#include "../../kmod/emul/emul.h"

static const u8 *input;
static size_t left;
static struct emul e;
static unsigned int calls;
static bool in_new_task;		/* TR was loaded: what fails now is the new task's */

#define CHECK(cond) do {						\
		if (!(cond)) {						\
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);	\
			abort();					\
		}							\
	} while (0)

static void take(void *buf, size_t n)
{
	size_t k = n < left ? n : left;

	memset(buf, 0, n);
	memcpy(buf, input, k);
	input += k;
	left -= k;
}

static u8 take_u8(void)
{
	u8 v;

	take(&v, 1);
	return v;
}

static u64 take_u64(void)
{
	u64 v;

	/* small and special values are more telling than random ones */
	switch (take_u8() & 7) {
	case 0:
		return take_u8();
	case 1:
		return (u64)-(s64)take_u8();
	case 2:
		return 1ULL << (take_u8() & 63);
	default:
		take(&v, 8);
		return v;
	}
}

/* Mostly success, else what the input says */
static enum emul_status answer(void)
{
	u8 v = take_u8();

	if (++calls > 100000)
		return EMUL_UNHANDLEABLE;
	if (v < 0xf0)
		return EMUL_OK;
	if (v < 0xf8) {
		e.fault = (struct emul_fault) { .vector = EMUL_PF, .has_error = true };
		return EMUL_FAULT;
	}
	if (v < 0xfc)
		return EMUL_IO_NEEDED;
	return v & 1 ? EMUL_RETRY : EMUL_UNHANDLEABLE;
}

static enum emul_status f_fetch(struct emul *em, u64 la, void *buf, unsigned int len)
{
	(void)em;
	CHECK(len >= 1 && len <= EMUL_MAX_INSN && (la & 4095) + len <= 4096);
	take(buf, len);
	return answer();
}

static enum emul_status f_read(struct emul *em, u64 la, void *buf, unsigned int len,
			       unsigned int acc)
{
	enum emul_status st = answer();

	(void)em;
	(void)la;
	(void)acc;
	CHECK(len >= 1 && len <= EMUL_PIO_MAX);
	if (st == EMUL_OK)
		take(buf, len);
	return st;
}

static enum emul_status f_write(struct emul *em, u64 la, const void *buf, unsigned int len,
				unsigned int acc)
{
	static u8 copy[EMUL_PIO_MAX];

	(void)la;
	CHECK(len >= 1 && len <= EMUL_PIO_MAX && (acc & EMUL_ACC_WRITE));
	memcpy(copy, buf, len);
	em->stop = take_u8() > 0xf0;
	return answer();
}

static enum emul_status f_cmpxchg(struct emul *em, u64 la, void *old, const void *new,
				  unsigned int len, unsigned int acc)
{
	(void)em;
	(void)la;
	(void)new;
	CHECK((acc & EMUL_ACC_WRITE) &&
	      (len == 1 || len == 2 || len == 4 || len == 8 || len == 16));
	take(old, len);
	return answer();
}

static enum emul_status f_probe(struct emul *em, u64 la, unsigned int len, unsigned int acc)
{
	(void)em;
	(void)la;
	(void)acc;
	CHECK(len >= 1 && len <= EMUL_PIO_MAX);
	return answer();
}

static void f_get_seg(struct emul *em, unsigned int sreg, struct emul_seg *seg)
{
	(void)em;
	CHECK(sreg < EMUL_NR_SREG);
	seg->selector = take_u8() | take_u8() << 8;
	seg->base = take_u64();
	seg->limit = (u32)take_u64();
	seg->attr = (u32)take_u64() & 0x1f0ff;
}

static void f_set_seg(struct emul *em, unsigned int sreg, const struct emul_seg *seg)
{
	(void)em;
	(void)seg;
	CHECK(sreg < EMUL_NR_SREG);
	in_new_task |= sreg == EMUL_TR;
}

static void f_get_dt(struct emul *em, struct emul_dtable *dt)
{
	(void)em;
	dt->base = take_u64();
	dt->limit = (u16)take_u64();
}

static void f_set_dt(struct emul *em, const struct emul_dtable *dt)
{
	(void)em;
	(void)dt;
}

static u64 f_get_cr(struct emul *em, unsigned int nr)
{
	(void)em;
	CHECK(nr == 0 || (nr >= 2 && nr <= 4) || nr == 8);
	return take_u64();
}

static enum emul_status f_set_cr(struct emul *em, unsigned int nr, u64 val)
{
	(void)em;
	(void)val;
	CHECK(nr == 0 || (nr >= 2 && nr <= 4) || nr == 8);
	return answer();
}

static enum emul_status f_get_dr(struct emul *em, unsigned int nr, u64 *val)
{
	(void)em;
	CHECK(nr < 8 && nr != 4 && nr != 5);
	*val = take_u64();
	return answer();
}

static enum emul_status f_set_dr(struct emul *em, unsigned int nr, u64 val)
{
	(void)em;
	(void)val;
	CHECK(nr < 8 && nr != 4 && nr != 5);
	return answer();
}

static enum emul_status f_get_wide(struct emul *em, u32 nr, u64 *val)
{
	(void)em;
	(void)nr;
	*val = take_u64();
	return answer();
}

static enum emul_status f_set_wide(struct emul *em, u32 nr, u64 val)
{
	(void)em;
	(void)nr;
	(void)val;
	return answer();
}

static enum emul_status f_pio_in(struct emul *em, u16 port, unsigned int size, unsigned int count,
				 void *buf)
{
	(void)em;
	(void)port;
	CHECK((size == 1 || size == 2 || size == 4) && count && size * count <= EMUL_PIO_MAX);
	take(buf, size * count);
	return answer();
}

static enum emul_status f_pio_out(struct emul *em, u16 port, unsigned int size, unsigned int count,
				  const void *buf)
{
	(void)em;
	(void)port;
	(void)buf;
	CHECK((size == 1 || size == 2 || size == 4) && count && size * count <= EMUL_PIO_MAX);
	return answer();
}

static void f_cpuid(struct emul *em, u32 r[4])
{
	(void)em;
	take(r, 16);
}

static u64 f_rdtsc(struct emul *em, u32 *aux)
{
	(void)em;
	*aux = take_u8();
	return take_u64();
}

static enum emul_status f_plain(struct emul *em)
{
	(void)em;
	return answer();
}

static enum emul_status f_invlpg(struct emul *em, u64 la)
{
	(void)em;
	(void)la;
	return answer();
}

static void f_get_xmm(struct emul *em, unsigned int reg, void *buf, unsigned int len)
{
	(void)em;
	CHECK(reg < 16 && (len == 16 || len == 32));
	take(buf, len);
}

static void f_set_xmm(struct emul *em, unsigned int reg, const void *buf, unsigned int len,
		      bool zero_upper)
{
	u8 copy[32];

	(void)em;
	(void)zero_upper;
	CHECK(reg < 16 && (len == 16 || len == 32));
	memcpy(copy, buf, len);
}

static void f_get_mmx(struct emul *em, unsigned int reg, u64 *val)
{
	(void)em;
	CHECK(reg < 8);
	*val = take_u64();
}

static void f_set_mmx(struct emul *em, unsigned int reg, u64 val)
{
	(void)em;
	(void)val;
	CHECK(reg < 8);
}

static bool f_has(struct emul *em, enum emul_feature feature)
{
	(void)em;
	CHECK(feature > EMUL_FEAT_NONE && feature < EMUL_NR_FEATURES);
	return take_u8() < 0xf0;
}

static enum emul_status f_fpu(struct emul *em, enum emul_fpu_op op, void *buf)
{
	(void)em;
	switch (op) {
	case EMUL_FPU_STCW:
	case EMUL_FPU_STSW:
		take(buf, 2);
		break;
	case EMUL_FPU_SAVE:
	case EMUL_FPU_SAVE64:
		CHECK(!((uintptr_t)buf & 15));
		take(buf, 512);
		break;
	case EMUL_FPU_RESTORE:
	case EMUL_FPU_RESTORE64:
		CHECK(!((uintptr_t)buf & 15));
		break;
	default:
		CHECK(!buf);
	}
	return answer();
}

static const struct emul_ops ops = {
	.fetch = f_fetch, .read = f_read, .write = f_write, .cmpxchg = f_cmpxchg,
	.probe = f_probe, .get_seg = f_get_seg, .set_seg = f_set_seg, .get_gdt = f_get_dt,
	.set_gdt = f_set_dt, .get_idt = f_get_dt, .set_idt = f_set_dt, .get_cr = f_get_cr,
	.set_cr = f_set_cr, .get_dr = f_get_dr, .set_dr = f_set_dr, .get_msr = f_get_wide,
	.set_msr = f_set_wide, .get_xcr = f_get_wide, .set_xcr = f_set_wide, .pio_in = f_pio_in,
	.pio_out = f_pio_out, .cpuid = f_cpuid, .rdtsc = f_rdtsc, .hlt = f_plain,
	.wbinvd = f_plain, .invlpg = f_invlpg, .get_xmm = f_get_xmm, .set_xmm = f_set_xmm,
	.get_mmx = f_get_mmx, .set_mmx = f_set_mmx,
	.has = f_has, .fpu = f_fpu,
};

/* Nothing but the callbacks: all optional ones absent */
static const struct emul_ops bare = { .fetch = f_fetch, .read = f_read, .get_seg = f_get_seg };

static void check_bytes(enum emul_mode mode)
{
	struct emul_insn a, b;
	u8 bytes[EMUL_MAX_INSN];
	unsigned int n;

	memcpy(bytes, input, left < sizeof(bytes) ? left : sizeof(bytes));
	n = left < sizeof(bytes) ? (unsigned int)left : sizeof(bytes);
	if (emul_decode_bytes(&a, mode, bytes, n) != EMUL_OK)
		return;
	CHECK(a.len >= 1 && a.len <= n);
	/* the bytes beyond do not matter */
	CHECK(emul_decode_bytes(&b, mode, bytes, a.len) == EMUL_OK && b.len == a.len);
	CHECK(emul_decode_bytes(&b, mode, bytes, a.len - 1u) == EMUL_RETRY);
}

static void check_task_switch(void)
{
	u64 gpr[EMUL_NR_GPR], rip = e.rip, rflags = e.rflags;
	struct emul_task t = {
		.reason = take_u8() & 3, .selector = (u16)take_u64(),
		.vector = take_u8() & 1 ? take_u8() : -1, .ext = take_u8() & 1,
		.has_error = take_u8() & 1, .error = (u32)take_u64(),
	};
	enum emul_status st;

	emul_init(&e);
	memcpy(gpr, e.gpr, sizeof(gpr));
	st = emul_task_switch(&e, &t);
	if (st != EMUL_OK && !e.branched)
		CHECK(!memcmp(gpr, e.gpr, sizeof(gpr)) && rip == e.rip && rflags == e.rflags);
	CHECK(st != EMUL_OK || e.branched);
}

int LLVMFuzzerTestOneInput(const u8 *bytes, size_t size);

int LLVMFuzzerTestOneInput(const u8 *bytes, size_t size)
{
	enum emul_status st;
	u64 gpr[EMUL_NR_GPR], rip, rflags;
	unsigned int i, again;
	u32 commits;
	u8 v;

	input = bytes;
	left = size;
	calls = 0;
	v = take_u8();
	check_bytes(v % 5);
	memset(&e, 0, sizeof(e));
	e.ops = v & 0x80 && !(v & 0x60) ? &bare : &ops;
	e.mode = v % 5;
	e.cpl = e.mode == EMUL_REAL ? 0 : e.mode == EMUL_VM86 ? 3 : (v >> 3) & 3;
	/* first the instruction's own bytes, then the rest in the order it is asked for */
	emul_init(&e);
	e.rip = (v & 0x40) ? 0x1000 : 0xffe;
	e.rflags = 2 | take_u8() << 8 | take_u8();
	if (e.mode != EMUL_LONG) {
		e.seg[EMUL_CS] = (struct emul_seg) { .limit = 0xffffffff, .attr = 0xc09b };
		e.seg_valid = 1 << EMUL_CS;
	}
	st = emul_decode(&e);
	if (st != EMUL_OK)
		return 0;
	CHECK(e.insn.len >= 1 && e.insn.len <= EMUL_MAX_INSN && e.insn.row);
	for (i = 0; i < EMUL_NR_GPR; i++)
		e.gpr[i] = take_u64();
	for (again = 0; again < 8; again++) {
		memcpy(gpr, e.gpr, sizeof(gpr));
		rip = e.rip;
		rflags = e.rflags;
		commits = e.commits;
		in_new_task = false;
		st = emul_execute(&e);
		if (st != EMUL_OK && e.commits == commits && !in_new_task)
			CHECK(!memcmp(gpr, e.gpr, sizeof(gpr)) && rip == e.rip &&
			      rflags == e.rflags);
		if (st == EMUL_OK && e.rep_pending)
			CHECK(e.rip == rip && e.commits != commits);
		if (st != EMUL_IO_NEEDED)
			break;
	}
	if (e.mode == EMUL_REAL) {
		emul_init(&e);
		emul_inject_real(&e, take_u8());
	}
	emul_load_seg(&e, take_u8() & 7, (u16)take_u64());
	check_task_switch();
	return 0;
}
