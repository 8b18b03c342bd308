/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * How treemap's shape changes: nodes that are full are split, nodes that are nearly empty are put
 * together. Both change no binding, and so save no image.
 *
 * A step locks a node's parent and the node, from the headers that were read on the way down, and
 * waits for neither: if one has changed since, or is locked, everything is looked at again. On the
 * way down every full inner node is split, so that there is always room in the parent. So no thread
 * ever waits for a lock of an inner node with a lock in its hand, and who holds several leaves
 * (treemap_batch.c) may still descend.
 *
 *     P [ … sep' … ]            P [ … sep | sep' … ]
 *          |                          |     |
 *          L [a b c d]  ->      L [a b]     R [c d]      R: stamp of L, born = stamp
 *
 * History. The right half is a leaf of its own from the stamp on that both now have; what its keys
 * were before is in images of the left one, which it remembers (lineage) for as long as a snapshot
 * may look there. Putting leaves together would need two pasts, so it is done only when no open
 * snapshot is older than the last change of either.
 *
 * Ends. One separator lies between two leaves, in one inner node, and is the high end of all that
 * ends there and the low end of all that begins there. So its name goes when those two leaves are
 * put together.
 *
 * Source: optimistic lock coupling, Leis, Haubenschild, Neumann, IEEE Data Eng. Bull. 42(1), 2019;
 * eager splits, Guibas and Sedgewick, FOCS 1978. Rejected: B-link moves to the right, which compare
 * every key with a node's high end; merging under old snapshots, which needs images of both.
 */
#include "map/treemap_leaf.h"
#include "map/treemap_node.h"

/* What a split needs, made before any lock is taken, and kept until it is used. */
struct split {
	struct calm__treemap *map;
	struct calm__tree *tree;
	struct calm__self *self;
	calm_key key;
	bool at;
	struct calm__node *leaf;
	struct calm__node *inner;
	struct calm__node *top;
	struct calm__name *name;
	struct calm__lineage *lineage;
};

enum step { STEP_DONE, STEP_AGAIN, STEP_NO_MEMORY };

/* ---- splitting ---- */

/* The right half comes into the parent, locked, or with the left one into a new root. */
static void hang(struct split *split, const struct calm__spot *spot, struct calm__node *right)
{
	struct calm__treemap *map = split->map;
	/* order: none - its separators and children come by their own edges. */
	uint64_t separator = right->low;
	struct calm__inner *inner;
	unsigned n = 0;
	if (spot->parent) {
		inner = calm__inner_of(spot->parent);
		n = calm__node_count(spot->parent_header);
		calm__node_move(spot->parent, spot->parent_header);
	} else {
		inner = calm__inner_of(split->top);
		split->top = NULL;
		calm__child_put(&inner->children[0], spot->node);
		/* order: none - a count of memory. */
		add_relaxed(&split->tree->nodes, 1);
	}
	for (unsigned i = n; i > spot->at; i--) {
		calm__separator_put(map, inner, i, calm__separator(map, inner, i - 1));
		/* order: none - changed under the lock. */
		calm__child_put(&inner->children[i + 1], load_relaxed(&inner->children[i]));
	}
	calm__separator_put(map, inner, spot->at, separator);
	calm__child_put(&inner->children[spot->at + 1], right);
	/* order: none - a count of memory. */
	add_relaxed(&split->tree->nodes, 1);
	if (spot->parent) {
		calm__node_unlock(spot->parent, calm__node_counts(spot->parent_header, n + 1));
		return;
	}
	/* order: none - before the root's edge. */
	store_relaxed(&inner->node.header, calm__node_counts(0, 1));
	calm__set_root(split->tree, &inner->node);
}

static bool have_inner(struct split *split, struct calm__node **node, unsigned level)
{
	if (!*node)
		*node = calm__inner_new(split->map, level);
	if (*node)
		(*node)->level = (uint16_t)level;
	return *node != NULL;
}

static enum step split_inner(struct split *split, struct calm__spot *spot)
{
	struct calm__treemap *map = split->map;
	struct calm__inner *left = calm__inner_of(spot->node);
	unsigned level = spot->node->level;
	if (!calm__is_free(spot->header) || !have_inner(split, &split->inner, level) ||
	    (!spot->parent && !have_inner(split, &split->top, level + 1)))
		return calm__is_free(spot->header) ? STEP_NO_MEMORY : STEP_AGAIN;
	if (!calm__lock_both(split->tree, spot))
		return STEP_AGAIN;
	struct calm__inner *right = calm__inner_of(split->inner);
	unsigned n = CALM__SEPARATORS;
	unsigned middle = n / 2;
	uint64_t separator = calm__separator(map, left, middle);
	/* order: none - changed under the lock; nobody else has the right one. */
	uint64_t high = load_relaxed(&spot->node->high);
	store_relaxed(&right->node.prefix, load_relaxed(&spot->node->prefix));
	split->inner = NULL;
	right->node.low = separator;
	calm__node_move(&left->node, spot->header);
	for (unsigned i = middle + 1; i < n; i++)
		calm__separator_put(map, right, i - middle - 1, calm__separator(map, left, i));
	for (unsigned i = middle + 1; i <= n; i++)
		/* order: none - changed under the lock. */
		calm__child_put(&right->children[i - middle - 1], load_relaxed(&left->children[i]));
	calm__node_bounds(map, &right->node, high, n - middle - 1);
	/* order: none - before the edge of the parent's slot. */
	store_relaxed(&right->node.header, calm__node_counts(0, n - middle - 1));
	calm__node_bounds(map, &left->node, calm__high_of(map, separator), middle);
	hang(split, spot, &right->node);
	calm__node_unlock(&left->node, calm__node_counts(spot->header, middle));
	return STEP_AGAIN;
}

