// SPDX-License-Identifier: GPL-2.0-only
/*
 * String instructions with and without REP, and port I/O.
 *
 * A REP instruction commits each iteration: whatever stops it (fault, I/O, budget), registers and
 * memory are those between two iterations, as the CPU's would be at an interrupt (SDM volume 2,
 * REP). Port I/O: SDM volume 1 chapter 19.
 */
#include "internal.h"

static unsigned int item_size(const struct emul *e)
{
	return e->insn.opcode & 1 ? emul_opsize(e) : 1;
}

static unsigned int src_seg(const struct emul *e)
{
	return e->insn.seg != EMUL_NR_SREG ? e->insn.seg : EMUL_DS;
}

static u64 index_reg(const struct emul *e, unsigned int reg)
{
	return emul_reg(e, reg, e->insn.adsize);
}

/* Move RSI or RDI over @bytes, in the direction of DF */
static void advance(struct emul *e, unsigned int reg, unsigned int bytes)
{
	u64 v = e->gpr[reg];

	v = e->rflags & X86_DF ? v - bytes : v + bytes;
	emul_set_reg(e, reg, e->insn.adsize, v);
}

static u64 rep_count(const struct emul *e)
{
	return emul_reg(e, EMUL_RCX, e->insn.adsize);
}

static enum emul_status read_src(struct emul *e, u64 *val)
{
	return emul_read_val(e, src_seg(e), index_reg(e, EMUL_RSI), item_size(e), val);
}

static enum emul_status one_movs(struct emul *e)
{
	unsigned int size = item_size(e);
	u64 v;

	TRY(read_src(e, &v));
	TRY(emul_stage_write(e, EMUL_ES, index_reg(e, EMUL_RDI), &v, size));
	advance(e, EMUL_RSI, size);
	advance(e, EMUL_RDI, size);
	return EMUL_OK;
}

static enum emul_status one_stos(struct emul *e)
{
	unsigned int size = item_size(e);
	u64 v = emul_reg(e, EMUL_RAX, size);

	TRY(emul_stage_write(e, EMUL_ES, index_reg(e, EMUL_RDI), &v, size));
	advance(e, EMUL_RDI, size);
	return EMUL_OK;
}

static enum emul_status one_lods(struct emul *e)
{
	unsigned int size = item_size(e);
	u64 v;

	TRY(read_src(e, &v));
	emul_set_reg(e, EMUL_RAX, size, v);
	advance(e, EMUL_RSI, size);
	return EMUL_OK;
}

static enum emul_status one_cmps(struct emul *e)
{
	unsigned int size = item_size(e);
	u64 a, b;

	TRY(read_src(e, &a));
	TRY(emul_read_val(e, EMUL_ES, index_reg(e, EMUL_RDI), size, &b));
	emul_sub(e, a, b, 0, size);
	advance(e, EMUL_RSI, size);
	advance(e, EMUL_RDI, size);
	return EMUL_OK;
}

static enum emul_status one_scas(struct emul *e)
{
	unsigned int size = item_size(e);
	u64 v;

	TRY(emul_read_val(e, EMUL_ES, index_reg(e, EMUL_RDI), size, &v));
	emul_sub(e, emul_reg(e, EMUL_RAX, size), v, 0, size);
	advance(e, EMUL_RDI, size);
	return EMUL_OK;
}

/* Run @one until RCX is 0, @until_zf says stop, a callback does, or the budget is used up */
static enum emul_status repeat(struct emul *e, emul_handler_t one, bool until_zf)
{
	unsigned int done = 0, size = item_size(e);
	bool zf;

	if (!e->insn.rep)
		return one(e);
	while (rep_count(e)) {
		TRY(one(e));
		TRY(emul_commit_writes(e));
		emul_set_reg(e, EMUL_RCX, e->insn.adsize, e->gpr[EMUL_RCX] - 1);
		emul_checkpoint(e);
		e->commits++;
		if (until_zf) {
			zf = e->rflags & X86_ZF;
			if (zf != (e->insn.rep == 0xf3))
				return EMUL_OK;
		}
		done += size;
		if (e->stop || done >= EMUL_REP_MAX || (e->rflags & X86_TF))
			break;
	}
	e->rep_pending = rep_count(e) != 0;
	return EMUL_OK;
}

enum emul_status emul_do_movs(struct emul *e)
{
	return repeat(e, one_movs, false);
}

enum emul_status emul_do_stos(struct emul *e)
{
	return repeat(e, one_stos, false);
}

enum emul_status emul_do_lods(struct emul *e)
{
	return repeat(e, one_lods, false);
}

enum emul_status emul_do_cmps(struct emul *e)
{
	return repeat(e, one_cmps, true);
}

enum emul_status emul_do_scas(struct emul *e)
{
	return repeat(e, one_scas, true);
}

/**
 * emul_io_allowed - may this code use @size ports from @port?
 * @e: emulation
 * @port: first port
 * @size: bytes
 *
 * CPL against IOPL, then the bitmap in the TSS (SDM volume 1, 19.5.2), read as two bytes like the
 * CPU does. Return: EMUL_OK, EMUL_FAULT with #GP(0), or what reading the TSS gave.
 */
enum emul_status emul_io_allowed(struct emul *e, u16 port, unsigned int size)
{
	const struct emul_seg *tr;
	u16 base = 0, bits = 0;
	u32 at;

