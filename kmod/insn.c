// SPDX-License-Identifier: GPL-2.0-only
/*
 * The instructions that exit most, recognised without the decoder: how long one is where
 * the CPU does not say, which register a MOV to or from a control register names, and a
 * plain MOV to or from a device.
 *
 * Only 64-bit code, in the forms that compilers emit. Whatever looks different here is
 * the decoder's and the emulator's, which get it right at twenty times the price; so the
 * first thing that does not fit ends the attempt, with nothing changed.
 */
#include <linux/uaccess.h>

#include "emulate.h"

#define INSN_MAX	15

/* Entries of the guest's tables, SDM 4.5 */
#define PT_PRESENT	BIT_ULL(0)
#define PT_PS		BIT_ULL(7)
#define PT_ADDR		GENMASK_ULL(51, 12)

/* Of the instructions that exit by themselves: what they look like without prefixes. */
static const struct {
	u8 len, byte[3];
} plain[VMM_NR_EXITS] = {
	[VMM_EXIT_CPUID]	= { 2, { 0x0f, 0xa2 } },
	[VMM_EXIT_HLT]		= { 1, { 0xf4 } },
	[VMM_EXIT_INVD]		= { 2, { 0x0f, 0x08 } },
	[VMM_EXIT_WBINVD]	= { 2, { 0x0f, 0x09 } },
	[VMM_EXIT_RDPMC]	= { 2, { 0x0f, 0x33 } },
	[VMM_EXIT_HYPERCALL]	= { 3, { 0x0f, 0x01, 0xd9 } },
	[VMM_EXIT_RDMSR]	= { 2, { 0x0f, 0x32 } },
	[VMM_EXIT_WRMSR]	= { 2, { 0x0f, 0x30 } },
	[VMM_EXIT_XSETBV]	= { 3, { 0x0f, 0x01, 0xd1 } },
};

/*
 * The bytes at RIP, as far as they lie in one page. The CPU itself has just fetched
 * them: rights, reserved bits and accessed flags have been seen to, and nothing but the
 * address is looked for. Returns how many, 0 for none: not 64-bit code, near a page's
 * end, or the tables do not (or no longer) map it to memory.
 *
 * The guest's tables and its code lie in one slot as a rule, two at most times: a slot is
 * opened once for all that is read there one after the other.
 */
static unsigned int fetch(struct vmm_vcpu *vcpu, u8 insn[16])
{
	unsigned int shift = vmm_cr4(vcpu) & X86_CR4_LA57 ? 48 : 39;
	u64 entry = vmm_cr3(vcpu), gva = vmm_rip(vcpu), gpa, offset, size, word[2];
	struct vmm_slot *slot;
	unsigned long hva;
	bool code = false;

	if (!vmm_64bit_mode(vcpu) || offset_in_page(gva) > PAGE_SIZE - 16)
		return 0;
	gpa = (entry & PT_ADDR) + ((gva >> shift) & 511) * sizeof(entry);
another_slot:
	slot = vmm_vcpu_find_slot(vcpu, gpa >> PAGE_SHIFT);
	if (!slot)
		return 0;
	hva = slot->userspace_addr;
	size = slot->npages << PAGE_SHIFT;
	if (!user_read_access_begin((void __user *)hva, size))
		return 0;
	for (;;) {
		offset = gpa - (slot->base_gfn << PAGE_SHIFT);
		if (unlikely(offset >= size)) {
			user_read_access_end();
			goto another_slot;
		}
		offset = array_index_nospec(offset, size);
		if (code)
			break;
		unsafe_get_user(entry, (u64 __user *)(hva + offset), fault);
		if (!(entry & PT_PRESENT))
			goto fault;
		code = shift == 12 || ((entry & PT_PS) && shift <= 30);
		if (code) {
			gpa = (entry & PT_ADDR & ~(BIT_ULL(shift) - 1)) |
			      (gva & (BIT_ULL(shift) - 1));
		} else {
			shift -= 9;
			gpa = (entry & PT_ADDR) + ((gva >> shift) & 511) * sizeof(entry);
		}
	}
	/* Slots end with a page, and the code ends before. */
	unsafe_get_user(word[0], (u64 __user *)(hva + offset), fault);
	unsafe_get_user(word[1], (u64 __user *)(hva + offset + 8), fault);
	user_read_access_end();
	memcpy(insn, word, 16);
	return INSN_MAX;
fault:
	user_read_access_end();
	return 0;
}

/**
 * vmm_insn_length() - length of the instruction that has exited, if it is a plain one
 * @vcpu: vCPU thread, SRCU held, RIP at the instruction; may sleep
 *
 * Return: bytes, or 0: ask the decoder.
 */
