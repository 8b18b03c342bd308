/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Ordered kinds against a sorted reference: a universe of keys, sorted by the definition of their
 * order, and for each whether it is bound. Random writes; ranges between every pair of bounds, both
 * ways; cursors that go back and forth; on the map and on snapshots of earlier states. The
 * universes are what trees get wrong: keys that differ in the last byte only, beginnings of one
 * another, zeros and 0xff, the empty key, dense and extreme words.
 *
 * A failure prints the seed, which CALM_TEST_SEED sets.
 */
#include "suite.h"

#include <time.h>

#define KEYS 400
#define OPEN 3
#define STEPS 1500000
#define EPISODE 25000

struct state {
	bool present[KEYS];
	uint64_t values[KEYS];
};

struct run {
	const struct suite *on;
	uint64_t seed;
	uint64_t step;
	struct kit_random random;
	calm_key keys[KEYS]; /* rising */
	char *bytes;
	calm_map *map;
	struct state now;
	calm_snapshot *open[OPEN];
	struct state then[OPEN];
	/* What a traversal must show. */
	const struct state *shows;
	int at; /* the last one seen */
	int end;
	int by; /* 1 or -1 */
	unsigned stop_after;
	bool wrong;
};

static void failed(const struct run *run, int line, const char *what)
{
	fail_msg("%s, %s keys, step %llu: not so: %s\nline %d; to repeat: CALM_TEST_SEED=%llu",
		 run->on->kind->name, run->on->keys == CALM_KEYS_WORD ? "word" : "byte",
		 (unsigned long long)run->step, what, line, (unsigned long long)run->seed);
}

#define expect(condition) ((condition) ? (void)0 : failed(run, __LINE__, #condition))

static int below(struct run *run, int n)
{
	return (int)kit_random_below(&run->random, (uint64_t)n);
}

/* ---- universes ---- */

static int by_key(const void *a, const void *b)
{
	const calm_key *left = a;
	const calm_key *right = b;
	if (calm_key_is_word(*left)) {
		uint64_t one = calm_key_word(*left);
		uint64_t other = calm_key_word(*right);
		return (one > other) - (one < other);
	}
	size_t common = left->size < right->size ? left->size : right->size;
	int order = common > 0 ? memcmp(left->data, right->data, common) : 0;
	return order != 0 ? order : (left->size > right->size) - (left->size < right->size);
}

static uint64_t word_of(struct run *run, int shape, int i)
{
	if (shape == 0)
		return (uint64_t)i;
	if (shape == 1)
		return i % 2 == 0 ? (uint64_t)i / 2 : UINT64_MAX - (uint64_t)i / 2;
	if (shape == 2)
		return (uint64_t)i << 54;
	return kit_random_next(&run->random);
}

/* Bytes into room; how many. All different for different i. */
static size_t bytes_of(struct run *run, int shape, int i, char *room)
{
	int size;
	switch (shape) {
	case 0: /* far in common, different in the last byte or two */
		memset(room, 'p', 60);
		room[60] = (char)(i / 20);
		room[61] = (char)(255 - i % 20);
		return i % 20 == 0 ? 61 : 62;
	case 1: /* beginnings of one another, the empty key among them */
		memset(room, i % 2 == 0 ? 0 : 0xff, (size_t)i / 2);
		if (i % 2 != 0)
			room[i / 2] = (char)0xff;
		return (size_t)i / 2 + (size_t)(i % 2);
	case 2: /* numbers as text */
		return (size_t)sprintf(room, "user:%d", i * 37);
	case 3: /* few different bytes, any length */
		for (size = 0; size < 24; size++)
			room[size] = (char)(below(run, 4) * 85);
		memcpy(room + size, &i, sizeof(i));
		return (size_t)size + sizeof(i);
	default:
		for (size = 0; size < 16; size += 8) {
			uint64_t word = kit_random_next(&run->random);
			memcpy(room + size, &word, 8);
		}
		return 16;
	}
}

