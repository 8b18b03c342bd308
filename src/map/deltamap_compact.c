/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * deltamap's next base, made step by step while the map is used.
 *
 *      collect   copies the marks, a bucket at a time, each under its lock: they are few
 *      merge     copies base and marks into the next base; then publishes it, if the map was not
 *                cleared meanwhile
 *      trim      takes away the marks that say what the new base says
 *      wait      until the readers are gone that may be in the old base, and frees it
 *
 * A step is so much of one of them as a write can do in passing. Who makes one has `compacting`, so
 * there is one compaction at a time, and it may go from thread to thread; between two steps it holds
 * no lock, no section and no snapshot, only its generation and that one's base, by references. So
 * if nobody writes any more, it lies there and keeps nothing from being released.
 *
 * The last phase is what bounds memory: the next compaction begins after it, so besides those that
 * snapshots hold there are two bases at the most, the newest and the one that is being made or that
 * waits. Were a replaced base retired like anything else, writers at full speed would make the next
 * ones while one reader does not run: of 1 000 entries some hundred bases, for each 60 marks or so.
 * What grows meanwhile is the delta, by one mark for each key that changes; if that comes to twice the
 * base and what a compaction begins at, the old base is retired like anything else after all. Then
 * the next base is twice as large, or the marks were of keys that came and went, and took several
 * times that base. And who calls for a compaction waits for nobody, and has it retired, too.
 *
 * Invariant: a key whose mark was collected at one time, and changed later, has a mark since then. So
 * the marks need not be those of one instant.
 *
 * Without memory a compaction is given up: the map is as it was, and no other is begun of its own
 * accord before there are a quarter more marks.
 */
#include "map/deltamap.h"

#include "base/probe.h"
#include "map/hashmap_bucket.h"

#include <string.h>

/* What a step does of each. */
#ifndef CALM_EXPLORE
enum { STEP_MARKS = 64, STEP_ENTRIES = 256, STEP_TRIMS = 16 };
/* A look for readers interrupts processors: while one is in the way, at most at each so manieth write. */
enum { LOOK_FIRST = 2, LOOK_LAST = 256 };
#else
enum { STEP_MARKS = 2, STEP_ENTRIES = 2, STEP_TRIMS = 1 };
enum { LOOK_FIRST = 2, LOOK_LAST = 2 };
#endif

enum phase { COLLECT, MERGE, TRIM, WAIT, DONE };

struct calm__compaction {
	enum phase phase;
	struct calm__generation *generation; /* a reference; NULL: not any more */
	struct calm__base *under;            /* a reference; from trim on, it is the old base, */
	uint64_t stamp;                      /* whose bed's goes when this has passed */
	struct calm__entry *marks;           /* in order; byte keys are copies */
	size_t n;                            /* of marks */
	size_t room;
	uint64_t position;         /* collect: marks below are collected */
	size_t count;              /* of the next base's bindings, */
	size_t keys;               /* and of their keys' bytes */
	struct calm__dense *dense; /* merge: the next base */
	size_t entry;              /* the base's first that is not in it */
	size_t mark;               /* the first mark that is not; or, of trim, not looked at */
	size_t stop;               /* the base's entry before which that mark belongs, */
	bool updates;              /* or whose key it has */
	const struct calm__base *published;
};

static uint64_t marks(const struct calm__generation *generation)
{
	return calm__stripes_sum(&generation->count);
}

static const struct calm__dense *base_of(const struct calm__compaction *compaction)
{
	return compaction->under->dense;
}

static void resize_marks(struct deltamap *map, struct calm__compaction *compaction, size_t room)
{
	struct calm__heap *heap = &map->over.base.heap;
	struct calm__entry *marks = calm__heap_alloc(heap, room * sizeof(*marks));
	if (!marks)
		return;
	if (compaction->n > 0)
		memcpy(marks, compaction->marks, compaction->n * sizeof(*marks));
	calm__heap_free(heap, compaction->marks, compaction->room * sizeof(*marks));
	compaction->marks = marks;
	compaction->room = room;
}

