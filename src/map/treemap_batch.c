/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Many keys at once on treemap.
 *
 * calm_map_apply: all changes in one epoch, by two-phase locking as on hashmap (hashmap_batch.c): the
 * leaves of all keys are locked from left to right, which is the order in which everyone locks more
 * than one; then the epoch is loaded once. Each change is published as it is made, with the lock
 * held, so single gets see them one by one.
 *
 * Everything that can fail comes first: names before the locks; room in the leaves, for images and
 * to displace with the locks held, and if something lacks all locks are given back. A leaf that
 * lacks room is cut at keys of the batch itself, so that each piece has room for its share.
 */
#include "map/treemap_leaf.h"

#include <stdlib.h>

/* One change. Sorted by key, and for one key as the caller gave them. */
struct item {
	size_t index;
	struct calm__name *name; /* made for its key, until it is used */
	struct calm__gone gone;
	void *previous; /* the value that is displaced, if gone.value */
};

/* One leaf, with the items from first to end. */
struct target {
	struct calm__held held; /* its header as the next change finds it */
	size_t first;
	size_t end;
	int64_t added;
	bool saves;
};

struct batch {
	struct calm__treemap *map;
	struct calm__self *self;
	struct calm__tree *tree;
	const calm_change *changes;
	struct item *items;
	struct target *targets;
	size_t n;
	size_t leaves;
	uint64_t displaces; /* pointers there is room to displace, */
	uint64_t snapshots; /* to so many snapshots */
	uint64_t entries;   /* what the log lacks room for */
	size_t cut_from;    /* the first of the items whose leaf lacks room; n: none */
	size_t cut_to;
};

static calm_key key_at(const struct batch *batch, size_t i)
{
	return batch->changes[batch->items[i].index].key;
}

static unsigned find_in(const struct batch *batch, const struct target *target, calm_key key,
			bool *hit)
{
	unsigned n = calm__node_count(target->held.header);
	return calm__has_names(batch->map) ? calm__leaf_find(target->held.leaf, n, key, hit, true)
					   : calm__leaf_find(target->held.leaf, n, key, hit, false);
}

static int compare_keys(const struct calm__treemap *map, calm_key a, calm_key b)
{
	if (calm__has_names(map))
		return calm__bytes_compare(a.data, a.size, b.data, b.size, 0);
	uint64_t left = calm_key_word(a);
	uint64_t right = calm_key_word(b);
	return (left > right) - (left < right);
}

/* ---- locks ---- */

/* Whether a leaf that is locked has the key, which is not below it. */
static bool reaches(const struct batch *batch, const struct target *target, calm_key key)
{
	/* order: none - changed under the lock. */
	uint64_t high = load_relaxed(&target->held.leaf->node.high);
	if (!calm__has_names(batch->map))
		return calm_key_word(key) <= high;
	return high == 0 || calm__name_compare(calm__name_of(high), key, 0) > 0;
}

static struct calm__held lock_leaf(const struct batch *batch, calm_key key)
{
	struct calm__held held = {NULL, 0, 0};
	struct calm__way way = {&key, false, NULL};
	unsigned turn = 0;
	for (;;) {
		struct calm__node *node =
			calm__has_names(batch->map)
				? calm__tree_leaf(batch->tree, way, &held.header, true)
				: calm__tree_leaf(batch->tree, way, &held.header, false);
		held.leaf = calm__leaf_of(node);
		if (calm__node_lock(node, held.header))
			return held;
		calm__tree_wait(&turn);
	}
}

static void lock_all(struct batch *batch)
{
	struct target *target = NULL;
	batch->leaves = 0;
	for (size_t i = 0; i < batch->n; i++) {
		if (target && reaches(batch, target, key_at(batch, i))) {
			target->end = i + 1;
			continue;
		}
		target = &batch->targets[batch->leaves++];
		*target = (struct target){.first = i, .end = i + 1};
		target->held = lock_leaf(batch, key_at(batch, i));
		if (!rule(TREE_ONE_EPOCH))
			target->held.epoch = calm__snaps_now(&batch->map->snaps);
	}
	uint64_t epoch = calm__snaps_now(&batch->map->snaps);
	for (size_t i = 0; i < batch->leaves && rule(TREE_ONE_EPOCH); i++)
		batch->targets[i].held.epoch = epoch;
}

static void unlock_all(struct batch *batch)
{
	for (size_t i = 0; i < batch->leaves; i++)
		calm__node_unlock(&batch->targets[i].held.leaf->node,
				  batch->targets[i].held.header);
}

/* ---- what it needs ---- */

