/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints, in tracefs under events/vmm/. Values only, no pointers into the module,
 * so that a recorded trace means something elsewhere.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vmm

#if !defined(VMM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VMM_TRACE_H

#include <linux/tracepoint.h>

#include "vmm.h"

#define VMM_TRACE_REASONS						\
	{ VMM_EXIT_NONE,		"none" },			\
	{ VMM_EXIT_INTR,		"intr" },			\
	{ VMM_EXIT_NMI,			"nmi" },			\
	{ VMM_EXIT_IRQ_WINDOW,		"irq_window" },			\
	{ VMM_EXIT_NMI_WINDOW,		"nmi_window" },			\
	{ VMM_EXIT_EXCEPTION,		"exception" },			\
	{ VMM_EXIT_TRIPLE_FAULT,	"triple_fault" },		\
	{ VMM_EXIT_CPUID,		"cpuid" },			\
	{ VMM_EXIT_HLT,			"hlt" },			\
	{ VMM_EXIT_PAUSE,		"pause" },			\
	{ VMM_EXIT_MONITOR,		"monitor" },			\
	{ VMM_EXIT_MWAIT,		"mwait" },			\
	{ VMM_EXIT_INVD,		"invd" },			\
	{ VMM_EXIT_WBINVD,		"wbinvd" },			\
	{ VMM_EXIT_INVLPG,		"invlpg" },			\
	{ VMM_EXIT_RDPMC,		"rdpmc" },			\
	{ VMM_EXIT_HYPERCALL,		"hypercall" },			\
	{ VMM_EXIT_CR_READ,		"cr_read" },			\
	{ VMM_EXIT_CR_WRITE,		"cr_write" },			\
	{ VMM_EXIT_CLTS,		"clts" },			\
	{ VMM_EXIT_LMSW,		"lmsw" },			\
	{ VMM_EXIT_DR,			"dr" },				\
	{ VMM_EXIT_IO,			"io" },				\
	{ VMM_EXIT_RDMSR,		"rdmsr" },			\
	{ VMM_EXIT_WRMSR,		"wrmsr" },			\
	{ VMM_EXIT_XSETBV,		"xsetbv" },			\
	{ VMM_EXIT_MEMORY,		"memory" },			\
	{ VMM_EXIT_MMIO,		"mmio" },			\
	{ VMM_EXIT_TASK_SWITCH,		"task_switch" },		\
	{ VMM_EXIT_EMULATE,		"emulate" },			\
	{ VMM_EXIT_UD,			"ud" },				\
	{ VMM_EXIT_TPR_BELOW,		"tpr_below" },			\
	{ VMM_EXIT_PREEMPT_TIMER,	"preempt_timer" },		\
	{ VMM_EXIT_MCE,			"mce" },			\
	{ VMM_EXIT_FAIL_ENTRY,		"fail_entry" },			\
	{ VMM_EXIT_UNKNOWN,		"unknown" }

/* The guest is about to be entered at @rip (as far as it is known without a VMREAD). */
TRACE_EVENT(vmm_entry,
	TP_PROTO(int vcpu, unsigned long rip),
	TP_ARGS(vcpu, rip),
	TP_STRUCT__entry(
		__field(int, vcpu)
		__field(unsigned long, rip)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->rip = rip;
	),
	TP_printk("vcpu %d rip 0x%lx", __entry->vcpu, __entry->rip)
);

TRACE_EVENT(vmm_exit,
	TP_PROTO(int vcpu, unsigned long rip, unsigned int reason, u32 hw_reason, u64 qual),
	TP_ARGS(vcpu, rip, reason, hw_reason, qual),
	TP_STRUCT__entry(
		__field(int, vcpu)
		__field(unsigned int, reason)
		__field(unsigned long, rip)
		__field(u64, qual)
		__field(u32, hw_reason)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->reason = reason;
		__entry->rip = rip;
		__entry->qual = qual;
		__entry->hw_reason = hw_reason;
	),
	TP_printk("vcpu %d reason %s rip 0x%lx hw 0x%x qual 0x%llx", __entry->vcpu,
		  __print_symbolic(__entry->reason, VMM_TRACE_REASONS), __entry->rip,
		  __entry->hw_reason, __entry->qual)
);

