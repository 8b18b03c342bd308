/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A writer is frozen before each of its accesses to shared memory in turn, as a thread is that the
 * kernel does not run, and another thread loads: which loads end while it stands?
 *
 * hashmap promises: of other buckets, all. Of the writer's own bucket too, unless a snapshot was
 * opened since that was last written (hashmap.c, (1)): that this exception is real, and no larger, is
 * looked for as well. cowmap promises all. What waits has not ended after PATIENCE steps, a hundred
 * times what it needs. Opening a snapshot may wait for a lock, which is counted and promised by none.
 */
#include "explore/frozen.h"

#include "explore/sched.h"
#include "kit/kinds.h"

#include "core/key.h"
#include <calm/calm.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define KEYS 12 /* bound, and as many not; too few to grow by one more */
#define PATIENCE 4000
#define MAP_SEED 1
#define BUCKET_BITS 3 /* of hashmap with so few */

enum act { STORE, INSERT, DELETE, SWAP, COMPARE_AND_SWAP, APPLY, ACTS };
static const char *const act_names[ACTS] = {"store", "insert",           "delete",
					    "swap",  "compare_and_swap", "apply"};

static struct {
	const struct kit_kind *kind;
	calm_map *map;
	calm_key_kind keys;
	enum act act;
	uint64_t key;    /* the writer's */
	uint64_t loaded; /* the reader's */
	bool opens;      /* the reader opens a snapshot first, */
	bool opened;     /* and has */
	calm_status status;
} now;

static char names[2 * KEYS][16];

static calm_key key_of(uint64_t number)
{
	return now.keys == CALM_KEYS_BYTES ? calm_str(names[number]) : calm_word(number);
}

static uint64_t bucket_of(uint64_t number)
{
	struct calm__keys keys = {.kind = now.keys, .seed = MAP_SEED};
	return calm__key_hash(&keys, key_of(number)) >> (64 - BUCKET_BITS);
}

static void write_one(void)
{
	void *value = (void *)(uintptr_t)(100 + now.key);
	calm_change change = {.key = key_of(now.key), .value = value};
	switch (now.act) {
	case STORE:
	case INSERT:
		now.status = calm_map_store(now.map, key_of(now.key), value);
		break;
	case DELETE:
		now.status = calm_map_delete(now.map, key_of(now.key));
		break;
	case SWAP:
		now.status = calm_map_swap(now.map, key_of(now.key), value, NULL);
		break;
	case COMPARE_AND_SWAP:
		now.status = calm_map_compare_and_swap(now.map, key_of(now.key),
						       (void *)(uintptr_t)(1 + now.key), value);
		break;
	default:
		now.status = calm_map_apply(now.map, 1, &change);
		break;
	}
}

static void run(unsigned fiber, void *context)
{
	(void)context;
	if (fiber == 0) {
		write_one();
		return;
	}
	calm_snapshot *snapshot = NULL;
	void *value;
	if (now.opens && calm_map_snapshot(now.map, &snapshot) != CALM_OK)
		explore_fail("no snapshot");
	now.opened = explore_frozen();
	calm_status status = calm_map_load(now.map, key_of(now.loaded), &value);
	if (status < CALM_OK)
		explore_fail("load: %d", status);
	calm_snapshot_close(snapshot);
}

static void set_up(void)
{
	calm_options options = CALM_OPTIONS_INIT;
	options.seed = MAP_SEED;
	options.keys = now.keys;
	now.opened = false;
	explore_fresh(false);
	if (now.kind->create(&now.map, &options) != CALM_OK)
		abort();
	for (uint64_t i = 0; i < KEYS; i++)
		if (calm_map_store(now.map, key_of(i), (void *)(uintptr_t)(1 + i)) != CALM_OK)
			abort();
}

/* Freezes at one step. False: the writer had ended. */
static bool freeze(uint64_t step, bool *waited, bool *fine)
{
	struct explore_outcome outcome;
	struct explore_plan plan = {.policy = EXPLORE_BOUNDED,
				    .fibers = 2,
				    .run = run,
				    .most = 100 * PATIENCE,
				    .freeze_at = step,
				    .patience = PATIENCE};
	set_up();
	explore_run(&plan, &outcome);
	*waited = outcome.waited;
	if (outcome.failure[0] != '\0' || now.status < CALM_OK) {
		fprintf(stderr, "frozen: %s %s at step %" PRIu64 ": %s\n", now.kind->name,
			act_names[now.act], step, outcome.failure);
		*fine = false;
	}
	if (calm_map_destroy(now.map) != CALM_OK)
		*fine = false;
	return outcome.froze;
}

/* What waited, over all steps and keys. */
struct counts {
	uint64_t opens;
	uint64_t opens_of;
	uint64_t own; /* loads of the writer's bucket, */
	uint64_t own_of;
	uint64_t others; /* and of other buckets */
	uint64_t others_of;
};

static void freeze_everywhere(struct counts *counts, bool *fine)
{
	for (now.loaded = 0; now.loaded < KEYS; now.loaded++) {
		bool own = bucket_of(now.loaded) == bucket_of(now.key);
		bool waited;
		for (uint64_t step = 1; freeze(step, &waited, fine); step++) {
			counts->opens_of += now.opens;
			counts->opens += now.opens && !now.opened;
			if (!now.opened)
				continue;
			*(own ? &counts->own_of : &counts->others_of) += 1;
			*(own ? &counts->own : &counts->others) += waited;
		}
	}
}

static bool freeze_kind(const char *name, bool excepts)
{
	bool fine = true;
	now.kind = kit_kind_find(name);
	for (int bytes = 0; bytes < 2; bytes++) {
		for (int opens = 0; opens < 2; opens++) {
			struct counts counts = {0};
			now.keys = bytes ? CALM_KEYS_BYTES : CALM_KEYS_WORD;
			now.opens = opens;
			for (now.act = 0; now.act < ACTS; now.act++) {
				now.key = now.act == INSERT ? KEYS : 0;
				freeze_everywhere(&counts, &fine);
			}
			printf("frozen: %s, %s keys: waited %" PRIu64 " of %" PRIu64
			       " loads of the writer's bucket, %" PRIu64 " of %" PRIu64
			       " of others, %" PRIu64 " of %" PRIu64 " openings before them\n",
			       name, bytes ? "byte" : "word", counts.own, counts.own_of,
			       counts.others, counts.others_of, counts.opens, counts.opens_of);
			fine = fine && counts.others == 0 && counts.others_of > 0 &&
			       counts.own_of > 0 && (counts.own > 0) == (excepts && opens);
		}
	}
	return fine;
}

bool frozen_all(void)
{
	for (unsigned i = 0; i < 2 * KEYS; i++)
		snprintf(names[i], sizeof(names[i]), "name %u", i);
	bool fine = freeze_kind("hashmap", true);
	return freeze_kind("cowmap", false) && fine;
}