/* Where a leaf is cut: so many entries stay, and the right half begins with `low`. */
struct cut {
	unsigned stay;
	uint64_t low;
};

static struct calm__name *name_at(struct calm__leaf *leaf, unsigned at)
{
	/* order: tree.slot acquire <- calm__slot_put(): the name. */
	return calm__name_of(load_acquire(&leaf->keys[at]));
}

/* The shortest name above `left` and not above `right`; or the key, where leaves are to begin with it. */
static bool name_between(struct split *split, calm_key left, calm_key right)
{
	size_t size = split->at
			      ? right.size
			      : calm__separator_size(left.data, left.size, right.data, right.size);
	calm__name_free(&split->map->base.heap, split->name);
	split->name = calm__name_new(&split->map->base.heap, right.data, size);
	return split->name != NULL;
}

static calm_key key_of(const struct calm__name *name)
{
	return calm_bytes(calm__name_bytes(name), calm__name_size(name));
}

/*
 * Where it is to be cut; done: nowhere. At the end, if keys come sorted: what is behind the last
 * of all goes into a leaf of its own, and full ones stay full; and so at the beginning.
 */
static enum step choose(struct split *split, const struct calm__spot *spot, struct cut *cut,
			bool *done)
{
	struct calm__leaf *leaf = calm__leaf_of(spot->node);
	unsigned n = calm__node_count(spot->header);
	bool bytes = calm__has_names(split->map);
	bool hit;
	unsigned at = bytes ? calm__leaf_find(leaf, n, split->key, &hit, true)
			    : calm__leaf_find(leaf, n, split->key, &hit, false);
	/* order: tree.high acquire <- set_high(): the name. */
	uint64_t high = load_acquire(&leaf->node.high);
	bool first = leaf->node.low == 0;
	bool last = bytes ? high == 0 : high == UINT64_MAX;
	*done = !split->at && (hit || n < CALM__LEAF);
	cut->stay = split->at || (last && at == n) || (first && at == 0) ? at : n / 2;
	bool own = split->at || cut->stay == n; /* it begins with the key */
	if (!bytes) {
		/* order: tree.slot acquire <- calm__slot_put(): as in calm__count_below(). */
		cut->low = own ? calm_key_word(split->key) : load_acquire(&leaf->keys[cut->stay]);
		*done = *done || cut->low == leaf->node.low;
		return STEP_DONE;
	}
	const struct calm__name *before = cut->stay > 0 ? name_at(leaf, cut->stay - 1) : NULL;
	const struct calm__name *behind = own ? NULL : name_at(leaf, cut->stay);
	if (split->at &&
	    (first ? split->key.size == 0
		   : calm__name_compare(calm__name_of(leaf->node.low), split->key, 0) == 0))
		*done = true;
	if (*done || !calm__node_same(spot->node, spot->header))
		return STEP_DONE;
	if (!name_between(split, before ? key_of(before) : split->key,
			  behind ? key_of(behind) : split->key))
		return STEP_NO_MEMORY;
	cut->low = (uint64_t)(uintptr_t)split->name;
	return STEP_DONE;
}

/* Fills the right half; nobody else has it yet. */
static void fill_right(struct calm__treemap *map, struct calm__leaf *left, struct calm__leaf *right,
		       const struct cut *cut, unsigned n)
{
	for (unsigned i = cut->stay; i < n; i++) {
		/* order: none - changed under the lock. */
		calm__slot_put(&right->keys[i - cut->stay], load_relaxed(&left->keys[i]));
		calm__value_put(&right->values[i - cut->stay], load_relaxed(&left->values[i]));
		if (map->base.release)
			right->births[i - cut->stay] = left->births[i];
	}
	/* order: none - changed under the lock. */
	store_relaxed(&right->node.prefix, load_relaxed(&left->node.prefix));
	uint64_t high = load_relaxed(&left->node.high);
	right->node.low = cut->low;
	calm__node_bounds(map, &right->node, high, n - cut->stay);
	/* order: none - before the edge of the parent's slot. */
	store_relaxed(&right->node.next, load_relaxed(&left->node.next));
	store_relaxed(&right->node.header, calm__node_counts(0, n - cut->stay));
}

