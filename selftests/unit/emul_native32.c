// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator against the CPU in compatibility mode: what 64-bit mode does not have, and 16-bit
 * addressing. Like emul_native.c, but the instructions are given as bytes.
 *
 * The native run enters the kernel's 32-bit user code segment by a far jump, and comes back by one.
 */
#define _GNU_SOURCE
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ucontext.h>
#include "emul_native.h"

#define USER32_CS	0x23
#define USER64_CS	0x33
#define USER_DS		0x2b

struct state32 {
	u32 gpr[8];
	u32 rflags;
	u32 pad;
	u64 host_rsp;
	u32 in_off;
	u16 in_sel, pad2;
	u32 out_off;
	u16 out_sel, pad3;
};

struct row {
	const char *name;
	u8 len;
	u8 bytes[8];
	u32 undef;
	char how;	/* 'a': AL digits, 's': stack, 'b': BOUND at EBX, 'm': EBX points to data */
};

static const struct row rows[] = {
	{ "daa", 1, { 0x27 }, OF, 'a' },
	{ "das", 1, { 0x2f }, OF, 'a' },
	{ "aaa", 1, { 0x37 }, OF | SF | ZF | PF, 'a' },
	{ "aas", 1, { 0x3f }, OF | SF | ZF | PF, 'a' },
	{ "aam", 2, { 0xd4, 10 }, OF | AF | CF, 'a' },
	{ "aam 16", 2, { 0xd4, 16 }, OF | AF | CF, 'a' },
	{ "aam 0", 2, { 0xd4, 0 }, 0, 'a' },
	{ "aad", 2, { 0xd5, 10 }, OF | AF | CF, 'a' },
	{ "aad 7", 2, { 0xd5, 7 }, OF | AF | CF, 'a' },
	{ "salc", 1, { 0xd6 }, 0, 'a' },
	{ "inc eax", 1, { 0x40 }, 0, 'a' },
	{ "inc di", 2, { 0x66, 0x47 }, 0, 'a' },
	{ "dec edx", 1, { 0x4a }, 0, 'a' },
	{ "add alias 82", 3, { 0x82, 0xc1, 0x85 }, 0, 'a' },
	{ "pushad", 1, { 0x60 }, 0, 's' },
	{ "pusha", 2, { 0x66, 0x60 }, 0, 's' },
	{ "popad", 1, { 0x61 }, 0, 's' },
	{ "popa", 2, { 0x66, 0x61 }, 0, 's' },
	{ "push esp", 1, { 0x54 }, 0, 's' },
	{ "pop esp", 1, { 0x5c }, 0, 's' },
	{ "push sp", 2, { 0x66, 0x54 }, 0, 's' },
	{ "push [esp+4]", 4, { 0xff, 0x74, 0x24, 4 }, 0, 's' },
	{ "pop [esp+4]", 4, { 0x8f, 0x44, 0x24, 4 }, 0, 's' },
	{ "pop [esp]", 3, { 0x8f, 0x04, 0x24 }, 0, 's' },
	{ "pop word [esp+2]", 5, { 0x66, 0x8f, 0x44, 0x24, 2 }, 0, 's' },
	{ "pushfd", 1, { 0x9c }, 0, 's' },
	{ "enter 16,0", 4, { 0xc8, 16, 0, 0 }, 0, 's' },
	{ "enter 8,1", 4, { 0xc8, 8, 0, 1 }, 0, 's' },
	{ "enter 8,3", 4, { 0xc8, 8, 0, 3 }, 0, 's' },
	{ "enter 8,31", 4, { 0xc8, 8, 0, 31 }, 0, 's' },
	{ "enter16 8,4", 5, { 0x66, 0xc8, 8, 0, 4 }, 0, 's' },
	{ "leave", 1, { 0xc9 }, 0, 's' },
	{ "push 66 imm", 4, { 0x66, 0x68, 0x34, 0x12 }, 0, 's' },
	{ "push -1", 2, { 0x6a, 0xff }, 0, 's' },
	{ "bound eax,[ebx]", 2, { 0x62, 0x03 }, 0, 'b' },
	{ "bound ax,[ebx]", 3, { 0x66, 0x62, 0x03 }, 0, 'b' },
	{ "lea ax,[bx+si]", 4, { 0x67, 0x66, 0x8d, 0x00 }, 0, 'a' },
	{ "lea eax,[bx+di+5]", 4, { 0x67, 0x8d, 0x41, 5 }, 0, 'a' },
	{ "lea eax,[bp+si-3]", 4, { 0x67, 0x8d, 0x42, 0xfd }, 0, 'a' },
	{ "lea eax,[bp+di+imm]", 5, { 0x67, 0x8d, 0x83, 0x34, 0xf2 }, 0, 'a' },
	{ "lea eax,[si]", 3, { 0x67, 0x8d, 0x04 }, 0, 'a' },
	{ "lea eax,[di+1]", 4, { 0x67, 0x8d, 0x45, 1 }, 0, 'a' },
	{ "lea eax,[imm16]", 5, { 0x67, 0x8d, 0x06, 0x78, 0x56 }, 0, 'a' },
	{ "lea eax,[bp+0]", 4, { 0x67, 0x8d, 0x46, 0 }, 0, 'a' },
	{ "lea eax,[bx]", 3, { 0x67, 0x8d, 0x07 }, 0, 'a' },
	{ "mov eax,[moffs]", 5, { 0xa1, 0x10, 0x08, 0x00, 0x32 }, 0, 'm' },
	{ "mov [moffs],ax", 6, { 0x66, 0xa3, 0x10, 0x08, 0x00, 0x32 }, 0, 'm' },
	{ "mov al,[moffs]", 5, { 0xa0, 0x10, 0x08, 0x00, 0x32 }, 0, 'm' },
	{ "arpl [ebx],cx", 2, { 0x63, 0x0b }, 0, 'm' },
	{ "verr [ebx]", 3, { 0x0f, 0x00, 0x23 }, 0, 'm' },
	{ "sahf", 1, { 0x9e }, 0, 'a' },
	{ "lahf", 1, { 0x9f }, 0, 'a' },
	{ "xlat", 1, { 0xd7 }, 0, 'm' },
	{ "add [ebx+disp],ah", 3, { 0x00, 0x63, 0x05 }, 0, 'm' },
	{ "mov [ebx],ds", 2, { 0x8c, 0x1b }, 0, 'm' },
	{ "mov esi,ds", 2, { 0x8c, 0xde }, 0, 'm' },
	{ "fs: lock inc reg", 3, { 0xf0, 0xff, 0xc0 }, 0, 'a' },	/* #UD */
	{ "ud2", 2, { 0x0f, 0x0b }, 0, 'a' },
	{ "hlt", 1, { 0xf4 }, 0, 'a' },					/* #GP */
	{ "les eax,eax", 3, { 0xc4, 0xc0, 0x90 }, 0, 'u' },		/* a VEX prefix */
};

