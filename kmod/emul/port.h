/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The few things the emulator needs from its surroundings: fixed-width types, memcpy and friends,
 * and branch hints. Nothing else in kmod/emul/ may include a header that is not its own, so that
 * the same objects run inside the module, under the unit tests and under the fuzzer.
 */
#ifndef EMUL_PORT_H
#define EMUL_PORT_H

#ifdef __KERNEL__

#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/types.h>

#else

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define fallthrough	__attribute__((__fallthrough__))
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BIT(n)		(1UL << (n))
#define GENMASK_ULL(h, l) ((~0ULL << (l)) & (~0ULL >> (63 - (h))))

#endif /* __KERNEL__ */

#endif /* EMUL_PORT_H */
