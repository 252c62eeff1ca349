/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * x86-64 instruction decoder and emulator: the contract.
 *
 * The library knows instructions, segmentation and privilege; it knows nothing of paging, memory
 * slots or devices. Its surroundings ("the glue") fill in a struct emul, provide struct emul_ops,
 * call emul_step() and act on the answer. All state is in struct emul; the library allocates
 * nothing, keeps no globals that change, and may be used by any number of CPUs at once.
 *
 * Re-execution. A callback may answer EMUL_IO_NEEDED ("the data will come from user space") or
 * EMUL_RETRY. emul_step()/emul_execute() then return that answer with registers, flags and memory
 * as they were before the instruction (for a REP string instruction: before the current
 * iteration). The glue keeps struct emul, obtains the data, and calls emul_execute() again; the
 * callbacks are then asked the same questions in the same order. Every read of an iteration comes
 * before its first write.
 *
 * The manuals: SDM volume 2 (instructions), volume 3 chapters 3, 5, 6 and 21 (segments,
 * protection, exceptions, real mode); APM volumes 2 and 3.
 */
#ifndef EMUL_H
#define EMUL_H

#include "port.h"

#define EMUL_MAX_INSN	15	/* longest instruction; a longer one is #GP(0) */
#define EMUL_MAX_WRITES	40	/* ENTER with 31 levels pushes 33 values */
#define EMUL_PIO_MAX	1024	/* most bytes of one string-I/O batch */
#define EMUL_REP_MAX	4096	/* most bytes of one call of a REP string instruction */

/**
 * enum emul_status - answer of the library, and of every callback
 * @EMUL_OK: done
 * @EMUL_FAULT: the event in emul->fault is to be delivered; registers are as the CPU would save them
 * @EMUL_IO_NEEDED: data must come from user space; call emul_execute() again when it is there
 * @EMUL_UNHANDLEABLE: not emulated; the bytes are in emul->insn.bytes[0..emul->insn.fetched)
 * @EMUL_RETRY: something changed meanwhile (a lost cmpxchg race, a zapped mapping): enter the
 *	guest again and let it repeat the instruction. As a callback's answer to cmpxchg() it means
 *	"memory did not hold @old".
 */
enum emul_status {
	EMUL_OK,
	EMUL_FAULT,
	EMUL_IO_NEEDED,
	EMUL_UNHANDLEABLE,
	EMUL_RETRY,
};

/* How code executes. Compatibility mode is PROT16 or PROT32 with EFER.LMA set. */
enum emul_mode {
	EMUL_REAL,	/* CR0.PE = 0, "unreal" included: the cached limits count */
	EMUL_VM86,	/* RFLAGS.VM = 1 */
	EMUL_PROT16,	/* CS.D = 0 */
	EMUL_PROT32,	/* CS.D = 1 */
	EMUL_LONG,	/* EFER.LMA = 1, CS.L = 1 */
};

/* Numbers of general registers in emul->gpr[], as instructions encode them */
enum emul_gpr {
	EMUL_RAX, EMUL_RCX, EMUL_RDX, EMUL_RBX, EMUL_RSP, EMUL_RBP, EMUL_RSI, EMUL_RDI,
	EMUL_R8, EMUL_R9, EMUL_R10, EMUL_R11, EMUL_R12, EMUL_R13, EMUL_R14, EMUL_R15,
	EMUL_NR_GPR,
};

/* Segment registers as instructions encode them, then the two system ones */
enum emul_sreg {
	EMUL_ES, EMUL_CS, EMUL_SS, EMUL_DS, EMUL_FS, EMUL_GS, EMUL_LDTR, EMUL_TR,
	EMUL_NR_SREG,
};

/**
 * struct emul_seg - a segment register with its hidden part
 * @selector: visible part
 * @base: linear base address
 * @limit: in bytes, already scaled by G
 * @attr: bits 8..15 and 20..23 of the descriptor's second word at their VMX positions:
 *	type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15, unusable 16 (EMUL_SEG_*)
 */
struct emul_seg {
	u16 selector;
	u32 limit;
	u32 attr;
	u64 base;
};

