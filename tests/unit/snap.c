/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Dead lists against brute force: random births, deaths, openings, closings and oustings. A
 * displaced pointer must not go while an open snapshot sees it, and must have gone after the close
 * of the last one that did, once.
 */
#include "sync/snap.h"

#include "suite.h"
#include "sync/bag.h"

#include <sched.h>

#define OPEN 12
#define THREADS 8

struct object {
	uint64_t birth, death; /* death 0: lives */
	uint64_t releases;
};

struct history {
	struct calm__snaps snaps;
	struct kit_random random;
	struct object *objects;
	size_t n, most;
	size_t living[400]; /* the objects that are not displaced */
	size_t lives;
	struct calm__snap *open[OPEN];
	bool stale[OPEN];
};

/* What a release must be called with, after all the lists a pointer went through. */
static const void *map;

static void release_object(void *pointer, void *context)
{
	struct object *object = pointer;
	suite_check(context == map);
	object->releases++;
}

static uint64_t below(struct history *history, uint64_t n)
{
	return kit_random_below(&history->random, n);
}

static bool seen(const struct history *history, const struct object *object)
{
	for (size_t s = 0; s < OPEN; s++) {
		const struct calm__snap *snap = history->open[s];
		if (snap && !history->stale[s] && object->birth <= snap->stamp &&
		    snap->stamp < object->death)
			return true;
	}
	return false;
}

/* To be called when no section is open and what is due has been released. */
static void check_all(const struct history *history)
{
	uint64_t kept = 0;
	assert_int_equal(calm_read_wait(), CALM_OK);
	for (size_t i = 0; i < history->n; i++) {
		const struct object *object = &history->objects[i];
		bool must_stay = object->death == 0 || seen(history, object);
		assert_int_equal(object->releases, must_stay ? 0 : 1);
		kept += object->death != 0 && must_stay;
	}
	assert_int_equal(history->snaps.dead, kept);
}

static void bear(struct history *history)
{
	if (history->n == history->most || history->lives == SUITE_COUNT(history->living))
		return;
	history->objects[history->n].birth = calm__snaps_epoch(&history->snaps);
	history->living[history->lives++] = history->n++;
}

static void displace(struct history *history, uint32_t n)
{
	struct calm__self *self = calm__self();
	suite_check(calm__displace_reserve(self, n, OPEN));
	calm__enter(self);
	while (n-- > 0 && history->lives > 0) {
		size_t which = below(history, history->lives);
		struct object *object = &history->objects[history->living[which]];
		history->living[which] = history->living[--history->lives];
		object->death = calm__snaps_epoch(&history->snaps);
		calm__displace(&history->snaps, self, object->birth, object->death,
			       (struct calm__retired){object, release_object, history});
	}
	calm__leave(self);
}

static void leave(struct history *history, struct calm__snap *snap)
{
	struct calm__self *self = calm__self();
	calm__enter(self);
	calm__snap_leave(&history->snaps, snap, self, history);
	calm__leave(self);
	if (calm__snap_drop(snap))
		free(snap);
}

static void open_one(struct history *history, size_t s)
{
	uint64_t epoch = calm__snaps_epoch(&history->snaps);
	history->open[s] = calloc(1, sizeof(*history->open[s]));
	suite_check(history->open[s] != NULL);
	calm__snap_open(&history->snaps, history->open[s], 100);
	suite_check(!calm__snap_done(history->open[s]));
	assert_int_equal(history->open[s]->stamp, epoch);
	assert_int_equal(calm__snaps_epoch(&history->snaps), epoch + 1);
	history->stale[s] = false;
}

static void close_one(struct history *history, size_t s)
{
	struct calm__snap *snap = history->open[s];
	bool mine = calm__snap_closes(snap);
	assert_int_equal(mine, !history->stale[s]);
	history->open[s] = NULL;
	if (mine)
		leave(history, snap);
	if (calm__snap_drop(snap))
		free(snap);
}

