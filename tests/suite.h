/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What the suites share: a test is written once and runs on every kind of map that exists, with
 * word and with byte keys; a kind that answers CALM_EUNSUPPORTED is a skipped test. Numbered keys,
 * values that know whether they live, an allocator that counts and fails, threads that start
 * together.
 *
 * CALM_TEST_SCALE multiplies what suite_long() returns; CALM_TEST_SEED is what suite_seed()
 * returns; the first argument of a program is a filter of test names ("lockmap, bytes: *").
 *
 * cmocka's assertions jump, so they are for the main thread; suite_check() aborts, and is for all.
 */
#ifndef TESTS_SUITE_H
#define TESTS_SUITE_H

#include "base/knobs.h"
#include "kit/clock.h"
#include "kit/kinds.h"
#include "kit/random.h"

#include <calm/calm.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#define SUITE_SLOWER 10
#endif
#endif
#if defined(SUITE_SLOWER)
#elif defined(__SANITIZE_THREAD__)
#define SUITE_SLOWER 10
#elif defined(__SANITIZE_ADDRESS__)
#define SUITE_SLOWER 3
#else
#define SUITE_SLOWER 1
#endif

/* What a test runs on. */
struct suite {
	const struct kit_kind *kind;
	calm_key_kind keys;
};

/* Whether many keys have the same hash: in a build with knobs (knobs/knobs.c). */
static inline bool suite_narrow_hash(void)
{
	return CALM__KNOB(hash_mask, UINT64_MAX) != UINT64_MAX;
}

/* What a test is for, where not for all. */
enum suite_only {
	SUITE_WORDS = 1,
	SUITE_BYTES = 2,
	SUITE_SNAPSHOTS = 4,
	SUITE_NO_SNAPSHOTS = 8,
	SUITE_ORDERED = 16
};

struct suite_test {
	const char *name;
	void (*run)(void **state); /* *state is a const struct suite */
	unsigned only;
};

_Noreturn static inline void suite_die(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	abort();
}

#define suite_check(condition) ((condition) ? (void)0 : suite_die(__FILE__, __LINE__, #condition))

static inline uint64_t suite_number(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);
	char *end = NULL;
	uint64_t number = text ? strtoull(text, &end, 0) : 0;
	return text && end != text && *end == '\0' ? number : otherwise;
}

/* n at scale 1 in a release build; less under a sanitizer, never 0. */
static inline uint64_t suite_long(uint64_t n)
{
	uint64_t scaled = n * suite_number("CALM_TEST_SCALE", 1) / SUITE_SLOWER;
	return scaled > 0 ? scaled : 1;
}

/* CALM_TEST_SEED, or a new one each time. */
static inline uint64_t suite_seed(void)
{
	return suite_number("CALM_TEST_SEED", kit_mix(kit_now_ns()));
}

/* ---- keys and plain values ---- */

/*
 * The i-th key. A byte key is the number, NULs and all, and up to 24 bytes more. It lies in a ring
 * of the thread's: good until 64 keys later.
 */
static inline calm_key suite_key(const struct suite *on, uint64_t i)
{
	static _Thread_local unsigned char ring[64][32];
	static _Thread_local unsigned turn;
	if (on->keys == CALM_KEYS_WORD)
		return calm_word(i);
	unsigned char *bytes = ring[turn++ % 64];
	memset(bytes, 'k', sizeof(ring[0]));
	memcpy(bytes, &i, sizeof(i));
	return calm_bytes(bytes, sizeof(i) + i % 25);
}

static inline uint64_t suite_index(calm_key key)
{
	uint64_t i = 0;
	if (calm_key_is_word(key))
		return calm_key_word(key);
	suite_check(key.size >= sizeof(i));
	memcpy(&i, key.data, sizeof(i));
	suite_check(key.size == sizeof(i) + i % 25);
	return i;
}

static inline void *suite_int(uint64_t number)
{
	return (void *)(uintptr_t)number;
}

/* What no call should leave in a result, or find there. */
#define SUITE_UNTOUCHED suite_int(0x756e746f75636864)

#define assert_bound(map, key, expected)                                     \
	do {                                                                 \
		void *bound_ = SUITE_UNTOUCHED;                              \
		assert_int_equal(calm_map_load(map, key, &bound_), CALM_OK); \
		assert_ptr_equal(bound_, expected);                          \
	} while (0)

#define assert_absent(map, key)                                                   \
	do {                                                                      \
		void *absent_ = SUITE_UNTOUCHED;                                  \
		assert_int_equal(calm_map_load(map, key, &absent_), CALM_ABSENT); \
		assert_ptr_equal(absent_, SUITE_UNTOUCHED);                       \
	} while (0)

/* ---- values that know whether they live ---- */

