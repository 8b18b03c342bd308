/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* A key's leaf: apart from place.c, since the headers of hashmap and treemap do not go together. */
#include "explore/frozen.h"

#include "map/treemap.h"

const void *frozen_leaf(const calm_map *map, calm_key key)
{
	uint64_t header;
	struct calm__way way = {&key, false, NULL};
	struct calm__tree *tree = calm__treemap_tree(calm__treemap_of(map));
	calm_read_begin();
	const void *leaf = calm__tree_leaf(tree, way, &header, map->keys.kind == CALM_KEYS_BYTES);
	calm_read_end();
	return leaf;
}
