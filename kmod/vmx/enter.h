/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What enter.S and C share. Bits 31 and 30 of the flags are where they are so that
 * doubling the word puts them into CF and SF, which survive the loads of the
 * guest's registers (MOV changes no flag, VERW only ZF).
 */
#ifndef VMX_ENTER_H
#define VMX_ENTER_H

#define VMX_ENTER_RESUME	(1 << 31)	/* VMRESUME, else VMLAUNCH */
#define VMX_ENTER_VERW		(1 << 30)
#define VMX_ENTER_SPEC_CTRL_BIT	0		/* the guest has an IA32_SPEC_CTRL of its own */
#define VMX_ENTER_SPEC_READ_BIT	1		/* ... and writes it without exits: read it back */
#define VMX_ENTER_SPEC_ALWAYS_BIT 2		/* write the host's back even when it is equal */

/* Offsets in struct vmx_enter_state. */
#define VMX_ENTER_HOST_RSP	0
#define VMX_ENTER_GUEST_SPEC	8

#ifndef __ASSEMBLY__
struct vmx_enter_state {
	u64 host_rsp;		/* what HOST_RSP holds */
	u64 spec_ctrl;		/* the guest's IA32_SPEC_CTRL */
};

/*
 * Enter the guest, from noinstr code with interrupts off. Returns 0 after an exit,
 * 1 when VMLAUNCH or VMRESUME failed (or faulted, when VMX operation is over).
 */
unsigned int vmx_enter(unsigned long *regs, u32 flags, struct vmx_enter_state *state);
void vmx_exit_point(void);	/* HOST_RIP */
#endif

#endif /* VMX_ENTER_H */
