/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Generations of treemap: clearing it in one step, and keeping what was there. As hashmap's
 * (hashmap_clear.c): a clear makes an empty tree current by one exchange of the map's pointer;
 * a writer looks again, inside its leaf's lock, whether its tree is current; drain takes its stamp
 * after the exchange, and so holds every write that went into the old tree.
 *
 * A tree goes when it is not current, no snapshot of it is open, and no reader is left in it. If
 * snapshots are open when it is cleared, what is bound is displaced there and then, leaf by leaf,
 * each value and name by its own birth; a leaf without memory for that keeps its own until the tree
 * goes. The shape of a tree that was cleared does not change any more: who would change it looks,
 * inside the locks, whether it is current.
 */
#include "map/treemap_leaf.h"
#include "map/treemap_node.h"

struct calm__tree *calm__tree_new(struct calm__treemap *map)
{
	struct calm__tree *tree = calm__heap_zero(&map->base.heap, sizeof(*tree));
	struct calm__node *root = tree ? calm__leaf_new(map) : NULL;
	if (!root) {
		calm__heap_free(&map->base.heap, tree, sizeof(*tree));
		return NULL;
	}
	/* order: none - nobody else has it yet. */
	store_relaxed(&tree->root, root);
	store_relaxed(&tree->nodes, 1);
	tree->refs = 1;
	return tree;
}

/* ---- the end of one ---- */

static void free_names(struct calm__treemap *map, struct calm__inner *inner)
{
	/* order: none - no other thread is left in it. */
	unsigned n = calm__node_count(load_relaxed(&inner->node.header));
	for (unsigned i = 0; i < n && calm__has_names(map); i++)
		calm__name_free(&map->base.heap, calm__name_of(calm__separator(map, inner, i)));
}

static void free_bindings(struct calm__treemap *map, struct calm__leaf *leaf)
{
	struct calm_map *base = &map->base;
	/* order: none - no other thread is left in it. */
	unsigned n = calm__node_count(load_relaxed(&leaf->node.header));
	for (unsigned i = 0; i < n; i++) {
		/* order: none - no other thread is left in it. */
		void *value = load_relaxed(&leaf->values[i]);
		uint64_t stored = load_relaxed(&leaf->keys[i]);
		if (calm__has_names(map))
			calm__name_free(&base->heap, calm__name_of(stored));
		if (base->release)
			base->release(value, base->context);
	}
}

static void free_node(struct calm__treemap *map, struct calm__node *node, void *context)
{
	(void)context;
	if (node->level > 0)
		free_names(map, calm__inner_of(node));
	else if (!node->displaced)
		free_bindings(map, calm__leaf_of(node));
	calm__node_free(map, node);
}

void calm__tree_free(struct calm__treemap *map, struct calm__tree *tree)
{
	/* order: none - no other thread is left in it. */
	calm__tree_each(map, load_relaxed(&tree->root), free_node, NULL);
	calm__heap_free(&map->base.heap, tree, sizeof(*tree));
}

static void release_tree(void *tree, void *map)
{
	calm__tree_free(calm__treemap_of(map), tree);
}

void calm__tree_drop(struct calm__treemap *map, struct calm__self *self, struct calm__tree *tree)
{
	bool reserved = calm__reserve(self, 1);
	calm__lock(&map->turn);
	bool last = --tree->refs == 0;
	if (last && !reserved) {
		tree->orphan = map->orphans;
		map->orphans = tree;
	}
	calm__unlock(&map->turn);
	if (!last || !reserved)
		return;
	/* order: none - only its size. */
	uint64_t nodes = load_relaxed(&tree->nodes);
	calm__retire_large(self, tree, release_tree, &map->base, nodes * sizeof(struct calm__leaf));
}

/* ---- what snapshots see of one that was cleared ---- */

struct ending {
	struct calm__self *self;
	uint64_t death;
};

