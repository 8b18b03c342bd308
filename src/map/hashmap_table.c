/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * hashmap's tables: an array of buckets, and the lines that overflow from them.
 *
 * Load: a table has room for an entry a slot, three a bucket. Of keys that hash at random one
 * bucket in three then overflows, and an entry takes 30 bytes, its share of the overflow included;
 * just after a doubling one bucket in 15 does, and an entry takes 46 (Poisson).
 *
 * Overflow lines are numbered, in chunks that double, so that a bucket names one in 32 bits and a
 * line never moves. Free ones wait in pools, one per group of threads, that carve a few at a time
 * from the last chunk. A reader may follow a number into a line that has gone to another bucket: it
 * finds out when it looks at its own bucket's header again, and the line is never unmapped before
 * its table is.
 */
#include "map/hashmap.h"

#define LEAST_BITS 3
#define CARVE_MOST 16U

/* Entries that a table of so many buckets has room for. */
static size_t room_of(unsigned bits)
{
	return (size_t)CALM__SLOTS << bits;
}

unsigned calm__table_bits(uint64_t entries)
{
	unsigned bits = LEAST_BITS;
	while (bits <= CALM__TABLE_BITS && room_of(bits) < entries)
		bits++;
	return bits;
}

/* n lines and, if the map releases values, three births for each. */
static struct calm__line *make_lines(struct calm__hashmap *map, uint64_t n, bool zero,
				     void **memory, size_t *bytes)
{
	size_t each = sizeof(struct calm__line) +
		      (map->base.release ? CALM__SLOTS * sizeof(uint64_t) : 0);
	*bytes = n * each + sizeof(struct calm__line);
	*memory = zero ? calm__heap_zero(&map->base.heap, *bytes)
		       : calm__heap_alloc(&map->base.heap, *bytes);
	if (!*memory)
		return NULL;
	if (map->base.heap.allocator.alloc == calm__malloc.alloc)
		calm__prefer_large_pages(*memory, *bytes);
	uintptr_t at = (uintptr_t)*memory + sizeof(struct calm__line) - 1;
	return (struct calm__line *)(at & ~(uintptr_t)(sizeof(struct calm__line) - 1));
}

struct calm__hash_table *calm__table_make(struct calm__hashmap *map, unsigned bits,
					  struct calm__generation *generation, uint64_t epoch,
					  bool filled_later)
{
	if (bits > CALM__TABLE_BITS)
		return NULL;
	struct calm__hash_table *table = calm__heap_zero(&map->base.heap, sizeof(*table));
	if (!table)
		return NULL;
	uint64_t n = (uint64_t)1 << bits;
	table->lines = make_lines(map, n, !filled_later, &table->memory, &table->bytes);
	if (!table->lines) {
		calm__heap_free(&map->base.heap, table, sizeof(*table));
		return NULL;
	}
	table->bits = bits;
	table->shift = 64 - bits;
	table->generation = generation;
	table->births = map->base.release ? (uint64_t *)(void *)(table->lines + n) : NULL;
	table->tally = n < 32 ? 1 : (size_t)(n / 32);
	table->room = room_of(bits);
	table->first_bits = bits < 6 ? 3 : bits - 3;
	for (uint64_t i = 0; !filled_later && calm__stamp(epoch) != 0 && i < n; i++)
		/* order: none - nobody else has the table yet. */
		store_relaxed(&table->lines[i].stamp, calm__stamp(epoch));
	return table;
}

void calm__table_unmake(struct calm__hashmap *map, struct calm__hash_table *table)
{
	size_t each = sizeof(struct calm__line) +
		      (map->base.release ? CALM__SLOTS * sizeof(uint64_t) : 0);
	for (unsigned i = 0; i < CALM__CHUNKS; i++)
		calm__heap_free(&map->base.heap, table->chunk_memory[i],
				((each << table->first_bits) << i) + sizeof(struct calm__line));
	calm__heap_free(&map->base.heap, table->memory, table->bytes);
	calm__heap_free(&map->base.heap, table, sizeof(*table));
}

uint64_t *calm__birth(struct calm__hash_table *table, const struct calm__line *line,
		      uint32_t number, unsigned slot)
{
	if (number == 0)
		return &table->births[CALM__SLOTS * (line - table->lines) + slot];
	unsigned chunk = calm__chunk_of(table, number);
	/* order: none - its line has been reached already. */
	struct calm__line *lines = load_relaxed(&table->chunk[chunk]);
	uint64_t *births = (uint64_t *)(void *)(lines + ((size_t)1 << (table->first_bits + chunk)));
	return &births[CALM__SLOTS * (line - lines) + slot];
}

