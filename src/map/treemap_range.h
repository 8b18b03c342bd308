/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* What a snapshot of treemap reads: stretches of keys, in order. See treemap_range.c. */
#ifndef CALM_MAP_TREEMAP_RANGE_H
#define CALM_MAP_TREEMAP_RANGE_H

#include "map/treemap.h"

#define CALM__HAUL 256

/* What is looked at. */
struct calm__tree_view {
	struct calm__treemap *map;
	struct calm__tree *tree;
	uint64_t stamp;
};

/* A place between keys: before one, or behind it; open: the end of the key space. */
struct calm__edge {
	bool open;
	bool behind;
	calm_key key;
};

/* A scan under way: what lies between two edges and has not been taken yet. */
struct calm__scan {
	struct calm__edge from;
	struct calm__edge to;
	bool ascending;
	bool done;
	size_t n; /* entries taken, in the order they are visited in */
	struct calm__entry entries[CALM__HAUL + CALM__LEAF];
};

struct calm__tree_view calm__tree_view_of(const struct calm_snapshot *base);
calm_key calm__tree_key(const struct calm__treemap *map, uint64_t stored);
/* Takes at least `least` entries, at most CALM__HAUL + CALM__LEAF, or what there is. */
void calm__scan_take(const struct calm__tree_view *view, struct calm__scan *scan, size_t least);
/* Every binding between the edges. passes: NULL, or the walk that may say how far it is. */
int calm__scan_visit(const struct calm__tree_view *view, struct calm__scan *scan,
		     calm_visit_fn *visit, void *context, struct calm__snap *passes);
/* One key's binding. OK, ABSENT. */
calm_status calm__tree_read(const struct calm__tree_view *view, calm_key key, void **value);

calm_status calm__tree_cursor_seek(struct calm_cursor *cursor, calm_key key);
calm_status calm__tree_cursor_step(struct calm_cursor *cursor, bool forward, calm_key *key,
				   void **value);

#endif
