/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters behind the binary statistics file descriptor (KVM_GET_STATS_FD) and the
 * exit profile. A vCPU's are written by its own thread only.
 */
#ifndef VMM_STATS_H
#define VMM_STATS_H

#include <linux/types.h>
#include "backend.h"

struct vmm_vcpu_stats {
	u64 exits;
	u64 io_exits, mmio_exits, signal_exits, irq_window_exits, nmi_window_exits;
	u64 halt_exits, halt_wakeup, halt_attempted_poll, halt_successful_poll;
	u64 halt_poll_success_ns, halt_poll_fail_ns, halt_wait_ns;
	u64 request_irq_exits, irq_exits, irq_injections, nmi_injections;
	u64 host_state_reload, fpu_reload, insn_emulation, insn_emulation_fail, hypercalls;
	u64 pf_taken, pf_fixed, pf_mmio, tlb_flush, pv_tlb_flush, preemption_reported;
	u64 async_pf_told, async_pf_halted;
	u64 req_event, directed_yield_attempted, directed_yield_successful;
	/*
	 * Exit profile: number and time by normalised reason (time in host TSC ticks). Those
	 * handled with interrupts off are counted only.
	 */
	u64 exit_count[VMM_NR_EXITS];
	u64 exit_ticks[VMM_NR_EXITS];
};

struct vmm_vm_stats {
	u64 remote_tlb_flush, remote_tlb_flush_requests;
	u64 mmu_pte_write, mmu_zapped;
	u64 pages_4k, pages_2m, pages_1g;
	u64 max_mmu_page_hash_collisions;
};

struct vmm_vm;
struct vmm_vcpu;
int vmm_stats_vm_fd(struct vmm_vm *vm);		/* KVM_GET_STATS_FD */
int vmm_stats_vcpu_fd(struct vmm_vcpu *vcpu);

#endif /* VMM_STATS_H */