#define EMUL_SEG_TYPE		0x000fu
#define EMUL_SEG_ACCESSED	0x0001u
#define EMUL_SEG_RW		0x0002u	/* data: writable; code: readable */
#define EMUL_SEG_EC		0x0004u	/* data: expand down; code: conforming */
#define EMUL_SEG_CODE		0x0008u
#define EMUL_SEG_S		0x0010u
#define EMUL_SEG_DPL(attr)	(((attr) >> 5) & 3)
#define EMUL_SEG_P		0x0080u
#define EMUL_SEG_AVL		0x1000u
#define EMUL_SEG_L		0x2000u
#define EMUL_SEG_DB		0x4000u
#define EMUL_SEG_G		0x8000u
#define EMUL_SEG_UNUSABLE	0x10000u

/* GDTR or IDTR */
struct emul_dtable {
	u64 base;
	u16 limit;
};

/* The access a memory callback is asked for */
#define EMUL_ACC_WRITE	0x01u	/* check for write (also on the read of a read-modify-write) */
#define EMUL_ACC_FETCH	0x02u	/* instruction fetch */
#define EMUL_ACC_SYSTEM	0x04u	/* implicit supervisor access (descriptor tables, TSS) at any CPL */

/* How an event in struct emul_fault is to be injected */
enum emul_event {
	EMUL_EV_FAULT,		/* hardware exception; RIP is the instruction's own */
	EMUL_EV_SOFT_INT,	/* INT n: emul->rip is the instruction's own, insn.len its length */
	EMUL_EV_SOFT_EXC,	/* INT3, INTO: likewise */
	EMUL_EV_ICEBP,		/* INT1: likewise */
};

/**
 * struct emul_fault - the event that EMUL_FAULT asks the glue to deliver
 * @kind: what sort of event
 * @vector: its vector
 * @has_error: whether an error code is pushed (never in real mode)
 * @error: the error code
 * @cr2: linear address, for vector 14
 */
struct emul_fault {
	enum emul_event kind;
	u8 vector;
	bool has_error;
	u32 error;
	u64 cr2;
};

#define EMUL_DE	0
#define EMUL_DB	1
#define EMUL_BP	3
#define EMUL_OF	4
#define EMUL_BR	5
#define EMUL_UD	6
#define EMUL_NM	7
#define EMUL_TS	10
#define EMUL_NP	11
#define EMUL_SS_FAULT 12
#define EMUL_GP	13
#define EMUL_PF	14
#define EMUL_MF	16

/* What an operand is */
enum emul_optype {
	EMUL_OP_NONE,
	EMUL_OP_REG,	/* @reg: general register; @high: AH, CH, DH or BH (@reg 0..3) */
	EMUL_OP_MEM,	/* @seg:@off; the effective address, valid with current registers only */
	EMUL_OP_IMM,	/* @val, sign- or zero-extended as the instruction says */
	EMUL_OP_REL,	/* @val: signed distance from the next instruction */
	EMUL_OP_FAR,	/* @val: offset, @sel: selector (ptr16:16/32) */
	EMUL_OP_SREG,	/* @reg: enum emul_sreg */
	EMUL_OP_CR,	/* @reg: number of the control register */
	EMUL_OP_DR,	/* @reg: number of the debug register */
	EMUL_OP_XMM,	/* @reg: number; @size 16 or 32 (or less, for scalar moves) */
	EMUL_OP_MMX,	/* @reg: number */
};

/**
 * struct emul_operand - a decoded operand
 * @type: what it is
 * @size: in bytes
 * @reg: register number
 * @high: second byte of a legacy register
 * @seg: segment of a memory operand (enum emul_sreg), overrides applied
 * @sel: selector of a far pointer
 * @off: effective address of a memory operand, truncated to the address size
 * @val: value of an immediate; scratch for the value of any operand during emulation
 */
struct emul_operand {
	enum emul_optype type;
	u8 size;
	u8 reg;
	bool high;
	u8 seg;
	u16 sel;
	u64 off;
	u64 val;
};

/* Opcode maps */
enum emul_map {
	EMUL_MAP_1,	/* one byte */
	EMUL_MAP_0F,
	EMUL_MAP_0F38,
	EMUL_MAP_0F3A,
};

struct emul_row;	/* a row of the decoding tables (kmod/emul/table.h) */

