/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Setting up a schedule, running it, and judging it.
 *
 * The seed decides, beside who runs when: how many fibers and which acts where the scenario leaves
 * them open, word or byte keys, plain values or such as are released, which keys are bound at the
 * start, and whether the map has been walked, or snapshots opened, and so is what it becomes by that.
 *
 * Where a map is to grow or shrink, the number of bindings at which this kind does is found out once,
 * by filling one and looking at its statistics; a schedule starts one or two bindings before that.
 *
 * Judged: nothing failed on the way (act.c); afterwards, quiet, the map holds together, and a walk, loads
 * and the size agree; after it is destroyed every value that it took was released exactly once, no
 * other was, and all its memory is back; and the history, with the last walk as its last event, is
 * linearizable. What the map frees is overwritten, so that who still looks does not find what it
 * was.
 */
#include "explore/play.h"

#include "explore/act.h"
#include "explore/pairs.h"
#include "explore/stale.h"
#include "kit/random.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define MAP_SEED 1     /* of every map's hash: growth must not depend on luck */
#define SPOILT 512     /* bytes of a freed block */
#define AMONG 9        /* so many fillers less one may come behind the keys */
#define THIN 7         /* fillers before the keys: two leaves of four with key 0 */
#define AGE 80         /* snapshots that were opened before a schedule */
#define EDGES 3        /* sizes at which a map grows */
#define DEEP_EDGES 8   /* with those of PLAY_DEEP */
#define BUDGET_BITS 13 /* of the bytes of a budget: from one that ousts whatever is opened */

/* Entries that a kind holds when the next insert makes it grow, or the next delete shrink. */
struct edges {
	bool known;
	unsigned grow_count;
	unsigned grow[DEEP_EDGES];
	unsigned top; /* shrinks from so many */
	unsigned shrink;
};

static struct {
	const struct kit_kind *kind;
	const struct scenario *scenario;
	const struct explore_plan *plan;
	unsigned flags; /* the scenario's, and what its seed adds */
	uint64_t random;
	unsigned fibers;
	bool walked;
} last;

static unsigned draw(unsigned n)
{
	return (unsigned)((kit_splitmix(&last.random) >> 32) * n >> 32);
}

/* ---- maps ---- */

static unsigned blocks; /* that maps have now */

static void *count_alloc(size_t size, void *context)
{
	(void)context;
	blocks++;
	void *block = malloc(size);
	stale_allocated(block, size);
	return block;
}

static void spoil_and_free(void *pointer, void *context)
{
	(void)context;
	size_t size = malloc_usable_size(pointer);
	blocks--;
	stale_freed(pointer, size);
	memset(pointer, 0xdd, size < SPOILT ? size : SPOILT);
	free(pointer);
}

static const calm_allocator allocator = {count_alloc, spoil_and_free, NULL};
const calm_allocator *const play_allocator = &allocator;

static calm_map *new_map(const struct kit_kind *kind, unsigned flags)
{
	calm_options options = CALM_OPTIONS_INIT;
	calm_map *map = NULL;
	options.seed = MAP_SEED;
	options.allocator = &allocator;
	options.keys = stage.bytes ? CALM_KEYS_BYTES : CALM_KEYS_WORD;
	options.snapshot_budget = flags & PLAY_BUDGET ? (size_t)1 << draw(BUDGET_BITS) : 0;
	if (stage.releases) {
		options.release = act_release;
		options.context = &stage;
	}
	if (kind->create(&map, &options) != CALM_OK) {
		fprintf(stderr, "explore: no %s could be made\n", kind->name);
		abort();
	}
	return map;
}

static void fill(calm_map *map, unsigned number)
{
	act_items[number].offered = act_items[number].accepted = 1;
	(void)calm_map_store(map, act_key(number), act_value(number));
}

static uint64_t resizes(const calm_map *map)
{
	calm_stats stats;
	calm_map_stats(map, &stats);
	return stats.resizes;
}

/* Fills a map up to `top` fillers, then empties it: where it shrinks, if it does. */
static void find_shrink(const struct kit_kind *kind, unsigned top, struct edges *edges)
{
	calm_map *map = new_map(kind, 0);
	for (unsigned n = 0; n < top; n++)
		fill(map, ACT_FILLER + n);
	uint64_t before = resizes(map);
	unsigned n = top;
	while (n > 0 && resizes(map) == before)
		(void)calm_map_delete(map, act_key(ACT_FILLER + --n));
	if (resizes(map) != before) {
		edges->top = top;
		edges->shrink = n + 1;
	}
	(void)calm_map_destroy(map);
	memset(act_items, 0, sizeof(act_items));
}