/* A translation was missing at @gpa; @access is VMM_ACCESS_*. */
TRACE_EVENT(vmm_page_fault,
	TP_PROTO(int vcpu, unsigned long rip, u64 gpa, u32 access),
	TP_ARGS(vcpu, rip, gpa, access),
	TP_STRUCT__entry(
		__field(int, vcpu)
		__field(u32, access)
		__field(unsigned long, rip)
		__field(u64, gpa)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->access = access;
		__entry->rip = rip;
		__entry->gpa = gpa;
	),
	TP_printk("vcpu %d rip 0x%lx gpa 0x%llx %s", __entry->vcpu, __entry->rip, __entry->gpa,
		  __print_flags(__entry->access, "|",
				{ VMM_ACCESS_READ, "read" }, { VMM_ACCESS_WRITE, "write" },
				{ VMM_ACCESS_EXEC, "exec" }, { VMM_ACCESS_USER, "user" },
				{ VMM_ACCESS_PRESENT, "present" },
				{ VMM_ACCESS_GUEST_PT, "guest_pt" }))
);

TRACE_EVENT(vmm_inj_virq,
	TP_PROTO(int vcpu, unsigned int vector, bool soft, bool again),
	TP_ARGS(vcpu, vector, soft, again),
	TP_STRUCT__entry(
		__field(int, vcpu)
		__field(unsigned int, vector)
		__field(bool, soft)
		__field(bool, again)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->vector = vector;
		__entry->soft = soft;
		__entry->again = again;
	),
	TP_printk("vcpu %d vector %u%s%s", __entry->vcpu, __entry->vector,
		  __entry->soft ? " soft" : "", __entry->again ? " again" : "")
);

TRACE_EVENT(vmm_inj_exception,
	TP_PROTO(int vcpu, unsigned int vector, bool has_error, u32 error_code, bool again),
	TP_ARGS(vcpu, vector, has_error, error_code, again),
	TP_STRUCT__entry(
		__field(int, vcpu)
		__field(unsigned int, vector)
		__field(u32, error_code)
		__field(bool, has_error)
		__field(bool, again)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->vector = vector;
		__entry->error_code = has_error ? error_code : 0;
		__entry->has_error = has_error;
		__entry->again = again;
	),
	TP_printk("vcpu %d vector %u error 0x%x%s%s", __entry->vcpu, __entry->vector,
		  __entry->error_code, __entry->has_error ? "" : " (none)",
		  __entry->again ? " again" : "")
);

/* @fault: the guest got #GP for it. */
TRACE_EVENT(vmm_msr,
	TP_PROTO(int vcpu, bool write, u32 index, u64 data, bool fault),
	TP_ARGS(vcpu, write, index, data, fault),
	TP_STRUCT__entry(
		__field(int, vcpu)
		__field(u32, index)
		__field(u64, data)
		__field(bool, write)
		__field(bool, fault)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->index = index;
		__entry->data = data;
		__entry->write = write;
		__entry->fault = fault;
	),
	TP_printk("vcpu %d %s 0x%x = 0x%llx%s", __entry->vcpu,
		  __entry->write ? "write" : "read", __entry->index, __entry->data,
		  __entry->fault ? " #GP" : "")
);

TRACE_EVENT(vmm_cpuid,
	TP_PROTO(u32 function, u32 index, u32 eax, u32 ebx, u32 ecx, u32 edx, bool found),
	TP_ARGS(function, index, eax, ebx, ecx, edx, found),
	TP_STRUCT__entry(
		__field(u32, function)
		__field(u32, index)
		__field(u32, eax)
		__field(u32, ebx)
		__field(u32, ecx)
		__field(u32, edx)
		__field(bool, found)
	),
	TP_fast_assign(
		__entry->function = function;
		__entry->index = index;
		__entry->eax = eax;
		__entry->ebx = ebx;
		__entry->ecx = ecx;
		__entry->edx = edx;
		__entry->found = found;
	),
	TP_printk("leaf 0x%x.%x eax 0x%x ebx 0x%x ecx 0x%x edx 0x%x%s", __entry->function,
		  __entry->index, __entry->eax, __entry->ebx, __entry->ecx, __entry->edx,
		  __entry->found ? "" : " (absent)")
);

