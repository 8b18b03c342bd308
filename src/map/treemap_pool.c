/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Where treemap's nodes lie: side by side in chunks, each a fraction of what there is already, so
 * that large trees lie in large pages. A get touches one leaf in a hundred thousand, and in small
 * pages that is a miss of the TLB besides; measured, a fifth of a get's time.
 *
 * A chunk whose nodes are all free goes back to the map's allocator. Which chunk a node is in is
 * found by its address. One lock: a node comes or goes once in tens of writes.
 *
 * Rejected: malloc for each, whose headers and small pages cost more; names in here too, which come
 * and go with every write of a new key and would meet at the lock.
 */
#include "map/treemap.h"

struct calm__chunk {
	char *memory;
	uint32_t room;  /* nodes */
	uint32_t fresh; /* nodes from here on have never been used */
	uint32_t live;
	void *free; /* nodes, each leading to the next */
};

/* Nodes of a chunk are at most as many bytes. */
#define MOST ((size_t)8 << 20)

static size_t chunk_bytes(const struct calm__pool_of *pool, const struct calm__chunk *chunk)
{
	return (size_t)chunk->room * pool->size;
}

/* Under the lock: room to note so many chunks, at least those there are. False: no memory. */
static bool make_wide(struct calm__heap *heap, struct calm__pool_of *pool, size_t wide)
{
	struct calm__chunk *chunks = NULL;
	if (wide > 0 && !(chunks = calm__heap_alloc(heap, wide * sizeof(*chunks))))
		return false;
	for (uint32_t i = 0; chunks && i < pool->count; i++)
		chunks[i] = pool->chunks[i];
	calm__heap_free(heap, pool->chunks, pool->wide * sizeof(*chunks));
	pool->chunks = chunks;
	pool->wide = (uint32_t)wide;
	return true;
}

/* Under the lock. NULL: no memory. */
static struct calm__chunk *add_chunk(struct calm__heap *heap, struct calm__pool_of *pool)
{
	size_t most = MOST / pool->size;
	size_t room = pool->nodes / 8 + 1 < most ? pool->nodes / 8 + 1 : most;
	if (pool->count == pool->wide &&
	    !make_wide(heap, pool, (size_t)pool->wide + pool->wide / 2 + 4))
		return NULL;
	char *memory = calm__heap_alloc(heap, room * pool->size);
	if (!memory)
		return NULL;
	calm__prefer_large_pages(memory, room * pool->size);
	uint32_t at = pool->count++;
	for (; at > 0 && pool->chunks[at - 1].memory > memory; at--)
		pool->chunks[at] = pool->chunks[at - 1];
	pool->chunks[at] = (struct calm__chunk){memory, (uint32_t)room, 0, 0, NULL};
	pool->nodes += room;
	return &pool->chunks[at];
}

static bool has_room(const struct calm__chunk *chunk)
{
	return chunk->free || chunk->fresh < chunk->room;
}

/* Under the lock. The last one that had room, or another; NULL: none has. */
static struct calm__chunk *find_room(struct calm__pool_of *pool)
{
	if (pool->live == pool->nodes)
		return NULL;
	for (uint32_t i = 0; i < pool->count; i++) {
		uint32_t at = (pool->last + i) % pool->count;
		if (!has_room(&pool->chunks[at]))
			continue;
		pool->last = at;
		return &pool->chunks[at];
	}
	return NULL;
}

void *calm__pool_get(struct calm__heap *heap, struct calm__pool_of *pool)
{
	calm__lock(&pool->lock);
	struct calm__chunk *chunk = find_room(pool);
	if (!chunk)
		chunk = add_chunk(heap, pool);
	char *node = NULL;
	if (chunk && chunk->free) {
		node = chunk->free;
		memcpy(&chunk->free, node, sizeof(chunk->free));
	} else if (chunk) {
		node = chunk->memory + chunk->fresh++ * pool->size;
	}
	if (chunk) {
		chunk->live++;
		pool->live++;
	}
	if (pool->count == 0)
		(void)make_wide(heap, pool, 0);
	calm__unlock(&pool->lock);
	if (node)
		memset(node, 0, pool->size);
	return node;
}

/* The chunk that has a node. */
static uint32_t chunk_of(const struct calm__pool_of *pool, const char *node)
{
	uint32_t low = 0;
	for (uint32_t high = pool->count; high - low > 1;) {
		uint32_t middle = (low + high) / 2;
		if (pool->chunks[middle].memory <= node)
			low = middle;
		else
			high = middle;
	}
	return low;
}

void calm__pool_put(struct calm__heap *heap, struct calm__pool_of *pool, void *node)
{
	calm__lock(&pool->lock);
	uint32_t at = chunk_of(pool, node);
	struct calm__chunk *chunk = &pool->chunks[at];
	memcpy(node, &chunk->free, sizeof(chunk->free));
	chunk->free = node;
	chunk->live--;
	pool->live--;
	if (chunk->live == 0) {
		pool->nodes -= chunk->room;
		calm__heap_free(heap, chunk->memory, chunk_bytes(pool, chunk));
		for (pool->count--; at < pool->count; at++)
			pool->chunks[at] = pool->chunks[at + 1];
		pool->last = 0;
	}
	if (pool->count < pool->wide / 4 || pool->count == 0)
		(void)make_wide(heap, pool, (size_t)2 * pool->count);
	calm__unlock(&pool->lock);
}
