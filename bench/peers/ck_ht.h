/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * ConcurrencyKit's ck_ht: one writer, many readers, so 64 tables with a mutex each for writers. A
 * mutex, since a spinning lock collapses once threads outnumber processors.
 */
#ifndef BENCH_PEERS_CK_HT_H
#define BENCH_PEERS_CK_HT_H

#include "bench/adapter.h"

#include <ck_ht.h>
#include <pthread.h>
#include <stdlib.h>

#define SHARDS 64

struct shard {
	_Alignas(64) ck_ht_t table;
	pthread_mutex_t lock;
};

struct shards {
	struct shard at[SHARDS];
};

extern const struct bench_subject bench_ck_ht_texts[];

/* ck_ht grows past half full. */
static void shards_init(struct shards *shards, unsigned mode, ck_ht_hash_cb_t *hash,
			struct ck_malloc *allocator, size_t capacity)
{
	size_t slots = capacity / SHARDS * 2 + capacity / SHARDS / 4;

	for (int i = 0; i < SHARDS; i++) {
		struct shard *shard = &shards->at[i];
		(void)pthread_mutex_init(&shard->lock, NULL);
		if (!ck_ht_init(&shard->table, mode, hash, allocator, slots > 8 ? slots : 8, 1))
			abort();
	}
}

static void shards_destroy(struct shards *shards)
{
	for (int i = 0; i < SHARDS; i++) {
		ck_ht_destroy(&shards->at[i].table);
		(void)pthread_mutex_destroy(&shards->at[i].lock);
	}
}

static size_t shards_count(struct shards *shards)
{
	size_t n = 0;

	for (int i = 0; i < SHARDS; i++)
		n += ck_ht_count(&shards->at[i].table);
	return n;
}

BENCH_INLINE struct shard *shards_at(struct shards *shards, uint64_t hash)
{
	return &shards->at[hash >> 58];
}

#endif
