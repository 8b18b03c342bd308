/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A thread is frozen before each of its accesses to shared memory in turn, as one is that the kernel
 * does not run, in the middle of each verb of each kind; and another loads. Which loads end while it
 * stands, and how much memory waits for it?
 *
 * `promises` says what each kind's description says: which loads may have to wait for a verb of each
 * class. That no others do is checked at every step, and that those do somewhere: no exception is
 * larger than it is said to be, and none is said in vain; where only some steps are tried, as under a
 * sanitizer, only the former. What waits has not ended after PATIENCE steps, some ten times what it
 * needs. With more than two threads a third and a fourth write and read snapshots beside, and may be
 * stuck as well: the loads must end all the same.
 *
 * Memory: beside a frozen thread another stores again and again, values that are released. What waits
 * to be released stays within the bound of docs/memory-model.md; or else the thread that stands in the
 * way is named as the stall by calm_map_stats and calm_debug_threads, and nobody waits for it.
 */
#include "explore/frozen.h"

#include "explore/sched.h"
#include "kit/kinds.h"

#include "sync/read.h"
#include <calm/calm.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define KEYS 12   /* bound, and as many not; too few to grow by one more */
#define BESIDE 10 /* of them, the key that a third thread writes */
#define ROOM 60   /* that reserve asks for */
#define SHARDS 4
#define PATIENCE 20000
#define MAP_SEED 1
#define STORES 40   /* while a thread stands, that retire */
#define LONG 400000 /* steps for them: a stall is some thousand */

/* ---- what is promised ---- */

enum class { READS, WALKS, CHANGES, SHAPES, BATCHES, WHOLE, REMAKES, CLASSES };

/*
 * Which loads may wait: ' ' the kind does nothing; '-' none; 'o' of the place that the frozen verb writes, and only if a snapshot
 * was opened since; 'O' of that place; 'x' and 'X' the same of any place. And whether the opening of a snapshot may: ' ' there are
 * none; '-' it does not; 'w' somewhere.
 */
static const struct {
	const char *kind;
	char waits[CLASSES + 1];
	char opens[CLASSES + 1];
} promises[] = {
	{"hashmap", "--ooo-x", "-w---w-"},  /* a migration locks each bucket in turn */
	{"treemap", "--oXo- ", "-w---w "},  /* or a node on the way */
	{"syncmap", "---- --", "       "},  /* keys in read: set_up() promotes */
	{"lockmap", "--OOOOO", "-wwwwww"},  /* the place is the map */
	{"shardmap", "OXOO XX", "       "}, /* a walk goes through all shards */
	{"cowmap", "-------", "-------"},
	{"deltamap", "--xxx-x", "-wwwwww"}, /* a write does its share of a compaction */
};

/* ---- verbs that are frozen ---- */

static struct {
	const struct kit_kind *kind;
	calm_map *map;
	calm_key_kind keys;
	const struct verb *verb;
	uint64_t key;    /* the frozen verb's */
	uint64_t loaded; /* the reader's */
	bool opens;      /* the reader opens a snapshot first, */
	bool opened;     /* and has */
	bool ended;      /* the load, while the other stood */
	bool passed;     /* the frozen verb has ended */
	bool retires;    /* the other stores, and memory is looked at */
	uint64_t stored;
	uint64_t most; /* that waited to be released, with no stall named */
	bool named;    /* the frozen thread, as a stall */
	calm_status status;
} now;

static char names[2 * KEYS][16];

static calm_key key_of(uint64_t number)
{
	return now.keys == CALM_KEYS_BYTES ? calm_str(names[number]) : calm_word(number);
}

static void *value_of(uint64_t number)
{
	return (void *)(uintptr_t)(1 + number);
}

static int visit(calm_key key, void *value, void *context)
{
	(void)key;
	(void)value;
	(void)context;
	return 0;
}

static int differ(calm_key key, bool before, void *old, bool after, void *new, void *context)
{
	(void)key;
	(void)(before && after && old == new &&context);
	return 0;
}

