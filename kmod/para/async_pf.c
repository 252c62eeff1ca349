// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asynchronous page faults (MSR_KVM_ASYNC_PF_EN, _INT and _ACK, the kernel's
 * Documentation/virt/kvm/x86/msr.rst).
 *
 * A guest that touches memory which the host has to fetch first (from swap, a file, or
 * user space) need not stand still. A worker fetches it; meanwhile the guest gets a
 * #PF with a token for an address, and schedules something else. When the memory is
 * there it gets the token again, in its shared page, with an interrupt. A guest that
 * cannot take the #PF (it did not ask for it, or is in its kernel) halts until then,
 * but still takes interrupts.
 *
 * Nobody ever waits for a worker: fetching may take as long as user space likes
 * (userfaultfd). Each item in flight holds on to what it needs, the queue, the mm and
 * the module; a vCPU that is reset or destroyed only drops its interest in them.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "para.h"

#define MAX_ITEMS	64		/* per vCPU, in flight or to be told of */
#define NO_GFN		(~0ull)
#define EN_RESERVED	0x30ull
#define EN_ADDRESS	(~0x3full)
#define TOKEN_ALL	(~0u)		/* whatever you wait for: look again */

struct item {
	struct work_struct work;
	struct list_head link;		/* [lock] in waiting or done */
	struct vmm_async_pf *queue;	/* with a reference */
	struct mm_struct *mm;		/* with a reference, until it is done */
	unsigned long hva;
	u64 gpa;
	u32 access;			/* VMM_ACCESS_* */
	u32 token;
	bool told;			/* the guest got the #PF and waits for the token */
	bool dropped;			/* [lock] nobody is interested any more */
	bool failed;			/* the page cannot be had */
};

struct vmm_async_pf {
	refcount_t refs;		/* the vCPU, and each item */
	spinlock_t lock;		/* leaf */
	struct vmm_vcpu *vcpu;		/* [lock] NULL: it is gone */
	struct list_head waiting, done;	/* [lock] items */

	/* The rest belongs to the vCPU's thread. */
	u64 msr_en, msr_int;
	struct vmm_gpa_cache page;	/* flags and token of struct kvm_vcpu_pv_apf_data */
	u32 last_id;
	bool wake_all;			/* TOKEN_ALL is to be sent */
	u64 failed_gfn;			/* the next fault there waits, and gets the error */
};

static struct workqueue_struct *workqueue;

static void queue_put(struct vmm_async_pf *q)
{
	if (refcount_dec_and_test(&q->refs))
		kfree(q);
}

static void item_free(struct item *item)
{
	queue_put(item->queue);
	kfree(item);
}

static bool enabled(const struct vmm_async_pf *q)
{
	const u64 both = KVM_ASYNC_PF_ENABLED | KVM_ASYNC_PF_DELIVERY_AS_INT;

	return (q->msr_en & both) == both;
}

/* ---- fetching ------------------------------------------------------------------- */

static void fetch(struct work_struct *work)
{
	struct item *item = container_of(work, struct item, work);
	struct vmm_async_pf *q = item->queue;
	bool dropped;

	item->failed = vmm_compat_fault_in(item->mm, item->hva,
					   item->access & VMM_ACCESS_WRITE ? FOLL_WRITE : 0) != 1;
	mmput(item->mm);

	spin_lock(&q->lock);
	dropped = item->dropped;
	if (!dropped) {
		list_move_tail(&item->link, &q->done);
		vmm_make_request(q->vcpu, VMM_REQ_ASYNC_PF);
		vmm_vcpu_kick(q->vcpu);
	}
	spin_unlock(&q->lock);
	if (dropped)
		item_free(item);
	module_put(THIS_MODULE);
}

