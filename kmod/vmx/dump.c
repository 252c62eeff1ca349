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

static const struct field control_fields[] = {
	{ "pin-based", PIN_BASED_VM_EXEC_CONTROL },
	{ "cpu-based", CPU_BASED_VM_EXEC_CONTROL },
	{ "secondary", SECONDARY_VM_EXEC_CONTROL },
	{ "entry", VM_ENTRY_CONTROLS },
	{ "exit", VM_EXIT_CONTROLS },
	{ "exceptions", EXCEPTION_BITMAP },
	{ "cr0-mask", CR0_GUEST_HOST_MASK },
	{ "cr0-shadow", CR0_READ_SHADOW },
	{ "cr4-mask", CR4_GUEST_HOST_MASK },
	{ "cr4-shadow", CR4_READ_SHADOW },
	{ "tpr-threshold", TPR_THRESHOLD },
	{ "tsc-offset", TSC_OFFSET },
	{ "io-bitmap-a", IO_BITMAP_A },
	{ "io-bitmap-b", IO_BITMAP_B },
	{ "msr-bitmap", MSR_BITMAP },
	{ "virtual-apic", VIRTUAL_APIC_PAGE_ADDR },
	{ "entry-event", VM_ENTRY_INTR_INFO_FIELD },
	{ "entry-error-code", VM_ENTRY_EXCEPTION_ERROR_CODE },
	{ "entry-insn-len", VM_ENTRY_INSTRUCTION_LEN },
	{ "exit-reason", VM_EXIT_REASON },
	{ "qualification", EXIT_QUALIFICATION },
	{ "exit-event", VM_EXIT_INTR_INFO },
	{ "exit-error-code", VM_EXIT_INTR_ERROR_CODE },
	{ "vectoring", IDT_VECTORING_INFO_FIELD },
	{ "vectoring-code", IDT_VECTORING_ERROR_CODE },
	{ "exit-insn-len", VM_EXIT_INSTRUCTION_LEN },
	{ "gpa", GUEST_PHYSICAL_ADDRESS },
	{ "gva", GUEST_LINEAR_ADDRESS },
	{ "insn-error", VM_INSTRUCTION_ERROR },
};

static const struct field guest_fields[] = {
	{ "cr0", GUEST_CR0 },
	{ "cr3", GUEST_CR3 },
	{ "cr4", GUEST_CR4 },
	{ "efer", GUEST_IA32_EFER },
	{ "pat", GUEST_IA32_PAT },
	{ "dr7", GUEST_DR7 },
	{ "debugctl", GUEST_IA32_DEBUGCTL },
	{ "rsp", GUEST_RSP },
	{ "rip", GUEST_RIP },
	{ "rflags", GUEST_RFLAGS },
	{ "interruptibility", GUEST_INTERRUPTIBILITY_INFO },
	{ "activity", GUEST_ACTIVITY_STATE },
	{ "pending-debug", GUEST_PENDING_DBG_EXCEPTIONS },
	{ "pdpte0", GUEST_PDPTR0 },
	{ "pdpte1", GUEST_PDPTR1 },
	{ "pdpte2", GUEST_PDPTR2 },
	{ "pdpte3", GUEST_PDPTR3 },
	{ "gdtr-base", GUEST_GDTR_BASE },
	{ "gdtr-limit", GUEST_GDTR_LIMIT },
	{ "idtr-base", GUEST_IDTR_BASE },
	{ "idtr-limit", GUEST_IDTR_LIMIT },
	{ "sysenter-cs", GUEST_SYSENTER_CS },
	{ "sysenter-esp", GUEST_SYSENTER_ESP },
	{ "sysenter-eip", GUEST_SYSENTER_EIP },
	{ "link", VMCS_LINK_POINTER },
};

static const struct field host_fields[] = {
	{ "cr0", HOST_CR0 },
	{ "cr3", HOST_CR3 },
	{ "cr4", HOST_CR4 },
	{ "efer", HOST_IA32_EFER },
	{ "pat", HOST_IA32_PAT },
	{ "cs", HOST_CS_SELECTOR },
	{ "ss", HOST_SS_SELECTOR },
	{ "ds", HOST_DS_SELECTOR },
	{ "es", HOST_ES_SELECTOR },
	{ "fs", HOST_FS_SELECTOR },
	{ "gs", HOST_GS_SELECTOR },
	{ "tr", HOST_TR_SELECTOR },
	{ "sysenter-cs", HOST_IA32_SYSENTER_CS },
};

static void dump_fields(const char *what, const struct field *fields, int n)
{
	char line[160];
	int i, len = 0;

	for (i = 0; i < n; i++) {
		len += scnprintf(line + len, sizeof(line) - len, " %s %llx", fields[i].name,
				 vmcs_read(fields[i].encoding));
		if (i % 5 == 4 || i == n - 1) {
			printk(KERN_DEBUG pr_fmt("%s:%s\n"), what, line);
			len = 0;
		}
	}
}

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
	int seg;

	printk(KERN_DEBUG pr_fmt("%s: vCPU %d: VMCS after exit %#x, VPID %u, EPTP %llx\n"),
	       vcpu->vm->name, vcpu->id, vcpu->exit.hw_reason, to_vmx(vcpu)->vpid,
	       to_vmx(vcpu)->eptp);
	dump_fields("control", control_fields, ARRAY_SIZE(control_fields));
	dump_fields("guest", guest_fields, ARRAY_SIZE(guest_fields));
	for (seg = 0; seg < VMM_NR_SEGS; seg++) {
		printk(KERN_DEBUG pr_fmt("guest: %-4s selector %04llx base %016llx limit %08llx rights %05llx\n"),
		       name, vmcs_read(GUEST_ES_SELECTOR + 2 * seg),
		       vmcs_read(GUEST_ES_BASE + 2 * seg), vmcs_read(GUEST_ES_LIMIT + 2 * seg),
		       vmcs_read(GUEST_ES_AR_BYTES + 2 * seg));
		name += strlen(name) + 1;
	}
	dump_fields("host", host_fields, ARRAY_SIZE(host_fields));
}
