// SPDX-License-Identifier: GPL-2.0-only
/*
 * ABI tests: memory slots, the dirty log, and memory that the host changes under the guest.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lib.h"

#define TEST_GPA	0x20000000ul	/* in the identity map */
#define HIGH_GPA	0x140000000ul	/* 5 GiB */
#define PAGE		4096ul
#define HUGE		0x200000ul

/* ---- slots --------------------------------------------------------------------------- */

static void slot_errors(void)
{
	struct vm *vm = vm_new(0);
	uint8_t *p = map_memory(8 * HUGE);

	ask("GPA misaligned", vm_slot(vm, 5, 0, TEST_GPA + 1, PAGE, p));
	ask("size misaligned", vm_slot(vm, 5, 0, TEST_GPA, PAGE + 1, p));
	ask("HVA misaligned", vm_slot(vm, 5, 0, TEST_GPA, PAGE, p + 1));
	ask("delete what is not there", vm_slot(vm, 5, 0, TEST_GPA, 0, p));
	ask("GPA wraps", vm_slot(vm, 5, 0, ~0xfffull, 2 * PAGE, p));
	ask("kernel HVA", vm_slot(vm, 5, 0, TEST_GPA, PAGE, (void *)0xffff888000000000));
	ask("non-canonical HVA", vm_slot(vm, 5, 0, TEST_GPA, PAGE, (void *)0x800000000000));
	ask("size 1 << 63", vm_slot(vm, 5, 0, 0, 1ull << 63, p));
	ask("unknown flag", vm_slot(vm, 5, 1 << 5, TEST_GPA, PAGE, p));
	ask("slot 32767", vm_slot(vm, 32767, 0, TEST_GPA, PAGE, p));
	ask("slot 32763", vm_slot(vm, 32763, 0, TEST_GPA, PAGE, p));
	ask("delete slot 32763", vm_slot(vm, 32763, 0, TEST_GPA, 0, p));
	ask("address space 1", vm_slot(vm, 1 << 16 | 5, 0, TEST_GPA, PAGE, p));
	ask("address space 2", vm_slot(vm, 2 << 16 | 5, 0, TEST_GPA, PAGE, p));
	ask("create", vm_slot(vm, 5, 0, TEST_GPA, 4 * PAGE, p));
	ask("same again", vm_slot(vm, 5, 0, TEST_GPA, 4 * PAGE, p));
	ask("overlap", vm_slot(vm, 6, 0, TEST_GPA + 3 * PAGE, 2 * PAGE, p));
	ask("overlap from below", vm_slot(vm, 6, 0, TEST_GPA - PAGE, 2 * PAGE, p));
	ask("around", vm_slot(vm, 6, 0, TEST_GPA - PAGE, 8 * PAGE, p));
	ask("beside", vm_slot(vm, 6, 0, TEST_GPA + 4 * PAGE, PAGE, p));
	ask("resize", vm_slot(vm, 5, 0, TEST_GPA, 3 * PAGE, p));
	ask("other HVA", vm_slot(vm, 5, 0, TEST_GPA, 4 * PAGE, p + PAGE));
	ask("turned read-only", vm_slot(vm, 5, KVM_MEM_READONLY, TEST_GPA, 4 * PAGE, p));
	ask("move onto another", vm_slot(vm, 5, 0, TEST_GPA + PAGE, 4 * PAGE, p));
	ask("move", vm_slot(vm, 5, 0, TEST_GPA + 16 * PAGE, 4 * PAGE, p));
	ask("into its old place", vm_slot(vm, 7, 0, TEST_GPA, 4 * PAGE, p));
	ask("log", vm_slot(vm, 5, KVM_MEM_LOG_DIRTY_PAGES, TEST_GPA + 16 * PAGE, 4 * PAGE, p));
	ask("no log", vm_slot(vm, 5, 0, TEST_GPA + 16 * PAGE, 4 * PAGE, p));
	ask("delete", vm_slot(vm, 5, 0, 0, 0, NULL));
	ask("delete again", vm_slot(vm, 5, 0, 0, 0, NULL));
	ask("GPA beyond 52 bits", vm_slot(vm, 5, 0, 1ull << 52, PAGE, p));
	ask("from nowhere", ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, 8));
}

