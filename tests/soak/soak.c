/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The soak: every kind of map with either kind of key, for as long as one likes.
 *
 *	soak SECONDS [SEED]
 *
 * Each of these stations has a map that lives as long as the program, on a heap that counts. Station
 * after station gets a turn, in four parts:
 *
 *	writers      each owns a share of the keys and knows what they are bound to: every answer of
 *	             every verb is compared, and every key at the end of the turn
 *	a walker     opens snapshots, reads them twice and closes them: every binding is of a value that
 *	             lives, under its key, no key is seen twice, and both readings agree. On a kind
 *	             without snapshots it walks live
 *	in between   quiet: the map holds together and has as many entries as its writers say; then it is
 *	             cleared, drained, shrunk, reserved for or compacted. Turns differ in how many keys
 *	             there are, so that maps grow and shrink; some snapshots are kept from turn to turn, and
 *	             a budget ousts them
 *	checkers     the kit's two, on maps of their own: histories with every verb, and numbered writes
 *
 * Only operations that one of these has judged are counted. Turns come in cycles, in which each station meets each size with each thing
 * that is done in between; after each the maps are cleared, what was retired is waited for, malloc gives back what it can, and the process'
 * memory is looked at: so it is what stays, and does not hang on how fast the machine is. A line is fitted to that after the first fifth, and
 * what it rises or falls over all of it must be less than a hundredth of the mean; of fewer than six cycles it is only told. At the end
 * all maps go, and their heaps must be empty, every value released once. A failure prints the seed; threads are not repeated by it, what
 * they do is.
 *
 * Exit status: 0 fine, 1 something was found (or abort, at once), 2 misuse.
 */
#include "suite.h"

#include "kit/cut_run.h"
#include "kit/lin_run.h"

#include <malloc.h>
#include <unistd.h>

#define STATIONS ((size_t)KIT_KINDS * 2)
#define WRITERS 2
#define SIZES 14
#define KEYS (1U << (SIZES - 1)) /* a writer's, at most */
#define TURN_NS 80000000U
#define CUT_NS 30000000U
#define LIN_OPS 4000U
#define BUDGET ((size_t)1 << 17)
#define MOST_THREADS 8               /* of histories */
#define SHARE 128                    /* keys of each of them, at first */
#define SLOPE 1.0                    /* per cent */
#define CYCLE (STATIONS * SIZES * 3) /* 42 rounds: SIZES, and six things in between */
#define CYCLES 6
#define SAMPLES 100000U

struct station {
	struct suite on;
	struct suite_heap heap;
	struct suite_items items;
	calm_map *map;
	calm_snapshot *kept;
	uint32_t keys; /* a writer's in this turn */
	uint64_t deadline;
	struct suite_item *bound[WRITERS][KEYS];
};

static struct station *stations;
static uint64_t seed;
static _Atomic uint64_t answers;  /* of the stations' verbs */
static _Atomic uint64_t events;   /* of histories */
static _Atomic uint64_t bindings; /* seen by traversals */
static _Atomic uint64_t walks, ousted;
static const char *part = "start";
static struct station *turn_of;

_Noreturn static void found(const char *what, int line)
{
	fprintf(stderr, "soak.c:%d: %s, %s, %s: not so: %s\nto run again: soak SECONDS %llu\n",
		line, turn_of ? turn_of->on.kind->name : "-",
		turn_of && turn_of->on.keys == CALM_KEYS_BYTES ? "bytes" : "words", part, what,
		(unsigned long long)seed);
	abort();
}

#define expect(condition) ((condition) ? (void)0 : found(#condition, __LINE__))

/* ---- writers ---- */

struct update {
	const struct suite_item *expected;
	struct suite_item *next; /* or NULL: the binding goes */
};

static calm_status change(calm_key key, bool present, void **value, bool *keep, void *context)
{
	const struct update *update = context;
	(void)key;
	expect(present == (update->expected != NULL));
	expect(!present || *value == update->expected);
	*value = update->next;
	*keep = update->next != NULL;
	return CALM_OK;
}

static void judge_previous(calm_status status, const void *value, const struct suite_item *was)
{
	expect(status == (was ? CALM_OK : CALM_ABSENT));
	expect(!was || value == was);
}