/* ---- beginning and end ---- */

/* All that it holds but an old base. */
static void give_back(struct deltamap *map, struct calm__compaction *compaction)
{
	struct calm__heap *heap = &map->over.base.heap;
	if (!compaction->generation)
		return;
	calm__dense_free(heap, compaction->dense);
	for (size_t i = 0; map->over.base.keys.kind == CALM_KEYS_BYTES && i < compaction->n; i++)
		calm__record_free(heap, calm__record_of(compaction->marks[i].key));
	calm__heap_free(heap, compaction->marks, compaction->room * sizeof(*compaction->marks));
	calm__base_drop(compaction->under, &map->over.base);
	calm__generation_drop(&map->over, calm__self(), compaction->generation);
	compaction->generation = NULL;
}

static void end(struct deltamap *map)
{
	struct calm__compaction *compaction = map->running;
	map->running = NULL;
	calm__probe1(compact__end, map);
	give_back(map, compaction);
	calm__heap_free(&map->over.base.heap, compaction, sizeof(*compaction));
}

static calm_status begin(struct deltamap *map)
{
	struct calm__hashmap *over = &map->over;
	struct calm__compaction *compaction = calm__heap_zero(&over->base.heap,
							      sizeof(*compaction));
	if (!compaction)
		return CALM_ENOMEM;
	calm__lock(&over->turn);
	compaction->generation = over->current;
	compaction->generation->refs++;
	compaction->under = calm__base_of(over->current);
	/* order: none - under turn the bed's own reference cannot go. */
	add_relaxed(&compaction->under->refs, 1);
	calm__unlock(&over->turn);
	compaction->count = base_of(compaction)->count;
	compaction->keys = base_of(compaction)->keys;
	map->running = compaction;
	calm__probe1(compact__begin, map);
	return CALM_OK;
}

/* ---- collect ---- */

/* One mark more: what becomes of the base by it. False: no memory. */
static bool collect_mark(struct deltamap *map, struct calm__compaction *compaction,
			 struct calm__entry mark)
{
	const struct calm__keys *keys = &map->over.base.keys;
	uint64_t hash = calm__stored_hash(keys, mark.key);
	calm_key key = calm__key_of(keys, mark.key);
	bool was = calm__dense_find(base_of(compaction), keys, key, hash) != CALM__NOWHERE;
	bool is = mark.value != CALM__GONE;
	size_t bytes = calm__dense_key_bytes(keys, mark.key);
	if (keys->kind == CALM_KEYS_BYTES) {
		struct calm__record *copy = calm__record_new(&map->over.base.heap, key, hash);
		if (!copy)
			return false;
		mark.key = (uint64_t)(uintptr_t)copy;
	}
	compaction->count += (size_t)is - was;
	compaction->keys += is == was ? 0 : is ? bytes : -bytes;
	compaction->marks[compaction->n++] = mark;
	return true;
}

/*
 * What a bucket holds at the moment, behind the marks that there are. *last: where it ends. ABSENT: the
 * map was cleared, and what the bucket still names may be gone. Found current inside the lock, it is
 * displaced later, and so stays for the section.
 */
static calm_status copy_bucket(struct deltamap *map, struct calm__compaction *compaction, size_t *n,
			       uint64_t *last)
{
	for (;;) {
		/* order: hash.table acquire <- finish(): the table. */
		struct calm__hash_table *table = load_acquire(&compaction->generation->table);
		struct calm__locked locked = calm__lock_bucket(table, compaction->position);
		*n = calm__bucket_count(locked.table, locked.line, locked.header);
		*last = calm__place_last(calm__bucket_place(locked.table, compaction->position));
		bool current = calm__still_current(&map->over, locked.table);
		bool fits = compaction->room - compaction->n >= *n;
		if (current && fits && *n > 0) /* with no marks yet there is nowhere to put none */
			calm__bucket_copy(locked.table, locked.line, locked.header,
					  compaction->marks + compaction->n);
		calm__unlock_bucket(&locked, locked.header);
		if (!current)
			return CALM_ABSENT;
		if (fits)
			return CALM_OK;
		size_t room = compaction->room + *n;
		resize_marks(map, compaction, 2 * room);
		if (compaction->room < room)
			return CALM_ENOMEM;
	}
}