/**
 * struct emul_insn - a decoded instruction
 * @bytes: as fetched
 * @fetched: how many of @bytes are valid
 * @len: length of the instruction
 * @map: opcode map
 * @opcode: last opcode byte
 * @modrm: ModRM byte, when @has_modrm
 * @sib: SIB byte, when there is one
 * @opsize: effective operand size in bytes: 2, 4, 8
 * @adsize: effective address size in bytes: 2, 4, 8
 * @rep: 0, 0xf2 or 0xf3; the last one given
 * @lock: LOCK prefix
 * @p66: operand-size prefix
 * @seg: segment override or EMUL_NR_SREG
 * @rex: REX prefix (0x40..0x4f) or 0; of VEX, the same bits
 * @vex: VEX-encoded; @vvvv its register, @vl its vector length in bytes
 * @evex: EVEX-encoded (length only; never emulated)
 * @zreg: register number in the opcode's low three bits, REX.B applied
 * @rip_rel: the memory operand is relative to the next instruction
 * @disp: displacement of the memory operand
 * @imm, @imm2: immediates as encoded, zero-extended (ENTER has two; a far pointer's selector is
 *	the second)
 * @op: operands, destination first (Intel order)
 * @row: the table's row; NULL while nothing is decoded
 */
struct emul_insn {
	u8 bytes[EMUL_MAX_INSN];
	u8 fetched;
	u8 len;
	u8 map;
	u8 opcode;
	u8 modrm;
	u8 sib;
	u8 opsize;
	u8 adsize;
	u8 rep;
	u8 seg;
	u8 rex;
	u8 vvvv;
	u8 vl;
	u8 zreg;
	bool has_modrm;
	bool lock;
	bool p66;
	bool vex;
	bool evex;
	bool rip_rel;
	s64 disp;
	u64 imm;
	u64 imm2;
	struct emul_operand op[3];
	const struct emul_row *row;
};

/* Why a task switch happens; the numbers are those of SDM table 28-6 */
enum emul_task_reason {
	EMUL_TASK_CALL,
	EMUL_TASK_IRET,
	EMUL_TASK_JMP,
	EMUL_TASK_GATE,		/* a task gate in the IDT */
};

/**
 * struct emul_task - a task switch to be done
 * @reason: what caused it
 * @selector: of the new TSS
 * @vector: EMUL_TASK_GATE by INT n, INT3 or INTO: the vector, for the gate's DPL; else -1
 * @ext: EMUL_TASK_GATE by something else: error codes of faults have EXT set
 * @has_error: the event has an error code, for the new task's stack
 * @error: the error code
 */
struct emul_task {
	enum emul_task_reason reason;
	u16 selector;
	int vector;
	bool ext;
	bool has_error;
	u32 error;
};

/* Instructions that a guest's CPUID may not announce: then they are #UD, or what they once were */
enum emul_feature {
	EMUL_FEAT_NONE,
	EMUL_FEAT_CX16,
	EMUL_FEAT_SSE3,
	EMUL_FEAT_SSE41,
	EMUL_FEAT_SSE42,
	EMUL_FEAT_POPCNT,
	EMUL_FEAT_LZCNT,
	EMUL_FEAT_MOVBE,
	EMUL_FEAT_BMI1,
	EMUL_FEAT_BMI2,
	EMUL_FEAT_ADX,
	EMUL_FEAT_AVX2,
	EMUL_FEAT_SMAP,
	EMUL_FEAT_RDTSCP,
	EMUL_FEAT_RDPID,
	EMUL_FEAT_MOVDIRI,
	EMUL_FEAT_MOVDIR64B,
	EMUL_NR_FEATURES,
};

/* What the x87 callback is asked to do with the guest's FPU */
enum emul_fpu_op {
	EMUL_FPU_INIT,		/* FNINIT */
	EMUL_FPU_STCW,		/* FNSTCW: two bytes */
	EMUL_FPU_STSW,		/* FNSTSW: two bytes */
	EMUL_FPU_WAIT,		/* FWAIT */
	EMUL_FPU_EMMS,
	EMUL_FPU_SAVE,		/* FXSAVE: 512 bytes */
	EMUL_FPU_SAVE64,	/* FXSAVE64 */
	EMUL_FPU_RESTORE,	/* FXRSTOR */
	EMUL_FPU_RESTORE64,
};