const int emul_nr_rows32 = ARRAY_SIZE(rows);

static struct state32 *const st32 = (struct state32 *)STATE;
static u8 *const code = (u8 *)CODE;
static unsigned long compared;

void emul_native32_setup(void)
{
	map_at(CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
	map_at(STATE, 4096, PROT_READ | PROT_WRITE);
	map_at(DATA, DATA_SIZE, PROT_READ | PROT_WRITE);
	catch_signals(on_signal);
}

static u8 *out;

static void emit(const void *b, unsigned int n)
{
	memcpy(out, b, n);
	out += n;
}

static void emit32(u64 v)
{
	u32 w = (u32)v;

	emit(&w, 4);
}

#define AT(field)	(STATE + offsetof(struct state32, field))

static u64 build32(const struct row *r)
{
	unsigned int i;
	u64 at;

	out = code;
	emit("\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57\x9c", 11);	/* save */
	emit("\x48\x89\x24\x25", 4);		/* mov [host_rsp], rsp */
	emit32(AT(host_rsp));
	emit("\xb8", 1);			/* mov eax, USER_DS; mov ds, eax; mov es, eax */
	emit32(USER_DS);
	emit("\x8e\xd8\x8e\xc0", 4);
	emit("\xff\x2c\x25", 3);		/* jmp far [in_off] */
	emit32(AT(in_off));
	st32->in_off = (u32)(u64)out;
	st32->in_sel = USER32_CS;
	/* 32-bit code: mov esp, &rflags; popfd */
	emit("\xbc", 1);
	emit32(AT(rflags));
	emit("\x9d", 1);
	for (i = 0; i < 8; i++) {		/* mov reg, [gpr] */
		u8 b[2] = { 0x8b, 0x05 | i << 3 };

		emit(b, 2);
		emit32(AT(gpr) + i * 4);
	}
	at = (u64)out;
	emit(r->bytes, r->len);
	resume_at = (u64)out;
	for (i = 0; i < 8; i++) {
		u8 b[2] = { 0x89, 0x05 | i << 3 };

		emit(b, 2);
		emit32(AT(gpr) + i * 4);
	}
	emit("\xbc", 1);			/* mov esp, &rflags + 4; pushfd */
	emit32(AT(rflags) + 4);
	emit("\x9c", 1);
	emit("\xff\x2d", 2);			/* jmp far [out_off] */
	emit32(AT(out_off));
	st32->out_off = (u32)(u64)out;
	st32->out_sel = USER64_CS;
	emit("\x31\xc0\x8e\xd8\x8e\xc0", 6);	/* xor eax, eax; mov ds, eax; mov es, eax */
	emit("\x48\x8b\x24\x25", 4);
	emit32(AT(host_rsp));
	emit("\x9d\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xfc\xc3", 13);
	return at;
}

static bool in_data(u64 la, unsigned int len)
{
	return la >= DATA && la + len <= DATA + DATA_SIZE;
}

static enum emul_status c_fetch(struct emul *e, u64 la, void *buf, unsigned int len)
{
	(void)e;
	memcpy(buf, (void *)la, len);
	return EMUL_OK;
}

static enum emul_status c_read(struct emul *e, u64 la, void *buf, unsigned int len,
			       unsigned int acc)
{
	(void)e;
	if (acc & EMUL_ACC_SYSTEM)
		return EMUL_UNHANDLEABLE;	/* the host's descriptor tables */
	ck_assert_msg(in_data(la, len), "read of %#lx", (long)la);
	memcpy(buf, (void *)la, len);
	return EMUL_OK;
}

static enum emul_status c_write(struct emul *e, u64 la, const void *buf, unsigned int len,
				unsigned int acc)
{
	(void)e;
	(void)acc;
	ck_assert_msg(in_data(la, len), "write of %#lx", (long)la);
	memcpy((void *)la, buf, len);
	return EMUL_OK;
}

static void c_get_seg(struct emul *e, unsigned int sreg, struct emul_seg *seg)
{
	(void)e;
	seg->selector = sreg == EMUL_CS ? USER32_CS : USER_DS;
	seg->base = 0;
	seg->limit = ~0u;
	seg->attr = sreg == EMUL_CS ? 0xc0fb : 0xc0f3;
}

static void c_get_gdt(struct emul *e, struct emul_dtable *dt)
{
	(void)e;
	dt->base = 0;
	dt->limit = 0x7f;
}

static u64 c_get_cr(struct emul *e, unsigned int nr)
{
	(void)e;
	return nr == 0 ? 0x80050033 : nr == 4 ? 0x7406f0 : 0;
}

static const struct emul_ops ops32 = {
	.fetch = c_fetch, .read = c_read, .write = c_write, .get_seg = c_get_seg,
	.get_cr = c_get_cr, .get_gdt = c_get_gdt,
};

static void random_input(const struct row *r)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		st32->gpr[i] = rnd() & 3 ? rnd() : rnd() & 0xff;
	st32->rflags = (rnd() & ARITH) | 0x202;
	for (i = 0; i < DATA_SIZE; i += 4)
		*(u32 *)(data + i) = rnd();
	switch (r->how) {
	case 's':
		st32->gpr[EMUL_RSP] = (u32)MIDDLE + (rnd() & 63);
		st32->gpr[EMUL_RBP] = (u32)MIDDLE + (rnd() & 63);
		break;
	case 'b':
	case 'm':
		st32->gpr[EMUL_RBX] = (u32)MIDDLE;
		break;
	}
}

