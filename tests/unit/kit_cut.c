/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The snapshot-cut checker against histories that are played by hand: right traversals pass, and
 * each way of being wrong is found and named. Small histories are held against brute force: is
 * there a prefix at all that looks like this?
 */
#include "kit/cut.h"
#include "kit/plant.h"
#include "kit/workload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ENTRIES_MAX 400

/*
 * What a map would hold: a value per entry, NULL where absent (entry 0 untouched does not occur
 * here: value 0).
 */
struct model {
	struct kit_cut cut;
	struct kit_cut_check check;
	calm_key *keys;
	uint64_t played[8]; /* writes so far, per writer */
	void *values[ENTRIES_MAX];
	bool present[ENTRIES_MAX];
	struct kit_random random;
};

static void make(struct model *model, unsigned writers, uint64_t touched, uint64_t entries,
		 unsigned delete_every, bool bytes)
{
	struct kit_cut_options options = {.entries = entries,
					  .touched = touched,
					  .writers = writers,
					  .delete_every = delete_every,
					  .seed = 77};

	*model = (struct model){0};
	kit_random_seed(&model->random, 5);
	if (bytes)
		options.keys = model->keys = kit_byte_keys_make(entries);
	assert_int_equal(kit_cut_init(&model->cut, &options), CALM_OK);
	assert_int_equal(kit_cut_check_init(&model->check, &model->cut), CALM_OK);
	for (uint64_t e = touched; e < entries; e++) {
		model->values[e] = kit_cut_untouched(e);
		model->present[e] = true;
	}
}

static void drop(struct model *model)
{
	kit_cut_check_free(&model->check);
	kit_cut_free(&model->cut);
	free(model->keys);
}

/* Plays the writer's next writes up to number `until`, without telling the counters. */
static void play(struct model *model, unsigned w, uint64_t until)
{
	const struct kit_cut_writer *writer = &model->cut.writer[w];

	while (model->played[w] < until) {
		uint64_t number = ++model->played[w];
		uint64_t entry = kit_cut_entry_of(writer, number);
		model->present[entry] = kit_cut_stores_of(&model->cut, writer, number);
		model->values[entry] = kit_cut_value(w, number);
	}
}

static void tell(struct model *model, unsigned w, uint64_t finished, uint64_t started)
{
	atomic_store(&model->cut.writer[w].finished, finished);
	atomic_store(&model->cut.writer[w].started, started);
}

static void play_all(struct model *model, uint64_t until)
{
	for (unsigned w = 0; w < model->cut.writers; w++) {
		play(model, w, until);
		tell(model, w, until, until);
	}
}

/* Feeds all bindings in random order through visit; leave_out (or UINT64_MAX) is not fed. */
static void feed_through(struct model *model, uint64_t leave_out, calm_visit_fn *visit,
			 void *context)
{
	uint32_t *order = kit_shuffle_make((uint32_t)model->cut.entries,
					   kit_random_next(&model->random));

	for (uint64_t i = 0; i < model->cut.entries; i++) {
		uint64_t e = order[i];
		if (model->present[e] && e != leave_out)
			assert_int_equal(
				visit(kit_cut_key(&model->cut, e), model->values[e], context), 0);
	}
	free(order);
}

static void feed(struct model *model)
{
	feed_through(model, UINT64_MAX, kit_cut_visit, &model->check);
}

static bool check_now(struct model *model, bool live)
{
	kit_cut_begin(&model->check, live);
	feed(model);
	return kit_cut_end(&model->check, 0);
}

static uint64_t faults(const struct model *model, enum kit_cut_fault fault)
{
	return model->check.report.faults[fault];
}

static void assert_only(const struct model *model, enum kit_cut_fault fault)
{
	assert_true(faults(model, fault) > 0);
	assert_int_equal(model->check.report.total, faults(model, fault));
	assert_non_null(strstr(model->check.report.text, kit_cut_fault_name(fault)));
}

