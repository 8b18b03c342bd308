/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * calm's kinds as subjects, through the public interface as any user calls it: no private header,
 * no inlined verb.
 */
#include "bench/adapter.h"
#include "bench/engine.h"
#include "bench/text.h"
#include "kit/kinds.h"

#include <calm/snapshot.h>

#include <stdlib.h>

static void *create(const struct bench_subject *subject, size_t capacity)
{
	calm_options options = CALM_OPTIONS_INIT;
	calm_map *map = NULL;

	options.capacity = capacity;
	options.keys = subject->key_size > 0 ? CALM_KEYS_BYTES : CALM_KEYS_WORD;
	return subject->kind->create(&map, &options) == CALM_OK ? map : NULL;
}

static void destroy(void *map)
{
	(void)calm_map_destroy(map);
}

static size_t size(void *map)
{
	return calm_map_size(map);
}

static uint64_t bytes(void *map)
{
	calm_stats stats;

	calm_map_stats(map, &stats);
	return stats.bytes;
}

BENCH_INLINE bool get(void *map, void *thread, calm_key key, uint64_t *value)
{
	void *found;

	(void)thread;
	if (calm_map_load(map, key, &found) != CALM_OK)
		return false;
	*value = (uint64_t)(uintptr_t)found;
	return true;
}

BENCH_INLINE bool put(void *map, void *thread, calm_key key, uint64_t value)
{
	(void)thread;
	return calm_map_store(map, key, (void *)(uintptr_t)value) == CALM_OK;
}

BENCH_INLINE bool insert(void *map, void *thread, calm_key key, uint64_t value)
{
	(void)thread;
	return calm_map_load_or_store(map, key, (void *)(uintptr_t)value, NULL) == CALM_OK;
}

BENCH_INLINE bool erase(void *map, void *thread, calm_key key)
{
	(void)thread;
	return calm_map_delete(map, key) == CALM_OK;
}

