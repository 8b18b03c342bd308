/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * conform: what is done to many keys or to the whole map: clear, size, reserve, load_many, apply,
 * growth, statistics.
 */
#ifndef TESTS_CONFORM_WHOLE_H
#define TESTS_CONFORM_WHOLE_H

#include "suite.h"

/* With a narrow hash, filling a map costs MANY^2. */
#define MANY (SUITE_SLOWER < 10 ? 2000 : 500)
#define VERY_MANY (SUITE_SLOWER < 10 ? 100000 : 20000)

static void fill(const struct suite *on, calm_map *map, uint64_t n, uint64_t add)
{
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(calm_map_store(map, suite_key(on, i), suite_int(i + add)),
				 CALM_OK);
}

static int count_visits(calm_key key, void *value, void *context)
{
	(void)key;
	(void)value;
	++*(uint64_t *)context;
	return 0;
}

/*
 * How many entries a test may use that wants VERY_MANY: where a write costs O(n) - with a narrow
 * hash, or on a map that copies - MANY.
 */
static uint64_t as_many_as_sensible(const struct suite *on)
{
	bool costs_n = suite_narrow_hash() && !on->kind->ordered;
	return costs_n || strcmp(on->kind->name, "cowmap") == 0 ? MANY : VERY_MANY;
}

static void clear(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	assert_int_equal(calm_map_clear(map), CALM_OK);
	for (uint64_t round = 1; round <= 3; round++) {
		fill(on, map, 300 * round, round);
		assert_int_equal(calm_map_size(map), 300 * round);
		assert_int_equal(calm_map_clear(map), CALM_OK);
		assert_int_equal(calm_map_size(map), 0);
		for (uint64_t i = 0; i < 300 * round; i++)
			assert_absent(map, suite_key(on, i));
		assert_int_equal(calm_map_delete(map, suite_key(on, 7)), CALM_ABSENT);
		assert_int_equal(calm_map_compare_and_swap(map, suite_key(on, 7),
							   suite_int(7 + round), NULL),
				 CALM_ABSENT);
		assert_int_equal(calm_map_swap(map, suite_key(on, 8), NULL, NULL), CALM_ABSENT);
		assert_int_equal(calm_map_size(map), 1);
	}
	suite_end(map, NULL, NULL);
}

static void size_is_exact_when_quiet(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	assert_int_equal(calm_map_size(map), 0);
	for (uint64_t i = 0; i < 100; i++) {
		assert_int_equal(calm_map_store(map, suite_key(on, i), NULL), CALM_OK);
		assert_int_equal(calm_map_size(map), i + 1);
		assert_int_equal(calm_map_store(map, suite_key(on, i), suite_int(1)), CALM_OK);
		assert_int_equal(calm_map_load_or_store(map, suite_key(on, i), NULL, NULL),
				 CALM_PRESENT);
		assert_int_equal(calm_map_size(map), i + 1);
	}
	for (uint64_t i = 0; i < 100; i++) {
		assert_int_equal(calm_map_compare_and_delete(map, suite_key(on, i), NULL),
				 CALM_CHANGED);
		assert_int_equal(calm_map_size(map), 100 - i);
		assert_int_equal(calm_map_delete(map, suite_key(on, i)), CALM_OK);
		assert_int_equal(calm_map_size(map), 99 - i);
		assert_int_equal(calm_map_delete(map, suite_key(on, i)), CALM_ABSENT);
		assert_int_equal(calm_map_size(map), 99 - i);
	}
	suite_end(map, NULL, NULL);
}

/*
 * For the tests of room: a shardmap's is spread over its tables as a good hash spreads keys. So
 * with a seed that does not leave that to chance, and with a narrow hash, in one table.
 */
static calm_options roomy_options(const struct suite *on)
{
	calm_options options = suite_options(on);
	options.seed = 1;
	if (suite_narrow_hash())
		options.shards = 1;
	return options;
}