/* A touched entry that is bound, of writer 0, last written by a number over 2n. */
static uint64_t some_touched(const struct model *model)
{
	const struct kit_cut_writer *writer = &model->cut.writer[0];

	for (uint64_t e = 0; e < writer->n; e++) {
		if (model->present[e])
			return e;
	}
	fail();
	return 0;
}

static uint64_t number_of(const struct model *model, uint64_t entry)
{
	return (uint64_t)(uintptr_t)model->values[entry] &
	       (((uint64_t)1 << KIT_CUT_NUMBER_BITS) - 1);
}

static void writes_go_round_in_closed_form(void **state)
{
	static const uint64_t sizes[] = {1, 2, 3, 7, 10, 64, 97};

	(void)state;
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
		struct model model;
		uint64_t n = sizes[s], last[100] = {0};
		make(&model, 2, 2 * n, 2 * n + 1, 4, false);
		const struct kit_cut_writer *writer = &model.cut.writer[1];
		assert_int_equal(writer->n, n);
		assert_int_equal(writer->first, n);
		for (uint64_t i = 1; i <= 5 * n; i++) {
			uint64_t e = kit_cut_entry_of(writer, i);
			assert_true(e >= n && e < 2 * n);
			assert_true(i <= n ? last[e - n] == 0 : last[e - n] == i - n);
			last[e - n] = i;
			for (uint64_t j = 0; j < n; j++)
				assert_int_equal(kit_cut_last_of(writer, j, i), last[j]);
		}
		drop(&model);
	}
}

static void a_quarter_of_the_writes_deletes(void **state)
{
	struct model model;
	size_t deletes = 0;

	(void)state;
	make(&model, 1, 10, 10, 4, false);
	for (uint64_t i = 11; i <= 100010; i++)
		deletes += !kit_cut_stores_of(&model.cut, model.cut.writer, i);
	assert_in_range(deletes, 24300, 25700);
	model.cut.delete_every = 0;
	for (uint64_t i = 1; i <= 1000; i++)
		assert_true(kit_cut_stores_of(&model.cut, model.cut.writer, i));
	drop(&model);
}

static void bad_plans_are_refused(void **state)
{
	static const struct kit_cut_options bad[] = {
		{.entries = 0},
		{.entries = 10, .touched = 11, .writers = 1},
		{.entries = 10, .touched = 2, .writers = 3},
		{.entries = 10, .touched = 2, .writers = 0},
		{.entries = 5000, .touched = 5000, .writers = 2000},
		{.entries = (uint64_t)1 << 32}};
	struct kit_cut cut;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(kit_cut_init(&cut, &bad[i]), CALM_EINVAL);
}

static void every_prefix_passes(void **state)
{
	static const unsigned deletes[] = {0, 1, 2, 4};

	(void)state;
	for (size_t d = 0; d < 4; d++) {
		for (uint64_t n = 1; n <= 7; n++) {
			struct model model;
			make(&model, 3, 3 * n, 3 * n + 4, deletes[d], n % 2 == 0);
			for (uint64_t m = 0; m < 6 * n; m++) {
				for (unsigned w = 0; w < 3; w++) {
					play(&model, w, m + w);
					/* Some writes are under way: bounds of up to two on each
					 * side. */
					uint64_t slack = m < 2 ? m : 2;
					tell(&model, w, m + w - slack, m + w + 2);
				}
				if (!check_now(&model, false))
					fail_msg("%s", model.check.report.text);
				assert_true(check_now(&model, true));
			}
			drop(&model);
		}
	}
}

/* Whether some m in [before, after] leaves exactly these values. */
static bool brute_force(const struct model *model, uint64_t before, uint64_t after)
{
	struct model *other = calloc(1, sizeof *other);
	bool found = false;

	other->cut = model->cut;
	for (uint64_t m = before; m <= after && !found; m++) {
		bool equal = true;
		play(other, 0, m);
		for (uint64_t e = 0; e < model->cut.touched && equal; e++)
			equal = model->present[e] == other->present[e] &&
				(!model->present[e] || model->values[e] == other->values[e]);
		found = equal;
	}
	free(other);
	return found;
}

