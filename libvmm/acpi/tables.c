// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The ACPI tables of the machine in <vmm/pc.h>: RSDP, RSDT, XSDT, FADT, FACS,
 * MADT, DSDT and ERST (ACPI 6.4 chapters 5.2 and 18.5).
 */
#include <errno.h>
#include <string.h>
#include <vmm/acpi.h>
#include <vmm/error.h>
#include <vmm/pc.h>
#include "aml.h"

#define GAS_MEMORY		0
#define GAS_IO			1

struct gas {
	uint8_t space;
	uint8_t width;
	uint8_t offset;
	uint8_t access;		/* 1 byte, 2 word, 3 dword, 4 qword */
	uint64_t address;
} __attribute__((packed));

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} __attribute__((packed));

struct fadt {
	struct header h;
	uint32_t firmware_ctrl;
	uint32_t dsdt;
	uint8_t reserved1;
	uint8_t preferred_pm_profile;
	uint16_t sci_int;
	uint32_t smi_cmd;
	uint8_t acpi_enable;
	uint8_t acpi_disable;
	uint8_t s4bios_req;
	uint8_t pstate_cnt;
	uint32_t pm1a_evt_blk;
	uint32_t pm1b_evt_blk;
	uint32_t pm1a_cnt_blk;
	uint32_t pm1b_cnt_blk;
	uint32_t pm2_cnt_blk;
	uint32_t pm_tmr_blk;
	uint32_t gpe0_blk;
	uint32_t gpe1_blk;
	uint8_t pm1_evt_len;
	uint8_t pm1_cnt_len;
	uint8_t pm2_cnt_len;
	uint8_t pm_tmr_len;
	uint8_t gpe0_blk_len;
	uint8_t gpe1_blk_len;
	uint8_t gpe1_base;
	uint8_t cst_cnt;
	uint16_t p_lvl2_lat;
	uint16_t p_lvl3_lat;
	uint16_t flush_size;
	uint16_t flush_stride;
	uint8_t duty_offset;
	uint8_t duty_width;
	uint8_t day_alrm;
	uint8_t mon_alrm;
	uint8_t century;
	uint16_t iapc_boot_arch;
	uint8_t reserved2;
	uint32_t flags;
	struct gas reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor_version;
	uint64_t x_firmware_ctrl;
	uint64_t x_dsdt;
	struct gas x_pm1a_evt_blk;
	struct gas x_pm1b_evt_blk;
	struct gas x_pm1a_cnt_blk;
	struct gas x_pm1b_cnt_blk;
	struct gas x_pm2_cnt_blk;
	struct gas x_pm_tmr_blk;
	struct gas x_gpe0_blk;
	struct gas x_gpe1_blk;
	struct gas sleep_control_reg;
	struct gas sleep_status_reg;
	uint64_t hypervisor_vendor;
} __attribute__((packed));

_Static_assert(sizeof(struct fadt) == 276, "FADT revision 6");

#define FADT_WBINVD		(1u << 0)
#define FADT_PROC_C1		(1u << 2)
#define FADT_PWR_BUTTON		(1u << 4)	/* no fixed power button */
#define FADT_SLP_BUTTON		(1u << 5)	/* no fixed sleep button */
#define FADT_FIX_RTC		(1u << 6)	/* RTC wake status is not in PM1 */
#define FADT_TMR_VAL_EXT	(1u << 8)	/* the timer has 32 bits */
#define FADT_RESET_REG_SUP	(1u << 10)

#define IAPC_LEGACY_DEVICES	(1u << 0)
#define IAPC_NO_VGA		(1u << 2)

struct facs {
	char signature[4];
	uint32_t length;
	uint32_t hardware_signature;
	uint32_t waking_vector;
	uint32_t global_lock;
	uint32_t flags;
	uint64_t x_waking_vector;
	uint8_t version;
	uint8_t reserved[31];
} __attribute__((packed));

struct madt {
	struct header h;
	uint32_t lapic_address;
	uint32_t flags;
} __attribute__((packed));

struct madt_lapic {
	uint8_t type;
	uint8_t length;
	uint8_t uid;
	uint8_t apic_id;
	uint32_t flags;
} __attribute__((packed));

struct madt_ioapic {
	uint8_t type;
	uint8_t length;
	uint8_t id;
	uint8_t reserved;
	uint32_t address;
	uint32_t gsi_base;
} __attribute__((packed));

struct madt_override {
	uint8_t type;
	uint8_t length;
	uint8_t bus;
	uint8_t source;
	uint32_t gsi;
	uint16_t flags;
} __attribute__((packed));

