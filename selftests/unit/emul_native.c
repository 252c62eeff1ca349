// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator against the CPU it runs on: each row of emul_forms[] is expanded into its encodings
 * (operand sizes, registers, addressing modes), each encoding is run natively and emulated on the
 * same random input, and registers, defined flags, memory and vector registers are compared.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include "../../kmod/emul/emul.h"
#include "emul_native.h"

/* ---- random numbers: repeatable ------------------------------------------------ */

static u64 seed;

void emul_seed(u64 s)
{
	seed = s;
	if (getenv("EMUL_SEED"))	/* other inputs than check's */
		seed += strtoull(getenv("EMUL_SEED"), NULL, 0) << 16;
}

u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

u64 interesting(void)
{
	static const u64 v[] = {
		0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff,
		0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, ~0ULL,
	};

	switch (rnd() & 3) {
	case 0:
		return v[rnd() % ARRAY_SIZE(v)];
	case 1:
		return rnd() & 63;
	default:
		return rnd();
	}
}

/* ---- the emulated side ------------------------------------------------------------------ */

static struct cpu_state emu;
static bool interrupt_reads;	/* answer EMUL_IO_NEEDED before every read succeeds */
static unsigned int reads_allowed, reads_done;
static u16 host_fs, host_ds;

static bool in_data(u64 la, unsigned int len)
{
	return la >= DATA && la + len <= DATA + DATA_SIZE;
}

static enum emul_status n_fetch(struct emul *e, u64 la, void *buf, unsigned int len)
{
	(void)e;
	memcpy(buf, (void *)la, len);
	return EMUL_OK;
}

static enum emul_status fault_gp(struct emul *e)
{
	e->fault = (struct emul_fault) { .vector = EMUL_GP, .has_error = true };
	return EMUL_FAULT;
}

static enum emul_status n_read(struct emul *e, u64 la, void *buf, unsigned int len,
			       unsigned int acc)
{
	(void)acc;
	if (!in_data(la, len))
		return fault_gp(e);
	if (interrupt_reads && reads_done++ == reads_allowed) {
		reads_allowed++;
		return EMUL_IO_NEEDED;
	}
	memcpy(buf, (void *)la, len);
	return EMUL_OK;
}

static enum emul_status n_write(struct emul *e, u64 la, const void *buf, unsigned int len,
				unsigned int acc)
{
	(void)acc;
	if (!in_data(la, len))
		return fault_gp(e);
	memcpy((void *)la, buf, len);
	return EMUL_OK;
}

static enum emul_status n_cmpxchg(struct emul *e, u64 la, void *old, const void *new,
				  unsigned int len, unsigned int acc)
{
	(void)acc;
	if (!in_data(la, len))
		return fault_gp(e);
	/* now and then another vCPU gets in between */
	if (memcmp((void *)la, old, len) || !(rnd() & 7)) {
		memcpy(old, (void *)la, len);
		return EMUL_RETRY;
	}
	memcpy((void *)la, new, len);
	return EMUL_OK;
}

static void n_get_seg(struct emul *e, unsigned int sreg, struct emul_seg *seg)
{
	(void)e;
	memset(seg, 0, sizeof(*seg));
	seg->selector = sreg == EMUL_FS ? host_fs : host_ds;
	seg->limit = ~0u;
	seg->attr = 0xc0f3;
}

static u64 n_get_cr(struct emul *e, unsigned int nr)
{
	(void)e;
	return nr == 0 ? 0x80050033 : nr == 4 ? 0x7406f0 : 0;
}

static enum emul_status n_get_xcr(struct emul *e, u32 nr, u64 *val)
{
	(void)e;
	(void)nr;
	*val = 7;
	return EMUL_OK;
}

static void n_get_xmm(struct emul *e, unsigned int reg, void *buf, unsigned int len)
{
	(void)e;
	memcpy(buf, emu.ymm[reg & 15], len);
}

