// SPDX-License-Identifier: GPL-2.0-only
/*
 * Load and unload, /dev/vmm, and which CPUs are in virtualization mode.
 *
 * The hardware is switched on on every CPU when the first VM is created and off
 * when the last is gone, so that an idle vmm.ko leaves VT-x or AMD-V to others.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/anon_inodes.h>
#include <linux/cpu.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/reboot.h>
#include <linux/syscore_ops.h>

#include "vmm.h"
#include "ioctl.h"

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Virtual machines behind KVM's interface");
MODULE_AUTHOR("The vmm authors");

static char *backend = "auto";
module_param(backend, charp, 0444);
MODULE_PARM_DESC(backend, "auto, vmx or svm: which virtualization hardware to use");

struct vmm_backend vmm_backend __ro_after_init;
bool vmm_rebooting;
LIST_HEAD(vmm_vms);
DEFINE_MUTEX(vmm_vms_lock);

/*
 * vmm_users counts VMs. It changes under cpus_read_lock() and hw_lock, hence the
 * hotplug callbacks, which hold the write side, read it without hw_lock.
 */
static DEFINE_MUTEX(hw_lock);
static unsigned int vmm_users;
DEFINE_PER_CPU(bool, vmm_hw_enabled);

static void hw_enable_this_cpu(void *failed)
{
	int r;

	if (__this_cpu_read(vmm_hw_enabled))
		return;
	/* hw_reboot() holds no lock of ours: it may have been on this CPU already. */
	if (READ_ONCE(vmm_rebooting)) {
		if (failed)
			atomic_set(failed, -EBUSY);
		return;
	}
	r = vmm_backend.cpu_enable();
	if (r) {
		pr_err("CPU %d: cannot enter %s operation (%d)%s\n", smp_processor_id(),
		       vmm_backend.name, r,
		       r == -EBUSY ? ": another hypervisor is using it" : "");
		if (failed)
			atomic_set(failed, r);
		return;
	}
	__this_cpu_write(vmm_hw_enabled, true);
}

static void hw_disable_this_cpu(void *unused)
{
	if (!__this_cpu_read(vmm_hw_enabled))
		return;
	vmm_backend.cpu_disable();
	__this_cpu_write(vmm_hw_enabled, false);
}

/* The kernel has crashed; NMI context. */
static void hw_crash(void)
{
	if (__this_cpu_read(vmm_hw_enabled))
		vmm_backend.cpu_crash();
}

/*
 * The kernel has room for one callback and warns about a second. KVM's takes it for as
 * long as kvm_intel or kvm_amd is loaded, and takes the CPUs out of VMX and SVM operation
 * whoever put them there. So ours is registered while we have VMs and KVM is not there.
 */
static bool crash_registered, crash_is_kvms;	/* hw_lock */

static void crash_update(void)
{
	bool wanted = vmm_users && !crash_is_kvms;

	if (wanted == crash_registered)
		return;
	crash_registered = wanted;
	if (wanted)
		vmm_compat_crash_register(hw_crash);
	else
		vmm_compat_crash_unregister(hw_crash);
}

/* COMING is before a module's init function, GOING after its exit function, or a failed init. */
static int module_changes(struct notifier_block *nb, unsigned long state, void *data)
{
	struct module *mod = data;

	if (strcmp(mod->name, "kvm_intel") && strcmp(mod->name, "kvm_amd"))
		return NOTIFY_DONE;
	mutex_lock(&hw_lock);
	if (state == MODULE_STATE_COMING)
		crash_is_kvms = true;
	else if (state == MODULE_STATE_GOING)
		crash_is_kvms = false;
	crash_update();
	mutex_unlock(&hw_lock);
	return NOTIFY_OK;
}

static struct notifier_block module_notifier = {
	.notifier_call = module_changes,
};

/**
 * vmm_hw_get() - a VM is being created: switch the hardware on if it is the first
 *
 * Return: 0; -EBUSY when another hypervisor holds a CPU; the backend's error
 * otherwise. On error every CPU is back as it was. Process context.
 */
int vmm_hw_get(void)
{
	atomic_t failed = ATOMIC_INIT(0);
	int r = 0;

	cpus_read_lock();
	mutex_lock(&hw_lock);
	if (vmm_rebooting) {
		r = -EBUSY;
		goto out;
	}
	if (!vmm_users) {
		on_each_cpu(hw_enable_this_cpu, &failed, 1);
		r = atomic_read(&failed);
		if (r) {
			on_each_cpu(hw_disable_this_cpu, NULL, 1);
			goto out;
		}
	}
	vmm_users++;
	crash_update();
out:
	mutex_unlock(&hw_lock);
	cpus_read_unlock();
	return r;
}

/**
 * vmm_hw_put() - a VM is gone; the last one switches the hardware off
 */
void vmm_hw_put(void)
{
	cpus_read_lock();
	mutex_lock(&hw_lock);
	if (!--vmm_users)
		on_each_cpu(hw_disable_this_cpu, NULL, 1);
	crash_update();
	mutex_unlock(&hw_lock);
	cpus_read_unlock();
}

/*
 * Hotplug. Both run on the CPU concerned with interrupts off, going down after
 * every task has been pushed away, so no vCPU is loaded there.
 */