/* One verb on one key of this writer's, whose answer nobody else can change. */
static void write_one(struct station *at, struct kit_random *random, unsigned writer)
{
	uint32_t slot = (uint32_t)kit_random_below(random, at->keys);
	uint64_t number = (uint64_t)slot * WRITERS + writer;
	calm_key key = suite_key(&at->on, number);
	struct suite_item *was = at->bound[writer][slot];
	struct suite_item *is = suite_item(&at->items, number);
	void *out = NULL;
	calm_status status;
	switch (kit_random_below(random, 10)) {
	case 0:
		expect(calm_map_store(at->map, key, is) == CALM_OK);
		break;
	case 1:
		status = calm_map_swap(at->map, key, is, &out);
		judge_previous(status, out, was);
		break;
	case 2:
		status = calm_map_load_or_store(at->map, key, is, &out);
		expect(status == (was ? CALM_PRESENT : CALM_OK) && out == (was ? was : is));
		if (was) {
			suite_item_release(is, &at->items);
			is = was;
		}
		break;
	case 3:
		status = calm_map_compare_and_swap(at->map, key, was, is);
		expect(status == (was ? CALM_OK : CALM_ABSENT));
		if (!was) {
			suite_item_release(is, &at->items);
			is = NULL;
		}
		break;
	case 4:
		expect(calm_map_compare_and_swap(at->map, key, is, is) ==
		       (was ? CALM_CHANGED : CALM_ABSENT));
		suite_item_release(is, &at->items);
		is = was;
		break;
	case 5:
		expect(calm_map_update(at->map, key, change, &(struct update){was, is}) == CALM_OK);
		break;
	case 6:
		suite_item_release(is, &at->items);
		is = NULL;
		expect(calm_map_update(at->map, key, change, &(struct update){was, NULL}) ==
		       CALM_OK);
		break;
	case 7:
		suite_item_release(is, &at->items);
		is = NULL;
		expect(calm_map_delete(at->map, key) == (was ? CALM_OK : CALM_ABSENT));
		break;
	case 8:
		suite_item_release(is, &at->items);
		is = NULL;
		calm_read_begin();
		status = calm_map_load_and_delete(at->map, key, &out);
		judge_previous(status, out, was);
		calm_read_end();
		break;
	default:
		suite_item_release(is, &at->items);
		is = was;
		status = calm_map_load(at->map, key, &out);
		judge_previous(status, out, was);
	}
	at->bound[writer][slot] = is;
}

static void write_keys(struct station *at, unsigned writer, uint64_t random_seed)
{
	struct kit_random random;
	uint64_t n = 0;
	kit_random_seed(&random, random_seed);
	do {
		for (unsigned i = 0; i < 256; i++, n++)
			write_one(at, &random, writer);
	} while (kit_now_ns() < at->deadline);
	for (uint32_t slot = 0; slot < at->keys; slot++, n++) {
		void *out = NULL;
		calm_status status = calm_map_load(
			at->map, suite_key(&at->on, (uint64_t)slot * WRITERS + writer), &out);
		judge_previous(status, out, at->bound[writer][slot]);
	}
	atomic_fetch_add(&answers, n);
}

/* ---- the walker ---- */

struct walk {
	uint64_t bindings, sum;
	unsigned char *seen; /* by key */
	unsigned char mark;
};

static int look(calm_key key, void *value, void *context)
{
	struct walk *walk = context;
	uint64_t number = suite_index(key);
	expect(number < (uint64_t)KEYS * WRITERS);
	expect(suite_item_number(value) == number);
	expect(walk->seen[number] != walk->mark);
	walk->seen[number] = walk->mark;
	walk->sum += kit_mix(number ^ (uint64_t)(uintptr_t)value);
	walk->bindings++;
	return 0;
}

/* Reads it; false: it was ousted on the way, and nothing is said. */
static bool read_snapshot(calm_snapshot *snapshot, struct walk *walk)
{
	walk->bindings = walk->sum = 0;
	walk->mark = walk->mark % 200 + 1;
	memset(walk->seen, 0, (size_t)KEYS * WRITERS);
	int result = calm_snapshot_each(snapshot, look, walk);
	expect(result == 0 || result == CALM_ESTALE);
	atomic_fetch_add(&bindings, walk->bindings);
	atomic_fetch_add(&walks, 1);
	atomic_fetch_add(&ousted, result != 0);
	return result == 0;
}

