// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hold the answers of two modules against each other.
 */
#include <errno.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"

#define MAX_LINE	8192

struct line {
	char *row, *key, *value;	/* row owns the memory */
};

struct answers {
	struct line *lines;
	size_t count;
};

struct difference {
	regex_t regex;
	const char *text;
	unsigned int seen;
};

static struct difference *differences;
static size_t nr_differences;

static void *grow(void *array, size_t count, size_t size)
{
	array = realloc(array, (count + 1) * size);
	if (!array) {
		printf("Bail out! out of memory\n");
		exit(2);
	}
	return array;
}

static FILE *must_open(const char *path)
{
	FILE *f = fopen(path, "r");

	if (!f) {
		printf("Bail out! %s: %s\n", path, strerror(errno));
		exit(2);
	}
	return f;
}

static struct answers read_answers(const char *path)
{
	struct answers a = { NULL, 0 };
	char buf[MAX_LINE];
	FILE *f = must_open(path);

	while (fgets(buf, sizeof(buf), f)) {
		char *row = strdup(buf), *key, *value;

		if (!row)
			exit(2);
		row[strcspn(row, "\n")] = 0;
		key = strchr(row, '\t');
		value = key ? strchr(key + 1, '\t') : NULL;
		if (!value) {
			free(row);
			continue;
		}
		*key = 0;
		*value = 0;
		a.lines = grow(a.lines, a.count, sizeof(*a.lines));
		a.lines[a.count++] = (struct line) { row, key + 1, value + 1 };
	}
	fclose(f);
	return a;
}

static void read_differences(const char *path)
{
	char buf[MAX_LINE];
	FILE *f = must_open(path);

	while (fgets(buf, sizeof(buf), f)) {
		char *end = strstr(buf, " -- ");
		struct difference d = { .seen = 0 };

		if (buf[0] == '#' || buf[0] == '\n')
			continue;
		if (!end || (*end = 0, regcomp(&d.regex, buf, REG_EXTENDED | REG_NOSUB))) {
			printf("Bail out! %s: not REGEX -- REASON: %s\n", path, buf);
			exit(2);
		}
		d.text = strdup(buf);
		differences = grow(differences, nr_differences, sizeof(d));
		differences[nr_differences++] = d;
	}
	fclose(f);
}

static const char *find(const struct answers *a, const struct line *l)
{
	size_t i;

	for (i = 0; i < a->count; i++)
		if (!strcmp(a->lines[i].row, l->row) && !strcmp(a->lines[i].key, l->key))
			return a->lines[i].value;
	return "nothing";
}

static bool listed(const char *text)
{
	size_t i;

	for (i = 0; i < nr_differences; i++) {
		if (!regexec(&differences[i].regex, text, 0, NULL, 0)) {
			differences[i].seen++;
			return true;
		}
	}
	return false;
}

static bool differs(const struct line *l, const char *kvm, const char *vmm)
{
	char text[2 * MAX_LINE];

	if (!strcmp(kvm, vmm))
		return false;
	snprintf(text, sizeof(text), "%s: %s: kvm %s, vmm %s", l->row, l->key, kvm, vmm);
	if (listed(text))
		return false;
	printf("# %s\n", text);
	return true;
}

/* Rows in the order of their first answer, vmm's first: what only KVM answered counts, too. */
static bool first_of_row(const struct answers *a, size_t i)
{
	size_t j;

	for (j = 0; j < i; j++)
		if (!strcmp(a->lines[j].row, a->lines[i].row))
			return false;
	return true;
}

static bool has_row(const struct answers *a, const char *row)
{
	size_t i;

	for (i = 0; i < a->count; i++)
		if (!strcmp(a->lines[i].row, row))
			return true;
	return false;
}

static int compare_row(const struct answers *kvm, const struct answers *vmm, const char *row,
		       int *nr)
{
	size_t i, answers = 0;
	bool bad = false;

	for (i = 0; i < vmm->count; i++) {
		if (strcmp(vmm->lines[i].row, row))
			continue;
		answers++;
		bad |= differs(&vmm->lines[i], find(kvm, &vmm->lines[i]), vmm->lines[i].value);
	}
	for (i = 0; i < kvm->count; i++) {
		if (strcmp(kvm->lines[i].row, row))
			continue;
		if (!strcmp(find(vmm, &kvm->lines[i]), "nothing"))
			bad |= differs(&kvm->lines[i], kvm->lines[i].value, "nothing");
	}
	printf("%sok %d - same answers as KVM: %s (%zu)\n", bad ? "not " : "", ++*nr, row, answers);
	return bad;
}

int compare_answers(const char *kvm_path, const char *vmm_path, const char *differences_path)
{
	struct answers kvm = read_answers(kvm_path), vmm = read_answers(vmm_path);
	int nr = 0, failed = 0, plan = 0;
	size_t i, seen = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	read_differences(differences_path);
	for (i = 0; i < vmm.count; i++)
		plan += first_of_row(&vmm, i);
	for (i = 0; i < kvm.count; i++)
		plan += first_of_row(&kvm, i) && !has_row(&vmm, kvm.lines[i].row);
	if (!kvm.count || !vmm.count) {
		printf("Bail out! one of the two answered nothing\n");
		return 2;
	}
	printf("1..%d\n", plan);
	for (i = 0; i < vmm.count; i++)
		if (first_of_row(&vmm, i))
			failed |= compare_row(&kvm, &vmm, vmm.lines[i].row, &nr);
	for (i = 0; i < kvm.count; i++)
		if (first_of_row(&kvm, i) && !has_row(&vmm, kvm.lines[i].row))
			failed |= compare_row(&kvm, &vmm, kvm.lines[i].row, &nr);
	for (i = 0; i < nr_differences; i++)
		seen += differences[i].seen > 0;
	printf("# %zu of %zu listed differences seen\n", seen, nr_differences);
	return failed;
}
