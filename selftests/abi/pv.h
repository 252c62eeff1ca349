/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of paravirtual features share.
 */
#ifndef ABI_PV_H
#define ABI_PV_H

#include <pthread.h>

#include "lib.h"

/* A vCPU in a thread of its own, from its start until its guest function returns. */
struct pv_vcpu {
	int host_cpu;			/* where the thread runs; -1: anywhere */
	struct vm *vm;
	int i;
	volatile bool done;
	pthread_t thread;
};

void pv_start(struct pv_vcpu *v, struct vm *vm, int i, void (*code)(void));
void pv_join(struct pv_vcpu *v);
void pv_enforce(struct vm *vm, int i);	/* KVM_CAP_ENFORCE_PV_FEATURE_CPUID */
uint64_t vcpu_stat(struct vm *vm, int i, const char *name);

/* Guest code. */
static inline uint64_t hypercall(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	uint64_t r;

	/* Each vendor's instruction where it is: KVM patches the other one, vmm as well. */
	if (amd)
		asm volatile("vmmcall" : "=a" (r) : "a" (nr), "b" (a), "c" (b), "d" (c), "S" (d)
			     : "memory");
	else
		asm volatile("vmcall" : "=a" (r) : "a" (nr), "b" (a), "c" (b), "d" (c), "S" (d)
			     : "memory");
	return r;
}

#endif /* ABI_PV_H */