static calm_status change(calm_key key, bool present, void **value, bool *keep, void *context)
{
	(void)key;
	(void)context;
	*keep = present;
	*value = value_of(50);
	return CALM_OK;
}

static bool open(calm_snapshot **snapshot)
{
	now.status = calm_map_snapshot(now.map, snapshot);
	return now.status == CALM_OK;
}

static void do_load(void)
{
	void *value;
	now.status = calm_map_load(now.map, key_of(now.key), &value);
}

static void do_load_many(void)
{
	calm_key keys[] = {key_of(now.key), key_of(now.key)};
	void *values[2];
	calm_status found[2];
	(void)calm_map_load_many(now.map, 2, keys, values, found);
}

static void do_size(void)
{
	(void)calm_map_size(now.map);
}

static void do_each(void)
{
	now.status = (calm_status)calm_map_each(now.map, visit, NULL);
}

static void do_walk(void)
{
	now.status = (calm_status)calm_map_walk(now.map, visit, NULL);
}

static void do_snapshot(void)
{
	calm_snapshot *snapshot = NULL;
	void *value;
	if (!open(&snapshot))
		return;
	(void)calm_snapshot_load(snapshot, key_of(now.key), &value);
	(void)calm_snapshot_each(snapshot, visit, NULL);
	(void)calm_snapshot_size(snapshot);
	calm_snapshot_close(snapshot);
}

static void do_cursor(void)
{
	calm_snapshot *snapshot = NULL;
	calm_cursor cursor;
	if (!open(&snapshot))
		return;
	(void)calm_cursor_init(&cursor, snapshot);
	(void)calm_cursor_seek(&cursor, key_of(now.key));
	(void)calm_cursor_next(&cursor, NULL, NULL);
	(void)calm_cursor_prev(&cursor, NULL, NULL);
	calm_snapshot_close(snapshot);
}

static void do_range(void)
{
	calm_snapshot *snapshot = NULL;
	calm_key from = key_of(now.key);
	if (!open(&snapshot))
		return;
	(void)calm_snapshot_range(snapshot, &from, NULL, visit, NULL);
	(void)calm_snapshot_range_descending(snapshot, NULL, &from, visit, NULL);
	calm_snapshot_close(snapshot);
}

static void do_diff(void)
{
	calm_snapshot *snapshots[2] = {NULL, NULL};
	if (!open(&snapshots[0]) || !open(&snapshots[1]))
		return;
	(void)calm_snapshot_diff(snapshots[0], snapshots[1], differ, NULL);
	calm_snapshot_close(snapshots[1]);
	calm_snapshot_close(snapshots[0]);
}

static void do_store(void)
{
	now.status = calm_map_store(now.map, key_of(now.key), value_of(50));
}

static void do_swap(void)
{
	now.status = calm_map_swap(now.map, key_of(now.key), value_of(50), NULL);
}

static void do_compare_and_swap(void)
{
	now.status = calm_map_compare_and_swap(now.map, key_of(now.key), value_of(now.key),
					       value_of(50));
}

static void do_update(void)
{
	now.status = calm_map_update(now.map, key_of(now.key), change, NULL);
}

static void do_load_or_store(void)
{
	now.status = calm_map_load_or_store(now.map, key_of(now.key), value_of(50), NULL);
}

static void do_delete(void)
{
	now.status = calm_map_delete(now.map, key_of(now.key));
}

static void do_compare_and_delete(void)
{
	now.status = calm_map_compare_and_delete(now.map, key_of(now.key), value_of(now.key));
}

static void do_apply(void)
{
	calm_change one = {.key = key_of(now.key), .value = value_of(50)};
	now.status = calm_map_apply(now.map, 1, &one);
}

static void do_clear(void)
{
	now.status = calm_map_clear(now.map);
}

static void do_drain(void)
{
	calm_snapshot *snapshot = NULL;
	now.status = calm_map_drain(now.map, &snapshot);
	calm_snapshot_close(snapshot);
}

static void do_reserve(void)
{
	now.status = calm_map_reserve(now.map, ROOM);
}

static void do_compact(void)
{
	now.status = calm_deltamap_compact(now.map);
}