struct emul;

/**
 * struct emul_ops - the surroundings of the emulator
 *
 * Memory callbacks take linear addresses, already checked against segment limits and canonical
 * form; translating them, splitting them at pages, and telling RAM from MMIO is the glue's. A
 * paging fault is reported by filling emul->fault (vector 14, error code, cr2) and returning
 * EMUL_FAULT. A callback that is NULL makes the instructions needing it EMUL_UNHANDLEABLE.
 * set_cr/set_dr/get_dr/get_msr/set_msr/set_xcr that answer EMUL_FAULT need not fill emul->fault:
 * the library presets #GP(0).
 *
 * @fetch: read @len code bytes; never crosses a page
 * @read: read @len bytes (1..EMUL_PIO_MAX) with access @acc
 * @write: write @len bytes. A write to MMIO that user space must see is posted: remember it, set
 *	emul->stop, return EMUL_OK, and leave to user space after emul_step() returns
 * @cmpxchg: atomically against other vCPUs compare @len (1,2,4,8,16) bytes at @la with @old and,
 *	when equal, store @new; EMUL_RETRY and the present value in @old when not equal. On MMIO
 *	the glue reads, compares and posts a write
 * @probe: check that an access would not fault, without side effects
 * @get_seg: load emul->seg[@sreg]'s value; called at most once per register and emul_init()
 * @set_seg: store it
 * @get_gdt,@set_gdt,@get_idt,@set_idt: descriptor table registers
 * @get_cr,@set_cr: control registers 0, 2, 3, 4, 8. set_cr validates as MOV to CR does
 * @get_dr,@set_dr: debug registers 0..7 (4 and 5 are never asked for), after CR4.DE and CPL checks
 * @get_msr,@set_msr: model-specific registers, after the CPL check
 * @get_xcr,@set_xcr: extended control registers
 * @pio_in: read @count items of @size bytes from @port, after the permission check
 * @pio_out: write them; posted like a memory write
 * @cpuid: @regs is eax, ebx, ecx, edx; in: eax and ecx
 * @rdtsc: guest TSC; @aux receives TSC_AUX
 * @hlt,@wbinvd,@invlpg: after the privilege check. hlt: RIP is advanced when emul_step() returns
 * @get_xmm,@set_xmm: low @len bytes (16 or 32) of vector register @reg; set_xmm with @zero_upper
 *	clears the bits above @len (VEX), otherwise keeps them
 * @has: whether the guest's CPUID announces a feature; NULL: all
 * @fpu: an instruction of the x87's control; @buf as enum emul_fpu_op says. EMUL_FAULT need not
 *	fill emul->fault: the library presets #MF, for FXRSTOR #GP(0)
 * @get_mmx,@set_mmx: an MMX register (set also marks the x87 tags valid)
 */
struct emul_ops {
	enum emul_status (*fetch)(struct emul *e, u64 la, void *buf, unsigned int len);
	enum emul_status (*read)(struct emul *e, u64 la, void *buf, unsigned int len,
				 unsigned int acc);
	enum emul_status (*write)(struct emul *e, u64 la, const void *buf, unsigned int len,
				  unsigned int acc);
	enum emul_status (*cmpxchg)(struct emul *e, u64 la, void *old, const void *new,
				    unsigned int len, unsigned int acc);
	enum emul_status (*probe)(struct emul *e, u64 la, unsigned int len, unsigned int acc);

	void (*get_seg)(struct emul *e, unsigned int sreg, struct emul_seg *seg);
	void (*set_seg)(struct emul *e, unsigned int sreg, const struct emul_seg *seg);
	void (*get_gdt)(struct emul *e, struct emul_dtable *dt);
	void (*set_gdt)(struct emul *e, const struct emul_dtable *dt);
	void (*get_idt)(struct emul *e, struct emul_dtable *dt);
	void (*set_idt)(struct emul *e, const struct emul_dtable *dt);