/* Forget all that waits. Its thread, or nobody's any more. */
static void drop_all(struct vmm_async_pf *q)
{
	struct item *item, *next;
	LIST_HEAD(done);

	spin_lock(&q->lock);
	list_for_each_entry_safe(item, next, &q->waiting, link) {
		list_del_init(&item->link);
		item->dropped = true;
	}
	list_splice_init(&q->done, &done);
	spin_unlock(&q->lock);

	list_for_each_entry_safe(item, next, &done, link)
		item_free(item);
	q->wake_all = false;
	q->failed_gfn = NO_GFN;
}

/* ---- a fault ---------------------------------------------------------------------- */

/* Will the guest understand the #PF? */
static bool deliverable(struct vmm_vcpu *vcpu)
{
	struct vmm_async_pf *q = vcpu->async_pf;

	if (!enabled(q) || !vmm_paging(vcpu))
		return false;
	return (q->msr_en & KVM_ASYNC_PF_SEND_ALWAYS) || vmm_backend.cpl(vcpu) != 0;
}

/**
 * vmm_async_pf_possible() - may a fault be left to a worker?
 * @vcpu: its thread, handling an exit
 * @gfn: where
 *
 * Not without interrupts, which the halt would have to be woken by, and not while an
 * event is on its way into the guest.
 */
bool vmm_async_pf_possible(struct vmm_vcpu *vcpu, u64 gfn)
{
	/* A guest that halts without us wants its CPU, whatever for. */
	if ((vcpu->vm->disabled_exits & KVM_X86_DISABLE_EXITS_HLT) && !deliverable(vcpu))
		return false;
	return vcpu->lapic && vcpu->async_pf->failed_gfn != gfn &&
	       !vcpu->exception.pending && !vcpu->exception.injected &&
	       !vcpu->interrupt.injected && !vcpu->nmi_injected &&
	       vmm_backend.irq_allowed(vcpu);
}

static bool being_fetched(struct vmm_async_pf *q, u64 gpa)
{
	struct item *item;
	bool found = false;

	spin_lock(&q->lock);
	list_for_each_entry(item, &q->waiting, link)
		found |= (item->gpa ^ gpa) >> PAGE_SHIFT == 0;
	list_for_each_entry(item, &q->done, link)
		found |= (item->gpa ^ gpa) >> PAGE_SHIFT == 0;
	spin_unlock(&q->lock);
	return found;
}

/* Unique among those in flight, neither 0 nor TOKEN_ALL, and the vCPU's own. */
static u32 next_token(struct vmm_vcpu *vcpu)
{
	struct vmm_async_pf *q = vcpu->async_pf;

	q->last_id = q->last_id % 0xffffe + 1;
	return q->last_id << 12 | vcpu->id;
}

static bool tell_not_present(struct vmm_vcpu *vcpu, u32 token)
{
	const u32 reason = KVM_PV_REASON_PAGE_NOT_PRESENT;

	if (!deliverable(vcpu) ||
	    vmm_gpa_cache_write(vcpu->vm, &vcpu->async_pf->page, &reason,
				offsetof(struct kvm_vcpu_pv_apf_data, flags), sizeof(reason)))
		return false;
	vmm_queue_pf(vcpu, 0, token);
	return true;
}

/**
 * vmm_async_pf_start() - leave a fault to a worker
 * @vcpu: its thread, SRCU held; vmm_async_pf_possible() said yes
 * @gpa: where
 * @hva: the same in the host
 * @access: VMM_ACCESS_*
 *
 * Return: true: the guest goes on with a #PF, or halts; false: do it yourself.
 */
