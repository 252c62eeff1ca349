// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMCS in the kernel log, for the day an entry fails.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include "vmx/vmx.h"

struct field {
	const char *name;
	unsigned long encoding;
};

#define F(field)	{ #field, field }

static const struct field fields[] = {
	F(PIN_BASED_VM_EXEC_CONTROL), F(CPU_BASED_VM_EXEC_CONTROL),
	F(SECONDARY_VM_EXEC_CONTROL), F(VM_ENTRY_CONTROLS), F(VM_EXIT_CONTROLS),
	F(EXCEPTION_BITMAP), F(CR0_GUEST_HOST_MASK), F(CR0_READ_SHADOW), F(CR4_GUEST_HOST_MASK),
	F(CR4_READ_SHADOW), F(TPR_THRESHOLD), F(TSC_OFFSET), F(IO_BITMAP_A), F(IO_BITMAP_B),
	F(MSR_BITMAP), F(VIRTUAL_APIC_PAGE_ADDR), F(VM_ENTRY_INTR_INFO_FIELD),
	F(VM_ENTRY_EXCEPTION_ERROR_CODE), F(VM_ENTRY_INSTRUCTION_LEN), F(VM_EXIT_REASON),
	F(EXIT_QUALIFICATION), F(VM_EXIT_INTR_INFO), F(VM_EXIT_INTR_ERROR_CODE),
	F(IDT_VECTORING_INFO_FIELD), F(IDT_VECTORING_ERROR_CODE), F(VM_EXIT_INSTRUCTION_LEN),
	F(GUEST_PHYSICAL_ADDRESS), F(GUEST_LINEAR_ADDRESS), F(VM_INSTRUCTION_ERROR),
	F(GUEST_CR0), F(GUEST_CR3), F(GUEST_CR4), F(GUEST_IA32_EFER), F(GUEST_IA32_PAT),
	F(GUEST_DR7), F(GUEST_IA32_DEBUGCTL), F(GUEST_RSP), F(GUEST_RIP), F(GUEST_RFLAGS),
	F(GUEST_INTERRUPTIBILITY_INFO), F(GUEST_ACTIVITY_STATE),
	F(GUEST_PENDING_DBG_EXCEPTIONS), F(GUEST_PDPTR0), F(GUEST_PDPTR1), F(GUEST_PDPTR2),
	F(GUEST_PDPTR3), F(GUEST_GDTR_BASE), F(GUEST_GDTR_LIMIT), F(GUEST_IDTR_BASE),
	F(GUEST_IDTR_LIMIT), F(GUEST_SYSENTER_CS), F(GUEST_SYSENTER_ESP), F(GUEST_SYSENTER_EIP),
	F(VMCS_LINK_POINTER),
	F(HOST_CR0), F(HOST_CR3), F(HOST_CR4), F(HOST_IA32_EFER), F(HOST_IA32_PAT),
	F(HOST_CS_SELECTOR), F(HOST_SS_SELECTOR), F(HOST_DS_SELECTOR), F(HOST_ES_SELECTOR),
	F(HOST_FS_SELECTOR), F(HOST_GS_SELECTOR), F(HOST_TR_SELECTOR), F(HOST_IA32_SYSENTER_CS),
};

/**
 * vmx_dump() - write the VMCS to the log at debug level
 * @vcpu: loaded; the caller limits the rate
 *
 * Addresses of the host's (stack, per-CPU areas, entry point) are left out.
 */
void vmx_dump(struct vmm_vcpu *vcpu)
{
	static const char names[] = "es\0cs\0ss\0ds\0fs\0gs\0ldtr\0tr";
	const char *name = names;
	char line[160];
	int i, seg, len = 0;

	printk(KERN_DEBUG pr_fmt("%s: vCPU %d: VMCS after exit %#x, VPID %u, EPTP %llx\n"),
	       vcpu->vm->name, vcpu->id, vcpu->exit.hw_reason, to_vmx(vcpu)->vpid,
	       to_vmx(vcpu)->eptp);
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		len += scnprintf(line + len, sizeof(line) - len, " %s %llx", fields[i].name,
				 vmcs_read(fields[i].encoding));
		if (i % 3 == 2 || i == ARRAY_SIZE(fields) - 1) {
			printk(KERN_DEBUG pr_fmt("%s\n"), line + 1);
			len = 0;
		}
	}
	for (seg = 0; seg < VMM_NR_SEGS; seg++) {
		printk(KERN_DEBUG pr_fmt("guest: %-4s selector %04llx base %016llx limit %08llx rights %05llx\n"),
		       name, vmcs_read(GUEST_ES_SELECTOR + 2 * seg),
		       vmcs_read(GUEST_ES_BASE + 2 * seg), vmcs_read(GUEST_ES_LIMIT + 2 * seg),
		       vmcs_read(GUEST_ES_AR_BYTES + 2 * seg));
		name += strlen(name) + 1;
	}
}
