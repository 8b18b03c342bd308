/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Allocation failure at every site. A script of all verbs runs again and again on a fresh map; in
 * the n-th run the n-th allocation fails, alone or with all after it, until a run meets no failure.
 * Each call either does what it says or answers CALM_ENOMEM and has changed nothing; at the end
 * nothing has leaked and no value was released twice.
 *
 * Who fails: the map's calm_allocator; or malloc itself (--wrap), which also feeds the library's
 * own blocks. A thread keeps some of those, so they are taken from it before each call; the calls
 * are made outside of a section and inside. Built with short stamps too: there opening a snapshot has to
 * stamp old buckets again, and may lack the memory to save them.
 */
#include "suite.h"

#include "base/alloc.h"
#include "sync/read.h"

#define KEYS 56
#define OPEN 2
#define AGE 11

/* ---- malloc ---- */

static struct {
	_Atomic bool armed;
	_Atomic bool on_and_on;
	_Atomic uint64_t left; /* until the first failure */
	_Atomic uint64_t failed;
} mallocs;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);

static bool malloc_fails(void)
{
	if (!mallocs.armed)
		return false;
	if (mallocs.left > 1) {
		mallocs.left--;
		return false;
	}
	if (mallocs.left == 0 && !mallocs.on_and_on)
		return false;
	mallocs.left = 0;
	mallocs.failed++;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return malloc_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return malloc_fails() ? NULL : __real_calloc(n, size);
}

/* ---- a run ---- */

enum source { ALLOCATOR, MALLOC, MALLOC_INSIDE, SOURCES };

struct run {
	const struct suite *on;
	enum source source;
	uint64_t nth; /* the allocation to fail */
	bool on_and_on;
	bool counted; /* values are items */
	struct suite_heap heap;
	struct suite_items items;
	calm_map *map;
	uint64_t made;
	uint64_t calls;
	uint64_t failed; /* before the last call */
	const char *verb;
	void *values[KEYS]; /* the model */
	bool present[KEYS];
	uint64_t size;
	calm_snapshot *open[OPEN];
	void *opened[OPEN][KEYS]; /* what they hold; NULL: nothing */
	uint64_t visits;
};

static void failed_to(const struct run *run, int line, const char *what)
{
	static const char *const sources[] = {"the allocator", "malloc",
					      "malloc, inside a section"};
	/* The library and cmocka may need memory to clean up. */
	mallocs.armed = false;
	fail_msg("%s: %s fails at allocation %llu%s, %s: not so: %s (line %d)", run->verb,
		 sources[run->source], (unsigned long long)run->nth,
		 run->on_and_on ? " and on" : "", run->counted ? "items" : "plain values", what,
		 line);
}

#define expect(condition) ((condition) ? (void)0 : failed_to(run, __LINE__, #condition))

static uint64_t failures(const struct run *run)
{
	return run->source == ALLOCATOR ? run->heap.failed : mallocs.failed;
}

static void ignore(void *pointer, void *context)
{
	(void)pointer;
	(void)context;
}

/* Leaves the thread without a block to retire into. */
static void exhaust(void)
{
	struct calm__self *self = calm__self();
	suite_check(calm_read_wait() == CALM_OK);
	while (self->bag.last) {
		suite_check(calm_retire(NULL, ignore, NULL) == CALM_OK);
		if (self->bag.last && self->bag.last->used == CALM__BLOCK_ITEMS)
			suite_check(calm_read_wait() == CALM_OK);
	}
	while (self->bag.spares > 0)
		calm__free(&calm__malloc, calm__take_block(self));
	suite_check(!calm__reserve(self, 0) || self->bag.room == 0);
}

/* Before the call that fails, nothing is in doubt; long after a single failure neither. */
static bool in_doubt(const struct run *run)
{
	return failures(run) > run->failed || run->calls % 32 == 0;
}

/* From here to end_call(), allocations count. */
static void begin_call(struct run *run, const char *verb)
{
	run->verb = verb;
	run->calls++;
	run->failed = failures(run);
	if (run->source == ALLOCATOR)
		return;
	if (run->failed == 0 || run->on_and_on)
		exhaust();
	if (run->source == MALLOC_INSIDE)
		calm_read_begin();
	mallocs.armed = true;
}