/* Room that was asked for is there: filling it grows no table. */
static void reserve(void **state)
{
	const struct suite *on = *state;
	const calm_options options = roomy_options(on);
	calm_map *map = NULL;
	calm_stats before;
	calm_stats after;
	assert_int_equal(on->kind->create(&map, &options), CALM_OK);
	fill(on, map, 50, 0);
	assert_int_equal(calm_map_reserve(map, 0), CALM_OK);
	assert_int_equal(calm_map_reserve(map, 10), CALM_OK);
	assert_int_equal(calm_map_reserve(map, MANY), CALM_OK);
	assert_int_equal(calm_map_size(map), 50);
	for (uint64_t i = 0; i < 50; i++)
		assert_bound(map, suite_key(on, i), suite_int(i));
	/* A kind may take the hint when it makes its next table. */
	assert_int_equal(calm_map_store(map, suite_key(on, MANY), NULL), CALM_OK);
	calm_map_stats(map, &before);
	fill(on, map, MANY - 1, 1);
	calm_map_stats(map, &after);
	if (!on->kind->ordered) /* a tree grows by a leaf at a time: there is nothing to reserve */
		assert_int_equal(after.resizes, before.resizes);
	suite_end(map, NULL, NULL);
}

static void capacity(void **state)
{
	const struct suite *on = *state;
	calm_options options = roomy_options(on);
	calm_map *map = NULL;
	calm_stats stats;
	options.capacity = MANY;
	assert_int_equal(on->kind->create(&map, &options), CALM_OK);
	fill(on, map, MANY, 0);
	calm_map_stats(map, &stats);
	assert_int_equal(stats.entries, MANY);
	if (!on->kind->ordered)
		assert_int_equal(stats.resizes, 0);
	suite_end(map, NULL, NULL);
}

static void load_many(void **state)
{
	enum { N = 200 };
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	static unsigned char bytes[N][4];
	calm_key keys[N];
	void *values[N];
	calm_status found[N];
	calm_key other = on->keys == CALM_KEYS_WORD ? calm_str("word") : calm_word(3);
	size_t there = 0;
	for (uint32_t i = 0; i < N; i++) {
		memcpy(bytes[i], &i, 4);
		keys[i] = on->keys == CALM_KEYS_WORD ? calm_word(i) : calm_bytes(bytes[i], 4);
		values[i] = SUITE_UNTOUCHED;
		found[i] = CALM_EBUSY;
		if (i % 3 == 0)
			assert_int_equal(calm_map_store(map, keys[i], i % 2 ? suite_int(i) : NULL),
					 CALM_OK);
	}
	keys[5] = keys[9];
	keys[30] = other;
	keys[31] = calm_bytes(bytes, CALM_KEY_SIZE_MAX + 1);
	there = calm_map_load_many(map, N, keys, values, found);
	for (uint32_t i = 0; i < N; i++) {
		bool bad = i == 30 || i == 31;
		uint32_t at = i == 5 ? 9 : i;
		bool ok = !bad && at % 3 == 0;
		assert_int_equal(found[i], bad ? CALM_EKEY : ok ? CALM_OK : CALM_ABSENT);
		assert_ptr_equal(values[i], !ok ? SUITE_UNTOUCHED : at % 2 ? suite_int(at) : NULL);
		there -= ok;
	}
	assert_int_equal(there, 0);
	assert_int_equal(calm_map_load_many(map, 0, keys, values, found), 0);
	assert_int_equal(calm_map_load_many(map, 0, NULL, NULL, NULL), 0);
	suite_end(map, NULL, NULL);
}

static void apply(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	fill(on, map, 5, 0);
	calm_change changes[] = {
		{suite_key(on, 0), suite_int(100), false},
		{suite_key(on, 1), NULL, true},
		{suite_key(on, 50), suite_int(150), false},
		{suite_key(on, 51), SUITE_UNTOUCHED, true},
		{suite_key(on, 2), suite_int(102), false},
		{suite_key(on, 2), suite_int(103), false},
		{suite_key(on, 3), suite_int(104), false},
		{suite_key(on, 3), NULL, true},
		{suite_key(on, 52), suite_int(152), false},
		{suite_key(on, 52), NULL, true},
		{suite_key(on, 4), NULL, true},
		{suite_key(on, 4), NULL, false},
	};
	assert_int_equal(calm_map_apply(map, SUITE_COUNT(changes), changes), CALM_OK);
	assert_bound(map, suite_key(on, 0), suite_int(100));
	assert_absent(map, suite_key(on, 1));
	assert_bound(map, suite_key(on, 2), suite_int(103));
	assert_absent(map, suite_key(on, 3));
	assert_bound(map, suite_key(on, 4), NULL);
	assert_bound(map, suite_key(on, 50), suite_int(150));
	assert_absent(map, suite_key(on, 51));
	assert_absent(map, suite_key(on, 52));
	assert_int_equal(calm_map_size(map), 4);
	assert_int_equal(calm_map_apply(map, 0, NULL), CALM_OK);
	assert_int_equal(calm_map_apply(map, 0, changes), CALM_OK);
	/* One bad key anywhere, and nothing happens. */
	changes[8].key = on->keys == CALM_KEYS_WORD ? calm_str("word") : calm_word(3);
	changes[0].value = suite_int(999);
	assert_int_equal(calm_map_apply(map, SUITE_COUNT(changes), changes), CALM_EKEY);
	assert_bound(map, suite_key(on, 0), suite_int(100));
	assert_bound(map, suite_key(on, 2), suite_int(103));
	assert_int_equal(calm_map_size(map), 4);
	suite_end(map, NULL, NULL);
}

