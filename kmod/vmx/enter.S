/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Into the guest and back (SDM 27 and 28).
 */
#include <linux/linkage.h>
#include <linux/stringify.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/percpu.h>
#include <asm/segment.h>
#include <asm/unwind_hints.h>

#include "enter_regs.h"
#include "vmx/enter.h"

#define VMCS_HOST_RSP	0x6c14

/* Our frame while the guest runs. */
#define FRAME_STATE	0
#define FRAME_FLAGS	8
#define FRAME_REGS	16
#define FRAME_SIZE	24

	.section .noinstr.text, "ax"

/*
 * unsigned int vmx_enter(unsigned long *regs, u32 flags, struct vmx_enter_state *state)
 */
SYM_FUNC_START(vmx_enter)
	PUSH_HOST_REGS
	push	%rdi
	push	%rsi
	push	%rdx

	cmp	%rsp, VMX_ENTER_HOST_RSP(%rdx)
	je	.Lhost_rsp_set
	mov	%rsp, VMX_ENTER_HOST_RSP(%rdx)
	mov	$VMCS_HOST_RSP, %eax
.Lwrite_rsp:
	vmwrite	%rsp, %rax
	_ASM_EXTABLE(.Lwrite_rsp, .Lfailed)
.Lhost_rsp_set:

	/* The guest's IA32_SPEC_CTRL, as late as can be: from here to the entry nothing returns. */
	bt	$VMX_ENTER_SPEC_CTRL_BIT, %esi
	jnc	.Lguest_spec_set
	mov	PER_CPU_VAR(x86_spec_ctrl_current), %rax
	mov	VMX_ENTER_GUEST_SPEC(%rdx), %r8
	cmp	%rax, %r8
	je	.Lguest_spec_set
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	mov	%r8d, %eax
	mov	%r8, %rdx
	shr	$32, %rdx
	wrmsr
.Lguest_spec_set:

	add	%esi, %esi		/* CF: resume, SF: VERW */

	mov	REG_RAX(%rdi), %rax
	EACH_GUEST_REG LOAD_REG, %rdi
	mov	REG_RDI(%rdi), %rdi

	/* Memory is not touched any more but by VERW itself, hence it comes last. */
	jns	.Lbuffers_cleared
	verw	vmx_verw_selector(%rip)
.Lbuffers_cleared:
	UNWIND_HINT_SAVE
	jnc	.Llaunch
.Lresume:
	vmresume
	jmp	.Lfailed
.Llaunch:
	vmlaunch
	jmp	.Lfailed
	_ASM_EXTABLE(.Lresume, .Lfailed)
	_ASM_EXTABLE(.Llaunch, .Lfailed)

SYM_INNER_LABEL(vmx_exit_point, SYM_L_GLOBAL)
	/* As after the entry instruction: RSP is ours, all other registers the guest's. */
	UNWIND_HINT_RESTORE
	ENDBR

	push	%rdi
	mov	FRAME_REGS + 8(%rsp), %rdi
	mov	%rax, REG_RAX(%rdi)
	EACH_GUEST_REG STORE_REG, %rdi
	pop	REG_RDI(%rdi)
	xor	%ebx, %ebx

.Lclear:
	CLEAR_GUEST_REGS

	/*
	 * Both before the first return: the return buffer holds what the guest put
	 * there, and with IBRS the guest's indirect branches stay in force until
	 * the host's value is written.
	 */
	FILL_RSB X86_FEATURE_RSB_VMEXIT, X86_FEATURE_RSB_VMEXIT_LITE

	ALTERNATIVE "jmp .Lhost_spec_set", "", X86_FEATURE_MSR_SPEC_CTRL
	mov	FRAME_FLAGS(%rsp), %rsi
	mov	FRAME_STATE(%rsp), %rdi
	mov	PER_CPU_VAR(x86_spec_ctrl_current), %r8
	mov	%r8, %r9		/* what the MSR holds: the host's, unless ... */
	bt	$VMX_ENTER_SPEC_CTRL_BIT, %esi
	jnc	.Lhave_guest_spec
	mov	VMX_ENTER_GUEST_SPEC(%rdi), %r9
	bt	$VMX_ENTER_SPEC_READ_BIT, %esi
	jnc	.Lhave_guest_spec
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	rdmsr
	shl	$32, %rdx
	or	%rdx, %rax
	mov	%rax, VMX_ENTER_GUEST_SPEC(%rdi)
	mov	%rax, %r9
.Lhave_guest_spec:
	bt	$VMX_ENTER_SPEC_ALWAYS_BIT, %esi
	jc	.Lwrite_host_spec
	cmp	%r8, %r9
	je	.Lhost_spec_barrier
.Lwrite_host_spec:
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	mov	%r8d, %eax
	mov	%r8, %rdx
	shr	$32, %rdx
	wrmsr
.Lhost_spec_barrier:
	/* The branches above may have been mispredicted past the write. */
	lfence
.Lhost_spec_set:
	CLEAR_BRANCH_HISTORY_VMEXIT

	mov	%ebx, %eax
	add	$FRAME_SIZE, %rsp
	POP_HOST_REGS
	RET

.Lfailed:
	mov	$1, %ebx
	jmp	.Lclear
SYM_FUNC_END(vmx_enter)

	.section .rodata
	.balign 2
SYM_DATA_LOCAL(vmx_verw_selector, .word __KERNEL_DS)
