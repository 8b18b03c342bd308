/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The life of syncmap's tables and entries.
 *
 * A tier is a table with its references: the map's while it is read or dirty, its predecessor's,
 * and one per walk that pins it. When it replaces another it becomes that one's successor, and
 * cannot die before it. So tables die in the order in which they were read, and an entry, which its
 * last read table frees, outlives every table that has it.
 *
 * Rejected: counting references to entries, a read-modify-write for each entry of each copy;
 * freeing a deleted key's entry when dirty is copied, under the feet of a walk over an older table.
 */
#include "map/syncmap.h"

char calm__syncmap_marks[2];

void calm__entry_free(struct calm_map *base, struct entry *entry)
{
	if (base->keys.kind == CALM_KEYS_BYTES)
		calm__record_free(&base->heap, calm__record_of(entry->key));
	calm__heap_free(&base->heap, entry, sizeof(*entry));
}

struct tier *calm__tier_new(struct syncmap *map, size_t entries, struct generation *generation)
{
	struct calm__heap *heap = &map->base.heap;
	struct tier *tier = calm__heap_zero(heap, sizeof(*tier));
	if (!tier)
		return NULL;
	tier->table = calm__table_new(heap, sizeof(struct calm__table), entries, false);
	if (!tier->table) {
		calm__heap_free(heap, tier, sizeof(*tier));
		return NULL;
	}
	tier->generation = generation;
	/* order: none - not yet shared. */
	store_relaxed(&tier->refs, 1);
	return tier;
}

void calm__tier_free(struct syncmap *map, struct tier *tier)
{
	calm__table_free(&map->base.heap, tier->table);
	calm__heap_free(&map->base.heap, tier, sizeof(*tier));
}

/* Nobody can reach the table any more: frees the entries whose last table it was. */
static void table_dies(struct syncmap *map, struct tier *tier)
{
	struct calm_map *base = &map->base;
	const struct calm__table *table = tier->table;
	for (size_t i = calm__table_next(table, 0); i != CALM__NO_SLOT;
	     i = calm__table_next(table, i + 1)) {
		struct entry *entry = table->slots[i].value;
		/* order: none - whoever made this the entry's last table did so before this one
		 * was retired. */
		if (!tier->cleared && load_relaxed(&entry->last) != tier)
			continue;
		/* order: sync.entry acquire <- write_entry(): the last value, to release it. */
		void *value = load_acquire(&entry->value);
		if (calm__syncmap_bound(value) && base->release)
			base->release(value, base->context);
		calm__entry_free(base, entry);
	}
	if (tier->cleared)
		calm__heap_free(&base->heap, tier->generation, sizeof(*tier->generation));
}

void calm__tier_dies(void *pointer, void *context)
{
	struct syncmap *map = context;
	struct tier *tier = pointer;
	do {
		struct tier *next = tier->next;
		table_dies(map, tier);
		calm__tier_free(map, tier);
		tier = next;
		/* order: sync.refs release -> calm__tier_drop(): the dead predecessor's frees
		 * come first, as theirs do. */
	} while (tier && add_acq_rel(&tier->refs, (uint64_t)-1) == 1);
}

void calm__tier_drop(void *pointer, void *context)
{
	struct tier *tier = pointer;
	/* order: sync.refs acquire <- calm__tier_dies(), calm__tier_unpin(): all who used it are
	 * done. */
	if (add_acq_rel(&tier->refs, (uint64_t)-1) == 1)
		calm__tier_dies(tier, context);
}

struct tier *calm__tier_empty(struct syncmap *map)
{
	struct generation *generation = calm__heap_zero(&map->base.heap, sizeof(*generation));
	struct tier *tier = generation ? calm__tier_new(map, 0, generation) : NULL;
	if (!tier)
		calm__heap_free(&map->base.heap, generation, sizeof(*generation));
	return tier;
}

void calm__tier_succeed(struct tier *old, struct tier *next)
{
	old->next = next;
	/* order: none - the map's own reference keeps it meanwhile. */
	add_relaxed(&next->refs, 1);
}

void calm__tier_unpin(struct syncmap *map, struct tier *tier)
{
	/* order: sync.refs release -> calm__tier_drop(), calm__tier_dies(): the walk's reads
	 * come before the frees. */
	if (add_acq_rel(&tier->refs, (uint64_t)-1) > 1)
		return;
	/* The caller may still hold, in a section of its own, values that the walk gave it. */
	if (calm_retire(tier, calm__tier_dies, map) == CALM_OK)
		return;
	calm__lock(&map->mutex);
	tier->stray = map->strays;
	map->strays = tier;
	calm__unlock(&map->mutex);
}
