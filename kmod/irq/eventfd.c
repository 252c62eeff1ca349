// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfd: an eventfd that drives a GSI; with a resamplefd it is a level that falls,
 * and asks its device again, when the guest acknowledges. ioeventfd: a guest write
 * that signals an eventfd.
 *
 * Locking: an irqfd's list is under irqchip.irqfds_lock (interrupts off); its wake-up
 * runs in the signaller's context under the eventfd's wait-queue lock and injects
 * there and then. It is freed by a work item, so that closing the eventfd, seen in
 * the wake-up, needs no sleep. Resamplers are under vm->irq_lock, their irqfds read
 * under vm->irq_srcu. ioeventfds are under vm->slots_lock, and live on a bus.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/rculist.h>
#include "vmm.h"
#include "internal.h"

/* The list is walked with interrupts off: as many as there are GSIs, twice. */
#define IRQFDS_MAX	8192

/* ---- irqfd --------------------------------------------------------------- */

/* One per GSI with level irqfds: they share the line and its acknowledgement. */
struct resampler {
	struct vmm_vm *vm;
	struct list_head irqfds;	/* SRCU */
	struct vmm_ack_notifier notifier;
	struct list_head link;		/* irqchip.resamplers */
};

struct irqfd {
	struct vmm_vm *vm;
	u32 gsi;
	struct eventfd_ctx *eventfd;
	wait_queue_entry_t wait;
	poll_table table;
	struct list_head link;		/* irqchip.irqfds; empty: being shut down */
	struct work_struct shutdown;
	struct resampler *resampler;	/* NULL: an edge */
	struct eventfd_ctx *resamplefd;
	struct list_head resampler_link;
};

/* Shut-downs only, so that a flush waits for nothing else. */
static struct workqueue_struct *shutdown_wq;

static void resampler_acked(struct vmm_ack_notifier *n)
{
	struct resampler *r = container_of(n, struct resampler, notifier);
	struct irqfd *irqfd;

	vmm_set_irq(r->vm, VMM_IRQ_SOURCE_RESAMPLE, n->gsi, 0);
	list_for_each_entry_srcu(irqfd, &r->irqfds, resampler_link,
				 srcu_read_lock_held(&r->vm->irq_srcu))
		vmm_eventfd_signal(irqfd->resamplefd);
}

static int resampler_join(struct irqfd *irqfd)
{
	struct vmm_vm *vm = irqfd->vm;
	struct resampler *r;
	int ret = 0;

	mutex_lock(&vm->irq_lock);
	list_for_each_entry(r, &vm->irqchip.resamplers, link)
		if (r->notifier.gsi == irqfd->gsi)
			goto found;
	r = kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
	if (!r) {
		ret = -ENOMEM;
		goto out;
	}
	r->vm = vm;
	INIT_LIST_HEAD(&r->irqfds);
	r->notifier.gsi = irqfd->gsi;
	r->notifier.acked = resampler_acked;
	list_add(&r->link, &vm->irqchip.resamplers);
	vmm_ack_notifier_add(vm, &r->notifier);
found:
	list_add_rcu(&irqfd->resampler_link, &r->irqfds);
	irqfd->resampler = r;
out:
	mutex_unlock(&vm->irq_lock);
	return ret;
}

static void resampler_leave(struct irqfd *irqfd)
{
	struct resampler *r = irqfd->resampler;
	struct vmm_vm *vm = irqfd->vm;

	mutex_lock(&vm->irq_lock);
	list_del_rcu(&irqfd->resampler_link);
	if (list_empty(&r->irqfds)) {
		list_del(&r->link);
		vmm_ack_notifier_remove(vm, &r->notifier);	/* waits for readers */
		vmm_set_irq(vm, VMM_IRQ_SOURCE_RESAMPLE, r->notifier.gsi, 0);
		kfree(r);
	} else {
		synchronize_srcu_expedited(&vm->irq_srcu);
	}
	mutex_unlock(&vm->irq_lock);
}

