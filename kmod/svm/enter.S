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
#include "enter.h"

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
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
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

	mov	REG_RCX(%rdi), %rcx
	mov	REG_RDX(%rdi), %rdx
	mov	REG_RBX(%rdi), %rbx
	mov	REG_RBP(%rdi), %rbp
	mov	REG_RSI(%rdi), %rsi
	mov	REG_R8(%rdi), %r8
	mov	REG_R9(%rdi), %r9
	mov	REG_R10(%rdi), %r10
	mov	REG_R11(%rdi), %r11
	mov	REG_R12(%rdi), %r12
	mov	REG_R13(%rdi), %r13
	mov	REG_R14(%rdi), %r14
	mov	REG_R15(%rdi), %r15
	mov	REG_RDI(%rdi), %rdi

#ifdef VM_CLEAR_CPU_BUFFERS
	VM_CLEAR_CPU_BUFFERS
#endif
	vmrun	%rax
	cli

	/* RAX is the host's again: the VMCB. No RET and no indirect branch yet. */
	vmsave	%rax

	mov	8(%rsp), %rax
	mov	%rcx, REG_RCX(%rax)
	mov	%rdx, REG_RDX(%rax)
	mov	%rbx, REG_RBX(%rax)
	mov	%rbp, REG_RBP(%rax)
	mov	%rsi, REG_RSI(%rax)
	mov	%rdi, REG_RDI(%rax)
	mov	%r8, REG_R8(%rax)
	mov	%r9, REG_R9(%rax)
	mov	%r10, REG_R10(%rax)
	mov	%r11, REG_R11(%rax)
	mov	%r12, REG_R12(%rax)
	mov	%r13, REG_R13(%rax)
	mov	%r14, REG_R14(%rax)
	mov	%r15, REG_R15(%rax)

	mov	(%rsp), %rsi
	mov	ENTRY_HOST(%rsi), %rax
	vmload	%rax

	/* The guest may have left return addresses of its own for our RETs. */
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT

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

	/* Nothing of the guest's stays in a register that speculation could use. */
	xor	%eax, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%ebx, %ebx
	xor	%ebp, %ebp
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d

	stgi
.Lout:
	pop	%rsi
	pop	%rdi
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET

.Lno_svm:
	mov	$1, %eax
	jmp	.Lout

	_ASM_EXTABLE(.Lclgi, .Lno_svm)
SYM_FUNC_END(svm_enter)
STACK_FRAME_NON_STANDARD_FP svm_enter
