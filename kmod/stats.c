// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_STATS_FD: the counters of stats.h as a file in KVM's binary format (section
 * 4.133 of the kernel's Documentation/virt/kvm/api.rst): header, identification,
 * descriptors, data.
 */
#include <linux/anon_inodes.h>
#include <linux/build_bug.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "vmm.h"

#define NAME_SIZE	48

/* struct kvm_stats_desc with room for its name. */
struct desc {
	u32 flags;
	s16 exponent;
	u16 size;		/* in u64 */
	u32 offset;		/* in the data block */
	u32 bucket_size;
	char name[NAME_SIZE];
};
static_assert(offsetof(struct desc, size) == offsetof(struct kvm_stats_desc, size));
static_assert(offsetof(struct desc, offset) == offsetof(struct kvm_stats_desc, offset));
static_assert(offsetof(struct desc, name) == offsetof(struct kvm_stats_desc, name));

#define COUNT(type, field)							\
	{ .flags = KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE |		\
		   KVM_STATS_BASE_POW10,					\
	  .size = 1, .offset = offsetof(struct type, field), .name = #field }
#define LEVEL(type, field)							\
	{ .flags = KVM_STATS_TYPE_INSTANT | KVM_STATS_UNIT_NONE |		\
		   KVM_STATS_BASE_POW10,					\
	  .size = 1, .offset = offsetof(struct type, field), .name = #field }
#define PEAK(type, field)							\
	{ .flags = KVM_STATS_TYPE_PEAK | KVM_STATS_UNIT_NONE |			\
		   KVM_STATS_BASE_POW10,					\
	  .size = 1, .offset = offsetof(struct type, field), .name = #field }

static const struct desc vm_descs[] = {
	COUNT(vmm_vm_stats, remote_tlb_flush),
	COUNT(vmm_vm_stats, remote_tlb_flush_requests),
	COUNT(vmm_vm_stats, mmu_pte_write),
	COUNT(vmm_vm_stats, mmu_zapped),
	LEVEL(vmm_vm_stats, pages_4k),
	LEVEL(vmm_vm_stats, pages_2m),
	LEVEL(vmm_vm_stats, pages_1g),
	PEAK(vmm_vm_stats, max_mmu_page_hash_collisions),
};

#define VCPU(field)	COUNT(vmm_vcpu_stats, field)

/* Nanoseconds, as KVM gives them: seconds with an exponent. */
#define VCPU_NS(field)								\
	{ .flags = KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_SECONDS |		\
		   KVM_STATS_BASE_POW10, .exponent = -9,			\
	  .size = 1, .offset = offsetof(struct vmm_vcpu_stats, field), .name = #field }

/* One line of the exit profile: how often, and for how long in host TSC ticks. */
#define PROFILE(reason, text)							\
	{ .flags = KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE |		\
		   KVM_STATS_BASE_POW10,					\
	  .size = 1, .name = "exit_" text,					\
	  .offset = offsetof(struct vmm_vcpu_stats, exit_count[VMM_EXIT_##reason]) }, \
	{ .flags = KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_CYCLES |		\
		   KVM_STATS_BASE_POW10,					\
	  .size = 1, .name = "exit_" text "_ticks",				\
	  .offset = offsetof(struct vmm_vcpu_stats, exit_ticks[VMM_EXIT_##reason]) }

static const struct desc vcpu_descs[] = {
	VCPU(exits),
	VCPU(io_exits),
	VCPU(mmio_exits),
	VCPU(signal_exits),
	VCPU(irq_window_exits),
	VCPU(nmi_window_exits),
	VCPU(halt_exits),
	VCPU(halt_wakeup),
	VCPU(halt_attempted_poll),
	VCPU(halt_successful_poll),
	VCPU_NS(halt_poll_success_ns),
	VCPU_NS(halt_poll_fail_ns),
	VCPU_NS(halt_wait_ns),
	VCPU(request_irq_exits),
	VCPU(irq_exits),
	VCPU(irq_injections),
	VCPU(nmi_injections),
	VCPU(host_state_reload),
	VCPU(fpu_reload),
	VCPU(insn_emulation),
	VCPU(insn_emulation_fail),
	VCPU(hypercalls),
	VCPU(pf_taken),
	VCPU(pf_fixed),
	VCPU(pf_mmio),
	VCPU(tlb_flush),
	VCPU(pv_tlb_flush),
	VCPU(preemption_reported),
	VCPU(async_pf_told),
	VCPU(async_pf_halted),
	VCPU(req_event),
	VCPU(directed_yield_attempted),
	VCPU(directed_yield_successful),
	PROFILE(NONE, "none"),
	PROFILE(INTR, "intr"),
	PROFILE(NMI, "nmi"),
	PROFILE(IRQ_WINDOW, "irq_window"),
	PROFILE(NMI_WINDOW, "nmi_window"),
	PROFILE(EXCEPTION, "exception"),
	PROFILE(TRIPLE_FAULT, "triple_fault"),
	PROFILE(CPUID, "cpuid"),
	PROFILE(HLT, "hlt"),
	PROFILE(PAUSE, "pause"),
	PROFILE(MONITOR, "monitor"),
	PROFILE(MWAIT, "mwait"),
	PROFILE(INVD, "invd"),
	PROFILE(WBINVD, "wbinvd"),
	PROFILE(INVLPG, "invlpg"),
	PROFILE(RDPMC, "rdpmc"),
	PROFILE(HYPERCALL, "hypercall"),
	PROFILE(CR_READ, "cr_read"),
	PROFILE(CR_WRITE, "cr_write"),
	PROFILE(CLTS, "clts"),
	PROFILE(LMSW, "lmsw"),
	PROFILE(DR, "dr"),
	PROFILE(IO, "io"),
	PROFILE(RDMSR, "rdmsr"),
	PROFILE(WRMSR, "wrmsr"),
	PROFILE(XSETBV, "xsetbv"),
	PROFILE(MEMORY, "memory"),
	PROFILE(MMIO, "mmio"),
	PROFILE(TASK_SWITCH, "task_switch"),
	PROFILE(EMULATE, "emulate"),
	PROFILE(UD, "ud"),
	PROFILE(TPR_BELOW, "tpr_below"),
	PROFILE(PREEMPT_TIMER, "preempt_timer"),
	PROFILE(MCE, "mce"),
	PROFILE(FAIL_ENTRY, "fail_entry"),
	PROFILE(UNKNOWN, "unknown"),
};

/* Each counter has its line: a field or an exit reason added without one stops here. */
static_assert(ARRAY_SIZE(vm_descs) * sizeof(u64) == sizeof(struct vmm_vm_stats));
static_assert(ARRAY_SIZE(vcpu_descs) * sizeof(u64) == sizeof(struct vmm_vcpu_stats));

/* What stands from offset @at of the file; copies the overlap with the reader's window. */
struct window {
	char __user *to;
	size_t left;
	loff_t pos;
	size_t done;
};

static int emit(struct window *w, size_t at, const void *data, size_t size)
{
	size_t skip, chunk;

	if (!w->left || w->pos < at || w->pos >= at + size)
		return 0;
	skip = w->pos - at;
	chunk = min(size - skip, w->left);
	if (copy_to_user(w->to, data + skip, chunk))
		return -EFAULT;
	w->to += chunk;
	w->left -= chunk;
	w->pos += chunk;
	w->done += chunk;
	return 0;
}

static ssize_t read_stats(const char *id, const struct desc *descs, size_t nr_descs,
			  const void *data, size_t data_size, char __user *to, size_t count,
			  loff_t *pos)
{
	const struct kvm_stats_header header = {
		.name_size = NAME_SIZE,
		.num_desc = nr_descs,
		.id_offset = sizeof(header),
		.desc_offset = sizeof(header) + NAME_SIZE,
		.data_offset = sizeof(header) + NAME_SIZE + nr_descs * sizeof(*descs),
	};
	struct window w = { .to = to, .left = count, .pos = *pos };

	if (*pos < 0)
		return -EINVAL;
	if (emit(&w, 0, &header, sizeof(header)) ||
	    emit(&w, header.id_offset, id, NAME_SIZE) ||
	    emit(&w, header.desc_offset, descs, nr_descs * sizeof(*descs)) ||
	    emit(&w, header.data_offset, data, data_size))
		return -EFAULT;
	*pos = w.pos;
	return w.done;
}

static ssize_t vm_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	struct vmm_vm *vm = file->private_data;
	char id[NAME_SIZE] = { };

	strscpy(id, vm->name, sizeof(id));
	return read_stats(id, vm_descs, ARRAY_SIZE(vm_descs), &vm->stats, sizeof(vm->stats),
			  to, count, pos);
}

static ssize_t vcpu_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	struct vmm_vcpu *vcpu = file->private_data;
	char id[NAME_SIZE] = { };

	snprintf(id, sizeof(id), "%s/vcpu-%d", vcpu->vm->name, vcpu->id);
	/* Its thread counts on meanwhile; aligned words do not tear. */
	return read_stats(id, vcpu_descs, ARRAY_SIZE(vcpu_descs), &vcpu->stats,
			  sizeof(vcpu->stats), to, count, pos);
}

static int vm_release(struct inode *inode, struct file *file)
{
	vmm_vm_put(file->private_data);
	return 0;
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct vmm_vcpu *vcpu = file->private_data;

	/* A vCPU lives as long as its VM. */
	vmm_vm_put(vcpu->vm);
	return 0;
}

static const struct file_operations vm_stats_fops = {
	.owner = THIS_MODULE,
	.read = vm_read,
	.release = vm_release,
	.llseek = noop_llseek,
};

static const struct file_operations vcpu_stats_fops = {
	.owner = THIS_MODULE,
	.read = vcpu_read,
	.release = vcpu_release,
	.llseek = noop_llseek,
};

static int open_stats(struct vmm_vm *vm, const char *name, const struct file_operations *fops,
		      void *object)
{
	struct file *file;
	int fd;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	file = anon_inode_getfile(name, fops, object, O_RDONLY);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	vmm_vm_get(vm);
	file->f_mode |= FMODE_PREAD;
	fd_install(fd, file);
	return fd;
}

/**
 * vmm_stats_vm_fd() - KVM_GET_STATS_FD on a VM
 * @vm: kept alive by the file
 *
 * Return: a file descriptor; -EMFILE, -ENFILE, -ENOMEM.
 */
int vmm_stats_vm_fd(struct vmm_vm *vm)
{
	return open_stats(vm, "kvm-vm-stats", &vm_stats_fops, vm);
}

/**
 * vmm_stats_vcpu_fd() - KVM_GET_STATS_FD on a vCPU
 * @vcpu: kept alive, with its VM, by the file
 *
 * Return: a file descriptor; -EMFILE, -ENFILE, -ENOMEM.
 */
int vmm_stats_vcpu_fd(struct vmm_vcpu *vcpu)
{
	char name[32];

	snprintf(name, sizeof(name), "kvm-vcpu-stats:%d", vcpu->id);
	return open_stats(vcpu->vm, name, &vcpu_stats_fops, vcpu);
}
