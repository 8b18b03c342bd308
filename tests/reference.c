/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Random sequences of every verb against a reference: an array of bindings by key number, whose
 * snapshots are copies. An episode is a map of few, some or many keys, with plain values or with
 * items to release, and ends with the map's destruction, when everything must be accounted for. A
 * failure prints the seed, which CALM_TEST_SEED sets.
 *
 * With REFERENCE_FUZZ there is no main: an input of libFuzzer's is an episode, its bytes the choices
 * (docs/design/fuzz.md).
 */
#include "suite.h"

#define KEYS 600
#define OPEN 5
#define STEPS 4000000
#define EPISODE 20000

struct model {
	void *values[KEYS];
	bool present[KEYS];
	uint64_t size;
};

struct open {
	calm_snapshot *snapshot; /* NULL: free */
	struct model model;
	uint64_t stamp;
};

struct run {
	const struct suite *on;
	uint64_t seed;
	uint64_t step;
	const char *verb;
	const char *wrong; /* set by a visitor */
	struct kit_random random;
	const uint8_t *input; /* choices that are not random; NULL: all are */
	size_t input_left;
	calm_map *map;
	uint64_t keys;
	unsigned inserts; /* of 16 writes */
	bool counted;     /* values are items */
	struct suite_items items;
	struct suite_heap heap;
	uint64_t made;
	uint64_t last_stamp;
	struct model now;
	struct open open[OPEN];
	const struct model *against; /* of a traversal */
	const struct model *older;   /* of a difference */
	bool seen[KEYS];
	uint64_t visits;
	uint64_t stop_after;
};

static void failed(const struct run *run, int line, const char *what)
{
	if (run->input) {
		fprintf(stderr, "%s, %s keys: step %llu, %s: not so: %s\nline %d\n",
			run->on->kind->name, run->on->keys == CALM_KEYS_WORD ? "word" : "byte",
			(unsigned long long)run->step, run->verb, what, line);
		abort();
	}
	fail_msg("%s, %s keys: %s at step %llu, %s: not so: %s\n"
		 "line %d; to repeat: CALM_TEST_SEED=%llu",
		 run->on->kind->name, run->on->keys == CALM_KEYS_WORD ? "word" : "byte",
		 run->counted ? "items" : "plain values", (unsigned long long)run->step, run->verb,
		 what, line, (unsigned long long)run->seed);
}

#define expect(condition) ((condition) ? (void)0 : failed(run, __LINE__, #condition))

/* An input's choice takes two bytes only where one is not enough; after its end all are 0. */
static uint64_t below(struct run *run, uint64_t n)
{
	uint64_t chosen = 0;
	if (!run->input)
		return kit_random_below(&run->random, n);
	for (uint64_t most = 1; most < n && run->input_left > 0; most <<= 8, run->input_left--)
		chosen = chosen << 8 | *run->input++;
	return chosen % n;
}

static calm_key key_at(const struct run *run, uint64_t i)
{
	return suite_key(run->on, i);
}

/* ---- values ---- */

static void *new_value(struct run *run)
{
	run->made++;
	if (run->counted)
		return below(run, 16) > 0 ? suite_item(&run->items, run->made) : NULL;
	return below(run, 16) > 0 ? suite_int(run->made) : NULL;
}

/* One that was offered and not taken. */
static void drop_value(struct run *run, void *value)
{
	if (run->counted && value)
		suite_item_release(value, &run->items);
}

/* What to compare with: often what is there. */
static void *guess(struct run *run, uint64_t i)
{
	if (run->now.present[i] && below(run, 4) > 0)
		return run->now.values[i];
	uint64_t other = below(run, run->keys);
	return run->now.present[other] ? run->now.values[other] : NULL;
}

static void bind(struct model *model, uint64_t i, void *value)
{
	model->size += !model->present[i];
	model->present[i] = true;
	model->values[i] = value;
}

static void unbind(struct model *model, uint64_t i)
{
	model->size -= model->present[i];
	model->present[i] = false;
}

/* ---- single keys ---- */