static void find_edges(const struct kit_kind *kind, struct edges *edges)
{
	calm_map *map = new_map(kind, 0);
	unsigned grown[ACT_FILLERS];
	unsigned count = 0;
	uint64_t before = resizes(map);
	edges->known = true;
	for (unsigned n = 0; n < ACT_FILLERS; n++) {
		fill(map, ACT_FILLER + n);
		if (resizes(map) != before)
			grown[count++] = n;
		before = resizes(map);
	}
	(void)calm_map_destroy(map);
	memset(act_items, 0, sizeof(act_items));
	for (unsigned i = 0; i < count && i < DEEP_EDGES; i++)
		edges->grow[edges->grow_count++] = grown[i];
	for (unsigned i = 0; i < count && edges->shrink == 0; i++)
		find_shrink(kind, grown[i] + 1, edges);
}

/* Of the kind with the keys and values that stage has. */
static struct edges *edges_of(const struct kit_kind *kind)
{
	static struct edges all[KIT_KINDS][2][2];
	return &all[kind - kit_kinds][stage.bytes][stage.releases];
}

/* Not in a schedule, which must not depend on whether it is the first. */
static void find_all_edges(const struct kit_kind *kind)
{
	stage.alike = false;
	for (int i = 0; i < 4; i++) {
		stage.bytes = i & 1;
		stage.releases = i & 2;
		if (!edges_of(kind)->known)
			find_edges(kind, edges_of(kind));
	}
	stage.bytes = stage.releases = false;
}

static unsigned find_abilities(const struct kit_kind *kind)
{
	unsigned able = PLAY_RELEASES | PLAY_CELL | PLAY_EXITS | PLAY_PAIR | PLAY_CROWDED |
			PLAY_NAMES | PLAY_AMONG | PLAY_THIN;
#ifdef EXPLORE_TSAN /* which takes calm__current, that attaching and exiting set, for shared memory */
	able &= ~(unsigned)PLAY_EXITS;
#endif
	find_all_edges(kind);
	calm_map *map = new_map(kind, 0);
	calm_change change = {.key = act_key(0), .remove = true};
	able |= kind->snapshots ? PLAY_SNAPSHOTS | PLAY_BUDGET : 0;
	able |= kind->ordered ? PLAY_ORDERED : 0;
	able |= calm_map_apply(map, 1, &change) != CALM_EUNSUPPORTED ? PLAY_APPLY : 0;
	able |= calm_deltamap_compact(map) == CALM_OK ? PLAY_COMPACTS : 0;
	able |= edges_of(kind)->grow_count > 0 ? PLAY_GROWS : 0;
	able |= edges_of(kind)->grow_count > EDGES ? PLAY_DEEP : 0;
	able |= edges_of(kind)->shrink > 0 ? PLAY_SHRINKS : 0;
	(void)calm_map_destroy(map);
	return able;
}

/* The flags that the kind can play; 0: this build does not have it. */
static unsigned able(const struct kit_kind *kind)
{
	static unsigned found[KIT_KINDS];
	unsigned *flags = &found[kind - kit_kinds];
	if (*flags == 0 && kit_kind_exists(kind))
		*flags = find_abilities(kind);
	return *flags;
}

bool play_applies(const struct kit_kind *kind, const struct scenario *scenario)
{
	unsigned flags = able(kind);
	return flags != 0 && (scenario->flags & ~flags) == 0;
}

/* ---- programs ---- */

static struct act draw_act(const char *alphabet)
{
	return (struct act){alphabet[draw((unsigned)strlen(alphabet))], (uint8_t)draw(stage.keys)};
}

static void read_program(struct act_fiber *fiber, const char *text, const char *alphabet)
{
	for (; *text && fiber->count < ACT_ACTS; text++) {
		struct act *before = &fiber->acts[fiber->count - (fiber->count > 0)];
		if (*text == '*')
			fiber->acts[fiber->count++] = draw_act(alphabet);
		else if (*text >= '0' && *text <= '9')
			before->key = (uint8_t)((unsigned)(*text - '0') % stage.keys);
		else if (*text != ' ' && *text != '?')
			fiber->acts[fiber->count++] = (struct act){*text,
								   (uint8_t)draw(stage.keys)};
	}
}

static void draw_programs(const struct scenario *scenario)
{
	bool open = !scenario->programs[0];
	last.fibers = open ? 2 + draw(2) : 0;
	for (unsigned i = 0; open && i < last.fibers; i++) {
		unsigned acts = 2 + draw(3);
		for (unsigned k = 0; k < acts; k++)
			read_program(&stage.fibers[i], "*", scenario->alphabet);
	}
	char pair[PLAY_FIBERS][PAIRS_PROGRAM];
	if (scenario->flags & PLAY_PAIR)
		pairs_programs(scenario, able(last.kind), last.plan->seed, pair);
	for (unsigned i = 0; !open && i < PLAY_FIBERS; i++) {
		const char *program = scenario->flags & PLAY_PAIR ? pair[i] : scenario->programs[i];
		if (!program || !*program)
			break;
		read_program(&stage.fibers[i], program, scenario->alphabet);
		last.fibers++;
	}
	for (unsigned i = 0; i < last.fibers; i++)
		for (unsigned k = 0; k < stage.fibers[i].count; k++)
			stage.clears |= strchr("ZR", stage.fibers[i].acts[k].verb) != NULL;
}

