// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU: creation, reset, its file, what it shares with user space, and how its
 * thread is told to leave guest mode.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <trace/events/ipi.h>	/* smp_send_reschedule() is traced, from 6.4 on */

#include "vmm.h"
#include "ioctl.h"

/* ---- kicks ------------------------------------------------------------------ */

/**
 * vmm_vcpu_wake() - wake a vCPU that sleeps in HLT
 * @vcpu: any context
 *
 * Return: true when it slept.
 */
bool vmm_vcpu_wake(struct vmm_vcpu *vcpu)
{
	if (!rcuwait_wake_up(&vcpu->wait))
		return false;
	WRITE_ONCE(vcpu->ready, true);
	vcpu->stats.halt_wakeup++;
	return true;
}

/*
 * Does the vCPU's thread have to be pulled out of guest mode? Claims the transition,
 * so that one IPI is sent however many ask. Pairs with the full barrier between
 * mode = IN_GUEST and the last look at requests in the run loop.
 */
static bool must_interrupt(struct vmm_vcpu *vcpu)
{
	smp_mb__before_atomic();
	return cmpxchg(&vcpu->mode, VMM_IN_GUEST, VMM_EXITING_GUEST) == VMM_IN_GUEST;
}

/**
 * vmm_vcpu_kick() - make the vCPU look at its requests soon
 * @vcpu: any context
 *
 * Wakes it from HLT, or sends an IPI when it runs its guest on another CPU.
 */
void vmm_vcpu_kick(struct vmm_vcpu *vcpu)
{
	int me, cpu;

	if (vmm_vcpu_wake(vcpu))
		return;
	me = get_cpu();
	/* From an interrupt on its own CPU: the interrupt has left the guest already. */
	if (READ_ONCE(vcpu->cpu) == me) {
		if (READ_ONCE(vcpu->mode) == VMM_IN_GUEST)
			WRITE_ONCE(vcpu->mode, VMM_EXITING_GUEST);
	} else if (must_interrupt(vcpu)) {
		cpu = READ_ONCE(vcpu->cpu);
		if (cpu != me && (unsigned int)cpu < nr_cpu_ids && cpu_online(cpu))
			smp_send_reschedule(cpu);
	}
	put_cpu();
}

/**
 * vmm_request_all() - set a request on every vCPU and wait until none of them
 * runs its guest without having seen it
 * @vm: process context or a spinlock held, interrupts on
 * @req: the request
 *
 * Only vCPUs in guest mode are interrupted, all of them before the first is waited
 * for. The wait is as short as an exit: a vCPU on its way out has interrupts off, and
 * leaves VMM_EXITING_GUEST behind whoever sent it there. It may still be in
 * vmm_handle_quickly(), so the caller must hold no lock of an interrupt controller or
 * another device; mmu->lock is only tried there.
 */
void vmm_request_all(struct vmm_vm *vm, enum vmm_request req)
{
	struct vmm_vcpu *vcpu;
	unsigned long i;
	int me, cpu;

	me = get_cpu();
	vmm_for_each_vcpu(i, vcpu, vm) {
		vmm_make_request(vcpu, req);
		if (!must_interrupt(vcpu))
			continue;
		cpu = READ_ONCE(vcpu->cpu);
		if (cpu >= 0 && cpu != me)
			smp_send_reschedule(cpu);
	}
	vmm_for_each_vcpu(i, vcpu, vm) {
		while (smp_load_acquire(&vcpu->mode) == VMM_EXITING_GUEST)
			cpu_relax();
	}
	put_cpu();
}

/* ---- loading on a CPU --------------------------------------------------------- */

static void load_on(struct vmm_vcpu *vcpu, int cpu)
{
	vmm_backend.vcpu_load(vcpu, cpu);
	WRITE_ONCE(vcpu->cpu, cpu);
	vmm_clock_vcpu_load(vcpu, cpu);
	vmm_steal_load(vcpu);
	if (vcpu->last_cpu != cpu) {
		vmm_flush_vcpu_moved(vcpu);
		vmm_lapic_migrate_timer(vcpu);
	}
	vcpu->last_cpu = cpu;
}

/**
 * vmm_vcpu_restore_host() - take back what the backend keeps in the CPU between entries
 * @vcpu: loaded; preemption off. The next entry lends it again.
 */
void vmm_vcpu_restore_host(struct vmm_vcpu *vcpu)
{
	if (vcpu->host_saved) {
		vcpu->host_saved = false;
		vmm_backend.restore_host(vcpu);
	}
}