void calm__table_each(struct calm__hash_table *table,
		      void (*visit)(struct calm__hash_table *, struct calm__line *, void *),
		      void *context)
{
	/* order: none - no other thread changes it. */
	struct calm__hash_table *next = load_relaxed(&table->next);
	for (uint64_t i = 0; i < (uint64_t)1 << table->bits; i++) {
		/* order: none - no other thread changes it. */
		if (!(load_relaxed(&table->lines[i].header) & LINE_MOVED)) {
			visit(table, &table->lines[i], context);
		} else if (next->bits < table->bits) {
			if (i % 2 == 0)
				visit(next, &next->lines[i / 2], context);
		} else {
			unsigned more = next->bits - table->bits;
			for (uint64_t child = 0; child < (uint64_t)1 << more; child++)
				visit(next, &next->lines[(i << more) + child], context);
		}
	}
}

/* ---- lines that overflow ---- */

/* Lines in all chunks. Under chunk_lock. */
static uint64_t chunk_lines(struct calm__hash_table *table)
{
	/* order: none - under chunk_lock. */
	return calm__chunk_start(table, load_relaxed(&table->chunks));
}

/* Whether all lines of all chunks, so many, have been given to the pools. */
static bool needs_chunk(struct calm__hash_table *table, uint32_t *chunks)
{
	calm__lock(&table->chunk_lock);
	/* order: none - under chunk_lock. */
	*chunks = load_relaxed(&table->chunks);
	/* order: none - under chunk_lock. */
	bool needs = load_relaxed(&table->carved) == chunk_lines(table);
	calm__unlock(&table->chunk_lock);
	return needs;
}

/* A chunk is made outside the lock, which others take with a bucket locked. */
bool calm__pool_grow(struct calm__hashmap *map, struct calm__hash_table *table)
{
	uint32_t chunk;
	size_t bytes;
	void *memory;
	if (!needs_chunk(table, &chunk))
		return true;
	if (chunk == CALM__CHUNKS || calm__chunk_start(table, chunk + 1) >= UINT32_MAX)
		return false;
	struct calm__line *lines = make_lines(map, (uint64_t)1 << (table->first_bits + chunk),
					      false, &memory, &bytes);
	if (!lines)
		return false;
	calm__lock(&table->chunk_lock);
	/* order: none - under chunk_lock. */
	bool first = load_relaxed(&table->chunks) == chunk;
	if (first) {
		table->chunk_memory[chunk] = memory;
		/* order: none - under chunk_lock; its lines' numbers, carved under it too, bring the
		 * chunk to who follows one. */
		store_relaxed(&table->chunk[chunk], lines);
		store_relaxed(&table->chunks, chunk + 1);
	}
	calm__unlock(&table->chunk_lock);
	if (!first)
		calm__heap_free(&map->base.heap, memory, bytes);
	return true;
}

/* A few lines of the last chunk, empty and linked. Under the pool's lock. */
static void carve(struct calm__hash_table *table, struct calm__pool *pool)
{
	uint64_t few = ((uint64_t)1 << table->first_bits) / 32;
	few = few < 1 ? 1 : few > CARVE_MOST ? CARVE_MOST : few;
	calm__lock(&table->chunk_lock);
	/* order: none - under chunk_lock. */
	uint64_t carved = load_relaxed(&table->carved);
	uint64_t left = chunk_lines(table) - carved;
	few = few < left ? few : left;
	/* order: none - under chunk_lock. */
	store_relaxed(&table->carved, carved + few);
	calm__unlock(&table->chunk_lock);
	for (uint64_t number = carved + few; number > carved; number--) {
		struct calm__line *line = calm__overflow(table, (uint32_t)number);
		/* order: none - published with the chain that it joins. */
		store_relaxed(&line->header, 0);
		store_relaxed(&line->overflow, pool->free);
		pool->free = (uint32_t)number;
	}
}

static struct calm__pool *pool_of(struct calm__hash_table *table, const struct calm__self *self)
{
	return &table->pools[self->index % CALM__POOLS];
}

static uint32_t take_from(struct calm__hash_table *table, struct calm__pool *pool, bool carves)
{
	calm__lock(&pool->lock);
	if (pool->free == 0 && carves)
		carve(table, pool);
	uint32_t number = pool->free;
	if (number != 0)
		/* order: none - under the pool's lock. */
		pool->free = load_relaxed(&calm__overflow(table, number)->overflow);
	calm__unlock(&pool->lock);
	return number;
}

/* Another's last: what one thread inserts and another deletes would collect in the other's pool. */
uint32_t calm__pool_take(struct calm__hash_table *table, const struct calm__self *self)
{
	uint32_t number = take_from(table, pool_of(table, self), true);
	for (uint32_t i = 1; number == 0 && i < CALM__POOLS; i++)
		number = take_from(table, &table->pools[(self->index + i) % CALM__POOLS], false);
	return number;
}

void calm__pool_give(struct calm__hash_table *table, const struct calm__self *self, uint32_t number)
{
	struct calm__pool *pool = pool_of(table, self);
	calm__lock(&pool->lock);
	/* order: hash.chain release -> find_overflow(), copy_overflow(): who follows it into the pool
	 * comes late, and sees that its bucket has changed. */
	store_release(&calm__overflow(table, number)->overflow, pool->free);
	pool->free = number;
	calm__unlock(&pool->lock);
}
