/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The stock of a flash sale: many buyers, few articles, nothing sold that is not there.
 *
 * An article's stock and what was sold of it share one value, 32 bits each, so a sale is one
 * calm_map_update. Stock + sold of every article is then the same in every snapshot, however fast it
 * sells, and sales never become fewer from one snapshot to the next.
 *
 * To build: cc flash_sale.c $(pkg-config --cflags --libs calm); ./a.out [SALES]
 */
#include <calm/calm.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define ARTICLES 100
#define BUYERS 4

static calm_map *stock;
static uint64_t each_has; /* of every article, at the start */
static atomic_bool over;
static atomic_ulong sold;
static atomic_ulong refused;
static atomic_uint failures;

static void *pack(uint64_t left, uint64_t gone)
{
	return (void *)(uintptr_t)(left << 32 | gone);
}

/* Takes one, if there is one. It may run more than once for a sale. */
static calm_status take_one(calm_key key, bool present, void **value, bool *keep, void *context)
{
	uint64_t both = (uint64_t)(uintptr_t)*value;
	bool *took = context;
	(void)key, (void)keep;
	*took = present && both >> 32 > 0;
	if (!*took)
		return CALM_CHANGED; /* sold out: leave it as it is */
	*value = pack((both >> 32) - 1, (both & UINT32_MAX) + 1);
	return CALM_OK;
}

static void *buyer(void *context)
{
	uint64_t random = (uint64_t)(uintptr_t)context;
	/* Until everything is sold, and then as much again in vain. */
	for (uint64_t in_vain = 0; in_vain < 1000;) {
		random = random * 6364136223846793005U + 1442695040888963407U;
		bool took = false;
		calm_status status = calm_map_update(stock, calm_word((random >> 33) % ARTICLES),
						     take_one, &took);
		failures += status != (took ? CALM_OK : CALM_CHANGED);
		sold += took;
		refused += !took;
		in_vain = took ? 0 : in_vain + 1;
	}
	return NULL;
}

static int check_article(calm_key key, void *value, void *context)
{
	uint64_t both = (uint64_t)(uintptr_t)value;
	(void)key;
	failures += (both >> 32) + (both & UINT32_MAX) != each_has;
	*(uint64_t *)context += both & UINT32_MAX;
	return 0;
}

/* Snapshots all the while: each exact, and none with fewer sales than the one before it. */
static void *auditor(void *context)
{
	uint64_t *audits = context;
	uint64_t before = 0;
	do {
		calm_snapshot *snapshot;
		uint64_t now = 0;
		if (calm_map_snapshot(stock, &snapshot) != CALM_OK)
			return NULL;
		failures += calm_snapshot_each(snapshot, check_article, &now) != 0 || now < before;
		calm_snapshot_close(snapshot);
		before = now;
		++*audits;
	} while (!over);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t buyers[BUYERS];
	pthread_t audits;
	uint64_t audited = 0;
	uint64_t total = 0;
	each_has = (argc > 1 ? strtoull(argv[1], NULL, 10) : 200000) / ARTICLES;
	if (calm_hashmap_create(&stock, NULL) != CALM_OK)
		return 1;
	for (uint64_t i = 0; i < ARTICLES; i++)
		if (calm_map_store(stock, calm_word(i), pack(each_has, 0)) != CALM_OK)
			return 1;
	if (pthread_create(&audits, NULL, auditor, &audited) != 0)
		return 1;
	for (uintptr_t i = 0; i < BUYERS; i++)
		if (pthread_create(&buyers[i], NULL, buyer, (void *)(i + 1)) != 0)
			return 1;
	for (int i = 0; i < BUYERS; i++)
		pthread_join(buyers[i], NULL);
	over = true;
	pthread_join(audits, NULL);
	failures += calm_map_walk(stock, check_article, &total) != 0 || total != sold;
	printf("%" PRIu64 " of %" PRIu64 " sold, %lu refused, %" PRIu64 " audits, %u failures\n",
	       total, each_has * ARTICLES, (unsigned long)refused, audited, (unsigned)failures);
	return calm_map_destroy(stock) == CALM_OK && failures == 0 ? 0 : 1;
}