/* ABSENT: as copy_bucket. */
static calm_status collect_bucket(struct deltamap *map, struct calm__compaction *compaction)
{
	const struct calm__keys *keys = &map->over.base.keys;
	size_t n;
	uint64_t last;
	calm_status status = copy_bucket(map, compaction, &n, &last);
	if (status != CALM_OK)
		return status;
	struct calm__entry *found = n > 0 ? compaction->marks + compaction->n : NULL;
	calm__sort_entries(&map->over, found, n);
	for (size_t i = 0; i < n; i++)
		if (calm__stored_hash(keys, found[i].key) >= compaction->position &&
		    !collect_mark(map, compaction, found[i]))
			return CALM_ENOMEM;
	compaction->position = last + 1;
	return CALM_OK;
}

/* Where the next mark belongs in the base. */
static void place_mark(const struct deltamap *map, struct calm__compaction *compaction)
{
	const struct calm__keys *keys = &map->over.base.keys;
	const struct calm__dense *from = base_of(compaction);
	int order = 1;
	compaction->stop = from->count;
	if (compaction->mark < compaction->n) {
		const struct calm__entry *mark = &compaction->marks[compaction->mark];
		size_t i = calm__dense_from(from, keys, calm__stored_hash(keys, mark->key));
		i = i > compaction->entry ? i : compaction->entry;
		while (i < from->count &&
		       (order = calm__entry_compare(keys, &from->entries[i], mark)) < 0)
			i++;
		compaction->stop = i;
	}
	compaction->updates = order == 0;
}

static calm_status collect(struct deltamap *map, struct calm__compaction *compaction)
{
	size_t enough = compaction->n + STEP_MARKS;
	for (int buckets = 0; buckets < STEP_MARKS && compaction->n < enough; buckets++) {
		calm_status status = collect_bucket(map, compaction);
		if (status == CALM_ABSENT)
			compaction->phase = DONE;
		if (status != CALM_OK)
			return status < CALM_OK ? status : CALM_OK;
		if (compaction->position != 0)
			continue;
		compaction->phase = MERGE;
		place_mark(map, compaction);
		compaction->dense = calm__dense_new(&map->over.base.heap, map->over.base.keys.kind,
						    compaction->count, compaction->keys,
						    map->over.base.release != NULL);
		return compaction->dense ? CALM_OK : CALM_ENOMEM;
	}
	return CALM_OK;
}

/* ---- merge ---- */

static void append_base(const struct deltamap *map, struct calm__compaction *compaction)
{
	const struct calm__dense *from = base_of(compaction);
	size_t i = compaction->entry++;
	calm__dense_append(compaction->dense, &map->over.base.keys, from->entries[i],
			   from->births ? from->births[i] : 0);
}

/* The next base's next binding, or one less to come. False: there is none. */
static bool merge_one(const struct deltamap *map, struct calm__compaction *compaction)
{
	if (compaction->entry < compaction->stop) {
		append_base(map, compaction);
		return true;
	}
	if (compaction->mark == compaction->n)
		return false;
	struct calm__entry mark = compaction->marks[compaction->mark++];
	compaction->entry += compaction->updates;
	if (mark.value != CALM__GONE)
		/* Its birth comes with the trim. */
		calm__dense_append(compaction->dense, &map->over.base.keys, mark, 0);
	place_mark(map, compaction);
	return true;
}

/*
 * The table of marks does not shrink below what the delta has come to: else it would shrink with every
 * trim, and grow again, and each time leave a table to its readers. From one compaction to the next
 * that is forgotten by half; by hand, at once.
 */
