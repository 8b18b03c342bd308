/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The numbered history of the snapshot-cut checker: who writes what, and the writing itself.
 * Encoding and promises: cut.h; the check: cut_check.c.
 *
 * Invariant: a writer's write i depends on (seed, writer, i) alone, and the entry's write before it
 * is i - n. So the writer knows what every verb must answer, and asks for it (KIT_CUT_VERB).
 *
 * Orders. A writer stores `started` before its verb and `finished` after it; the traverser reads
 * `finished` before it opens and `started` after. All four are sequentially consistent: the map's
 * own publication carries `started` to whoever sees the write, and no fence is needed that TSan
 * could not model.
 *
 * Rejected: random entries per write. They need a log to be checked against; a stride coprime to n
 * is invertible, and looks random enough to a hash table.
 */
#include "kit/cut.h"

#include "kit/random.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static const char *const fault_names[KIT_CUT_FAULTS] = {
	[KIT_CUT_TWICE] = "twice",   [KIT_CUT_ALIEN] = "alien",   [KIT_CUT_UNTOUCHED] = "untouched",
	[KIT_CUT_PREFIX] = "prefix", [KIT_CUT_OLD] = "old",       [KIT_CUT_NEW] = "new",
	[KIT_CUT_LOST] = "lost",     [KIT_CUT_REREAD] = "reread", [KIT_CUT_LOAD] = "load",
	[KIT_CUT_VERB] = "verb",     [KIT_CUT_FAILED] = "failed",
};

const char *kit_cut_fault_name(enum kit_cut_fault fault)
{
	return fault_names[fault];
}

void kit_cut_fault(struct kit_cut_report *report, enum kit_cut_fault fault, const char *format, ...)
{
	char line[256];
	va_list list;

	report->faults[fault]++;
	report->total++;
	va_start(list, format);
	(void)vsnprintf(line, sizeof line, format, list);
	va_end(list);
	size_t need = strlen(fault_names[fault]) + 2 + strlen(line) + 1;
	if (report->used + need >= sizeof report->text)
		return;
	(void)snprintf(report->text + report->used, sizeof report->text - report->used, "%s: %s\n",
		       fault_names[fault], line);
	report->used += need;
}