/* True: the call did what it should; false: no memory, which must be so. */
static bool end_call(struct run *run, int status, int expected)
{
	mallocs.armed = false;
	if (run->source == MALLOC_INSIDE)
		calm_read_end();
	if (status == expected)
		return true;
	if (status != CALM_ENOMEM)
		print_error("%d instead of %d\n", status, expected);
	expect(status == CALM_ENOMEM);
	expect(failures(run) > run->failed);
	return false;
}

/* ---- the model ---- */

static int visit(calm_key key, void *value, void *context)
{
	struct run *run = context;
	uint64_t i = suite_index(key);
	suite_check(i < KEYS);
	run->visits += run->present[i] && run->values[i] == value;
	return 0;
}

/* The map holds what the model does; so do the snapshots. Allocations do not fail meanwhile. */
static void check(struct run *run)
{
	uint64_t fail_at = run->heap.fail_at;
	if (!in_doubt(run))
		return;
	run->heap.fail_at = 0;
	expect(calm_map_size(run->map) == run->size);
	for (uint64_t i = 0; i < KEYS; i++) {
		void *value = SUITE_UNTOUCHED;
		calm_status status = calm_map_load(run->map, suite_key(run->on, i), &value);
		expect(status == (run->present[i] ? CALM_OK : CALM_ABSENT));
		expect(value == (run->present[i] ? run->values[i] : SUITE_UNTOUCHED));
		if (run->counted && run->present[i])
			(void)suite_item_number(value);
		for (size_t s = 0; s < OPEN; s++) {
			if (!run->open[s])
				continue;
			value = NULL;
			status = calm_snapshot_load(run->open[s], suite_key(run->on, i), &value);
			expect(status == (run->opened[s][i] ? CALM_OK : CALM_ABSENT));
			expect(value == run->opened[s][i]);
			if (run->counted && value)
				(void)suite_item_number(value);
		}
	}
	expect(calm_debug_check(run->map, NULL) == CALM_OK);
	run->heap.fail_at = fail_at;
}

static void *value_for(struct run *run)
{
	run->made++;
	return run->counted ? (void *)suite_item(&run->items, run->made) : suite_int(run->made);
}

static void drop(struct run *run, void *value)
{
	if (run->counted)
		suite_item_release(value, &run->items);
}

static void bind(struct run *run, uint64_t i, void *value)
{
	run->size += !run->present[i];
	run->present[i] = true;
	run->values[i] = value;
}

static void unbind(struct run *run, uint64_t i)
{
	run->size -= run->present[i];
	run->present[i] = false;
}

/* ---- the verbs ---- */

enum put { STORE, SWAP, LOAD_OR_STORE, COMPARE_AND_SWAP, UPDATE };

struct to {
	void *value;
	bool keep;
};

static calm_status answer(calm_key key, bool present, void **value, bool *keep, void *context)
{
	const struct to *to = context;
	(void)key;
	(void)present;
	*value = to->value;
	*keep = to->keep;
	return CALM_OK;
}

static void put(struct run *run, uint64_t i, enum put verb)
{
	static const char *const names[] = {"store", "swap", "load_or_store", "compare_and_swap",
					    "update"};
	struct to to = {value_for(run), true};
	calm_key key = suite_key(run->on, i);
	bool present = run->present[i];
	calm_status expected = CALM_OK;
	calm_status status = CALM_OK;
	begin_call(run, names[verb]);
	if (verb == STORE) {
		status = calm_map_store(run->map, key, to.value);
	} else if (verb == SWAP) {
		status = calm_map_swap(run->map, key, to.value, NULL);
		expected = present ? CALM_OK : CALM_ABSENT;
	} else if (verb == LOAD_OR_STORE) {
		status = calm_map_load_or_store(run->map, key, to.value, NULL);
		expected = present ? CALM_PRESENT : CALM_OK;
	} else if (verb == COMPARE_AND_SWAP) {
		status = calm_map_compare_and_swap(run->map, key, run->values[i], to.value);
		expected = present ? CALM_OK : CALM_ABSENT;
	} else {
		status = calm_map_update(run->map, key, answer, &to);
	}
	bool stores = verb == LOAD_OR_STORE ? !present : verb != COMPARE_AND_SWAP || present;
	if (end_call(run, status, expected) && stores)
		bind(run, i, to.value);
	else
		drop(run, to.value);
	check(run);
}

enum take { DELETE, LOAD_AND_DELETE, COMPARE_AND_DELETE, UPDATE_AWAY };