static void release_lineage(void *lineage, void *context)
{
	calm__heap_free(&calm__treemap_of(context)->base.heap, lineage,
			sizeof(struct calm__lineage));
}

/* Under the locks: the right half's past. False: it needs a lineage, and there is none made. */
static bool inherit(struct split *split, struct calm__node *left, struct calm__node *right)
{
	struct calm__snaps *snaps = &split->map->snaps;
	/* order: none - changed under the lock. */
	uint64_t stamp = load_relaxed(&left->stamp);
	/* order: none - it only rises; what opens later has no stamp below this one. */
	bool needed = load_relaxed(&snaps->horizon) < stamp && rule(TREE_LINEAGE);
	if (needed && !split->lineage)
		return false;
	/* order: none - nobody else has it yet. */
	store_relaxed(&right->stamp, rule(TREE_SPLIT_STAMP) ? stamp : 0);
	right->born = stamp;
	if (!needed)
		return true;
	*split->lineage = (struct calm__lineage){left->id, left->born, left->lineage};
	right->lineage = split->lineage;
	split->lineage = NULL;
	calm__displace(snaps, split->self, 0, stamp,
		       (struct calm__retired){right->lineage, release_lineage, &split->map->base});
	return true;
}

static enum step split_leaf(struct split *split, struct calm__spot *spot)
{
	struct calm__treemap *map = split->map;
	struct calm__leaf *left = calm__leaf_of(spot->node);
	struct cut cut = {0, 0};
	bool done;
	if (!calm__is_free(spot->header))
		return STEP_AGAIN;
	if (choose(split, spot, &cut, &done) == STEP_NO_MEMORY)
		return STEP_NO_MEMORY;
	if (!calm__node_same(spot->node, spot->header))
		return STEP_AGAIN;
	if (done)
		return STEP_DONE;
	if (!split->leaf && !(split->leaf = calm__leaf_new(map)))
		return STEP_NO_MEMORY;
	if (!spot->parent && !have_inner(split, &split->top, 1))
		return STEP_NO_MEMORY;
	if (!calm__lock_both(split->tree, spot))
		return STEP_AGAIN;
	/* One that was cleared stays as it is: see treemap_clear.c. */
	if (!calm__tree_current(map, split->tree)) {
		calm__unlock_both(spot);
		return STEP_DONE;
	}
	struct calm__leaf *right = calm__leaf_of(split->leaf);
	if (!inherit(split, &left->node, &right->node)) {
		calm__unlock_both(spot);
		split->lineage = calm__heap_alloc(&map->base.heap, sizeof(*split->lineage));
		return split->lineage ? STEP_AGAIN : STEP_NO_MEMORY;
	}
	split->leaf = NULL;
	split->name = NULL;
	fill_right(map, left, right, &cut, calm__node_count(spot->header));
	calm__node_move(&left->node, spot->header);
	/* order: tree.next release -> next_leaf(): the leaf. */
	store_release(&left->node.next, &right->node);
	calm__node_bounds(map, &left->node, calm__high_of(map, cut.low), cut.stay);
	hang(split, spot, &right->node);
	calm__node_unlock(&left->node, calm__node_counts(spot->header, cut.stay));
	/* order: none - statistics. */
	add_relaxed(&map->base.resizes, 1);
	return STEP_DONE;
}

static enum step split_step(struct split *split)
{
	struct calm__spot spot;
	split->tree = calm__treemap_tree(split->map);
	if (!calm__at_root(split->tree, &spot))
		return STEP_AGAIN;
	while (spot.node->level > 0) {
		if (spot.header & (NODE_MOVE | NODE_GONE))
			return STEP_AGAIN;
		if (calm__node_count(spot.header) == CALM__SEPARATORS)
			return split_inner(split, &spot);
		if (!calm__step_down(split->map, split->key, &spot))
			return STEP_AGAIN;
	}
	return split_leaf(split, &spot);
}

calm_status calm__tree_split(struct calm__treemap *map, calm_key key, bool at)
{
	struct split split = {.map = map, .self = calm__self(), .key = key, .at = at};
	enum step step = STEP_AGAIN;
	unsigned turn = 0;
	while (step == STEP_AGAIN) {
		if (!calm__displace_reserve(split.self, 1, 1)) {
			step = STEP_NO_MEMORY;
			break;
		}
		calm__enter(split.self);
		step = split_step(&split);
		calm__leave(split.self);
		if (step == STEP_AGAIN)
			calm__tree_wait(&turn);
	}
	calm__node_free(map, split.leaf);
	calm__node_free(map, split.inner);
	calm__node_free(map, split.top);
	calm__name_free(&map->base.heap, split.name);
	calm__heap_free(&map->base.heap, split.lineage, sizeof(*split.lineage));
	return step == STEP_DONE ? CALM_OK : CALM_ENOMEM;
}
