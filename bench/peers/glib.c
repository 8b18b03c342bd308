/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * GLib's GHashTable (words in the table, or strings that it owns; no presizing exists) behind one
 * GRWLock, and 32 of them with one each: what most C programs do. GRWLock, so that gets of one table
 * may run together. Of strings GLib's own g_str_hash is not used, for its hash is weak.
 */
#include "bench/adapter.h"
#include "bench/text.h"

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

/* A key as tables have it, in a pointer, and how. */
struct key {
	gconstpointer at;
	uint64_t (*hash)(gconstpointer key);
	gpointer (*own)(gconstpointer key);
};

BENCH_INLINE uint64_t hash_word(gconstpointer key)
{
	return bench_hash((uint64_t)(uintptr_t)key);
}

BENCH_INLINE gpointer own_word(gconstpointer key)
{
	return (gpointer)key;
}

BENCH_INLINE uint64_t hash_string(gconstpointer key)
{
	return bench_text_hash(key, strlen(key));
}

BENCH_INLINE gpointer own_string(gconstpointer key)
{
	return g_strdup(key);
}

static guint table_hash_word(gconstpointer key)
{
	return (guint)hash_word(key);
}

static guint table_hash_string(gconstpointer key)
{
	return (guint)hash_string(key);
}

static void *make(const struct bench_subject *subject, unsigned count)
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
		map->shards[i].table = subject->key_size > 0
					       ? g_hash_table_new_full(table_hash_string,
								       g_str_equal, g_free, NULL)
					       : g_hash_table_new(table_hash_word, NULL);
	}
	return map;
}

static void *create(const struct bench_subject *subject, size_t capacity)
{
	(void)capacity;
	return make(subject, 1);
}

static void *create_shards(const struct bench_subject *subject, size_t capacity)
{
	(void)capacity;
	return make(subject, 32);
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

BENCH_INLINE struct shard *shard_of(void *pointer, struct key key)
{
	struct map *map = pointer;

	return &map->shards[map->shift < 64 ? key.hash(key.at) >> map->shift : 0];
}

BENCH_INLINE bool get(void *map, void *thread, struct key key, uint64_t *value)
{
	struct shard *shard = shard_of(map, key);
	gpointer found;

	(void)thread;
	g_rw_lock_reader_lock(&shard->lock);
	bool present = g_hash_table_lookup_extended(shard->table, key.at, NULL, &found);
	g_rw_lock_reader_unlock(&shard->lock);
	if (present)
		*value = (uint64_t)(uintptr_t)found;
	return present;
}

BENCH_INLINE bool put(void *map, void *thread, struct key key, uint64_t value)
{
	struct shard *shard = shard_of(map, key);

	(void)thread;
	g_rw_lock_writer_lock(&shard->lock);
	(void)g_hash_table_insert(shard->table, key.own(key.at), (gpointer)value);
	g_rw_lock_writer_unlock(&shard->lock);
	return true;
}

BENCH_INLINE bool insert(void *map, void *thread, struct key key, uint64_t value)
{
	struct shard *shard = shard_of(map, key);

	(void)thread;
	g_rw_lock_writer_lock(&shard->lock);
	bool absent = !g_hash_table_contains(shard->table, key.at);
	if (absent)
		(void)g_hash_table_insert(shard->table, key.own(key.at), (gpointer)value);
	g_rw_lock_writer_unlock(&shard->lock);
	return absent;
}

BENCH_INLINE bool erase(void *map, void *thread, struct key key)
{
	struct shard *shard = shard_of(map, key);

	(void)thread;
	g_rw_lock_writer_lock(&shard->lock);
	bool done = g_hash_table_remove(shard->table, key.at);
	g_rw_lock_writer_unlock(&shard->lock);
	return done;
}

#define WORD(key, number) struct key key = {(gconstpointer)(number), hash_word, own_word}
#define TEXT_16(key, number)               \
	BENCH_TEXT_16(key##_text, number); \
	struct key key = {key##_text->bytes, hash_string, own_string}
#define TEXT_48(key, number)               \
	BENCH_TEXT_48(key##_text, number); \
	struct key key = {key##_text->bytes, hash_string, own_string}

BENCH_BATCH_OF(batch, WORD, get, put, insert, erase, BENCH_NO_PAUSE)
BENCH_BATCH_OF(batch_16, TEXT_16, get, put, insert, erase, BENCH_NO_PAUSE)
BENCH_BATCH_OF(batch_48, TEXT_48, get, put, insert, erase, BENCH_NO_PAUSE)
BENCH_SINGLES(single, WORD, get, put, insert, erase)

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

#define SUBJECT(word, text, creator)                                                               \
	.id = word, .name = text, .from = "libglib2.0-dev", .create = creator, .destroy = destroy, \
	.size = size
#define TEXTS(word, text, creator)                                                         \
	{                                                                                  \
		{SUBJECT(word, text, creator), .batch = batch_16, .key_size = 16},         \
			{SUBJECT(word, text, creator), .batch = batch_48, .key_size = 48}, \
	}
#define WORDS(word, text, creator, own_texts)                                             \
	{                                                                                 \
		SUBJECT(word, text, creator), .batch = batch, .get = single_get,          \
					      .put = single_put, .insert = single_insert, \
					      .erase = single_erase, .walk = walk,        \
					      .texts = own_texts,                         \
	}

static const struct bench_subject texts[BENCH_TEXTS] = TEXTS("glib", "GLib + lock", create);
static const struct bench_subject shards_texts[BENCH_TEXTS] = TEXTS("glib32", "GLib 32 shards",
								    create_shards);
const struct bench_subject bench_glib = WORDS("glib", "GLib + lock", create, texts);
const struct bench_subject bench_glib_shards = WORDS("glib32", "GLib 32 shards", create_shards,
						     shards_texts);
