# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The unit tests, here and now; and the emulator as a guest sees it.

for program in emul_test irq_test mmu_test gwalk_test para_test mitigate_test libvmm_boot_test \
	       libvmm_unpack_test libvmm_pc_test libvmm_core_test; do
	row unit "unit-$program" env CK_TAP_LOG_FILE_NAME=- CK_VERBOSITY=silent "$B/unit/$program"
done
for lane in svm vmx; do
	row "$lane" "emul-$lane" "$lab" --host "$lane" --load vmm --timeout 300 \
		--add "$B/selftests/emul_guest:/emul_guest" -- /emul_guest /dev/vmm
	row "$lane" "modes-$lane" "$lab" --host "$lane" --load vmm --timeout 300 \
		--add "$B/selftests/modes:/modes" -- /modes /dev/vmm
done