struct madt_lapic_nmi {
	uint8_t type;
	uint8_t length;
	uint8_t uid;
	uint16_t flags;
	uint8_t lint;
} __attribute__((packed));

struct erst {
	struct header h;
	uint32_t header_length;
	uint32_t reserved;
	uint32_t entries;
} __attribute__((packed));

struct erst_entry {
	uint8_t action;
	uint8_t instruction;
	uint8_t flags;
	uint8_t reserved;
	struct gas reg;
	uint64_t value;
	uint64_t mask;
} __attribute__((packed));

#define ERST_READ		0
#define ERST_READ_VALUE		1
#define ERST_WRITE		2
#define ERST_WRITE_VALUE	3

/* Where the next table goes. */
struct area {
	uint8_t *base;
	size_t used;
	bool overflow;
};

static uint32_t area_gpa(const struct area *area, const void *p)
{
	return VMM_ACPI_BASE + ((const uint8_t *)p - area->base);
}

static void *area_take(struct area *area, size_t size, size_t align)
{
	size_t at = (area->used + align - 1) & ~(align - 1);

	if (size > VMM_ACPI_SIZE || at > VMM_ACPI_SIZE - size) {
		area->overflow = true;
		return NULL;
	}
	area->used = at + size;
	memset(area->base + at, 0, size);
	return area->base + at;
}

static uint8_t checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (len--)
		sum += *p++;
	return -sum;
}

static void finish(struct header *h, const char *signature, uint32_t length, uint8_t revision)
{
	memcpy(h->signature, signature, 4);
	h->length = length;
	h->revision = revision;
	memcpy(h->oem_id, "VMM   ", 6);
	memcpy(h->oem_table_id, "VMMPC   ", 8);
	h->oem_revision = 1;
	memcpy(h->creator_id, "VMM ", 4);
	h->creator_revision = 1;
	h->checksum = 0;
	h->checksum = checksum(h, length);
}

static struct gas gas_io(uint16_t port, unsigned int bytes)
{
	return (struct gas) { GAS_IO, bytes * 8, 0, bytes == 4 ? 3 : bytes, port };
}

static void dsdt_device(struct aml *a, const char *name, const char *hid, uint16_t port,
			uint8_t len, unsigned int irq)
{
	size_t mark = aml_device(a, name);

	aml_name(a, "_HID");
	if (!strncmp(hid, "PNP", 3))
		aml_eisaid(a, hid);
	else
		aml_string(a, hid);
	aml_name(a, "_UID");
	aml_int(a, 0);
	aml_name(a, "_STA");
	aml_int(a, 0xf);
	aml_crs_isa(a, port, len, irq);
	aml_close(a, mark);
}

static struct header *build_dsdt(struct area *area)
{
	struct header *h = area_take(area, 1024, 16);
	struct aml a = { .cap = 1024 - sizeof(*h) };
	size_t mark;
	int i;

	if (!h)
		return NULL;
	a.buf = (uint8_t *)(h + 1);
	mark = aml_scope(&a, "\\_SB_");
	dsdt_device(&a, "COM1", "PNP0501", VMM_PC_COM1, 8, VMM_PC_COM1_IRQ);
	dsdt_device(&a, "RTC_", "PNP0B00", VMM_PC_CMOS, 2, VMM_PC_RTC_IRQ);
	dsdt_device(&a, "PEVT", "QEMU0001", VMM_PC_PVPANIC, 1, 0);
	aml_close(&a, mark);
	/* Soft off: SLP_TYPa, SLP_TYPb, two reserved (ACPI 6.4, 7.4.2). */
	aml_name(&a, "\\_S5_");
	mark = aml_package(&a, 4);
	aml_int(&a, VMM_PC_SLP_TYP_S5);
	for (i = 0; i < 3; i++)
		aml_int(&a, 0);
	aml_close(&a, mark);
	if (a.overflow)
		area->overflow = true;
	finish(h, "DSDT", sizeof(*h) + a.len, 2);
	return h;
}

static struct facs *build_facs(struct area *area)
{
	struct facs *f = area_take(area, sizeof(*f), 64);

	if (!f)
		return NULL;
	memcpy(f->signature, "FACS", 4);
	f->length = sizeof(*f);
	f->version = 2;
	return f;
}

static struct header *build_fadt(struct area *area, uint32_t dsdt, uint32_t facs)
{
	struct fadt *f = area_take(area, sizeof(*f), 16);

