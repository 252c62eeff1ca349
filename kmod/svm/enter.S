/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Into the guest and out again: APM 15.5 (VMRUN), 15.6 (#VMEXIT), 15.17 (GIF).
 *
 * VMRUN and #VMEXIT switch RAX, RSP, RIP, RFLAGS, the control registers, IDTR,
 * GDTR and CS, SS, DS, ES. VMLOAD and VMSAVE switch FS, GS, TR, LDTR and the
 * SYSCALL and SYSENTER MSRs. The rest is switched here. All of it happens with
 * GIF clear: an NMI would otherwise find the guest's GS base and TSS.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/asm.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/percpu.h>
#include "enter_regs.h"
#include "svm/enter.h"

/* Older kernels have only the one for kernel entry, which does not know this case. */
#ifndef UNTRAIN_RET_VM
.macro UNTRAIN_RET_VM
	UNTRAIN_RET
	ALTERNATIVE "", "call entry_ibpb", X86_FEATURE_IBPB_ON_VMEXIT
.endm
#endif

	.section .noinstr.text, "ax"

/*
 * int svm_enter(unsigned long *regs, struct svm_entry *entry)
 *
 * Interrupts off on entry and return. 0; or 1, without having entered, when SVM
 * was turned off under us (emergency reboot).
 */
SYM_FUNC_START(svm_enter)
	PUSH_HOST_REGS
	push	%rdi
	push	%rsi

.Lclgi:	clgi
	/*
	 * With V_INTR_MASKING the host's IF at VMRUN decides whether a physical
	 * interrupt ends the guest; GIF holds it off until then. Not just before
	 * VMRUN: STI's interrupt shadow would go along into the guest.
	 */
	sti

	testl	$SVM_ENTRY_LOAD_SPEC_CTRL, ENTRY_FLAGS(%rsi)
	jz	1f
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	mov	ENTRY_GUEST_SPEC_CTRL(%rsi), %eax
	mov	ENTRY_GUEST_SPEC_CTRL + 4(%rsi), %edx
	wrmsr
1:
	mov	ENTRY_VMCB(%rsi), %rax
	vmload	%rax

	EACH_GUEST_REG LOAD_REG, %rdi
	mov	REG_RDI(%rdi), %rdi

#ifdef VM_CLEAR_CPU_BUFFERS
	VM_CLEAR_CPU_BUFFERS
#endif
	vmrun	%rax
	cli

	/* RAX is the host's again: the VMCB. No RET and no indirect branch yet. */
	vmsave	%rax

	mov	8(%rsp), %rax
	EACH_GUEST_REG STORE_REG, %rax
	mov	%rdi, REG_RDI(%rax)

	mov	(%rsp), %rsi
	mov	ENTRY_HOST(%rsi), %rax
	vmload	%rax

	/* The guest may have left return addresses of its own for our RETs. */
	FILL_RSB X86_FEATURE_RSB_VMEXIT

	testl	$(SVM_ENTRY_LOAD_SPEC_CTRL | SVM_ENTRY_READ_SPEC_CTRL), ENTRY_FLAGS(%rsi)
	jz	3f
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	testl	$SVM_ENTRY_READ_SPEC_CTRL, ENTRY_FLAGS(%rsi)
	jz	2f
	rdmsr
	mov	%eax, ENTRY_GUEST_SPEC_CTRL(%rsi)
	mov	%edx, ENTRY_GUEST_SPEC_CTRL + 4(%rsi)
2:	mov	ENTRY_HOST_SPEC_CTRL(%rsi), %eax
	cmp	ENTRY_GUEST_SPEC_CTRL(%rsi), %eax
	je	3f
	mov	ENTRY_HOST_SPEC_CTRL + 4(%rsi), %edx
	wrmsr
	jmp	4f
	/* Nobody may run ahead of a WRMSR that a mispredicted branch jumped over. */
3:	lfence
4:
	UNTRAIN_RET_VM

	CLEAR_GUEST_REGS
	xor	%ebx, %ebx

	stgi
.Lout:
	pop	%rsi
	pop	%rdi
	POP_HOST_REGS
	RET

.Lno_svm:
	mov	$1, %eax
	jmp	.Lout

	_ASM_EXTABLE(.Lclgi, .Lno_svm)
SYM_FUNC_END(svm_enter)
STACK_FRAME_NON_STANDARD_FP svm_enter
