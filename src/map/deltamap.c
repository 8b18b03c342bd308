/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * deltamap: a large read-only base, and the changes since as marks over it.
 *
 *      get ----> marks (a hashmap)      key -> value: bound so        key -> GONE: not bound
 *                  | no mark
 *                  v
 *                base (dense, immutable, in order of hash)
 *
 * The marks are a hashmap whose generations each lie on a bed, which points to the newest base
 * (hashmap_base.h). So marks are found, changed, resized, saved for snapshots and cleared as a
 * hashmap's bindings are, and what is written here is only what a base adds. UPDATE, ADD and REMOVE
 * of the literature are a value over a binding of the base, a value over none, and GONE; which of the
 * first two it is, the base says.
 *
 * The truth about a key is its mark, or without one what the newest base says. Four rules keep it so:
 *   1. A verb finds, decides and marks under the lock of the key's bucket of marks, and asks the
 *      newest base inside it. A key that was ever marked stays marked: a delete marks GONE, even
 *      where the base has nothing.
 *   2. A compaction copies each mark at a time t of its own, and makes base' = base + those marks.
 *      A key that has changed since its t has a mark since then. So base' says the truth of every key
 *      without a mark, as base does, and exchanging one for the other changes nothing for anybody.
 *   3. Only after base' was published are marks taken away, one by one, each under its bucket's lock,
 *      if it says what base' says; so that changes nothing either. The next compaction begins after.
 *   4. A clear, or drain, replaces marks and base at once: both hang on the generation, and that on
 *      one word.
 *
 * A get looks for a mark, and then loads the base. If it finds no mark, and then a base that was
 * published later and has the key as of a time t after the look, that was the truth at t: within the
 * call. If t came before the look, no mark was taken away between t and the look, so the key has not
 * changed since t, and that base and the one of the look agree. A base older than the one of its look
 * says the same, or cannot be found: was a mark taken away for a newer one, the look has seen the
 * bucket as it was left then, and so what was published before (hash.base).
 *
 * A snapshot takes the marks' stamp and the newest base under one lock, `turn`, under which bases
 * are published too. Of a key that had no mark then, that base says the truth by rule 2; and marks are
 * taken away for a later base only after that was published, and so in a later epoch. As both lie
 * in order of hash, a walk merges them key by key (hashmap_units.c).
 *
 * Values: a mark owns its value; a key without a mark has its value in the newest base. Laying the
 * first mark displaces the base's value, taking one away makes its value the base's
 * (hashmap_base.c). Births in a base are guarded by the lock of the key's bucket of marks.
 *
 * Progress: as hashmap; a verb looks into a base in addition, of which it has to wait for nothing. No
 * thread is started: while a compaction runs, each write does a small step of it, some microseconds.
 *
 * Source: differential files, Severance and Lohman, TODS 1(3), 1976; the merge of C0 into C1, O'Neil
 * et al., "The Log-Structured Merge-Tree", 1996. Rejected: freezing the delta and writing to a second
 * one meanwhile, as those do: gets ask three places, and what a writer that is still in the first one
 * does must be waited for. A compaction by the one thread that finds the delta large: one write of
 * many milliseconds. A thread of the map's own: forks, cores and exits would be the user's to mind.
 */
#include "map/deltamap.h"

/* What is left alone without a word: a base is not worth making for fewer marks. */
#ifndef CALM_EXPLORE
#define LEAST 64U
#else
#define LEAST 2U
#endif
/* And of a large base, not for less than this share. */
#define SHARE 16U

/* ---- how large the delta may become ---- */

uint64_t calm__deltamap_limit(const struct deltamap *map, uint64_t bindings)
{
	if (map->at > 0)
		return map->at;
	return bindings / SHARE > LEAST ? bindings / SHARE : LEAST;
}

/* Marks that there must be room for, in a map of so many bindings. */
static uint64_t room(const struct deltamap *map, uint64_t bindings)
{
	uint64_t most = calm__deltamap_limit(map, bindings);
	most = most < UINT64_MAX / 2 ? most + most / 4 + LEAST : most;
	return bindings < most ? bindings : most;
}