static void check_load(struct run *run, const struct model *model, uint64_t i, calm_status status,
		       const void *value)
{
	expect(status == (model->present[i] ? CALM_OK : CALM_ABSENT));
	expect(value == (model->present[i] ? model->values[i] : SUITE_UNTOUCHED));
}

static void do_load(struct run *run, uint64_t i)
{
	void *value = SUITE_UNTOUCHED;
	calm_status status = calm_map_load(run->map, key_at(run, i), &value);
	check_load(run, &run->now, i, status, value);
}

static void do_put(struct run *run, uint64_t i, bool swaps)
{
	void *value = new_value(run);
	void *previous = SUITE_UNTOUCHED;
	if (swaps) {
		calm_status status = calm_map_swap(run->map, key_at(run, i), value, &previous);
		check_load(run, &run->now, i, status, previous);
	} else {
		expect(calm_map_store(run->map, key_at(run, i), value) == CALM_OK);
	}
	bind(&run->now, i, value);
}

static void do_load_or_store(struct run *run, uint64_t i)
{
	void *value = new_value(run);
	void *actual = SUITE_UNTOUCHED;
	calm_status status = calm_map_load_or_store(run->map, key_at(run, i), value, &actual);
	expect(status == (run->now.present[i] ? CALM_PRESENT : CALM_OK));
	expect(actual == (run->now.present[i] ? run->now.values[i] : value));
	if (status == CALM_OK)
		bind(&run->now, i, value);
	else
		drop_value(run, value);
}

static void do_delete(struct run *run, uint64_t i, bool loads)
{
	void *value = SUITE_UNTOUCHED;
	if (loads) {
		calm_status status = calm_map_load_and_delete(run->map, key_at(run, i), &value);
		check_load(run, &run->now, i, status, value);
	} else {
		calm_status status = calm_map_delete(run->map, key_at(run, i));
		expect(status == (run->now.present[i] ? CALM_OK : CALM_ABSENT));
	}
	unbind(&run->now, i);
}

static void do_compare(struct run *run, uint64_t i, bool deletes)
{
	void *expected = guess(run, i);
	void *value = deletes ? NULL : new_value(run);
	calm_key key = key_at(run, i);
	calm_status status = deletes ? calm_map_compare_and_delete(run->map, key, expected)
				     : calm_map_compare_and_swap(run->map, key, expected, value);
	if (!run->now.present[i])
		expect(status == CALM_ABSENT);
	else
		expect(status == (run->now.values[i] == expected ? CALM_OK : CALM_CHANGED));
	if (status == CALM_OK && deletes)
		unbind(&run->now, i);
	else if (status == CALM_OK)
		bind(&run->now, i, value);
	else
		drop_value(run, value);
}

struct change_to {
	struct run *run;
	uint64_t i;
	void *value;
	bool keep;
	calm_status status;
};

static calm_status change(calm_key key, bool present, void **value, bool *keep, void *context)
{
	struct change_to *to = context;
	const struct model *now = &to->run->now;
	if (suite_index(key) != to->i || present != now->present[to->i] ||
	    (present && *value != now->values[to->i]))
		to->run->wrong = "update was shown another binding";
	*value = to->value;
	*keep = to->keep;
	return to->status;
}

static void do_update(struct run *run, uint64_t i)
{
	struct change_to to = {run, i, new_value(run), below(run, 3) > 0,
			       below(run, 4) > 0 ? CALM_OK : CALM_PRESENT};
	expect(calm_map_update(run->map, key_at(run, i), change, &to) == to.status);
	expect(!run->wrong);
	if (to.status == CALM_OK && to.keep)
		bind(&run->now, i, to.value);
	else
		drop_value(run, to.value);
	if (to.status == CALM_OK && !to.keep)
		unbind(&run->now, i);
}

/* ---- several keys ---- */

static void do_load_many(struct run *run)
{
	calm_key keys[9];
	void *values[9];
	calm_status found[9];
	uint64_t at[9];
	size_t n = below(run, 10);
	size_t there = 0;
	for (size_t k = 0; k < n; k++) {
		at[k] = below(run, run->keys);
		keys[k] = key_at(run, at[k]);
		values[k] = SUITE_UNTOUCHED;
		there += run->now.present[at[k]];
	}
	expect(calm_map_load_many(run->map, n, keys, values, found) == there);
	for (size_t k = 0; k < n; k++)
		check_load(run, &run->now, at[k], found[k], values[k]);
}