/* Many changes at once, into a small map; some keys many times. */
static void apply_grows(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	calm_change *changes = calloc(MANY, sizeof(*changes));
	unsigned char *bytes = calloc(MANY, 8);
	assert_true(changes != NULL && bytes != NULL);
	for (uint64_t i = 0; i < MANY; i++) {
		uint64_t key = i % (MANY / 2);
		memcpy(bytes + i * 8, &key, 8);
		changes[i].key = on->keys == CALM_KEYS_WORD ? calm_word(key)
							    : calm_bytes(bytes + i * 8, 8);
		changes[i].value = suite_int(i);
		changes[i].remove = i % 5 == 4 && i >= MANY / 2;
	}
	assert_int_equal(calm_map_apply(map, MANY, changes), CALM_OK);
	assert_int_equal(calm_map_size(map), MANY / 2 - MANY / 2 / 5);
	for (uint64_t i = MANY / 2; i < MANY; i++) {
		if (changes[i].remove)
			assert_absent(map, changes[i].key);
		else
			assert_bound(map, changes[i].key, suite_int(i));
	}
	free(changes);
	free(bytes);
	suite_end(map, NULL, NULL);
}

static void what_needs_snapshots_is_unsupported(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	calm_change change = {suite_key(on, 1), suite_int(9), false};
	calm_snapshot *snapshot = (calm_snapshot *)SUITE_UNTOUCHED;
	uint64_t visits = 0;
	fill(on, map, 3, 0);
	assert_int_equal(calm_map_apply(map, 1, &change), CALM_EUNSUPPORTED);
	assert_int_equal(calm_map_snapshot(map, &snapshot), CALM_EUNSUPPORTED);
	assert_int_equal(calm_map_drain(map, &snapshot), CALM_EUNSUPPORTED);
	assert_ptr_equal(snapshot, SUITE_UNTOUCHED);
	assert_int_equal(calm_map_walk(map, count_visits, &visits), CALM_EUNSUPPORTED);
	assert_int_equal(visits, 0);
	assert_bound(map, suite_key(on, 1), suite_int(1));
	assert_int_equal(calm_map_size(map), 3);
	suite_end(map, NULL, NULL);
}

static void grows_and_shrinks(void **state)
{
	const struct suite *on = *state;
	struct suite_heap heap;
	suite_heap_init(&heap);
	calm_map *map = suite_map(on, NULL, &heap);
	uint64_t n = as_many_as_sensible(on);
	uint64_t left = n / 100;
	uint64_t visits = 0;
	fill(on, map, n, 1);
	int64_t most = heap.bytes;
	assert_int_equal(calm_map_size(map), n);
	for (uint64_t i = 0; i < n; i++)
		assert_bound(map, suite_key(on, i), suite_int(i + 1));
	assert_absent(map, suite_key(on, n));
	assert_int_equal(calm_map_each(map, count_visits, &visits), 0);
	assert_int_equal(visits, n);
	for (uint64_t i = left; i < n; i++)
		assert_int_equal(calm_map_delete(map, suite_key(on, i)), CALM_OK);
	assert_int_equal(calm_map_size(map), left);
	for (uint64_t i = 0; i < n; i += i < left ? 1 : 97)
		if (i < left)
			assert_bound(map, suite_key(on, i), suite_int(i + 1));
		else
			assert_absent(map, suite_key(on, i));
	visits = 0;
	assert_int_equal(calm_map_each(map, count_visits, &visits), 0);
	assert_int_equal(visits, left);
	/* New keys, each after a walk: where tables are copied, they have been by now. */
	for (uint64_t i = n; i < n + 3; i++) {
		assert_int_equal(calm_map_store(map, suite_key(on, i), NULL), CALM_OK);
		assert_int_equal(calm_map_each(map, count_visits, &visits), 0);
	}
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_true(heap.bytes < most / 2);
	suite_end(map, NULL, &heap);
}