static void write_test(void)
{
	guest.v[0] = g_peek(TEST_GPA);
	g_poke(TEST_GPA, 0x1111);
	guest.v[1] = g_peek(TEST_GPA);
	sync_host(1);
	guest.v[2] = g_peek(TEST_GPA);
	g_poke(TEST_GPA, 0x2222);
	guest.v[3] = g_peek(TEST_GPA);
}

static void expect_mmio(struct vm *vm, uint64_t gpa, bool write, uint64_t value)
{
	run_until(vm, 0, KVM_EXIT_MMIO);
	EQUAL(vm->run[0]->mmio.phys_addr, gpa);
	EQUAL(vm->run[0]->mmio.is_write, write);
	EQUAL(vm->run[0]->mmio.len, 8);
	if (write)
		EQUAL(*(uint64_t *)vm->run[0]->mmio.data, value);
	else
		memcpy(vm->run[0]->mmio.data, &value, 8);
}

static void read_only_slot(void)
{
	struct vm *vm = vm_new(0);
	uint64_t *p = map_memory(PAGE);

	p[0] = 0x5555;
	MUST(vm_slot(vm, 5, KVM_MEM_READONLY, TEST_GPA, PAGE, p));
	vcpu_call(vm, 0, write_test);
	expect_mmio(vm, TEST_GPA, true, 0x1111);
	expect_sync(vm, 0, 1);
	EQUAL(guest.v[0], 0x5555);
	EQUAL(guest.v[1], 0x5555);
	/* Writable from now on. */
	MUST(vm_slot(vm, 5, 0, 0, 0, NULL));
	MUST(vm_slot(vm, 5, 0, TEST_GPA, PAGE, p));
	expect_sync(vm, 0, DONE);
	EQUAL(guest.v[3], 0x2222);
	EQUAL(p[0], 0x2222);
}

static void slot_deleted(void)
{
	struct vm *vm = vm_new(0);
	uint64_t *p = map_memory(PAGE), *q = map_memory(PAGE);

	p[0] = 7;
	q[0] = 8;
	MUST(vm_slot(vm, 5, 0, TEST_GPA, PAGE, p));
	vcpu_call(vm, 0, write_test);
	expect_sync(vm, 0, 1);
	EQUAL(guest.v[0], 7);
	MUST(vm_slot(vm, 5, 0, 0, 0, NULL));
	expect_mmio(vm, TEST_GPA, false, 0x99);
	expect_mmio(vm, TEST_GPA, true, 0x2222);
	expect_mmio(vm, TEST_GPA, false, 0x77);
	expect_sync(vm, 0, DONE);
	EQUAL(guest.v[2], 0x99);
	EQUAL(guest.v[3], 0x77);
	/* Other memory in the same place. */
	MUST(vm_slot(vm, 5, 0, TEST_GPA, PAGE, q));
	vcpu_call(vm, 0, write_test);
	expect_sync(vm, 0, 1);
	EQUAL(guest.v[0], 8);
	EQUAL(p[0], 0x1111);
	/* Moved away, replaced: the guest sees the other. */
	MUST(vm_slot(vm, 5, 0, TEST_GPA + PAGE, PAGE, q));
	p[0] = 0x3333;
	MUST(vm_slot(vm, 6, 0, TEST_GPA, PAGE, p));
	expect_sync(vm, 0, DONE);
	EQUAL(guest.v[2], 0x3333);
}

static void hva_unmapped(void)
{
	struct vm *vm = vm_new(0);
	uint64_t *p = map_memory(4 * PAGE);
	int r;

	munmap(p, PAGE);
	MUST(vm_slot(vm, 5, 0, TEST_GPA, PAGE, p));
	vcpu_call(vm, 0, write_test);
	r = ioctl(vm->vcpu[0], KVM_RUN, 0);
	ask("no memory there", r);
	/* A read-only mapping: reads work, writes do not. */
	mprotect((char *)p + PAGE, PAGE, PROT_READ);
	MUST(vm_slot(vm, 5, 0, 0, 0, NULL));
	MUST(vm_slot(vm, 5, 0, TEST_GPA, PAGE, (char *)p + PAGE));
	vcpu_call(vm, 0, write_test);
	r = ioctl(vm->vcpu[0], KVM_RUN, 0);
	ask("PROT_READ memory in a writable slot", r);
	EQUAL(guest.v[0], 0);
	mprotect((char *)p + PAGE, PAGE, PROT_READ | PROT_WRITE);
	expect_sync(vm, 0, 1);
	EQUAL(guest.v[1], 0x1111);
}