static void do_apply(struct run *run)
{
	calm_change changes[12];
	uint64_t at[12];
	size_t n = below(run, 13);
	for (size_t k = 0; k < n; k++) {
		at[k] = below(run, run->keys);
		changes[k].key = key_at(run, at[k]);
		changes[k].remove = below(run, 16) >= run->inserts;
		changes[k].value = changes[k].remove ? NULL : new_value(run);
	}
	expect(calm_map_apply(run->map, n, changes) == CALM_OK);
	for (size_t k = 0; k < n; k++) {
		if (changes[k].remove)
			unbind(&run->now, at[k]);
		else
			bind(&run->now, at[k], changes[k].value);
	}
}

/* ---- traversals ---- */

static int visit(calm_key key, void *value, void *context)
{
	struct run *run = context;
	uint64_t i = suite_index(key);
	if (i >= run->keys || !run->against->present[i])
		run->wrong = "visited a key that is not there";
	else if (run->seen[i])
		run->wrong = "visited a key twice";
	else if (value != run->against->values[i])
		run->wrong = "visited another value";
	else if (run->counted && value)
		(void)suite_item_number(value);
	if (run->wrong)
		return -1;
	run->seen[i] = true;
	return ++run->visits == run->stop_after ? 1 : 0;
}

/* Sets up a traversal that is to show the model, perhaps to be stopped on the way. */
static void begin(struct run *run, const struct model *model)
{
	run->against = model;
	memset(run->seen, 0, sizeof(run->seen));
	run->visits = 0;
	run->stop_after = below(run, 8) > 0 ? 0 : below(run, model->size + 1);
}

static void end(struct run *run, int result)
{
	uint64_t size = run->against->size;
	bool stopped = run->stop_after > 0 && run->stop_after <= size;
	if (run->wrong)
		failed(run, __LINE__, run->wrong);
	expect(result == (stopped ? 1 : 0));
	expect(run->visits == (stopped ? run->stop_after : size));
}

static void do_each(struct run *run, bool walks)
{
	begin(run, &run->now);
	end(run, walks ? calm_map_walk(run->map, visit, run) : calm_map_each(run->map, visit, run));
}

static void check_size(struct run *run)
{
	calm_stats stats;
	expect(calm_map_size(run->map) == run->now.size);
	calm_map_stats(run->map, &stats);
	expect(stats.entries == run->now.size);
	uint64_t open = 0;
	for (size_t k = 0; k < OPEN; k++)
		open += run->open[k].snapshot != NULL;
	expect(stats.snapshots == open);
	expect(calm_debug_check(run->map, &run->wrong) == CALM_OK);
}

/* ---- snapshots ---- */

static void took(struct run *run, struct open *open)
{
	open->model = run->now;
	open->stamp = calm_snapshot_stamp(open->snapshot);
	expect(open->stamp > run->last_stamp);
	run->last_stamp = open->stamp;
}

static void step_through(struct run *run, const struct open *open)
{
	calm_cursor cursor;
	calm_key key;
	void *value;
	begin(run, &open->model);
	run->stop_after = 0;
	expect(calm_cursor_init(&cursor, open->snapshot) == CALM_OK);
	while (calm_cursor_next(&cursor, &key, &value) == CALM_OK)
		expect(visit(key, value, run) == 0);
	end(run, 0);
	uint64_t i = below(run, run->keys);
	calm_status status = calm_cursor_seek(&cursor, key_at(run, i));
	expect(status == (open->model.present[i] ? CALM_OK : CALM_ABSENT));
	if (status == CALM_OK) {
		expect(calm_cursor_next(&cursor, &key, &value) == CALM_OK && suite_index(key) == i);
		expect(calm_cursor_prev(&cursor, &key, &value) == CALM_OK && suite_index(key) == i);
		expect(value == open->model.values[i]);
	}
}

