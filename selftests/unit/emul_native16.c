// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator against the CPU in 16-bit protected mode: the rows of emul_forms[] that exist there,
 * with each 16-bit addressing form, some 32-bit ones, and segments that end, so that limits count.
 *
 * The native run enters a 16-bit code segment of the process's own descriptor table (modify_ldt)
 * through the kernel's 32-bit one, and comes back the same way.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <unistd.h>
#include "emul_native.h"

#define CODE16		0x44000000UL
#define STATE16		0x45000000UL
#define DATA16		0x46000000UL
#define LIMIT16		0xfffu		/* of the data and stack segments */

#define USER32_CS	0x23
#define USER64_CS	0x33
#define USER_DS		0x2b
#define LDT_CS		0x07
#define LDT_DS		0x0f
#define LDT_SS		0x17

struct state16 {
	u32 gpr[8];
	u32 rflags, pad;
	u64 host_rsp;
	u32 in_off;
	u16 in_sel, pad2;
	u32 out_off;
	u16 out_sel, ds, ss, user_ds;
};

static struct state16 *const st16 = (struct state16 *)STATE16;
static u8 *const data16 = (u8 *)DATA16;
static u8 *const code16 = (u8 *)CODE16;
static bool have_ldt;
static u16 host_fs16;
static unsigned long forms, comparisons;

static void on_signal16(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;
	long long *sels = &uc->uc_mcontext.gregs[REG_CSGSFS];

	on_signal(sig, si, ctx);
	*sels = (*sels & ~0xffffll) | USER32_CS;
}

static bool set_ldt(unsigned int entry, unsigned int base, unsigned int limit, bool code)
{
	struct user_desc d = {
		.entry_number = entry, .base_addr = base, .limit = limit,
		.contents = code ? MODIFY_LDT_CONTENTS_CODE : MODIFY_LDT_CONTENTS_DATA,
		.useable = 1,
	};

	return !syscall(SYS_modify_ldt, 1, &d, sizeof(d));
}