static void make_universe(struct run *run)
{
	int shape = below(run, run->on->keys == CALM_KEYS_WORD ? 4 : 5);
	char *room = run->bytes;
	for (int i = 0; i < KEYS; i++) {
		if (run->on->keys == CALM_KEYS_WORD) {
			run->keys[i] = calm_word(word_of(run, shape, i));
			continue;
		}
		size_t size = bytes_of(run, shape, i, room);
		run->keys[i] = calm_bytes(room, size);
		room += size;
	}
	qsort(run->keys, KEYS, sizeof(*run->keys), by_key);
	for (int i = 1; i < KEYS; i++)
		expect(by_key(&run->keys[i - 1], &run->keys[i]) < 0);
}

/* The place of a key in the universe; KEYS: it is not there. */
static int index_of(const struct run *run, calm_key key)
{
	const calm_key *found = bsearch(&key, run->keys, KEYS, sizeof(key), by_key);
	return found ? (int)(found - run->keys) : KEYS;
}

/* ---- traversals ---- */

/* The next that is bound, from `at` on in steps of `by`, before `end`; end: none. */
static int next_bound(const struct state *state, int at, int end, int by)
{
	while (at != end && !state->present[at])
		at += by;
	return at;
}

static int visit(calm_key key, void *value, void *context)
{
	struct run *run = context;
	run->at = next_bound(run->shows, run->at + run->by, run->end, run->by);
	run->wrong = run->wrong || run->at == run->end || index_of(run, key) != run->at ||
		     (uint64_t)(uintptr_t)value != run->shows->values[run->at];
	return run->wrong ? -1 : run->stop_after > 0 && --run->stop_after == 0;
}

static void expect_range(struct run *run, calm_snapshot *snapshot, const struct state *state,
			 int from, int to, bool ascending)
{
	const calm_key *low = from < 0 ? NULL : &run->keys[from];
	const calm_key *high = to >= KEYS ? NULL : &run->keys[to];
	int first = from < 0 ? 0 : from;
	int past = to > first ? to : first;
	bool stops = below(run, 4) == 0;
	run->shows = state;
	run->by = ascending ? 1 : -1;
	run->at = ascending ? first - 1 : past;
	run->end = ascending ? past : first - 1;
	run->stop_after = stops ? 1 + (unsigned)below(run, 40) : 0;
	int result = ascending ? calm_snapshot_range(snapshot, low, high, visit, run)
			       : calm_snapshot_range_descending(snapshot, low, high, visit, run);
	expect(!run->wrong);
	expect(result == (stops && run->stop_after == 0 ? 1 : 0));
	if (result == 0)
		expect(next_bound(state, run->at + run->by, run->end, run->by) == run->end);
}

static void expect_order(struct run *run, const struct state *state, int kind,
			 calm_snapshot *snapshot)
{
	run->shows = state;
	run->by = 1;
	run->at = -1;
	run->end = KEYS;
	run->stop_after = 0;
	int result = kind == 0   ? calm_map_walk(run->map, visit, run)
		     : kind == 1 ? calm_map_each(run->map, visit, run)
				 : calm_snapshot_each(snapshot, visit, run);
	expect(result == 0 && !run->wrong);
	expect(next_bound(state, run->at + 1, KEYS, 1) == KEYS);
}

/* A cursor that wanders. It stands before the binding `at`, and behind what is below. */
static void wander(struct run *run, calm_snapshot *snapshot, const struct state *state)
{
	calm_cursor cursor;
	int at = 0;
	expect(calm_cursor_init(&cursor, snapshot) == CALM_OK);
	for (int i = below(run, 60); i > 0; i--) {
		int move = below(run, 5);
		calm_key key;
		void *value;
		if (move == 0) {
			at = below(run, KEYS);
			expect(calm_cursor_seek(&cursor, run->keys[at]) ==
			       (state->present[at] ? CALM_OK : CALM_ABSENT));
			continue;
		}
		bool forward = move < 3;
		int found = forward ? next_bound(state, at, KEYS, 1)
				    : next_bound(state, at - 1, -1, -1);
		calm_status status = forward ? calm_cursor_next(&cursor, &key, &value)
					     : calm_cursor_prev(&cursor, &key, &value);
		expect(status == (found == (forward ? KEYS : -1) ? CALM_ABSENT : CALM_OK));
		if (status != CALM_OK)
			continue;
		expect(index_of(run, key) == found);
		expect((uint64_t)(uintptr_t)value == state->values[found]);
		at = forward ? found + 1 : found;
	}
}