static void n_set_xmm(struct emul *e, unsigned int reg, const void *buf, unsigned int len,
		      bool zero_upper)
{
	(void)e;
	if (zero_upper)
		memset(emu.ymm[reg & 15], 0, 32);
	memcpy(emu.ymm[reg & 15], buf, len);
}

static void n_get_mmx(struct emul *e, unsigned int reg, u64 *val)
{
	(void)e;
	*val = emu.mmx[reg & 7];
}

static void n_set_mmx(struct emul *e, unsigned int reg, u64 val)
{
	(void)e;
	emu.mmx[reg & 7] = val;
}

/* On this process's own FPU, which no native run changes */
static enum emul_status n_fpu(struct emul *e, enum emul_fpu_op op, void *buf)
{
	struct { u8 b[512]; } *area = buf;
	u16 *word = buf;
	unsigned int i;

	(void)e;
	switch (op) {
	case EMUL_FPU_STCW:
		asm volatile("fnstcw %0" : "=m" (*word));
		break;
	case EMUL_FPU_STSW:
		asm volatile("fnstsw %0" : "=m" (*word));
		break;
	case EMUL_FPU_SAVE:
		asm volatile("fxsave %0" : "+m" (*area));
		break;
	case EMUL_FPU_SAVE64:
		asm volatile("fxsave64 %0" : "+m" (*area));
		break;
	case EMUL_FPU_WAIT:
		break;
	default:
		ck_abort_msg("not compared here");
	}
	/* the vector registers are the run's */
	for (i = 0; (op == EMUL_FPU_SAVE || op == EMUL_FPU_SAVE64) && i < 16; i++)
		memcpy(area->b + 160 + 16 * i, emu.ymm[i], 16);
	return EMUL_OK;
}

static const struct emul_ops native_ops = {
	.fetch = n_fetch, .read = n_read, .write = n_write, .cmpxchg = n_cmpxchg,
	.get_seg = n_get_seg, .get_cr = n_get_cr, .get_xcr = n_get_xcr,
	.get_xmm = n_get_xmm, .set_xmm = n_set_xmm, .get_mmx = n_get_mmx, .set_mmx = n_set_mmx,
	.fpu = n_fpu,
};

int vector_signal(const struct emul *e)
{
	switch (e->fault.vector) {
	case EMUL_DE:
		return SIGFPE;
	case EMUL_UD:
		return SIGILL;
	case EMUL_SS_FAULT:
		return SIGBUS;
	default:
		return SIGSEGV;
	}
}

void emulate_from(struct emul *e, const struct emul_ops *ops, enum emul_mode mode, const u32 *gpr,
		  u64 rip, u64 rflags)
{
	unsigned int i;

	memset(e, 0, sizeof(*e));
	e->ops = ops;
	e->mode = mode;
	e->cpl = 3;
	for (i = 0; i < 8; i++)
		e->gpr[i] = gpr[i];
	e->rip = rip;
	e->rflags = rflags;
	emul_init(e);
}

/* ---- one comparison ------------------------------------------------------------------------- */

static unsigned long comparisons, forms;
static u64 flags_set, flags_clear;	/* outcomes seen, natively, of flags that are defined */

static void hex(char *out, const u8 *b, unsigned int n)
{
	while (n--)
		out += sprintf(out, "%02x ", *b++);
}

static u64 sign_extend(const struct form *f, const struct encoding *c)
{
	if (f->opts & O_IB)
		return (u64)(s64)(s8)c->imm;
	return c->size == 2 ? (u64)(s64)(s16)c->imm : (u64)(s64)(s32)c->imm;
}