	u64 (*get_cr)(struct emul *e, unsigned int nr);
	enum emul_status (*set_cr)(struct emul *e, unsigned int nr, u64 val);
	enum emul_status (*get_dr)(struct emul *e, unsigned int nr, u64 *val);
	enum emul_status (*set_dr)(struct emul *e, unsigned int nr, u64 val);
	enum emul_status (*get_msr)(struct emul *e, u32 msr, u64 *val);
	enum emul_status (*set_msr)(struct emul *e, u32 msr, u64 val);
	enum emul_status (*get_xcr)(struct emul *e, u32 nr, u64 *val);
	enum emul_status (*set_xcr)(struct emul *e, u32 nr, u64 val);

	enum emul_status (*pio_in)(struct emul *e, u16 port, unsigned int size,
				   unsigned int count, void *buf);
	enum emul_status (*pio_out)(struct emul *e, u16 port, unsigned int size,
				    unsigned int count, const void *buf);

	void (*cpuid)(struct emul *e, u32 regs[4]);
	u64 (*rdtsc)(struct emul *e, u32 *aux);
	enum emul_status (*hlt)(struct emul *e);
	enum emul_status (*wbinvd)(struct emul *e);
	enum emul_status (*invlpg)(struct emul *e, u64 la);

	void (*get_xmm)(struct emul *e, unsigned int reg, void *buf, unsigned int len);
	void (*set_xmm)(struct emul *e, unsigned int reg, const void *buf, unsigned int len,
			bool zero_upper);
	void (*get_mmx)(struct emul *e, unsigned int reg, u64 *val);
	void (*set_mmx)(struct emul *e, unsigned int reg, u64 val);
	bool (*has)(struct emul *e, enum emul_feature feature);
	enum emul_status (*fpu)(struct emul *e, enum emul_fpu_op op, void *buf);
};

/* emul->int_shadow: what the completed instruction inhibits until after the next one */
#define EMUL_SHADOW_STI		0x1u	/* STI that set IF */
#define EMUL_SHADOW_MOV_SS	0x2u	/* MOV SS, POP SS */

/**
 * struct emul - one vCPU's emulation
 *
 * In (set by the glue before emul_step()):
 * @ops, @opaque: callbacks and whatever they need
 * @mode, @cpl: execution mode and privilege (SS.DPL; 0 in real mode, 3 in vm86)
 * @gpr, @rip, @rflags: registers; also out
 * @stop: may be set by a callback: a REP instruction returns after this iteration
 *
 * Out:
 * @fault: on EMUL_FAULT
 * @commits: grows with each iteration a REP instruction has finished: data that the glue keeps
 *	for re-execution belongs to earlier iterations when it has changed
 * @rep_pending: EMUL_OK, but a REP instruction has iterations left; RIP is still its own
 * @int_shadow: EMUL_SHADOW_*, on EMUL_OK
 * @branched: a branch was taken (for BTF and next-RIP users)
 * @task_trap: the task just switched to wants #DB (its TSS has T set)
 * @insn: the instruction
 *
 * Private to the library: the rest.
 */
struct emul {
	const struct emul_ops *ops;
	void *opaque;
	enum emul_mode mode;
	u8 cpl;
	bool stop;

	u64 gpr[EMUL_NR_GPR];
	u64 rip;
	u64 rflags;

	struct emul_fault fault;
	u32 commits;
	bool rep_pending;
	bool branched;
	u8 int_shadow;
	bool task_trap;
	struct emul_insn insn;

	/* private */
	bool no_write;
	u8 ext;
	u16 seg_valid;
	struct emul_seg seg[EMUL_NR_SREG];
	u64 saved_gpr[EMUL_NR_GPR];
	u64 saved_rip;
	u64 saved_rflags;
	u8 nwrites;
	u16 wused;
	struct emul_write {
		u64 la;
		u8 len;
		u16 at;
		u8 acc;
	} w[EMUL_MAX_WRITES];
	u8 wbuf[EMUL_MAX_WRITES * 8];
	u8 xbuf[64];
	u8 pio_buf[EMUL_PIO_MAX] __attribute__((aligned(16)));	/* FXSAVE wants that */
};

/**
 * emul_init - forget everything cached from a previous instruction
 * @e: emulation; @e->ops and the "in" fields are left alone
 *
 * Call whenever the vCPU may have run or its registers may have been changed since the last call
 * into the library; then set the "in" fields.
 */
