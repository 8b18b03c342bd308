/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* That calm_debug_check of a hashmap bites: each invariant is broken by hand, named, and mended. */
#include "map/hashmap_bucket.h"

#include "suite.h"

#define KEYS 5000

static calm_map *map;
static struct calm__hash_table *table;

static void assert_check(const char *expected)
{
	const char *broken = NULL;
	assert_int_equal(calm_debug_check(map, &broken), expected ? CALM_CHANGED : CALM_OK);
	if (expected)
		assert_string_equal(broken, expected);
}

/* Sets a word, expects what the check says of it, and sets it back. */
static void break_word(shared_u64 *word, uint64_t value, const char *expected)
{
	uint64_t before = load_relaxed(word);
	assert_true(before != value);
	store_relaxed(word, value);
	assert_check(expected);
	store_relaxed(word, before);
	assert_check(NULL);
}

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(calm_hashmap_create(&map, NULL), CALM_OK);
	for (uint64_t i = 0; i < KEYS; i++)
		assert_int_equal(calm_map_store(map, calm_word(i), NULL), CALM_OK);
	assert_int_equal(calm_map_reserve(map, KEYS), CALM_OK); /* no table is being moved */
	table = calm__hashmap_table(calm__hashmap_of(map));
	assert_check(NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return calm_map_destroy(map) == CALM_OK ? 0 : -1;
}

/* A bucket with its first slot occupied, that overflows or does not. */
static struct calm__line *bucket_that(bool overflows)
{
	for (uint64_t i = 0; i < (uint64_t)1 << table->bits; i++) {
		uint64_t header = load_relaxed(&table->lines[i].header);
		if ((calm__line_occupied(header) & 1) && !(header & LINE_OVERFLOW) == !overflows)
			return &table->lines[i];
	}
	fail_msg("no such bucket");
	return NULL;
}

static void a_header(void **state)
{
	struct calm__line *line = bucket_that(false);
	uint64_t header = load_relaxed(&line->header);
	(void)state;
	break_word(&line->header, header | LINE_LOCK,
		   "hashmap: a bucket is locked, or moved twice");
	break_word(&line->header, header | LINE_OVERFLOW,
		   "hashmap: a header and its overflow disagree");
	break_word(&line->header, header ^ (uint64_t)1 << LINE_TAG_SHIFT,
		   "hashmap: a tag that is not its key's");
}

static void a_key(void **state)
{
	struct calm__line *line = bucket_that(false);
	const struct calm__keys *keys = &map->keys;
	uint64_t stored = load_relaxed(&line->slots[0].key);
	(void)state;
	do
		stored++;
	while (calm__bucket(table, calm__stored_hash(keys, stored)) == line);
	break_word(&line->slots[0].key, stored, "hashmap: a key in a bucket that is not its own");
}

static void a_chain(void **state)
{
	struct calm__line *line = bucket_that(true);
	struct calm__line *next = calm__overflow(table, load_relaxed(&line->overflow));
	(void)state;
	break_word(&line->header, load_relaxed(&line->header) & ~LINE_OVERFLOW,
		   "hashmap: a header and its overflow disagree");
	break_word(&next->header, 0, "hashmap: an empty line in a chain");
}

static void a_count(void **state)
{
	struct calm__self *self = calm__self();
	(void)state;
	calm__stripes_add(&table->generation->count, self, 1);
	assert_check("hashmap: the count is not the number of bindings");
	calm__stripes_add(&table->generation->count, self, -1);
	assert_check(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_header, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_key, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_chain, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_count, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