static void random_input(const struct form *f, const struct encoding *c)
{
	unsigned int i;
	u64 off = 0;

	for (i = 0; i < 16; i++)
		cpu->gpr[i] = interesting();
	cpu->rflags = (rnd() & ARITH) | 0x202;
	cpu->marker = 0;
	for (i = 0; i < DATA_SIZE; i += 8)
		*(u64 *)(data + i) = interesting();
	for (i = 0; i < sizeof(cpu->ymm); i += 8)
		*(u64 *)((u8 *)cpu->ymm + i) = rnd();
	for (i = 0; i < 8; i++)
		cpu->mmx[i] = rnd();
	if (f->opts & O_BITS && c->mem) {
		cpu->gpr[c->greg] = (u64)((s64)(rnd() % 4000) - 2000);
	} else if (f->opts & O_DIV && (rnd() & 3)) {
		cpu->gpr[EMUL_RDX] = rnd() & 1 ? 0 : (u64)((s64)cpu->gpr[EMUL_RAX] >> 63);
		if (f->opts & O_BYTE)
			cpu->gpr[EMUL_RAX] &= 0x7ff;
	}
	if (f->opts & O_JCC)
		cpu->gpr[EMUL_RCX] = rnd() % 3;
	if (f->opts & (O_STACK | O_STRING)) {
		cpu->gpr[EMUL_RSP] = MIDDLE + rnd() % 64;
		cpu->gpr[EMUL_RBP] = MIDDLE + rnd() % 64;
	}
	if (f->opts & O_STRING) {
		cpu->gpr[EMUL_RSI] = MIDDLE + rnd() % 256;
		cpu->gpr[EMUL_RDI] = MIDDLE + rnd() % 256;
		cpu->gpr[EMUL_RBX] = MIDDLE;
		cpu->gpr[EMUL_RCX] = rnd() % 9;
		if (rnd() & 1)
			cpu->rflags |= 0x400;
		/* runs of equal bytes, for REPE */
		if (rnd() & 1)
			memset(data, (u8)rnd() & 1 ? 0 : (u8)cpu->gpr[EMUL_RAX], DATA_SIZE);
	}
	/* chance rarely makes things equal, or a sum zero */
	if (f->opts & O_CX8B && (rnd() & 1)) {
		memset(data, 0x5a, DATA_SIZE);
		memset(&cpu->gpr[EMUL_RAX], 0x5a, 8);
		memset(&cpu->gpr[EMUL_RDX], 0x5a, 8);
	}
	if (f->opts & O_NONE && f->opts & (O_IB | O_IZ) && (rnd() & 1))
		cpu->gpr[EMUL_RAX] = rnd() & 1 ? sign_extend(f, c) : -sign_extend(f, c);
	if (c->index >= 0)
		cpu->gpr[c->index] = align_of(f, c) * (rnd() % 4);
	if (c->base >= 0) {
		off = rnd() % 32;
		cpu->gpr[c->base] = MIDDLE + (off & ~(align_of(f, c) - 1));
		if (f->opts & O_STACK && c->base == EMUL_RSP)
			cpu->gpr[c->base] = MIDDLE;
	}
	if (c->a32)
		for (i = 0; i < 16; i++)
			if ((int)i == c->base || (int)i == c->index)
				cpu->gpr[i] |= rnd() << 32;
}

u32 undefined_flags(const struct form *f, const struct encoding *c, u8 cl, bool *skip)
{
	u32 undef = f->undef;
	unsigned int count, bits = c->size * 8;

	*skip = false;
	if (!(f->opts & O_SHIFT))
		return undef;
	count = f->opts & O_IB ? (u8)c->imm : cl;
	count &= c->size == 8 ? 63 : 31;
	if (!count)
		return 0;
	if (count != 1)
		undef |= OF;
	if (count >= bits)
		undef |= CF;
	if (f->opts & O_SHD) {
		if (count > bits)
			*skip = true;
	} else if (f->ext < 4) {
		/* rotates keep the other flags, CF is always defined */
		undef = count != 1 ? OF : 0;
	}
	return undef;
}