/* The same seed and the same calls: the same order. */
static int note_order(calm_key key, void *value, void *context)
{
	uint64_t *sum = context;
	*sum = kit_mix(*sum ^ suite_index(key)) + (uint64_t)(uintptr_t)value;
	return 0;
}

static void a_seed_repeats_a_run(void **state)
{
	const struct suite *on = *state;
	uint64_t sums[2] = {0, 0};
	for (int run = 0; run < 2; run++) {
		calm_options options = suite_options(on);
		calm_map *map = NULL;
		options.seed = 42;
		assert_int_equal(on->kind->create(&map, &options), CALM_OK);
		fill(on, map, 500, 3);
		for (uint64_t i = 0; i < 500; i += 3)
			assert_int_equal(calm_map_delete(map, suite_key(on, i)), CALM_OK);
		assert_int_equal(calm_map_each(map, note_order, &sums[run]), 0);
		suite_end(map, NULL, NULL);
	}
	assert_int_equal(sums[0], sums[1]);
	assert_true(sums[0] != 0);
}

/* What calm_map_stats says is held against what the test knows. */
static void statistics(void **state)
{
	const struct suite *on = *state;
	struct suite_heap heap;
	calm_stats stats;
	suite_heap_init(&heap);
	calm_map *map = suite_map(on, NULL, &heap);
	calm_map_stats(map, &stats);
	assert_int_equal(stats.entries, 0);
	assert_int_equal(stats.bytes, heap.bytes);
	assert_int_equal(stats.resizes + stats.copies + stats.copied_bytes + stats.promotions, 0);
	fill(on, map, MANY, 0);
	fill(on, map, MANY, 1);
	for (uint64_t i = 0; i < MANY; i += 2)
		assert_int_equal(calm_map_delete(map, suite_key(on, i)), CALM_OK);
	assert_int_equal(calm_read_wait(), CALM_OK);
	calm_map_stats(map, &stats);
	assert_int_equal(stats.entries, MANY / 2);
	assert_int_equal(stats.bytes, heap.bytes);
	assert_true(stats.bytes > MANY / 2 * 16);
	assert_true((stats.copies > 0) == (stats.copied_bytes > 0));
	assert_int_equal(stats.history_bytes, 0);
	assert_int_equal(stats.snapshots, 0);
	assert_int_equal(stats.oldest_snapshot_ns, 0);
	assert_int_equal(stats.retired, 0);
	calm_map_stats(NULL, &stats);
	assert_int_equal(stats.entries + stats.bytes + stats.resizes, 0);
	suite_end(map, NULL, &heap);
}

static uint64_t line_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	assert_non_null(at);
	return strtoull(at + strlen(name), NULL, 10);
}

static void a_dump_says_what_the_statistics_do(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	char text[4096] = "";
	FILE *file = fmemopen(text, sizeof(text), "w");
	assert_non_null(file);
	fill(on, map, 77, 0);
	assert_int_equal(calm_debug_dump(map, file), CALM_OK);
	fclose(file);
	assert_non_null(strstr(text, on->kind->name));
	assert_int_equal(line_of(text, "\n  entries"), 77);
	suite_end(map, NULL, NULL);
}

#define CONFORM_WHOLE                                                                     \
	SUITE_TEST(clear), SUITE_TEST(size_is_exact_when_quiet), SUITE_TEST(reserve),     \
		SUITE_TEST(capacity), SUITE_TEST(load_many),                              \
		SUITE_TEST_ONLY(apply, SUITE_SNAPSHOTS),                                  \
		SUITE_TEST_ONLY(apply_grows, SUITE_SNAPSHOTS),                            \
		SUITE_TEST_ONLY(what_needs_snapshots_is_unsupported, SUITE_NO_SNAPSHOTS), \
		SUITE_TEST(grows_and_shrinks), SUITE_TEST(a_seed_repeats_a_run),          \
		SUITE_TEST(statistics), SUITE_TEST(a_dump_says_what_the_statistics_do)

#endif
