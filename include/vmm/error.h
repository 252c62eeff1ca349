/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errors: a function that fails returns a negative errno value and leaves a
 * sentence for a person in a per-thread buffer. The library never exits and
 * never prints.
 */
#ifndef VMM_ERROR_H
#define VMM_ERROR_H

/**
 * vmm_fail() - record why a call failed
 * @err: positive errno value
 * @fmt: printf format: what failed, on what, and what to do about it
 *
 * Return: -@err, so that "return vmm_fail(EINVAL, ...)" reads well.
 */
int vmm_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * vmm_error() - the sentence of this thread's last failure
 *
 * Return: a string that stays valid until the thread's next failure; never NULL.
 */
const char *vmm_error(void);

#endif
