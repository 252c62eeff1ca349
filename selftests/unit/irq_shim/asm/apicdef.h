/* SPDX-License-Identifier: GPL-2.0-only */
/* Delivery modes and the LVT offset that the controllers under test name. */
#define APIC_DM_FIXED	0x000
#define APIC_LVT0	0x350
