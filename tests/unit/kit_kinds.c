/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The table of kinds and the parser of lists of them; whatever kinds this build has. */
#include "kit/kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const struct kit_kind *out[KIT_KINDS];
static size_t count;
static char error[256];

static bool parse(const char *list)
{
	error[0] = '\0';
	return kit_kinds_parse(list, out, &count, error, sizeof error);
}

static void every_kind_is_found_by_its_name(void **state)
{
	(void)state;
	for (int i = 0; i < KIT_KINDS; i++)
		assert_ptr_equal(kit_kind_find(kit_kinds[i].name), &kit_kinds[i]);
	assert_null(kit_kind_find("hash"));
	assert_null(kit_kind_find("hashmapx"));
	assert_null(kit_kind_find(""));
}

static void the_table_agrees_with_the_library(void **state)
{
	(void)state;
	for (int i = 0; i < KIT_KINDS; i++) {
		calm_map *map = NULL;
		calm_status status = kit_kinds[i].create(&map, NULL);
		assert_int_equal(status != CALM_EUNSUPPORTED, kit_kind_exists(&kit_kinds[i]));
		if (status == CALM_EUNSUPPORTED)
			continue;
		assert_int_equal(status, CALM_OK);
		assert_string_equal(calm_map_kind(map), kit_kinds[i].name);
		assert_int_equal(calm_map_destroy(map), CALM_OK);
	}
}

static void all_is_what_exists(void **state)
{
	size_t existing = 0;

	(void)state;
	for (int i = 0; i < KIT_KINDS; i++)
		existing += kit_kind_exists(&kit_kinds[i]);
	if (existing == 0)
		skip();
	assert_true(parse("all"));
	assert_int_equal(count, existing);
	for (size_t i = 0; i < count; i++)
		assert_true(kit_kind_exists(out[i]));
}

static void lists_keep_their_order_and_drop_repeats(void **state)
{
	(void)state;
	if (!kit_kind_exists(kit_kind_find("lockmap")) ||
	    !kit_kind_exists(kit_kind_find("syncmap")))
		skip();
	assert_true(parse("lockmap,syncmap,lockmap"));
	assert_int_equal(count, 2);
	assert_string_equal(out[0]->name, "lockmap");
	assert_string_equal(out[1]->name, "syncmap");
}

static void errors_name_the_word(void **state)
{
	static const struct {
		const char *list, *word;
	} bad[] = {{"lokmap", "'lokmap'"},   {"", "''"},
		   {"lockmap,", "''"},       {"lockmap,,syncmap", "''"},
		   {"lockmap,all", "'all'"}, {"lockmap ", "'lockmap '"}};

	(void)state;
	if (!kit_kind_exists(kit_kind_find("lockmap")))
		skip();
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_false(parse(bad[i].list));
		assert_non_null(strstr(error, bad[i].word));
		assert_non_null(strstr(error, "syncmap"));
	}
	assert_false(kit_kinds_parse("nonsense", out, &count, NULL, 0));
}

static void a_kind_that_is_not_built_says_so(void **state)
{
	const struct kit_kind *missing = NULL;

	(void)state;
	for (int i = 0; i < KIT_KINDS; i++) {
		if (!kit_kind_exists(&kit_kinds[i]))
			missing = &kit_kinds[i];
	}
	if (missing == NULL)
		skip();
	assert_false(parse(missing->name));
	assert_non_null(strstr(error, missing->name));
	assert_non_null(strstr(error, "not built"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_found_by_its_name),
		cmocka_unit_test(the_table_agrees_with_the_library),
		cmocka_unit_test(all_is_what_exists),
		cmocka_unit_test(lists_keep_their_order_and_drop_repeats),
		cmocka_unit_test(errors_name_the_word),
		cmocka_unit_test(a_kind_that_is_not_built_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