static void compare(const struct form *f, const struct encoding *c)
{
	static u8 before[DATA_SIZE], after[DATA_SIZE];
	struct cpu_state in, out;
	static struct emul e;
	enum emul_status st;
	char text[64];
	u32 undef;
	bool skip, same;
	u64 at, rip;
	int i;

	random_input(f, c);
	undef = undefined_flags(f, c, (u8)cpu->gpr[EMUL_RCX], &skip);
	if (skip)
		return;
	at = build(c->bytes, c->len, f->opts);
	in = *cpu;
	memcpy(before, data, DATA_SIZE);

	signal_seen = 0;
	((void (*)(void))CODE)();
	out = *cpu;
	memcpy(after, data, DATA_SIZE);

	memcpy(data, before, DATA_SIZE);
	emu = in;
	memset(&e, 0, sizeof(e));
	e.ops = &native_ops;
	e.mode = EMUL_LONG;
	e.cpl = 3;
	memcpy(e.gpr, in.gpr, sizeof(e.gpr));
	e.rip = at;
	e.rflags = in.rflags;
	emul_init(&e);
	hex(text, c->bytes, c->len);

	interrupt_reads = rnd() & 1;
	reads_allowed = 0;
	reads_done = 0;
	st = emul_decode(&e);
	ck_assert_msg(st == EMUL_OK, "%s [%s]: decode: %d", f->name, text, st);
	ck_assert_msg(e.insn.len == c->len, "%s [%s]: length %u", f->name, text, e.insn.len);
	do {
		u32 commits = e.commits;
		u64 gpr[16], rflags = e.rflags;

		memcpy(gpr, e.gpr, sizeof(gpr));
		reads_done = 0;
		st = emul_execute(&e);
		if (e.commits != commits)
			reads_allowed = 0;
		else if (st == EMUL_IO_NEEDED)
			ck_assert_msg(!memcmp(gpr, e.gpr, sizeof(gpr)) &&
				      !memcmp(data, before, f->opts & O_STRING ? 0 : DATA_SIZE) &&
				      e.rip == at && e.rflags == rflags,
				      "%s [%s]: changed by a read that did not succeed",
				      f->name, text);
	} while (st == EMUL_IO_NEEDED || st == EMUL_RETRY || (st == EMUL_OK && e.rep_pending));

	comparisons++;
	if (signal_seen) {
		ck_assert_msg(st == EMUL_FAULT && vector_signal(&e) == signal_seen,
			      "%s [%s]: native signal %d, emulated status %d vector %u",
			      f->name, text, signal_seen, st, e.fault.vector);
		ck_assert_msg(!memcmp(e.gpr, in.gpr, sizeof(in.gpr)) && e.rip == at,
			      "%s [%s]: registers changed by a fault", f->name, text);
		return;
	}
	ck_assert_msg(st == EMUL_OK, "%s [%s]: status %d vector %u", f->name, text, st,
		      e.fault.vector);
	rip = at + c->len + (out.marker == 2 ? 10 : 0);
	ck_assert_msg(e.rip == rip, "%s [%s]: rip %#lx, native %#lx", f->name, text,
		      (long)(e.rip - at), (long)(rip - at));
	/* vendors differ in whether a failed 32-bit CMPXCHG zero-extends a register destination */
	if (!strcmp(f->name, "cmpxchg") && c->size == 4 && c->rm >= 0 && !(out.rflags & ZF))
		e.gpr[c->rm] = (u32)e.gpr[c->rm] | (out.gpr[c->rm] >> 32 << 32);
	for (i = 0; i < 16; i++)
		ck_assert_msg(e.gpr[i] == out.gpr[i],
			      "%s [%s]: register %d: %#lx, native %#lx, was %#lx",
			      f->name, text, i, (long)e.gpr[i], (long)out.gpr[i], (long)in.gpr[i]);
	undef |= 0x10302;	/* TF, IF and fixed: the kernel's business */
	flags_set |= out.rflags & ~(u64)undef;
	flags_clear |= ~out.rflags & ~(u64)undef;
	ck_assert_msg(((e.rflags ^ out.rflags) & ~(u64)undef) == 0,
		      "%s [%s]: flags %#lx, native %#lx, was %#lx",
		      f->name, text, (long)e.rflags, (long)out.rflags, (long)in.rflags);
	same = !memcmp(data, after, DATA_SIZE);
	ck_assert_msg(same, "%s [%s]: memory differs", f->name, text);
	if (f->opts & O_VEC)
		ck_assert_msg(!memcmp(emu.ymm, out.ymm, sizeof(out.ymm)),
			      "%s [%s]: vector registers differ", f->name, text);
	if (f->opts & O_MMX)
		ck_assert_msg(!memcmp(emu.mmx, out.mmx, sizeof(out.mmx)),
			      "%s [%s]: MMX registers differ", f->name, text);
}