static int visit_difference(calm_key key, bool before, void *old_value, bool after, void *new_value,
			    void *context)
{
	struct run *run = context;
	uint64_t i = suite_index(key);
	if (i >= run->keys || before != run->older->present[i] || after != run->against->present[i])
		run->wrong = "a difference that is none";
	else if ((before && old_value != run->older->values[i]) ||
		 (after && new_value != run->against->values[i]))
		run->wrong = "a difference of other values";
	else if (before && after && old_value == new_value)
		run->wrong = "a difference without one";
	else if (run->seen[i])
		run->wrong = "the same difference twice";
	if (run->wrong)
		return -1;
	run->seen[i] = true;
	run->visits++;
	return 0;
}

static void compare(struct run *run, const struct open *older, const struct open *newer)
{
	uint64_t differ = 0;
	for (uint64_t i = 0; i < run->keys; i++) {
		bool before = older->model.present[i];
		bool after = newer->model.present[i];
		differ += before != after ||
			  (before && older->model.values[i] != newer->model.values[i]);
	}
	begin(run, &newer->model);
	run->older = &older->model;
	int result = calm_snapshot_diff(older->snapshot, newer->snapshot, visit_difference, run);
	if (run->wrong)
		failed(run, __LINE__, run->wrong);
	expect(result == 0);
	expect(run->visits == differ);
}

static void do_snapshot(struct run *run)
{
	struct open *open = &run->open[below(run, OPEN)];
	const struct open *other = &run->open[below(run, OPEN)];
	uint64_t i = below(run, run->keys);
	void *value = SUITE_UNTOUCHED;
	calm_status status;
	if (!open->snapshot) {
		expect(calm_map_snapshot(run->map, &open->snapshot) == CALM_OK);
		took(run, open);
		return;
	}
	switch (below(run, 8)) {
	case 0:
		begin(run, &open->model);
		end(run, calm_snapshot_each(open->snapshot, visit, run));
		return;
	case 1:
		step_through(run, open);
		return;
	case 2:
		if (other->snapshot && other->stamp >= open->stamp)
			compare(run, open, other);
		return;
	case 3:
		calm_snapshot_close(open->snapshot);
		open->snapshot = NULL;
		return;
	default:
		status = calm_snapshot_load(open->snapshot, key_at(run, i), &value);
		check_load(run, &open->model, i, status, value);
		expect(calm_snapshot_size(open->snapshot) == open->model.size);
		expect(calm_snapshot_stamp(open->snapshot) == open->stamp);
	}
}

static void do_clear(struct run *run)
{
	struct open *open = &run->open[below(run, OPEN)];
	if (run->on->kind->snapshots && !open->snapshot && below(run, 2) == 0) {
		expect(calm_map_drain(run->map, &open->snapshot) == CALM_OK);
		took(run, open);
	} else {
		expect(calm_map_clear(run->map) == CALM_OK);
	}
	memset(run->now.present, 0, sizeof(run->now.present));
	run->now.size = 0;
}

/* ---- episodes ---- */

/* One verb. What costs O(keys) comes once in that many steps. */
static void do_rare(struct run *run)
{
	static const char *const names[] = {"each",    "walk",      "clear or drain", "size",
					    "reserve", "read_wait", "compact"};
	uint64_t which = below(run, 7);
	run->verb = names[which];
	if (which == 0 || (which == 1 && run->on->kind->snapshots))
		do_each(run, which == 1);
	else if (which == 2 && below(run, 4) == 0)
		do_clear(run);
	else if (which == 3)
		check_size(run);
	else if (which == 4)
		expect(calm_map_reserve(run->map, below(run, 2 * run->keys)) == CALM_OK);
	else if (which == 5)
		expect(calm_read_wait() == CALM_OK);
	else if (which == 6)
		expect(calm_deltamap_compact(run->map) == suite_compacts(run->on));
}

