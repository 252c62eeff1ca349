/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What emulate.c, pio.c, task_switch.c and emulate_vector.c share: the state of a vCPU's emulation.
 */
#ifndef VMM_EMULATE_H
#define VMM_EMULATE_H

#include "vmm.h"
#include "emul/emul.h"

/* One instruction moves at most 64 bytes each way: 8 fragments, more when misaligned */
#define MAX_READS	40
#define MAX_WRITES	40

struct fragment {
	u64 gpa;
	u32 len;
	u8 data[8] __aligned(8);
};

enum need { NEED_NOTHING, NEED_MMIO_READ, NEED_PIO_IN };

/**
 * struct vmm_emulation - a vCPU's emulation; [v] throughout
 * @e: the library's state
 * @vcpu: owner
 * @need: what user space has been asked for
 * @reads: device reads that this iteration has done
 * @nreads: how many
 * @read_at: how many of them the present execution has passed
 * @commits: e.commits for which @reads holds
 * @writes: device writes for user space, in order
 * @nwrites: how many
 * @write_at: how many of them user space has seen
 * @pio: the string or port input or output under way in vcpu->pio_data
 * @pio_in_valid: input for @pio has arrived
 * @pio_out: output is to be shown to user space
 * @hint_la: linear address whose translation the exit has given
 * @hint_gpa: its guest-physical address
 * @hint_access: VMM_ACCESS_* the CPU has checked there
 * @halt: HLT was executed
 * @tpr_lowered: CR8 was lowered, and user space holds the LAPIC
 * @mov_reg: insn.c: register that a load from a device goes to
 * @mov_size: bytes of that load
 * @mov_merge: the rest of the register keeps its value
 * @trap: RFLAGS.TF was set when the instruction began
 */
struct vmm_emulation {
	struct emul e;
	struct vmm_vcpu *vcpu;
	enum need need;
	struct fragment reads[MAX_READS];
	unsigned int nreads, read_at;
	u32 commits;
	struct fragment writes[MAX_WRITES];
	unsigned int nwrites, write_at;
	struct {
		u16 port;
		u8 size;
		u32 count;
	} pio;
	bool pio_in_valid, pio_out;
	u64 hint_la, hint_gpa;
	u32 hint_access;
	u8 mov_reg, mov_size;
	bool mov_merge;
	bool halt, tpr_lowered, trap;
};

static inline struct vmm_emulation *to_em(struct emul *e)
{
	return container_of(e, struct vmm_emulation, e);
}

static inline struct vmm_vcpu *to_vcpu(struct emul *e)
{
	return to_em(e)->vcpu;
}

/* A new iteration of a REP instruction has begun: its reads are new ones */
static inline void new_iteration(struct vmm_emulation *em)
{
	if (em->commits == em->e.commits)
		return;
	em->commits = em->e.commits;
	em->nreads = 0;
	em->read_at = 0;
	em->pio_in_valid = false;
}

/* emulate.c */
void vmm_emulation_load(struct vmm_emulation *em, bool gprs);
void vmm_emulation_store(struct vmm_emulation *em);
int vmm_emulation_raise(struct vmm_vcpu *vcpu, const struct emul_fault *fault, u8 insn_len);

int vmm_fill_mmio_exit(struct vmm_vcpu *vcpu, u64 gpa, u32 len, const u64 *data);

/* pio.c */
enum emul_status vmm_emulate_in(struct emul *e, u16 port, unsigned int size, unsigned int count,
				void *buf);
enum emul_status vmm_emulate_out(struct emul *e, u16 port, unsigned int size, unsigned int count,
				 const void *buf);
void vmm_fill_pio_exit(struct vmm_vcpu *vcpu, u16 port, u8 size, u32 count, bool in);

/* emulate_vector.c */
void vmm_emulate_get_xmm(struct emul *e, unsigned int reg, void *buf, unsigned int len);
void vmm_emulate_set_xmm(struct emul *e, unsigned int reg, const void *buf, unsigned int len,
			 bool zero_upper);
void vmm_emulate_get_mmx(struct emul *e, unsigned int reg, u64 *val);
void vmm_emulate_set_mmx(struct emul *e, unsigned int reg, u64 val);
enum emul_status vmm_emulate_fpu(struct emul *e, enum emul_fpu_op op, void *buf);

#endif /* VMM_EMULATE_H */
