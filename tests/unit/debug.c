/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Seeing into a process: the dump's lines, the threads' lines, and that the invariants' check
 * bites: each is broken by hand, found, and mended.
 */
#include "map/lockmap.h"
#include "map/syncmap.h"

#include "suite.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <unistd.h>

static char text[20000];

/* What a function writes, as a string. */
static const char *written(calm_status (*write)(FILE *))
{
	memset(text, 0, sizeof(text));
	FILE *file = fmemopen(text, sizeof(text) - 1, "w");
	assert_non_null(file);
	assert_int_equal(write(file), CALM_OK);
	fclose(file);
	return text;
}

static calm_map *dumped;

static calm_status dump(FILE *file)
{
	return calm_debug_dump(dumped, file);
}

static uint64_t value_of(const char *dump_text, const char *name)
{
	char line[64];
	snprintf(line, sizeof(line), "\n  %s ", name);
	const char *at = strstr(dump_text, line);
	assert_non_null(at);
	return strtoull(at + strlen(line), NULL, 10);
}

static void a_dump_has_a_line_for_each_statistic(void **state)
{
	static const char *const names[] = {"entries",    "bytes",   "history bytes",
					    "snapshots",  "hits",    "misses",
					    "promotions", "copies",  "resizes",
					    "stalls",     "retired", "oldest snapshot ns"};
	calm_snapshot *snapshot = NULL;
	(void)state;
	assert_int_equal(calm_lockmap_create(&dumped, NULL), CALM_OK);
	for (uint64_t i = 0; i < 123; i++)
		assert_int_equal(calm_map_store(dumped, calm_word(i), NULL), CALM_OK);
	assert_int_equal(calm_map_snapshot(dumped, &snapshot), CALM_OK);
	const char *lines = written(dump);
	assert_int_equal(strncmp(lines, "lockmap ", 8), 0);
	for (size_t i = 0; i < SUITE_COUNT(names); i++)
		(void)value_of(lines, names[i]);
	assert_int_equal(value_of(lines, "entries"), 123);
	assert_int_equal(value_of(lines, "snapshots"), 1);
	assert_int_equal(value_of(lines, "copies"), 1);
	assert_true(value_of(lines, "bytes") > value_of(lines, "history bytes"));
	calm_snapshot_close(snapshot);
	assert_int_equal(calm_map_destroy(dumped), CALM_OK);
}

static void ignore(void *value, void *context)
{
	(void)value;
	(void)context;
}

static const char *own_line(void)
{
	char own[32];
	snprintf(own, sizeof(own), "%d ", calm__thread_id());
	const char *at = strstr(written(calm_debug_threads), own);
	assert_non_null(at);
	*strchr(at, '\n') = '\0';
	return at;
}

static void threads_have_a_line_each(void **state)
{
	(void)state;
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_null(strstr(own_line(), "read section"));
	calm_read_begin();
	for (int i = 0; i < 3; i++)
		assert_int_equal(calm_retire(NULL, ignore, NULL), CALM_OK);
	assert_non_null(strstr(own_line(), "read section"));
	assert_non_null(strstr(own_line(), "3 retired"));
	calm_read_end();
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_non_null(strstr(own_line(), "0 retired"));
}

__attribute__((noinline)) static calm_status stack_of_here(FILE *file)
{
	errno = 77;
	calm_status status = calm_debug_stack(file);
	assert_int_equal(errno, 77);
	return status;
}

static void a_stack_begins_with_its_caller(void **state)
{
	(void)state;
	assert_int_equal(calm_debug_stack(NULL), CALM_EINVAL);
	const char *lines = written(stack_of_here);
	/* This program, libc's start and what is between; an address in the caller comes first. */
	const char *at = strstr(lines, "[0x");
	assert_non_null(at);
	uintptr_t first = (uintptr_t)strtoull(at + 1, NULL, 16);
	assert_true(first > (uintptr_t)stack_of_here && first < (uintptr_t)stack_of_here + 256);
	assert_non_null(strstr(at, "libc.so"));
}