/* ---- setting up ---- */

static int see(calm_key key, void *value, void *context)
{
	(void)key;
	(void)value;
	(void)context;
	return 0;
}

static void bind_keys(unsigned bound)
{
	for (unsigned k = 0; k < stage.keys; k++) {
		if (!(bound >> k & 1))
			continue;
		unsigned id = act_new_value();
		act_items[id].accepted = 1;
		(void)calm_map_store(stage.map, act_key(stage.base + k), act_value(id));
		stage.history.start = history_bind(stage.history.start, k, id);
		for (unsigned i = 0; i < PLAY_FIBERS; i++)
			stage.fibers[i].seen[k] = id;
	}
}

static void set_map_up(const struct kit_kind *kind)
{
	const struct edges *edges = edges_of(kind);
	unsigned bound = draw(1U << stage.keys);
	unsigned fillers = last.flags & (PLAY_GROWS | PLAY_SHRINKS) ? 0 : draw(3);
	unsigned most = 0;
	if (last.flags & PLAY_CROWDED) {
		bound = (1U << stage.keys) - 1;
		fillers = draw(2) ? 2 + 3 * draw(2)
				  : draw(6); /* with keys 1 to 3 alone in a line */
	} else if (last.flags & PLAY_GROWS) {
		unsigned near = edges->grow_count < EDGES ? edges->grow_count : EDGES;
		unsigned edge = last.flags & PLAY_DEEP
					? edges->grow[EDGES + draw(edges->grow_count - EDGES)]
					: edges->grow[draw(near)];
		unsigned others = (unsigned)__builtin_popcount(bound) + draw(2);
		fillers = edge > others ? edge - others : 0;
	} else if (last.flags & PLAY_SHRINKS) {
		bound = (1U << stage.keys) - 1;
		most = edges->top;
		fillers = edges->shrink + draw(2);
		fillers = fillers > stage.keys ? fillers - stage.keys : 0;
	}
	if (last.flags & PLAY_THIN) {
		bound = (1U << (stage.keys - 1)) - 1;
		fillers = 2 * THIN + draw(2) + draw(2);
	}
	unsigned all = most > fillers ? most : fillers;
	unsigned behind = last.flags & PLAY_AMONG && all > 0 ? draw(all < AMONG ? all : AMONG) : 0;
	if (last.flags & PLAY_THIN)
		behind = all - THIN;
	if (last.flags & PLAY_AMONG)
		stage.base = ACT_FILLER + all - behind;
	stage.map = new_map(kind, last.flags);
	for (unsigned i = 0; i < all - behind; i++)
		fill(stage.map, ACT_FILLER + i);
	bind_keys(bound);
	for (unsigned i = 0; i < behind; i++)
		fill(stage.map, stage.base + stage.keys + i);
	for (unsigned i = most; i > fillers; i--)
		(void)calm_map_delete(stage.map, act_key(ACT_FILLER + i - 1));
	for (unsigned i = 0; last.flags & PLAY_THIN && i < THIN / 2; i++, fillers--)
		(void)calm_map_delete(stage.map, act_key(stage.base - 1 - i));
	stage.fillers = fillers;
	if (fillers > 0)
		stage.history.start = history_bind(stage.history.start, HISTORY_OTHERS, 1);
	for (unsigned n = draw(8) == 0 ? draw(AGE) : 0; kind->snapshots && n > 0; n--) {
		calm_snapshot *snapshot = NULL;
		(void)calm_map_snapshot(stage.map, &snapshot);
		calm_snapshot_close(snapshot);
	}
	last.walked = draw(4) == 0;
	if (last.walked) {
		(void)calm_map_each(stage.map, see, NULL);
		(void)calm_deltamap_compact(stage.map); /* of the kinds that can */
	}
}