bool vmm_async_pf_start(struct vmm_vcpu *vcpu, u64 gpa, unsigned long hva, u32 access)
{
	struct vmm_async_pf *q = vcpu->async_pf;
	struct item *item;

	if (being_fetched(q, gpa)) {
		/* It came back too early. */
		vcpu->async_halted = true;
		return true;
	}
	if (refcount_read(&q->refs) > MAX_ITEMS)
		return false;
	/* If there is need to wait for memory, then rather for the page itself. */
	item = kzalloc(sizeof(*item), GFP_NOWAIT | __GFP_NOWARN | __GFP_ACCOUNT);
	if (!item)
		return false;
	INIT_WORK(&item->work, fetch);
	item->gpa = gpa;
	item->hva = hva;
	item->access = access & ~(u32)VMM_ACCESS_PRESENT;
	item->token = next_token(vcpu);
	item->mm = current->mm;
	mmget(item->mm);
	item->queue = q;
	refcount_inc(&q->refs);
	__module_get(THIS_MODULE);

	item->told = tell_not_present(vcpu, item->token);
	if (item->told)
		vcpu->stats.async_pf_told++;
	else
		vcpu->stats.async_pf_halted++;
	vcpu->async_halted = !item->told;
	spin_lock(&q->lock);
	list_add_tail(&item->link, &q->waiting);
	spin_unlock(&q->lock);
	queue_work(workqueue, &item->work);
	return true;
}

/* ---- the page is there ------------------------------------------------------------- */

/* The guest takes one token at a time: it has taken the last when it is zero again. */
static bool tell_token(struct vmm_vcpu *vcpu, u32 token)
{
	const u32 at = offsetof(struct kvm_vcpu_pv_apf_data, token);
	struct vmm_async_pf *q = vcpu->async_pf;
	u32 old;

	if (q->msr_int < 16)	/* no vector yet (SDM 11.5.2) */
		return false;
	if (vmm_gpa_cache_read(vcpu->vm, &q->page, &old, at, sizeof(old)) || old)
		return false;
	if (!vmm_apic_interrupt(vcpu, q->msr_int))
		return false;
	return !vmm_gpa_cache_write(vcpu->vm, &q->page, &token, at, sizeof(token));
}

/**
 * vmm_async_pf_ready() - serve VMM_REQ_ASYNC_PF: tell the guest what has been fetched
 * @vcpu: its thread, SRCU held; may sleep
 *
 * What the guest cannot take now waits until it writes one of the MSRs.
 */
void vmm_async_pf_ready(struct vmm_vcpu *vcpu)
{
	struct vmm_async_pf *q = vcpu->async_pf;
	struct item *item;

	if (q->wake_all && enabled(q)) {
		if (!tell_token(vcpu, TOKEN_ALL))
			return;
		q->wake_all = false;
	}
	for (;;) {
		spin_lock(&q->lock);
		item = list_first_entry_or_null(&q->done, struct item, link);
		spin_unlock(&q->lock);
		if (!item)
			return;
		/* Only this thread takes items out of the list. */
		vcpu->async_halted = false;
		if (item->told && enabled(q) && !tell_token(vcpu, item->token))
			return;
		spin_lock(&q->lock);
		list_del(&item->link);
		spin_unlock(&q->lock);
		/* Spare the guest the exit by which it would ask again. */
		if (item->failed)
			q->failed_gfn = item->gpa >> PAGE_SHIFT;
		else
			vmm_mmu_prefetch(vcpu, item->gpa, item->access);
		item_free(item);
	}
}

/* ---- MSRs ---------------------------------------------------------------------------- */

static int set_en(struct vmm_vcpu *vcpu, u64 data)
{
	struct vmm_async_pf *q = vcpu->async_pf;

	if (data & EN_RESERVED)
		return 1;
	/* There are no nested guests whose exits could deliver anything. */
	if ((data & KVM_ASYNC_PF_DELIVERY_AS_PF_VMEXIT) &&
	    !vmm_pv_has(vcpu, KVM_FEATURE_ASYNC_PF_VMEXIT))
		return 1;
	if ((data & KVM_ASYNC_PF_DELIVERY_AS_INT) && !vmm_pv_has(vcpu, KVM_FEATURE_ASYNC_PF_INT))
		return 1;
	if (!vcpu->lapic)
		return data != 0;
	q->msr_en = data;
	if (!enabled(q)) {
		drop_all(q);
		vcpu->async_halted = false;
		return 0;
	}
	if (vmm_gpa_cache_init(vcpu->vm, &q->page, data & EN_ADDRESS, sizeof(u64)))
		return 1;
	q->wake_all = true;
	vmm_make_request(vcpu, VMM_REQ_ASYNC_PF);
	return 0;
}