/* The oldest that can be, never the newest. */
static void oust_one(struct history *history)
{
	struct calm__snap *gone = NULL;
	size_t oldest = OPEN;
	unsigned fresh = 0;
	for (size_t s = 0; s < OPEN; s++) {
		if (!history->open[s] || history->stale[s])
			continue;
		fresh++;
		if (oldest == OPEN || history->open[s]->stamp < history->open[oldest]->stamp)
			oldest = s;
	}
	bool any = calm__snaps_oust(&history->snaps, false, &gone);
	assert_int_equal(any, fresh > 1);
	if (!any)
		return;
	assert_ptr_equal(gone, history->open[oldest]);
	history->stale[oldest] = true;
	assert_false(calm__snap_use(gone));
	leave(history, gone);
}

static void against_brute_force(void **state)
{
	struct history *history = calloc(1, sizeof(*history));
	uint64_t seed = suite_seed();
	(void)state;
	suite_check(history != NULL);
	map = history;
	history->most = suite_long(20000);
	history->objects = calloc(history->most, sizeof(*history->objects));
	suite_check(history->objects != NULL);
	print_message("CALM_TEST_SEED=%llu\n", (unsigned long long)seed);
	kit_random_seed(&history->random, seed);
	calm__snaps_init(&history->snaps);
	for (uint64_t step = 0; history->n < history->most; step++) {
		size_t s = below(history, OPEN);
		uint64_t which = below(history, 100);
		if (which < 60)
			bear(history);
		else if (which < 85)
			displace(history, 1 + (uint32_t)below(history, 4));
		else if (which < 87)
			displace(history, 300);
		else if (which < 88)
			oust_one(history);
		else if (!history->open[s] && which < 94)
			open_one(history, s);
		else if (history->open[s])
			close_one(history, s);
		if (step % 128 == 0)
			check_all(history);
	}
	displace(history, 500);
	check_all(history);
	for (size_t s = 0; s < OPEN; s++) {
		if (history->open[s])
			close_one(history, s);
		check_all(history);
	}
	assert_int_equal(history->snaps.open, 0);
	assert_int_equal(history->snaps.dead, 0);
	assert_int_equal(history->snaps.history, 0);
	free(history->objects);
	free(history);
}

/*
 * One hot key under one long snapshot: the version that it sees is kept, and none of the later
 * ones.
 */
static void one_hot_key_keeps_one_version(void **state)
{
	enum { VERSIONS = 1000 };
	struct calm__snaps snaps;
	struct calm__snap snap;
	struct calm__self *self = calm__self();
	static struct object objects[VERSIONS];
	(void)state;
	map = &snaps;
	calm__snaps_init(&snaps);
	objects[0].birth = calm__snaps_epoch(&snaps);
	calm__snap_open(&snaps, &snap, 0);
	for (size_t i = 0; i < VERSIONS; i++) {
		uint64_t now = calm__snaps_epoch(&snaps);
		suite_check(calm__displace_reserve(self, 1, 1));
		calm__enter(self);
		calm__displace(&snaps, self, i == 0 ? objects[0].birth : now, now,
			       (struct calm__retired){&objects[i], release_object, &snaps});
		calm__leave(self);
	}
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(snaps.dead, 1);
	for (size_t i = 0; i < VERSIONS; i++)
		assert_int_equal(objects[i].releases, i > 0);
	assert_false(calm__snap_done(&snap));
	assert_true(calm__snap_closes(&snap));
	calm__enter(self);
	calm__snap_leave(&snaps, &snap, self, &snaps);
	calm__leave(self);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(objects[0].releases, 1);
}