static void verdicts_are_those_of_brute_force(void **state)
{
	enum { RUNS = 60000 };
	size_t good = 0, bad = 0;

	(void)state;
	for (int run = 0; run < RUNS; run++) {
		struct model model;
		struct kit_random random;
		kit_random_seed(&random, (uint64_t)run);
		uint64_t n = 1 + kit_random_below(&random, 6);
		make(&model, 1, n, n, (unsigned)kit_random_below(&random, 4), false);
		model.cut.seed = (uint64_t)run;
		uint64_t m = kit_random_below(&random, 5 * n);
		play(&model, 0, m);
		/* Up to two entries are set to another of their writes near m, or made absent. */
		for (uint64_t k = kit_random_below(&random, 3); k > 0; k--) {
			uint64_t i = 1 + kit_random_below(&random, m + 3);
			uint64_t e = kit_cut_entry_of(model.cut.writer, i);
			model.present[e] = kit_cut_stores_of(&model.cut, model.cut.writer, i);
			model.values[e] = kit_cut_value(0, i);
		}
		uint64_t before = m - kit_random_below(&random, m < 4 ? m + 1 : 4);
		uint64_t after = before + kit_random_below(&random, 5);
		bool expected = brute_force(&model, before, after);
		tell(&model, 0, before, before);
		kit_cut_begin(&model.check, false);
		tell(&model, 0, before, after);
		kit_cut_opened(&model.check);
		/* Whatever starts now is too late for this snapshot. */
		tell(&model, 0, before, after + 100);
		feed(&model);
		if (kit_cut_end(&model.check, 0) != expected)
			fail_msg("run %d: expected %d: %s", run, expected, model.check.report.text);
		good += expected;
		bad += !expected;
		drop(&model);
	}
	assert_true(good > RUNS / 10 && bad > RUNS / 10);
}

static void a_key_seen_twice(void **state)
{
	struct model model;

	(void)state;
	for (int bytes = 0; bytes < 2; bytes++) {
		make(&model, 2, 20, 40, 4, bytes != 0);
		play_all(&model, 55);
		uint64_t touched = some_touched(&model);
		for (int live = 0; live < 2; live++) {
			kit_cut_begin(&model.check, live != 0);
			feed(&model);
			(void)kit_cut_visit(kit_cut_key(&model.cut, touched), model.values[touched],
					    &model.check);
			(void)kit_cut_visit(kit_cut_key(&model.cut, 33), model.values[33],
					    &model.check);
			assert_false(kit_cut_end(&model.check, 0));
			assert_int_equal(faults(&model, KIT_CUT_TWICE), 2 * (live + 1));
		}
		assert_only(&model, KIT_CUT_TWICE);
		/* With another value it is still the same key. */
		kit_cut_begin(&model.check, false);
		feed(&model);
		(void)kit_cut_visit(kit_cut_key(&model.cut, touched),
				    kit_cut_value(0, number_of(&model, touched) % 10 + 10),
				    &model.check);
		assert_false(kit_cut_end(&model.check, 0));
		drop(&model);
	}
}

static void an_untouched_key_missing(void **state)
{
	struct model model;

	(void)state;
	make(&model, 2, 20, 40, 4, false);
	play_all(&model, 55);
	for (int live = 0; live < 2; live++) {
		kit_cut_begin(&model.check, live != 0);
		feed_through(&model, 31, kit_cut_visit, &model.check);
		assert_false(kit_cut_end(&model.check, 0));
	}
	assert_only(&model, KIT_CUT_UNTOUCHED);
	assert_int_equal(faults(&model, KIT_CUT_UNTOUCHED), 2);
	assert_non_null(strstr(model.check.report.text, "entry 31"));
	assert_true(check_now(&model, false));
	drop(&model);
}