/* ---- above 4 GiB, huge ------------------------------------------------------------------ */

static uint64_t at_gpa, at_count, at_stride;

static void write_many(void)
{
	uint64_t i;

	for (i = 0; i < at_count; i++)
		g_poke(at_gpa + i * at_stride, i + 1);
	sync_host(1);
	for (i = 0; i < at_count; i++)
		if (g_peek(at_gpa + i * at_stride) != i + 0x100)
			sync_host(0xbad);
}

static void check_many(struct vm *vm, uint8_t *p, uint64_t gpa, uint64_t size, uint64_t stride)
{
	uint64_t i;

	at_gpa = gpa;
	at_count = size / stride;
	at_stride = stride;
	vcpu_call(vm, 0, write_many);
	expect_sync(vm, 0, 1);
	for (i = 0; i < at_count; i++) {
		EQUAL(*(uint64_t *)(p + i * stride), i + 1);
		*(uint64_t *)(p + i * stride) = i + 0x100;
	}
	expect_sync(vm, 0, DONE);
}

static void above_4g(void)
{
	struct vm *vm = vm_new(0);
	uint8_t *p = map_memory(16 * HUGE);

	MUST(vm_slot(vm, 5, 0, HIGH_GPA, 16 * HUGE, p));
	check_many(vm, p, HIGH_GPA, 16 * HUGE, 0x11000);
}

static void *map_aligned(size_t size)
{
	uintptr_t p = (uintptr_t)map_memory(size + HUGE);

	return (void *)((p + HUGE - 1) & ~(HUGE - 1));
}

static void thp(void)
{
	struct vm *vm = vm_new(0);
	uint8_t *p = map_aligned(8 * HUGE);
	uint64_t large;

	madvise(p, 8 * HUGE, MADV_HUGEPAGE);
	memset(p, 0, 8 * HUGE);
	MUST(vm_slot(vm, 5, 0, TEST_GPA, 8 * HUGE, p));
	check_many(vm, p, TEST_GPA, 8 * HUGE, 0x3000);
	large = stat_value(vm->fd, "pages_2m");
	note("2 MiB mappings: %lld", (long long)large);
	/* Split by the host below a mapped huge page. */
	madvise(p + HUGE, PAGE, MADV_DONTNEED);
	mprotect(p + 2 * HUGE, PAGE, PROT_READ);
	mprotect(p + 2 * HUGE, PAGE, PROT_READ | PROT_WRITE);
	check_many(vm, p, TEST_GPA, 8 * HUGE, 0x3000);
}

static void hugetlb(void)
{
	struct vm *vm = vm_new(0);
	uint8_t *p;
	FILE *f = fopen("/proc/sys/vm/nr_hugepages", "w");

	if (f) {
		fprintf(f, "8\n");
		fclose(f);
	}
	p = mmap(NULL, 4 * HUGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (p == MAP_FAILED)
		skip("no huge pages to be had");
	MUST(vm_slot(vm, 5, 0, TEST_GPA, 4 * HUGE, p));
	check_many(vm, p, TEST_GPA, 4 * HUGE, 0x7000);
	/* Aligned differently in the guest, the pages cannot be mapped huge, but work. */
	MUST(vm_slot(vm, 5, 0, 0, 0, NULL));
	MUST(vm_slot(vm, 5, 0, TEST_GPA + PAGE, 4 * HUGE, p));
	check_many(vm, p, TEST_GPA + PAGE, 4 * HUGE, 0x7000);
}

static void shared_file(void)
{
	struct vm *vm = vm_new(0);
	int fd = memfd_create("guest", 0);
	uint8_t *p, *q;

	CHECK(fd >= 0 && ftruncate(fd, HUGE) == 0);
	p = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	q = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED && q != MAP_FAILED);
	MUST(vm_slot(vm, 5, 0, TEST_GPA, HUGE, p));
	check_many(vm, q, TEST_GPA, HUGE, 0x3000);
	/* A hole punched in the file is a hole in the guest's memory. */
	CHECK(fallocate(fd, 3, 0, HUGE) == 0);
	check_many(vm, p, TEST_GPA, HUGE, 0x3000);
}

/* ---- the host changes memory ----------------------------------------------------------------- */