#define SUITE_LIVE 0x6c697665766c6976U
#define SUITE_QUARANTINE 4096

struct suite_items {
	_Atomic int64_t live;      /* made and not released */
	_Atomic uint64_t released; /* NULLs too */
	_Atomic uint64_t nulls;
};

struct suite_item {
	_Atomic uint64_t state; /* SUITE_LIVE, then 0 */
	uint64_t number;
};

static inline struct suite_item *suite_item(struct suite_items *items, uint64_t number)
{
	struct suite_item *item = malloc(sizeof(*item));
	suite_check(item != NULL);
	atomic_init(&item->state, SUITE_LIVE);
	item->number = number;
	atomic_fetch_add(&items->live, 1);
	return item;
}

/* Of an item that somebody can still see, the number. */
static inline uint64_t suite_item_number(void *value)
{
	struct suite_item *item = value;
	suite_check(atomic_load(&item->state) == SUITE_LIVE);
	uint64_t number = item->number;
	suite_check(atomic_load(&item->state) == SUITE_LIVE);
	return number;
}

/*
 * A calm_release_fn. Its memory is kept for a while, so that a second release, or a late reader,
 * finds the mark.
 */
static inline void suite_item_release(void *value, void *context)
{
	static _Atomic(struct suite_item *) quarantine[SUITE_QUARANTINE];
	static _Atomic uint64_t turn;
	struct suite_items *items = context;
	struct suite_item *item = value;
	atomic_fetch_add(&items->released, 1);
	if (!item) {
		atomic_fetch_add(&items->nulls, 1);
		return;
	}
	suite_check(atomic_exchange(&item->state, 0) == SUITE_LIVE);
	atomic_fetch_sub(&items->live, 1);
	free(atomic_exchange(&quarantine[atomic_fetch_add(&turn, 1) % SUITE_QUARANTINE], item));
}

/* ---- an allocator that counts, and fails when told ---- */

struct suite_heap {
	calm_allocator allocator;
	_Atomic int64_t blocks;
	_Atomic int64_t bytes;
	_Atomic uint64_t calls;
	_Atomic uint64_t failed;
	_Atomic uint64_t fail_at; /* the call that fails; 0: none */
	_Atomic bool on_and_on;   /* and all after it */
};

struct suite_block {
	_Alignas(16) uint64_t size;
	uint64_t mark;
};

static inline void *suite_alloc(size_t size, void *context)
{
	struct suite_heap *heap = context;
	uint64_t call = atomic_fetch_add(&heap->calls, 1) + 1;
	uint64_t at = atomic_load(&heap->fail_at);
	if (at != 0 && (call == at || (call > at && atomic_load(&heap->on_and_on)))) {
		atomic_fetch_add(&heap->failed, 1);
		errno = ENOMEM;
		return NULL;
	}
	struct suite_block *block = malloc(sizeof(*block) + size);
	suite_check(block != NULL);
	block->size = size;
	block->mark = SUITE_LIVE;
	memset(block + 1, 0xa5, size < 4096 ? size : 4096);
	atomic_fetch_add(&heap->blocks, 1);
	atomic_fetch_add(&heap->bytes, (int64_t)size);
	return block + 1;
}

static inline void suite_free(void *pointer, void *context)
{
	struct suite_heap *heap = context;
	struct suite_block *block = (struct suite_block *)pointer - 1;
	suite_check(block->mark == SUITE_LIVE);
	block->mark = 0;
	atomic_fetch_sub(&heap->blocks, 1);
	atomic_fetch_sub(&heap->bytes, (int64_t)block->size);
	memset(pointer, 0x5a, block->size < 4096 ? block->size : 4096);
	free(block);
}

static inline void suite_heap_init(struct suite_heap *heap)
{
	*heap = (struct suite_heap){.allocator = {suite_alloc, suite_free, heap}};
}

/* The n-th allocation from now on fails, and if on_and_on, all after it. n = 0: none. */
static inline void suite_heap_fail(struct suite_heap *heap, uint64_t n, bool on_and_on)
{
	atomic_store(&heap->on_and_on, on_and_on);
	atomic_store(&heap->fail_at, n > 0 ? atomic_load(&heap->calls) + n : 0);
}

/* ---- maps ---- */

static inline calm_options suite_options(const struct suite *on)
{
	calm_options options = CALM_OPTIONS_INIT;
	options.keys = on->keys;
	return options;
}

/* What calm_deltamap_compact() says, with memory. */
static inline calm_status suite_compacts(const struct suite *on)
{
	return strcmp(on->kind->name, "deltamap") == 0 ? CALM_OK : CALM_EUNSUPPORTED;
}

