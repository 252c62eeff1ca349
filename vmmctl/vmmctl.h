/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What vmmctl's verbs share.
 */
#ifndef VMMCTL_H
#define VMMCTL_H

#include <stdbool.h>

#define VMMCTL_VERSION	"0.1"

/*
 * Exit status. All are even, so that none is taken for a status of
 * isa-debug-exit, which is always odd.
 */
enum {
	STATUS_OK = 0,		/* power-off; or the verb did its work */
	STATUS_USAGE = 2,	/* the command line is wrong */
	STATUS_SETUP = 4,	/* no device, no permission, bad image, not enough memory */
	STATUS_RESET = 10,	/* the guest asked for a reset */
	STATUS_CRASH = 12,	/* the guest's kernel panicked, or triple fault */
	STATUS_KILLED = 14,	/* Ctrl-A x or a signal ended the VM */
	STATUS_INTERNAL = 16,	/* the hypervisor could not go on */
};

int verb_run(int argc, char **argv);
int verb_info(int argc, char **argv);
int verb_doctor(int argc, char **argv);

/* Print "vmmctl: " and a line to standard error. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * sandbox_enter() - give up what a running VM does not need (DESIGN D11)
 *
 * Drops all capabilities and confines this thread, and those it starts, to the
 * system calls of a running VM. Call it when everything is open and mapped.
 *
 * Return: 0 or a negative errno, with vmm_error() set.
 */
int sandbox_enter(void);

/**
 * sandbox_vcpu() - confine a vCPU thread further
 *
 * Called by the thread itself, within the sandbox of sandbox_enter().
 *
 * Return: 0 or a negative errno, with vmm_error() set.
 */
int sandbox_vcpu(void);

#endif