static const struct verb {
	const char *name;
	enum class class;
	void (*run)(void);
	bool inserts; /* a key that is not bound */
} verbs[] = {
	{"load", READS, do_load, false},
	{"load_many", READS, do_load_many, false},
	{"size", READS, do_size, false},
	{"each", WALKS, do_each, false},
	{"walk", WALKS, do_walk, false},
	{"snapshot", WALKS, do_snapshot, false},
	{"cursor", WALKS, do_cursor, false},
	{"range", WALKS, do_range, false},
	{"diff", WALKS, do_diff, false},
	{"store", CHANGES, do_store, false},
	{"swap", CHANGES, do_swap, false},
	{"compare_and_swap", CHANGES, do_compare_and_swap, false},
	{"update", CHANGES, do_update, false},
	{"insert", SHAPES, do_store, true},
	{"load_or_store", SHAPES, do_load_or_store, true},
	{"delete", SHAPES, do_delete, false},
	{"compare_and_delete", SHAPES, do_compare_and_delete, false},
	{"apply", BATCHES, do_apply, false},
	{"clear", WHOLE, do_clear, false},
	{"drain", WHOLE, do_drain, false},
	{"reserve", REMAKES, do_reserve, false},
	{"compact", REMAKES, do_compact, false},
};
#define VERBS (sizeof(verbs) / sizeof(verbs[0]))
static const char *const classes[CLASSES] = {
	"reads", "walks", "changes", "inserts, deletes", "batches", "clears", "reserve, compact"};

/* ---- beside the frozen thread ---- */

static void load_beside(void)
{
	calm_snapshot *snapshot = NULL;
	void *value;
	if (now.opens && calm_map_snapshot(now.map, &snapshot) == CALM_EUNSUPPORTED)
		snapshot = NULL;
	now.opened = explore_frozen();
	calm_status status = calm_map_load(now.map, key_of(now.loaded), &value);
	now.ended = explore_frozen();
	if (status < CALM_OK)
		explore_fail("load: %d", status);
	calm_snapshot_close(snapshot);
}

/* Whether calm_debug_threads has a line for the frozen thread, and says that it is in a section. */
static bool in_debug_threads(int thread)
{
	char text[4096];
	char begins[32];
	FILE *file = fmemopen(text, sizeof(text), "w");
	if (!file || calm_debug_threads(file) != CALM_OK)
		abort();
	fclose(file);
	snprintf(begins, sizeof(begins), "%d ", thread);
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		const char *end = strchr(line, '\n');
		const char *said = strstr(line, "in a read section");
		if (strncmp(line, begins, strlen(begins)) == 0)
			return said && end && said < end;
	}
	return false;
}

static void store_beside(void)
{
	calm_stats before;
	calm_map_stats(NULL, &before);
	for (uint64_t n = 0; n < STORES; n++) {
		calm_stats stats;
		if (calm_map_store(now.map, key_of(now.loaded), value_of(51 + n)) < CALM_OK)
			explore_fail("a store failed");
		if (!explore_frozen())
			return;
		calm_map_stats(NULL, &stats);
		bool stalls = stats.stalls > before.stalls && stats.stalled_thread == 1;
		if (stalls && !now.named && !in_debug_threads(stats.stalled_thread))
			explore_fail("the stall has no line in calm_debug_threads");
		now.named |= stalls;
		now.stored++;
		if (!now.named && stats.retired > now.most)
			now.most = stats.retired;
	}
}

static void run(unsigned fiber, void *context)
{
	(void)context;
	calm_snapshot *snapshot = NULL;
	/* A verb that waits for readers lets others go on before it is frozen. */
	while (fiber != 0 && !explore_frozen() && !now.passed)
		explore_pause();
	if (fiber == 0) {
		now.verb->run();
		now.passed = true;
	} else if (fiber == 1 && now.retires) {
		store_beside();
	} else if (fiber == 1) {
		load_beside();
	} else if (fiber == 2) {
		(void)calm_map_store(now.map, key_of(BESIDE), value_of(60));
	} else if (calm_map_snapshot(now.map, &snapshot) == CALM_OK) {
		(void)calm_snapshot_each(snapshot, visit, NULL);
		calm_snapshot_close(snapshot);
	}
}