/* Reads TEST_GPA whenever the host asks, without an exit that would hide a stale mapping. */
static void watch(void)
{
	guest_spins();
	for (;;) {
		guest.v[0] = g_peek(TEST_GPA);
		guest.v[1]++;
		if (guest.v[2])
			g_poke(TEST_GPA + 8, guest.v[2]);
		if (guest.v[3])
			break;
	}
}

static struct vm *watched;

static void *watch_thread(void *arg)
{
	(void)arg;
	expect_sync(watched, 0, DONE);
	return NULL;
}

/* Two rounds after now the guest must see this value. */
static void sees(uint64_t value)
{
	uint64_t from = guest.v[1];
	int i;

	for (i = 0; i < 1000 && guest.v[1] < from + 3; i++)
		usleep(1000);
	if (guest.v[1] < from + 3)
		fail("the guest is stuck");
	EQUAL(guest.v[0], value);
}

static void coherent(void)
{
	uint64_t *p = map_memory(HUGE), *q = map_memory(HUGE);
	struct vm *vm = vm_new(0);
	pthread_t thread;
	pid_t child;
	int i, status;

	watched = vm;
	p[0] = 0x11;
	MUST(vm_slot(vm, 5, 0, TEST_GPA, HUGE, p));
	vcpu_call(vm, 0, watch);
	CHECK(pthread_create(&thread, NULL, watch_thread, NULL) == 0);
	sees(0x11);
	p[0] = 0x22;
	sees(0x22);
	for (i = 0; i < 10; i++) {
		madvise(p, HUGE, MADV_DONTNEED);
		sees(0);
		p[0] = 0x100 + i;
		sees(0x100 + i);
	}
	/* Another page moved in. */
	q[0] = 0x33;
	CHECK(mremap(q, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, p) == p);
	sees(0x33);
	/* fork makes it copy-on-write: the guest's writes go to the parent's copy. */
	for (i = 1; i < 6; i++) {
		int go[2];

		CHECK(pipe(go) == 0);
		child = fork();
		if (!child) {
			char c;

			if (read(go[0], &c, 1) != 1)
				_exit(2);
			_exit(p[1] == (uint64_t)i - 1 && p[0] == 0x33 + (uint64_t)i - 1 ? 0 : 1);
		}
		p[0] = 0x33 + i;
		sees(0x33 + i);
		guest.v[2] = i;
		sees(0x33 + i);
		EQUAL(p[1], i);
		CHECK(write(go[1], "x", 1) == 1);
		waitpid(child, &status, 0);
		if (status)
			fail("the child sees the parent's writes, or the guest's (round %d)", i);
	}
	guest.v[3] = 1;
	pthread_join(thread, NULL);
}

/* A slot comes and goes while the guest uses its memory: each access is memory or MMIO. */
static void slot_flapping_guest(void)
{
	uint64_t i;

	guest_spins();
	for (i = 0; !guest.v[3]; i++) {
		g_poke(TEST_GPA + (i & 0x1ff) * 8, i);
		guest.v[4] += g_peek(TEST_GPA + (i & 0x1ff) * 8);
		guest.v[1]++;
	}
}

static void *flap_thread(void *arg)
{
	struct vm *vm = arg;

	for (;;) {
		if (ioctl(vm->vcpu[0], KVM_RUN, 0) < 0)
			return (void *)"KVM_RUN failed";
		if (vm->run[0]->exit_reason == KVM_EXIT_MMIO) {
			guest.v[5]++;
			continue;
		}
		if (vm->run[0]->exit_reason == KVM_EXIT_IO)
			return NULL;
		return (void *)exit_name(vm->run[0]->exit_reason);
	}
}

static void slot_flapping(void)
{
	struct vm *vm = vm_new(0);
	void *p = map_memory(HUGE), *result;
	pthread_t thread;
	int i;

	vcpu_call(vm, 0, slot_flapping_guest);
	CHECK(pthread_create(&thread, NULL, flap_thread, vm) == 0);
	for (i = 0; i < 100; i++) {
		MUST(vm_slot(vm, 5, i & 1 ? KVM_MEM_LOG_DIRTY_PAGES : 0, TEST_GPA, HUGE, p));
		usleep(500);
		MUST(vm_slot(vm, 5, 0, 0, 0, NULL));
	}
	guest.v[3] = 1;
	pthread_join(thread, &result);
	if (result)
		fail("%s", (char *)result);
	CHECK(guest.v[1] > 0 && guest.v[5] > 0);
}

