/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * calm_map_apply on hashmap: all changes in one epoch.
 *
 * Two-phase locking: the buckets of all keys are locked in order of hash, which is the order in
 * which everyone locks more than one; then the epoch is loaded once. A snapshot that opens later
 * finds every one of those buckets locked or done, one that opened before finds the images of them
 * all. Single gets see the changes one by one: each is published as it is made, with the lock held,
 * so that a slot which the batch frees and fills again is not taken for what it was.
 *
 * Everything that can fail comes first: records before the locks; overflow lines, room for images
 * and room to displace with the locks held, and if something lacks all locks are given back.
 */
#include "map/hashmap_base.h"
#include "map/hashmap_bucket.h"

#include <stdlib.h>

/* One change. Sorted by hash, and for one hash as the caller gave them. */
struct item {
	uint64_t hash;
	size_t index;
	struct calm__record *record; /* made for its key, until it is used */
	struct calm__unlinked unlinked;
	void *previous;           /* the value that is displaced, if unlinked.value */
	struct calm__below below; /* bound: the base's binding that is displaced */
};

/* One bucket, with the items from first to end. */
struct target {
	struct calm__locked locked; /* its header as the next change finds it */
	size_t first;
	size_t end;
	int64_t added;    /* bindings; over a base, marks, */
	int64_t bindings; /* and this is what they add */
	uint32_t spare;   /* overflow lines, linked: enough */
	bool saves;
};

struct batch {
	struct calm__hashmap *map;
	struct calm__self *self;
	const calm_change *changes;
	struct item *items;
	struct target *targets;
	size_t n;
	size_t buckets;
	uint64_t displaces;             /* pointers there is room to displace, */
	uint64_t snapshots;             /* to so many snapshots */
	uint64_t entries;               /* what the log lacks room for, */
	struct calm__hash_table *table; /* or the table that lacks overflow lines */
};

static bool of_bytes(const struct batch *batch)
{
	return batch->map->base.keys.kind == CALM_KEYS_BYTES;
}

/* Whether the map's bindings are marks over a base. */
static bool is_over(const struct batch *batch)
{
	return batch->map->layered;
}

static uint64_t hash_of(const struct batch *batch, const struct target *target)
{
	return batch->items[target->first].hash;
}

/* ---- locks ---- */

static void lock_all(struct batch *batch)
{
	struct calm__hash_table *table = calm__hashmap_table(batch->map);
	struct target *target = NULL;
	batch->buckets = 0;
	for (size_t i = 0; i < batch->n; i++) {
		uint64_t hash = batch->items[i].hash;
		if (target && hash <= calm__place_last(calm__bucket_place(
					      target->locked.table, hash_of(batch, target)))) {
			target->end = i + 1;
			continue;
		}
		target = &batch->targets[batch->buckets++];
		*target = (struct target){.first = i, .end = i + 1};
		target->locked = calm__lock_bucket(table, hash);
		if (!rule(ONE_EPOCH))
			target->locked.epoch = calm__snaps_now(&batch->map->snaps);
	}
	uint64_t epoch = calm__snaps_now(&batch->map->snaps);
	for (size_t i = 0; i < batch->buckets && rule(ONE_EPOCH); i++)
		batch->targets[i].locked.epoch = epoch;
}

static void unlock_all(struct batch *batch)
{
	for (size_t i = 0; i < batch->buckets; i++)
		calm__unlock_bucket(&batch->targets[i].locked, batch->targets[i].locked.header);
}

/* ---- what it needs ---- */

static void give_spares(struct batch *batch)
{
	for (size_t i = 0; i < batch->buckets; i++) {
		struct target *target = &batch->targets[i];
		while (target->spare != 0) {
			uint32_t number = target->spare;
			/* order: none - nobody else has it. */
			target->spare = load_relaxed(
				&calm__overflow(target->locked.table, number)->overflow);
			calm__pool_give(target->locked.table, batch->self, number);
		}
	}
}

/* As many overflow lines as a bucket can need, if every key is new. */
static bool take_spares(struct batch *batch, struct target *target)
{
	uint64_t inserts = 0;
	for (size_t i = target->first; i < target->end; i++)
		inserts += is_over(batch) || !batch->changes[batch->items[i].index].remove;
	unsigned occupied = calm__line_occupied(target->locked.header);
	if (inserts + (unsigned)__builtin_popcount(occupied) <= CALM__SLOTS)
		return true;
	for (uint64_t lines = (inserts + CALM__SLOTS - 1) / CALM__SLOTS; lines > 0; lines--) {
		struct calm__hash_table *table = target->locked.table;
		uint32_t number = calm__pool_take(table, batch->self);
		if (number == 0) {
			batch->table = table;
			return false;
		}
		/* order: hash.chain release -> find_overflow(), copy_overflow(): as in
		 * calm__pool_give(). */
		store_release(&calm__overflow(table, number)->overflow, target->spare);
		target->spare = number;
	}
	return true;
}

