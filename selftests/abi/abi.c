// SPDX-License-Identifier: GPL-2.0-only
/*
 * What KVM's ABI promises, asked of a device.
 *
 *	abi DEVICE [--answers FILE] [NAME]	run the rows (whose name contains NAME)
 *	abi --compare KVM VMM DIFFERENCES	hold two files of answers against each other
 *
 * TAP on standard output. The same program runs on /dev/kvm and on /dev/vmm.
 */
#include "compare.h"
#include "lib.h"

int main(int argc, char **argv)
{
	const struct row *const tables[] = {
		system_rows, state_rows, memory_rows, guest_rows, irq_rows, pv_rows, pv_apf_rows, host_rows,
		optin_rows, more_rows, mmio_rows, many_rows, race_rows, NULL,
	};
	const char *answers = NULL, *only = NULL;
	int i;

	if (argc == 5 && !strcmp(argv[1], "--compare"))
		return compare_answers(argv[2], argv[3], argv[4]);
	if (argc < 2 || argv[1][0] == '-') {
		fprintf(stderr, "usage: abi DEVICE [--answers FILE] [NAME]\n"
				"       abi --compare KVM VMM DIFFERENCES\n");
		return 2;
	}
	device = argv[1];
	for (i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "--answers") && i + 1 < argc)
			answers = argv[++i];
		else
			only = argv[i];
	}
	return run_rows(tables, answers, only);
}
