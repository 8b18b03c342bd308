/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Nodes of treemap: made and freed, their ends, and a leaf's image.
 *
 * All keys between two ends begin with what the ends have in common. So a byte tree's node keeps
 * that length, and tags and heads begin behind it; when a split brings an end nearer they are made
 * anew. Long common beginnings cost nothing then.
 *
 * Source: prefix B-trees, Bayer and Unterauer, TODS 2(1), 1977; heads, and prefixes by fence keys,
 * Graefe, "Modern B-Tree Techniques", 2011, sections 3.5 and 4.2.
 */
#include "map/treemap_node.h"

#include "base/probe.h"
#include "map/treemap_leaf.h"

void calm__nodes_init(struct calm__treemap *map)
{
	map->leaves.size = sizeof(struct calm__leaf) +
			   (map->base.release ? CALM__LEAF * sizeof(uint64_t) : 0);
	map->inners.size = sizeof(struct calm__inner) +
			   (calm__has_names(map) ? CALM__SEPARATORS * sizeof(uint64_t) : 0);
}

static void open_ends(const struct calm__treemap *map, struct calm__node *node)
{
	node->low = 0;
	/* order: none - nobody else has it yet. */
	store_relaxed(&node->high, calm__has_names(map) ? 0 : UINT64_MAX);
}

struct calm__node *calm__leaf_new(struct calm__treemap *map)
{
	struct calm__leaf *leaf = calm__pool_get(&map->base.heap, &map->leaves);
	if (!leaf)
		return NULL;
	open_ends(map, &leaf->node);
	/* order: none - only to be of one leaf. */
	leaf->node.id = add_relaxed(&map->ids, 1) + 1;
	return &leaf->node;
}

struct calm__node *calm__inner_new(struct calm__treemap *map, unsigned level)
{
	struct calm__inner *inner = calm__pool_get(&map->base.heap, &map->inners);
	if (!inner)
		return NULL;
	inner->node.level = (uint16_t)level;
	open_ends(map, &inner->node);
	return &inner->node;
}

void calm__node_free(struct calm__treemap *map, struct calm__node *node)
{
	if (node)
		calm__pool_put(&map->base.heap, node->level > 0 ? &map->inners : &map->leaves,
			       node);
}

void calm__tree_each(struct calm__treemap *map, struct calm__node *root, calm__node_fn *visit,
		     void *context)
{
	struct calm__node *path[CALM__DEEPEST] = {root};
	unsigned seen[CALM__DEEPEST] = {0}; /* children, of each on the path */
	for (int depth = 0; depth >= 0;) {
		struct calm__node *node = path[depth];
		/* order: none - the tree is quiet. */
		unsigned n = calm__node_count(load_relaxed(&node->header));
		if (node->level > 0 && seen[depth] <= n) {
			struct calm__inner *inner = calm__inner_of(node);
			/* order: none - the tree is quiet. */
			path[depth + 1] = load_relaxed(&inner->children[seen[depth]]);
			seen[depth++]++;
			seen[depth] = 0;
		} else {
			visit(map, node, context);
			depth--;
		}
	}
}

/* ---- ends ---- */

static size_t common_prefix(uint64_t low, uint64_t high)
{
	if (low == 0 || high == 0)
		return 0;
	const struct calm__name *a = calm__name_of(low);
	const struct calm__name *b = calm__name_of(high);
	return calm__common(calm__name_bytes(a), calm__name_size(a), calm__name_bytes(b),
			    calm__name_size(b));
}

static void set_high(struct calm__node *node, uint64_t high, size_t prefix)
{
	/* order: tree.high release -> read_leaf(): the name; and tree.slot release ->
	 * calm__leaf_find(), calm__inner_find(): the MOVE that came before. */
	store_release(&node->high, high);
	store_release(&node->prefix, (uint32_t)prefix);
}

void calm__node_bounds(struct calm__treemap *map, struct calm__node *node, uint64_t high,
		       unsigned n)
{
	if (!calm__has_names(map)) {
		set_high(node, high, 0);
		return;
	}
	/* order: none - changed under the lock. */
	size_t before = load_relaxed(&node->prefix);
	size_t prefix = common_prefix(node->low, high);
	set_high(node, high, prefix);
	if (prefix == before)
		return;
	for (unsigned i = 0; i < n && node->level == 0; i++) {
		shared_u64 *slot = &calm__leaf_of(node)->keys[i];
		/* order: none - changed under the lock. */
		calm__slot_put(slot, calm__stored_name(calm__name_of(load_relaxed(slot)), prefix));
	}
	for (unsigned i = 0; i < n && node->level > 0; i++)
		calm__separator_put(map, calm__inner_of(node), i,
				    calm__separator(map, calm__inner_of(node), i));
}

void calm__separator_put(struct calm__treemap *map, struct calm__inner *inner, unsigned at,
			 uint64_t separator)
{
	if (!calm__has_names(map)) {
		calm__slot_put(&inner->heads[at], separator);
		return;
	}
	/* order: none - changed under the lock. */
	size_t prefix = load_relaxed(&inner->node.prefix);
	calm__slot_put(&inner->heads[at], calm__name_head(calm__name_of(separator), prefix));
	calm__slot_put(&inner->names[at], separator);
}

/* ---- images ---- */

void calm__leaf_save(struct calm__treemap *map, const struct calm__self *self,
		     const struct calm__held *held)
{
	struct calm__leaf *leaf = held->leaf;
	struct calm__image *image = calm__history_begin(&map->history, self);
	image->place = calm__leaf_place(leaf->node.id);
	/* order: none - changed under the lock. */
	image->from = load_relaxed(&leaf->node.stamp);
	image->to = held->epoch - 1;
	image->generation = 0;
	unsigned n = calm__node_count(held->header);
	image->n = n + IMAGE_BINDINGS;
	/* order: none - changed under the lock. */
	uint64_t high = load_relaxed(&leaf->node.high);
	uint64_t prefix = load_relaxed(&leaf->node.prefix);
	image->entries[IMAGE_ENDS] = (struct calm__entry){leaf->node.low, (void *)(uintptr_t)high};
	image->entries[IMAGE_PREFIX] = (struct calm__entry){prefix, NULL};
	for (unsigned i = 0; i < n; i++) {
		struct calm__entry *entry = &image->entries[IMAGE_BINDINGS + i];
		/* order: none - changed under the lock. */
		entry->key = load_relaxed(&leaf->keys[i]);
		entry->value = load_relaxed(&leaf->values[i]);
	}
	calm__probe1(image, map);
	calm__history_commit(&map->history, self, image);
}