/* ---- dirty log ---------------------------------------------------------------------------------- */

#define LOG_PAGES	1024u

static uint16_t dirty_list[64];
static unsigned int dirty_count;

/* Pages already mapped: reading dirties nothing. (KVM logs a page when it maps it writable.) */
static void dirty_guest(void)
{
	for (;;) {
		for (unsigned int i = 0; i < dirty_count; i++)
			g_poke(TEST_GPA + dirty_list[i] * PAGE, i);
		for (unsigned int i = 0; i < LOG_PAGES; i += 3)
			guest.v[0] += g_peek(TEST_GPA + i * PAGE);
		sync_host(1);
	}
}

static void dirty_guest_writes(void)
{
	for (;;) {
		for (unsigned int i = 0; i < dirty_count; i++)
			g_poke(TEST_GPA + dirty_list[i] * PAGE, i);
		sync_host(1);
	}
}

static void choose_pages(unsigned int seed, unsigned int n, uint64_t *bitmap)
{
	unsigned int i;

	dirty_count = n;
	memset(bitmap, 0, LOG_PAGES / 8);
	for (i = 0; i < n; i++) {
		seed = seed * 1103515245 + 12345;
		dirty_list[i] = seed >> 16 & (LOG_PAGES - 1);
		bitmap[dirty_list[i] / 64] |= 1ull << (dirty_list[i] % 64);
	}
}

static int get_log(struct vm *vm, uint64_t *bitmap)
{
	struct kvm_dirty_log log = { .slot = 5, .dirty_bitmap = bitmap };

	memset(bitmap, 0xff, LOG_PAGES / 8);
	return ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log);
}

static int clear_log(struct vm *vm, uint64_t first, uint32_t n, uint64_t *bitmap)
{
	struct kvm_clear_dirty_log log = {
		.slot = 5, .first_page = first, .num_pages = n, .dirty_bitmap = bitmap,
	};

	return ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &log);
}

static void same_bitmap(const uint64_t *got, const uint64_t *want)
{
	unsigned int i;

	for (i = 0; i < LOG_PAGES / 64; i++)
		if (got[i] != want[i])
			fail("dirty bitmap, pages from %u: %#llx, expected %#llx", i * 64,
			     (unsigned long long)got[i], (unsigned long long)want[i]);
}

static void dirty_log_on(struct vm *vm, uint8_t *p)
{
	uint64_t want[LOG_PAGES / 64], got[LOG_PAGES / 64], none[LOG_PAGES / 64] = { 0 };
	unsigned int round;

	MUST(vm_slot(vm, 5, 0, TEST_GPA, LOG_PAGES * PAGE, p));
	ask("GET_DIRTY_LOG of a slot without", get_log(vm, got));
	dirty_count = 0;
	vcpu_call(vm, 0, dirty_guest);
	expect_sync(vm, 0, 1);	/* everything is mapped, writable perhaps */
	MUST(vm_slot(vm, 5, KVM_MEM_LOG_DIRTY_PAGES, TEST_GPA, LOG_PAGES * PAGE, p));
	MUST(get_log(vm, got));
	same_bitmap(got, none);
	for (round = 0; round < 5; round++) {
		choose_pages(round, 10 + round * 10, want);
		expect_sync(vm, 0, 1);
		MUST(get_log(vm, got));
		same_bitmap(got, want);
		MUST(get_log(vm, got));
		same_bitmap(got, none);
	}
	/* User space's own writes are not the guest's. */
	p[0] = 1;
	MUST(get_log(vm, got));
	same_bitmap(got, none);
	/* Off and on again. */
	MUST(vm_slot(vm, 5, 0, TEST_GPA, LOG_PAGES * PAGE, p));
	expect_sync(vm, 0, 1);
	MUST(vm_slot(vm, 5, KVM_MEM_LOG_DIRTY_PAGES, TEST_GPA, LOG_PAGES * PAGE, p));
	MUST(get_log(vm, got));
	same_bitmap(got, none);
	choose_pages(99, 20, want);
	expect_sync(vm, 0, 1);
	MUST(get_log(vm, got));
	same_bitmap(got, want);
}

static void dirty_log_small(void)
{
	uint8_t *p = map_memory(LOG_PAGES * PAGE);

	madvise(p, LOG_PAGES * PAGE, MADV_NOHUGEPAGE);
	memset(p, 1, LOG_PAGES * PAGE);
	dirty_log_on(vm_new(0), p);
}

