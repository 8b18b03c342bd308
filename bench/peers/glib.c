/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * GLib's GHashTable (words in the table, no presizing exists) behind one GRWLock, and 32 of them
 * with one each: what most C programs do. GRWLock, so that gets of one table may run together.
 */
#include "bench/adapter.h"

#include <glib.h>
#include <stdlib.h>

struct shard {
	_Alignas(64) GRWLock lock;
	GHashTable *table;
};

struct map {
	unsigned shift; /* of the hash, to the shard's number; 64: one shard */
	unsigned count;
	struct shard shards[];
};

static guint hash_word(gconstpointer key)
{
	return (guint)bench_hash((uint64_t)(uintptr_t)key);
}

static void *make(unsigned count)
{
	struct map *map = aligned_alloc(64, sizeof *map + 64 + count * sizeof(struct shard));

	if (map == NULL)
		return NULL;
	map->count = count;
	map->shift = 64;
	for (unsigned n = count; n > 1; n /= 2)
		map->shift--;
	for (unsigned i = 0; i < count; i++) {
		g_rw_lock_init(&map->shards[i].lock);
		map->shards[i].table = g_hash_table_new(hash_word, NULL);
	}
	return map;
}

static void *create(const struct bench_subject *subject, size_t capacity)
{
	(void)subject;
	(void)capacity;
	return make(1);
}

static void *create_shards(const struct bench_subject *subject, size_t capacity)
{
	(void)subject;
	(void)capacity;
	return make(32);
}

static void destroy(void *pointer)
{
	struct map *map = pointer;

	for (unsigned i = 0; i < map->count; i++) {
		g_hash_table_destroy(map->shards[i].table);
		g_rw_lock_clear(&map->shards[i].lock);
	}
	free(map);
}

BENCH_INLINE struct shard *shard_of(void *pointer, uint64_t key)
{
	struct map *map = pointer;

	return &map->shards[map->shift < 64 ? bench_hash(key) >> map->shift : 0];
}

BENCH_INLINE bool get(void *map, void *thread, uint64_t key, uint64_t *value)
{
	struct shard *shard = shard_of(map, key);
	gpointer found;

	(void)thread;
	g_rw_lock_reader_lock(&shard->lock);
	bool present = g_hash_table_lookup_extended(shard->table, (gpointer)key, NULL, &found);
	g_rw_lock_reader_unlock(&shard->lock);
	if (present)
		*value = (uint64_t)(uintptr_t)found;
	return present;
}

static bool put(void *map, void *thread, uint64_t key, uint64_t value)
{
	struct shard *shard = shard_of(map, key);

	(void)thread;
	g_rw_lock_writer_lock(&shard->lock);
	(void)g_hash_table_insert(shard->table, (gpointer)key, (gpointer)value);
	g_rw_lock_writer_unlock(&shard->lock);
	return true;
}

static bool insert(void *map, void *thread, uint64_t key, uint64_t value)
{
	struct shard *shard = shard_of(map, key);

	(void)thread;
	g_rw_lock_writer_lock(&shard->lock);
	bool absent = !g_hash_table_contains(shard->table, (gpointer)key);
	if (absent)
		(void)g_hash_table_insert(shard->table, (gpointer)key, (gpointer)value);
	g_rw_lock_writer_unlock(&shard->lock);
	return absent;
}

static bool erase(void *map, void *thread, uint64_t key)
{
	struct shard *shard = shard_of(map, key);

	(void)thread;
	g_rw_lock_writer_lock(&shard->lock);
	bool done = g_hash_table_remove(shard->table, (gpointer)key);
	g_rw_lock_writer_unlock(&shard->lock);
	return done;
}

BENCH_BATCH(batch, get, put, insert, erase, BENCH_NO_PAUSE)

static size_t size(void *pointer)
{
	struct map *map = pointer;
	size_t n = 0;

	for (unsigned i = 0; i < map->count; i++)
		n += g_hash_table_size(map->shards[i].table);
	return n;
}

/* Writers wait, of a shard at a time. */
static size_t walk(void *pointer, void *thread, bench_visit_fn *visit, void *context)
{
	struct map *map = pointer;
	size_t n = 0;

	(void)thread;
	for (unsigned i = 0; i < map->count; i++) {
		GHashTableIter iter;
		gpointer key, value;
		g_rw_lock_reader_lock(&map->shards[i].lock);
		g_hash_table_iter_init(&iter, map->shards[i].table);
		for (; g_hash_table_iter_next(&iter, &key, &value); n++)
			(void)visit((uint64_t)(uintptr_t)key, (uint64_t)(uintptr_t)value, context);
		g_rw_lock_reader_unlock(&map->shards[i].lock);
	}
	return n;
}

const struct bench_subject bench_glib = {
	.id = "glib",
	.name = "GLib + lock",
	.from = "libglib2.0-dev",
	.create = create,
	.destroy = destroy,
	.batch = batch,
	.get = get,
	.put = put,
	.insert = insert,
	.erase = erase,
	.size = size,
	.walk = walk,
};

const struct bench_subject bench_glib_shards = {
	.id = "glib32",
	.name = "GLib 32 shards",
	.from = "libglib2.0-dev",
	.create = create_shards,
	.destroy = destroy,
	.batch = batch,
	.get = get,
	.put = put,
	.insert = insert,
	.erase = erase,
	.size = size,
	.walk = walk,
};
