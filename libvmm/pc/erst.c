// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Error record serialization (ACPI 6.4 chapter 18.5): a store to which a
 * kernel commits records that are to outlive it. Linux puts the end of its log
 * there when it panics (pstore, built into distribution kernels), whatever
 * panic= says. So this device both keeps the log and tells a crash from a
 * reboot.
 *
 * The records live as long as the VM. All memory is taken at creation: a vCPU
 * thread, which may be confined, never asks for more.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/error.h>
#include <vmm/pc.h>
#include <zlib.h>

#define RECORDS			16
#define RECORD_HEADER		128	/* UEFI 2.9 appendix N.2.1 */
#define SECTION_DESCRIPTOR	72	/* N.2.2 */
#define RECORD_LENGTH		20	/* offset of a u32 */
#define RECORD_ID		96	/* offset of a u64 */
#define ID_NONE			0xffffffffffffffffULL
#define TEXT_MAX		65536
#define INFLATE_HEAP		65536	/* zlib takes about 7 KiB and the 32 KiB window */

#define STATUS_SUCCESS		0
#define STATUS_NO_SPACE		1
#define STATUS_FAILED		3
#define STATUS_EMPTY		4
#define STATUS_NOT_FOUND	5

/* Maximum and typical time of an operation, microseconds: at once. */
#define TIMINGS			((uint64_t)100 << 32 | 10)

struct record {
	uint64_t id;
	uint32_t len;		/* 0: free */
	uint8_t data[VMM_ERST_RANGE_SIZE];
};

struct vmm_erst {
	uint8_t *range;
	uint64_t range_gpa;
	void (*panicked)(void *opaque, const char *message);
	void *opaque;

	pthread_mutex_t lock;
	uint8_t regs[VMM_ERST_REGS_SIZE];
	int operation;		/* enum vmm_erst_action of the last BEGIN, or END */
	uint64_t offset;
	uint64_t id;
	uint64_t status;
	unsigned int next;	/* record that GET_RECORD_ID tells next */
	struct record records[RECORDS];
	bool told;
	z_stream inflate;
	size_t heap_used;
	uint8_t heap[INFLATE_HEAP] __attribute__((aligned(16)));
	char text[TEXT_MAX + 1];
};

/* zlib's memory: it takes its window late, in whatever thread. Nothing is given back. */
static void *heap_take(void *opaque, unsigned int items, unsigned int size)
{
	struct vmm_erst *e = opaque;
	size_t want = ((size_t)items * size + 15) & ~(size_t)15;
	void *p = e->heap + e->heap_used;

	if (want > INFLATE_HEAP - e->heap_used)
		return NULL;
	e->heap_used += want;
	return p;
}

static void heap_give(void *opaque, void *p)
{
	(void)opaque;
	(void)p;
}

static struct record *record_find(struct vmm_erst *e, uint64_t id)
{
	unsigned int i;

	for (i = 0; i < RECORDS; i++) {
		if (e->records[i].len && e->records[i].id == id)
			return &e->records[i];
	}
	return NULL;
}

static struct record *record_free(struct vmm_erst *e)
{
	unsigned int i;

	for (i = 0; i < RECORDS; i++) {
		if (!e->records[i].len)
			return &e->records[i];
	}
	return NULL;
}

static uint64_t record_count(const struct vmm_erst *e)
{
	uint64_t n = 0;
	unsigned int i;

	for (i = 0; i < RECORDS; i++)
		n += e->records[i].len != 0;
	return n;
}

