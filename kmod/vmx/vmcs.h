/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMX instructions (SDM 31). Field encodings and control bits are the kernel's
 * <asm/vmx.h>.
 *
 * Each has an exception fixup: at reboot VMX operation ends under running threads
 * and the instructions then raise #UD; that counts as failure, said quietly.
 */
#ifndef VMX_VMCS_H
#define VMX_VMCS_H

#include <linux/compiler.h>
#include <linux/types.h>
#include <asm/asm.h>
#include <asm/vmx.h>

/* Not in <asm/vmx.h> of every kernel: basic exit reasons (SDM appendix C). */
#define VMX_REASON_GETSEC	11
#define VMX_REASON_RSM		17
#define VMX_REASON_ENCLV	70
#define VMX_REASON_SEAMCALL	76
#define VMX_REASON_TDCALL	77

/* Its name in older kernels. */
#ifndef SECONDARY_EXEC_ENABLE_XSAVES
#define SECONDARY_EXEC_ENABLE_XSAVES	SECONDARY_EXEC_XSAVES
#endif

struct vmcs {
	u32 revision_id;	/* bit 31: shadow VMCS */
	u32 abort;
	u8 data[];
};

void vmx_insn_failed(const char *insn, u64 operand);

/* The field in a register, whatever its width: narrower fields are zero-extended. */
static __always_inline u64 vmcs_read(unsigned long field)
{
	u64 value;

	asm_goto_output("1: vmread %[field], %[value]\n\t"
			"jbe %l[fail]\n\t"
			_ASM_EXTABLE(1b, %l[fail])
			: [value] "=r" (value)
			: [field] "r" (field)
			: "cc"
			: fail);
	return value;
fail:
	instrumentation_begin();
	vmx_insn_failed("VMREAD", field);
	instrumentation_end();
	return 0;
}

static __always_inline void vmcs_write(unsigned long field, u64 value)
{
	asm_goto_output("1: vmwrite %[value], %[field]\n\t"
			"jbe %l[fail]\n\t"
			_ASM_EXTABLE(1b, %l[fail])
			:
			: [value] "rm" (value), [field] "r" (field)
			: "cc"
			: fail);
	return;
fail:
	instrumentation_begin();
	vmx_insn_failed("VMWRITE", field);
	instrumentation_end();
}

#define VMX_PHYS_INSN(name, insn)					\
static __always_inline void name(u64 pa)				\
{									\
	asm_goto_output("1: " insn " %[pa]\n\t"				\
			"jbe %l[fail]\n\t"				\
			_ASM_EXTABLE(1b, %l[fail])			\
			:						\
			: [pa] "m" (pa)					\
			: "cc", "memory"				\
			: fail);					\
	return;								\
fail:									\
	vmx_insn_failed(insn, pa);					\
}

VMX_PHYS_INSN(vmx_vmclear, "vmclear")
VMX_PHYS_INSN(vmx_vmptrld, "vmptrld")

/* 0, or -EIO */
int vmx_vmxon(u64 pa);
void vmx_vmxoff(void);

#define VMX_INV_INSN(name, insn)					\
static __always_inline void name(unsigned long type, u64 first, u64 second) \
{									\
	const struct { u64 first, second; } descriptor = { first, second }; \
									\
	asm_goto_output("1: " insn " %[desc], %[type]\n\t"		\
			"jbe %l[fail]\n\t"				\
			_ASM_EXTABLE(1b, %l[fail])			\
			:						\
			: [desc] "m" (descriptor), [type] "r" (type)	\
			: "cc", "memory"				\
			: fail);					\
	return;								\
fail:									\
	vmx_insn_failed(insn, first);					\
}

VMX_INV_INSN(vmx_invept, "invept")
VMX_INV_INSN(vmx_invvpid, "invvpid")

#endif /* VMX_VMCS_H */