static void unload(struct vmm_vcpu *vcpu)
{
	vmm_clock_vcpu_put(vcpu);
	vmm_vcpu_restore_host(vcpu);
	WRITE_ONCE(vcpu->cpu, -1);
}

static void sched_in(struct preempt_notifier *pn, int cpu)
{
	struct vmm_vcpu *vcpu = container_of(pn, struct vmm_vcpu, preempt_notifier);

	WRITE_ONCE(vcpu->ready, false);
	load_on(vcpu, cpu);
}

static void sched_out(struct preempt_notifier *pn, struct task_struct *next)
{
	struct vmm_vcpu *vcpu = container_of(pn, struct vmm_vcpu, preempt_notifier);

	if (vmm_compat_preempted(current)) {
		WRITE_ONCE(vcpu->preempted_in_kernel, vmm_backend.cpl(vcpu) == 0);
		WRITE_ONCE(vcpu->ready, true);
		vmm_steal_preempted(vcpu);
	}
	unload(vcpu);
}

static struct preempt_ops vcpu_preempt_ops = {
	.sched_in = sched_in,
	.sched_out = sched_out,
};

/**
 * vmm_vcpu_load() - make the vCPU current on this CPU and keep it so across
 * preemption until vmm_vcpu_put()
 * @vcpu: vcpu->mutex held
 */
void vmm_vcpu_load(struct vmm_vcpu *vcpu)
{
	int cpu = get_cpu();

	preempt_notifier_register(&vcpu->preempt_notifier);
	load_on(vcpu, cpu);
	vcpu->loaded = true;
	put_cpu();
}

/**
 * vmm_vcpu_put() - undo vmm_vcpu_load(): the CPU is the host's again
 * @vcpu: vcpu->mutex held
 */
void vmm_vcpu_put(struct vmm_vcpu *vcpu)
{
	preempt_disable();
	vcpu->loaded = false;
	unload(vcpu);
	preempt_notifier_unregister(&vcpu->preempt_notifier);
	preempt_enable();
}

/* ---- reset -------------------------------------------------------------------- */

static void reset_segments(struct vmm_vcpu *vcpu)
{
	static const struct kvm_segment data = {
		.limit = 0xffff, .type = 3, .s = 1, .present = 1,
	};
	static const struct kvm_segment code = {
		.base = 0xffff0000, .selector = 0xf000, .limit = 0xffff, .type = 0xb, .s = 1,
		.present = 1,
	};
	static const struct kvm_segment tr = { .limit = 0xffff, .type = 0xb, .present = 1 };
	static const struct kvm_segment ldtr = { .limit = 0xffff, .type = 2, .present = 1 };
	static const int data_segs[] = { VMM_DS, VMM_ES, VMM_FS, VMM_GS, VMM_SS };
	const struct desc_ptr dt = { .size = 0xffff };
	int i;

	vmm_set_segment(vcpu, &code, VMM_CS);
	for (i = 0; i < ARRAY_SIZE(data_segs); i++)
		vmm_set_segment(vcpu, &data, data_segs[i]);
	vmm_set_segment(vcpu, &tr, VMM_TR);
	vmm_set_segment(vcpu, &ldtr, VMM_LDTR);
	vmm_backend.set_dt(vcpu, &dt, false);
	vmm_backend.set_dt(vcpu, &dt, true);
}

/**
 * vmm_vcpu_reset() - RESET or INIT, as SDM table 10-1 lists the values
 * @vcpu: loaded, vcpu->mutex held (or not yet visible)
 * @init: INIT: FPU, MSRs, MTRRs, CR0.CD/NW and the TSC keep their values
 */