static void take(struct run *run, uint64_t i, enum take verb)
{
	static const char *const names[] = {"delete", "load_and_delete", "compare_and_delete",
					    "update to nothing"};
	struct to to = {NULL, false};
	calm_key key = suite_key(run->on, i);
	calm_status status = CALM_OK;
	begin_call(run, names[verb]);
	if (verb == DELETE)
		status = calm_map_delete(run->map, key);
	else if (verb == LOAD_AND_DELETE)
		status = calm_map_load_and_delete(run->map, key, NULL);
	else if (verb == COMPARE_AND_DELETE)
		status = calm_map_compare_and_delete(run->map, key, run->values[i]);
	else
		status = calm_map_update(run->map, key, answer, &to);
	if (end_call(run, status, run->present[i] || verb == UPDATE_AWAY ? CALM_OK : CALM_ABSENT))
		unbind(run, i);
	check(run);
}

static void do_apply(struct run *run, uint64_t from, uint64_t n)
{
	calm_change changes[32];
	suite_check(n <= SUITE_COUNT(changes));
	for (uint64_t i = 0; i < n; i++) {
		changes[i].key = suite_key(run->on, from + i);
		changes[i].remove = i % 3 == 2;
		changes[i].value = changes[i].remove ? NULL : value_for(run);
	}
	begin_call(run, "apply");
	bool done = end_call(run, calm_map_apply(run->map, n, changes), CALM_OK);
	for (uint64_t i = 0; i < n; i++) {
		if (done && changes[i].remove)
			unbind(run, from + i);
		else if (done)
			bind(run, from + i, changes[i].value);
		else if (!changes[i].remove)
			drop(run, changes[i].value);
	}
	check(run);
}

static void forget(struct run *run)
{
	memset(run->present, 0, sizeof(run->present));
	run->size = 0;
}

static void do_clear(struct run *run)
{
	begin_call(run, "clear");
	if (end_call(run, calm_map_clear(run->map), CALM_OK))
		forget(run);
	check(run);
}

static void do_open(struct run *run, size_t slot, bool drains)
{
	calm_snapshot *snapshot = NULL;
	calm_snapshot_close(run->open[slot]);
	run->open[slot] = NULL;
	begin_call(run, drains ? "drain" : "snapshot");
	calm_status status = drains ? calm_map_drain(run->map, &snapshot)
				    : calm_map_snapshot(run->map, &snapshot);
	if (end_call(run, status, CALM_OK)) {
		run->open[slot] = snapshot;
		for (uint64_t i = 0; i < KEYS; i++)
			run->opened[slot][i] = run->present[i] ? run->values[i] : NULL;
		if (drains)
			forget(run);
	} else {
		expect(!snapshot);
	}
	check(run);
}

static void do_close(struct run *run, size_t slot)
{
	begin_call(run, "close");
	calm_snapshot_close(run->open[slot]);
	end_call(run, CALM_OK, CALM_OK);
	run->open[slot] = NULL;
	check(run);
}

static void do_walk(struct run *run, bool each)
{
	run->visits = 0;
	begin_call(run, each ? "each" : "walk");
	int result = each ? calm_map_each(run->map, visit, run)
			  : calm_map_walk(run->map, visit, run);
	if (end_call(run, result, 0))
		expect(run->visits == run->size);
	check(run);
}

static void do_reserve(struct run *run, size_t entries)
{
	begin_call(run, "reserve");
	end_call(run, calm_map_reserve(run->map, entries), CALM_OK);
	check(run);
}

static void do_compact(struct run *run)
{
	begin_call(run, "compact");
	end_call(run, calm_deltamap_compact(run->map), suite_compacts(run->on));
	check(run);
}

static int count(calm_key key, void *value, void *context)
{
	(void)key;
	(void)value;
	++*(uint64_t *)context;
	return 0;
}