/* Under the leaf's lock. Without memory they stay the leaf's. */
static void displace_leaf(struct calm__treemap *map, const struct ending *ending,
			  struct calm__leaf *leaf)
{
	/* order: none - changed under the lock. */
	unsigned n = calm__node_count(load_relaxed(&leaf->node.header));
	/* order: none - a snapshot that opens now sees nothing of it. */
	uint64_t targets = load_relaxed(&map->snaps.open) + 1;
	uint64_t pointers = 2 * (uint64_t)n;
	targets = targets < pointers ? targets : pointers;
	if (n == 0 || !calm__displace_reserve(ending->self, (uint32_t)pointers, (uint32_t)targets))
		return;
	for (unsigned i = 0; i < n; i++) {
		/* order: none - changed under the lock. */
		void *value = load_relaxed(&leaf->values[i]);
		uint64_t stored = load_relaxed(&leaf->keys[i]);
		struct calm__gone gone = {map->base.release != NULL,
					  map->base.release ? leaf->births[i] : 0,
					  calm__has_names(map) ? calm__name_of(stored) : NULL};
		calm__leaf_displace(map, ending->self, ending->death, &gone, value);
	}
	leaf->node.displaced = true;
}

/*
 * Leaf by leaf to the right. Whoever still writes in one, or changes the tree's shape, has found it
 * current, and holds the leaf's lock. Only the thread that cleared it displaces.
 */
static void displace_all(struct calm__treemap *map, const struct ending *ending,
			 struct calm__tree *tree)
{
	uint64_t header;
	unsigned turn = 0;
	if (!map->base.release && !calm__has_names(map))
		return;
	struct calm__way first = {NULL, false, NULL};
	struct calm__node *node = calm__has_names(map)
					  ? calm__tree_leaf(tree, first, &header, true)
					  : calm__tree_leaf(tree, first, &header, false);
	while (node) {
		/* order: none - the lock is taken from it, and that is the acquire. */
		header = load_relaxed(&node->header);
		if (!calm__node_lock(node, header)) {
			calm__tree_wait(&turn);
			continue;
		}
		displace_leaf(map, ending, calm__leaf_of(node));
		/* order: none - changed under the lock, which brings the leaf. */
		struct calm__node *next = load_relaxed(&node->next);
		calm__node_unlock(node, header);
		node = next;
	}
}

/* ---- clearing ---- */

/*
 * Puts an empty tree in the current one's place; with a snapshot, keeps what was there as of that
 * moment. NULL: no memory.
 */
static struct calm__tree *take_place(struct calm__treemap *map, struct calm__snap *snap)
{
	struct calm__tree *fresh = calm__tree_new(map);
	if (!fresh)
		return NULL;
	size_t bytes = sizeof(struct calm__tree_snapshot);
	calm__lock(&map->turn);
	/* order: none - it changes under turn. */
	struct calm__tree *old = load_relaxed(&map->tree);
	if (snap && !rule(TREE_DRAIN_ORDER))
		calm__snap_open(&map->snaps, snap, bytes);
	/* order: tree.current sc -> calm__treemap_tree(), calm__tree_current(): the empty tree,
	 * before the drain's epoch. */
	swap_sc(&map->tree, (void *)fresh);
	if (snap && rule(TREE_DRAIN_ORDER))
		calm__snap_open(&map->snaps, snap, bytes);
	calm__unlock(&map->turn);
	return old;
}

calm_status calm__treemap_clear(struct calm_map *base)
{
	struct calm__treemap *map = calm__treemap_of(base);
	struct calm__self *self = calm__self();
	calm__enter(self);
	struct calm__tree *old = take_place(map, NULL);
	if (old) {
		struct ending ending = {self, calm__snaps_now(&map->snaps)};
		/* order: none - snapshots that open from now on do not see it. */
		if (load_relaxed(&map->snaps.open) > 0)
			displace_all(map, &ending, old);
		calm__tree_drop(map, self, old);
	}
	calm__leave(self);
	return old ? CALM_OK : CALM_ENOMEM;
}

calm_status calm__treemap_drain(struct calm_map *base, struct calm_snapshot **out)
{
	struct calm__treemap *map = calm__treemap_of(base);
	struct calm_snapshot *snapshot = calm__snapshot_new(base);
	if (!snapshot)
		return CALM_ENOMEM;
	struct calm__tree *old = take_place(map, &snapshot->snap);
	if (!old) {
		calm__snapshot_free(snapshot);
		return CALM_ENOMEM;
	}
	/* The map's reference becomes the snapshot's. */
	((struct calm__tree_snapshot *)snapshot)->tree = old;
	struct calm__self *self = calm__self();
	struct ending ending = {self, snapshot->snap.stamp + 1};
	calm__enter(self);
	displace_all(map, &ending, old);
	calm__leave(self);
	*out = snapshot;
	calm__history_keep_budget(base, &map->history);
	calm__snapshot_done(snapshot);
	return CALM_OK;
}