/* A map whose values are plain, or items of `items`; with malloc, or with `heap`. */
static inline calm_map *suite_map(const struct suite *on, struct suite_items *items,
				  struct suite_heap *heap)
{
	calm_options options = suite_options(on);
	calm_map *map = NULL;
	if (items) {
		options.release = suite_item_release;
		options.context = items;
	}
	options.allocator = heap ? &heap->allocator : NULL;
	suite_check(on->kind->create(&map, &options) == CALM_OK);
	return map;
}

/* The map holds together; without it, nothing of it is left. */
static inline void suite_end(calm_map *map, struct suite_items *items, struct suite_heap *heap)
{
	const char *broken = "";
	if (calm_debug_check(map, &broken) != CALM_OK)
		fail_msg("calm_debug_check: %s", broken);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
	assert_int_equal(items ? (int64_t)items->live : 0, 0);
	assert_int_equal(heap ? (int64_t)heap->blocks : 0, 0);
	assert_int_equal(heap ? (int64_t)heap->bytes : 0, 0);
}

/* ---- threads ---- */

struct suite_team {
	void (*run)(unsigned index, void *context);
	void *context;
	pthread_barrier_t start;
	_Atomic unsigned next;
};

static inline void *suite_member(void *pointer)
{
	struct suite_team *team = pointer;
	unsigned index = atomic_fetch_add(&team->next, 1);
	pthread_barrier_wait(&team->start);
	team->run(index, team->context);
	return NULL;
}

/* Runs run(0 … n-1, context) on n threads that start together, and joins them. */
static inline void suite_threads(unsigned n, void (*run)(unsigned index, void *context),
				 void *context)
{
	struct suite_team team = {.run = run, .context = context};
	pthread_t *threads = calloc(n, sizeof(*threads));
	suite_check(threads != NULL && pthread_barrier_init(&team.start, NULL, n) == 0);
	for (unsigned i = 0; i < n; i++)
		suite_check(pthread_create(&threads[i], NULL, suite_member, &team) == 0);
	for (unsigned i = 0; i < n; i++)
		suite_check(pthread_join(threads[i], NULL) == 0);
	pthread_barrier_destroy(&team.start);
	free(threads);
}

/* ---- running ---- */

static inline void suite_missing(void **state)
{
	(void)state;
	skip(); /* this build does not have the kind */
}

static inline bool suite_applies(const struct suite *on, unsigned only)
{
	if ((only & SUITE_WORDS && on->keys != CALM_KEYS_WORD) ||
	    (only & SUITE_BYTES && on->keys != CALM_KEYS_BYTES))
		return false;
	if (only & SUITE_ORDERED && !on->kind->ordered)
		return false;
	return !(only & SUITE_SNAPSHOTS && !on->kind->snapshots) &&
	       !(only & SUITE_NO_SNAPSHOTS && on->kind->snapshots);
}

/*
 * Runs each of n tests on every kind with either kind of key, and then m tests as they are. The
 * number that failed: what main returns.
 */
static inline int suite_run(int argc, char **argv, const struct suite_test *tests, size_t n,
			    const struct CMUnitTest *others, size_t m)
{
	static struct suite on[KIT_KINDS][2];
	size_t most = KIT_KINDS * 2 * (n + 1) + m;
	size_t count = 0;
	struct CMUnitTest *all = calloc(most, sizeof(*all));
	char(*names)[128] = calloc(most, sizeof(*names));
	suite_check(all != NULL && names != NULL);
	for (size_t k = 0; k < KIT_KINDS; k++) {
		const struct kit_kind *kind = &kit_kinds[k];
		if (!kit_kind_exists(kind)) {
			snprintf(names[count], sizeof(names[0]), "%s: not in this build",
				 kind->name);
			all[count] = (struct CMUnitTest){names[count], suite_missing, NULL, NULL,
							 NULL};
			count++;
			continue;
		}
		for (size_t i = 0; i < 2 * n; i++) {
			struct suite *it = &on[k][i / n];
			*it = (struct suite){kind, i < n ? CALM_KEYS_WORD : CALM_KEYS_BYTES};
			if (!suite_applies(it, tests[i % n].only))
				continue;
			snprintf(names[count], sizeof(names[0]), "%s, %s: %s", kind->name,
				 i < n ? "words" : "bytes", tests[i % n].name);
			all[count] = (struct CMUnitTest){names[count], tests[i % n].run, NULL, NULL,
							 it};
			count++;
		}
	}
	for (size_t i = 0; i < m; i++)
		all[count++] = others[i];
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	int failed = _cmocka_run_group_tests(argv[0], all, count, NULL, NULL);
	free(all);
	free(names);
	return failed > 0;
}

#define SUITE_TEST(function)           \
	{                              \
#function, function, 0 \
	}
#define SUITE_TEST_ONLY(function, only)   \
	{                                 \
#function, function, only \
	}
#define SUITE_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