/* Each way to read a snapshot: what it holds, or CALM_ENOMEM. */
static void do_read(struct run *run, size_t slot)
{
	calm_snapshot *snapshot = run->open[slot];
	calm_cursor cursor;
	uint64_t bound = 0;
	if (!snapshot)
		return;
	for (uint64_t i = 0; i < KEYS; i++)
		bound += run->opened[slot][i] != NULL;
	run->visits = 0;
	begin_call(run, "each of a snapshot");
	if (end_call(run, calm_snapshot_each(snapshot, count, &run->visits), 0))
		expect(run->visits == bound);
	begin_call(run, "load of a snapshot");
	void *value = NULL;
	void *held = run->opened[slot][4];
	if (end_call(run, calm_snapshot_load(snapshot, suite_key(run->on, 4), &value),
		     held ? CALM_OK : CALM_ABSENT))
		expect(value == held);
	begin_call(run, "size of a snapshot");
	uint64_t size = calm_snapshot_size(snapshot);
	end_call(run, CALM_OK, CALM_OK);
	expect(size == bound || (size == 0 && failures(run) > run->failed));
	for (int down = 0; down < 2; down++) {
		run->visits = 0;
		begin_call(run, "range of a snapshot");
		int result = down ? calm_snapshot_range_descending(snapshot, NULL, NULL, count,
								   &run->visits)
				  : calm_snapshot_range(snapshot, NULL, NULL, count, &run->visits);
		int expected = run->on->kind->ordered ? CALM_OK : CALM_EUNSUPPORTED;
		if (end_call(run, result, expected))
			expect(!run->on->kind->ordered || run->visits == bound);
	}
	begin_call(run, "cursor");
	calm_status status = calm_cursor_init(&cursor, snapshot);
	if (status == CALM_OK)
		status = calm_cursor_seek(&cursor, suite_key(run->on, 4));
	if (status >= CALM_OK)
		status = calm_cursor_prev(&cursor, NULL, NULL);
	if (status >= CALM_OK)
		status = calm_cursor_next(&cursor, NULL, NULL);
	if (status > CALM_OK)
		status = CALM_OK; /* there or not: read above */
	end_call(run, status, CALM_OK);
	check(run);
}

/*
 * Opens snapshots beside one that is open, until what was written before that has to be stamped again
 * (where stamps are short: knobs/knobs.c), and so saved for it.
 */
static void do_age(struct run *run)
{
	for (int n = 0; n < AGE && strcmp(run->on->kind->name, "hashmap") == 0; n++) {
		calm_snapshot *snapshot = NULL;
		begin_call(run, "one snapshot of many");
		if (end_call(run, calm_map_snapshot(run->map, &snapshot), CALM_OK))
			calm_snapshot_close(snapshot);
		else
			expect(!snapshot);
		check(run);
	}
}

/* What needs no memory, whatever happens. */
static void do_free(struct run *run)
{
	void *value = NULL;
	calm_status found = CALM_EINVAL;
	calm_stats stats;
	calm_key key = suite_key(run->on, 1);
	begin_call(run, "load and its kin");
	calm_status status = calm_map_load(run->map, key, &value);
	(void)calm_map_load_many(run->map, 1, &key, &value, &found);
	calm_map_stats(run->map, &stats);
	uint64_t size = calm_map_size(run->map);
	mallocs.armed = false;
	end_call(run, CALM_OK, CALM_OK);
	expect(status == (run->present[1] ? CALM_OK : CALM_ABSENT));
	expect(found == status && size == run->size);
}

static int ignore_difference(calm_key key, bool before, void *old_value, bool after,
			     void *new_value, void *context)
{
	(void)key;
	(void)(before && after && old_value == new_value);
	++*(uint64_t *)context;
	return 0;
}

static void with_snapshots(struct run *run)
{
	uint64_t differences = 0;
	do_open(run, 0, false);
	put(run, 0, STORE);
	put(run, 1, SWAP);
	take(run, 2, DELETE);
	do_apply(run, 20, 7);
	do_apply(run, 24, 30);
	do_open(run, 1, false);
	if (run->open[0] && run->open[1]) {
		begin_call(run, "diff");
		int result = calm_snapshot_diff(run->open[0], run->open[1], ignore_difference,
						&differences);
		if (end_call(run, result, 0))
			expect(differences > 0);
	}
	do_read(run, 0);
	do_read(run, 1);
	put(run, 3, UPDATE);
	do_compact(run);
	do_age(run);
	do_clear(run);
	put(run, 3, STORE);
	do_close(run, 0);
	do_open(run, 0, true);
	put(run, 3, LOAD_OR_STORE);
	do_walk(run, false);
	do_close(run, 1);
	do_close(run, 0);
	do_apply(run, 0, 32);
}