static void look(struct run *run, calm_snapshot *snapshot, const struct state *state)
{
	int from = below(run, KEYS + 1) - 1;
	int to = below(run, KEYS + 1);
	switch (below(run, 6)) {
	case 0:
		wander(run, snapshot, state);
		return;
	case 1:
		expect_order(run, state, 2, snapshot);
		return;
	case 2:
		from = -1;
		break;
	case 3:
		to = KEYS;
		break;
	default:
		if (below(run, 8) > 0 && to < from) {
			int low = to;
			to = from;
			from = low;
		}
	}
	expect_range(run, snapshot, state, from, to, below(run, 2) == 0);
}

/* ---- writes ---- */

static void write_one(struct run *run, bool inserts)
{
	int i = below(run, KEYS);
	uint64_t value = kit_random_next(&run->random);
	if (inserts) {
		expect(calm_map_store(run->map, run->keys[i], (void *)(uintptr_t)value) == CALM_OK);
		run->now.values[i] = value;
	} else {
		expect(calm_map_delete(run->map, run->keys[i]) ==
		       (run->now.present[i] ? CALM_OK : CALM_ABSENT));
	}
	run->now.present[i] = inserts;
}

/* Neighbours, up or down, as keys come where they are times or counts. */
static void write_row(struct run *run, bool inserts)
{
	calm_change changes[64];
	int n = 1 + below(run, 64);
	int first = below(run, KEYS - n);
	int by = below(run, 2) == 0 ? 1 : -1;
	for (int k = 0; k < n; k++) {
		int i = by > 0 ? first + k : first + n - 1 - k;
		uint64_t value = kit_random_next(&run->random);
		changes[k] = (calm_change){run->keys[i], (void *)(uintptr_t)value, !inserts};
		run->now.present[i] = inserts;
		if (inserts)
			run->now.values[i] = value;
	}
	if (below(run, 2) == 0) {
		/* One key, twice: the last one counts. */
		if (n > 1 && inserts && below(run, 2) == 0) {
			changes[0].key = changes[n - 1].key;
			run->now.present[by > 0 ? first : first + n - 1] = false;
			expect(calm_map_delete(run->map,
					       run->keys[by > 0 ? first : first + n - 1]) >=
			       CALM_OK);
		}
		expect(calm_map_apply(run->map, (size_t)n, changes) == CALM_OK);
		return;
	}
	for (int k = 0; k < n; k++)
		expect((inserts ? calm_map_store(run->map, changes[k].key, changes[k].value)
				: calm_map_delete(run->map, changes[k].key)) >= CALM_OK);
}

static void load_some(struct run *run)
{
	calm_key keys[20];
	void *values[20];
	calm_status found[20];
	int at[20];
	for (int k = 0; k < 20; k++)
		keys[k] = run->keys[at[k] = below(run, KEYS)];
	size_t ok = calm_map_load_many(run->map, 20, keys, values, found);
	for (int k = 0; k < 20; k++) {
		expect(found[k] == (run->now.present[at[k]] ? CALM_OK : CALM_ABSENT));
		if (found[k] != CALM_OK)
			continue;
		expect((uint64_t)(uintptr_t)values[k] == run->now.values[at[k]]);
		ok--;
	}
	expect(ok == 0);
}