void kit_cut_report_merge(struct kit_cut_report *into, const struct kit_cut_report *from)
{
	const char *line = from->text;

	for (int i = 0; i < KIT_CUT_FAULTS; i++)
		into->faults[i] += from->faults[i];
	into->total += from->total;
	while (*line != '\0') {
		size_t size = strcspn(line, "\n") + 1;
		if (into->used + size >= sizeof into->text)
			return;
		memcpy(into->text + into->used, line, size);
		into->used += size;
		into->text[into->used] = '\0';
		line += size;
	}
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b != 0) {
		uint64_t rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

/* The number x with a * x = 1 (mod n): extended Euclid. a coprime to n. */
static uint64_t invert(uint64_t a, uint64_t n)
{
	int64_t x = 0, next_x = 1;
	int64_t r = (int64_t)n, next_r = (int64_t)(a % n);

	while (next_r != 0) {
		int64_t q = r / next_r;
		int64_t t = x - q * next_x;
		x = next_x;
		next_x = t;
		t = r - q * next_r;
		r = next_r;
		next_r = t;
	}
	return (uint64_t)(x < 0 ? x + (int64_t)n : x) % n;
}

static void init_writer(struct kit_cut *cut, unsigned w)
{
	struct kit_cut_writer *writer = &cut->writer[w];
	uint64_t end = cut->touched * (w + 1) / cut->writers;

	writer->first = cut->touched * w / cut->writers;
	writer->n = end - writer->first;
	/* About the golden section: successive writes fall far apart. The seed shifts it. */
	writer->stride = (uint64_t)((double)writer->n * 0.6180339887) +
			 kit_mix(cut->seed + w) % (writer->n / 16 + 1);
	while (gcd(writer->stride % writer->n, writer->n) != 1)
		writer->stride++;
	writer->stride %= writer->n;
	writer->inverse = invert(writer->stride, writer->n);
	atomic_init(&writer->started, 0);
	atomic_init(&writer->finished, 0);
}

calm_status kit_cut_init(struct kit_cut *cut, const struct kit_cut_options *options)
{
	*cut = (struct kit_cut){.entries = options->entries,
				.touched = options->touched,
				.writers = options->writers,
				.delete_every = options->delete_every,
				.verbs = options->verbs,
				.seed = options->seed,
				.keys = options->keys};
	if (options->entries == 0 || options->entries > UINT32_MAX ||
	    options->touched > options->entries || options->writers > KIT_CUT_WRITERS ||
	    options->touched < options->writers || (options->touched > 0 && options->writers == 0))
		return CALM_EINVAL;
	cut->writer = aligned_alloc(64,
				    sizeof *cut->writer * (cut->writers > 0 ? cut->writers : 1));
	cut->prints = calloc(cut->keys != NULL ? cut->entries : 1, sizeof *cut->prints);
	if (cut->writer == NULL || cut->prints == NULL) {
		kit_cut_free(cut);
		return CALM_ENOMEM;
	}
	for (unsigned w = 0; w < cut->writers; w++)
		init_writer(cut, w);
	for (uint64_t e = 0; cut->keys != NULL && e < cut->entries; e++)
		cut->prints[e] = (uint32_t)XXH3_64bits(cut->keys[e].data, cut->keys[e].size);
	return CALM_OK;
}

void kit_cut_free(struct kit_cut *cut)
{
	free(cut->writer);
	free(cut->prints);
	*cut = (struct kit_cut){0};
}

/* The preload of a map whose writes copy it. */
static calm_status preload_at_once(struct kit_cut *cut, calm_map *map)
{
	calm_change *changes = calloc(cut->entries, sizeof *changes);
	size_t n = 0;

	if (changes == NULL)
		return CALM_ENOMEM;
	for (uint64_t e = cut->touched; e < cut->entries; e++)
		changes[n++] = (calm_change){kit_cut_key(cut, e), kit_cut_untouched(e), false};
	for (unsigned w = 0; w < cut->writers; w++) {
		const struct kit_cut_writer *writer = &cut->writer[w];
		for (uint64_t number = 1; number <= writer->n; number++)
			changes[n++] = (calm_change){
				kit_cut_key(cut, kit_cut_entry_of(writer, number)),
				kit_cut_value(w, number), !kit_cut_stores_of(cut, writer, number)};
	}
	calm_status status = calm_map_apply(map, n, changes);
	for (unsigned w = 0; w < cut->writers && status == CALM_OK; w++) {
		atomic_store(&cut->writer[w].started, cut->writer[w].n);
		atomic_store(&cut->writer[w].finished, cut->writer[w].n);
	}
	free(changes);
	return status;
}

calm_status kit_cut_preload(struct kit_cut *cut, calm_map *map)
{
	struct kit_cut_report report = {0};
	calm_status status;

	if (strcmp(calm_map_kind(map), "cowmap") == 0)
		return preload_at_once(cut, map);
	for (uint64_t e = cut->touched; e < cut->entries; e++) {
		status = calm_map_store(map, kit_cut_key(cut, e), kit_cut_untouched(e));
		if (status < 0)
			return status;
	}
	for (unsigned w = 0; w < cut->writers; w++) {
		for (uint64_t i = 0; i < cut->writer[w].n; i++) {
			status = kit_cut_step(cut, w, map, &report);
			if (status < 0)
				return status;
		}
	}
	return CALM_OK;
}

struct answer {
	const char *verb;
	calm_status status, expected;
	void *value, *expected_value; /* both NULL where the verb gives none */
};

static struct answer store_somehow(calm_map *map, calm_key key, void *value, void *previous,
				   unsigned choice)
{
	bool present = previous != NULL;
	struct answer a = {"store", CALM_OK, CALM_OK, NULL, NULL};

	switch (choice) {
	case 1:
		a = (struct answer){"swap", CALM_OK, present ? CALM_OK : CALM_ABSENT, NULL,
				    previous};
		a.status = calm_map_swap(map, key, value, &a.value);
		return a;
	case 2:
		if (present) {
			a.verb = "compare_and_swap";
			a.status = calm_map_compare_and_swap(map, key, previous, value);
			return a;
		}
		a = (struct answer){"load_or_store", CALM_OK, CALM_OK, NULL, value};
		a.status = calm_map_load_or_store(map, key, value, &a.value);
		return a;
	default:
		a.status = calm_map_store(map, key, value);
		return a;
	}
}

static struct answer delete_somehow(calm_map *map, calm_key key, void *previous, unsigned choice)
{
	struct answer a = {"delete", CALM_OK, previous != NULL ? CALM_OK : CALM_ABSENT, NULL, NULL};

	switch (choice) {
	case 1:
		a.verb = "load_and_delete";
		a.expected_value = previous;
		a.status = calm_map_load_and_delete(map, key, &a.value);
		return a;
	case 2:
		a.verb = "compare_and_delete";
		a.status = calm_map_compare_and_delete(map, key, previous);
		return a;
	default:
		a.status = calm_map_delete(map, key);
		return a;
	}
}

calm_status kit_cut_step(struct kit_cut *cut, unsigned w, calm_map *map,
			 struct kit_cut_report *report)
{
	struct kit_cut_writer *writer = &cut->writer[w];
	uint64_t number = atomic_load_explicit(&writer->finished, memory_order_relaxed) + 1;
	uint64_t entry = kit_cut_entry_of(writer, number);
	calm_key key = kit_cut_key(cut, entry);
	unsigned choice = cut->verbs ? (unsigned)(kit_mix(number ^ cut->seed) % 4) : 0;
	void *previous = NULL;
	struct answer a;

	if (number > writer->n && kit_cut_stores_of(cut, writer, number - writer->n))
		previous = kit_cut_value(w, number - writer->n);
	atomic_store(&writer->started, number);
	if (kit_cut_stores_of(cut, writer, number))
		a = store_somehow(map, key, kit_cut_value(w, number), previous, choice);
	else
		a = delete_somehow(map, key, previous, choice);
	if (a.status < 0)
		return a.status;
	atomic_store(&writer->finished, number);
	if (a.status != a.expected || a.value != a.expected_value)
		kit_cut_fault(
			report, KIT_CUT_VERB,
			"writer %u, write %llu to entry %llu: %s answered %d with %p; its history says %d with %p",
			w, (unsigned long long)number, (unsigned long long)entry, a.verb, a.status,
			a.value, a.expected, a.expected_value);
	return CALM_OK;
}

uint64_t kit_cut_writes(const struct kit_cut *cut)
{
	uint64_t sum = 0;

	for (unsigned w = 0; w < cut->writers; w++)
		sum += atomic_load_explicit(&cut->writer[w].finished, memory_order_relaxed);
	return sum;
}