void vmm_vcpu_reset(struct vmm_vcpu *vcpu, bool init)
{
	unsigned long old_cr0 = vcpu->cr0;
	struct kvm_cpuid_entry2 *signature = vmm_cpuid_find(vcpu, 1, 0);

	memset(vcpu->regs, 0, sizeof(vcpu->regs));
	vcpu->avail = vcpu->dirty = ~0u;
	vcpu->shadow = 0;
	vmm_set_reg(vcpu, VMM_RDX, signature ? signature->eax : 0x600);
	vmm_set_rip(vcpu, 0xfff0);
	vmm_set_rflags(vcpu, X86_EFLAGS_FIXED);

	vmm_clear_injected(vcpu);
	memset(&vcpu->exception, 0, sizeof(vcpu->exception));
	vcpu->nmi_pending = 0;
	vcpu->nmi_injected = false;
	atomic_set(&vcpu->nmi_queued, 0);
	vcpu->user_irq = -1;
	vcpu->eoi_exit_vector = -1;

	memset(vcpu->db, 0, sizeof(vcpu->db));
	vcpu->dr6 = DR6_FIXED_1;
	vcpu->dr7 = DR7_FIXED_1;
	vmm_backend.vcpu_reset(vcpu, init);
	vmm_msr_update_exits(vcpu);
	vmm_lapic_reset(vcpu, init);
	reset_segments(vcpu);

	vcpu->cr2 = 0;
	vcpu->cr3 = 0;
	vcpu->efer = 0;
	vmm_backend.set_efer(vcpu, 0);
	/* INIT keeps CD and NW (SDM table 10-1, note 2). */
	vcpu->cr0 = X86_CR0_ET | (init ? old_cr0 & (X86_CR0_CD | X86_CR0_NW)
				       : X86_CR0_CD | X86_CR0_NW);
	vcpu->cr4 = 0;
	vmm_backend.set_cr0(vcpu, vcpu->cr0);
	vmm_backend.set_cr4(vcpu, 0);
	vmm_backend.set_cr3(vcpu, 0);
	vmm_update_db(vcpu);

	if (!init) {
		vcpu->xcr0 = XFEATURE_MASK_FP;
		vcpu->pat = 0x0007040600070406ull;	/* SDM 12.12.4 */
		vcpu->msr_misc_enable = MSR_IA32_MISC_ENABLE_BTS_UNAVAIL |
					MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL;
		vcpu->mtrr_deftype = 0;
	}
	/* What the guest registered with us is gone with its kernel. */
	vmm_clock_vcpu_reset(vcpu);
	vmm_pv_eoi_reset(vcpu);
	vmm_steal_reset(vcpu);
	vmm_async_pf_reset(vcpu);
	WRITE_ONCE(vcpu->unhalted, false);
	vmm_cpuid_update_runtime(vcpu);
	vmm_make_request(vcpu, VMM_REQ_TLB_FLUSH_GUEST);
	vmm_make_request(vcpu, VMM_REQ_EVENT);
}

/**
 * vmm_vcpu_sipi() - start at the address a startup IPI names (SDM 9.4.4)
 * @vcpu: loaded
 * @vector: CS:IP becomes vector << 8 : 0
 */
void vmm_vcpu_sipi(struct vmm_vcpu *vcpu, u8 vector)
{
	struct kvm_segment cs;

	vmm_backend.get_segment(vcpu, &cs, VMM_CS);
	cs.selector = vector << 8;
	cs.base = vector << 12;
	vmm_set_segment(vcpu, &cs, VMM_CS);
	vmm_set_rip(vcpu, 0);
}

/* ---- creation and its file ------------------------------------------------------ */

static vm_fault_t vcpu_fault(struct vm_fault *vmf)
{
	struct vmm_vcpu *vcpu = vmf->vma->vm_file->private_data;
	struct page *page;

	if (vmf->pgoff == 0)
		page = vcpu->run_page;
	else if (vmf->pgoff == KVM_PIO_PAGE_OFFSET)
		page = vcpu->pio_page;
	else if (vmf->pgoff == KVM_COALESCED_MMIO_PAGE_OFFSET)
		page = vcpu->vm->coalesced.page;
	else
		return VM_FAULT_SIGBUS;
	get_page(page);
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_fault,
};

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct vmm_vcpu *vcpu = file->private_data;

	vmm_vm_put(vcpu->vm);
	return 0;
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.release = vcpu_release,
	.unlocked_ioctl = vmm_vcpu_ioctl,
	.mmap = vcpu_mmap,
	.llseek = noop_llseek,
};

/**
 * vmm_vcpu_destroy() - free a vCPU
 * @vcpu: nobody runs it or can find it any more; partly made is fine
 */
void vmm_vcpu_destroy(struct vmm_vcpu *vcpu)
{
	vmm_emulation_destroy(vcpu);
	vmm_async_pf_destroy(vcpu);
	vmm_forget_thread(vcpu);
	vmm_steal_destroy(vcpu);
	vmm_pv_eoi_destroy(vcpu);
	vmm_clock_vcpu_destroy(vcpu);
	vmm_lapic_destroy(vcpu);
	vmm_fpu_destroy(vcpu);
	vmm_mmu_vcpu_destroy(vcpu);
	vmm_backend.vcpu_destroy(vcpu);
	kvfree(vcpu->cpuid.entries);
	if (vcpu->pio_page)
		__free_page(vcpu->pio_page);
	if (vcpu->run_page)
		__free_page(vcpu->run_page);
	kvfree(vcpu);
}

