/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Bases under a generation: who keeps them, and what they count for.
 *
 * Who owns a value: the mark of its key, if there is one; else the newest base's slot. So a base
 * that was replaced owns nothing, and goes without looking at what it holds: the values that its
 * snapshots see are kept by their births and deaths, like any other (sync/snap.c).
 *
 * A base that was replaced, or cleared, and is held by snapshots is history: it counts against the
 * budget once, however many hold it.
 */
#include "map/hashmap_base.h"

char calm__gone;

struct calm__base *calm__base_new(struct calm__hashmap *map, struct calm__dense *dense)
{
	struct calm__heap *heap = &map->base.heap;
	struct calm__base *base = dense ? calm__heap_zero(heap, sizeof(*base)) : NULL;
	if (!base) {
		calm__dense_free(heap, dense);
		return NULL;
	}
	base->dense = dense;
	/* order: none - not yet shared. */
	store_relaxed(&base->refs, 1);
	return base;
}

void calm__base_drop(void *pointer, void *context)
{
	struct calm_map *map = context;
	struct calm__base *base = pointer;
	/* order: hash.bases release -> calm__base_drop(): each holder's reads before the free. */
	/* order: hash.bases acquire <- calm__base_drop(): the last one frees. */
	if (add_acq_rel(&base->refs, (uint64_t)-1) > 1)
		return;
	calm__dense_free(&map->heap, base->dense);
	calm__heap_free(&map->heap, base, sizeof(*base));
}

void calm__base_replaced(struct calm__hashmap *map, struct calm__base *base)
{
	base->replaced = true;
	if (base->holders > 0)
		/* order: none - a count, under turn. */
		add_relaxed(&map->history.held, base->dense->bytes);
}

struct calm__bed *calm__bed_new(struct calm__hashmap *map)
{
	struct calm__heap *heap = &map->base.heap;
	struct calm__bed *bed = calm__heap_zero(heap, sizeof(*bed));
	if (!bed)
		return NULL;
	struct calm__dense *none = calm__dense_new(heap, map->base.keys.kind, 0, 0,
						   map->base.release != NULL);
	if (none)
		calm__dense_seal(none);
	struct calm__base *base = calm__base_new(map, none);
	if (!base) {
		calm__heap_free(heap, bed, sizeof(*bed));
		return NULL;
	}
	/* order: none - nobody else has it yet. */
	store_relaxed(&bed->base, base);
	return bed;
}

void calm__bed_free(struct calm__hashmap *map, struct calm__bed *bed)
{
	if (!bed)
		return;
	/* order: none - no other thread is left in it. */
	calm__base_drop(load_relaxed(&bed->base), &map->base);
	calm__heap_free(&map->base.heap, bed, sizeof(*bed));
}

struct calm__base *calm__base_hold(struct calm__generation *generation)
{
	if (!generation->bed)
		return NULL;
	struct calm__base *base = calm__base_of(generation);
	base->holders++;
	/* order: none - under turn the bed's own reference cannot go. */
	add_relaxed(&base->refs, 1);
	return base;
}

void calm__base_leave(struct calm__hashmap *map, struct calm__base *base)
{
	if (!base)
		return;
	calm__lock(&map->turn);
	if (--base->holders == 0 && base->replaced)
		/* order: none - a count, under turn. */
		add_relaxed(&map->history.held, -(uint64_t)base->dense->bytes);
	calm__unlock(&map->turn);
	calm__base_drop(base, &map->base);
}

void calm__base_displace(struct calm__hashmap *map, struct calm__self *self,
			 const struct calm__below *below, uint64_t death)
{
	if (map->base.release)
		calm__displace(
			&map->snaps, self, below->birth, death,
			(struct calm__retired){below->value, calm__release_value, &map->base});
}