/* The text of a pstore record: plain, or a raw deflate stream. NULL when it is neither. */
static const char *record_text(struct vmm_erst *e, const struct record *r)
{
	const uint8_t *data = r->data + RECORD_HEADER + SECTION_DESCRIPTOR;
	size_t len = r->len - RECORD_HEADER - SECTION_DESCRIPTOR;
	z_stream *z = &e->inflate;
	int ret;

	if (len >= 6 && !memcmp(data, "Panic#", 6)) {
		memcpy(e->text, data, len);
		e->text[len] = 0;
		return e->text;
	}
	if (inflateReset(z) != Z_OK)
		return NULL;
	z->next_in = (uint8_t *)data;
	z->avail_in = len;
	z->next_out = (uint8_t *)e->text;
	z->avail_out = TEXT_MAX;
	ret = inflate(z, Z_SYNC_FLUSH);
	if (ret != Z_OK && ret != Z_STREAM_END && ret != Z_BUF_ERROR)
		return NULL;
	e->text[z->total_out] = 0;
	return e->text;
}

/* Cut the sentence after "Kernel panic - " out of a log. */
static void panic_line(const char *text, char *line, size_t size)
{
	const char *at = strstr(text, "Kernel panic - not syncing");
	size_t n;

	if (!at) {
		strncpy(line, "Kernel panic", size - 1);
		line[size - 1] = 0;
		return;
	}
	n = strcspn(at, "\r\n");
	if (n >= size)
		n = size - 1;
	memcpy(line, at, n);
	line[n] = 0;
}

/* Tell of a panic, once. Only panics: an oops is recorded too, and survived. */
static void look_for_panic(struct vmm_erst *e, const struct record *r)
{
	const char *text;
	char line[256];

	if (e->told || r->len <= RECORD_HEADER + SECTION_DESCRIPTOR)
		return;
	text = record_text(e, r);
	if (!text || strncmp(text, "Panic#", 6))
		return;
	e->told = true;
	panic_line(text, line, sizeof(line));
	e->panicked(e->opaque, line);
}

static uint64_t do_write(struct vmm_erst *e)
{
	struct record *r;
	uint32_t len;
	uint64_t id;

	if (e->offset > VMM_ERST_RANGE_SIZE - RECORD_HEADER)
		return STATUS_FAILED;
	/* The guest may change the buffer meanwhile: read each value once. */
	memcpy(&len, e->range + e->offset + RECORD_LENGTH, sizeof(len));
	memcpy(&id, e->range + e->offset + RECORD_ID, sizeof(id));
	if (len < RECORD_HEADER || len > VMM_ERST_RANGE_SIZE - e->offset || id == 0 ||
	    id == ID_NONE)
		return STATUS_FAILED;
	r = record_find(e, id);
	if (!r)
		r = record_free(e);
	if (!r)
		return STATUS_NO_SPACE;
	memcpy(r->data, e->range + e->offset, len);
	r->len = len;
	r->id = id;
	look_for_panic(e, r);
	return STATUS_SUCCESS;
}

static uint64_t do_read(struct vmm_erst *e)
{
	struct record *r = record_find(e, e->id);

	if (!record_count(e))
		return STATUS_EMPTY;
	if (!r)
		return STATUS_NOT_FOUND;
	if (e->offset > VMM_ERST_RANGE_SIZE || r->len > VMM_ERST_RANGE_SIZE - e->offset)
		return STATUS_FAILED;
	memcpy(e->range + e->offset, r->data, r->len);
	return STATUS_SUCCESS;
}

static uint64_t do_clear(struct vmm_erst *e)
{
	struct record *r = record_find(e, e->id);

	if (!record_count(e))
		return STATUS_EMPTY;
	if (!r)
		return STATUS_NOT_FOUND;
	r->len = 0;
	return STATUS_SUCCESS;
}

static uint64_t execute(struct vmm_erst *e)
{
	switch (e->operation) {
	case VMM_ERST_BEGIN_WRITE:
		return do_write(e);
	case VMM_ERST_BEGIN_READ:
		return do_read(e);
	case VMM_ERST_BEGIN_CLEAR:
		return do_clear(e);
	case VMM_ERST_BEGIN_DUMMY_WRITE:
		return STATUS_SUCCESS;
	default:
		return STATUS_FAILED;
	}
}

/* The next record's id, going round; ID_NONE when there are none. */
static uint64_t next_id(struct vmm_erst *e)
{
	unsigned int i;

	for (i = 0; i < RECORDS; i++) {
		struct record *r = &e->records[e->next];

		e->next = (e->next + 1) % RECORDS;
		if (r->len)
			return r->id;
	}
	return ID_NONE;
}