static struct vmm_vcpu *vcpu_alloc(struct vmm_vm *vm, int id)
{
	static int (*const parts[])(struct vmm_vcpu *vcpu) = {
		vmm_fpu_create, vmm_clock_vcpu_create, vmm_pv_eoi_create, vmm_steal_create,
		vmm_async_pf_create, vmm_emulation_create,
	};
	struct vmm_vcpu *vcpu;
	int i, r;

	vcpu = kvzalloc(vmm_backend.vcpu_size, GFP_KERNEL_ACCOUNT);
	if (!vcpu)
		return ERR_PTR(-ENOMEM);
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->cpu = -1;
	vcpu->last_cpu = -1;
	vcpu->user_irq = -1;
	vcpu->eoi_exit_vector = -1;
	vcpu->tsc_khz = vm->default_tsc_khz;
	vmm_msr_vcpu_create(vcpu);
	mutex_init(&vcpu->mutex);
	spin_lock_init(&vcpu->thread_lock);
	rcuwait_init(&vcpu->wait);
	preempt_notifier_init(&vcpu->preempt_notifier, &vcpu_preempt_ops);
	r = vmm_backend.vcpu_create(vcpu);
	if (r) {
		kvfree(vcpu);
		return ERR_PTR(r);
	}
	r = -ENOMEM;
	vcpu->run_page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	vcpu->pio_page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!vcpu->run_page || !vcpu->pio_page)
		goto fail;
	vcpu->run = page_address(vcpu->run_page);
	vcpu->pio_data = page_address(vcpu->pio_page);
	if (vmm_irqchip_in_module(&vm->irqchip)) {
		r = vmm_lapic_create(vcpu);
		if (r)
			goto fail;
	}
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		r = parts[i](vcpu);
		if (r)
			goto fail;
	}
	return vcpu;
fail:
	vmm_vcpu_destroy(vcpu);
	return ERR_PTR(r);
}

/**
 * vmm_create_vcpu() - KVM_CREATE_VCPU
 * @vm: its VM
 * @id: below VMM_MAX_VCPU_ID, or what KVM_CAP_MAX_VCPU_ID limited it to; the initial APIC id
 *
 * Return: a file descriptor; -EINVAL for a bad id or too many vCPUs, -EEXIST,
 * -ENOMEM, -EMFILE.
 */
int vmm_create_vcpu(struct vmm_vm *vm, unsigned long id)
{
	struct vmm_vcpu *vcpu;
	struct file *file;
	char name[24];
	int r, fd;

	mutex_lock(&vm->lock);
	r = -EINVAL;
	if (!vm->max_vcpu_ids)
		vm->max_vcpu_ids = VMM_MAX_VCPU_ID;
	if (id >= vm->max_vcpu_ids)
		goto unlock;
	if (vm->created_vcpus >= VMM_MAX_VCPUS)
		goto unlock;
	/* The irqchip cannot appear between here and publication: it needs vm->lock. */
	r = -EEXIST;
	if (vmm_vcpu_by_id(vm, id))
		goto unlock;
	r = fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		goto unlock;
	vcpu = vcpu_alloc(vm, id);
	if (IS_ERR(vcpu)) {
		r = PTR_ERR(vcpu);
		goto put_fd;
	}
	vcpu->idx = vm->created_vcpus;
	vmm_vcpu_load(vcpu);
	vmm_vcpu_reset(vcpu, false);
	vmm_vcpu_put(vcpu);
	/* The boot processor runs at once, the others wait for INIT and SIPI. */
	vcpu->mp_state = !vmm_irqchip_in_module(&vm->irqchip) || id == vm->bsp_vcpu_id ?
			 KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_UNINITIALIZED;

	snprintf(name, sizeof(name), "kvm-vcpu:%lu", id);
	file = anon_inode_getfile(name, &vcpu_fops, vcpu, O_RDWR);
	if (IS_ERR(file)) {
		r = PTR_ERR(file);
		vmm_vcpu_destroy(vcpu);
		goto put_fd;
	}
	vmm_vm_get(vm);
	vm->vcpus[vcpu->idx] = vcpu;
	vm->created_vcpus++;
	smp_store_release(&vm->online_vcpus, vm->created_vcpus);
	mutex_unlock(&vm->lock);
	if (READ_ONCE(vm->dead))
		vmm_make_request(vcpu, VMM_REQ_DEAD);
	fd_install(fd, file);
	return fd;
put_fd:
	put_unused_fd(fd);
unlock:
	mutex_unlock(&vm->lock);
	return r;
}
