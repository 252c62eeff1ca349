// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a running VM's process gives up (DESIGN D11).
 */
#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <vmm/error.h>
#include "vmmctl.h"

static int drop_capabilities(void)
{
	cap_t none = cap_init();
	int ret;

	if (!none)
		return vmm_fail(errno, "cannot drop capabilities: %s", strerror(errno));
	ret = cap_set_proc(none);
	if (ret < 0)
		ret = vmm_fail(errno, "cannot drop capabilities: %s", strerror(errno));
	cap_free(none);
	return ret;
}

int sandbox_drop(void)
{
	return drop_capabilities();
}