static void read_twice(calm_snapshot *snapshot, struct walk *walk)
{
	if (!read_snapshot(snapshot, walk))
		return;
	uint64_t count = walk->bindings;
	uint64_t sum = walk->sum;
	if (read_snapshot(snapshot, walk))
		expect(walk->bindings == count && walk->sum == sum);
}

static void walk_map(struct station *at)
{
	struct walk walk = {.seen = calloc(KEYS, WRITERS)};
	suite_check(walk.seen != NULL);
	if (at->kept)
		read_twice(at->kept, &walk);
	do {
		calm_snapshot *snapshot = NULL;
		calm_status status = calm_map_snapshot(at->map, &snapshot);
		expect(status == (at->on.kind->snapshots ? CALM_OK : CALM_EUNSUPPORTED));
		if (status == CALM_OK) {
			read_twice(snapshot, &walk);
			calm_snapshot_close(snapshot);
		} else {
			walk.bindings = 0;
			walk.mark = walk.mark % 200 + 1;
			memset(walk.seen, 0, (size_t)KEYS * WRITERS);
			expect(calm_map_each(at->map, look, &walk) == 0);
			atomic_fetch_add(&bindings, walk.bindings);
			atomic_fetch_add(&walks, 1);
		}
	} while (kit_now_ns() < at->deadline);
	free(walk.seen);
}

static void act(unsigned index, void *context)
{
	struct station *at = context;
	if (index < WRITERS)
		write_keys(at, index, kit_mix(at->deadline ^ seed) + index);
	else
		walk_map(at);
}

/* ---- in between ---- */

static void forget(struct station *at)
{
	memset(at->bound, 0, sizeof(at->bound));
}

/* Nothing is left of a cycle but what the maps keep for the next. */
static void empty(struct station *at)
{
	turn_of = at;
	part = "end of a cycle";
	calm_snapshot_close(at->kept);
	at->kept = NULL;
	expect(calm_map_clear(at->map) == CALM_OK);
	forget(at);
	/* A deltamap keeps what its marks displaced until then. */
	expect(calm_deltamap_compact(at->map) == suite_compacts(&at->on));
	expect(calm_read_wait() == CALM_OK);
}

static void in_between(struct station *at, uint64_t round, struct kit_random *random)
{
	const char *broken = "";
	uint64_t entries = 0;
	part = "in between";
	for (unsigned writer = 0; writer < WRITERS; writer++)
		for (uint32_t slot = 0; slot < KEYS; slot++)
			entries += at->bound[writer][slot] != NULL;
	expect(calm_map_size(at->map) == entries);
	expect(calm_debug_check(at->map, &broken) == CALM_OK);
	if (round % 3 == 0) {
		calm_snapshot_close(at->kept);
		at->kept = NULL;
	}
	switch (round % 6) {
	case 0:
		expect(calm_map_clear(at->map) == CALM_OK);
		forget(at);
		break;
	case 1:
		if (at->on.kind->snapshots && !at->kept) {
			expect(calm_map_drain(at->map, &at->kept) == CALM_OK);
			forget(at);
		}
		break;
	case 2:
		for (unsigned writer = 0; writer < WRITERS; writer++)
			for (uint32_t slot = 0; slot < KEYS; slot++)
				if (slot % 64 != 0 && at->bound[writer][slot]) {
					uint64_t number = (uint64_t)slot * WRITERS + writer;
					expect(calm_map_delete(at->map,
							       suite_key(&at->on, number)) ==
					       CALM_OK);
					at->bound[writer][slot] = NULL;
					atomic_fetch_add(&answers, 1);
				}
		break;
	case 3:
		expect(calm_map_reserve(at->map, kit_random_below(random, 2 * KEYS)) == CALM_OK);
		break;
	case 4:
		expect(calm_deltamap_compact(at->map) == suite_compacts(&at->on));
		break;
	default:
		if (at->on.kind->snapshots && !at->kept)
			expect(calm_map_snapshot(at->map, &at->kept) == CALM_OK);
	}
}

/* ---- the kit's checkers ---- */

