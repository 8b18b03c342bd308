/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Nodes of treemap as those see them who change the tree's shape: the way down to one, its ends, its
 * separators. See treemap_node.c, treemap_split.c.
 */
#ifndef CALM_MAP_TREEMAP_NODE_H
#define CALM_MAP_TREEMAP_NODE_H

#include "map/treemap.h"

/* A root is split when it is full, so no tree that memory holds is as deep. */
#define CALM__DEEPEST 64

/* Under the lock, in MOVE, or before anyone else has the node: its ends, and how n slots look then. */
void calm__node_bounds(struct calm__treemap *map, struct calm__node *node, uint64_t high,
		       unsigned n);

/* A separator of an inner node, as it is kept apart from its place: a word, or a name. */
static inline uint64_t calm__separator(const struct calm__treemap *map, struct calm__inner *inner,
				       unsigned at)
{
	/* order: none - changed under the lock. */
	return calm__has_names(map) ? load_relaxed(&inner->names[at])
				    : load_relaxed(&inner->heads[at]);
}

void calm__separator_put(struct calm__treemap *map, struct calm__inner *inner, unsigned at,
			 uint64_t separator);

/* The end of what lies left of a separator. */
static inline uint64_t calm__high_of(const struct calm__treemap *map, uint64_t separator)
{
	return calm__has_names(map) ? separator : separator - 1;
}

/* A node on the way down, and how it was found. */
struct calm__spot {
	struct calm__node *parent; /* NULL: it is the root */
	uint64_t parent_header;
	unsigned at; /* which child */
	struct calm__node *node;
	uint64_t header;
};

/* ---- on the way ---- */

static inline bool calm__at_root(struct calm__tree *tree, struct calm__spot *spot)
{
	/* order: tree.root acquire <- calm__set_root(): the node. */
	spot->node = load_acquire(&tree->root);
	/* order: tree.publish acquire <- calm__node_unlock(): the slots it counts. Not sc: it is only
	 * what the lock is taken from. */
	spot->header = load_acquire(&spot->node->header);
	spot->parent = NULL;
	spot->parent_header = 0;
	spot->at = 0;
	/* order: none - as in calm__tree_leaf(). */
	return load_acquire(&tree->root) == spot->node;
}

/* A child, as of the parent's header. False: that has changed. */
static inline bool calm__child_of(struct calm__node *parent, uint64_t header, unsigned at,
				  struct calm__spot *spot)
{
	/* order: tree.child acquire <- calm__child_put(): the node. */
	spot->node = load_acquire(&calm__inner_of(parent)->children[at]);
	/* order: tree.publish acquire <- calm__node_unlock(): as in calm__at_root(). */
	spot->header = load_acquire(&spot->node->header);
	spot->parent = parent;
	spot->parent_header = header;
	spot->at = at;
	return calm__node_same(parent, header);
}

static inline bool calm__step_down(const struct calm__treemap *map, calm_key key,
				   struct calm__spot *spot)
{
	struct calm__inner *inner = calm__inner_of(spot->node);
	unsigned n = calm__node_count(spot->header);
	unsigned at = calm__has_names(map) ? calm__inner_find(inner, n, key, false, true)
					   : calm__inner_find(inner, n, key, false, false);
	return calm__child_of(spot->node, spot->header, at, spot);
}

static inline bool calm__is_free(uint64_t header)
{
	return (header & (NODE_LOCK | NODE_MOVE | NODE_GONE)) == 0;
}

/* The locks of a node and its parent, as they were found. */
static inline bool calm__lock_both(struct calm__tree *tree, const struct calm__spot *spot)
{
	if (spot->parent && !calm__node_lock(spot->parent, spot->parent_header))
		return false;
	bool locked = calm__node_lock(spot->node, spot->header);
	/* order: none - it changes under the root's lock. */
	if (locked && !spot->parent && load_relaxed(&tree->root) != spot->node) {
		calm__node_unlock(spot->node, spot->header);
		locked = false;
	}
	if (!locked && spot->parent)
		calm__node_unlock(spot->parent, spot->parent_header);
	return locked;
}

static inline void calm__unlock_both(const struct calm__spot *spot)
{
	calm__node_unlock(spot->node, spot->header);
	if (spot->parent)
		calm__node_unlock(spot->parent, spot->parent_header);
}

static inline void calm__set_root(struct calm__tree *tree, struct calm__node *node)
{
	/* order: tree.root release -> calm__tree_leaf(), calm__at_root(): the node. */
	store_release(&tree->root, node);
}

#endif