static void ousted_with_users(void **state)
{
	struct history history = {.n = 0};
	struct calm__snap *gone = NULL;
	(void)state;
	calm__snaps_init(&history.snaps);
	open_one(&history, 0);
	open_one(&history, 1);
	struct calm__snap *snap = history.open[0];
	assert_true(calm__snap_use(snap));
	assert_true(calm__snap_use(snap));
	assert_true(calm__snaps_oust(&history.snaps, false, &gone));
	assert_null(gone); /* its users come first */
	assert_false(calm__snap_use(snap));
	assert_int_equal(history.snaps.history, 100);
	assert_false(calm__snap_done(snap));
	assert_int_equal(history.snaps.open, 2);
	assert_true(calm__snap_done(snap));
	leave(&history, snap);
	assert_int_equal(history.snaps.open, 1);
	assert_false(calm__snap_closes(snap));
	assert_true(calm__snap_drop(snap));
	free(snap);
	/* The newest is never ousted, nor one that keeps nothing of its own. */
	assert_false(calm__snaps_oust(&history.snaps, false, &gone));
	close_one(&history, 1);
	assert_int_equal(calm__snaps_oldest_ns(&history.snaps), 0);
}

/* ---- with threads ---- */

struct crowd {
	struct calm__snaps snaps;
	uint64_t rounds;
	_Atomic uint64_t opened, left, freed;
};

struct kept {
	struct calm__snap snap;
	_Atomic bool whole;
};

/* Whoever was told to free it has all the time in the world: nobody else may have been told too. */
static void crowd_dispose(struct crowd *crowd, struct kept *kept)
{
	struct calm__self *self = calm__self();
	sched_yield();
	suite_check(atomic_exchange(&kept->whole, false));
	calm__enter(self);
	calm__snap_leave(&crowd->snaps, &kept->snap, self, crowd);
	calm__leave(self);
	atomic_fetch_add(&crowd->left, 1);
	if (calm__snap_drop(&kept->snap)) {
		atomic_fetch_add(&crowd->freed, 1);
		free(kept);
	}
}

static void open_use_oust_close(unsigned index, void *context)
{
	struct crowd *crowd = context;
	for (uint64_t round = 0; round < crowd->rounds; round++) {
		struct kept *kept = calloc(1, sizeof(*kept));
		struct calm__snap *gone = NULL;
		suite_check(kept != NULL);
		kept->whole = true;
		atomic_fetch_add(&crowd->opened, 1);
		calm__snap_open(&crowd->snaps, &kept->snap, 1);
		if ((round + index) % 3 > 0 && calm__snaps_oust(&crowd->snaps, false, &gone) &&
		    gone)
			crowd_dispose(crowd, (struct kept *)gone);
		suite_check(kept->whole); /* the opener is a user */
		if (calm__snap_done(&kept->snap))
			crowd_dispose(crowd, kept);
		if (calm__snap_use(&kept->snap)) {
			suite_check(kept->whole);
			if (calm__snap_done(&kept->snap))
				crowd_dispose(crowd, kept);
		}
		if (calm__snap_closes(&kept->snap))
			crowd_dispose(crowd, kept);
		if (calm__snap_drop(&kept->snap)) {
			atomic_fetch_add(&crowd->freed, 1);
			free(kept);
		}
	}
}

static void ousting_and_closing_race(void **state)
{
	struct crowd crowd = {.rounds = suite_long(10000)};
	(void)state;
	calm__snaps_init(&crowd.snaps);
	suite_threads(THREADS, open_use_oust_close, &crowd);
	assert_int_equal(crowd.left, crowd.opened);
	assert_int_equal(crowd.freed, crowd.opened);
	assert_int_equal(crowd.snaps.open, 0);
	assert_int_equal(crowd.snaps.history, 0);
	assert_null(crowd.snaps.newest);
	assert_null(crowd.snaps.oldest);
}

/*
 * While one thread displaces, another closes the newest snapshot each time: each is the first to
 * keep something.
 */
struct closing {
	struct history history;
	size_t s;
};

static void *close_in_between(void *pointer)
{
	struct closing *closing = pointer;
	close_one(&closing->history, closing->s);
	return NULL;
}