/* ---- all encodings of a form ---------------------------------------------------------------- */

static void name_form(const struct form *f, int v, enum ea ea, u8 rep, unsigned long n)
{
	static const char *const eas[EA_COUNT] = {
		[EA_REG] = "reg", [EA_BASE] = "base", [EA_DISP8] = "disp8", [EA_SIB] = "sib",
		[EA_DISP32] = "disp32", [EA_RIP] = "rip", [EA_ABS] = "abs",
	};

	printf("form %s %u:%02x%s%s%s%s%s%s %s: %lu\n", f->name, f->map, f->opcode,
	       v & 1 ? " o16" : "", v & 2 ? " w" : "", v & 4 ? " a32" : "", v & 8 ? " lock" : "",
	       v & 16 ? " L" : "", rep == 0xf3 ? " rep" : rep ? " repne" : "", eas[ea], n);
}

/* One form: other registers, immediates and inputs each time */
static void run_variant(const struct form *f, int v, enum ea ea, u8 rep)
{
	unsigned long before = comparisons;
	struct encoding c;
	int i;

	for (i = 0; i < EMUL_TEST_INPUTS; i++) {
		if (!encode(f, &c, v & 1, v & 2, v & 4, v & 8, v & 16, rep, ea))
			return;
		if (ea == EA_RIP)
			fix_rip(f, &c);
		compare(f, &c);
	}
	if (comparisons == before)
		return;
	forms++;
	if (getenv("EMUL_VERBOSE"))
		name_form(f, v, ea, rep, comparisons - before);
}

static void run_form(const struct form *f)
{
	static const u8 reps[] = { 0, 0xf3, 0xf2 };
	int v, ea, r;

	if (!cpu_has(f->cpu) || ((f->opts & O_VEC) && !have_avx))
		return;
	for (v = 0; v < 32; v++)
		for (ea = 0; ea < EA_COUNT; ea++)
			for (r = 0; r < 3; r++)
				run_variant(f, v, ea, reps[r]);
}

void emul_native_form(int i)
{
	const struct form *f = &emul_forms[i];
	u64 want;

	emul_seed(0x9e3779b97f4a7c15ULL + (u64)i);
	asm("mov %%fs, %0" : "=r" (host_fs));
	asm("mov %%ds, %0" : "=r" (host_ds));
	forms = comparisons = 0;
	flags_set = flags_clear = 0;
	run_form(f);
	emul_tally->forms += forms;
	emul_tally->comparisons += comparisons;
	if (!(flags_set | flags_clear))
		return;		/* not on this CPU, or it only faults */
	want = ARITH & ~(f->undef | f->fixed);
	ck_assert_msg((flags_set & want) == want && (flags_clear & want) == want,
		      "%s %02x: of flags %#lx, set were %#lx, clear %#lx", f->name, f->opcode,
		      (long)want, (long)(flags_set & want), (long)(flags_clear & want));
	ck_assert_msg(!f->fixed || (flags_set & flags_clear & f->fixed) == 0,
		      "%s %02x: flags %#lx are not fixed", f->name, f->opcode, (long)f->fixed);
}