static void irqfd_free(struct irqfd *irqfd)
{
	if (irqfd->resampler)
		resampler_leave(irqfd);
	if (irqfd->resamplefd)
		eventfd_ctx_put(irqfd->resamplefd);
	eventfd_ctx_put(irqfd->eventfd);
	kfree(irqfd);
}

static void irqfd_shutdown(struct work_struct *work)
{
	struct irqfd *irqfd = container_of(work, struct irqfd, shutdown);
	u64 count;

	/* Whoever still sets it up, or was just woken by it, holds SRCU. */
	synchronize_srcu_expedited(&irqfd->vm->irq_srcu);
	eventfd_ctx_remove_wait_queue(irqfd->eventfd, &irqfd->wait, &count);
	irqfd_free(irqfd);
}

/* irqfds_lock is held. */
static void irqfd_deactivate(struct irqfd *irqfd)
{
	if (list_empty(&irqfd->link))
		return;
	list_del_init(&irqfd->link);
	irqfd->vm->irqchip.nr_irqfds--;
	queue_work(shutdown_wq, &irqfd->shutdown);
}

static void irqfd_inject(struct irqfd *irqfd)
{
	if (irqfd->resampler) {
		vmm_set_irq(irqfd->vm, VMM_IRQ_SOURCE_RESAMPLE, irqfd->gsi, 1);
	} else {
		vmm_set_irq(irqfd->vm, VMM_IRQ_SOURCE_USER, irqfd->gsi, 1);
		vmm_set_irq(irqfd->vm, VMM_IRQ_SOURCE_USER, irqfd->gsi, 0);
	}
}

/* The eventfd changed; its wait-queue lock is held, interrupts are off. */
static int irqfd_wakeup(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *irqfd = container_of(wait, struct irqfd, wait);
	__poll_t events = key_to_poll(key);
	int ret = 0;
	u64 count;

	if (events & EPOLLIN) {
		eventfd_ctx_do_read(irqfd->eventfd, &count);
		irqfd_inject(irqfd);
		ret = 1;
	}
	if (events & EPOLLHUP) {
		struct vmm_irqchip *chip = &irqfd->vm->irqchip;
		unsigned long flags;

		/*
		 * Its last user closed it. The lock also orders this against
		 * irqfd_deassign(): one of the two queues the shut-down.
		 */
		spin_lock_irqsave(&chip->irqfds_lock, flags);
		irqfd_deactivate(irqfd);
		spin_unlock_irqrestore(&chip->irqfds_lock, flags);
	}
	return ret;
}

static void irqfd_queue_proc(struct file *file, wait_queue_head_t *wqh, poll_table *table)
{
	struct irqfd *irqfd = container_of(table, struct irqfd, table);

	/* Before any other waiter, which would find the count already read. */
	add_wait_queue_priority(wqh, &irqfd->wait);
}