static void one_write_too_new(void **state)
{
	struct model model;

	(void)state;
	make(&model, 1, 20, 30, 0, false);
	play_all(&model, 100);
	tell(&model, 0, 100, 120);
	/* Entry of write 105, without 101 to 104: torn, though each value by itself is possible. */
	uint64_t entry = kit_cut_entry_of(model.cut.writer, 105);
	void *old = model.values[entry];
	model.values[entry] = kit_cut_value(0, 105);
	assert_false(check_now(&model, false));
	assert_only(&model, KIT_CUT_PREFIX);
	assert_non_null(strstr(model.check.report.text, "writer 0: holds write 105"));
	/* For a live walk it is fine. */
	assert_true(check_now(&model, true));
	/* A write that had not started is wrong for both. */
	model.values[entry] = kit_cut_value(0, 125);
	assert_false(check_now(&model, true));
	assert_int_equal(faults(&model, KIT_CUT_NEW), 1);
	assert_false(check_now(&model, false));
	assert_int_equal(faults(&model, KIT_CUT_NEW), 2);
	model.values[entry] = old;
	assert_true(check_now(&model, false));
	drop(&model);
}

static void one_write_missing_in_the_prefix(void **state)
{
	struct model model;

	(void)state;
	make(&model, 1, 20, 30, 0, false);
	play_all(&model, 100);
	uint64_t entry = kit_cut_entry_of(model.cut.writer, 90);
	model.values[entry] = kit_cut_value(0, 70);
	kit_cut_begin(&model.check, false);
	feed(&model);
	assert_false(kit_cut_end(&model.check, 0));
	assert_true(faults(&model, KIT_CUT_PREFIX) == 1 && faults(&model, KIT_CUT_OLD) == 1);
	/* Gone altogether. */
	model.values[entry] = kit_cut_value(0, 90);
	model.present[entry] = false;
	assert_false(check_now(&model, false));
	assert_int_equal(faults(&model, KIT_CUT_PREFIX), 2);
	drop(&model);
}

static void a_prefix_that_is_too_short_or_too_long(void **state)
{
	struct model model;

	(void)state;
	make(&model, 1, 20, 30, 0, false);
	play_all(&model, 100);
	tell(&model, 0, 101, 101);
	assert_false(check_now(&model, false));
	/* The value that write 101 displaced is too old by itself, and so is the prefix. */
	assert_int_equal(faults(&model, KIT_CUT_OLD), 2);
	tell(&model, 0, 99, 99);
	assert_false(check_now(&model, false));
	assert_int_equal(faults(&model, KIT_CUT_NEW), 1);
	tell(&model, 0, 99, 101);
	assert_true(check_now(&model, false));
	drop(&model);
}

static void what_nobody_wrote(void **state)
{
	struct model model;

	(void)state;
	for (int bytes = 0; bytes < 2; bytes++) {
		make(&model, 2, 20, 40, 4, bytes != 0);
		play_all(&model, 55);
		struct kit_cut_check *check = &model.check;
		uint64_t deleted = 11;
		while (kit_cut_stores_of(&model.cut, model.cut.writer, deleted))
			deleted++;
		calm_key other = bytes ? calm_str("no such key") : calm_word(40);
		calm_key of_deleted = kit_cut_key(&model.cut,
						  kit_cut_entry_of(model.cut.writer, deleted));
		kit_cut_begin(check, false);
		feed(&model);
		uint64_t before = faults(&model, KIT_CUT_ALIEN);
		(void)kit_cut_visit(other, kit_cut_untouched(40), check);
		(void)kit_cut_visit(other, kit_cut_value(2, 1), check);
		(void)kit_cut_visit(other, kit_cut_value(0, 0), check);
		(void)kit_cut_visit(of_deleted, kit_cut_value(0, deleted), check);
		(void)kit_cut_visit(other, model.values[30], check);
		(void)kit_cut_visit(kit_cut_key(&model.cut, 31), model.values[30], check);
		(void)kit_cut_visit(kit_cut_key(&model.cut, 3), kit_cut_untouched(3), check);
		/* A key of the other kind. */
		(void)kit_cut_visit(bytes ? calm_word(30) : calm_str("30"), model.values[30],
				    check);
		assert_false(kit_cut_end(check, 0));
		assert_int_equal(faults(&model, KIT_CUT_ALIEN) - before, 8);
		assert_only(&model, KIT_CUT_ALIEN);
		/* Two values swapped between two keys. */
		void *value = model.values[30];
		model.values[30] = model.values[31];
		model.values[31] = value;
		assert_false(check_now(&model, false));
		assert_int_equal(faults(&model, KIT_CUT_ALIEN) - before, 10);
		drop(&model);
	}
}