static void dirty_log_huge(void)
{
	uint8_t *p = map_aligned(LOG_PAGES * PAGE);

	madvise(p, LOG_PAGES * PAGE, MADV_HUGEPAGE);
	memset(p, 1, LOG_PAGES * PAGE);
	dirty_log_on(vm_new(0), p);
}

static void dirty_log_errors(void)
{
	struct vm *vm = vm_new(0);
	uint64_t bitmap[LOG_PAGES / 64] = { 0 };
	struct kvm_dirty_log log = { .slot = 5, .dirty_bitmap = (void *)8 };
	uint8_t *p = map_memory(LOG_PAGES * PAGE);

	ask("no slot", get_log(vm, bitmap));
	MUST(vm_slot(vm, 5, KVM_MEM_LOG_DIRTY_PAGES, TEST_GPA, LOG_PAGES * PAGE, p));
	ask("to nowhere", ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log));
	log.slot = 99999;
	ask("slot 99999", ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log));
	log.slot = 5 << 16 | 5;
	ask("address space 5", ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log));
	ask("CLEAR without manual protection", clear_log(vm, 0, 64, bitmap));
	ask("a read-only slot with a log",
	    vm_slot(vm, 6, KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY, TEST_GPA + HUGE * 8, PAGE, p));
}

static void clear_dirty_log(void)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .args[0] = 1,
	};
	struct vm *vm = vm_new(0);
	uint64_t want[LOG_PAGES / 64], got[LOG_PAGES / 64], none[LOG_PAGES / 64] = { 0 };
	uint64_t first[LOG_PAGES / 64] = { 0 };
	uint8_t *p = map_memory(LOG_PAGES * PAGE);

	MUST(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	memset(p, 1, LOG_PAGES * PAGE);
	MUST(vm_slot(vm, 5, KVM_MEM_LOG_DIRTY_PAGES, TEST_GPA, LOG_PAGES * PAGE, p));
	vcpu_call(vm, 0, dirty_guest_writes);
	choose_pages(7, 60, want);
	expect_sync(vm, 0, 1);
	MUST(get_log(vm, got));
	same_bitmap(got, want);
	MUST(get_log(vm, got));		/* GET clears nothing now */
	same_bitmap(got, want);
	/* Clear the first 128 pages only. */
	memcpy(first, want, 16);
	MUST(clear_log(vm, 0, 128, want));
	MUST(get_log(vm, got));
	want[0] = want[1] = 0;
	same_bitmap(got, want);
	/* Written again, they are back. */
	expect_sync(vm, 0, 1);
	MUST(get_log(vm, got));
	want[0] = first[0];
	want[1] = first[1];
	same_bitmap(got, want);
	MUST(clear_log(vm, 128, LOG_PAGES - 128, want + 2));
	MUST(clear_log(vm, 0, 128, want));
	MUST(get_log(vm, got));
	same_bitmap(got, none);
	ask("first page misaligned", clear_log(vm, 1, 64, want));
	ask("count misaligned", clear_log(vm, 0, 65, want));
	ask("beyond the end", clear_log(vm, LOG_PAGES, 64, want));
	ask("across the end", clear_log(vm, LOG_PAGES - 64, 128, want));
	ask("first page huge", clear_log(vm, ~63ull, 64, want));
	ask("from nowhere", clear_log(vm, 0, 64, (void *)8));
	ask("nothing", clear_log(vm, 0, 0, want));
}

static void initially_set(void)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .args[0] = 3,
	};
	struct vm *vm = vm_new(0);
	uint64_t want[LOG_PAGES / 64], got[LOG_PAGES / 64];
	uint8_t *p = map_memory(LOG_PAGES * PAGE);

	MUST(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	MUST(vm_slot(vm, 5, KVM_MEM_LOG_DIRTY_PAGES, TEST_GPA, LOG_PAGES * PAGE, p));
	MUST(get_log(vm, got));
	memset(want, 0xff, sizeof(want));
	same_bitmap(got, want);
	MUST(clear_log(vm, 0, LOG_PAGES, want));
	vcpu_call(vm, 0, dirty_guest_writes);
	choose_pages(3, 30, want);
	expect_sync(vm, 0, 1);
	MUST(get_log(vm, got));
	same_bitmap(got, want);
}

