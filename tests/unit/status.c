/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Status codes: their numbers, which are the interface, and a description of each that is its own;
 * the version.
 */
#include "suite.h"

static const calm_status all[] = {CALM_OK,     CALM_ABSENT, CALM_PRESENT, CALM_CHANGED,
				  CALM_ENOMEM, CALM_EINVAL, CALM_EKEY,    CALM_EUNSUPPORTED,
				  CALM_ESTALE, CALM_EBUSY};

static void numbers(void **state)
{
	(void)state;
	assert_int_equal(CALM_OK, 0);
	assert_int_equal(CALM_ABSENT, 1);
	assert_int_equal(CALM_PRESENT, 2);
	assert_int_equal(CALM_CHANGED, 3);
	for (size_t i = 4; i < SUITE_COUNT(all); i++)
		assert_int_equal(all[i], 3 - (int)i);
}

static void descriptions(void **state)
{
	(void)state;
	for (size_t i = 0; i < SUITE_COUNT(all); i++) {
		const char *text = calm_strerror(all[i]);
		assert_non_null(text);
		assert_true(strlen(text) >= 4);
		assert_string_not_equal(text, "unknown status");
		assert_ptr_equal(text, calm_strerror(all[i]));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(text, calm_strerror(all[j]));
	}
}

static void numbers_that_are_none(void **state)
{
	static const int none[] = {4, -7, 100, -100, INT32_MAX, INT32_MIN};
	(void)state;
	for (size_t i = 0; i < SUITE_COUNT(none); i++)
		assert_string_equal(calm_strerror((calm_status)none[i]), "unknown status");
}

static void version(void **state)
{
	char text[64];
	(void)state;
	snprintf(text, sizeof(text), "%d.%d.%d", CALM_VERSION_MAJOR, CALM_VERSION_MINOR,
		 CALM_VERSION_PATCH);
	assert_string_equal(CALM_VERSION_STRING, text);
	assert_string_equal(calm_version(), text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(descriptions),
		cmocka_unit_test(numbers_that_are_none),
		cmocka_unit_test(version),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