unsigned int vmm_insn_length(struct vmm_vcpu *vcpu)
{
	unsigned int i, len = plain[vcpu->exit.reason].len;
	u8 insn[16];

	if (!len || !fetch(vcpu, insn))
		return 0;
	for (i = 0; i < len; i++)
		if (insn[i] != plain[vcpu->exit.reason].byte[i])
			return 0;
	return len;
}

/**
 * vmm_insn_mov_cr() - fill in vcpu->exit.cr for a MOV to or from a control register
 * @vcpu: as for vmm_insn_length(); the exit's register number is known
 * @write: MOV to the register
 *
 * SDM volume 2, MOV (control registers): 0F 22 /r and 0F 20 /r, the mod bits ignored.
 *
 * Return: true; false: it is another instruction, or the decoder's.
 */
bool vmm_insn_mov_cr(struct vmm_vcpu *vcpu, bool write)
{
	u8 insn[16], *p = insn, rex = 0;

	if (!fetch(vcpu, insn))
		return false;
	if ((*p & 0xf0) == 0x40)
		rex = *p++;
	if (p[0] != 0x0f || p[1] != (write ? 0x22 : 0x20) ||
	    ((p[2] >> 3 & 7) | (rex & 4) << 1) != vcpu->exit.cr.nr)
		return false;
	vcpu->exit.cr.gpr = (p[2] & 7) | (rex & 1) << 3;
	vcpu->exit.cr.decoded = true;
	vcpu->exit.insn_len = p + 3 - insn;
	return true;
}

/* ---- MOV to and from devices ------------------------------------------------------- */

#define REX_W	8
#define REX_R	4
#define REX_X	2
#define REX_B	1

struct mov {
	u8 size;		/* of the memory operand, bytes */
	u8 reg;			/* the other one */
	bool store, immediate;
	u64 value;		/* to store */
	u64 address;		/* effective; segment bases are 0 */
	u8 len;
};

static s32 signed32(const u8 *p)
{
	s32 value;

	memcpy(&value, p, sizeof(value));
	return value;
}

/* SDM volume 2, 2.1.5: ModRM, SIB and displacement in 64-bit mode. Returns what follows. */
static const u8 *effective_address(struct vmm_vcpu *vcpu, const u8 *p, u8 rex, u64 *address,
				   bool *rip_relative)
{
	unsigned int mod = *p >> 6, rm = *p & 7, base, index;

	p++;
	*address = 0;
	*rip_relative = false;
	if (rm == 4) {
		base = *p & 7;
		index = (*p >> 3 & 7) | (rex & REX_X) << 2;
		if (index != VMM_RSP)
			*address = vmm_reg(vcpu, index) << (*p >> 6);
		p++;
		if (base == 5 && !mod)
			mod = 2;
		else
			*address += vmm_reg(vcpu, base | (rex & REX_B) << 3);
	} else if (rm == 5 && !mod) {
		*rip_relative = true;
		mod = 2;
	} else {
		*address = vmm_reg(vcpu, rm | (rex & REX_B) << 3);
	}
	if (mod == 1) {
		*address += (s8)*p;
		p += 1;
	} else if (mod == 2) {
		*address += signed32(p);
		p += 4;
	}
	return p;
}

/* The forms of MOV and MOVZX between a register or an immediate and memory. */
static bool decode_mov(struct vmm_vcpu *vcpu, const u8 *insn, struct mov *mov)
{
	const u8 *p = insn;
	bool narrow = false, rip_relative, byte_reg;
	u8 rex = 0, opcode;

	if (*p == 0x66) {
		narrow = true;
		p++;
	}
	if ((*p & 0xf0) == 0x40)
		rex = *p++;
	opcode = *p++;
	mov->size = rex & REX_W ? 8 : narrow ? 2 : 4;
	mov->store = mov->immediate = byte_reg = false;
	switch (opcode) {
	case 0x88:
		mov->size = 1;
		mov->store = byte_reg = true;
		break;
	case 0x89:
		mov->store = true;
		break;
	case 0x8a:
		mov->size = 1;
		byte_reg = true;
		break;
	case 0x8b:
		break;
	case 0xc6:
		mov->size = 1;
		fallthrough;
	case 0xc7:
		if (*p >> 3 & 7)
			return false;
		mov->store = mov->immediate = true;
		break;
	case 0x0f:
		if (narrow || (*p != 0xb6 && *p != 0xb7))
			return false;
		/* The register is written whole: by a MOV of the operand's size, zero-extended. */
		mov->size = *p++ == 0xb6 ? 1 : 2;
		break;
	case 0xa0 ... 0xa3:
		/* RAX and a 64-bit address */
		if (!(opcode & 1))
			mov->size = 1;
		mov->store = opcode & 2;
		mov->reg = VMM_RAX;
		memcpy(&mov->address, p, sizeof(mov->address));
		mov->value = vmm_reg(vcpu, VMM_RAX);
		mov->len = p + sizeof(mov->address) - insn;
		vcpu->emulation->mov_merge = mov->size < 4;
		return true;
	default:
		return false;
	}
	if (*p >> 6 == 3)
		return false;
	mov->reg = (*p >> 3 & 7) | (rex & REX_R) << 1;
	/* AH to BH */
	if (byte_reg && !rex && mov->reg >= 4)
		return false;
	p = effective_address(vcpu, p, rex, &mov->address, &rip_relative);
	if (mov->immediate) {
		switch (mov->size) {
		case 1:
			mov->value = *p;
			p += 1;
			break;
		case 2:
			mov->value = *p | p[1] << 8;
			p += 2;
			break;
		default:
			mov->value = (s64)signed32(p);
			p += 4;
			break;
		}
	} else if (mov->store) {
		mov->value = vmm_reg(vcpu, mov->reg);
	}
	mov->len = p - insn;
	if (rip_relative)
		mov->address += vmm_rip(vcpu) + mov->len;
	/* MOV to an 8-bit or 16-bit register leaves the rest of it alone; MOVZX does not. */
	vcpu->emulation->mov_merge = opcode != 0x0f && mov->size < 4;
	return mov->len <= INSN_MAX;
}