static void script(struct run *run)
{
	do_walk(run, true);
	put(run, 0, LOAD_OR_STORE);
	put(run, 0, LOAD_OR_STORE);
	for (uint64_t i = 1; i < 12; i++)
		put(run, i, i % 2 ? STORE : SWAP);
	do_walk(run, true);
	for (uint64_t i = 0; i < 4; i++) {
		take(run, 2 * i, (enum take)i);
		take(run, 2 * i, (enum take)i);
		put(run, 2 * i + 1, (enum put)(i + 1));
		put(run, 2 * i, (enum put)(i + 1));
	}
	put(run, 12, STORE);
	take(run, 12, DELETE);
	put(run, 2, STORE);
	do_free(run);
	do_compact(run);
	take(run, 2, DELETE);
	put(run, 2, STORE);
	if (run->on->kind->snapshots)
		with_snapshots(run);
	for (uint64_t i = 12; i < KEYS; i += 7)
		put(run, i, (enum put)(i % 3));
	do_reserve(run, 20);
	for (uint64_t i = 12; i < KEYS; i++)
		if (!run->present[i])
			put(run, i, STORE);
	for (uint64_t i = 0; i < KEYS - 3; i++)
		take(run, i, (enum take)(i % 4));
	put(run, 5, UPDATE);
	do_walk(run, true);
	do_clear(run);
	put(run, 5, STORE);
	do_clear(run);
	put(run, 6, STORE);
}

/* One run, its n-th allocation failing. False: it had fewer. */
static bool run_once(struct run *run)
{
	calm_options options = suite_options(run->on);
	suite_heap_init(&run->heap);
	if (run->source == ALLOCATOR)
		options.allocator = &run->heap.allocator;
	if (run->counted) {
		options.release = suite_item_release;
		options.context = &run->items;
	}
	options.seed = 1;
	options.capacity = 3;
	options.compact_at = 5;
	mallocs.left = run->nth;
	mallocs.on_and_on = run->on_and_on;
	mallocs.failed = 0;
	if (run->source == ALLOCATOR)
		suite_heap_fail(&run->heap, run->nth, run->on_and_on);
	begin_call(run, "create");
	bool made = end_call(run, run->on->kind->create(&run->map, &options), CALM_OK);
	expect(made || !run->map);
	if (made) {
		script(run);
		run->calls = 0;
		check(run);
	}
	bool met = failures(run) > 0;
	run->verb = "the end";
	for (size_t s = 0; s < OPEN; s++)
		calm_snapshot_close(run->open[s]);
	/* Destruction needs no memory. */
	run->failed = failures(run);
	exhaust();
	mallocs.armed = run->source != ALLOCATOR;
	calm_status status = calm_map_destroy(run->map);
	mallocs.armed = false;
	expect(status == CALM_OK);
	expect(run->items.live == 0);
	expect(run->heap.blocks == 0 && run->heap.bytes == 0);
	return met;
}

static void at_every_site(const struct suite *on, enum source source, bool on_and_on)
{
	for (unsigned counted = 0; counted < 2; counted++) {
		uint64_t slower = getenv("CALM_TEST_EMULATED") ? 20 : SUITE_SLOWER;
		uint64_t step = suite_number("CALM_TEST_SCALE", 1) > 1 ? 1 : slower;
		uint64_t nth = 1;
		for (bool met = true; met; nth += nth < 20 ? 1 : step) {
			struct run *run = calloc(1, sizeof(*run));
			suite_check(run != NULL);
			run->on = on;
			run->source = source;
			run->nth = nth;
			run->on_and_on = on_and_on;
			run->counted = counted > 0;
			met = run_once(run);
			free(run);
		}
		assert_true(nth > 20);
	}
}

static void one_allocation(void **state)
{
	at_every_site(*state, ALLOCATOR, false);
}

static void allocations_from_one_on(void **state)
{
	at_every_site(*state, ALLOCATOR, true);
}

static void one_malloc(void **state)
{
	at_every_site(*state, MALLOC, false);
	at_every_site(*state, MALLOC_INSIDE, false);
}

static void mallocs_from_one_on(void **state)
{
	at_every_site(*state, MALLOC, true);
	at_every_site(*state, MALLOC_INSIDE, true);
}

int main(int argc, char **argv)
{
	static const struct suite_test tests[] = {
		SUITE_TEST(one_allocation), SUITE_TEST(allocations_from_one_on),
		SUITE_TEST(one_malloc), SUITE_TEST(mallocs_from_one_on)};
	return suite_run(argc, argv, tests, SUITE_COUNT(tests), NULL, 0);
}