/* @value: what was read or written, up to four bytes; of a string, its first item. */
TRACE_EVENT(vmm_pio,
	TP_PROTO(bool in, u16 port, unsigned int size, unsigned int count, u32 value),
	TP_ARGS(in, port, size, count, value),
	TP_STRUCT__entry(
		__field(bool, in)
		__field(u16, port)
		__field(unsigned int, size)
		__field(unsigned int, count)
		__field(u32, value)
	),
	TP_fast_assign(
		__entry->in = in;
		__entry->port = port;
		__entry->size = size;
		__entry->count = count;
		__entry->value = value;
	),
	TP_printk("%s port 0x%x size %u count %u value 0x%x", __entry->in ? "in" : "out",
		  __entry->port, __entry->size, __entry->count, __entry->value)
);

TRACE_EVENT(vmm_mmio,
	TP_PROTO(bool write, u64 gpa, unsigned int size, u64 value),
	TP_ARGS(write, gpa, size, value),
	TP_STRUCT__entry(
		__field(bool, write)
		__field(unsigned int, size)
		__field(u64, gpa)
		__field(u64, value)
	),
	TP_fast_assign(
		__entry->write = write;
		__entry->size = size;
		__entry->gpa = gpa;
		__entry->value = value;
	),
	TP_printk("%s gpa 0x%llx size %u value 0x%llx", __entry->write ? "write" : "read",
		  __entry->gpa, __entry->size, __entry->value)
);

TRACE_EVENT(vmm_hypercall,
	TP_PROTO(unsigned long nr, unsigned long a0, unsigned long a1, unsigned long a2,
		 unsigned long a3),
	TP_ARGS(nr, a0, a1, a2, a3),
	TP_STRUCT__entry(
		__field(unsigned long, nr)
		__field(unsigned long, a0)
		__field(unsigned long, a1)
		__field(unsigned long, a2)
		__field(unsigned long, a3)
	),
	TP_fast_assign(
		__entry->nr = nr;
		__entry->a0 = a0;
		__entry->a1 = a1;
		__entry->a2 = a2;
		__entry->a3 = a3;
	),
	TP_printk("nr %lu a0 0x%lx a1 0x%lx a2 0x%lx a3 0x%lx", __entry->nr, __entry->a0,
		  __entry->a1, __entry->a2, __entry->a3)
);

TRACE_EVENT(vmm_set_irq,
	TP_PROTO(u32 gsi, int level, int source),
	TP_ARGS(gsi, level, source),
	TP_STRUCT__entry(
		__field(u32, gsi)
		__field(int, level)
		__field(int, source)
	),
	TP_fast_assign(
		__entry->gsi = gsi;
		__entry->level = level;
		__entry->source = source;
	),
	TP_printk("gsi %u level %d source %d", __entry->gsi, __entry->level, __entry->source)
);

/* @mode: delivery mode as the ICR encodes it. */
TRACE_EVENT(vmm_apic_accept_irq,
	TP_PROTO(u32 apic_id, u32 mode, u8 vector, bool level),
	TP_ARGS(apic_id, mode, vector, level),
	TP_STRUCT__entry(
		__field(u32, apic_id)
		__field(u32, mode)
		__field(u8, vector)
		__field(bool, level)
	),
	TP_fast_assign(
		__entry->apic_id = apic_id;
		__entry->mode = mode;
		__entry->vector = vector;
		__entry->level = level;
	),
	TP_printk("apic %u vector %u mode %u %s", __entry->apic_id, __entry->vector,
		  __entry->mode, __entry->level ? "level" : "edge")
);

TRACE_EVENT(vmm_eoi,
	TP_PROTO(u32 apic_id, int vector),
	TP_ARGS(apic_id, vector),
	TP_STRUCT__entry(
		__field(u32, apic_id)
		__field(int, vector)
	),
	TP_fast_assign(
		__entry->apic_id = apic_id;
		__entry->vector = vector;
	),
	TP_printk("apic %u vector %d", __entry->apic_id, __entry->vector)
);

#endif /* VMM_TRACE_H */

/* Found through -I, which names the folder of this file for every object. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace

#include <trace/define_trace.h>
