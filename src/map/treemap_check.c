/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The invariants of a quiet treemap, for calm_debug_check. */
#include "map/treemap_leaf.h"
#include "map/treemap_node.h"

struct check {
	const char *broken;
	uint64_t count;
	uint64_t nodes;
	struct calm__node *last; /* the leaf before */
};

/* Whether two slots, separators or ends rise. */
static bool rise(const struct calm__treemap *map, uint64_t a, uint64_t b)
{
	return calm__has_names(map) ? calm__names_compare(calm__name_of(a), calm__name_of(b)) < 0
				    : a < b;
}

static bool inside(const struct calm__treemap *map, const struct calm__node *node, uint64_t stored)
{
	/* order: none - the map is quiet. */
	uint64_t high = load_relaxed(&node->high);
	if (!calm__has_names(map))
		return node->low <= stored && stored <= high;
	return (node->low == 0 || !rise(map, stored, node->low)) &&
	       (high == 0 || rise(map, stored, high));
}

static const char *check_leaf(struct calm__treemap *map, struct calm__node *node,
			      struct check *check)
{
	struct calm__leaf *leaf = calm__leaf_of(node);
	/* order: none - the map is quiet. */
	unsigned n = calm__node_count(load_relaxed(&node->header));
	size_t prefix = load_relaxed(&node->prefix);
	if (n > CALM__LEAF)
		return "treemap: a leaf has more entries than room";
	for (unsigned i = 0; i < n; i++) {
		/* order: none - the map is quiet. */
		uint64_t stored = load_relaxed(&leaf->keys[i]);
		if (!inside(map, node, stored))
			return "treemap: a key outside its leaf";
		/* order: none - the map is quiet. */
		if (i > 0 && !rise(map, load_relaxed(&leaf->keys[i - 1]), stored))
			return "treemap: keys of a leaf do not rise";
		if (calm__has_names(map) &&
		    calm__stored_name(calm__name_of(stored), prefix) != stored)
			return "treemap: a tag that is not its key's";
	}
	/* order: none - the map is quiet. */
	if (check->last && load_relaxed(&check->last->next) != (void *)node)
		return "treemap: a leaf does not lead to the next";
	if (load_relaxed(&node->stamp) > calm__snaps_epoch(&map->snaps))
		return "treemap: a stamp of the future";
	check->last = node;
	check->count += n;
	return NULL;
}

/* A child between the two ends that its parent gives it. */
static const char *check_child(struct calm__node *parent, struct calm__node *child, uint64_t low,
			       uint64_t high)
{
	if (child->level + 1U != parent->level)
		return "treemap: a child on the wrong level";
	/* order: none - the map is quiet. */
	if (child->low != low || load_relaxed(&child->high) != high)
		return "treemap: a node does not end where its parent says";
	return NULL;
}

static const char *check_inner(struct calm__treemap *map, struct calm__node *node)
{
	struct calm__inner *inner = calm__inner_of(node);
	/* order: none - the map is quiet. */
	unsigned n = calm__node_count(load_relaxed(&node->header));
	uint64_t low = node->low;
	if (n > CALM__SEPARATORS)
		return "treemap: an inner node has more children than room";
	for (unsigned i = 0; i <= n; i++) {
		/* order: none - the map is quiet. */
		uint64_t end = i < n ? calm__separator(map, inner, i) : load_relaxed(&node->high);
		uint64_t high = i < n ? calm__high_of(map, end) : end;
		if (i < n && !inside(map, node, end))
			return "treemap: a separator outside its node";
		if (i > 0 && i < n && !rise(map, low, end))
			return "treemap: separators do not rise";
		/* order: none - the map is quiet. */
		const char *broken = check_child(node, load_relaxed(&inner->children[i]), low,
						 high);
		if (broken)
			return broken;
		low = end;
	}
	return NULL;
}

static void check_node(struct calm__treemap *map, struct calm__node *node, struct check *check)
{
	check->nodes++;
	/* order: none - the map is quiet. */
	if (load_relaxed(&node->header) & (NODE_LOCK | NODE_MOVE | NODE_GONE))
		check->broken = "treemap: a node is locked, or gone";
	else
		check->broken = node->level > 0 ? check_inner(map, node)
						: check_leaf(map, node, check);
}

/* A node before its children, whose levels it vouches for: what is broken may lead anywhere. */
static void check_all(struct calm__treemap *map, struct calm__node *root, struct check *check)
{
	struct calm__node *path[CALM__DEEPEST]; /* by level */
	unsigned next[CALM__DEEPEST];
	unsigned level = root->level;
	path[level] = root;
	next[level] = 0;
	check_node(map, root, check);
	while (!check->broken && level <= root->level) {
		struct calm__node *node = path[level];
		/* order: none - the map is quiet. */
		if (level == 0 || next[level] > calm__node_count(load_relaxed(&node->header))) {
			level++;
			continue;
		}
		/* order: none - the map is quiet. */
		node = load_relaxed(&calm__inner_of(node)->children[next[level]++]);
		level--;
		path[level] = node;
		next[level] = 0;
		check_node(map, node, check);
	}
}

const char *calm__treemap_check(const struct calm_map *base)
{
	struct calm__treemap *map = calm__treemap_of(base);
	struct check check = {NULL, 0, 0, NULL};
	struct calm__self *self = calm__self();
	calm__enter(self);
	struct calm__tree *tree = calm__treemap_tree(map);
	/* order: none - the map is quiet. */
	check_all(map, load_relaxed(&tree->root), &check);
	if (!check.broken && check.count != calm__stripes_sum(&tree->count))
		check.broken = "treemap: the count is not the number of bindings";
	/* order: none - the map is quiet. */
	if (!check.broken && check.nodes != load_relaxed(&tree->nodes))
		check.broken = "treemap: the count of nodes is not their number";
	/* order: none - the map is quiet. */
	if (!check.broken && load_relaxed(&check.last->next) != NULL)
		check.broken = "treemap: the last leaf leads on";
	calm__leave(self);
	return check.broken;
}