static int cpu_starting(unsigned int cpu)
{
	if (vmm_users && !vmm_rebooting)
		hw_enable_this_cpu(NULL);
	return 0;	/* this phase must not fail; vCPUs refuse to run on such a CPU */
}

static int cpu_leaving(unsigned int cpu)
{
	hw_disable_this_cpu(NULL);
	return 0;
}

/* Suspend: the other CPUs have been unplugged, this one remains. */
static int hw_suspend(void)
{
	hw_disable_this_cpu(NULL);
	return 0;
}

static void hw_resume(void)
{
	if (vmm_users)
		hw_enable_this_cpu(NULL);
	vmm_clock_resume();
}

static struct syscore_ops hw_syscore_ops = {
	.suspend = hw_suspend,
	.resume = hw_resume,
};

/*
 * Reboot and kexec: firmware and the next kernel expect CPUs that answer to INIT,
 * and VMX operation blocks it (SDM 24.8). Guests are killed first: a thread still
 * on its way to an entry finds vmm_rebooting set and its instruction fixed up.
 */
static int hw_reboot(struct notifier_block *nb, unsigned long event, void *unused)
{
	struct vmm_vm *vm;

	mutex_lock(&vmm_vms_lock);
	WRITE_ONCE(vmm_rebooting, true);
	list_for_each_entry(vm, &vmm_vms, link)
		vmm_kill(vm, "the host is going down");
	mutex_unlock(&vmm_vms_lock);
	on_each_cpu(hw_disable_this_cpu, NULL, 1);
	return NOTIFY_OK;
}

static struct notifier_block hw_reboot_notifier = {
	.notifier_call = hw_reboot,
	.priority = 0,
};

static const struct file_operations vmm_dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vmm_dev_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice vmm_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vmm",
	.fops = &vmm_dev_fops,
	.mode = 0660,
};

static int choose_backend(void)
{
	bool vmx = boot_cpu_data.x86_vendor != X86_VENDOR_AMD &&
		   boot_cpu_data.x86_vendor != X86_VENDOR_HYGON;

	if (!strcmp(backend, "vmx")) {
		vmx = true;
	} else if (!strcmp(backend, "svm")) {
		vmx = false;
	} else if (strcmp(backend, "auto")) {
		pr_err("parameter backend=%s: it is one of auto, vmx, svm\n", backend);
		return -EINVAL;
	}
	vmm_backend = vmx ? vmx_backend : svm_backend;
	static_call_update(vmm_prepare, vmm_backend.prepare);
	static_call_update(vmm_run, vmm_backend.run);
	return 0;
}

/* Undo what vmm_init() hooks into the host. */
static void unhook(void)
{
	preempt_notifier_dec();
	unregister_module_notifier(&module_notifier);
	unregister_reboot_notifier(&hw_reboot_notifier);
	unregister_syscore_ops(&hw_syscore_ops);
	cpuhp_remove_state_nocalls(VMM_CPUHP_STARTING);
}

static int __init vmm_init(void)
{
	int r;

	r = choose_backend();
	if (r)
		return r;
	if (vmm_compat_fred()) {
		pr_err("this kernel runs with FRED event delivery, which vmm cannot enter guests from; boot with fred=off\n");
		return -ENODEV;
	}
	r = vmm_backend.usable();
	if (r)
		return r;
	r = vmm_backend.setup();
	if (r)
		return r;
	vmm_fpu_init();
	vmm_cpuid_init();
	vmm_msr_init();
	r = vmm_mmu_module_init();
	if (r)
		goto unsetup;
	r = vmm_eventfd_module_init();
	if (r)
		goto mmu;
	r = vmm_clock_init();
	if (r)
		goto eventfd;
	r = vmm_async_pf_module_init();
	if (r)
		goto clock;
	r = cpuhp_setup_state_nocalls(VMM_CPUHP_STARTING, "virt/vmm:starting",
				      cpu_starting, cpu_leaving);
	if (r)
		goto async_pf;
	register_syscore_ops(&hw_syscore_ops);
	register_reboot_notifier(&hw_reboot_notifier);
	crash_is_kvms = vmm_compat_crash_is_kvms();
	register_module_notifier(&module_notifier);
	/*
	 * Here and not per VM: it patches the scheduler's code, which costs more than
	 * it saves, and QEMU's TCG before 8.0 loses a CPU to it now and then.
	 */
	preempt_notifier_inc();
	r = misc_register(&vmm_dev);
	if (r)
		goto notifier;
	pr_info("%s backend, %s\n", vmm_backend.name,
		vmm_backend.caps.tdp ? "nested paging" : "shadow paging");
	return 0;
notifier:
	unhook();
async_pf:
	vmm_async_pf_module_exit();
clock:
	vmm_clock_exit();
eventfd:
	vmm_eventfd_module_exit();
mmu:
	vmm_mmu_module_exit();
unsetup:
	vmm_backend.unsetup();
	return r;
}

static void __exit vmm_exit(void)
{
	/* No VM exists: each holds a reference on the module through its fds. */
	misc_deregister(&vmm_dev);
	unhook();
	vmm_async_pf_module_exit();
	vmm_clock_exit();
	vmm_eventfd_module_exit();
	vmm_mmu_module_exit();
	vmm_backend.unsetup();
	rcu_barrier();
}

module_init(vmm_init);
module_exit(vmm_exit);