static void release_nothing(void *value, void *context)
{
	(void)value;
	(void)context;
}

static void set_up(void)
{
	calm_options options = CALM_OPTIONS_INIT;
	options.seed = MAP_SEED;
	options.keys = now.keys;
	options.shards = SHARDS;
	options.release = now.retires ? release_nothing : NULL;
	now.opened = now.ended = now.passed = now.named = false;
	now.most = now.stored = 0;
	now.status = CALM_OK;
	explore_fresh(false);
	if (now.kind->create(&now.map, &options) != CALM_OK)
		abort();
	for (uint64_t i = 0; i < KEYS; i++)
		if (calm_map_store(now.map, key_of(i), value_of(i)) != CALM_OK)
			abort();
	if (!now.kind->snapshots && calm_map_each(now.map, visit, NULL) != 0) /* syncmap promotes */
		abort();
}

/* Freezes at one step. False: the verb had ended. */
static bool freeze(uint64_t step, unsigned threads, bool *same_place, bool *fine)
{
	struct explore_outcome outcome;
	struct explore_plan plan = {.policy = EXPLORE_BOUNDED,
				    .seed = step,
				    .fibers = threads,
				    .run = run,
				    .most = 100 * LONG,
				    .freeze_at = step,
				    .patience = now.retires ? LONG : PATIENCE};
	set_up();
	*same_place = frozen_place(now.map, key_of(now.key), SHARDS) ==
		      frozen_place(now.map, key_of(now.loaded), SHARDS);
	explore_run(&plan, &outcome);
	bool failed = now.status < CALM_OK && now.status != CALM_EUNSUPPORTED;
	if (outcome.failure[0] != '\0' || failed) {
		fprintf(stderr, "frozen: %s %s at step %" PRIu64 ": %s (%d)\n", now.kind->name,
			now.verb->name, step, outcome.failure, now.status);
		*fine = false;
	}
	if (calm_map_destroy(now.map) != CALM_OK)
		*fine = false;
	return outcome.froze;
}

/* ---- loads ---- */

/* Loads that waited, [of the frozen verb's place][after a snapshot was opened], and openings; of so many. */
struct counts {
	uint64_t waited[2][2];
	uint64_t of[2][2];
	uint64_t openings_waited;
	uint64_t openings;
};

static void freeze_loads(unsigned threads, unsigned stride, struct counts *counts, bool *fine)
{
	static const uint64_t few[] = {0, 1, 5, KEYS - 1};
	bool whole = threads > 2;
	now.retires = false;
	now.key = now.verb->inserts ? KEYS : 0;
	for (unsigned i = 0; i < (whole ? KEYS : sizeof(few) / sizeof(few[0])); i++) {
		now.loaded = whole ? i : few[i];
		if (threads > 2 && now.loaded == BESIDE)
			continue;
		bool same;
		for (uint64_t step = 1; freeze(step, threads, &same, fine); step += stride) {
			bool opened = now.opens || threads > 3; /* the fourth opens one too */
			counts->openings += now.opens;
			counts->openings_waited += now.opens && !now.opened;
			if (now.opens && !now.opened)
				continue;
			counts->of[same][opened]++;
			counts->waited[same][opened] += !now.ended;
		}
	}
}

/* Whether so many waited as a promise has it that some, or none, do: at every step, or at some steps. */
static bool as_promised(bool waits, uint64_t waited, bool every)
{
	return every ? (waited > 0) == waits : waited == 0 || waits;
}

/* Whether the counts are what is promised by the letters. */
static bool kept(char waits, char opens, const struct counts *counts, bool every)
{
	bool any = waits == 'x' || waits == 'X';
	bool own = any || waits == 'o' || waits == 'O';
	bool always = waits == 'X' || waits == 'O';
	const uint64_t(*waited)[2] = counts->waited;
	uint64_t of = counts->of[true][false] + counts->of[true][true];
	if ((opens == ' ') != (counts->openings == 0) ||
	    !as_promised(opens == 'w', counts->openings_waited, every))
		return false;
	if (waits == ' ')
		return of == 0;
	if (!any && waited[false][false] + waited[false][true] > 0)
		return false;
	if (!always && waited[false][false] + waited[true][false] > 0)
		return false;
	if (!own && waited[true][true] > 0)
		return false;
	uint64_t sum = waited[0][0] + waited[0][1] + waited[1][0] + waited[1][1];
	return as_promised(own, sum, every) && of > 0;
}

