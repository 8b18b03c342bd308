/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Nodes of treemap that are nearly empty are put together, on the way down as splits are
 * (treemap_split.c describes both). Nobody waits for that: a node that cannot be locked at once, or
 * whose past an open snapshot may see, stays as it is until a later delete nearby.
 *
 * The right one goes, and with it the separator between the two. It still says what it said, so who
 * reads it late finds a version that is gone.
 */
#include "map/treemap_leaf.h"
#include "map/treemap_node.h"

/* What is left of a node must be this little, and two together be so much at most, unless one is empty. */
#define FEW(room) ((room) / 4)
#define ENOUGH(room) ((room) - (room) / 8)
/* Steps that one delete takes at most. */
#define STEPS 4

struct merge {
	struct calm__treemap *map;
	struct calm__tree *tree;
	struct calm__self *self;
};

/* Neighbours below one parent. */
struct pair {
	struct calm__spot left;
	struct calm__spot right;
};

void calm__release_name(void *name, void *map)
{
	calm__name_free(&calm__treemap_of(map)->base.heap, name);
}

static void release_node(void *node, void *map)
{
	calm__node_free(calm__treemap_of(map), node);
}

static unsigned room_in(const struct calm__node *node)
{
	return node->level > 0 ? CALM__SEPARATORS : CALM__LEAF;
}

/* The node and a neighbour of it, if both are free and fit into one. */
static bool find_pair(const struct calm__spot *spot, struct pair *pair)
{
	unsigned n = calm__node_count(spot->parent_header);
	unsigned at = spot->at < n ? spot->at : spot->at - 1;
	unsigned room = room_in(spot->node);
	if (n == 0 || !calm__is_free(spot->parent_header) ||
	    !calm__child_of(spot->parent, spot->parent_header, at, &pair->left) ||
	    !calm__child_of(spot->parent, spot->parent_header, at + 1, &pair->right) ||
	    !calm__is_free(pair->left.header) || !calm__is_free(pair->right.header))
		return false;
	unsigned left = calm__node_count(pair->left.header);
	unsigned right = calm__node_count(pair->right.header);
	unsigned together = left + right + (spot->node->level > 0);
	return together <= (left == 0 || right == 0 ? room : ENOUGH(room));
}

static void unlock_pair(const struct pair *pair)
{
	calm__node_unlock(pair->right.node, pair->right.header);
	calm__unlock_both(&pair->left);
}

static bool lock_pair(struct merge *merge, const struct pair *pair)
{
	if (!calm__lock_both(merge->tree, &pair->left))
		return false;
	if (calm__node_lock(pair->right.node, pair->right.header))
		return true;
	calm__unlock_both(&pair->left);
	return false;
}

static void append_leaf(struct calm__treemap *map, struct calm__leaf *left, unsigned n,
			struct calm__leaf *right, unsigned more)
{
	/* order: none - changed under the lock. */
	size_t prefix = load_relaxed(&left->node.prefix);
	for (unsigned i = 0; i < more; i++) {
		/* order: none - changed under the lock. */
		uint64_t stored = load_relaxed(&right->keys[i]);
		if (calm__has_names(map))
			stored = calm__stored_name(calm__name_of(stored), prefix);
		calm__slot_put(&left->keys[n + i], stored);
		/* order: none - changed under the lock. */
		calm__value_put(&left->values[n + i], load_relaxed(&right->values[i]));
		if (map->base.release)
			left->births[n + i] = right->births[i];
	}
	/* order: tree.next release -> next_leaf(): the leaf. */
	store_release(&left->node.next, load_relaxed(&right->node.next));
}

static void append_inner(struct calm__treemap *map, struct calm__inner *left, unsigned n,
			 struct calm__inner *right, unsigned more)
{
	calm__separator_put(map, left, n, right->node.low);
	for (unsigned i = 0; i < more; i++)
		calm__separator_put(map, left, n + 1 + i, calm__separator(map, right, i));
	for (unsigned i = 0; i <= more; i++)
		/* order: none - changed under the lock. */
		calm__child_put(&left->children[n + 1 + i], load_relaxed(&right->children[i]));
}

/* The parent loses a separator and the child behind it. */
static void unhang(struct calm__treemap *map, const struct calm__spot *left)
{
	struct calm__inner *parent = calm__inner_of(left->parent);
	unsigned n = calm__node_count(left->parent_header);
	calm__node_move(left->parent, left->parent_header);
	for (unsigned i = left->at; i + 1 < n; i++) {
		calm__separator_put(map, parent, i, calm__separator(map, parent, i + 1));
		/* order: none - changed under the lock. */
		calm__child_put(&parent->children[i + 1], load_relaxed(&parent->children[i + 2]));
	}
	calm__node_unlock(left->parent, calm__node_counts(left->parent_header, n - 1));
}

