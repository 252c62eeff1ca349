/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VM: its memory, its address spaces, its vCPU threads and how it ended.
 */
#ifndef VMM_VM_H
#define VMM_VM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <vmm/bus.h>
#include <vmm/device.h>
#include <vmm/loop.h>
#include <vmm/memory.h>

#define VMM_CPUS_MAX		255

struct kvm_run;
struct vmm_vm;

/* How a VM ended. The first reason given stays. */
enum vmm_end {
	VMM_END_NONE,
	VMM_END_POWEROFF,	/* the guest switched itself off */
	VMM_END_RESET,		/* the guest asked for a reset */
	VMM_END_CRASH,		/* the guest's kernel panicked, or triple fault */
	VMM_END_KILLED,		/* somebody outside ended it */
	VMM_END_ERROR,		/* the device or this library could not go on */
	VMM_END_DEBUG_EXIT,	/* isa-debug-exit; vmm_vm_end_code() has the status */
};

/**
 * struct vmm_vcpu - a virtual CPU and its thread
 * @vm: its VM
 * @index: vCPU number, also its APIC id
 * @fd: descriptor
 * @run: the mapping shared with the device
 * @thread: valid while @started
 */
struct vmm_vcpu {
	struct vmm_vm *vm;
	unsigned int index;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool started;
};

/**
 * struct vmm_vm - a virtual machine
 * @dev: the device node, the caller's
 * @loop: the event loop, the caller's
 * @fd: VM descriptor
 * @mem: memory; create it before vmm_vm_start()
 * @pio: port address space
 * @mmio: memory-mapped device registers
 * @nr_vcpus: number of vCPUs
 * @vcpus: the vCPUs
 * @vcpu_enter: called by each vCPU thread before it first runs the guest, to
 *	confine itself; or NULL. What it returns other than 0 ends the VM.
 * @name: for threads and messages
 */
struct vmm_vm {
	struct vmm_device *dev;
	struct vmm_loop *loop;
	int fd;
	struct vmm_memory mem;
	struct vmm_bus pio;
	struct vmm_bus mmio;
	unsigned int nr_vcpus;
	struct vmm_vcpu *vcpus;
	int (*vcpu_enter)(void);
	char name[64];
	/* Private: the end, set once by vmm_vm_end() under end_lock. */
	pthread_mutex_t end_lock;
	int end;
	int end_code;
	char end_detail[1024];
};

/**
 * vmm_vm_create() - make a VM with in-kernel interrupt controllers and PIT
 * @vm: zeroed
 * @dev: open device
 * @loop: event loop, which vmm_vm_end() stops
 * @name: a name or NULL
 *
 * Return: 0 or a negative errno.
 */
int vmm_vm_create(struct vmm_vm *vm, struct vmm_device *dev, struct vmm_loop *loop,
		  const char *name);

/**
 * vmm_vm_set_memory() - register the slots of vm->mem with the device
 * Return: 0 or a negative errno.
 */
int vmm_vm_set_memory(struct vmm_vm *vm);

/**
 * vmm_vm_add_vcpus() - create vCPUs and give them their CPUID
 * @vm: VM
 * @nr: 1 to VMM_CPUS_MAX
 *
 * Return: 0 or a negative errno.
 */
int vmm_vm_add_vcpus(struct vmm_vm *vm, unsigned int nr);

/**
 * vmm_vm_start() - start a thread per vCPU
 * Return: 0 or a negative errno; on error no thread runs.
 */
int vmm_vm_start(struct vmm_vm *vm);

/**
 * vmm_vm_end() - end the VM; from any thread; the first caller's reason stays
 * @vm: VM
 * @end: how
 * @code: exit status for VMM_END_DEBUG_EXIT, else 0
 * @fmt: a sentence for a person, or NULL
 */
void vmm_vm_end(struct vmm_vm *vm, enum vmm_end end, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* How the VM ended, VMM_END_NONE while it has not. From any thread. */
enum vmm_end vmm_vm_ended(struct vmm_vm *vm);

/* Status and sentence of the end; valid once vmm_vm_ended() says it ended. */
int vmm_vm_end_code(struct vmm_vm *vm);
const char *vmm_vm_end_detail(struct vmm_vm *vm);

/**
 * vmm_vm_irq() - set the level of an interrupt line (KVM_IRQ_LINE)
 * @opaque: the struct vmm_vm, so that it fits struct vmm_irq
 * @gsi: global system interrupt
 * @level: 0 or 1
 */
void vmm_vm_irq(void *opaque, unsigned int gsi, int level);

/* Wait for all vCPU threads to leave. The VM must have ended. */
void vmm_vm_join(struct vmm_vm *vm);

/* Join and release everything. */
void vmm_vm_destroy(struct vmm_vm *vm);

/**
 * struct vmm_irq - where a device's interrupt line goes
 * @set: changes the level; from any thread
 * @opaque: given to @set
 * @gsi: the line
 */
struct vmm_irq {
	void (*set)(void *opaque, unsigned int gsi, int level);
	void *opaque;
	unsigned int gsi;
};

#endif
