/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Descriptors as seg.c, far.c and task.c see them. SDM volume 3, 3.4.5 and 5.8.3 (gates).
 */
#ifndef EMUL_SEG_H
#define EMUL_SEG_H

#include "internal.h"

#define DESC_LIMIT(d)	((u32)((d) & 0xffff) | (u32)((d) >> 32 & 0xf0000))
#define DESC_BASE(d)	((u32)((d) >> 16 & 0xffffff) | (u32)((d) >> 32 & 0xff000000u))

/* Types of system descriptors */
#define SYS_TSS16	1
#define SYS_LDT		2
#define SYS_BUSY	2	/* bit of a TSS's type */
#define SYS_CALL16	4
#define SYS_TASK_GATE	5
#define SYS_32		8	/* bit: the 32-bit kind of TSS or gate */
#define SYS_TSS32	9
#define SYS_CALL32	12	/* with EFER.LMA the 64-bit call gate */

static inline u32 desc_attr(u64 d)
{
	return (u32)(d >> 40 & 0xff) | (u32)(d >> 52 & 0xf) << 12;
}

static inline void desc_to_seg(u64 d, u16 sel, struct emul_seg *seg)
{
	seg->selector = sel;
	seg->attr = desc_attr(d);
	seg->base = DESC_BASE(d);
	seg->limit = DESC_LIMIT(d);
	if (seg->attr & EMUL_SEG_G)
		seg->limit = seg->limit << 12 | 0xfff;
}

static inline void null_seg(u16 sel, struct emul_seg *seg)
{
	memset(seg, 0, sizeof(*seg));
	seg->selector = sel;
	seg->attr = EMUL_SEG_UNUSABLE;
}

/* A selector without its RPL: 0 is null, and it is what error codes hold */
static inline u32 sel_error(u16 sel)
{
	return sel & 0xfffc;
}

static inline bool writable_data(u32 attr)
{
	return (attr & EMUL_SEG_S) && !(attr & EMUL_SEG_CODE) && (attr & EMUL_SEG_RW);
}

static inline bool readable(u32 attr)
{
	return (attr & EMUL_SEG_S) && (!(attr & EMUL_SEG_CODE) || (attr & EMUL_SEG_RW));
}

static inline bool conforming(u32 attr)
{
	return (attr & (EMUL_SEG_CODE | EMUL_SEG_EC)) == (EMUL_SEG_CODE | EMUL_SEG_EC);
}

/* seg.c */
enum emul_status emul_bad_selector(struct emul *e, u8 vector, u16 sel);
enum emul_status emul_seg_desc(struct emul *e, u16 sel, u64 desc[2], u64 *la, u8 vector);
enum emul_status emul_mark_desc(struct emul *e, u64 la, u64 *desc, u8 set, u8 clear);
enum emul_status emul_check_ss(struct emul *e, u16 sel, unsigned int cpl, bool null_ok, u8 vector,
			       struct emul_seg *seg);
enum emul_status emul_load_data_seg(struct emul *e, unsigned int sreg, u16 sel, u8 vector);
enum emul_status emul_load_seg_real(struct emul *e, unsigned int sreg, u16 sel);

/* far.c */
enum emul_status emul_accept_cs(struct emul *e, u16 sel, const u64 *desc, u64 la, bool allowed,
				u8 vector, struct emul_seg *seg);
enum emul_mode emul_mode_of(struct emul *e, const struct emul_seg *cs);

#endif /* EMUL_SEG_H */