	if (!f)
		return NULL;
	f->firmware_ctrl = facs;
	f->dsdt = dsdt;
	f->x_dsdt = dsdt;
	f->preferred_pm_profile = 4;	/* enterprise server: no lid, no battery */
	f->sci_int = VMM_PC_SCI;
	/* No SMI_CMD: the machine is in ACPI mode from the start. */
	f->pm1a_evt_blk = VMM_PC_PM1_EVT;
	f->pm1a_cnt_blk = VMM_PC_PM1_CNT;
	f->pm_tmr_blk = VMM_PC_PM_TMR;
	f->pm1_evt_len = 4;
	f->pm1_cnt_len = 2;
	f->pm_tmr_len = 4;
	f->x_pm1a_evt_blk = gas_io(VMM_PC_PM1_EVT, 4);
	f->x_pm1a_cnt_blk = gas_io(VMM_PC_PM1_CNT, 2);
	f->x_pm_tmr_blk = gas_io(VMM_PC_PM_TMR, 4);
	f->p_lvl2_lat = 0xfff;		/* larger than 100: no C2 */
	f->p_lvl3_lat = 0xfff;		/* larger than 1000: no C3 */
	f->century = 0x32;
	/* The 8042 bit stays clear: only its reset line exists. */
	f->iapc_boot_arch = IAPC_LEGACY_DEVICES | IAPC_NO_VGA;
	f->flags = FADT_WBINVD | FADT_PROC_C1 | FADT_PWR_BUTTON | FADT_SLP_BUTTON |
		   FADT_FIX_RTC | FADT_TMR_VAL_EXT | FADT_RESET_REG_SUP;
	f->reset_reg = gas_io(VMM_PC_RESET, 1);
	f->reset_value = VMM_PC_RESET_VALUE;
	f->minor_version = 4;
	finish(&f->h, "FACP", sizeof(*f), 6);
	return &f->h;
}

static struct header *build_madt(struct area *area, unsigned int nr_cpus)
{
	size_t size = sizeof(struct madt) + nr_cpus * sizeof(struct madt_lapic) +
		      sizeof(struct madt_ioapic) + sizeof(struct madt_override) +
		      sizeof(struct madt_lapic_nmi);
	struct madt *m = area_take(area, size, 16);
	struct madt_lapic *lapic;
	struct madt_ioapic *ioapic;
	struct madt_override *sci;
	struct madt_lapic_nmi *nmi;
	unsigned int i;

	if (!m)
		return NULL;
	m->lapic_address = 0xfee00000;
	m->flags = 1;		/* a PIC pair is present too */
	lapic = (struct madt_lapic *)(m + 1);
	for (i = 0; i < nr_cpus; i++)
		lapic[i] = (struct madt_lapic) { 0, sizeof(*lapic), i, i, 1 };
	ioapic = (struct madt_ioapic *)(lapic + nr_cpus);
	*ioapic = (struct madt_ioapic) { 1, sizeof(*ioapic), 0, 0, 0xfec00000, 0 };
	/* The SCI is level, active high; all other ISA lines are as on a PC/AT. */
	sci = (struct madt_override *)(ioapic + 1);
	*sci = (struct madt_override) { 2, sizeof(*sci), 0, VMM_PC_SCI, VMM_PC_SCI, 0xd };
	nmi = (struct madt_lapic_nmi *)(sci + 1);
	*nmi = (struct madt_lapic_nmi) { 4, sizeof(*nmi), 0xff, 0, 1 };
	finish(&m->h, "APIC", size, 5);
	return &m->h;
}

/*
 * Each action of ACPI 6.4 table 18.17 as register accesses: an action is its
 * number written to the action register; its argument is in the value register
 * before, its answer after.
 */
static const struct {
	uint8_t action;
	uint8_t takes;
	uint8_t gives;
} erst_actions[] = {
	{ VMM_ERST_BEGIN_WRITE, 0, 0 },
	{ VMM_ERST_BEGIN_READ, 0, 0 },
	{ VMM_ERST_BEGIN_CLEAR, 0, 0 },
	{ VMM_ERST_END, 0, 0 },
	{ VMM_ERST_SET_RECORD_OFFSET, 1, 0 },
	{ VMM_ERST_EXECUTE, 0, 0 },
	{ VMM_ERST_CHECK_BUSY, 0, 1 },
	{ VMM_ERST_GET_STATUS, 0, 1 },
	{ VMM_ERST_GET_RECORD_ID, 0, 1 },
	{ VMM_ERST_SET_RECORD_ID, 1, 0 },
	{ VMM_ERST_GET_RECORD_COUNT, 0, 1 },
	{ VMM_ERST_BEGIN_DUMMY_WRITE, 0, 0 },
	{ VMM_ERST_GET_RANGE, 0, 1 },
	{ VMM_ERST_GET_RANGE_LENGTH, 0, 1 },
	{ VMM_ERST_GET_RANGE_ATTRIBUTES, 0, 1 },
	{ VMM_ERST_GET_TIMINGS, 0, 1 },
};