static uint64_t bindings(const struct calm__generation *generation)
{
	return calm__stripes_sum(&generation->bed->bindings);
}

/* A thread has laid so many marks that it looks how many there are. */
static void look(struct deltamap *map, struct calm__self *self)
{
	calm__enter(self);
	const struct calm__generation *generation = calm__hashmap_table(&map->over)->generation;
	uint64_t marks = calm__stripes_sum(&generation->count);
	uint64_t base = calm__base_of(generation)->dense->count;
	/* order: none - hints. */
	if (marks >= calm__deltamap_limit(map, base) && marks >= load_relaxed(&map->most)) {
		bool waits = load_relaxed(&map->work) > DELTA_MAKES;
		store_relaxed(waits ? &map->again : &map->work, 1);
	}
	calm__leave(self);
}

static void help(struct deltamap *map)
{
	/* order: none - a hint: who misses it helps with the next write. */
	if (unlikely(load_relaxed(&map->work) != DELTA_REST))
		calm__deltamap_step(map);
}

/* ---- verbs ---- */

/* What is true of a key. Inside a section that began before the table was loaded. */
static struct calm__below find(struct calm__hashmap *over, struct calm__hash_table *table,
			       const struct calm__base *under, calm_key key, uint64_t hash)
{
	void *mark = NULL;
	if (calm__hashmap_find(over, table, key, hash, &mark) == CALM_OK)
		return (struct calm__below){mark != CALM__GONE, mark, 0};
	if (rule(MARK_FIRST))
		under = calm__base_of(table->generation);
	return calm__base_get(over, under, key, hash);
}

static calm_status load(const struct calm_map *base, calm_key key, void **value)
{
	struct calm__hashmap *over = calm__hashmap_of(base);
	uint64_t hash = calm__key_hash(&base->keys, key);
	struct calm__self *self = calm__self();
	calm__enter(self);
	struct calm__hash_table *table = calm__hashmap_table(over);
	const struct calm__base *under = calm__base_of(table->generation);
	calm__dense_fetch(under->dense, hash);
	struct calm__below found = find(over, table, under, key, hash);
	calm__leave(self);
	if (!found.bound)
		return CALM_ABSENT;
	*value = found.value;
	return CALM_OK;
}

/*
 * Keys that load_many has on the way at one time: for half of that their bucket of marks and their
 * start in the base are coming, and then the entries that the start leads to.
 */
#define AHEAD 16U

static size_t load_many(const struct calm_map *base, size_t n, const calm_key keys[],
			void *values[], calm_status found[])
{
	struct calm__hashmap *over = calm__hashmap_of(base);
	struct calm__self *self = calm__self();
	uint64_t hashes[AHEAD] = {0};
	size_t ok = 0;
	calm__enter(self);
	struct calm__hash_table *first = calm__hashmap_table(over);
	const struct calm__base *under = calm__base_of(first->generation); /* for prefetching */
	for (size_t i = 0; i < n + AHEAD; i++) {
		if (i >= AHEAD && found[i - AHEAD] == CALM_OK) {
			size_t done = i - AHEAD;
			struct calm__below below = find(over, calm__hashmap_table(over), under,
							keys[done], hashes[done % AHEAD]);
			found[done] = below.bound ? CALM_OK : CALM_ABSENT;
			if (below.bound)
				values[done] = below.value;
			ok += below.bound;
		}
		if (i < n) {
			found[i] = calm__key_check(&base->keys, keys[i]);
			uint64_t hash = found[i] == CALM_OK ? calm__key_hash(&base->keys, keys[i])
							    : 0;
			hashes[i % AHEAD] = hash;
			__builtin_prefetch(calm__bucket(first, hash));
			calm__dense_fetch(under->dense, hash);
		}
		if (i >= AHEAD / 2 && i - AHEAD / 2 < n)
			calm__dense_fetch_entries(under->dense, hashes[(i - AHEAD / 2) % AHEAD]);
	}
	calm__leave(self);
	return ok;
}

