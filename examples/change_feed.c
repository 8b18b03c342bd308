/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A change feed: what was added, changed and removed between two snapshots, sent to a replica.
 *
 * The publisher opens a snapshot, and sends what differs from the one before it; the older is closed,
 * the younger kept for the next round. The replica applies each feed as one calm_map_apply, so
 * whoever walks it sees one of the publisher's instants too. At the end both maps are the same.
 * Between two rounds any number of changes to one key are one change.
 *
 * To build: cc change_feed.c $(pkg-config --cflags --libs calm)
 */
#include <calm/calm.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define KEYS 5000
#define ROUNDS 30

static calm_map *source;
static atomic_bool over;
static atomic_ulong writes;
static unsigned failures;

static void *writer(void *context)
{
	uint64_t random = (uint64_t)(uintptr_t)context;
	while (!over) {
		random = random * 6364136223846793005U + 1442695040888963407U;
		calm_key key = calm_word((random >> 33) % KEYS);
		if (random >> 62 == 0)
			(void)calm_map_delete(source, key);
		else
			(void)calm_map_store(source, key, (void *)(uintptr_t)(random >> 8));
		writes++;
	}
	return NULL;
}

struct feed {
	calm_change changes[KEYS];
	size_t n;
	uint64_t added;
	uint64_t changed;
	uint64_t removed;
};

static int collect(calm_key key, bool before, void *old_value, bool after, void *new_value,
		   void *context)
{
	struct feed *feed = context;
	(void)old_value;
	feed->added += !before;
	feed->changed += before && after;
	feed->removed += !after;
	feed->changes[feed->n++] = (calm_change){key, new_value, !after};
	return 0;
}

/* What changed since *last, to the replica. *last becomes the newer snapshot. */
static bool send_feed(struct feed *feed, calm_map *replica, calm_snapshot **last)
{
	calm_snapshot *now;
	feed->n = 0;
	if (calm_map_snapshot(source, &now) != CALM_OK)
		return false;
	bool good = calm_snapshot_diff(*last, now, collect, feed) == 0 &&
		    calm_map_apply(replica, feed->n, feed->changes) == CALM_OK &&
		    calm_map_size(replica) == calm_snapshot_size(now);
	calm_snapshot_close(*last);
	*last = now;
	return good;
}

static int is_the_same(calm_key key, void *value, void *context)
{
	void *other = NULL;
	return calm_map_load(context, key, &other) != CALM_OK || other != value;
}

int main(void)
{
	pthread_t threads[2];
	calm_map *replica;
	calm_snapshot *last;
	struct feed *feed = calloc(1, sizeof(*feed));
	if (!feed || calm_deltamap_create(&source, NULL) != CALM_OK ||
	    calm_hashmap_create(&replica, NULL) != CALM_OK ||
	    calm_map_snapshot(source, &last) != CALM_OK)
		return 1;
	for (uintptr_t i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, writer, (void *)(i + 1)) != 0)
			return 1;
	for (int round = 0; round < ROUNDS; round++)
		failures += !send_feed(feed, replica, &last);
	over = true;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	failures += !send_feed(feed, replica, &last);
	calm_snapshot_close(last);
	failures += calm_map_walk(source, is_the_same, replica) != 0;
	failures += calm_map_size(source) != calm_map_size(replica);
	printf("%lu writes came as %" PRIu64 " additions, %" PRIu64 " changes, %" PRIu64
	       " removals in %d feeds; %u failures\n",
	       (unsigned long)writes, feed->added, feed->changed, feed->removed, ROUNDS + 1,
	       failures);
	failures += calm_map_destroy(source) != CALM_OK || calm_map_destroy(replica) != CALM_OK;
	free(feed);
	return failures == 0 ? 0 : 1;
}
