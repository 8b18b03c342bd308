/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Open addressing with linear probing, a byte of tag per slot, and deletion by shifting back, so
 * that there are no tombstones and a copy is a memcpy.
 *
 *      slots   {key, value} {key, value} …      births   u64 u64 …       tags   u8 u8 …       (one allocation)
 *
 * Invariants: a binding lies at or after its home slot (hash & mask), cyclically, with no free slot
 * between; at most three quarters of the slots are in use; a tag is 0 or 0x80 | hash >> 57.
 *
 * Source: linear probing and Algorithm R, Knuth, TAOCP vol. 3, section 6.4. Rejected: chains (an
 * allocation per binding, and a copy would have to follow them); SIMD groups (faster misses, but
 * this table is the yardstick's and the copies', not the fast maps').
 */
#include "core/table.h"

static size_t home(const struct calm__table *table, uint64_t hash)
{
	return (size_t)hash & table->mask;
}

static uint8_t tag_of(uint64_t hash)
{
	return (uint8_t)(0x80 | hash >> 57);
}

/* Lays a zeroed table out; slots is a power of two >= 4. NULL: no memory. */
static struct calm__table *layout(struct calm__heap *heap, size_t size, size_t slots, bool births)
{
	size_t per_slot = sizeof(struct calm__table_slot) + (births ? sizeof(uint64_t) : 0) + 1;
	if (slots > (PTRDIFF_MAX - size) / per_slot)
		return NULL;
	size_t bytes = size + slots * per_slot;
	struct calm__table *table = calm__heap_zero(heap, bytes);
	if (!table)
		return NULL;
	table->mask = slots - 1;
	table->bytes = bytes;
	table->slots = (struct calm__table_slot *)(void *)((char *)table + size);
	table->births = births ? (uint64_t *)(table->slots + slots) : NULL;
	table->tags = (uint8_t *)table + bytes - slots;
	return table;
}

/* Of the struct that it begins. */
static size_t size_of(const struct calm__table *table)
{
	return (size_t)((const char *)table->slots - (const char *)table);
}

struct calm__table *calm__table_new(struct calm__heap *heap, size_t size, size_t entries,
				    bool births)
{
	size_t slots = 4;
	while (slots - 1 - (slots - 1) / 4 < entries) {
		if (slots > SIZE_MAX / 4)
			return NULL;
		slots *= 2;
	}
	return layout(heap, size, slots, births);
}

void calm__table_free(struct calm__heap *heap, struct calm__table *table)
{
	calm__heap_free(heap, table, table ? table->bytes : 0);
}

struct calm__table *calm__table_copy(struct calm__heap *heap, const struct calm__table *table)
{
	struct calm__table *copy = calm__heap_alloc(heap, table->bytes);
	if (!copy)
		return NULL;
	size_t size = size_of(table);
	size_t slots = table->mask + 1;
	*copy = *table;
	copy->slots = (struct calm__table_slot *)(void *)((char *)copy + size);
	memcpy(copy->slots, table->slots, table->bytes - size);
	copy->births = table->births ? (uint64_t *)(copy->slots + slots) : NULL;
	copy->tags = (uint8_t *)copy + copy->bytes - slots;
	return copy;
}

struct calm__table *calm__table_resized(struct calm__heap *heap, const struct calm__keys *keys,
					const struct calm__table *table, size_t entries)
{
	size_t least = entries > table->count ? entries : table->count;
	struct calm__table *to = calm__table_new(heap, size_of(table), least,
						 table->births != NULL);
	if (!to)
		return NULL;
	for (size_t i = calm__table_next(table, 0); i != CALM__NO_SLOT;
	     i = calm__table_next(table, i + 1)) {
		uint64_t stored = table->slots[i].key;
		size_t slot = calm__table_insert(to, stored, calm__stored_hash(keys, stored),
						 table->slots[i].value);
		if (table->births)
			to->births[slot] = table->births[i];
	}
	return to;
}

size_t calm__table_find(const struct calm__table *table, const struct calm__keys *keys,
			calm_key key, uint64_t hash)
{
	uint8_t tag = tag_of(hash);
	for (size_t i = home(table, hash); table->tags[i] != 0; i = (i + 1) & table->mask)
		if (table->tags[i] == tag && calm__key_is(keys, table->slots[i].key, key, hash))
			return i;
	return CALM__NO_SLOT;
}

size_t calm__table_insert(struct calm__table *table, uint64_t stored, uint64_t hash, void *value)
{
	size_t i = home(table, hash);
	while (table->tags[i] != 0)
		i = (i + 1) & table->mask;
	table->tags[i] = tag_of(hash);
	table->slots[i] = (struct calm__table_slot){stored, value};
	table->count++;
	return i;
}

void calm__table_remove(struct calm__table *table, const struct calm__keys *keys, size_t slot)
{
	size_t mask = table->mask;
	size_t hole = slot;
	for (size_t i = (slot + 1) & mask; table->tags[i] != 0; i = (i + 1) & mask) {
		size_t at = home(table, calm__stored_hash(keys, table->slots[i].key));
		/* It may move to the hole unless its home lies after the hole. */
		if (((i - at) & mask) < ((i - hole) & mask))
			continue;
		table->tags[hole] = table->tags[i];
		table->slots[hole] = table->slots[i];
		if (table->births)
			table->births[hole] = table->births[i];
		hole = i;
	}
	table->tags[hole] = 0;
	table->count--;
}

size_t calm__table_next(const struct calm__table *table, size_t from)
{
	size_t slots = table->mask + 1;
	size_t i = from;
	while (i < slots) {
		uint64_t eight;
		if (slots - i >= sizeof(eight)) {
			memcpy(&eight, table->tags + i, sizeof(eight));
			if (eight == 0) {
				i += sizeof(eight);
				continue;
			}
		}
		if (table->tags[i] != 0)
			return i;
		i++;
	}
	return CALM__NO_SLOT;
}

size_t calm__table_prev(const struct calm__table *table, size_t before)
{
	for (size_t i = before; i-- > 0;)
		if (table->tags[i] != 0)
			return i;
	return CALM__NO_SLOT;
}

const char *calm__table_check(const struct calm__table *table, const struct calm__keys *keys)
{
	size_t count = 0;
	for (size_t i = calm__table_next(table, 0); i != CALM__NO_SLOT;
	     i = calm__table_next(table, i + 1)) {
		uint64_t stored = table->slots[i].key;
		uint64_t hash = calm__stored_hash(keys, stored);
		if (table->tags[i] != tag_of(hash))
			return "a tag is not its key's";
		if (calm__table_find(table, keys, calm__key_of(keys, stored), hash) != i)
			return "a binding cannot be found from its home slot, or is there twice";
		count++;
	}
	if (count != table->count)
		return "the count is not the number of bindings";
	return count > calm__table_room(table) ? "the table is too full" : NULL;
}
