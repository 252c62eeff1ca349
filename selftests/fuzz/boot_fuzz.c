// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer harness: any bytes as a kernel image. The first byte chooses
 * memory size, initrd and command line; the rest is the image.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/boot.h>
#include <vmm/memory.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t sizes[] = { 1 << 20, 4 << 20, 64 << 20, 5ULL << 30 };
	struct vmm_image kernel = { .name = "fuzz", .fd = -1 };
	struct vmm_image initrd = { .name = "initrd", .fd = -1 };
	struct vmm_boot_params params = { .kernel = &kernel, .cmdline = "console=ttyS0" };
	struct vmm_memory mem = { .nr = 0 };
	struct vmm_boot_entry entry;

	if (size < 1)
		return 0;
	if (vmm_memory_create(&mem, sizes[data[0] & 3], 0, NULL))
		abort();
	kernel.data = data + 1;
	kernel.size = size - 1;
	if (data[0] & 4) {
		initrd.data = data;
		initrd.size = size;
		params.initrd = &initrd;
	}
	if (vmm_boot_load(&mem, &params, &entry) == 0) {
		/* What is accepted must be enterable: the entry point is in memory. */
		if (!vmm_memory_at(&mem, entry.ip, 1))
			abort();
	}
	vmm_memory_destroy(&mem);
	return 0;
}