static int irqfd_assign(struct vmm_vm *vm, const struct kvm_irqfd *args)
{
	struct vmm_irqchip *chip = &vm->irqchip;
	bool resample = args->flags & KVM_IRQFD_FLAG_RESAMPLE;
	enum vmm_irqchip_mode mode = smp_load_acquire(&chip->mode);
	struct irqfd *irqfd, *other;
	struct file *file;
	__poll_t events;
	int ret = 0, idx;

	/* A split irqchip's lines are user space's to resample. */
	if (mode == VMM_IRQCHIP_NONE || (resample && mode != VMM_IRQCHIP_FULL))
		return -EINVAL;
	irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);
	if (!irqfd)
		return -ENOMEM;
	irqfd->vm = vm;
	irqfd->gsi = args->gsi;
	INIT_LIST_HEAD(&irqfd->link);
	INIT_WORK(&irqfd->shutdown, irqfd_shutdown);

	file = eventfd_fget(args->fd);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		goto no_file;
	}
	irqfd->eventfd = eventfd_ctx_fileget(file);
	if (IS_ERR(irqfd->eventfd)) {
		ret = PTR_ERR(irqfd->eventfd);
		goto no_eventfd;
	}
	if (resample) {
		struct eventfd_ctx *ctx = eventfd_ctx_fdget(args->resamplefd);

		if (IS_ERR(ctx)) {
			ret = PTR_ERR(ctx);
			goto fail;
		}
		irqfd->resamplefd = ctx;
		ret = resampler_join(irqfd);
		if (ret)
			goto fail;
	}
	init_waitqueue_func_entry(&irqfd->wait, irqfd_wakeup);
	init_poll_funcptr(&irqfd->table, irqfd_queue_proc);

	/* SRCU keeps it alive below, should the eventfd be closed meanwhile. */
	idx = srcu_read_lock(&vm->irq_srcu);
	spin_lock_irq(&chip->irqfds_lock);
	list_for_each_entry(other, &chip->irqfds, link) {
		if (other->eventfd == irqfd->eventfd) {
			ret = -EBUSY;
			break;
		}
	}
	if (!ret && chip->nr_irqfds >= IRQFDS_MAX)
		ret = -ENOSPC;
	if (ret) {
		spin_unlock_irq(&chip->irqfds_lock);
		srcu_read_unlock(&vm->irq_srcu, idx);
		goto fail;
	}
	list_add_tail(&irqfd->link, &chip->irqfds);
	chip->nr_irqfds++;
	spin_unlock_irq(&chip->irqfds_lock);

	events = vfs_poll(file, &irqfd->table);
	/* It may have been signalled before we listened. */
	if (events & EPOLLIN)
		irqfd_inject(irqfd);
	srcu_read_unlock(&vm->irq_srcu, idx);
	fput(file);
	return 0;

fail:
	fput(file);
	irqfd_free(irqfd);
	return ret;
no_eventfd:
	fput(file);
no_file:
	kfree(irqfd);
	return ret;
}

static int irqfd_deassign(struct vmm_vm *vm, const struct kvm_irqfd *args)
{
	struct vmm_irqchip *chip = &vm->irqchip;
	struct eventfd_ctx *eventfd = eventfd_ctx_fdget(args->fd);
	struct irqfd *irqfd, *next;

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	spin_lock_irq(&chip->irqfds_lock);
	list_for_each_entry_safe(irqfd, next, &chip->irqfds, link)
		if (irqfd->eventfd == eventfd && irqfd->gsi == args->gsi)
			irqfd_deactivate(irqfd);
	spin_unlock_irq(&chip->irqfds_lock);
	eventfd_ctx_put(eventfd);
	/* No interrupt comes from it once we return. */
	flush_workqueue(shutdown_wq);
	return 0;
}

/**
 * vmm_irqfd() - KVM_IRQFD
 * @vm: the VM; may sleep, vm->irq_srcu is not held
 * @args: from user space
 *
 * Return: 0; -EINVAL (flags, no irqchip, not an eventfd, GSI), -EBADF, -EBUSY (the
 * eventfd drives a GSI already), -ENOSPC (too many), -ENOMEM.
 */