/**
 * vmm_async_pf_get() - read one of the three MSRs
 * @vcpu: its thread
 * @index: which
 *
 * Return: as written; MSR_KVM_ASYNC_PF_ACK reads as zero.
 */
u64 vmm_async_pf_get(struct vmm_vcpu *vcpu, u32 index)
{
	switch (index) {
	case MSR_KVM_ASYNC_PF_EN:
		return vcpu->async_pf->msr_en;
	case MSR_KVM_ASYNC_PF_INT:
		return vcpu->async_pf->msr_int;
	default:
		return 0;
	}
}

/**
 * vmm_async_pf_set() - write one of the three MSRs
 * @vcpu: its thread, SRCU held
 * @msr: which, and what
 *
 * Return: 0; 1 (#GP) for reserved bits, an address without memory, or without a LAPIC
 * here.
 */
int vmm_async_pf_set(struct vmm_vcpu *vcpu, const struct vmm_msr *msr)
{
	switch (msr->index) {
	case MSR_KVM_ASYNC_PF_EN:
		return set_en(vcpu, msr->data);
	case MSR_KVM_ASYNC_PF_INT:
		if ((msr->data & ~(u64)KVM_ASYNC_PF_VEC_MASK) || !vcpu->lapic)
			return 1;
		vcpu->async_pf->msr_int = msr->data;
		vmm_make_request(vcpu, VMM_REQ_ASYNC_PF);
		return 0;
	default:
		if (msr->data & 1)
			vmm_make_request(vcpu, VMM_REQ_ASYNC_PF);
		return 0;
	}
}

/* ---- objects ---------------------------------------------------------------------------- */

/**
 * vmm_async_pf_reset() - RESET and INIT: off
 * @vcpu: its thread, or not yet published
 */
void vmm_async_pf_reset(struct vmm_vcpu *vcpu)
{
	vcpu->async_pf->msr_en = 0;
	vcpu->async_pf->msr_int = 0;
	drop_all(vcpu->async_pf);
	vcpu->async_halted = false;
}

/**
 * vmm_async_pf_create() - a new vCPU
 * @vcpu: not yet published
 *
 * Return: 0 or -ENOMEM.
 */
int vmm_async_pf_create(struct vmm_vcpu *vcpu)
{
	struct vmm_async_pf *q = kzalloc(sizeof(*q), GFP_KERNEL_ACCOUNT);

	if (!q)
		return -ENOMEM;
	refcount_set(&q->refs, 1);
	spin_lock_init(&q->lock);
	INIT_LIST_HEAD(&q->waiting);
	INIT_LIST_HEAD(&q->done);
	q->vcpu = vcpu;
	q->failed_gfn = NO_GFN;
	vcpu->async_pf = q;
	return 0;
}

/**
 * vmm_async_pf_destroy() - undo vmm_async_pf_create(), if it was called
 * @vcpu: nobody's any more
 *
 * Items in flight find that nobody waits for them, and free themselves.
 */
void vmm_async_pf_destroy(struct vmm_vcpu *vcpu)
{
	struct vmm_async_pf *q = vcpu->async_pf;

	if (!q)
		return;
	drop_all(q);
	spin_lock(&q->lock);
	q->vcpu = NULL;
	spin_unlock(&q->lock);
	vcpu->async_pf = NULL;
	queue_put(q);
}

/**
 * vmm_async_pf_module_init() - at load
 *
 * Return: 0 or -ENOMEM.
 */
int vmm_async_pf_module_init(void)
{
	workqueue = alloc_workqueue("vmm-async-pf", WQ_UNBOUND, 0);
	return workqueue ? 0 : -ENOMEM;
}

/**
 * vmm_async_pf_module_exit() - at unload: wait for workers to have left our code
 */
void vmm_async_pf_module_exit(void)
{
	destroy_workqueue(workqueue);
}