/* With all locks held. False: something lacks, and nothing has changed. */
static bool have_all(struct batch *batch)
{
	struct calm__hashmap *map = batch->map;
	uint64_t bytes = 0;
	batch->table = NULL;
	batch->entries = 0;
	for (size_t i = 0; i < batch->buckets; i++) {
		struct target *target = &batch->targets[i];
		if (!calm__still_current(map, target->locked.table) || !take_spares(batch, target))
			return false;
		target->saves = calm__bucket_needs_image(map, &target->locked);
		if (target->saves)
			bytes += calm__image_size(calm__bucket_room(&target->locked));
	}
	uint64_t entries = bytes / sizeof(struct calm__entry) + 1;
	if (bytes > 0 && !calm__history_room(&map->history, batch->self, entries)) {
		batch->entries = entries;
		return false;
	}
	/* order: none - a snapshot that opened after the epoch was loaded sees nothing that goes. */
	uint64_t open = load_relaxed(&map->snaps.open);
	if (batch->displaces == 0 || open <= batch->snapshots)
		return true;
	batch->snapshots = open;
	return false;
}

/* Outside the locks. False: no memory. */
static bool get_what_lacks(struct batch *batch)
{
	if (batch->table)
		return calm__pool_grow(batch->map, batch->table);
	return batch->entries == 0 ||
	       calm__history_grow(&batch->map->history, batch->self, batch->entries);
}

static bool reserve(struct batch *batch)
{
	uint64_t n = batch->displaces;
	uint64_t most = batch->snapshots < n ? batch->snapshots : n;
	return n == 0 || (n + CALM__BLOCK_ITEMS * most <= UINT32_MAX / 4 &&
			  calm__displace_reserve(batch->self, (uint32_t)n, (uint32_t)most));
}

/* ---- the changes ---- */

/* Over a base, what is removed is marked as gone. *value: the mark. */
static enum calm__effect change_over(struct batch *batch, struct target *target, struct item *item,
				     calm_key key, bool marked, void **value)
{
	if (!marked)
		item->below = calm__base_find(batch->map,
					      calm__base_of(target->locked.table->generation), key,
					      item->hash);
	bool was = marked ? item->previous != CALM__GONE : item->below.bound;
	bool removes = batch->changes[item->index].remove;
	target->bindings += !removes - was;
	if (removes)
		*value = CALM__GONE;
	return !removes || was ? CALM__PUT : CALM__LEAVE;
}

static void change(struct batch *batch, struct target *target, struct item *item)
{
	struct calm__hashmap *map = batch->map;
	const calm_change *wanted = &batch->changes[item->index];
	struct calm__slot hit;
	struct calm__slot hole;
	struct calm__locked *locked = &target->locked;
	void *value = wanted->value;
	locked->hash = item->hash; /* any of the bucket's */
	calm__bucket_find(&map->base.keys, locked, wanted->key, of_bytes(batch), &hit, &hole);
	bool present = hit.line != NULL;
	/* order: none - changed under the lock. */
	item->previous = present ? load_relaxed(&hit.line->slots[hit.at].value) : NULL;
	enum calm__effect effect = wanted->remove ? CALM__REMOVE : CALM__PUT;
	if (is_over(batch))
		effect = change_over(batch, target, item, wanted->key, present, &value);
	if (present && effect != CALM__LEAVE) {
		locked->header = calm__bucket_change(map, locked, &hit, effect, value,
						     &item->unlinked, of_bytes(batch));
		target->added -= effect == CALM__REMOVE;
	} else if (effect == CALM__PUT) {
		uint32_t extension = hole.line ? 0 : target->spare;
		if (extension != 0)
			/* order: none - nobody else has it. */
			target->spare = load_relaxed(
				&calm__overflow(locked->table, extension)->overflow);
		uint64_t stored = of_bytes(batch) ? (uint64_t)(uintptr_t)item->record
						  : calm_key_word(wanted->key);
		item->record = NULL;
		locked->header = calm__bucket_bind(map, locked, &hole, extension, stored, value,
						   of_bytes(batch));
		target->added++;
	}
	/* order: hash.publish release -> load_key(): a get that began before looks again. */
	store_release(&locked->line->header, locked->header | LINE_LOCK);
	if (item->unlinked.line != 0) {
		/* Published, so it can be used again: what is free does not become less. */
		/* order: hash.chain release -> find_overflow(), copy_overflow(): as in
		 * calm__pool_give(). */
		store_release(&calm__overflow(locked->table, item->unlinked.line)->overflow,
			      target->spare);
		target->spare = item->unlinked.line;
		item->unlinked.line = 0;
	}
}