static void check_with_kit(const struct station *at, uint64_t round, struct kit_random *random)
{
	struct kit_lin_plan lin = {.kind = at->on.kind,
				   .key_kind = at->on.keys,
				   .threads = 2 + (unsigned)(round % (MOST_THREADS - 1)),
				   .keys = round % 2 ? 4 : 1000,
				   .ops = LIN_OPS,
				   .rounds = 2,
				   .rounds_per_map = 2,
				   .seed = kit_random_next(random)};
	struct kit_lin_result histories;
	part = "histories";
	memcpy(lin.mix, kit_lin_mix, sizeof(lin.mix));
	lin.mix[KIT_LIN_CLEAR] = lin.keys == 4;
	expect(kit_lin_run(&lin, &histories) == CALM_OK);
	if (histories.report.violations + histories.report.undecided > 0)
		found(histories.report.text, __LINE__);
	expect(histories.failed == 0);
	struct kit_cut_plan cut = {.kind = at->on.kind,
				   .key_kind = at->on.keys,
				   .entries = 2000,
				   .touched = 1000,
				   .writers = 2,
				   .walkers = 2,
				   .delete_every = 4,
				   .verbs = true,
				   .ns = CUT_NS,
				   .seed = kit_random_next(random)};
	struct kit_cut_result cuts;
	part = "numbered writes";
	expect(kit_cut_run(&cut, &cuts) == CALM_OK);
	if (cuts.report.total > 0)
		found(cuts.report.text, __LINE__);
	atomic_fetch_add(&events, histories.ops);
	atomic_fetch_add(&answers, cuts.loads);
	atomic_fetch_add(&bindings, cuts.bindings);
	atomic_fetch_add(&walks, cuts.traversals + cuts.rereads);
}

/* ---- memory ---- */