static void put_together(struct merge *merge, const struct pair *pair)
{
	struct calm__treemap *map = merge->map;
	struct calm__node *left = pair->left.node;
	struct calm__node *right = pair->right.node;
	unsigned n = calm__node_count(pair->left.header);
	unsigned more = calm__node_count(pair->right.header);
	calm__node_move(left, pair->left.header);
	/* order: none - changed under the lock. */
	calm__node_bounds(map, left, load_relaxed(&right->high), n);
	if (left->level > 0)
		append_inner(map, calm__inner_of(left), n, calm__inner_of(right), more);
	else
		append_leaf(map, calm__leaf_of(left), n, calm__leaf_of(right), more);
	unhang(map, &pair->left);
	calm__node_unlock(right, calm__node_counts(pair->right.header, more) | NODE_GONE);
	calm__node_unlock(left, calm__node_counts(pair->left.header, n + more + (left->level > 0)));
	/* order: none - a count of memory. */
	add_relaxed(&merge->tree->nodes, (uint64_t)-1);
	calm__retire(merge->self, right, release_node, &map->base);
	if (right->level == 0)
		/* order: none - statistics. */
		add_relaxed(&map->base.resizes, 1);
	if (right->level == 0 && calm__has_names(map))
		calm__retire(merge->self, calm__name_of(right->low), calm__release_name,
			     &map->base);
}

/* Under the locks: no snapshot may look for what was there before. They have one past from now on. */
static bool join_pasts(struct merge *merge, struct calm__node *left, struct calm__node *right)
{
	/* order: none - changed under the locks. */
	uint64_t one = load_relaxed(&left->stamp);
	uint64_t other = load_relaxed(&right->stamp);
	uint64_t stamp = one > other ? one : other;
	/* order: none - it only rises; what opens later has no stamp below this one. */
	if (load_relaxed(&merge->map->snaps.horizon) < stamp && rule(TREE_MERGE_WAITS))
		return false;
	/* order: tree.stamp release -> read_leaf(): as in calm__leaf_stamp(). */
	store_release(&left->stamp, stamp);
	return true;
}

/* True: something was put together; look again from the root. */
static bool try_pair(struct merge *merge, const struct calm__spot *spot)
{
	struct pair pair;
	if (calm__node_count(spot->header) > FEW(room_in(spot->node)) || !find_pair(spot, &pair) ||
	    !lock_pair(merge, &pair))
		return false;
	if (!calm__tree_current(merge->map, merge->tree) ||
	    (spot->node->level == 0 && !join_pasts(merge, pair.left.node, pair.right.node))) {
		unlock_pair(&pair);
		return false;
	}
	put_together(merge, &pair);
	return true;
}

/* A root with one child: that is the root. */
static bool lower_root(struct merge *merge, const struct calm__spot *spot)
{
	if (calm__node_count(spot->header) > 0 || !calm__is_free(spot->header) ||
	    !calm__lock_both(merge->tree, spot))
		return false;
	/* order: none - changed under the lock. */
	calm__set_root(merge->tree, load_relaxed(&calm__inner_of(spot->node)->children[0]));
	calm__node_unlock(spot->node, calm__node_counts(spot->header, 0) | NODE_GONE);
	/* order: none - a count of memory. */
	add_relaxed(&merge->tree->nodes, (uint64_t)-1);
	calm__retire(merge->self, spot->node, release_node, &merge->map->base);
	return true;
}

static bool merge_step(struct merge *merge, calm_key key)
{
	struct calm__spot spot;
	merge->tree = calm__treemap_tree(merge->map);
	if (!calm__at_root(merge->tree, &spot))
		return false;
	while (spot.node->level > 0) {
		if (spot.header & (NODE_MOVE | NODE_GONE))
			return false;
		if (!spot.parent && lower_root(merge, &spot))
			return true;
		if (!calm__step_down(merge->map, key, &spot))
			return false;
		if (try_pair(merge, &spot))
			return true;
	}
	return false;
}

void calm__tree_merge(struct calm__treemap *map, calm_key key)
{
	struct merge merge = {.map = map, .self = calm__self()};
	bool more = true;
	for (int i = 0; more && i < STEPS; i++) {
		if (!calm__reserve(merge.self, 2))
			return;
		calm__enter(merge.self);
		more = merge_step(&merge, key);
		calm__leave(merge.self);
	}
}