static void a_second_reading_that_differs(void **state)
{
	struct model model;

	(void)state;
	make(&model, 1, 20, 30, 4, false);
	play_all(&model, 100);
	tell(&model, 0, 90, 110);
	assert_true(check_now(&model, false));
	kit_cut_again(&model.check);
	feed(&model);
	assert_true(kit_cut_end(&model.check, 0));
	/* A good snapshot, but of another instant. */
	assert_true(check_now(&model, false));
	kit_cut_again(&model.check);
	uint64_t next = 101;
	while (!kit_cut_stores_of(&model.cut, model.cut.writer, next))
		next++;
	play(&model, 0, next);
	feed(&model);
	assert_false(kit_cut_end(&model.check, 0));
	assert_only(&model, KIT_CUT_REREAD);
	drop(&model);
}

static void loads_after_a_snapshot(void **state)
{
	struct model model;

	(void)state;
	make(&model, 1, 20, 30, 4, false);
	play_all(&model, 200);
	assert_true(check_now(&model, false));
	const struct kit_cut_writer *writer = model.cut.writer;
	struct kit_cut_check *check = &model.check;
	tell(&model, 0, 290, 300);
	for (uint64_t e = 0; e < 20; e++) {
		uint64_t last = kit_cut_last_of(writer, e, 200);
		for (uint64_t i = last % 20 == 0 ? 20 : last % 20; i <= 340; i += 20) {
			bool expected = i >= last && i <= 300 &&
					kit_cut_stores_of(&model.cut, writer, i);
			assert_int_equal(kit_cut_load(check, e, CALM_OK, kit_cut_value(0, i)),
					 expected);
		}
		bool deleted = false;
		for (uint64_t i = last; i <= 300; i += 20)
			deleted |= !kit_cut_stores_of(&model.cut, writer, i);
		assert_int_equal(kit_cut_load(check, e, CALM_ABSENT, NULL), deleted);
		assert_false(
			kit_cut_load(check, e, CALM_OK,
				     kit_cut_value(0, kit_cut_last_of(writer, (e + 1) % 20, 300))));
		assert_false(kit_cut_load(check, e, CALM_OK, kit_cut_value(1, last)));
		assert_false(kit_cut_load(check, e, CALM_ENOMEM, NULL));
		/* The snapshot itself may show its own write only. */
		assert_int_equal(kit_cut_snapshot_load(check, e,
						       model.present[e] ? CALM_OK : CALM_ABSENT,
						       model.values[e]),
				 true);
		assert_false(kit_cut_snapshot_load(
			check, e, model.present[e] ? CALM_ABSENT : CALM_OK, model.values[e]));
		assert_false(kit_cut_snapshot_load(check, e, CALM_OK, kit_cut_value(0, last + 20)));
	}
	assert_true(kit_cut_load(check, 25, CALM_OK, kit_cut_untouched(25)));
	assert_true(kit_cut_snapshot_load(check, 25, CALM_OK, kit_cut_untouched(25)));
	assert_false(kit_cut_load(check, 25, CALM_ABSENT, NULL));
	assert_false(kit_cut_load(check, 25, CALM_OK, kit_cut_untouched(26)));
	assert_false(kit_cut_snapshot_load(check, 25, CALM_ABSENT, NULL));
	assert_int_equal(faults(&model, KIT_CUT_LOAD) + faults(&model, KIT_CUT_REREAD),
			 model.check.report.total);
	drop(&model);
}