static double resident(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	suite_check(file != NULL && fscanf(file, "%*u %lu", &pages) == 1);
	fclose(file);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double samples[SAMPLES]; /* after each cycle */
static unsigned sampled;

/* How much the fitted line rises after the first fifth, in per cent of the mean. */
static double rise(double *mean)
{
	unsigned n = sampled;
	unsigned from = n / 5;
	double count = n - from;
	double x = 0;
	double y = 0;
	double xx = 0;
	double xy = 0;
	for (unsigned i = from; i < n; i++) {
		x += i;
		y += samples[i];
		xx += (double)i * i;
		xy += i * samples[i];
	}
	double below = count * xx - x * x;
	*mean = count > 0 ? y / count : 0;
	return below > 0 ? (count * xy - x * y) / below * count / *mean * 100 : 0;
}

/* ---- what comes once ---- */

static pthread_barrier_t written;

static void write_share(struct station *at, uint64_t from, uint64_t to)
{
	for (; from < to; from++)
		expect(calm_map_store(at->map, suite_key(&at->on, from),
				      suite_item(&at->items, from)) == CALM_OK);
}

static void write_and_stay(unsigned index, void *context)
{
	write_share(context, index * SHARE, (index + 1) * SHARE);
	pthread_barrier_wait(&written);
}

/*
 * A thread that has changed what a snapshot sees keeps a piece of the map's history from then on. Here as many
 * do as there will ever be, else the pieces would come one by one, for an hour.
 */
static void meet_threads(struct station *at)
{
	calm_snapshot *snapshot = NULL;
	turn_of = at;
	part = "start";
	write_share(at, 0, MOST_THREADS * SHARE);
	if (at->on.kind->snapshots)
		expect(calm_map_snapshot(at->map, &snapshot) == CALM_OK);
	suite_check(pthread_barrier_init(&written, NULL, MOST_THREADS) == 0);
	suite_threads(MOST_THREADS, write_and_stay, at);
	pthread_barrier_destroy(&written);
	calm_snapshot_close(snapshot);
	expect(calm_map_clear(at->map) == CALM_OK);
}

/* ---- all of it ---- */

static void make(struct station *at, size_t i)
{
	at->on = (struct suite){&kit_kinds[i / 2], i % 2 ? CALM_KEYS_BYTES : CALM_KEYS_WORD};
	suite_heap_init(&at->heap);
	calm_options options = suite_options(&at->on);
	options.release = suite_item_release;
	options.context = &at->items;
	options.allocator = &at->heap.allocator;
	options.snapshot_budget = BUDGET;
	suite_check(at->on.kind->create(&at->map, &options) == CALM_OK);
}

static int64_t left_over(struct station *at)
{
	calm_snapshot_close(at->kept);
	turn_of = at;
	expect(calm_map_destroy(at->map) == CALM_OK);
	expect(calm_read_wait() == CALM_OK);
	if (at->items.live != 0 || at->heap.blocks != 0)
		printf("%s: %lld values, %lld blocks left\n", at->on.kind->name,
		       (long long)at->items.live, (long long)at->heap.blocks);
	return at->heap.bytes + at->heap.blocks + at->items.live;
}

static int64_t of_maps(void)
{
	int64_t bytes = 0;
	for (size_t i = 0; i < STATIONS; i++)
		bytes += stations[i].heap.bytes;
	return bytes;
}

static void say(uint64_t began)
{
	printf("%6.0f s: judged %.1f M answers, %.1f M events, %.1f M bindings in %.0f k traversals, "
	       "%llu ousted; %.1f MB\n",
	       (double)(kit_now_ns() - began) / 1e9, (double)answers / 1e6, (double)events / 1e6,
	       (double)bindings / 1e6, (double)walks / 1e3, (unsigned long long)ousted,
	       resident() / 1e6);
}

/* Rounds of a station differ, and stations in a round, so that all rounds are alike to the memory. */
static void turn(uint64_t number, struct kit_random *random)
{
	struct station *at = &stations[number % STATIONS];
	uint64_t round = number / STATIONS + number % STATIONS;
	turn_of = at;
	part = "writers and walker";
	at->keys = 1U << round % SIZES;
	at->deadline = kit_now_ns() + TURN_NS;
	suite_threads(WRITERS + 1, act, at);
	in_between(at, round, random);
	check_with_kit(at, round, random);
}

static uint64_t run_for(uint64_t ns)
{
	struct kit_random random;
	uint64_t began = kit_now_ns();
	uint64_t told = began;
	uint64_t turns = 0;
	kit_random_seed(&random, seed);
	for (; kit_now_ns() - began < ns; turns++) {
		turn(turns, &random);
		if ((turns + 1) % CYCLE == 0 && sampled < SAMPLES) {
			for (size_t i = 0; i < STATIONS; i++)
				empty(&stations[i]);
			(void)malloc_trim(0);
			samples[sampled++] = resident();
			printf("cycle %u: %.3f MB, %.3f of them the maps'\n", sampled,
			       samples[sampled - 1] / 1e6, (double)of_maps() / 1e6);
		}
		if (kit_now_ns() - told > 60000000000U) {
			say(began);
			told = kit_now_ns();
		}
	}
	say(began);
	return turns;
}

int main(int argc, char **argv)
{
	char *end = "";
	double seconds = argc > 1 ? strtod(argv[1], &end) : 0;
	seed = argc > 2 ? strtoull(argv[2], NULL, 0) : suite_seed();
	if (argc < 2 || argc > 3 || *end != '\0' || !(seconds > 0)) {
		fprintf(stderr, "usage: soak SECONDS [SEED]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("seed %llu\n", (unsigned long long)seed);
	/*
	 * With more, what stays of a cycle lies in other places each time, and keeps more or fewer pages: by a fifth, and nothing of it
	 * the maps'. Sanitizers have none.
	 */
	(void)mallopt(M_ARENA_MAX, 1);
	stations = calloc(STATIONS, sizeof(*stations));
	suite_check(stations != NULL);
	for (size_t i = 0; i < STATIONS; i++)
		make(&stations[i], i);
	for (size_t i = 0; i < STATIONS; i++)
		meet_threads(&stations[i]);
	uint64_t turns = run_for((uint64_t)(seconds * 1e9));
	double mean;
	double slope = rise(&mean);
	int64_t left = 0;
	for (size_t i = 0; i < STATIONS; i++)
		left += left_over(&stations[i]);
	bool steady = sampled < CYCLES || (slope < SLOPE && slope > -SLOPE);
	printf("%llu turns, %.1f M operations judged: 0 violations; memory %.1f MB, %+.2f %% over %u "
	       "cycles%s; %lld left over\n",
	       (unsigned long long)turns, (double)(answers + events + bindings) / 1e6, mean / 1e6,
	       slope, sampled, steady ? "" : ": NOT STEADY", (long long)left);
	free(stations);
	return steady && left == 0 ? 0 : 1;
}
