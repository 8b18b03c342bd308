/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A sequential hash table: what the lock-based and copying maps are made of. It knows nothing of
 * threads. Frozen (nobody changes it any more) it may be read by any number of them. See table.c.
 *
 * A map may have a struct of its own that begins with it, of `size` bytes; what follows the table in it
 * is the map's to fill in, also in a copy.
 */
#ifndef CALM_CORE_TABLE_H
#define CALM_CORE_TABLE_H

#include "core/key.h"

#define CALM__NO_SLOT SIZE_MAX

struct calm__table_slot {
	uint64_t key; /* a word, or a record's address */
	void *value;
};

struct calm__table {
	size_t mask;  /* slots - 1; a power of two less one */
	size_t count; /* bindings */
	size_t bytes; /* of this allocation */
	struct calm__table_slot *slots;
	uint64_t *births; /* each value's birth epoch, or NULL: not kept */
	uint8_t *tags;    /* 0: free; else 0x80 | 7 bits of the hash */
};

/* Empty, with room for `entries`; NULL: no memory, or more entries than there is address space for. */
struct calm__table *calm__table_new(struct calm__heap *heap, size_t size, size_t entries,
				    bool births);
/* The table alone; records and values are the caller's. NULL is fine. */
void calm__table_free(struct calm__heap *heap, struct calm__table *table);
/* The same bindings in the same slots. NULL: no memory. */
struct calm__table *calm__table_copy(struct calm__heap *heap, const struct calm__table *table);
/* The same bindings with room for `entries` (or count, if that is more). NULL: no memory. */
struct calm__table *calm__table_resized(struct calm__heap *heap, const struct calm__keys *keys,
					const struct calm__table *table, size_t entries);

/* How many bindings fit before calm__table_insert must not be called. */
static inline size_t calm__table_room(const struct calm__table *table)
{
	return table->mask - table->mask / 4;
}

/* The slot of a key, or CALM__NO_SLOT. */
size_t calm__table_find(const struct calm__table *table, const struct calm__keys *keys,
			calm_key key, uint64_t hash);
/* Binds a key that is not there; count < room. Returns its slot. */
size_t calm__table_insert(struct calm__table *table, uint64_t stored, uint64_t hash, void *value);
/* Frees a slot. Other bindings may move to other slots. */
void calm__table_remove(struct calm__table *table, const struct calm__keys *keys, size_t slot);
/* The first slot >= from that is in use, or CALM__NO_SLOT. */
size_t calm__table_next(const struct calm__table *table, size_t from);
/* The last slot < before that is in use, or CALM__NO_SLOT. */
size_t calm__table_prev(const struct calm__table *table, size_t before);
/* A sentence naming the invariant that does not hold, or NULL. */
const char *calm__table_check(const struct calm__table *table, const struct calm__keys *keys);

#endif