static void live_walks(void **state)
{
	struct model model;

	(void)state;
	make(&model, 1, 20, 30, 0, false);
	play_all(&model, 100);
	/* Before the walk 100 are finished, at its end 110 have started: entries of 101 … 110
	 * may show either. */
	for (uint64_t i = 101; i <= 110; i += 2) {
		uint64_t e = kit_cut_entry_of(model.cut.writer, i);
		model.values[e] = kit_cut_value(0, i);
	}
	uint64_t between = kit_cut_entry_of(model.cut.writer, 104);
	uint64_t constant = kit_cut_entry_of(model.cut.writer, 95);
	kit_cut_begin(&model.check, true);
	feed(&model);
	tell(&model, 0, 110, 110);
	assert_true(kit_cut_end(&model.check, 0));
	/* An entry that was being written need not be seen; one that nobody wrote must be. */
	tell(&model, 0, 100, 100);
	kit_cut_begin(&model.check, true);
	feed_through(&model, between, kit_cut_visit, &model.check);
	tell(&model, 0, 110, 110);
	assert_true(kit_cut_end(&model.check, 0));
	tell(&model, 0, 100, 100);
	kit_cut_begin(&model.check, true);
	feed_through(&model, constant, kit_cut_visit, &model.check);
	tell(&model, 0, 110, 110);
	assert_false(kit_cut_end(&model.check, 0));
	assert_only(&model, KIT_CUT_LOST);
	/* A value that was displaced before the walk began. */
	tell(&model, 0, 100, 110);
	model.values[constant] = kit_cut_value(0, 75);
	assert_false(check_now(&model, true));
	assert_int_equal(faults(&model, KIT_CUT_OLD), 1);
	drop(&model);
}

static void a_deleted_entry_need_not_be_seen(void **state)
{
	struct model model;

	(void)state;
	make(&model, 1, 20, 20, 2, false);
	play_all(&model, 100);
	assert_true(check_now(&model, true));
	assert_true(model.check.bindings < 20);
	drop(&model);
}

static void a_traversal_that_failed(void **state)
{
	struct model model;

	(void)state;
	make(&model, 1, 20, 30, 4, false);
	play_all(&model, 50);
	kit_cut_begin(&model.check, false);
	(void)kit_cut_visit(kit_cut_key(&model.cut, 25), model.values[25], &model.check);
	assert_false(kit_cut_end(&model.check, CALM_ESTALE));
	assert_only(&model, KIT_CUT_FAILED);
	/* What it had seen is forgotten. */
	assert_true(check_now(&model, false));
	drop(&model);
}

static void a_map_without_anything(void **state)
{
	struct model model;

	(void)state;
	make(&model, 2, 20, 30, 4, false);
	play_all(&model, 60);
	kit_cut_begin(&model.check, false);
	assert_false(kit_cut_end(&model.check, 0));
	assert_int_equal(faults(&model, KIT_CUT_PREFIX), 2);
	assert_int_equal(faults(&model, KIT_CUT_UNTOUCHED), 1);
	drop(&model);
}