static void step(struct run *run, bool inserts)
{
	int which = below(run, 200);
	int k = below(run, OPEN);
	if (which < 150) {
		write_one(run, below(run, 8) == 0 ? !inserts : inserts);
	} else if (which < 156) {
		write_row(run, inserts);
	} else if (which < 160) {
		load_some(run);
	} else if (which == 160) {
		expect_order(run, &run->now, below(run, 2), NULL);
	} else if (which == 161) {
		const char *broken = NULL;
		(void)calm_debug_check(run->map, &broken);
		expect(broken == NULL);
	} else if (run->open[k] && which < 165) {
		calm_snapshot_close(run->open[k]);
		run->open[k] = NULL;
	} else if (run->open[k]) {
		look(run, run->open[k], &run->then[k]);
	} else {
		expect(calm_map_snapshot(run->map, &run->open[k]) == CALM_OK);
		run->then[k] = run->now;
	}
}

static void episode(struct run *run, uint64_t steps)
{
	calm_options options = suite_options(run->on);
	make_universe(run);
	memset(&run->now, 0, sizeof(run->now));
	expect(run->on->kind->create(&run->map, &options) == CALM_OK);
	bool inserts = true;
	for (uint64_t i = 0; i < steps; i++, run->step++) {
		if (i % 512 == 0)
			inserts = below(run, 3) > 0;
		step(run, inserts);
	}
	for (int k = 0; k < OPEN; k++) {
		calm_snapshot_close(run->open[k]);
		run->open[k] = NULL;
	}
	expect(calm_map_destroy(run->map) == CALM_OK);
}

static void against_a_sorted_reference(void **state)
{
	const struct suite *on = *state;
	struct run *run = calloc(1, sizeof(*run));
	suite_check(run && (run->bytes = malloc((size_t)KEYS * KEYS)));
	run->on = on;
	uint64_t left = suite_long(STEPS) / 2;
	for (uint64_t seed = suite_seed(); left > 0; seed = kit_mix(seed + 1)) {
		uint64_t steps = left < EPISODE ? left : EPISODE;
		run->seed = seed;
		run->step = 0;
		kit_random_seed(&run->random, seed);
		episode(run, steps);
		left -= steps;
	}
	free(run->bytes);
	free(run);
}

/* ---- long keys ---- */

#define LONG ((size_t)1 << 20)

static int count(calm_key key, void *value, void *context)
{
	(void)value;
	assert_true(calm_key_is_word(key) || key.size >= LONG - 200);
	++*(unsigned *)context;
	return 0;
}

/* 1 MiB keys that differ in their last byte, or in length. */
static void long_keys(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	calm_snapshot *snapshot;
	char *bytes = malloc(LONG);
	unsigned n = 0;
	suite_check(bytes != NULL);
	memset(bytes, 'x', LONG);
	for (int i = 0; i < 100; i++) {
		bytes[LONG - 1] = (char)(i * 2);
		assert_int_equal(calm_map_store(map, calm_bytes(bytes, LONG), suite_int(1)),
				 CALM_OK);
		assert_int_equal(
			calm_map_store(map, calm_bytes(bytes, LONG - 1 - (size_t)i), suite_int(2)),
			CALM_OK);
	}
	assert_int_equal(calm_map_size(map), 200);
	assert_int_equal(calm_map_snapshot(map, &snapshot), CALM_OK);
	bytes[LONG - 1] = 100;
	calm_key from = calm_bytes(bytes, LONG);
	assert_int_equal(calm_snapshot_range(snapshot, &from, NULL, count, &n), 0);
	assert_int_equal(n, 50);
	assert_int_equal(calm_snapshot_range_descending(snapshot, NULL, &from, count, &n), 0);
	assert_int_equal(n, 200);
	bytes[LONG - 1] = 101;
	void *value;
	assert_int_equal(calm_map_load(map, from, &value), CALM_ABSENT);
	calm_snapshot_close(snapshot);
	free(bytes);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
}

/* ---- a visitor that does everything ---- */

#define EVENS 2000

struct busy {
	const struct suite *on;
	calm_map *map;
	uint64_t last;
	uint64_t seen;
	bool wrong;
};