	if (e->mode == EMUL_REAL || (e->mode != EMUL_VM86 && e->cpl <= emul_iopl(e)))
		return EMUL_OK;
	tr = emul_get_seg(e, EMUL_TR);
	/* a 16-bit TSS has no bitmap */
	if ((tr->attr & EMUL_SEG_UNUSABLE) || !(tr->attr & 8) || tr->limit < 103)
		return emul_gp0(e);
	TRY(emul_read_la(e, tr->base + 102, &base, 2, EMUL_ACC_SYSTEM));
	at = base + port / 8u;
	if (at + 1 > tr->limit)
		return emul_gp0(e);
	TRY(emul_read_la(e, tr->base + at, &bits, 2, EMUL_ACC_SYSTEM));
	if ((bits >> (port & 7)) & ((1u << size) - 1))
		return emul_gp0(e);
	return EMUL_OK;
}

static unsigned int port_size(const struct emul *e)
{
	/* there is no 8-byte port access */
	if (!(e->insn.opcode & 1))
		return 1;
	return emul_opsize(e) == 2 ? 2 : 4;
}

static u16 port_number(const struct emul *e, const struct emul_operand *op)
{
	return op->type == EMUL_OP_IMM ? (u8)op->val : (u16)e->gpr[EMUL_RDX];
}

enum emul_status emul_do_in(struct emul *e)
{
	u16 port = port_number(e, &e->insn.op[1]);
	unsigned int size = port_size(e);
	u64 v = 0;

	TRY(emul_io_allowed(e, port, size));
	if (!e->ops->pio_in)
		return EMUL_UNHANDLEABLE;
	TRY(e->ops->pio_in(e, port, size, 1, &v));
	emul_set_reg(e, EMUL_RAX, size, v);
	return EMUL_OK;
}

enum emul_status emul_do_out(struct emul *e)
{
	u16 port = port_number(e, &e->insn.op[0]);
	unsigned int size = port_size(e);
	u64 v = emul_reg(e, EMUL_RAX, size);

	TRY(emul_io_allowed(e, port, size));
	if (!e->ops->pio_out)
		return EMUL_UNHANDLEABLE;
	return e->ops->pio_out(e, port, size, 1, &v);
}

/*
 * How many items one batch may hold: within the buffer, the page, the segment and the address
 * size, so that memory either takes all of it or faults on the first byte. Downwards: one.
 */
static unsigned int batch_items(struct emul *e, unsigned int seg, unsigned int reg,
				unsigned int acc, unsigned int size)
{
	u64 off = index_reg(e, reg), count = rep_count(e), la = 0, room;
	struct emul_fault fault = e->fault;

	if (!e->insn.rep || (e->rflags & (X86_DF | X86_TF)))
		return 1;
	if (count > EMUL_PIO_MAX / size)
		count = EMUL_PIO_MAX / size;
	room = (emul_mask(e->insn.adsize) - off) / size;
	if (count > room)
		count = room;
	if (count < 2 || emul_linear(e, seg, off, size, acc, &la) != EMUL_OK)
		goto one;
	room = (4096 - (la & 4095)) / size;
	if (count > room)
		count = room;
	if (count < 2 || emul_linear(e, seg, off, (unsigned int)count * size, acc, &la) != EMUL_OK)
		goto one;
	return (unsigned int)count;
one:
	e->fault = fault;
	return 1;
}

static enum emul_status batch_ins(struct emul *e, u16 port, unsigned int size, unsigned int n)
{
	u64 la = 0;

	/* the device must not be read for a destination that faults */
	TRY(emul_linear(e, EMUL_ES, index_reg(e, EMUL_RDI), n * size, EMUL_ACC_WRITE, &la));
	if (e->ops->probe)
		TRY(e->ops->probe(e, la, n * size, EMUL_ACC_WRITE));
	TRY(e->ops->pio_in(e, port, size, n, e->pio_buf));
	TRY(emul_write_la(e, la, e->pio_buf, n * size, 0));
	advance(e, EMUL_RDI, n * size);
	return EMUL_OK;
}

static enum emul_status batch_outs(struct emul *e, u16 port, unsigned int size, unsigned int n)
{
	TRY(emul_read_mem(e, src_seg(e), index_reg(e, EMUL_RSI), e->pio_buf, n * size, 0));
	TRY(e->ops->pio_out(e, port, size, n, e->pio_buf));
	advance(e, EMUL_RSI, n * size);
	return EMUL_OK;
}

static enum emul_status string_io(struct emul *e, bool in)
{
	unsigned int size = port_size(e), done = 0, n;
	u16 port = (u16)e->gpr[EMUL_RDX];

	TRY(emul_io_allowed(e, port, size));
	if (in ? !e->ops->pio_in : !e->ops->pio_out)
		return EMUL_UNHANDLEABLE;
	if (e->insn.rep && !rep_count(e))
		return EMUL_OK;
	do {
		n = in ? batch_items(e, EMUL_ES, EMUL_RDI, EMUL_ACC_WRITE, size) :
			 batch_items(e, src_seg(e), EMUL_RSI, 0, size);
		TRY(in ? batch_ins(e, port, size, n) : batch_outs(e, port, size, n));
		if (!e->insn.rep)
			return EMUL_OK;
		emul_set_reg(e, EMUL_RCX, e->insn.adsize, e->gpr[EMUL_RCX] - n);
		emul_checkpoint(e);
		e->commits++;
		done += n * size;
	} while (rep_count(e) && !e->stop && done < EMUL_REP_MAX && !(e->rflags & X86_TF));
	e->rep_pending = rep_count(e) != 0;
	return EMUL_OK;
}

enum emul_status emul_do_ins(struct emul *e)
{
	return string_io(e, true);
}

enum emul_status emul_do_outs(struct emul *e)
{
	return string_io(e, false);
}