static void change_all(struct batch *batch)
{
	for (size_t i = 0; i < batch->buckets; i++) {
		struct target *target = &batch->targets[i];
		if (target->saves)
			calm__bucket_save(batch->map, batch->self, &target->locked);
		calm__bucket_stamp(&target->locked);
		for (size_t k = target->first; k < target->end; k++)
			change(batch, target, &batch->items[k]);
	}
}

/* After the unlock, in the section. */
static void settle(struct batch *batch)
{
	for (size_t i = 0; i < batch->buckets; i++) {
		struct target *target = &batch->targets[i];
		struct calm__generation *generation = target->locked.table->generation;
		for (size_t k = target->first; k < target->end; k++) {
			struct item *item = &batch->items[k];
			calm__bucket_displace(batch->map, batch->self, &target->locked,
					      &item->unlinked, item->previous);
			if (item->below.bound)
				calm__base_displace(batch->map, batch->self, &item->below,
						    target->locked.epoch);
		}
		if (target->added != 0)
			calm__stripes_add(&generation->count, batch->self, target->added);
		if (target->bindings != 0)
			calm__stripes_add(&generation->bed->bindings, batch->self,
					  target->bindings);
	}
	give_spares(batch);
	calm__hashmap_look(batch->map, batch->targets[0].locked.table);
}

/* *done: the changes are made. False: no memory. */
static bool attempt(struct batch *batch, bool *done)
{
	if (!reserve(batch))
		return false;
	calm__enter(batch->self);
	struct calm__hash_table *table = calm__hashmap_table(batch->map);
	/* order: none - only whether there is one. */
	if (load_relaxed(&table->next) != NULL)
		calm__hashmap_help(batch->map, batch->self, table, batch->items[0].hash);
	lock_all(batch);
	bool provided = true;
	*done = have_all(batch);
	if (*done)
		change_all(batch);
	unlock_all(batch);
	if (*done) {
		settle(batch);
	} else {
		give_spares(batch);
		provided = get_what_lacks(batch);
	}
	calm__leave(batch->self);
	return provided;
}

/* ---- the whole ---- */

/*
 * Keys are locked and changed all at once, so a table cannot grow meanwhile: a batch that is larger than it would
 * make chains as long as the batch, and search them for each key. False: no memory.
 */
static bool make_room(const struct batch *batch)
{
	uint64_t inserts = 0;
	for (size_t i = 0; i < batch->n; i++)
		inserts += is_over(batch) || !batch->changes[i].remove;
	calm__enter(batch->self);
	bool small = calm__hashmap_table(batch->map)->room < inserts;
	calm__leave(batch->self);
	return !small || calm__hashmap_grow(batch->map, batch->self, inserts) == CALM_OK;
}

static int by_hash(const void *a, const void *b)
{
	const struct item *left = a;
	const struct item *right = b;
	if (left->hash != right->hash)
		return left->hash < right->hash ? -1 : 1;
	return (left->index > right->index) - (left->index < right->index);
}

/* False: no memory for a record. */
static bool make_items(struct batch *batch)
{
	struct calm_map *base = &batch->map->base;
	for (size_t i = 0; i < batch->n; i++) {
		struct item *item = &batch->items[i];
		item->index = i;
		item->hash = calm__key_hash(&base->keys, batch->changes[i].key);
		if (!of_bytes(batch) || (batch->changes[i].remove && !is_over(batch)))
			continue;
		item->record = calm__record_new(&base->heap, batch->changes[i].key, item->hash);
		if (!item->record)
			return false;
	}
	qsort(batch->items, batch->n, sizeof(*batch->items), by_hash);
	return true;
}

calm_status calm__hashmap_apply(struct calm_map *base, size_t n, const calm_change changes[])
{
	struct batch batch = {.map = calm__hashmap_of(base),
			      .self = calm__self(),
			      .changes = changes,
			      .n = n,
			      .snapshots = 1};
	if (n > PTRDIFF_MAX / (sizeof(struct item) + sizeof(struct target)))
		return CALM_ENOMEM;
	if (of_bytes(&batch) || base->release)
		batch.displaces = 2 * (uint64_t)n;
	batch.items = calm__heap_zero(&base->heap, n * sizeof(*batch.items));
	batch.targets = calm__heap_zero(&base->heap, n * sizeof(*batch.targets));
	bool possible = batch.items && batch.targets && make_items(&batch) && make_room(&batch);
	for (bool done = false; possible && !done;) {
		calm__history_keep_budget(base, &batch.map->history);
		possible = attempt(&batch, &done);
	}
	for (size_t i = 0; batch.items && i < n; i++)
		calm__record_free(&base->heap, batch.items[i].record);
	calm__heap_free(&base->heap, batch.items, n * sizeof(*batch.items));
	calm__heap_free(&base->heap, batch.targets, n * sizeof(*batch.targets));
	return possible ? CALM_OK : CALM_ENOMEM;
}