static sigjmp_buf back;

static void report_and_return(int signal)
{
	(void)signal;
	(void)calm_debug_stack(stderr);
	siglongjmp(back, 1);
}

/* What the header allows: a handler of a fatal signal, on stderr. */
static void a_handler_may_write_its_stack(void **state)
{
	struct sigaction action = {.sa_handler = report_and_return}, before;
	FILE *kept = tmpfile();
	(void)state;
	assert_non_null(kept);
	assert_int_equal(fflush(stderr), 0);
	int own = dup(2);
	assert_int_equal(dup2(fileno(kept), 2), 2);
	assert_int_equal(sigaction(SIGSEGV, &action, &before), 0);
	if (sigsetjmp(back, 1) == 0)
		raise(SIGSEGV);
	assert_int_equal(dup2(own, 2), 2);
	close(own);
	assert_int_equal(sigaction(SIGSEGV, &before, NULL), 0);
	rewind(kept);
	size_t n = fread(text, 1, sizeof(text) - 1, kept);
	text[n] = '\0';
	fclose(kept);
	assert_non_null(strstr(text, "[0x"));
}

static void assert_broken(const calm_map *map, bool is)
{
	const char *broken = NULL;
	assert_int_equal(calm_debug_check(map, NULL), is ? CALM_CHANGED : CALM_OK);
	assert_int_equal(calm_debug_check(map, &broken), is ? CALM_CHANGED : CALM_OK);
	assert_true((broken != NULL) == is);
}

static void a_check_of_a_lockmap_bites(void **state)
{
	calm_map *map = NULL;
	(void)state;
	assert_int_equal(calm_lockmap_create(&map, NULL), CALM_OK);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(calm_map_store(map, calm_word(i), NULL), CALM_OK);
	assert_broken(map, false);
	struct calm__table *table = calm__lockmap_of(map)->table;
	size_t slot = calm__table_next(table, 0);
	table->slots[slot].key ^= (uint64_t)1 << 40;
	assert_broken(map, true);
	table->slots[slot].key ^= (uint64_t)1 << 40;
	table->count--;
	assert_broken(map, true);
	table->count++;
	assert_broken(map, false);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
}

static void a_check_of_a_syncmap_bites(void **state)
{
	calm_map *map = NULL;
	(void)state;
	assert_int_equal(calm_syncmap_create(&map, NULL), CALM_OK);
	struct syncmap *sync = calm__syncmap_of(map);
	/* Some in read, one of them expunged, and one new in dirty. */
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(calm_map_store(map, calm_word(i), NULL), CALM_OK);
	void *value;
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(calm_map_load(map, calm_word(i), &value), CALM_OK);
	assert_int_equal(calm_map_delete(map, calm_word(3)), CALM_OK);
	assert_int_equal(calm_map_store(map, calm_word(100), NULL), CALM_OK);
	assert_non_null(sync->dirty);
	assert_broken(map, false);
	sync->read ^= AMENDED;
	assert_broken(map, true);
	sync->read ^= AMENDED;
	struct calm__table *read = calm__tier_of(sync->read)->table;
	for (size_t i = calm__table_next(read, 0); i != CALM__NO_SLOT;
	     i = calm__table_next(read, i + 1)) {
		struct entry *entry = read->slots[i].value;
		void *is = entry->value;
		void *last = entry->last;
		entry->value = is == EXPUNGED ? NULL : EXPUNGED;
		assert_broken(map, true);
		entry->value = is;
		entry->last = last ? NULL : (void *)calm__tier_of(sync->read);
		assert_broken(map, true);
		entry->last = last;
	}
	assert_broken(map, false);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dump_has_a_line_for_each_statistic),
		cmocka_unit_test(threads_have_a_line_each),
		cmocka_unit_test(a_stack_begins_with_its_caller),
		cmocka_unit_test(a_handler_may_write_its_stack),
		cmocka_unit_test(a_check_of_a_lockmap_bites),
		cmocka_unit_test(a_check_of_a_syncmap_bites),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