static calm_status write(struct calm_map *base, calm_key key, struct calm__write *write)
{
	struct deltamap *map = calm__deltamap_of(base);
	enum calm__marked marked;
	calm_status status = calm__hashmap_mark(&map->over, key, calm__key_hash(&base->keys, key),
						write, &marked);
	if (unlikely(marked == CALM__MARKED_ONE_MORE))
		look(map, calm__self());
	if (marked != CALM__UNMARKED)
		help(map);
	return status;
}

static calm_status apply(struct calm_map *base, size_t n, const calm_change changes[])
{
	struct deltamap *map = calm__deltamap_of(base);
	calm_status status = calm__hashmap_apply(base, n, changes);
	look(map, calm__self());
	help(map);
	return status;
}

/* A mark must be told from a value. */
static calm_status accepts(const struct calm_map *base, const void *value)
{
	(void)base;
	return value == CALM__GONE ? CALM_EINVAL : CALM_OK;
}

static uint64_t size(const struct calm_map *base)
{
	struct calm__self *self = calm__self();
	calm__enter(self);
	uint64_t n = bindings(calm__hashmap_table(calm__hashmap_of(base))->generation);
	calm__leave(self);
	return n;
}

static bool possible(size_t entries)
{
	return calm__table_bits(entries) <= CALM__TABLE_BITS;
}

static calm_status reserve(struct calm_map *base, size_t entries)
{
	struct deltamap *map = calm__deltamap_of(base);
	uint64_t asks = room(map, entries);
	calm_status status = possible(entries) ? calm__hashmap_reserve(base, asks) : CALM_ENOMEM;
	/* order: none - a hint. */
	if (status == CALM_OK && asks > load_relaxed(&map->asked))
		store_relaxed(&map->asked, asks);
	return status;
}

static int each(const struct calm_map *base, calm_visit_fn *visit, void *context)
{
	return calm__hashmap_walk(&calm__hashmap_of(base)->base, visit, context);
}

static const char *check(const struct calm_map *base)
{
	const char *broken = calm__hashmap_check(base);
	struct calm__self *self = calm__self();
	calm__enter(self);
	const struct calm__generation *generation =
		calm__hashmap_table(calm__hashmap_of(base))->generation;
	if (!broken)
		broken = calm__dense_check(calm__base_of(generation)->dense, &base->keys);
	calm__leave(self);
	return broken;
}

static void destroy(struct calm_map *base)
{
	calm__deltamap_stop(calm__deltamap_of(base));
	calm__hashmap_destroy(base);
}

static const struct calm__kind delta_kind = {
	.name = "deltamap",
	.destroy = destroy,
	.load = load,
	.write = write,
	.clear = calm__hashmap_clear,
	.size = size,
	.reserve = reserve,
	.each = each,
	.stats = calm__hashmap_stats,
	.check = check,
	.load_many = load_many,
	.accepts = accepts,
	.apply = apply,
	.drain = calm__hashmap_drain,
	.walk = calm__hashmap_walk,
	.snapshots = &calm__hashmap_snapshots,
};

bool calm__is_deltamap(const struct calm_map *map)
{
	return map->kind == &delta_kind;
}

/* What the marks' hashmap releases. */
static void release_value(void *value, void *context)
{
	const struct deltamap *map = context;
	if (value != CALM__GONE)
		map->release(value, map->context);
}

calm_status calm_deltamap_create(calm_map **out, const calm_options *options)
{
	struct calm_map *base;
	calm_status status = calm__map_new(&base, out, options, &delta_kind,
					   sizeof(struct deltamap));
	if (status != CALM_OK)
		return status;
	struct deltamap *map = calm__deltamap_of(base);
	size_t capacity = options ? options->capacity : 0;
	map->at = options ? options->compact_at : 0;
	map->over.layered = true;
	/* order: none - nobody else has the map yet. */
	store_relaxed(&map->asked, room(map, capacity));
	map->release = base->release;
	map->context = base->context;
	if (map->release) {
		base->release = release_value;
		base->context = map;
	}
	status = possible(capacity) ? calm__hashmap_init(&map->over, room(map, capacity))
				    : CALM_ENOMEM;
	if (status != CALM_OK) {
		calm__map_free(base);
		return status;
	}
	*out = base;
	return CALM_OK;
}