static bool loads_of(unsigned k, unsigned threads, unsigned stride)
{
	bool fine = true;
	for (enum class class = 0; class < CLASSES; class ++) {
		struct counts counts = {0};
		for (unsigned v = 0; v < VERBS; v++) {
			now.verb = &verbs[v];
			for (unsigned i = 0; now.verb->class == class && i < 4; i++) {
				now.keys = i & 1 ? CALM_KEYS_BYTES : CALM_KEYS_WORD;
				now.opens = i & 2;
				if (now.opens && !now.kind->snapshots)
					continue;
				freeze_loads(threads, stride, &counts, &fine);
			}
		}
		char waits = promises[k].waits[class];
		char opens = promises[k].opens[class];
		bool is = kept(waits, opens, &counts, stride == 1);
		printf("frozen: %-8s %-16s '%c%c': waited %" PRIu64 " of %" PRIu64
		       " loads of its place, %" PRIu64 " of %" PRIu64
		       " after a snapshot; of others %" PRIu64 " of %" PRIu64 ", %" PRIu64
		       " of %" PRIu64 "; %" PRIu64 " of %" PRIu64 " openings%s\n",
		       now.kind->name, classes[class], waits, opens, counts.waited[1][0],
		       counts.of[1][0], counts.waited[1][1], counts.of[1][1], counts.waited[0][0],
		       counts.of[0][0], counts.waited[0][1], counts.of[0][1],
		       counts.openings_waited, counts.openings, is ? "" : ": NOT AS PROMISED");
		fine = fine && is;
	}
	return fine;
}

/* ---- memory ---- */

/*
 * What two threads may leave waiting, and what an operation of each retires: a value, a record, a table;
 * a drain all that there was.
 */
#define BOUND (2 * (CALM__BACKLOG + CALM__BLOCK_ITEMS) + 4)

static bool memory_of(unsigned stride)
{
	bool fine = true;
	uint64_t stalls = 0;
	uint64_t stores = 0;
	uint64_t stops = 0;
	uint64_t over = 0;
	now.retires = true;
	now.opens = false;
	for (unsigned v = 0; v < VERBS; v++) {
		now.verb = &verbs[v];
		now.key = now.verb->inserts ? KEYS : 0;
		now.loaded = 5;
		bool same;
		for (int bytes = 0; bytes < 2; bytes++) {
			now.keys = bytes ? CALM_KEYS_BYTES : CALM_KEYS_WORD;
			for (uint64_t step = 1; freeze(step, 2, &same, &fine); step += stride) {
				uint64_t bound = BOUND + (now.verb->class == WHOLE ? 2 * KEYS : 0);
				stops++;
				stores += now.stored;
				stalls += now.named;
				over += now.most > bound;
			}
		}
	}
	printf("frozen: %-8s memory: %" PRIu64 " stores beside %" PRIu64 " stops; %" PRIu64
	       " stalls, all named; %" PRIu64 " times more waited than the bound\n",
	       now.kind->name, stores, stops, stalls, over);
	return fine && over == 0 && stores > 0 && stalls > 0;
}

bool frozen_all(unsigned threads, unsigned stride)
{
	bool fine = true;
	for (unsigned i = 0; i < 2 * KEYS; i++)
		snprintf(names[i], sizeof(names[i]), "name %02u", i);
	for (unsigned k = 0; k < sizeof(promises) / sizeof(promises[0]); k++) {
		now.kind = kit_kind_find(promises[k].kind);
		fine = loads_of(k, threads, stride) && fine;
		fine = memory_of(threads > 2 ? stride : 3 * stride) && fine;
	}
	return fine;
}
