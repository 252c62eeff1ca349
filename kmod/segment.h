/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A segment's access rights in one word: as in a descriptor from its bit 40 on, without
 * the limit's bits, and bit 16 for "unusable" (SDM 25.4.1). struct kvm_segment spreads
 * them out.
 */
#ifndef VMM_SEGMENT_H
#define VMM_SEGMENT_H

#include <linux/kvm.h>
#include <linux/types.h>

static inline u32 vmm_segment_rights(const struct kvm_segment *s)
{
	return (s->type & 15) | (s->s & 1) << 4 | (s->dpl & 3) << 5 | (s->present & 1) << 7 |
	       (s->avl & 1) << 12 | (s->l & 1) << 13 | (s->db & 1) << 14 | (s->g & 1) << 15 |
	       !!s->unusable << 16;
}

static inline void vmm_segment_set_rights(struct kvm_segment *s, u32 rights)
{
	s->type = rights & 15;
	s->s = rights >> 4 & 1;
	s->dpl = rights >> 5 & 3;
	s->present = rights >> 7 & 1;
	s->avl = rights >> 12 & 1;
	s->l = rights >> 13 & 1;
	s->db = rights >> 14 & 1;
	s->g = rights >> 15 & 1;
	s->unusable = rights >> 16 & 1;
}

#endif /* VMM_SEGMENT_H */
