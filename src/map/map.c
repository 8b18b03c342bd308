/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The verbs: each checks its arguments and calls the map's kind. No algorithm here, two
 * compositions aside: update, which is a load and a compare-and-swap on every kind, and load_many
 * where a kind has no better way.
 */
#include "base/probe.h"
#include "guard/guard.h"
#include "map/kind.h"

#include <string.h>

/* ---- making and unmaking ---- */

static bool options_valid(const calm_options *options)
{
	return options->size == sizeof(*options) &&
	       (options->keys == CALM_KEYS_WORD || options->keys == CALM_KEYS_BYTES) &&
	       options->shards <= 65536 &&
	       (!options->allocator || (options->allocator->alloc && options->allocator->free));
}

calm_status calm__map_new(struct calm_map **out, calm_map **user, const calm_options *options,
			  const struct calm__kind *kind, size_t size)
{
	if (!user || (options && !options_valid(options)))
		return CALM_EINVAL;
	static const calm_options defaults = CALM_OPTIONS_INIT;
	if (!options)
		options = &defaults;
	const calm_allocator *allocator = options->allocator ? options->allocator : &calm__malloc;
	struct calm_map *map = calm__alloc_zero(allocator, size);
	if (!map)
		return CALM_ENOMEM;
	map->kind = kind;
	map->keys.kind = options->keys;
	map->keys.seed = options->seed ? options->seed : calm__random_seed();
	map->release = options->release;
	map->context = options->context;
	map->budget = options->snapshot_budget;
	map->heap.allocator = *allocator;
	calm__stripes_add(&map->heap.bytes, calm__self(), (int64_t)size);
	calm__map_enlist(map);
	calm__probe2(map__create, map, kind->name);
	calm__watch_map();
	*out = map;
	return CALM_OK;
}

void calm__map_free(struct calm_map *map)
{
	calm_allocator allocator = map->heap.allocator;
	calm__probe1(map__destroy, map);
	calm__map_delist(map);
	calm__free(&allocator, map);
}

void calm__release_value(void *value, void *pointer)
{
	struct calm_map *map = pointer;
	map->release(value, map->context);
}

void calm__release_record(void *record, void *pointer)
{
	struct calm_map *map = pointer;
	calm__record_free(&map->heap, record);
}

calm_status calm_map_destroy(calm_map *map)
{
	if (!map)
		return CALM_OK;
	/* order: map.snapshots acquire <- calm_snapshot_close(): a closed snapshot no longer
	 * uses the map. */
	if (load_acquire(&map->snapshots) > 0)
		return CALM_EBUSY;
	calm_status status = calm__flush(map);
	if (status != CALM_OK)
		return status;
	map->kind->destroy(map);
	calm__map_free(map);
	return CALM_OK;
}

const char *calm_map_kind(const calm_map *map)
{
	return map ? map->kind->name : "none";
}

/* ---- single keys ---- */

calm_status calm_map_load(const calm_map *map, calm_key key, void **value)
{
	if (!map || !value)
		return CALM_EINVAL;
	calm_status status = calm__key_check(&map->keys, key);
	return status == CALM_OK ? map->kind->load(map, key, value) : status;
}

static calm_status write_key(calm_map *map, calm_key key, struct calm__write *write)
{
	if (!map)
		return CALM_EINVAL;
	calm_status status = calm__key_check(&map->keys, key);
	if (status != CALM_OK)
		return status;
	if (calm__puts(write) && map->kind->accepts)
		status = map->kind->accepts(map, write->value);
	return status == CALM_OK ? map->kind->write(map, key, write) : status;
}

calm_status calm_map_store(calm_map *map, calm_key key, void *value)
{
	struct calm__write write = {.verb = CALM__STORE, .value = value};
	calm_status status = write_key(map, key, &write);
	return status == CALM_ABSENT ? CALM_OK : status;
}

calm_status calm_map_swap(calm_map *map, calm_key key, void *value, void **previous)
{
	struct calm__write write = {.verb = CALM__STORE, .value = value};
	calm_status status = write_key(map, key, &write);
	if (status == CALM_OK && previous)
		*previous = write.previous;
	return status;
}

calm_status calm_map_load_or_store(calm_map *map, calm_key key, void *value, void **actual)
{
	struct calm__write write = {.verb = CALM__LOAD_OR_STORE, .value = value};
	calm_status status = write_key(map, key, &write);
	if (status >= CALM_OK && actual)
		*actual = status == CALM_PRESENT ? write.previous : value;
	return status;
}

calm_status calm_map_delete(calm_map *map, calm_key key)
{
	return calm_map_load_and_delete(map, key, NULL);
}

calm_status calm_map_load_and_delete(calm_map *map, calm_key key, void **value)
{
	struct calm__write write = {.verb = CALM__DELETE};
	calm_status status = write_key(map, key, &write);
	if (status == CALM_OK && value)
		*value = write.previous;
	return status;
}

calm_status calm_map_compare_and_swap(calm_map *map, calm_key key, void *expected, void *value)
{
	struct calm__write write = {.verb = CALM__COMPARE_AND_SWAP,
				    .expected = expected,
				    .value = value};
	return write_key(map, key, &write);
}