static void reports_are_bounded_and_add_up(void **state)
{
	struct kit_cut_report a = {0}, b = {0};
	char line[300];

	(void)state;
	memset(line, 'x', sizeof line - 1);
	line[sizeof line - 1] = '\0';
	for (int i = 0; i < 1000; i++)
		kit_cut_fault(&a, KIT_CUT_TWICE, "%s", line);
	kit_cut_fault(&b, KIT_CUT_LOAD, "seven");
	assert_true(strlen(a.text) < sizeof a.text && strlen(a.text) == a.used);
	kit_cut_report_merge(&b, &a);
	assert_int_equal(b.total, 1001);
	assert_int_equal(b.faults[KIT_CUT_TWICE], 1000);
	assert_int_equal(b.faults[KIT_CUT_LOAD], 1);
	assert_ptr_equal(strstr(b.text, "load: seven\n"), b.text);
	assert_true(strlen(b.text) == b.used && b.used < sizeof b.text);
}

static void every_plant_is_found(void **state)
{
	static const struct {
		enum kit_plant plant;
		enum kit_cut_fault snapshot, live;
	} plants[] = {
		{KIT_PLANT_TWICE, KIT_CUT_TWICE, KIT_CUT_TWICE},
		{KIT_PLANT_MISSING, KIT_CUT_UNTOUCHED, KIT_CUT_UNTOUCHED},
		{KIT_PLANT_LOST, KIT_CUT_PREFIX, KIT_CUT_LOST},
		{KIT_PLANT_TORN, KIT_CUT_NEW, KIT_CUT_NEW},
		{KIT_PLANT_OLD, KIT_CUT_OLD, KIT_CUT_OLD},
		{KIT_PLANT_ALIEN, KIT_CUT_ALIEN, KIT_CUT_ALIEN},
		{KIT_PLANT_CROSSED, KIT_CUT_ALIEN, KIT_CUT_ALIEN},
	};

	(void)state;
	for (size_t p = 0; p < sizeof plants / sizeof *plants; p++) {
		for (int live = 0; live < 2; live++) {
			struct model model;
			make(&model, 2, 200, 400, 4, p % 2 == 0);
			play_all(&model, 1000);
			struct kit_plant_tap tap = {.check = &model.check,
						    .plant = plants[p].plant};
			kit_cut_begin(&model.check, live != 0);
			kit_plant_begin(&tap, 50);
			feed_through(&model, UINT64_MAX, kit_plant_visit, &tap);
			assert_false(kit_cut_end(&model.check, 0));
			assert_true(tap.planted > 0);
			assert_true(faults(&model, live ? plants[p].live : plants[p].snapshot) > 0);
			drop(&model);
		}
	}
}

static void plants_have_names(void **state)
{
	enum kit_plant plant = KIT_PLANT_NONE;

	(void)state;
	for (int i = 0; i < KIT_PLANTS; i++) {
		assert_true(kit_plant_parse(kit_plant_name((enum kit_plant)i), &plant));
		assert_int_equal(plant, i);
	}
	assert_false(kit_plant_parse("tree", &plant));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_go_round_in_closed_form),
		cmocka_unit_test(a_quarter_of_the_writes_deletes),
		cmocka_unit_test(bad_plans_are_refused),
		cmocka_unit_test(every_prefix_passes),
		cmocka_unit_test(verdicts_are_those_of_brute_force),
		cmocka_unit_test(a_key_seen_twice),
		cmocka_unit_test(an_untouched_key_missing),
		cmocka_unit_test(one_write_too_new),
		cmocka_unit_test(one_write_missing_in_the_prefix),
		cmocka_unit_test(a_prefix_that_is_too_short_or_too_long),
		cmocka_unit_test(what_nobody_wrote),
		cmocka_unit_test(a_second_reading_that_differs),
		cmocka_unit_test(loads_after_a_snapshot),
		cmocka_unit_test(live_walks),
		cmocka_unit_test(a_deleted_entry_need_not_be_seen),
		cmocka_unit_test(a_traversal_that_failed),
		cmocka_unit_test(a_map_without_anything),
		cmocka_unit_test(reports_are_bounded_and_add_up),
		cmocka_unit_test(every_plant_is_found),
		cmocka_unit_test(plants_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