static void keep_room(struct deltamap *map, uint64_t marks, bool by_hand)
{
	map->usual = by_hand ? 0 : map->usual / 2 > marks ? map->usual / 2 : marks;
	/* order: none - hints. */
	uint64_t asked = load_relaxed(&map->asked);
	store_relaxed(&map->over.least, asked > map->usual ? asked : map->usual);
}

static calm_status publish(struct deltamap *map, struct calm__compaction *compaction, bool by_hand)
{
	struct calm__hashmap *over = &map->over;
	keep_room(map, marks(compaction->generation), by_hand);
	calm__dense_seal(compaction->dense);
	struct calm__base *next = calm__base_new(over, compaction->dense);
	compaction->dense = NULL;
	if (!next)
		return CALM_ENOMEM;
	struct calm__base *last = NULL;
	if (rule(PUBLISH_IN_TURN))
		calm__lock(&over->turn);
	if (over->current == compaction->generation) {
		last = compaction->under;
		calm__base_replaced(over, last);
		calm__base_publish(over->current, next);
	}
	if (rule(PUBLISH_IN_TURN))
		calm__unlock(&over->turn);
	if (!last) { /* cleared meanwhile */
		calm__base_drop(next, &over->base);
		compaction->phase = DONE;
		return CALM_OK;
	}
	/* order: none - statistics. */
	add_relaxed(&over->base.copies, 1);
	add_relaxed(&over->base.copied_bytes, next->dense->bytes);
	compaction->stamp = calm__grace_begins();
	calm__history_keep_budget(&over->base, &over->history);
	compaction->published = next;
	compaction->mark = 0;
	compaction->phase = TRIM;
	return CALM_OK;
}

static calm_status merge(struct deltamap *map, struct calm__compaction *compaction, bool by_hand)
{
	for (int i = 0; i < STEP_ENTRIES; i++)
		if (!merge_one(map, compaction))
			return publish(map, compaction, by_hand);
	return CALM_OK;
}

/* ---- trim ---- */

static calm_status trim(struct deltamap *map, struct calm__compaction *compaction)
{
	const struct calm__keys *keys = &map->over.base.keys;
	for (int i = 0; i < STEP_TRIMS && compaction->mark < compaction->n; i++) {
		uint64_t stored = compaction->marks[compaction->mark++].key;
		calm_status status = calm__hashmap_trim(&map->over, calm__key_of(keys, stored),
							calm__stored_hash(keys, stored),
							compaction->published);
		if (status != CALM_OK)
			return status;
	}
	if (compaction->mark == compaction->n)
		compaction->phase = DONE;
	return CALM_OK;
}

/* ---- wait ---- */

/* Whether the delta has grown too much to wait on. */
static bool overgrown(struct deltamap *map)
{
	const struct calm__generation *generation = calm__hashmap_table(&map->over)->generation;
	uint64_t base = calm__base_of(generation)->dense->count;
	uint64_t limit = calm__deltamap_limit(map, base);
	return limit < UINT64_MAX / 4 && marks(generation) / 2 >= base + limit;
}

/* Its readers are waited for by whoever waits for any: OK. ENOMEM. */
static calm_status retire(struct deltamap *map, struct calm__compaction *compaction)
{
	struct calm__self *self = calm__self();
	if (!calm__reserve(self, 1))
		return CALM_ENOMEM;
	calm__retire_large(self, compaction->under, calm__base_drop, &map->over.base,
			   base_of(compaction)->bytes);
	return CALM_OK;
}

/* *waits: readers are in the way. */
static calm_status wait(struct deltamap *map, struct calm__compaction *compaction, bool by_hand,
			bool *waits)
{
	*waits = false;
	if (calm__grace_over(compaction->stamp)) {
		calm__base_drop(compaction->under, &map->over.base);
	} else if (by_hand || overgrown(map)) {
		calm_status status = retire(map, compaction);
		if (status != CALM_OK)
			return status;
	} else {
		*waits = true;
		return CALM_OK;
	}
	compaction->phase = DONE;
	return CALM_OK;
}

/* ---- steps ---- */

static void tell(struct deltamap *map, uint64_t work)
{
	/* order: none - a hint. */
	store_relaxed(&map->work, work);
}