static void step(struct run *run)
{
	static const char *const names[] = {"load",
					    "store",
					    "swap",
					    "load_or_store",
					    "compare_and_swap",
					    "delete",
					    "load_and_delete",
					    "compare_and_delete",
					    "update",
					    "load_many",
					    "apply",
					    "snapshot"};
	uint64_t i = below(run, run->keys);
	uint64_t which = below(run, 2) == 0 ? (below(run, 16) < run->inserts ? 1 + below(run, 4)
									     : 5 + below(run, 3))
					    : below(run, SUITE_COUNT(names));
	if (below(run, run->keys + 20) == 0) {
		do_rare(run);
		return;
	}
	run->verb = names[which];
	if (which == 0)
		do_load(run, i);
	else if (which <= 2)
		do_put(run, i, which == 2);
	else if (which == 3)
		do_load_or_store(run, i);
	else if (which == 4 || which == 7)
		do_compare(run, i, which == 7);
	else if (which <= 6)
		do_delete(run, i, which == 6);
	else if (which == 8)
		do_update(run, i);
	else if (which == 9)
		do_load_many(run);
	else if (which == 10 && run->on->kind->snapshots)
		do_apply(run);
	else if (which == 11 && run->on->kind->snapshots && below(run, 4) == 0)
		do_snapshot(run);
}

static void episode(struct run *run, uint64_t steps)
{
	static const uint64_t sizes[] = {3, 40, KEYS};
	calm_options options = suite_options(run->on);
	suite_heap_init(&run->heap);
	run->keys = sizes[below(run, SUITE_COUNT(sizes))];
	run->counted = below(run, 2) == 0;
	run->last_stamp = 0;
	run->now = (struct model){.size = 0};
	options.seed = run->seed | 1;
	options.capacity = below(run, 3) == 0 ? below(run, 2 * KEYS) : 0;
	options.compact_at = below(run, 3) == 0 ? 0 : 1 + below(run, 40);
	options.allocator = &run->heap.allocator;
	if (run->counted) {
		options.release = suite_item_release;
		options.context = &run->items;
	}
	expect(run->on->kind->create(&run->map, &options) == CALM_OK);
	for (uint64_t i = 0; i < steps && (!run->input || run->input_left > 0); i++, run->step++) {
		if (i % 1024 == 0)
			run->inserts = 3 + (unsigned)below(run, 11);
		step(run);
	}
	run->verb = "the end";
	for (size_t k = 0; k < OPEN; k++) {
		calm_snapshot_close(run->open[k].snapshot);
		run->open[k].snapshot = NULL;
	}
	check_size(run);
	do_each(run, false);
	expect(calm_map_destroy(run->map) == CALM_OK);
	expect(run->items.live == 0);
	expect(run->heap.blocks == 0 && run->heap.bytes == 0);
}

#ifdef REFERENCE_FUZZ
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	if (size < 2)
		return 0;
	const struct suite on = {&kit_kinds[input[0] / 2 % KIT_KINDS],
				 input[0] % 2 ? CALM_KEYS_WORD : CALM_KEYS_BYTES};
	struct run *run = calloc(1, sizeof(*run));
	suite_check(run != NULL);
	run->on = &on;
	run->verb = "the beginning";
	run->input = input + 1;
	run->input_left = size - 1;
	episode(run, EPISODE);
	free(run);
	return 0;
}
#else
static void random_sequences(void **state)
{
	struct run *run = calloc(1, sizeof(*run));
	suite_check(run != NULL);
	uint64_t pairs = 0;
	for (size_t k = 0; k < KIT_KINDS; k++)
		pairs += 2 * kit_kind_exists(&kit_kinds[k]);
	uint64_t left = suite_long(STEPS) / pairs;
	run->on = *state;
	for (uint64_t seed = suite_seed(); left > 0; seed = kit_mix(seed + 1)) {
		uint64_t steps = left < EPISODE ? left : EPISODE;
		run->seed = seed;
		run->step = 0;
		kit_random_seed(&run->random, seed);
		episode(run, steps);
		left -= steps;
	}
	free(run);
}

int main(int argc, char **argv)
{
	static const struct suite_test tests[] = {SUITE_TEST(random_sequences)};
	return suite_run(argc, argv, tests, SUITE_COUNT(tests), NULL, 0);
}
#endif