/* Keys that sort as numbers, of either kind. */
static calm_key number_key(const struct suite *on, uint64_t number, unsigned char room[8])
{
	if (on->keys == CALM_KEYS_WORD)
		return calm_word(number);
	for (int i = 0; i < 8; i++)
		room[i] = (unsigned char)(number >> (8 * (7 - i)));
	return calm_bytes(room, 8);
}

static uint64_t number_of(calm_key key)
{
	uint64_t number = 0;
	if (calm_key_is_word(key))
		return calm_key_word(key);
	for (int i = 0; i < 8; i++)
		number = number << 8 | ((const unsigned char *)key.data)[i];
	return number;
}

static int count_all(calm_key key, void *value, void *context)
{
	(void)key;
	(void)value;
	++*(uint64_t *)context;
	return 0;
}

/* Deletes what it sees, inserts ahead and behind, sleeps, opens snapshots and reads them. */
static int busy_visit(calm_key key, void *value, void *context)
{
	struct busy *busy = context;
	unsigned char room[8];
	uint64_t number = number_of(key);
	uint64_t inner = 0;
	calm_snapshot *snapshot;
	busy->wrong = busy->wrong || number != busy->last + 2 ||
		      (uint64_t)(uintptr_t)value != number;
	busy->last = number;
	busy->seen++;
	assert_int_equal(calm_map_delete(busy->map, key), CALM_OK);
	for (uint64_t by = 1; by < 8; by += 2) {
		assert_true(calm_map_store(busy->map, number_key(busy->on, number + by, room),
					   NULL) == CALM_OK);
		if (number > by)
			assert_true(calm_map_store(busy->map,
						   number_key(busy->on, number - by, room),
						   NULL) == CALM_OK);
	}
	assert_true(calm_map_store(busy->map, number_key(busy->on, number + 20, room), NULL) ==
		    CALM_OK);
	if (busy->seen % 100 == 0) {
		const struct timespec nap = {0, 100000};
		(void)nanosleep(&nap, NULL);
		assert_int_equal(calm_map_snapshot(busy->map, &snapshot), CALM_OK);
		uint64_t size = calm_map_size(busy->map);
		assert_int_equal(calm_snapshot_range(snapshot, NULL, NULL, count_all, &inner), 0);
		assert_int_equal(inner, size);
		calm_snapshot_close(snapshot);
	}
	return 0;
}

static void a_visitor_does_everything(void **state)
{
	const struct suite *on = *state;
	for (int how = 0; how < 3; how++) {
		struct busy busy = {.on = on, .map = suite_map(on, NULL, NULL)};
		unsigned char room[8];
		calm_snapshot *snapshot = NULL;
		for (uint64_t i = 1; i <= EVENS; i++)
			assert_int_equal(calm_map_store(busy.map, number_key(on, 2 * i, room),
							suite_int(2 * i)),
					 CALM_OK);
		if (how < 2)
			assert_int_equal(calm_map_snapshot(busy.map, &snapshot), CALM_OK);
		int result = how == 0 ? calm_snapshot_range(snapshot, NULL, NULL, busy_visit, &busy)
			     : how == 1 ? calm_snapshot_each(snapshot, busy_visit, &busy)
					: calm_map_walk(busy.map, busy_visit, &busy);
		assert_int_equal(result, 0);
		assert_false(busy.wrong);
		assert_int_equal(busy.seen, EVENS);
		const char *broken = NULL;
		(void)calm_debug_check(busy.map, &broken);
		assert_null(broken);
		calm_snapshot_close(snapshot);
		assert_int_equal(calm_map_destroy(busy.map), CALM_OK);
	}
}

int main(int argc, char **argv)
{
	static const struct suite_test tests[] = {
		SUITE_TEST_ONLY(against_a_sorted_reference, SUITE_ORDERED),
		SUITE_TEST_ONLY(long_keys, SUITE_ORDERED | SUITE_BYTES),
		SUITE_TEST_ONLY(a_visitor_does_everything, SUITE_ORDERED)};
	return suite_run(argc, argv, tests, SUITE_COUNT(tests), NULL, 0);
}