/* Up to the next base, and no further. */
static calm_status make(struct deltamap *map, struct calm__compaction *compaction, bool by_hand)
{
	calm_status status;
	if (compaction->phase == COLLECT)
		status = collect(map, compaction);
	else if (compaction->phase == MERGE)
		status = merge(map, compaction, by_hand);
	else
		status = trim(map, compaction);
	if (status == CALM_OK && compaction->phase != DONE)
		return CALM_OK;
	uint64_t left = marks(compaction->generation);
	/* order: none - a hint. */
	store_relaxed(&map->most, status == CALM_OK ? 0 : left + left / 4);
	compaction->phase = compaction->published ? WAIT : DONE;
	give_back(map, compaction);
	return status;
}

/* Under compacting, inside a section that began before. *done: the compaction is at its end. */
static calm_status step(struct deltamap *map, bool by_hand, bool *done)
{
	calm_status status = map->running ? CALM_OK : begin(map);
	*done = status != CALM_OK;
	if (*done) {
		tell(map, DELTA_REST);
		return status;
	}
	struct calm__compaction *compaction = map->running;
	bool waits = false;
	if (compaction->phase < WAIT)
		status = make(map, compaction, by_hand);
	if (compaction->phase == WAIT)
		status = wait(map, compaction, by_hand, &waits) < CALM_OK ? CALM_ENOMEM : status;
	*done = status != CALM_OK || compaction->phase == DONE;
	if (compaction->phase == DONE) {
		end(map);
		/* order: none - a hint. */
		tell(map, load_relaxed(&map->again) != 0 ? DELTA_MAKES : DELTA_REST);
		store_relaxed(&map->again, 0);
	} else if (compaction->phase == WAIT) {
		/* order: none - a hint. */
		uint64_t turns = load_relaxed(&map->work);
		turns = turns < LOOK_FIRST ? LOOK_FIRST : turns < LOOK_LAST ? 2 * turns : turns;
		tell(map, turns);
	}
	return status;
}

void calm__deltamap_step(struct deltamap *map)
{
	struct calm__self *self = calm__self();
	/* order: none - a hint. */
	uint64_t work = load_relaxed(&map->work);
	self->turn++;
	if (work > DELTA_MAKES && self->turn % work != 0)
		return;
	bool done;
	calm__enter(self);
	if (self->turn % LOOK_LAST == 0)
		calm__settle_later(self);
	if (calm__try_lock(&map->compacting)) {
		/* order: none - a hint; what is at its end is not begun again. */
		if (map->running || load_relaxed(&map->work) != DELTA_REST)
			step(map, false, &done);
		calm__unlock(&map->compacting);
	}
	calm__leave(self);
}

/* As long as it takes: the compaction that runs, or one that it begins. *began: the latter. */
static calm_status run(struct deltamap *map, bool *began)
{
	struct calm__self *self = calm__self();
	calm_status status = CALM_OK;
	*began = false;
	for (bool first = true, done = false; !done; first = false) {
		calm__enter(self);
		calm__lock(&map->compacting);
		if (first)
			*began = map->running == NULL;
		done = !first && !map->running; /* another thread came to its end */
		if (!done)
			status = step(map, true, &done);
		calm__unlock(&map->compacting);
		calm__leave(self);
	}
	return status;
}

calm_status calm_deltamap_compact(calm_map *base)
{
	if (!base)
		return CALM_EINVAL;
	if (!calm__is_deltamap(base))
		return CALM_EUNSUPPORTED;
	bool began = false;
	calm_status status = CALM_OK;
	while (!began && status == CALM_OK)
		status = run(calm__deltamap_of(base), &began);
	return status;
}

void calm__deltamap_stop(struct deltamap *map)
{
	struct calm__self *self = calm__self();
	calm__enter(self);
	if (map->running && map->running->published)
		calm__base_drop(map->running->under, &map->over.base);
	if (map->running)
		end(map);
	calm__leave(self);
	calm__flush(&map->over.base);
}