static struct header *build_erst(struct area *area, uint64_t regs)
{
	const size_t nr = sizeof(erst_actions) / sizeof(erst_actions[0]);
	struct gas action = { GAS_MEMORY, 32, 0, 3, regs + VMM_ERST_ACTION };
	struct gas value = { GAS_MEMORY, 64, 0, 4, regs + VMM_ERST_VALUE };
	size_t n = 0, i, size;
	struct erst_entry *e;
	struct erst *t;

	for (i = 0; i < nr; i++)
		n += 1 + erst_actions[i].takes + erst_actions[i].gives;
	size = sizeof(*t) + n * sizeof(*e);
	t = area_take(area, size, 16);
	if (!t)
		return NULL;
	t->header_length = sizeof(*t) - sizeof(t->h);
	t->entries = n;
	e = (struct erst_entry *)(t + 1);
	for (i = 0; i < nr; i++) {
		uint8_t a = erst_actions[i].action;

		if (erst_actions[i].takes)
			*e++ = (struct erst_entry) { a, ERST_WRITE, 0, 0, value, 0, ~0ULL };
		*e++ = (struct erst_entry) { a, ERST_WRITE_VALUE, 0, 0, action, a, 0xff };
		if (erst_actions[i].gives)
			*e++ = (struct erst_entry) { a,
						     a == VMM_ERST_CHECK_BUSY ? ERST_READ_VALUE :
						     ERST_READ, 0, 0, value,
						     a == VMM_ERST_CHECK_BUSY, ~0ULL };
	}
	finish(&t->h, "ERST", size, 1);
	return &t->h;
}

static void build_rsdp(struct rsdp *rsdp, uint32_t rsdt, uint32_t xsdt)
{
	memcpy(rsdp->signature, "RSD PTR ", 8);
	memcpy(rsdp->oem_id, "VMM   ", 6);
	rsdp->revision = 2;
	rsdp->rsdt = rsdt;
	rsdp->length = sizeof(*rsdp);
	rsdp->xsdt = xsdt;
	rsdp->checksum = checksum(rsdp, 20);
	rsdp->extended_checksum = checksum(rsdp, sizeof(*rsdp));
}

int vmm_acpi_build(const struct vmm_memory *mem, const struct vmm_acpi_config *config,
		   uint64_t *rsdp_gpa)
{
	struct area area = { .base = vmm_memory_at(mem, VMM_ACPI_BASE, VMM_ACPI_SIZE) };
	struct header *tables[3], *dsdt, *rsdt, *xsdt;
	unsigned int i, n = 0;
	struct rsdp *rsdp;
	struct facs *facs;

	if (!area.base)
		return vmm_fail(ENOMEM, "not enough memory for ACPI tables");
	rsdp = area_take(&area, sizeof(*rsdp), 16);
	facs = build_facs(&area);
	dsdt = build_dsdt(&area);
	if (!rsdp || !facs || !dsdt)
		goto full;
	tables[n++] = build_fadt(&area, area_gpa(&area, dsdt), area_gpa(&area, facs));
	tables[n++] = build_madt(&area, config->nr_cpus);
	if (config->erst_regs)
		tables[n++] = build_erst(&area, config->erst_regs);
	rsdt = area_take(&area, sizeof(*rsdt) + n * 4, 16);
	xsdt = area_take(&area, sizeof(*xsdt) + n * 8, 16);
	if (area.overflow)
		goto full;
	for (i = 0; i < n; i++) {
		uint32_t gpa32 = area_gpa(&area, tables[i]);
		uint64_t gpa = gpa32;

		memcpy((uint8_t *)(rsdt + 1) + i * 4, &gpa32, 4);
		memcpy((uint8_t *)(xsdt + 1) + i * 8, &gpa, 8);
	}
	finish(rsdt, "RSDT", sizeof(*rsdt) + n * 4, 1);
	finish(xsdt, "XSDT", sizeof(*xsdt) + n * 8, 1);
	build_rsdp(rsdp, area_gpa(&area, rsdt), area_gpa(&area, xsdt));
	*rsdp_gpa = area_gpa(&area, rsdp);
	return 0;
full:
	return vmm_fail(ENOMEM, "the ACPI tables do not fit into %u KiB", VMM_ACPI_SIZE >> 10);
}