void emul_init(struct emul *e);

/**
 * emul_decode - fetch and decode the instruction at CS:RIP
 * @e: emulation, in-fields valid
 *
 * Result in @e->insn: length, prefixes, operands; effective addresses of memory operands use the
 * registers in @e. Nothing is executed, and instructions that emul_execute() cannot do (x87, SSE
 * arithmetic, VMX...) still get their length.
 *
 * Return: EMUL_OK; EMUL_FAULT (#UD, #GP for an over-long one or a fetch beyond the limit, #PF of
 * the fetch); whatever @fetch returned; EMUL_UNHANDLEABLE for an encoding of unknown length.
 */
enum emul_status emul_decode(struct emul *e);

/**
 * emul_decode_bytes - decode an instruction already at hand
 * @insn: result; effective addresses (op[].off) are not computed
 * @mode: execution mode
 * @bytes: instruction bytes
 * @n: how many there are, at most EMUL_MAX_INSN are looked at
 *
 * For next-RIP without NRIP-save and operands without decode assists.
 *
 * Return: EMUL_OK; EMUL_RETRY when @n bytes do not hold the whole instruction; EMUL_FAULT when it
 * is longer than EMUL_MAX_INSN (#GP) or undefined (#UD); EMUL_UNHANDLEABLE when of unknown length.
 * @insn->len is valid on EMUL_OK; on EMUL_FAULT it is 0 for the over-long case only.
 */
enum emul_status emul_decode_bytes(struct emul_insn *insn, enum emul_mode mode, const u8 *bytes,
				   unsigned int n);

/**
 * emul_execute - execute the decoded instruction
 * @e: emulation after emul_decode() answered EMUL_OK
 *
 * May be called again after EMUL_IO_NEEDED, without another emul_decode().
 *
 * Return: see enum emul_status. On EMUL_OK registers and RIP are those after the instruction
 * (after the iterations done, when @e->rep_pending).
 */
enum emul_status emul_execute(struct emul *e);

/** emul_step - emul_decode(), then emul_execute() */
enum emul_status emul_step(struct emul *e);

/**
 * emul_inject_real - deliver an interrupt or exception through the real-mode vector table
 * @e: emulation in mode EMUL_REAL, in-fields valid; @e->rip is what is to be pushed
 * @vector: vector
 *
 * For CPUs that cannot run real mode natively (SDM 21.1.4). On EMUL_OK CS:IP, SP and RFLAGS are
 * those of the handler.
 */
enum emul_status emul_inject_real(struct emul *e, u8 vector);

/**
 * emul_load_seg - load a segment register as MOV, or the far transfers, would
 * @e: emulation, in-fields valid
 * @sreg: register; EMUL_CS is not accepted in protected mode
 * @selector: selector
 *
 * Return: EMUL_OK, EMUL_FAULT (#GP, #SS, #NP, #PF).
 */
enum emul_status emul_load_seg(struct emul *e, unsigned int sreg, u16 selector);

/**
 * emul_task_switch - switch to another task
 * @e: emulation, in-fields valid; @e->rip is where the old task is to go on
 * @task: the switch
 *
 * For CPUs that leave it to software (SDM 28.4.2, APM 15.14.1). The registers are the new task's
 * when @e->branched, with EMUL_OK and with an EMUL_FAULT in the new task's name; else untouched.
 *
 * Return: EMUL_OK, with @e->task_trap; EMUL_FAULT (#TS, #NP, #SS, #GP, #PF); EMUL_RETRY: nothing
 * changed; EMUL_UNHANDLEABLE.
 */
enum emul_status emul_task_switch(struct emul *e, const struct emul_task *task);

/**
 * emul_linear - linear address of a segmented one, with the CPU's checks
 * @e: emulation, in-fields valid
 * @seg: enum emul_sreg
 * @off: effective address
 * @len: bytes
 * @acc: EMUL_ACC_*
 * @la: result
 *
 * Return: EMUL_OK or EMUL_FAULT (#GP or #SS).
 */
enum emul_status emul_linear(struct emul *e, unsigned int seg, u64 off, unsigned int len,
			     unsigned int acc, u64 *la);

#endif /* EMUL_H */