calm_status calm_map_compare_and_delete(calm_map *map, calm_key key, void *expected)
{
	struct calm__write write = {.verb = CALM__COMPARE_AND_DELETE, .expected = expected};
	return write_key(map, key, &write);
}

/* One round of update. *lost: another thread was faster. */
static calm_status update_once(calm_map *map, calm_key key, calm_update_fn *update, void *context,
			       bool *lost)
{
	*lost = false;
	void *before = NULL;
	calm_status status = calm_map_load(map, key, &before);
	if (status < CALM_OK)
		return status;
	bool present = status == CALM_OK;
	void *after = before;
	bool keep = true;
	status = update(key, present, &after, &keep, context);
	if (status != CALM_OK)
		return status;
	if (!present && !keep)
		return CALM_OK;
	if (!present)
		status = calm_map_load_or_store(map, key, after, NULL);
	else if (!keep)
		status = calm_map_compare_and_delete(map, key, before);
	else if (after != before)
		status = calm_map_compare_and_swap(map, key, before, after);
	*lost = status > CALM_OK;
	return status;
}

calm_status calm_map_update(calm_map *map, calm_key key, calm_update_fn *update, void *context)
{
	if (!map || !update)
		return CALM_EINVAL;
	struct calm__self *self = calm__self();
	bool protect =
		map->release !=
		NULL; /* what was loaded must not be released, and come back, before the compare */
	calm_status status;
	bool lost;
	do {
		if (protect)
			calm__enter(self);
		status = update_once(map, key, update, context, &lost);
		if (protect)
			calm__leave(self);
	} while (lost);
	return status;
}

/* ---- the whole map ---- */

calm_status calm_map_clear(calm_map *map)
{
	return map ? map->kind->clear(map) : CALM_EINVAL;
}

size_t calm_map_size(const calm_map *map)
{
	return map ? (size_t)map->kind->size(map) : 0;
}

calm_status calm_map_reserve(calm_map *map, size_t entries)
{
	return map ? map->kind->reserve(map, entries) : CALM_EINVAL;
}

size_t calm_map_load_many(const calm_map *map, size_t n, const calm_key keys[], void *values[],
			  calm_status found[])
{
	if (!map || (n > 0 && (!keys || !values || !found))) {
		for (size_t i = 0; found && i < n; i++)
			found[i] = CALM_EINVAL;
		return 0;
	}
	if (map->kind->load_many)
		return map->kind->load_many(map, n, keys, values, found);
	size_t ok = 0;
	for (size_t i = 0; i < n; i++) {
		found[i] = calm_map_load(map, keys[i], &values[i]);
		ok += found[i] == CALM_OK;
	}
	return ok;
}

calm_status calm_map_apply(calm_map *map, size_t n, const calm_change changes[])
{
	if (!map || (n > 0 && !changes))
		return CALM_EINVAL;
	if (!map->kind->apply)
		return CALM_EUNSUPPORTED;
	for (size_t i = 0; i < n; i++) {
		calm_status status = calm__key_check(&map->keys, changes[i].key);
		if (status == CALM_OK && !changes[i].remove && map->kind->accepts)
			status = map->kind->accepts(map, changes[i].value);
		if (status != CALM_OK)
			return status;
	}
	return n > 0 ? map->kind->apply(map, n, changes) : CALM_OK;
}

static int each(const calm_map *map, calm_visit_fn *visit, void *context)
{
	if (!map || !visit)
		return CALM_EINVAL;
	calm__probe2(traversal__begin, map, CALM__PROBE_EACH);
	int result = map->kind->each(map, visit, context);
	calm__probe2(traversal__end, map, CALM__PROBE_EACH);
	return result;
}

CALM__TRAVERSAL(int, calm_map_each, each, calm__guard_called,
		(const calm_map *map, calm_visit_fn *visit, void *context), (map, visit, context))

static int walk(calm_map *map, calm_visit_fn *visit, void *context)
{
	if (!map || !visit)
		return CALM_EINVAL;
	if (!map->kind->walk)
		return CALM_EUNSUPPORTED;
	calm__probe2(traversal__begin, map, CALM__PROBE_WALK);
	int result = map->kind->walk(map, visit, context);
	calm__probe2(traversal__end, map, CALM__PROBE_WALK);
	return result;
}

CALM__TRAVERSAL(int, calm_map_walk, walk, calm__guard_called,
		(calm_map * map, calm_visit_fn *visit, void *context), (map, visit, context))

void calm_map_stats(const calm_map *map, calm_stats *out)
{
	if (!out)
		return;
	memset(out, 0, sizeof(*out));
	if (map) {
		out->entries = map->kind->size(map);
		out->bytes = calm__stripes_sum(&map->heap.bytes);
		/* order: none - statistics. */
		out->snapshots = load_relaxed(&map->snapshots);
		out->copies = load_relaxed(&map->copies);
		out->copied_bytes = load_relaxed(&map->copied_bytes);
		out->resizes = load_relaxed(&map->resizes);
		map->kind->stats(map, out);
	}
	struct calm__backlog backlog;
	calm__backlog(&backlog);
	out->retired = backlog.waiting;
	out->retired_peak = backlog.peak;
	out->stalls = backlog.stalls;
	out->stalled_thread = backlog.stalled_thread;
	if (backlog.stalled_thread != 0)
		calm__thread_name(backlog.stalled_thread, out->stalled_name);
}
