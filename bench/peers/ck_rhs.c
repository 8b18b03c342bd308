/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * ConcurrencyKit's robin-hood set of pointers, 64 of them with a mutex each for the one writer
 * ck_rhs allows; reclamation is ck_epoch's. A put of a present key stores the word in its entry.
 */
#include "bench/peers/ck_epoch.h"

#include <ck_pr.h>
#include <ck_rhs.h>
#include <pthread.h>
#include <stdlib.h>

#define SHARDS 64

struct entry {
	ck_epoch_entry_t epoch;
	uint64_t key, value;
};

struct shard {
	_Alignas(64) ck_rhs_t set;
	pthread_mutex_t lock;
};

struct map {
	struct domain domain;
	struct shard shards[SHARDS];
};

static unsigned long hash_entry(const void *entry, unsigned long seed)
{
	(void)seed;
	return bench_hash(((const struct entry *)entry)->key);
}

static bool same(const void *a, const void *b)
{
	return ((const struct entry *)a)->key == ((const struct entry *)b)->key;
}

static void *create(const struct bench_subject *subject, size_t capacity)
{
	struct map *map = aligned_alloc(64, (sizeof *map + 63) / 64 * 64);

	(void)subject;
	if (map == NULL)
		return NULL;
	domain_init(&map->domain);
	for (int i = 0; i < SHARDS; i++) {
		struct shard *shard = &map->shards[i];
		size_t slots = capacity / SHARDS * 2;
		(void)pthread_mutex_init(&shard->lock, NULL);
		if (!ck_rhs_init(&shard->set, CK_RHS_MODE_SPMC | CK_RHS_MODE_OBJECT, hash_entry,
				 same, &allocator, slots > 8 ? slots : 8, 1))
			abort();
	}
	return map;
}

static void destroy(void *pointer)
{
	struct map *map = pointer;

	for (int i = 0; i < SHARDS; i++) {
		ck_rhs_iterator_t iterator = CK_RHS_ITERATOR_INITIALIZER;
		void *entry;
		while (ck_rhs_next(&map->shards[i].set, &iterator, &entry))
			free(entry);
		ck_rhs_destroy(&map->shards[i].set);
	}
	domain_destroy(&map->domain);
	free(map);
}

BENCH_INLINE struct shard *shard_of(void *map, uint64_t hash)
{
	return &((struct map *)map)->shards[hash >> 58];
}

BENCH_INLINE bool get(void *map, void *thread, uint64_t key, uint64_t *value)
{
	struct entry wanted = {.key = key};
	uint64_t hash = bench_hash(key);

	ck_epoch_begin(thread, NULL);
	struct entry *entry = ck_rhs_get(&shard_of(map, hash)->set, hash, &wanted);
	if (entry != NULL)
		*value = ck_pr_load_64(&entry->value);
	(void)ck_epoch_end(thread, NULL);
	return entry != NULL;
}

static bool store(void *map, void *thread, uint64_t key, uint64_t value, bool replace)
{
	struct entry wanted = {.key = key};
	uint64_t hash = bench_hash(key);
	struct shard *shard = shard_of(map, hash);

	(void)thread;
	(void)pthread_mutex_lock(&shard->lock);
	struct entry *entry = ck_rhs_get(&shard->set, hash, &wanted);
	bool absent = entry == NULL, done = true;
	if (absent) {
		entry = bench_alloc(sizeof *entry);
		*entry = (struct entry){.key = key, .value = value};
		done = ck_rhs_put_unique(&shard->set, hash, entry);
	} else if (replace) {
		ck_pr_store_64(&entry->value, value);
	}
	(void)pthread_mutex_unlock(&shard->lock);
	return done && (absent || replace);
}

static bool put(void *map, void *thread, uint64_t key, uint64_t value)
{
	return store(map, thread, key, value, true);
}

static bool insert(void *map, void *thread, uint64_t key, uint64_t value)
{
	return store(map, thread, key, value, false);
}

static bool erase(void *map, void *thread, uint64_t key)
{
	struct entry wanted = {.key = key};
	uint64_t hash = bench_hash(key);
	struct shard *shard = shard_of(map, hash);

	(void)pthread_mutex_lock(&shard->lock);
	struct entry *entry = ck_rhs_remove(&shard->set, hash, &wanted);
	(void)pthread_mutex_unlock(&shard->lock);
	if (entry == NULL)
		return false;
	ck_epoch_call(thread, &entry->epoch, block_release);
	return true;
}

BENCH_BATCH(batch, get, put, insert, erase, poll)

static size_t size(void *pointer)
{
	struct map *map = pointer;
	size_t n = 0;

	for (int i = 0; i < SHARDS; i++)
		n += ck_rhs_count(&map->shards[i].set);
	return n;
}

const struct bench_subject bench_ck_rhs = {
	.id = "ck_rhs",
	.name = "ck_rhs 64 shards",
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
};
