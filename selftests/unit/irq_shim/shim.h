/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of the kernel as pic.c, ioapic.c and pit.c use, for user space. Time is a
 * variable; a lock knows whether it is held, and the test that none is held where a
 * controller calls out.
 */
#ifndef IRQ_SHIM_H
#define IRQ_SHIM_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <linux/kvm.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef s64 ktime_t;
typedef struct { int counter; } atomic_t;

#define __rcu
#define __acquires(x)
#define __releases(x)
#define NSEC_PER_SEC	1000000000l
#define NSEC_PER_USEC	1000l
#define HZ		250
#define GFP_KERNEL_ACCOUNT	0
#define BIT(n)		(1ul << (n))
#define BIT_ULL(n)	(1ull << (n))
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define DECLARE_BITMAP(name, bits)	unsigned long name[(bits) / 64]
#define container_of(p, type, member)	((type *)((char *)(p) - offsetof(type, member)))
#define READ_ONCE(x)	(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))
#define smp_load_acquire(p)	(*(p))
#define smp_store_release(p, v)	(*(p) = (v))
#define array_index_nospec(i, n)	(i)
#define min_t(t, a, b)	((t)(a) < (t)(b) ? (t)(a) : (t)(b))
#define max_t(t, a, b)	((t)(a) > (t)(b) ? (t)(a) : (t)(b))
#define atomic_read(a)	((a)->counter)
#define kzalloc(size, gfp)	calloc(1, size)
#define kfree		free

static inline void __set_bit(unsigned int n, unsigned long *map)
{
	map[n / 64] |= 1ul << (n % 64);
}

static inline bool test_bit(unsigned int n, const unsigned long *map)
{
	return map[n / 64] >> (n % 64) & 1;
}

static inline void bitmap_zero(unsigned long *map, unsigned int bits)
{
	memset(map, 0, bits / 8);
}

#define for_each_set_bit(bit, map, size)	\
	for ((bit) = 0; (bit) < (size); (bit)++)	\
		if (test_bit(bit, map))

/* ---- locks ---- */

extern int locks_held;

typedef struct { int held; } raw_spinlock_t;
typedef raw_spinlock_t spinlock_t;
struct mutex { int held; };

static inline void lock_take(int *held)
{
	if (*held)
		abort();
	*held = 1;
	locks_held++;
}

static inline void lock_drop(int *held)
{
	if (!*held)
		abort();
	*held = 0;
	locks_held--;
}

#define raw_spin_lock_init(l)	((l)->held = 0)
#define mutex_init(l)		((l)->held = 0)
#define raw_spin_lock_irqsave(l, flags)	((flags) = 0, lock_take(&(l)->held))
#define raw_spin_unlock_irqrestore(l, flags)	((void)(flags), lock_drop(&(l)->held))
#define mutex_lock(l)		lock_take(&(l)->held)
#define mutex_unlock(l)		lock_drop(&(l)->held)

/* ---- lists, work ---- */

struct list_head { struct list_head *next, *prev; };
struct work_struct { void (*fn)(struct work_struct *work); };
struct delayed_work { struct work_struct work; bool queued; };

#define INIT_DELAYED_WORK(w, f)	((w)->work.fn = (f))
#define schedule_delayed_work(w, delay)	((w)->queued = true)
#define cancel_delayed_work_sync(w)	((w)->queued = false)

/* ---- time ---- */

extern u64 now;

enum hrtimer_restart { HRTIMER_NORESTART, HRTIMER_RESTART };
#define CLOCK_MONOTONIC		1
#define HRTIMER_MODE_ABS_HARD	0

struct hrtimer {
	enum hrtimer_restart (*function)(struct hrtimer *timer);
	s64 expires;
	bool active;
};

#define hrtimer_init(t, clock, mode)	((t)->active = false)
#define hrtimer_add_expires_ns(t, ns)	((t)->expires += (ns))
#define ktime_get()			((ktime_t)now)
#define ktime_get_ns()			now
#define ktime_add_ns(t, ns)		((ktime_t)((t) + (ns)))

static inline void hrtimer_start(struct hrtimer *t, s64 expires, int mode)
{
	(void)mode;
	t->expires = expires;
	t->active = true;
}

static inline int hrtimer_cancel(struct hrtimer *t)
{
	int was = t->active;

	t->active = false;
	return was;
}

static inline u64 mul_u64_u32_div(u64 a, u32 mul, u32 div)
{
	return (unsigned __int128)a * mul / div;
}

static inline u64 div_u64(u64 a, u32 b)
{
	return a / b;
}

static inline void div64_u64_rem(u64 a, u64 b, u64 *rem)
{
	*rem = a % b;
}

#endif /* IRQ_SHIM_H */
