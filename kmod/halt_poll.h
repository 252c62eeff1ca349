/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long a vCPU looks for work before it sleeps in HLT: its window. Waking a thread
 * costs more than a few microseconds of looking, but only if the wait is that short, so
 * the window follows what the halts were like. Plain C, for the unit tests too.
 */
#ifndef VMM_HALT_POLL_H
#define VMM_HALT_POLL_H

#define VMM_HALT_POLL_DEFAULT	200000u		/* ns: the largest window, as KVM's default */
#define VMM_HALT_POLL_START	10000u		/* ns: the first one */

/**
 * vmm_halt_poll_window() - the window for the next halt
 * @window: the one this halt had, ns, at most @max
 * @halted: how long this halt took, polling included, ns
 * @max: the largest window allowed, ns; 0: no polling
 *
 * Grows while a larger window would have caught the end of the halt, and closes after
 * a halt that none could have.
 */
static inline unsigned int vmm_halt_poll_window(unsigned int window, unsigned long long halted,
						unsigned int max)
{
	if (halted <= window)
		return window;
	if (halted >= max)
		return halted > max ? 0 : window;
	if (window < VMM_HALT_POLL_START)
		window = VMM_HALT_POLL_START;
	else
		window = window > max / 2 ? max : window * 2;
	return window < max ? window : max;
}

#endif /* VMM_HALT_POLL_H */