static void set_up(const struct kit_kind *kind, const struct scenario *scenario,
		   const struct explore_plan *plan)
{
	memset(&stage, 0, sizeof(stage));
	memset(act_items, 0, sizeof(act_items));
	last.kind = kind;
	last.scenario = scenario;
	last.plan = plan;
	last.random = ~kit_mix(plan->seed + 0x9e3779b97f4a7c15U);
	stage.keys = scenario->keys;
	stage.bytes = draw(4) == 0 || last.flags & PLAY_NAMES;
	stage.alike = last.flags & PLAY_NAMES && draw(2);
	stage.releases = draw(2) == 0 || last.flags & PLAY_RELEASES;
	stage.base = draw(16);
	stage.budget = last.flags & PLAY_BUDGET;
	stage.history.precedes = stale_precedes;
	stage.history.strict = strcmp(kind->name, "lockmap") == 0 ||
			       strcmp(kind->name, "cowmap") == 0;
	draw_programs(scenario);
	set_map_up(kind);
	if (last.flags & PLAY_CELL)
		act_cell_set_up();
}

/* ---- judging ---- */

static void judge_quiet_map(void)
{
	const char *broken = "";
	if (calm_debug_check(stage.map, &broken) != CALM_OK)
		explore_fail("calm_debug_check: %s", broken);
	struct history_event event = {.begin = explore_tick(),
				      .verb = HISTORY_SNAPSHOT,
				      .fiber = PLAY_FIBERS};
	struct act_view view = {0};
	if (calm_map_each(stage.map, act_visit, &view) != 0)
		explore_fail("the last walk failed");
	act_viewed(&view);
	if (stage.has_cell)
		act_cell_end(&view);
	event.state = view.state;
	event.end = explore_tick();
	unsigned count = view.fillers;
	for (unsigned k = 0; k < stage.keys; k++) {
		void *value = act_value(0);
		calm_read_begin();
		calm_status status = calm_map_load(stage.map, act_key(stage.base + k), &value);
		if (value != act_value(history_value(view.state, k)))
			explore_fail("key %u: the last walk saw %u, a load %d %p", k,
				     history_value(view.state, k), status, value);
		calm_read_end();
		count += status == CALM_OK;
	}
	if (calm_map_size(stage.map) != count)
		explore_fail("size is %zu of %u bindings", calm_map_size(stage.map), count);
	struct history *history = &stage.history;
	history->events[history->count++] = event;
}

static void judge_releases(void)
{
	for (unsigned id = 1; stage.releases && id < ACT_VALUES; id++) {
		const struct act_item *item = &act_items[id];
		if (item->accepted && item->released == 0)
			explore_fail("value %u was never released", id);
		if (!item->accepted && item->released > 0)
			explore_fail("value %u was released, though the map had not taken it", id);
	}
}

static void judge_history(void)
{
	switch (history_check(&stage.history)) {
	case HISTORY_VIOLATION:
		explore_fail("not linearizable");
		break;
	case HISTORY_UNDECIDED:
		explore_fail("linearizable or not: undecided");
		break;
	default:
		break;
	}
}

bool play(const struct kit_kind *kind, const struct scenario *scenario,
	  const struct explore_plan *plan, struct explore_outcome *outcome)
{
	struct explore_plan with = *plan;
	last.flags = scenario->flags;
	if (scenario->flags & PLAY_PAIR)
		last.flags |= pairs_flags(plan->seed) & able(kind);
	with.exits = last.flags & PLAY_EXITS;
	with.run = act_run;
	explore_fresh(with.exits);
	set_up(kind, scenario, plan);
	with.fibers = last.fibers;
	explore_run(&with, outcome);
	if (outcome->end != EXPLORE_DONE)
		return false;
	judge_quiet_map();
	if (calm_map_destroy(stage.map) != CALM_OK)
		explore_fail("the map could not be destroyed");
	if (blocks > 0)
		explore_fail("%u blocks of memory were not freed", blocks);
	judge_releases();
	judge_history();
	return outcome->failure[0] == '\0';
}

void play_describe(FILE *file)
{
	fprintf(file, "  %s, %s keys from %u, %s values, %u fillers%s%s%s%s%s\n", last.kind->name,
		stage.alike   ? "alike byte"
		: stage.bytes ? "byte"
			      : "word",
		stage.base, stage.releases ? "released" : "plain", stage.fillers,
		last.walked ? ", walked before" : "",
		last.flags & PLAY_GROWS ? ", about to grow" : "",
		last.flags & PLAY_SHRINKS ? ", about to shrink" : "",
		last.flags & PLAY_BUDGET ? ", a budget" : "",
		last.flags & PLAY_EXITS ? ", threads exit" : "");
	for (unsigned i = 0; i < last.fibers; i++) {
		fprintf(file, "  fiber %u:", i);
		for (unsigned k = 0; k < stage.fibers[i].count; k++) {
			struct act act = stage.fibers[i].acts[k];
			fprintf(file, " %c", act.verb);
			if (strchr("LSWIDTCXUuABY", act.verb))
				fprintf(file, "%u", act.key);
		}
		fputc('\n', file);
	}
	history_print(file, &stage.history);
}