int vmm_irqfd(struct vmm_vm *vm, const struct kvm_irqfd *args)
{
	if (args->flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	if (args->flags & KVM_IRQFD_FLAG_DEASSIGN)
		return irqfd_deassign(vm, args);
	return irqfd_assign(vm, args);
}

/* ---- ioeventfd ----------------------------------------------------------- */

struct ioeventfd {
	struct list_head link;		/* irqchip.ioeventfds */
	u64 addr;
	u64 datamatch;
	u32 len;			/* 0: any */
	enum vmm_bus bus;
	bool wildcard;			/* any data */
	int ranges;			/* on how many buses it is */
	struct eventfd_ctx *eventfd;
	struct vmm_iodev dev;
	struct vmm_iodev fast_dev;	/* on VMM_BUS_FAST_MMIO: no length, no data */
};

static u64 load_le(const void *data, int len)
{
	u64 value = 0;

	memcpy(&value, data, len);
	return value;
}

static int ioeventfd_write(struct vmm_vcpu *vcpu, struct vmm_iodev *dev, u64 addr, int len,
			   const void *data)
{
	struct ioeventfd *io = container_of(dev, struct ioeventfd, dev);

	if (addr != io->addr)
		return -EOPNOTSUPP;
	if (io->len) {
		if (len != io->len)
			return -EOPNOTSUPP;
		if (!io->wildcard && load_le(data, len) != io->datamatch)
			return -EOPNOTSUPP;
	}
	vmm_eventfd_signal(io->eventfd);
	return 0;
}

static int ioeventfd_write_fast(struct vmm_vcpu *vcpu, struct vmm_iodev *dev, u64 addr, int len,
				const void *data)
{
	vmm_eventfd_signal(container_of(dev, struct ioeventfd, fast_dev)->eventfd);
	return 0;
}

static void ioeventfd_put(struct ioeventfd *io)
{
	if (--io->ranges)
		return;
	list_del(&io->link);
	eventfd_ctx_put(io->eventfd);
	kfree(io);
}

static void ioeventfd_destroy(struct vmm_iodev *dev)
{
	ioeventfd_put(container_of(dev, struct ioeventfd, dev));
}

static void ioeventfd_destroy_fast(struct vmm_iodev *dev)
{
	ioeventfd_put(container_of(dev, struct ioeventfd, fast_dev));
}

static const struct vmm_iodev_ops ioeventfd_ops = {
	.write = ioeventfd_write,
	.destroy = ioeventfd_destroy,
};

static const struct vmm_iodev_ops ioeventfd_fast_ops = {
	.write = ioeventfd_write_fast,
	.destroy = ioeventfd_destroy_fast,
};

/* A flag of the ABI without a name in its header; no length on MMIO says the same. */
#define FLAG_FAST_MMIO	(1 << kvm_ioeventfd_flag_nr_fast_mmio)

/* One write must not signal two of them. */
static bool ioeventfd_clashes(struct vmm_vm *vm, const struct ioeventfd *new)
{
	struct ioeventfd *io;

	list_for_each_entry(io, &vm->irqchip.ioeventfds, link)
		if (io->bus == new->bus && io->addr == new->addr &&
		    (!io->len || !new->len ||
		     (io->len == new->len &&
		      (io->wildcard || new->wildcard || io->datamatch == new->datamatch))))
			return true;
	return false;
}

/* slots_lock is held. The eventfd's reference is ours on success only. */
static int ioeventfd_add(struct vmm_vm *vm, enum vmm_bus bus, struct eventfd_ctx *eventfd,
			 const struct kvm_ioeventfd *args)
{
	struct ioeventfd *io = kzalloc(sizeof(*io), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!io)
		return -ENOMEM;
	io->addr = args->addr;
	io->len = args->len;
	io->bus = bus;
	io->wildcard = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
	io->datamatch = io->wildcard ? 0 : args->datamatch;
	io->eventfd = eventfd;
	io->dev.ops = &ioeventfd_ops;
	io->fast_dev.ops = &ioeventfd_fast_ops;
	if (ioeventfd_clashes(vm, io)) {
		ret = -EEXIST;
		goto fail;
	}
	ret = vmm_bus_add(vm, bus, io->addr, io->len, &io->dev);
	if (ret)
		goto fail;
	io->ranges = 1;
	if (bus == VMM_BUS_MMIO && !io->len) {
		ret = vmm_bus_add(vm, VMM_BUS_FAST_MMIO, io->addr, 0, &io->fast_dev);
		if (ret) {
			vmm_bus_remove(vm, bus, &io->dev);
			goto fail;
		}
		io->ranges = 2;
	}
	list_add_tail(&io->link, &vm->irqchip.ioeventfds);
	return 0;
fail:
	kfree(io);
	return ret;
}

/* slots_lock is held. */
static int ioeventfd_remove(struct vmm_vm *vm, enum vmm_bus bus, struct eventfd_ctx *eventfd,
			    const struct kvm_ioeventfd *args)
{
	bool wildcard = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
	struct ioeventfd *io;

	list_for_each_entry(io, &vm->irqchip.ioeventfds, link) {
		if (io->bus != bus || io->eventfd != eventfd || io->addr != args->addr ||
		    io->len != args->len || io->wildcard != wildcard ||
		    (!wildcard && io->datamatch != args->datamatch))
			continue;
		vmm_bus_remove(vm, bus, &io->dev);
		if (io->ranges == 2)
			vmm_bus_remove(vm, VMM_BUS_FAST_MMIO, &io->fast_dev);
		io->ranges = 1;
		ioeventfd_put(io);
		return 0;
	}
	return -ENOENT;
}

/**
 * vmm_ioeventfd() - KVM_IOEVENTFD
 * @vm: the VM; may sleep, vm->srcu is not held; vm->slots_lock is taken
 * @args: from user space
 *
 * A length of 0 on MMIO is also put on VMM_BUS_FAST_MMIO, where an access can be
 * looked up before the instruction is decoded.
 *
 * Return: 0; -EINVAL (flags, length, wrap-around, not an eventfd), -EBADF, -EEXIST,
 * -ENOENT (nothing to remove), -ENOSPC, -ENOMEM.
 */
int vmm_ioeventfd(struct vmm_vm *vm, const struct kvm_ioeventfd *args)
{
	enum vmm_bus bus = args->flags & KVM_IOEVENTFD_FLAG_PIO ? VMM_BUS_PIO : VMM_BUS_MMIO;
	bool remove = args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN;
	struct eventfd_ctx *eventfd;
	int ret;

	if (args->flags & ~(KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO |
			    KVM_IOEVENTFD_FLAG_DEASSIGN | FLAG_FAST_MMIO))
		return -EINVAL;
	if (args->len > 8 || (args->len && !is_power_of_2(args->len)))
		return -EINVAL;
	if (args->addr + args->len < args->addr)
		return -EINVAL;
	if (!args->len && (args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH))
		return -EINVAL;

	eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	mutex_lock(&vm->slots_lock);
	if (remove)
		ret = ioeventfd_remove(vm, bus, eventfd, args);
	else
		ret = ioeventfd_add(vm, bus, eventfd, args);
	mutex_unlock(&vm->slots_lock);
	if (remove || ret)
		eventfd_ctx_put(eventfd);
	return ret;
}

/* ---- life ---------------------------------------------------------------- */

/**
 * vmm_eventfd_destroy() - shut down all irqfds and wait for it
 * @vm: the VM, whose controllers still exist; ioeventfds go with the buses
 */
void vmm_eventfd_destroy(struct vmm_vm *vm)
{
	struct vmm_irqchip *chip = &vm->irqchip;
	struct irqfd *irqfd, *next;

	spin_lock_irq(&chip->irqfds_lock);
	list_for_each_entry_safe(irqfd, next, &chip->irqfds, link)
		irqfd_deactivate(irqfd);
	spin_unlock_irq(&chip->irqfds_lock);
	flush_workqueue(shutdown_wq);
}

/**
 * vmm_eventfd_module_init() - at load
 *
 * Return: 0 or -ENOMEM.
 */
int vmm_eventfd_module_init(void)
{
	shutdown_wq = alloc_workqueue("vmm-irqfd", 0, 0);
	return shutdown_wq ? 0 : -ENOMEM;
}

void vmm_eventfd_module_exit(void)
{
	destroy_workqueue(shutdown_wq);
}