/* How a subject makes its keys of numbers. */
#define WORD(key, number) calm_key key = calm_word(number)
#define WIDE(key, number)                    \
	unsigned char key##_bytes[16];       \
	bench_wide_key(number, key##_bytes); \
	calm_key key = calm_bytes(key##_bytes, sizeof key##_bytes)
#define TEXT_16(key, number)               \
	BENCH_TEXT_16(key##_text, number); \
	calm_key key = calm_bytes(key##_text->bytes, key##_text->size)
#define TEXT_48(key, number)               \
	BENCH_TEXT_48(key##_text, number); \
	calm_key key = calm_bytes(key##_text->bytes, key##_text->size)

BENCH_BATCH_OF(word_batch, WORD, get, put, insert, erase, BENCH_NO_PAUSE)
BENCH_BATCH_OF(wide_batch, WIDE, get, put, insert, erase, BENCH_NO_PAUSE)
BENCH_BATCH_OF(batch_16, TEXT_16, get, put, insert, erase, BENCH_NO_PAUSE)
BENCH_BATCH_OF(batch_48, TEXT_48, get, put, insert, erase, BENCH_NO_PAUSE)

BENCH_SINGLES(word, WORD, get, put, insert, erase)
BENCH_SINGLES(wide, WIDE, get, put, insert, erase)

/* cowmap, whose writes copy it, is loaded in one step: make gives the key of a number, in *at. */
static bool fill(void *map, const struct bench_stream *stream,
		 calm_key (*make)(struct bench_text *at, uint64_t number))
{
	calm_change *changes = calloc(stream->count, sizeof *changes);
	struct bench_text *texts = calloc(stream->count, sizeof *texts);
	calm_status status = CALM_ENOMEM;

	if (changes != NULL && texts != NULL) {
		for (size_t i = 0; i < stream->count; i++) {
			uint64_t number = stream->words[i] & BENCH_KEY_MASK;
			changes[i] = (calm_change){.key = make(&texts[i], number),
						   .value = (void *)(uintptr_t)number};
		}
		status = calm_map_apply(map, stream->count, changes);
	}
	free(texts);
	free(changes);
	return status == CALM_OK;
}

static calm_key make_word(struct bench_text *at, uint64_t number)
{
	(void)at;
	return calm_word(number);
}

static calm_key make_16(struct bench_text *at, uint64_t number)
{
	const struct bench_text *text = bench_text_16(at, number);
	return calm_bytes(text->bytes, text->size);
}

static calm_key make_48(struct bench_text *at, uint64_t number)
{
	const struct bench_text *text = bench_text_48(at, number);
	return calm_bytes(text->bytes, text->size);
}

static bool fill_word(void *map, const struct bench_stream *stream)
{
	return fill(map, stream, make_word);
}

static bool fill_16(void *map, const struct bench_stream *stream)
{
	return fill(map, stream, make_16);
}

static bool fill_48(void *map, const struct bench_stream *stream)
{
	return fill(map, stream, make_48);
}

struct visiting {
	bench_visit_fn *visit;
	void *context;
	size_t count, limit;
};

static int visit_word(calm_key key, void *value, void *context)
{
	struct visiting *visiting = context;

	visiting->count++;
	return visiting->visit(calm_key_word(key), (uint64_t)(uintptr_t)value, visiting->context);
}

/* The consistent pass where there is one, else the live walk. */
static size_t walk(void *map, void *thread, bench_visit_fn *visit, void *context)
{
	struct visiting visiting = {.visit = visit, .context = context};

	(void)thread;
	if (calm_map_walk(map, visit_word, &visiting) == CALM_EUNSUPPORTED)
		(void)calm_map_each(map, visit_word, &visiting);
	return visiting.count;
}

/* clang-format off */
#define SUBJECT(word, n)                                                                   \
	.id = word, .name = "calm " word, .from = "this build of calm", .create = create,  \
	.destroy = destroy, .size = size, .bytes = bytes, .kind = &kit_kinds[n]
#define TEXTS(word, n, filler)                                                             \
	{{SUBJECT(word, n), .batch = batch_16, .fill = filler##16, .key_size = 16},         \
	 {SUBJECT(word, n), .batch = batch_48, .fill = filler##48, .key_size = 48}}
#define KIND(word, n, own_texts, filler)                                                   \
	{                                                                                  \
		SUBJECT(word, n), .batch = word_batch, .get = word_get, .put = word_put,   \
		.insert = word_insert, .erase = word_erase, .walk = walk, .fill = filler,  \
		.texts = own_texts,                                                        \
	}

#define no_fill_16 NULL
#define no_fill_48 NULL

/* As kit_kinds; none of treemap, which the suite ordered measures with byte keys. */
static const struct bench_subject texts[KIT_KINDS][BENCH_TEXTS] = {
	TEXTS("hashmap", 0, no_fill_), {{0}}, TEXTS("syncmap", 2, no_fill_),
	TEXTS("lockmap", 3, no_fill_), TEXTS("shardmap", 4, no_fill_), TEXTS("cowmap", 5, fill_),
	TEXTS("deltamap", 6, no_fill_),
};

const struct bench_subject bench_calm_kinds[KIT_KINDS] = {
	KIND("hashmap", 0, texts[0], NULL), KIND("treemap", 1, NULL, NULL),
	KIND("syncmap", 2, texts[2], NULL), KIND("lockmap", 3, texts[3], NULL),
	KIND("shardmap", 4, texts[4], NULL), KIND("cowmap", 5, texts[5], fill_word),
	KIND("deltamap", 6, texts[6], NULL),
};
/* clang-format on */

/* The ordered suite's treemap: 16-byte keys, as its peers there. */

static int visit_wide(calm_key key, void *value, void *context)
{
	struct visiting *visiting = context;
	int stop = visiting->visit(bench_wide_word(key.data), (uint64_t)(uintptr_t)value,
				   visiting->context);

	return ++visiting->count == visiting->limit ? 1 : stop;
}

static size_t wide_walk(void *map, void *thread, bench_visit_fn *visit, void *context)
{
	struct visiting visiting = {.visit = visit, .context = context};

	(void)thread;
	(void)calm_map_walk(map, visit_wide, &visiting);
	return visiting.count;
}

static size_t wide_range(void *map, void *thread, uint64_t from, size_t count,
			 bench_visit_fn *visit, void *context)
{
	struct visiting visiting = {.visit = visit, .context = context, .limit = count};
	calm_snapshot *snapshot;
	WIDE(key, from);

	(void)thread;
	if (calm_map_snapshot(map, &snapshot) != CALM_OK)
		return 0;
	(void)calm_snapshot_range(snapshot, &key, NULL, visit_wide, &visiting);
	calm_snapshot_close(snapshot);
	return visiting.count;
}

const struct bench_subject bench_calm_tree = {
	.id = "treemap",
	.name = "calm treemap",
	.from = "this build of calm",
	.create = create,
	.destroy = destroy,
	.batch = wide_batch,
	.get = wide_get,
	.put = wide_put,
	.insert = wide_insert,
	.erase = wide_erase,
	.size = size,
	.walk = wide_walk,
	.range = wide_range,
	.bytes = bytes,
	.kind = &kit_kinds[1],
	.key_size = 16,
	.ordered = true,
};