static void a_reserve_covers_closes_in_between(void **state)
{
	struct closing *closing = calloc(1, sizeof(*closing));
	struct object objects[OPEN] = {{0}};
	struct calm__self *self = calm__self();
	(void)state;
	suite_check(closing != NULL);
	map = closing;
	calm__snaps_init(&closing->history.snaps);
	for (size_t s = 0; s < OPEN; s++) {
		objects[s].birth = calm__snaps_epoch(&closing->history.snaps);
		open_one(&closing->history, s);
	}
	assert_int_equal(calm_read_wait(), CALM_OK);
	while (self->bag.spares > 0)
		calm__free_blocks(calm__take_block(self));
	assert_true(calm__displace_reserve(self, OPEN, OPEN));
	calm__enter(self);
	for (size_t s = OPEN; s-- > 0;) {
		pthread_t thread;
		objects[s].death = calm__snaps_epoch(&closing->history.snaps);
		calm__displace(&closing->history.snaps, self, objects[s].birth, objects[s].death,
			       (struct calm__retired){&objects[s], release_object, closing});
		closing->s = s;
		assert_int_equal(pthread_create(&thread, NULL, close_in_between, closing), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
	}
	calm__leave(self);
	assert_int_equal(calm_read_wait(), CALM_OK);
	for (size_t s = 0; s < OPEN; s++)
		assert_int_equal(objects[s].releases, 1);
	free(closing);
}

/* Whoever joins is ousted in the order of stamps, and finds what is displaced; what they share counts once. */
static void those_who_join(void **state)
{
	enum { JOIN = 4 };
	static const unsigned order[JOIN] = {2, 0, 3, 1};
	struct calm__snaps snaps;
	struct calm__snap joins[JOIN];
	struct calm__shared shared = {.payers = 1, .bytes = 1000};
	struct calm__self *self = calm__self();
	struct object object = {.birth = 1, .death = 3};
	struct calm__snap *gone = NULL;
	(void)state;
	map = &snaps;
	calm__snaps_init(&snaps);
	for (unsigned i = 0; i < JOIN; i++) {
		struct calm__snap *snap = &joins[order[i]];
		snap->stamp = order[i];
		snap->opened_ns = 1;
		calm__snap_join(&snaps, snap, 10, order[i] > 0 ? &shared : NULL);
		assert_false(calm__snap_done(snap));
	}
	assert_int_equal(snaps.open, JOIN);
	assert_int_equal(snaps.history, JOIN * 10);
	calm__shared_leave(&snaps, &shared);
	assert_int_equal(snaps.history, JOIN * 10 + 1000);
	suite_check(calm__displace_reserve(self, 1, 1));
	calm__enter(self);
	calm__displace(&snaps, self, object.birth, object.death,
		       (struct calm__retired){&object, release_object, &snaps});
	calm__leave(self);
	assert_non_null(joins[2].dead);
	for (unsigned i = 0; i + 1 < JOIN; i++) {
		assert_true(calm__snaps_oust(&snaps, false, &gone));
		assert_ptr_equal(gone, &joins[i]);
	}
	assert_false(calm__snaps_oust(&snaps, false, &gone));
	assert_int_equal(snaps.history, 10 + 1000);
	assert_true(calm__snap_closes(&joins[JOIN - 1]));
	calm__enter(self);
	for (unsigned i = JOIN; i-- > 0;)
		calm__snap_leave(&snaps, &joins[order[i]], self, &snaps);
	calm__leave(self);
	assert_int_equal(snaps.history, 0);
	assert_int_equal(snaps.open, 0);
	assert_null(snaps.newest);
	assert_null(snaps.oldest);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(object.releases, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_brute_force),
		cmocka_unit_test(one_hot_key_keeps_one_version),
		cmocka_unit_test(ousted_with_users),
		cmocka_unit_test(ousting_and_closing_race),
		cmocka_unit_test(a_reserve_covers_closes_in_between),
		cmocka_unit_test(those_who_join),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
