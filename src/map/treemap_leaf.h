/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * One leaf of treemap under its lock: saving what it holds, changing it. What a writer does is in
 * this order, each step visible before the next:
 *     image of what the leaf holds, if a snapshot needs it
 *     stamp = epoch
 *     the change: a value in place; or MOVE, and the slots
 *     header, unlocked
 */
#ifndef CALM_MAP_TREEMAP_LEAF_H
#define CALM_MAP_TREEMAP_LEAF_H

#include "map/treemap.h"

/* A leaf that this thread has locked. */
struct calm__held {
	struct calm__leaf *leaf;
	uint64_t header; /* as it was, without the lock; as it will be */
	uint64_t epoch;  /* found inside the lock */
};

/* ---- what it held ---- */

/* A position of calm__snaps_need: key order, coarsely. */
static inline uint64_t calm__key_position(const struct calm__treemap *map, calm_key key)
{
	return calm__has_names(map) ? calm__head(key.data, key.size, 0) : calm_key_word(key);
}

/* No key of the leaf has a position above. */
static inline uint64_t calm__leaf_last(const struct calm__treemap *map, struct calm__leaf *leaf)
{
	/* order: none - changed under the lock. */
	uint64_t high = load_relaxed(&leaf->node.high);
	if (!calm__has_names(map))
		return high;
	return high != 0 ? calm__name_head(calm__name_of(high), 0) : UINT64_MAX;
}

/* Whether a change must save the leaf first: a snapshot may see it as it is. */
INLINE bool calm__leaf_needs_image(struct calm__treemap *map, const struct calm__held *held)
{
	/* order: none - changed under the lock. */
	uint64_t stamp = load_relaxed(&held->leaf->node.stamp);
	return unlikely(stamp != held->epoch) && rule(TREE_SAVE) &&
	       calm__snaps_need(&map->snaps, stamp, calm__leaf_last(map, held->leaf));
}

/* An image begins with what the leaf was: its ends, its prefix; its bindings come behind. */
enum { IMAGE_ENDS, IMAGE_PREFIX, IMAGE_BINDINGS };
#define IMAGE_ROOM (CALM__LEAF + IMAGE_BINDINGS)

/* Saves it as it has been since its stamp; there is room. */
void calm__leaf_save(struct calm__treemap *map, const struct calm__self *self,
		     const struct calm__held *held);

INLINE void calm__leaf_stamp(const struct calm__held *held)
{
	/* order: tree.stamp release -> may_read(), read_leaf(): the image comes before. */
	store_release(&held->leaf->node.stamp, held->epoch);
}

/* The position by which the history knows a leaf, or its ancestor: exact, with 63 bits. */
static inline uint64_t calm__leaf_place(uint64_t id)
{
	return calm__place(id << 1, 63);
}

/* ---- changing it ---- */

/* What a write has unlinked. It is displaced after the unlock: the section keeps it so long. */
struct calm__gone {
	bool value;
	uint64_t birth; /* of the value */
	struct calm__name *name;
};

/* A key that is not there, before the slot `at`; there is room. */
INLINE void calm__leaf_insert(struct calm__treemap *map, struct calm__held *held, unsigned at,
			      uint64_t stored, void *value)
{
	struct calm__leaf *leaf = held->leaf;
	unsigned n = calm__node_count(held->header);
	if (at < n)
		calm__node_move(&leaf->node, held->header);
	for (unsigned i = n; i > at; i--) {
		/* order: none - changed under the lock. */
		calm__slot_put(&leaf->keys[i], load_relaxed(&leaf->keys[i - 1]));
		calm__value_put(&leaf->values[i], load_relaxed(&leaf->values[i - 1]));
	}
	calm__slot_put(&leaf->keys[at], stored);
	calm__value_put(&leaf->values[at], value);
	if (unlikely(map->base.release != NULL)) {
		memmove(leaf->births + at + 1, leaf->births + at, (n - at) * sizeof(uint64_t));
		leaf->births[at] = held->epoch;
	}
	held->header = calm__node_counts(held->header, n + 1);
}

/* Another value for the key at a slot. */
INLINE void calm__leaf_exchange(struct calm__treemap *map, struct calm__held *held, unsigned at,
				void *value, struct calm__gone *gone)
{
	if (unlikely(map->base.release != NULL)) {
		gone->value = true;
		gone->birth = held->leaf->births[at];
		held->leaf->births[at] = held->epoch;
	}
	calm__value_put(&held->leaf->values[at], value);
}

INLINE void calm__leaf_remove(struct calm__treemap *map, struct calm__held *held, unsigned at,
			      struct calm__gone *gone)
{
	struct calm__leaf *leaf = held->leaf;
	unsigned n = calm__node_count(held->header);
	if (unlikely(map->base.release != NULL)) {
		gone->value = true;
		gone->birth = leaf->births[at];
		memmove(leaf->births + at, leaf->births + at + 1, (n - at - 1) * sizeof(uint64_t));
	}
	if (calm__has_names(map))
		/* order: none - changed under the lock. */
		gone->name = calm__name_of(load_relaxed(&leaf->keys[at]));
	if (at + 1 < n)
		calm__node_move(&leaf->node, held->header);
	for (unsigned i = at; i + 1 < n; i++) {
		/* order: none - changed under the lock. */
		calm__slot_put(&leaf->keys[i], load_relaxed(&leaf->keys[i + 1]));
		calm__value_put(&leaf->values[i], load_relaxed(&leaf->values[i + 1]));
	}
	held->header = calm__node_counts(held->header, n - 1);
}

void calm__release_name(void *name, void *map);

/* After the unlock. */
INLINE void calm__leaf_displace(struct calm__treemap *map, struct calm__self *self, uint64_t death,
				const struct calm__gone *gone, void *value)
{
	if (gone->value)
		calm__displace(&map->snaps, self, gone->birth, death,
			       (struct calm__retired){value, calm__release_value, &map->base});
	if (gone->name)
		calm__displace(&map->snaps, self, calm__name_birth(gone->name), death,
			       (struct calm__retired){gone->name, calm__release_name, &map->base});
}

/* Whether the map has not been cleared since the tree was looked up. */
INLINE bool calm__tree_current(struct calm__treemap *map, const struct calm__tree *tree)
{
	if (!rule(TREE_GENERATION_CHECK))
		return true;
	/* order: tree.current sc <- take_place(): a clear that this load misses comes after it, and
	 * so after the epoch that the writer found. */
	return likely(load_sc(&map->tree) == tree);
}

#endif