void emul_native16_setup(void)
{
	static const unsigned long at[] = { CODE16, STATE16, DATA16 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(at); i++)
		map_at(at[i], 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
	/* a kernel may be built without it */
	have_ldt = set_ldt(0, CODE16, 0xffff, true) && set_ldt(1, DATA16, LIMIT16, false) &&
		   set_ldt(2, DATA16, LIMIT16, false);
	catch_signals(on_signal16);
	asm("mov %%fs, %0" : "=r" (host_fs16));
}

/* ---- the native side ---------------------------------------------------------------------- */

static u8 *out;

static void emit(const void *b, unsigned int n)
{
	memcpy(out, b, n);
	out += n;
}

static void emit_at(const void *b, unsigned int n, u64 addr)
{
	u32 a = (u32)addr;

	emit(b, n);
	emit(&a, 4);
}

static void emit_far(const void *b, unsigned int n, u64 off, u16 sel)
{
	emit_at(b, n, off);
	emit(&sel, 2);
}

#define AT16(field)	(STATE16 + offsetof(struct state16, field))

/* Answers IP of the instruction in the 16-bit segment */
static u64 build16(const struct encoding *c)
{
	unsigned int i;
	u8 b[2];
	u64 at;

	st16->in_sel = USER32_CS;
	st16->out_sel = USER64_CS;
	st16->ds = LDT_DS;
	st16->ss = LDT_SS;
	st16->user_ds = USER_DS;
	out = code16;
	emit("\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57\x9c", 11);	/* save */
	emit_at("\x48\x89\x24\x25", 4, AT16(host_rsp));
	emit_at("\x8e\x1c\x25", 3, AT16(user_ds));		/* mov ds, [user_ds]; ss is flat */
	emit_at("\xff\x2c\x25", 3, AT16(in_off));		/* jmp far [in_off] */
	st16->in_off = (u32)(u64)out;
	/* 32-bit code: mov esp, &rflags; popfd; the registers */
	emit_at("\xbc", 1, AT16(rflags));
	emit("\x9d", 1);
	for (i = 0; i < 8; i++) {
		b[0] = 0x8b;
		b[1] = 0x05 | i << 3;
		emit_at(b, 2, AT16(gpr) + i * 4);
	}
	emit_at("\x8e\x05", 2, AT16(ds));			/* mov es, [ds] */
	emit_at("\x8e\x15", 2, AT16(ss));
	emit_at("\x8e\x1d", 2, AT16(ds));
	at = (u64)out + 7 - CODE16;
	emit_far("\xea", 1, at, LDT_CS);
	emit(c->bytes, c->len);
	resume_at = (u64)out + 8;
	emit_far("\x66\xea", 2, resume_at, USER32_CS);
	/* 32-bit code again: mov ds, cs:[user_ds]; the registers; flags by way of a flat stack */
	emit_at("\x2e\x8e\x1d", 3, AT16(user_ds));
	for (i = 0; i < 8; i++) {
		b[0] = 0x89;
		b[1] = 0x05 | i << 3;
		emit_at(b, 2, AT16(gpr) + i * 4);
	}
	emit_at("\x8e\x15", 2, AT16(user_ds));			/* mov ss, [user_ds] */
	emit_at("\xbc", 1, AT16(rflags) + 4);
	emit("\x9c", 1);
	emit_at("\xff\x2d", 2, AT16(out_off));
	st16->out_off = (u32)(u64)out;
	emit("\x31\xc0\x8e\xd8\x8e\xc0", 6);
	emit_at("\x48\x8b\x24\x25", 4, AT16(host_rsp));
	emit("\x9d\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xfc\xc3", 13);
	return at;
}

/* ---- the emulated side -------------------------------------------------------------------- */

static enum emul_status h_fetch(struct emul *e, u64 la, void *buf, unsigned int len)
{
	(void)e;
	memcpy(buf, (void *)la, len);
	return EMUL_OK;
}

static void in_data16(u64 la, unsigned int len)
{
	ck_assert_msg(la >= DATA16 && la + len <= DATA16 + LIMIT16 + 1, "access to %#lx", (long)la);
}

static enum emul_status h_read(struct emul *e, u64 la, void *buf, unsigned int len,
			       unsigned int acc)
{
	(void)e;
	(void)acc;
	in_data16(la, len);
	memcpy(buf, (void *)la, len);
	return EMUL_OK;
}

static enum emul_status h_write(struct emul *e, u64 la, const void *buf, unsigned int len,
				unsigned int acc)
{
	(void)e;
	(void)acc;
	in_data16(la, len);
	memcpy((void *)la, buf, len);
	return EMUL_OK;
}

static enum emul_status h_cmpxchg(struct emul *e, u64 la, void *old, const void *new,
				  unsigned int len, unsigned int acc)
{
	(void)e;
	(void)acc;
	in_data16(la, len);
	ck_assert(!memcmp((void *)la, old, len));
	memcpy((void *)la, new, len);
	return EMUL_OK;
}

static void h_get_seg(struct emul *e, unsigned int sreg, struct emul_seg *seg)
{
	(void)e;
	*seg = (struct emul_seg) {
		.selector = sreg == EMUL_CS ? LDT_CS : sreg == EMUL_SS ? LDT_SS :
			    sreg == EMUL_FS || sreg == EMUL_GS ? host_fs16 : LDT_DS,
		.base = sreg == EMUL_CS ? CODE16 : DATA16,
		.limit = sreg == EMUL_CS ? 0xffff : LIMIT16,
		.attr = sreg == EMUL_CS ? 0x00fb : 0x00f3,
	};
}

static u64 h_get_cr(struct emul *e, unsigned int nr)
{
	(void)e;
	return nr == 0 ? 0x80050033 : nr == 4 ? 0x7406f0 : 0;
}

static enum emul_status h_fpu(struct emul *e, enum emul_fpu_op op, void *buf)
{
	u16 *word = buf;

	(void)e;
	if (op == EMUL_FPU_STCW)
		asm volatile("fnstcw %0" : "=m" (*word));
	else if (op == EMUL_FPU_STSW)
		asm volatile("fnstsw %0" : "=m" (*word));
	return EMUL_OK;
}

static const struct emul_ops ops16 = {
	.fetch = h_fetch, .read = h_read, .write = h_write, .cmpxchg = h_cmpxchg,
	.get_seg = h_get_seg, .get_cr = h_get_cr, .fpu = h_fpu,
};

/* ---- forms ---------------------------------------------------------------------------------- */

/* What 16-bit mode does not have, or what takes more than this file's frame */
static bool absent(const struct form *f)
{
	return (f->opts & (O_VEC | O_MMX | O_VEX | O_JCC | O_ONLYW)) ||
	       (f->opcode == 0xc7 && f->opts & O_ALIGN) ||		/* CMPXCHG16B */
	       (!f->map && f->opcode == 0x63);				/* ARPL here */
}

static bool encode16(const struct form *f, struct encoding *c, bool p66, bool p67, bool lock, u8 rep,
		     unsigned int mod, unsigned int rm)
{
	bool modrm = !(f->opts & (O_NONE | O_PLUS)), mem = modrm && mod != 3;
	unsigned int reg = f->ext >= 0 ? (unsigned int)f->ext : (unsigned int)(rnd() & 7), n = 0;
	u64 imm = interesting();

	if (p66 && f->opts & (O_BYTE | O_F64))
		return false;
	if (!p66 && f->opts & O_NO66)
		return false;
	if (!modrm && (mod || rm))
		return false;
	if (p67 && !(mem ? mod == 1 && (rm == 3 || rm > 5) : f->opts & O_STRING))
		return false;
	if (modrm && (mem ? f->opts & O_REG : f->opts & O_MEM))
		return false;
	if (mod == 3 && modrm && rm)
		return false;			/* registers are chosen at random */
	if (lock && (!(f->opts & O_LOCK) || !mem ||
		     (!f->map && ((f->opcode & 0xf8) == 0x38 || f->ext == 7))))
		return false;
	if (rep && !(f->opts & O_REP))
		return false;
	/* a bit offset is a register that takes no part in addresses; so is a count */
	if (mem && (f->opts & O_BITS) && f->ext < 0)
		reg = rnd() % 3;

	memset(c, 0, sizeof(*c));
	c->base = c->index = c->rm = -1;
	c->mem = mem;
	c->a32 = p67;
	c->lock = lock;
	c->size = f->opts & O_BYTE ? 1 : p66 ? 4 : 2;
	c->greg = (int)reg;
	if (modrm && !mem) {
		rm = rnd() & 7;
		c->rm = (int)rm;
	}
	put_prefixes(c, p67, p66, lock, rep);
	if (f->prefix)
		c->bytes[c->len++] = f->prefix;
	if (f->map)
		c->bytes[c->len++] = 0x0f;
	if (f->map > 1)
		c->bytes[c->len++] = f->map == 2 ? 0x38 : 0x3a;
	c->bytes[c->len++] = f->opcode | (f->opts & O_PLUS ? rnd() & 7 : 0);
	if (modrm) {
		u16 disp = mod == 1 ? (u8)rnd() : rnd() & 0x3ff;

		c->bytes[c->len++] = mod << 6 | reg << 3 | rm;
		n = mod == 1 ? 1 : mod == 2 || (mod == 0 && rm == 6) ? 2 : 0;
		memcpy(c->bytes + c->len, &disp, n);
		c->len += n;
	}
	n = f->opts & O_IB ? 1 : f->opts & O_IZ ? (c->size == 2 ? 2 : 4) : f->opts & O_IV ? c->size : 0;
	c->imm = n < 8 ? imm & ((1ULL << 8 * n) - 1) : imm;
	memcpy(c->bytes + c->len, &imm, n);
	c->len += n;
	return true;
}

static void random_input16(const struct form *f, const struct encoding *c)
{
	static const u8 address[] = { EMUL_RBX, EMUL_RBP, EMUL_RSI, EMUL_RDI };
	u32 upper = c->a32 ? 0 : 0xffff0000;
	unsigned int i;

	for (i = 0; i < 8; i++)
		st16->gpr[i] = (u32)interesting();
	for (i = 0; i < 4 && c->mem; i++)
		st16->gpr[address[i]] = ((u32)rnd() & upper) | (rnd() & 7 ? rnd() % 0x400 :
							       rnd() & 0xfff);
	st16->rflags = (rnd() & ARITH) | 0x202;
	for (i = 0; i < 4096; i += 8)
		*(u64 *)(data16 + i) = interesting();
	if (f->opts & O_BITS && c->mem && f->ext < 0)
		st16->gpr[c->greg] = (u32)(rnd() % 4000) - 2000;
	if (f->opts & O_DIV && (rnd() & 3)) {
		st16->gpr[EMUL_RDX] = rnd() & 1 ? 0 : (u32)((s32)st16->gpr[EMUL_RAX] >> 31);
		if (f->opts & O_BYTE)
			st16->gpr[EMUL_RAX] &= 0x7ff;
	}
	if (f->opts & (O_STACK | O_STRING)) {
		st16->gpr[EMUL_RSP] = ((u32)rnd() << 16) | (0x800 + rnd() % 64);
		if (!c->mem)
			st16->gpr[EMUL_RBP] = ((u32)rnd() << 16) | (0x800 + rnd() % 64);
	}
	if (f->opts & O_STRING) {
		st16->gpr[EMUL_RSI] = ((u32)rnd() & upper) | (0x800 + rnd() % 256);
		st16->gpr[EMUL_RDI] = ((u32)rnd() & upper) | (0x800 + rnd() % 256);
		st16->gpr[EMUL_RBX] = ((u32)rnd() & upper) | 0x800;
		st16->gpr[EMUL_RCX] = ((u32)rnd() & upper) | rnd() % 9;
		st16->rflags |= rnd() & 0x400;
		if (rnd() & 1)
			memset(data16, (u8)st16->gpr[EMUL_RAX], 4096);
	}
	if (f->opts & O_CX8B && rnd() & 1) {
		memset(data16, 0x5a, 4096);
		st16->gpr[EMUL_RAX] = st16->gpr[EMUL_RDX] = 0x5a5a5a5a;
	}
}

static void compare16(const struct form *f, const struct encoding *c)
{
	static u8 before[4096], after[4096];
	static struct emul e;
	struct state16 in, res;
	enum emul_status st;
	char text[64], *p = text;
	bool skip;
	u32 undef;
	unsigned int i;
	u64 at;

	random_input16(f, c);
	undef = undefined_flags(f, c, (u8)st16->gpr[EMUL_RCX], &skip);
	if (skip)
		return;
	for (i = 0; i < c->len; i++)
		p += sprintf(p, "%02x ", c->bytes[i]);
	at = build16(c);
	in = *st16;
	memcpy(before, data16, sizeof(before));
	signal_seen = 0;
	((void (*)(void))CODE16)();
	res = *st16;
	memcpy(after, data16, sizeof(after));
	memcpy(data16, before, sizeof(before));

	emulate_from(&e, &ops16, EMUL_PROT16, in.gpr, at, in.rflags);
	st = emul_decode(&e);
	ck_assert_msg(st == EMUL_OK && e.insn.len == c->len, "%s [%s]: decode: %d", f->name, text, st);
	do
		st = emul_execute(&e);
	while (st == EMUL_OK && e.rep_pending);
	comparisons++;
	if (signal_seen) {
		ck_assert_msg(st == EMUL_FAULT && vector_signal(&e) == signal_seen,
			      "%s [%s]: native signal %d, emulated status %d vector %u", f->name,
			      text, signal_seen, st, e.fault.vector);
		ck_assert_msg(e.rip == at, "%s [%s]: IP changed by a fault", f->name, text);
	} else {
		ck_assert_msg(st == EMUL_OK, "%s [%s]: status %d vector %u", f->name, text, st,
			      e.fault.vector);
		ck_assert_msg(e.rip == at + c->len, "%s [%s]: IP", f->name, text);
		ck_assert_msg(!((e.rflags ^ res.rflags) & ~(u64)(undef | 0x10302)),
			      "%s [%s]: flags %#lx, native %#x, was %#x", f->name, text,
			      (long)e.rflags, res.rflags, in.rflags);
	}
	if (!strcmp(f->name, "cmpxchg") && c->rm >= 0 && !(res.rflags & ZF))
		e.gpr[c->rm] = res.gpr[c->rm];
	for (i = 0; i < 8; i++)
		ck_assert_msg(e.gpr[i] == res.gpr[i],
			      "%s [%s]: register %u: %#lx, native %#x, was %#x", f->name, text, i,
			      (long)e.gpr[i], res.gpr[i], in.gpr[i]);
	ck_assert_msg(!memcmp(data16, after, sizeof(after)), "%s [%s]: memory differs", f->name, text);
}

static void run_variant16(const struct form *f, int v, u8 rep, unsigned int mod, unsigned int rm)
{
	unsigned long before = comparisons;
	struct encoding c;
	int i;

	for (i = 0; i < EMUL_TEST_INPUTS; i++) {
		if (!encode16(f, &c, v & 1, v & 2, v & 4, rep, mod, rm))
			return;
		compare16(f, &c);
	}
	if (comparisons == before)
		return;
	forms++;
	if (getenv("EMUL_VERBOSE"))
		printf("form16 %s %u:%02x%s%s%s%s mod %u rm %u: %lu\n", f->name, f->map, f->opcode,
		       v & 1 ? " o32" : "", v & 2 ? " a32" : "", v & 4 ? " lock" : "",
		       rep == 0xf3 ? " rep" : rep ? " repne" : "", mod, rm, comparisons - before);
}

void emul_native16_form(int i)
{
	static const u8 reps[] = { 0, 0xf3, 0xf2 };
	const struct form *f = &emul_forms[i];
	unsigned int mod, rm, r;
	int v;

	if (!have_ldt || absent(f) || !cpu_has(f->cpu))
		return;
	emul_seed(0x2545f4914f6cdd1dULL + (u64)i);
	for (v = 0; v < 8; v++)
		for (mod = 0; mod < 4; mod++)
			for (rm = 0; rm < 8; rm++)
				for (r = 0; r < 3; r++)
					run_variant16(f, v, reps[r], mod, rm);
	emul_tally->forms += forms;
	emul_tally->comparisons += comparisons;
}
