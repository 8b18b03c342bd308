/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * ConcurrencyKit's ck_ht in byte string mode: key and value are addresses, here into one entry, and
 * the table has the key's length and a part of its hash beside them. 64 tables with a mutex each for
 * the one writer ck_ht allows; reclamation is ck_epoch's. A put of a present key stores the word in
 * its entry.
 */
#include "bench/peers/ck_epoch.h"
#include "bench/peers/ck_ht.h"
#include "bench/text.h"

#include <ck_pr.h>

struct entry {
	ck_epoch_entry_t epoch;
	uint64_t value;
	char key[];
};

struct map {
	struct domain domain;
	struct shards shards;
};

static void hash_text(ck_ht_hash_t *out, const void *key, size_t size, uint64_t seed)
{
	(void)seed;
	out->value = bench_text_hash(key, size);
}

static void *create(const struct bench_subject *subject, size_t capacity)
{
	struct map *map = aligned_alloc(64, (sizeof *map + 63) / 64 * 64);

	(void)subject;
	if (map != NULL) {
		domain_init(&map->domain);
		shards_init(&map->shards, CK_HT_MODE_BYTESTRING, hash_text, &allocator, capacity);
	}
	return map;
}

static void destroy(void *pointer)
{
	struct map *map = pointer;

	for (int i = 0; i < SHARDS; i++) {
		ck_ht_iterator_t iterator = CK_HT_ITERATOR_INITIALIZER;
		ck_ht_entry_t *slot;
		while (ck_ht_next(&map->shards.at[i].table, &iterator, &slot))
			free(ck_ht_entry_value(slot));
	}
	shards_destroy(&map->shards);
	domain_destroy(&map->domain);
	free(map);
}

static size_t size(void *map)
{
	return shards_count(&((struct map *)map)->shards);
}

BENCH_INLINE struct shard *shard_of(void *map, ck_ht_hash_t *hash, ck_ht_entry_t *slot,
				    const struct bench_text *key)
{
	hash->value = bench_text_hash(key->bytes, key->size);
	ck_ht_entry_key_set(slot, key->bytes, (uint16_t)key->size);
	return shards_at(&((struct map *)map)->shards, hash->value);
}

BENCH_INLINE bool get(void *map, void *thread, const struct bench_text *key, uint64_t *value)
{
	ck_ht_hash_t hash;
	ck_ht_entry_t slot;
	struct shard *shard = shard_of(map, &hash, &slot, key);

	ck_epoch_begin(thread, NULL);
	bool found = ck_ht_get_spmc(&shard->table, hash, &slot);
	if (found)
		*value = ck_pr_load_64(&((struct entry *)ck_ht_entry_value(&slot))->value);
	(void)ck_epoch_end(thread, NULL);
	return found;
}

static bool store(void *map, const struct bench_text *key, uint64_t value, bool replace)
{
	ck_ht_hash_t hash;
	ck_ht_entry_t slot;
	struct shard *shard = shard_of(map, &hash, &slot, key);
	bool done = replace;

	(void)pthread_mutex_lock(&shard->lock);
	if (!ck_ht_get_spmc(&shard->table, hash, &slot)) {
		struct entry *entry = bench_alloc(sizeof *entry + key->size);
		entry->value = value;
		memcpy(entry->key, key->bytes, key->size);
		ck_ht_entry_set(&slot, hash, entry->key, (uint16_t)key->size, entry);
		done = ck_ht_put_spmc(&shard->table, hash, &slot);
	} else if (replace) {
		ck_pr_store_64(&((struct entry *)ck_ht_entry_value(&slot))->value, value);
	}
	(void)pthread_mutex_unlock(&shard->lock);
	return done;
}

BENCH_INLINE bool put(void *map, void *thread, const struct bench_text *key, uint64_t value)
{
	(void)thread;
	return store(map, key, value, true);
}

BENCH_INLINE bool insert(void *map, void *thread, const struct bench_text *key, uint64_t value)
{
	(void)thread;
	return store(map, key, value, false);
}

static bool erase(void *map, void *thread, const struct bench_text *key)
{
	ck_ht_hash_t hash;
	ck_ht_entry_t slot;
	struct shard *shard = shard_of(map, &hash, &slot, key);

	(void)pthread_mutex_lock(&shard->lock);
	bool done = ck_ht_remove_spmc(&shard->table, hash, &slot);
	(void)pthread_mutex_unlock(&shard->lock);
	if (done)
		ck_epoch_call(thread, &((struct entry *)ck_ht_entry_value(&slot))->epoch,
			      block_release);
	return done;
}

BENCH_TEXT_BATCHES(get, put, insert, erase, poll)

#define TEXT(length, driver)                                                                       \
	{                                                                                          \
		.id = "ck_ht", .name = "ck_ht 64 shards", .from = "libck-dev", .create = create,   \
		.destroy = destroy, .enter = enter, .leave = leave, .batch = driver, .size = size, \
		.key_size = length,                                                                \
	}

const struct bench_subject bench_ck_ht_texts[BENCH_TEXTS] = {TEXT(16, batch_16),
							     TEXT(48, batch_48)};