static void compare(const struct row *r)
{
	static u8 before[DATA_SIZE], after[DATA_SIZE];
	static struct emul e;
	struct state32 in, res;
	enum emul_status st;
	u64 at;
	int i;

	random_input(r);
	at = build32(r);
	in = *st32;
	memcpy(before, data, DATA_SIZE);
	signal_seen = 0;
	((void (*)(void))CODE)();
	res = *st32;
	memcpy(after, data, DATA_SIZE);
	memcpy(data, before, DATA_SIZE);

	emulate_from(&e, &ops32, EMUL_PROT32, in.gpr, at, in.rflags);
	st = emul_step(&e);
	if (st == EMUL_UNHANDLEABLE && (r->how == 'u' || !strncmp(r->name, "verr", 4)))
		return;
	compared++;
	if (signal_seen) {
		ck_assert_msg(st == EMUL_FAULT && vector_signal(&e) == signal_seen,
			      "%s: native signal %d, emulated status %d vector %u", r->name,
			      signal_seen, st, e.fault.vector);
		return;
	}
	ck_assert_msg(st == EMUL_OK, "%s: status %d vector %u", r->name, st, e.fault.vector);
	ck_assert_msg(e.rip == at + r->len, "%s: rip", r->name);
	for (i = 0; i < 8; i++)
		ck_assert_msg(e.gpr[i] == res.gpr[i], "%s: register %d: %#lx, native %#x, was %#x",
			      r->name, i, (long)e.gpr[i], res.gpr[i], in.gpr[i]);
	ck_assert_msg(!((e.rflags ^ res.rflags) & ~(u64)(r->undef | 0x10302)),
		      "%s: flags %#lx, native %#x, was %#x (eax %#x)", r->name, (long)e.rflags,
		      res.rflags, in.rflags, in.gpr[0]);
	ck_assert_msg(!memcmp(data, after, DATA_SIZE), "%s: memory differs", r->name);
}

void emul_native32_row(int i)
{
	int n;

	emul_seed(0x2545f4914f6cdd1dULL + (u64)i);
	for (n = 0; n < 20 * EMUL_TEST_INPUTS; n++)
		compare(&rows[i]);
	emul_tally->forms += compared != 0;
	emul_tally->comparisons += compared;
	if (compared && getenv("EMUL_VERBOSE"))
		printf("form32 %s: %lu\n", rows[i].name, compared);
}
