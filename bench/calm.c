/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * calm's kinds as subjects, through the public interface as any user calls it: no private header,
 * no inlined verb.
 */
#include "bench/adapter.h"
#include "kit/kinds.h"

#include <calm/snapshot.h>

#include <string.h>

static void *create(const struct bench_subject *subject, size_t capacity)
{
	calm_options options = CALM_OPTIONS_INIT;
	calm_map *map = NULL;

	options.capacity = capacity;
	options.keys = subject->ordered ? CALM_KEYS_BYTES : CALM_KEYS_WORD;
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

BENCH_INLINE bool get(void *map, void *thread, uint64_t key, uint64_t *value)
{
	void *found;

	(void)thread;
	if (calm_map_load(map, calm_word(key), &found) != CALM_OK)
		return false;
	*value = (uint64_t)(uintptr_t)found;
	return true;
}

BENCH_INLINE bool put(void *map, void *thread, uint64_t key, uint64_t value)
{
	(void)thread;
	return calm_map_store(map, calm_word(key), (void *)(uintptr_t)value) == CALM_OK;
}

BENCH_INLINE bool insert(void *map, void *thread, uint64_t key, uint64_t value)
{
	(void)thread;
	return calm_map_load_or_store(map, calm_word(key), (void *)(uintptr_t)value, NULL) ==
	       CALM_OK;
}

BENCH_INLINE bool erase(void *map, void *thread, uint64_t key)
{
	(void)thread;
	return calm_map_delete(map, calm_word(key)) == CALM_OK;
}

BENCH_BATCH(batch, get, put, insert, erase, BENCH_NO_PAUSE)

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
#define KIND(word, n)                                                                              \
	{                                                                                          \
		.id = word, .name = "calm " word, .from = "this build of calm", .create = create,  \
		.destroy = destroy, .batch = batch, .get = get, .put = put, .insert = insert,      \
		.erase = erase, .size = size, .walk = walk, .bytes = bytes, .kind = &kit_kinds[n], \
	}

const struct bench_subject bench_calm_kinds[KIT_KINDS] = {
	KIND("hashmap", 0), KIND("treemap", 1), KIND("syncmap", 2), KIND("lockmap", 3),
	KIND("shardmap", 4), KIND("cowmap", 5), KIND("deltamap", 6),
};
/* clang-format on */

/* The ordered suite's treemap: 16-byte keys, as its peers there. */

#define WIDE(name)                         \
	unsigned char name##_bytes[16];    \
	bench_wide_key(key, name##_bytes); \
	calm_key name = calm_bytes(name##_bytes, sizeof name##_bytes)

BENCH_INLINE bool wide_get(void *map, void *thread, uint64_t key, uint64_t *value)
{
	WIDE(wide);
	void *found;

	(void)thread;
	if (calm_map_load(map, wide, &found) != CALM_OK)
		return false;
	*value = (uint64_t)(uintptr_t)found;
	return true;
}

BENCH_INLINE bool wide_put(void *map, void *thread, uint64_t key, uint64_t value)
{
	WIDE(wide);

	(void)thread;
	return calm_map_store(map, wide, (void *)(uintptr_t)value) == CALM_OK;
}

BENCH_INLINE bool wide_insert(void *map, void *thread, uint64_t key, uint64_t value)
{
	WIDE(wide);

	(void)thread;
	return calm_map_load_or_store(map, wide, (void *)(uintptr_t)value, NULL) == CALM_OK;
}

BENCH_INLINE bool wide_erase(void *map, void *thread, uint64_t key)
{
	WIDE(wide);

	(void)thread;
	return calm_map_delete(map, wide) == CALM_OK;
}

BENCH_BATCH(wide_batch, wide_get, wide_put, wide_insert, wide_erase, BENCH_NO_PAUSE)

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
	uint64_t key = from;
	calm_snapshot *snapshot;
	WIDE(wide);

	(void)thread;
	if (calm_map_snapshot(map, &snapshot) != CALM_OK)
		return 0;
	(void)calm_snapshot_range(snapshot, &wide, NULL, visit_wide, &visiting);
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
	.ordered = true,
};