/* Entries that a leaf can come to have at most: its own, and every key that is new. */
static size_t most_in(const struct batch *batch, const struct target *target)
{
	size_t most = calm__node_count(target->held.header);
	bool counted = false;
	for (size_t i = target->first; i < target->end; i++) {
		bool hit;
		if (i > target->first &&
		    compare_keys(batch->map, key_at(batch, i - 1), key_at(batch, i)) != 0)
			counted = false;
		if (counted || batch->changes[batch->items[i].index].remove)
			continue;
		find_in(batch, target, key_at(batch, i), &hit);
		most += !hit;
		counted = true;
	}
	return most;
}

/* With all locks held. False: something lacks, and nothing has changed. */
static bool have_all(struct batch *batch)
{
	struct calm__treemap *map = batch->map;
	uint64_t bytes = 0;
	batch->entries = 0;
	batch->cut_from = batch->cut_to = batch->n;
	if (!calm__tree_current(map, batch->tree))
		return false;
	for (size_t i = 0; i < batch->leaves; i++) {
		struct target *target = &batch->targets[i];
		if (most_in(batch, target) > CALM__LEAF) {
			batch->cut_from = target->first;
			batch->cut_to = target->end;
			return false;
		}
		target->saves = calm__leaf_needs_image(map, &target->held);
		if (target->saves)
			bytes += calm__image_size(IMAGE_ROOM);
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

static bool same_key(const struct batch *batch, size_t i, size_t k)
{
	return compare_keys(batch->map, key_at(batch, i), key_at(batch, k)) == 0;
}

/*
 * Of the items that lack room, one from i on that begins another key than the first's: the first of
 * i's own, or of the next. There is one before cut_to if the last has another key.
 */
static size_t next_key(const struct batch *batch, size_t i)
{
	while (i > batch->cut_from && same_key(batch, i, i - 1))
		i--;
	if (i == batch->cut_from)
		do
			i++;
		while (i < batch->cut_to && same_key(batch, i, i - 1));
	return i;
}

/*
 * Cuts at the first key of the items that lack room, and at another at each half leaf of them. What
 * lies between two cuts has fewer keys, and fits or is cut again; one key alone needs room as any
 * write does.
 */
static bool cut(struct batch *batch)
{
	size_t step = (batch->cut_to - batch->cut_from) / 2;
	calm_key first = key_at(batch, batch->cut_from);
	if (same_key(batch, batch->cut_from, batch->cut_to - 1))
		return calm__tree_split(batch->map, first, false) == CALM_OK;
	if (step > CALM__LEAF / 2)
		step = CALM__LEAF / 2;
	if (calm__tree_split(batch->map, first, true) != CALM_OK)
		return false;
	for (size_t i = batch->cut_from + step; i < batch->cut_to; i += step) {
		size_t at = next_key(batch, i);
		if (at < batch->cut_to &&
		    calm__tree_split(batch->map, key_at(batch, at), true) != CALM_OK)
			return false;
	}
	return true;
}

/* Outside the locks and the section. False: no memory. */
static bool get_what_lacks(struct batch *batch)
{
	if (batch->cut_from < batch->cut_to)
		return cut(batch);
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

static void change(struct batch *batch, struct target *target, struct item *item)
{
	struct calm__treemap *map = batch->map;
	const calm_change *wanted = &batch->changes[item->index];
	struct calm__held *held = &target->held;
	bool hit;
	unsigned at = find_in(batch, target, wanted->key, &hit);
	/* order: none - changed under the lock. */
	item->previous = hit ? load_relaxed(&held->leaf->values[at]) : NULL;
	if (hit && wanted->remove) {
		calm__leaf_remove(map, held, at, &item->gone);
		target->added--;
	} else if (hit) {
		calm__leaf_exchange(map, held, at, wanted->value, &item->gone);
	} else if (!wanted->remove) {
		uint64_t stored = calm__has_names(map) ? 0 : calm_key_word(wanted->key);
		if (calm__has_names(map)) {
			/* order: none - changed under the lock. */
			size_t prefix = load_relaxed(&held->leaf->node.prefix);
			calm__name_born(item->name, held->epoch);
			stored = calm__stored_name(item->name, prefix);
			item->name = NULL;
		}
		calm__leaf_insert(map, held, at, stored, wanted->value);
		target->added++;
	}
	/* order: tree.publish release -> calm__tree_leaf(): a get that began before looks again. */
	store_release(&held->leaf->node.header, held->header | NODE_LOCK);
}

static void change_all(struct batch *batch)
{
	for (size_t i = 0; i < batch->leaves; i++) {
		struct target *target = &batch->targets[i];
		if (target->saves)
			calm__leaf_save(batch->map, batch->self, &target->held);
		calm__leaf_stamp(&target->held);
		for (size_t k = target->first; k < target->end; k++)
			change(batch, target, &batch->items[k]);
	}
}

/* After the unlock, in the section. */
static void settle(struct batch *batch)
{
	for (size_t i = 0; i < batch->leaves; i++) {
		struct target *target = &batch->targets[i];
		for (size_t k = target->first; k < target->end; k++)
			calm__leaf_displace(batch->map, batch->self, target->held.epoch,
					    &batch->items[k].gone, batch->items[k].previous);
		if (target->added != 0)
			calm__stripes_add(&batch->tree->count, batch->self, target->added);
	}
}

/* *done: the changes are made. False: no memory. */
static bool attempt(struct batch *batch, bool *done)
{
	if (!reserve(batch))
		return false;
	calm__enter(batch->self);
	batch->tree = calm__treemap_tree(batch->map);
	lock_all(batch);
	*done = have_all(batch);
	if (*done)
		change_all(batch);
	unlock_all(batch);
	if (*done)
		settle(batch);
	calm__leave(batch->self);
	return *done || get_what_lacks(batch);
}

/* ---- the whole ---- */

static int by_key(const void *a, const void *b, void *context)
{
	const struct batch *batch = context;
	const struct item *left = a;
	const struct item *right = b;
	int order = compare_keys(batch->map, batch->changes[left->index].key,
				 batch->changes[right->index].key);
	return order != 0 ? order : (left->index > right->index) - (left->index < right->index);
}

/* False: no memory for a name. */
static bool make_items(struct batch *batch)
{
	for (size_t i = 0; i < batch->n; i++) {
		struct item *item = &batch->items[i];
		calm_key key = batch->changes[i].key;
		item->index = i;
		if (!calm__has_names(batch->map) || batch->changes[i].remove)
			continue;
		item->name = calm__name_new(&batch->map->base.heap, key.data, key.size);
		if (!item->name)
			return false;
	}
	qsort_r(batch->items, batch->n, sizeof(*batch->items), by_key, batch);
	return true;
}

/* Leaves that lost much, from one of each leaf's keys. */
static void merge_all(struct batch *batch)
{
	for (size_t i = 0; i < batch->leaves; i++)
		if (batch->targets[i].added < 0 &&
		    calm__node_count(batch->targets[i].held.header) <= CALM__LEAF / 4)
			calm__tree_merge(batch->map, key_at(batch, batch->targets[i].first));
}

calm_status calm__treemap_apply(struct calm_map *base, size_t n, const calm_change changes[])
{
	struct batch batch = {.map = calm__treemap_of(base),
			      .self = calm__self(),
			      .changes = changes,
			      .n = n,
			      .snapshots = 1};
	if (n > PTRDIFF_MAX / (sizeof(struct item) + sizeof(struct target)))
		return CALM_ENOMEM;
	if (calm__has_names(batch.map) || base->release)
		batch.displaces = 2 * (uint64_t)n;
	batch.items = calm__heap_zero(&base->heap, n * sizeof(*batch.items));
	batch.targets = calm__heap_zero(&base->heap, n * sizeof(*batch.targets));
	bool possible = batch.items && batch.targets && make_items(&batch);
	for (bool done = false; possible && !done;) {
		calm__history_keep_budget(base, &batch.map->history);
		possible = attempt(&batch, &done);
	}
	if (possible)
		merge_all(&batch);
	for (size_t i = 0; batch.items && i < n; i++)
		calm__name_free(&base->heap, batch.items[i].name);
	calm__heap_free(&base->heap, batch.items, n * sizeof(*batch.items));
	calm__heap_free(&base->heap, batch.targets, n * sizeof(*batch.targets));
	return possible ? CALM_OK : CALM_ENOMEM;
}

/* ---- loads ---- */

size_t calm__treemap_load_many(const struct calm_map *base, size_t n, const calm_key keys[],
			       void *values[], calm_status found[])
{
	struct calm__treemap *map = calm__treemap_of(base);
	struct calm__self *self = calm__self();
	size_t ok = 0;
	calm__enter(self);
	for (size_t i = 0; i < n; i++) {
		found[i] = calm__key_check(&base->keys, keys[i]);
		if (found[i] == CALM_OK)
			found[i] = calm__tree_load(map, keys[i], &values[i]);
		ok += found[i] == CALM_OK;
	}
	calm__leave(self);
	return ok;
}
