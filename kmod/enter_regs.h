/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The general registers around an entry, for both backends' assembly: the guest's are
 * vcpu->regs[], in the order of enum vmm_reg.
 */
#ifndef VMM_ENTER_REGS_H
#define VMM_ENTER_REGS_H

#include <linux/objtool.h>
#include <asm/alternative.h>
#include <asm/nospec-branch.h>

#define REG_RAX		0
#define REG_RDI		(7 * 8)

	.macro LOAD_REG nr, reg, regs
	mov	8 * \nr(\regs), \reg
	.endm

	.macro STORE_REG nr, reg, regs
	mov	\reg, 8 * \nr(\regs)
	.endm

/* LOAD_REG or STORE_REG for all of the guest's but RAX, RSP and RDI; \regs holds regs[] */
	.macro EACH_GUEST_REG do, regs
	\do	1, %rcx, \regs
	\do	2, %rdx, \regs
	\do	3, %rbx, \regs
	\do	5, %rbp, \regs
	\do	6, %rsi, \regs
	\do	8, %r8, \regs
	\do	9, %r9, \regs
	\do	10, %r10, \regs
	\do	11, %r11, \regs
	\do	12, %r12, \regs
	\do	13, %r13, \regs
	\do	14, %r14, \regs
	\do	15, %r15, \regs
	.endm

/* Nothing of the guest's stays where speculation in the host could use it; RBX is the caller's. */
	.macro CLEAR_GUEST_REGS
	.irp	reg, eax, ecx, edx, ebp, esi, edi, r8d, r9d, r10d, r11d, r12d, r13d, r14d, r15d
	xor	%\reg, %\reg
	.endr
	.endm

/*
 * The return buffer holds what the guest's CALLs left there, for our RETs to be speculated
 * to: fill it. What needs it is as for the kernel's FILL_RETURN_BUFFER; unrolled it takes
 * half as many instructions and has no branch that could be mispredicted.
 */
	.macro FILL_RSB_ENTRIES nr
	.rept	\nr
	ANNOTATE_INTRA_FUNCTION_CALL
	call	772f
	int3
772:
	.endr
	add	$(8 * \nr), %rsp
	/* The CALLs have retired before any RET (post-barrier RSB predictions). */
	lfence
	.endm

	.macro FILL_RSB all:req one=ALT_NOT(X86_FEATURE_ALWAYS)
	ALTERNATIVE_2 "jmp .Lrsb_filled_\@", "", \all, "jmp .Lrsb_one_\@", \one
	FILL_RSB_ENTRIES RSB_CLEAR_LOOPS
#ifdef CREDIT_CALL_DEPTH
	CREDIT_CALL_DEPTH
#endif
	jmp	.Lrsb_filled_\@
.Lrsb_one_\@:
	FILL_RSB_ENTRIES 1
.Lrsb_filled_\@:
	.endm

/* What the calling convention wants kept. */
	.macro PUSH_HOST_REGS
	.irp	reg, rbp, r15, r14, r13, r12, rbx
	push	%\reg
	.endr
	.endm

	.macro POP_HOST_REGS
	.irp	reg, rbx, r12, r13, r14, r15, rbp
	pop	%\reg
	.endr
	.endm

#endif /* VMM_ENTER_REGS_H */
