/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A table of sessions from which a live walk deletes those that have expired, while others log in,
 * out and on: the very thing that is undefined in most libraries.
 *
 * The visitor may call any verb on the map it walks. It deletes with calm_map_compare_and_delete: a
 * session that was renewed since the walk saw it is another value, and stays. Which kind of map does
 * not matter; here all that need no walk at one instant are tried.
 *
 * To build: cc expired_sessions.c $(pkg-config --cflags --libs calm)
 */
#include <calm/calm.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define USERS 2000
#define LIFE 5 /* ticks that a session lives without being renewed */
#define TICKS 200
#define A_TICK 400 /* writes */

static calm_map *sessions; /* user -> the tick at which the session expires */
static atomic_ulong writes;
static atomic_ulong tick;
static atomic_uint failures;

/* Users log in, renew, and log out. */
static void *users(void *context)
{
	uint64_t random = (uint64_t)(uintptr_t)context;
	while (tick < TICKS) {
		char name[32];
		random = random * 6364136223846793005U + 1442695040888963407U;
		(void)snprintf(name, sizeof(name), "user-%" PRIu64, (random >> 33) % USERS);
		calm_status status = (random >> 60) == 0
					     ? calm_map_delete(sessions, calm_str(name))
					     : calm_map_store(sessions, calm_str(name),
							      (void *)(uintptr_t)(tick + LIFE));
		failures += status < CALM_OK;
		tick = ++writes / A_TICK;
	}
	return NULL;
}

struct sweep {
	uint64_t now;
	uint64_t seen;
	uint64_t deleted;
	uint64_t renewed; /* between being seen and being deleted */
};

static int sweep_one(calm_key key, void *value, void *context)
{
	struct sweep *sweep = context;
	sweep->seen++;
	if ((uint64_t)(uintptr_t)value > sweep->now)
		return 0;
	calm_status status = calm_map_compare_and_delete(sessions, key, value);
	sweep->deleted += status == CALM_OK;
	sweep->renewed += status == CALM_CHANGED;
	failures += status < CALM_OK;
	return 0;
}

static int is_expired(calm_key key, void *value, void *context)
{
	(void)key;
	*(uint64_t *)context += (uint64_t)(uintptr_t)value <= tick;
	return 0;
}

static int run(const char *name, calm_status create(calm_map **, const calm_options *))
{
	pthread_t threads[2];
	struct sweep sweep = {0};
	uint64_t expired = 0;
	calm_options options = CALM_OPTIONS_INIT;
	options.keys = CALM_KEYS_BYTES;
	if (create(&sessions, &options) != CALM_OK)
		return 1;
	tick = writes = 0;
	for (uintptr_t i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, users, (void *)(i + 1)) != 0)
			return 1;
	while (sweep.now < TICKS) {
		sweep.now = tick;
		failures += calm_map_each(sessions, sweep_one, &sweep) != 0;
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	/* Nobody renews any more: one sweep leaves nothing that has expired. */
	sweep.now = tick;
	failures += calm_map_each(sessions, sweep_one, &sweep) != 0;
	failures += calm_map_each(sessions, is_expired, &expired) != 0 || expired != 0;
	printf("%-9s %" PRIu64 " seen, %" PRIu64 " deleted while walking, %" PRIu64
	       " renewed just in time, %zu left\n",
	       name, sweep.seen, sweep.deleted, sweep.renewed, calm_map_size(sessions));
	return calm_map_destroy(sessions) != CALM_OK;
}

int main(void)
{
	int bad = run("hashmap", calm_hashmap_create) + run("syncmap", calm_syncmap_create) +
		  run("shardmap", calm_shardmap_create) + run("deltamap", calm_deltamap_create);
	printf("%u failures\n", (unsigned)failures);
	return bad == 0 && failures == 0 ? 0 : 1;
}
