/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * ConcurrencyKit's ck_ht in direct mode (words in the table), 64 of them: ck_ht.h.
 *
 * Tables outgrown while readers may be in them are kept until no thread is at work; ck leaves that
 * to its user.
 */
#include "bench/peers/ck_ht.h"

#include <string.h>

/* In front of every block that ck asks for. */
struct block {
	_Alignas(16) struct block *next;
};

static pthread_mutex_t parked_lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *parked; /* under parked_lock: freed by ck, perhaps still read */
static unsigned inside;      /* under parked_lock: threads at work, on any map */

static void *block_malloc(size_t size)
{
	struct block *block = bench_alloc(sizeof *block + size);

	return block + 1;
}

static void block_free(void *pointer, size_t size, bool defer)
{
	struct block *block = (struct block *)pointer - 1;

	(void)size;
	if (pointer == NULL)
		return;
	if (!defer) {
		free(block);
		return;
	}
	(void)pthread_mutex_lock(&parked_lock);
	block->next = parked;
	parked = block;
	(void)pthread_mutex_unlock(&parked_lock);
}

static void free_parked(void)
{
	while (parked != NULL) {
		struct block *block = parked;
		parked = block->next;
		free(block);
	}
}

static void *enter(void *map)
{
	(void)pthread_mutex_lock(&parked_lock);
	inside++;
	(void)pthread_mutex_unlock(&parked_lock);
	return map;
}

static void leave(void *map, void *thread)
{
	(void)map;
	(void)thread;
	(void)pthread_mutex_lock(&parked_lock);
	if (--inside == 0)
		free_parked();
	(void)pthread_mutex_unlock(&parked_lock);
}

static struct ck_malloc allocator = {.malloc = block_malloc, .free = block_free};

static void hash_word(ck_ht_hash_t *out, const void *key, size_t size, uint64_t seed)
{
	uint64_t word;

	(void)size;
	(void)seed;
	memcpy(&word, key, sizeof word);
	out->value = bench_hash(word);
}

static void destroy(void *map)
{
	shards_destroy(map);
	free(map);
}

static void *create(const struct bench_subject *subject, size_t capacity)
{
	struct shards *shards = aligned_alloc(64, sizeof *shards);

	(void)subject;
	if (shards != NULL)
		shards_init(shards, CK_HT_MODE_DIRECT, hash_word, &allocator, capacity);
	return shards;
}

BENCH_INLINE struct shard *shard_of(void *map, ck_ht_hash_t *hash, uint64_t key)
{
	hash->value = bench_hash(key);
	return shards_at(map, hash->value);
}

BENCH_INLINE bool get(void *map, void *thread, uint64_t key, uint64_t *value)
{
	ck_ht_hash_t hash;
	ck_ht_entry_t entry;
	struct shard *shard = shard_of(map, &hash, key);

	(void)thread;
	ck_ht_entry_key_set_direct(&entry, key);
	if (!ck_ht_get_spmc(&shard->table, hash, &entry))
		return false;
	*value = ck_ht_entry_value_direct(&entry);
	return true;
}

static bool put(void *map, void *thread, uint64_t key, uint64_t value)
{
	ck_ht_hash_t hash;
	ck_ht_entry_t entry;
	struct shard *shard = shard_of(map, &hash, key);

	(void)thread;
	ck_ht_entry_set_direct(&entry, hash, key, value);
	(void)pthread_mutex_lock(&shard->lock);
	bool done = ck_ht_set_spmc(&shard->table, hash, &entry);
	(void)pthread_mutex_unlock(&shard->lock);
	return done;
}

static bool insert(void *map, void *thread, uint64_t key, uint64_t value)
{
	ck_ht_hash_t hash;
	ck_ht_entry_t entry;
	struct shard *shard = shard_of(map, &hash, key);

	(void)thread;
	ck_ht_entry_set_direct(&entry, hash, key, value);
	(void)pthread_mutex_lock(&shard->lock);
	bool done = ck_ht_put_spmc(&shard->table, hash, &entry);
	(void)pthread_mutex_unlock(&shard->lock);
	return done;
}

static bool erase(void *map, void *thread, uint64_t key)
{
	ck_ht_hash_t hash;
	ck_ht_entry_t entry;
	struct shard *shard = shard_of(map, &hash, key);

	(void)thread;
	ck_ht_entry_key_set_direct(&entry, key);
	(void)pthread_mutex_lock(&shard->lock);
	bool done = ck_ht_remove_spmc(&shard->table, hash, &entry);
	(void)pthread_mutex_unlock(&shard->lock);
	return done;
}

BENCH_BATCH(batch, get, put, insert, erase, BENCH_NO_PAUSE)

static size_t size(void *map)
{
	return shards_count(map);
}

const struct bench_subject bench_ck_ht = {
	.id = "ck_ht",
	.name = "ck_ht 64 shards",
	.from = "libck-dev",
	.create = create,
	.destroy = destroy,
	.enter = enter,
	.leave = leave,
	.batch = batch,
	.get = get,
	.put = put,
	.insert = insert,
	.erase = erase,
	.size = size,
	.texts = bench_ck_ht_texts,
};