/* A log collected while the guest writes loses nothing. */
static void log_race_guest(void)
{
	guest_spins();
	while (!guest.v[3]) {
		guest.v[1]++;
		g_poke(TEST_GPA + (guest.v[1] % LOG_PAGES) * PAGE, guest.v[1]);
	}
}

static void dirty_log_race(void)
{
	static uint64_t shadow[LOG_PAGES], last[LOG_PAGES];
	uint64_t got[LOG_PAGES / 64];
	struct vm *vm = vm_new(0);
	uint8_t *p = map_memory(LOG_PAGES * PAGE);
	unsigned int round, i;
	pthread_t thread;

	watched = vm;
	MUST(vm_slot(vm, 5, KVM_MEM_LOG_DIRTY_PAGES, TEST_GPA, LOG_PAGES * PAGE, p));
	vcpu_call(vm, 0, log_race_guest);
	CHECK(pthread_create(&thread, NULL, watch_thread, NULL) == 0);
	for (round = 0; !guest.v[3]; round++) {
		usleep(2000);
		if ((round > 30 && guest.v[1] > 4 * LOG_PAGES) || round > 2000) {
			guest.v[3] = 1;
			pthread_join(thread, NULL);
		}
		MUST(get_log(vm, got));
		for (i = 0; i < LOG_PAGES; i++)
			if (got[i / 64] >> i % 64 & 1)
				shadow[i] = *(volatile uint64_t *)(p + i * PAGE);
	}
	/* Copies made from the log alone equal memory. */
	for (i = 0; i < LOG_PAGES; i++) {
		last[i] = *(uint64_t *)(p + i * PAGE);
		if (last[i] != shadow[i])
			fail("page %u changed and was not logged", i);
	}
	CHECK(guest.v[1] > LOG_PAGES);
}

/* What a CPU notes at once, and more: the guest writes all pages and does not exit. */
static void log_all_guest(void)
{
	guest_spins();
	for (unsigned int i = 0; i < LOG_PAGES; i++)
		g_poke(TEST_GPA + i * PAGE, i);
	guest.v[1] = 1;
	while (!guest.v[3])
		asm volatile("pause");
}

static void dirty_log_no_exit(void)
{
	uint64_t got[LOG_PAGES / 64], want[LOG_PAGES / 64], none[LOG_PAGES / 64] = { 0 };
	struct vm *vm = vm_new(0);
	uint8_t *p = map_memory(LOG_PAGES * PAGE);
	unsigned int round;
	pthread_t thread;

	memset(want, 0xff, sizeof(want));
	MUST(vm_slot(vm, 5, KVM_MEM_LOG_DIRTY_PAGES, TEST_GPA, LOG_PAGES * PAGE, p));
	/* The first time to map them. */
	for (round = 0; round < 3; round++) {
		watched = vm;
		guest.v[1] = guest.v[3] = 0;
		vcpu_call(vm, 0, log_all_guest);
		CHECK(pthread_create(&thread, NULL, watch_thread, NULL) == 0);
		while (!guest.v[1])
			usleep(1000);
		MUST(get_log(vm, got));
		same_bitmap(got, want);
		MUST(get_log(vm, got));
		same_bitmap(got, none);
		guest.v[3] = 1;
		pthread_join(thread, NULL);
	}
}

const struct row memory_rows[] = {
	{ "memory: slots accepted and refused", slot_errors },
	{ "memory: a write to a read-only slot is MMIO", read_only_slot },
	{ "memory: slots deleted, replaced, moved", slot_deleted },
	{ "memory: no or read-only memory behind a slot", hva_unmapped },
	{ "memory: above 4 GiB", above_4g },
	{ "memory: transparent huge pages", thp },
	{ "memory: hugetlb", hugetlb },
	{ "memory: a shared file", shared_file },
	{ "memory: the host's changes reach a running guest", coherent },
	{ "memory: slots come and go under a running guest", slot_flapping },
	{ "memory: dirty log, small pages", dirty_log_small },
	{ "memory: dirty log, huge pages", dirty_log_huge },
	{ "memory: dirty log errors", dirty_log_errors },
	{ "memory: dirty log cleared by hand", clear_dirty_log },
	{ "memory: dirty log initially set", initially_set },
	{ "memory: dirty log of a running guest", dirty_log_race },
	{ "memory: dirty log of a guest that does not exit", dirty_log_no_exit },
	{ NULL, NULL },
};