static void action(struct vmm_erst *e, uint8_t number)
{
	uint64_t value;

	memcpy(&value, e->regs + VMM_ERST_VALUE, sizeof(value));
	switch (number) {
	case VMM_ERST_BEGIN_WRITE:
	case VMM_ERST_BEGIN_READ:
	case VMM_ERST_BEGIN_CLEAR:
	case VMM_ERST_BEGIN_DUMMY_WRITE:
	case VMM_ERST_END:
		e->operation = number;
		break;
	case VMM_ERST_SET_RECORD_OFFSET:
		e->offset = value;
		break;
	case VMM_ERST_SET_RECORD_ID:
		e->id = value;
		break;
	case VMM_ERST_EXECUTE:
		e->status = execute(e);
		break;
	case VMM_ERST_CHECK_BUSY:
		value = 0;
		break;
	case VMM_ERST_GET_STATUS:
		/* The status has five bits, from bit 1 (table 18.26). */
		value = e->status << 1;
		break;
	case VMM_ERST_GET_RECORD_ID:
		value = next_id(e);
		break;
	case VMM_ERST_GET_RECORD_COUNT:
		value = record_count(e);
		break;
	case VMM_ERST_GET_RANGE:
		value = e->range_gpa;
		break;
	case VMM_ERST_GET_RANGE_LENGTH:
		value = VMM_ERST_RANGE_SIZE;
		break;
	case VMM_ERST_GET_RANGE_ATTRIBUTES:
		value = 0;	/* neither NVRAM nor slow */
		break;
	case VMM_ERST_GET_TIMINGS:
		value = TIMINGS;
		break;
	}
	memcpy(e->regs + VMM_ERST_VALUE, &value, sizeof(value));
}

static uint64_t erst_read(void *opaque, uint64_t off, unsigned int size)
{
	struct vmm_erst *e = opaque;
	uint64_t v = 0;

	pthread_mutex_lock(&e->lock);
	memcpy(&v, e->regs + off, size);
	pthread_mutex_unlock(&e->lock);
	return v;
}

static void erst_write(void *opaque, uint64_t off, unsigned int size, uint64_t value)
{
	struct vmm_erst *e = opaque;

	pthread_mutex_lock(&e->lock);
	memcpy(e->regs + off, &value, size);
	if (off == VMM_ERST_ACTION)
		action(e, value);
	pthread_mutex_unlock(&e->lock);
}

struct vmm_erst *vmm_erst_create(void *range, uint64_t range_gpa,
				 void (*panicked)(void *opaque, const char *message),
				 void *opaque)
{
	struct vmm_erst *e = calloc(1, sizeof(*e));

	if (!e) {
		vmm_fail(ENOMEM, "no memory for the error record store");
		return NULL;
	}
	e->range = range;
	e->range_gpa = range_gpa;
	e->panicked = panicked;
	e->opaque = opaque;
	e->operation = VMM_ERST_END;
	e->inflate.zalloc = heap_take;
	e->inflate.zfree = heap_give;
	e->inflate.opaque = e;
	if (inflateInit2(&e->inflate, -MAX_WBITS) != Z_OK) {
		vmm_fail(ENOMEM, "no memory for the error record store");
		free(e);
		return NULL;
	}
	pthread_mutex_init(&e->lock, NULL);
	return e;
}

void vmm_erst_destroy(struct vmm_erst *e)
{
	if (!e)
		return;
	inflateEnd(&e->inflate);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

int vmm_erst_attach(struct vmm_erst *erst, struct vmm_bus *mmio, uint64_t base)
{
	struct vmm_range range = {
		.base = base,
		.len = VMM_ERST_REGS_SIZE,
		.name = "error record store",
		.opaque = erst,
		.read = erst_read,
		.write = erst_write,
	};

	return vmm_bus_add(mmio, &range);
}