static void load_register(struct vmm_vcpu *vcpu, u64 value)
{
	const struct vmm_emulation *em = vcpu->emulation;
	u64 mask = em->mov_size < 8 ? BIT_ULL(em->mov_size * 8) - 1 : ~0ull;

	value &= mask;
	if (em->mov_merge)
		value |= vmm_reg(vcpu, em->mov_reg) & ~mask;
	vmm_set_reg(vcpu, em->mov_reg, value);
}

static int complete_load(struct vmm_vcpu *vcpu)
{
	u64 data;

	memcpy(&data, vcpu->run->mmio.data, sizeof(data));
	load_register(vcpu, data);
	return vmm_skip_instruction(vcpu);
}

/* What the exit says of the access must be true of the instruction now in memory. */
static bool fits(struct vmm_vcpu *vcpu, u64 gpa, const struct mov *mov)
{
	const struct vmm_exit *x = &vcpu->exit;

	if (x->memory.gva_valid && x->memory.gva != mov->address)
		return false;
	return !((mov->address ^ gpa) & ~PAGE_MASK) &&
	       (gpa & ~PAGE_MASK) + mov->size <= PAGE_SIZE &&
	       mov->store == !!(x->memory.access & VMM_ACCESS_WRITE);
}

/**
 * vmm_insn_mmio() - do a MOV that touched a device
 * @vcpu: vCPU thread, SRCU held, after a memory exit with no event in delivery; where
 * interrupts are off, page faults are, too
 * @gpa: guest-physical address of the access
 *
 * The exit has translated the operand and checked its rights. The instruction is read
 * again, and another vCPU may have changed it meanwhile: it is done only if it is an
 * access of the same kind to the same address.
 *
 * Return: as an exit handler; VMM_NOT_NOW: nothing has happened, it is the emulator's, or
 * needs interrupts on.
 */
int vmm_insn_mmio(struct vmm_vcpu *vcpu, u64 gpa)
{
	struct vmm_emulation *em = vcpu->emulation;
	struct mov mov;
	u8 insn[16];
	u64 data = 0;
	int r, unanswered;

	if (vcpu->exit.memory.access & (VMM_ACCESS_GUEST_PT | VMM_ACCESS_EXEC) ||
	    vmm_rflags(vcpu) & X86_EFLAGS_TF || !fetch(vcpu, insn) ||
	    !decode_mov(vcpu, insn, &mov) || !fits(vcpu, gpa, &mov))
		return VMM_NOT_NOW;
	if (mov.store) {
		data = mov.value;
		unanswered = vmm_bus_write(vcpu, VMM_BUS_MMIO, gpa, mov.size, &data);
	} else {
		unanswered = vmm_bus_read(vcpu, VMM_BUS_MMIO, gpa, mov.size, &data);
	}
	if (unlikely(unanswered == -EAGAIN))
		return VMM_NOT_NOW;
	vcpu->exit.insn_len = mov.len;
	vcpu->stats.insn_emulation++;
	vcpu->stats.mmio_exits++;
	if (mov.store) {
		/* The store is done; that a device in user space sees it is all that may be left. */
		r = vmm_skip_instruction(vcpu);
		return unanswered && r > 0 ? vmm_fill_mmio_exit(vcpu, gpa, mov.size, &data) : r;
	}
	em->mov_reg = mov.reg;
	em->mov_size = mov.size;
	if (unanswered) {
		vmm_complete_with(vcpu, complete_load);
		return vmm_fill_mmio_exit(vcpu, gpa, mov.size, NULL);
	}
	load_register(vcpu, data);
	return vmm_skip_instruction(vcpu);
}
