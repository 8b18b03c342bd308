/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * One key's history: just-in-time linearization (Lowe, "Testing for linearizability", Concurrency
 * and Computation 29(4), 2017, section 4, after Wing and Gong, "Testing and verifying concurrent
 * objects", JPDC 17, 1993).
 *
 * Calls and returns are swept in order of their stamps, a call before a return with the same stamp.
 * Kept is the set of configurations {which pending operations have been linearized, state} that
 * explain all returns so far. At a return the operation must be linearized: configurations that
 * already have it pass; the others try every sequence of pending operations that ends with it. None
 * left: not linearizable. What keeps the set small, all without losing exactness:
 *
 *   - An operation that reads the present state and changes nothing is linearized as soon as it matches: that never
 *     hinders another.
 *   - A blind write (store, clear) may always be taken to have happened just before an operation that overwrites
 *     whatever is there. So at a store, clear or successful delete every pending blind write becomes `maybe`: taken as
 *     done if nobody needs it, still open to be linearized for real. One configuration instead of 2^pending.
 *   - Operations that do not overlap are applied at once, without pending slots.
 *   - A history that is wide all the same is swept again with hints from its future (kit/jit_hint.h).
 *
 * Rejected: Wing and Gong's plain search (exponential, and restarts per operation); the near-linear
 * algorithms for registers whose every write returns what it displaced (calm_map_store and
 * compare_and_swap do not).
 */
#include "kit/jit.h"

#include "kit/jit_hint.h"

#include <stdlib.h>
#include <string.h>

#define TABLE ((size_t)KIT_LIN_CONFIGS * 2)
#define FEW 12     /* configurations that are compared one by one */
#define NARROW 256 /* configurations before hints are made */

struct config {
	uint64_t done;  /* pending slots linearized */
	uint64_t maybe; /* blind writes that may count as done, or not; disjoint from done */
	uint64_t state;
	uint64_t idle; /* slot bit of the blind write that made state in this closure, if nothing has used it since */
	uint32_t origin; /* 1 + index of the operation that wrote state; 0: unknown. Follows from state where used */
};

struct configs {
	struct config *items;
	size_t count;
	uint32_t *table;       /* hash table of item numbers, once there are FEW */
	uint32_t *generations; /* a place of the table is taken if this is the generation */
	uint32_t generation;
	size_t limit; /* of count */
};

struct kit_jit {
	struct configs now, next;
	const struct kit_lin_event *pending[KIT_LIN_PENDING];
	uint64_t used;                     /* slots of pending */
	uint64_t classes[KIT_JIT_CLASSES]; /* slots of pending, by what they are like; with hints */
	const struct kit_lin_event *events; /* of this check */
	size_t called;                      /* events swept so far */
	struct kit_jit_hints hints;
	bool hinted;
	bool always_hinted;
	uint64_t widest, deepest;
};

/*
 * The sequential specification: whether the operation can have answered as it did in this state,
 * and the state after it.
 */
static inline bool apply(const struct kit_lin_event *e, uint64_t state, uint64_t *after)
{
	bool absent = state == KIT_LIN_ABSENT;

	*after = state;
	switch (e->verb) {
	case KIT_LIN_LOAD:
		return e->status == CALM_OK ? !absent && e->result == state
					    : e->status == CALM_ABSENT && absent;
	case KIT_LIN_STORE:
		*after = e->value;
		return e->status == CALM_OK;
	case KIT_LIN_SWAP:
		*after = e->value;
		return e->status == CALM_OK ? !absent && e->result == state
					    : e->status == CALM_ABSENT && absent;
	case KIT_LIN_LOAD_OR_STORE:
		if (e->status == CALM_PRESENT)
			return !absent && e->result == state;
		*after = e->value;
		return e->status == CALM_OK && absent && e->result == e->value;
	case KIT_LIN_DELETE:
		*after = KIT_LIN_ABSENT;
		return e->status == CALM_OK ? !absent : e->status == CALM_ABSENT && absent;
	case KIT_LIN_LOAD_AND_DELETE:
		*after = KIT_LIN_ABSENT;
		return e->status == CALM_OK ? !absent && e->result == state
					    : e->status == CALM_ABSENT && absent;
	case KIT_LIN_COMPARE_AND_SWAP:
	case KIT_LIN_COMPARE_AND_DELETE:
		if (e->status == CALM_CHANGED)
			return !absent && e->expected != state;
		if (e->status == CALM_ABSENT)
			return absent;
		*after = e->verb == KIT_LIN_COMPARE_AND_SWAP ? e->value : KIT_LIN_ABSENT;
		return e->status == CALM_OK && !absent && e->expected == state;
	case KIT_LIN_CLEAR:
		*after = KIT_LIN_ABSENT;
		return e->status == CALM_OK;
	default:
		return false;
	}
}

/* Possible in every state, and leaves nothing of it. */
static inline bool is_blind(const struct kit_lin_event *e)
{
	return (e->verb == KIT_LIN_STORE || e->verb == KIT_LIN_CLEAR) && e->status == CALM_OK;
}

/* Does not look which value it overwrites: a blind write may hide before it. */
static inline bool hides(const struct kit_lin_event *e)
{
	return is_blind(e) || (e->verb == KIT_LIN_DELETE && e->status == CALM_OK);
}

/*
 * Whether a pending write may have happened just before e. A delete that found something was not
 * just after a clear.
 */
static inline bool hidden_by(const struct kit_lin_event *write, const struct kit_lin_event *e)
{
	return is_blind(write) && (write->verb == KIT_LIN_STORE || is_blind(e));
}

/* Changes nothing: by its answer, not by its name. */
static inline bool only_reads(const struct kit_lin_event *e)
{
	switch (e->verb) {
	case KIT_LIN_LOAD:
		return true;
	case KIT_LIN_STORE:
	case KIT_LIN_SWAP:
	case KIT_LIN_CLEAR:
		return false;
	default:
		return e->status != CALM_OK;
	}
}

static calm_status configs_init(struct configs *set)
{
	set->items = malloc((KIT_LIN_CONFIGS + 1) * sizeof *set->items);
	set->table = calloc(TABLE, sizeof *set->table);
	set->generations = calloc(TABLE, sizeof *set->generations);
	return set->items != NULL && set->table != NULL && set->generations != NULL ? CALM_OK
										    : CALM_ENOMEM;
}

static void configs_free(struct configs *set)
{
	free(set->items);
	free(set->table);
	free(set->generations);
}

static void configs_clear(struct configs *set)
{
	set->count = 0;
	if (++set->generation == 0) {
		memset(set->generations, 0, TABLE * sizeof *set->generations);
		set->generation = 1;
	}
}

static bool same(const struct config *a, const struct config *b)
{
	return a->state == b->state && a->done == b->done && a->maybe == b->maybe &&
	       a->idle == b->idle;
}

static void table_put(struct configs *set, size_t item, size_t at)
{
	set->table[at] = (uint32_t)item;
	set->generations[at] = set->generation;
}

/* The place of a configuration in the table: where it is (*found) or would go. */
static size_t table_find(const struct configs *set, const struct config *config, bool *found)
{
	uint64_t hash = (config->state ^ config->done * 0x9e3779b97f4a7c15u ^
			 config->maybe * 0xd6e8feb86659fd93u);
	size_t at;

	hash = (hash ^ hash >> 32) * 0x94d049bb133111ebu;
	for (at = (size_t)(hash >> 32) % TABLE; set->generations[at] == set->generation;
	     at = (at + 1) % TABLE) {
		if (same(&set->items[set->table[at]], config)) {
			*found = true;
			return at;
		}
	}
	*found = false;
	return at;
}

/*
 * Adds a configuration unless it is there: by looking at all while they are few, by the table from
 * then on.
 */
static bool configs_add(struct configs *set, const struct config *config)
{
	bool found = false;

	if (set->count < FEW) {
		for (size_t i = 0; i < set->count; i++) {
			if (same(&set->items[i], config))
				return true;
		}
		set->items[set->count++] = *config;
		return true;
	}
	for (size_t i = 0; set->count == FEW && i < FEW; i++) {
		size_t at = table_find(set, &set->items[i], &found);
		if (!found)
			table_put(set, i, at);
	}
	size_t at = table_find(set, config, &found);
	if (found)
		return true;
	if (set->count == set->limit)
		return false;
	table_put(set, set->count, at);
	set->items[set->count++] = *config;
	return true;
}

/* After configurations were changed in place: the table is made anew. */
static void configs_rehash(struct configs *set)
{
	size_t count = set->count;
	bool found;

	if (count < FEW)
		return;
	configs_clear(set);
	set->count = count;
	for (size_t i = 0; i < count; i++) {
		size_t at = table_find(set, &set->items[i], &found);
		if (!found)
			table_put(set, i, at);
	}
}

/* Linearizes every pending operation that only reads and matches the state. */
static void settle(const struct kit_jit *jit, struct config *config)
{
	uint64_t after;

	for (uint64_t rest = jit->used & ~config->done; rest != 0; rest &= rest - 1) {
		const struct kit_lin_event *e = jit->pending[__builtin_ctzll(rest)];
		if (only_reads(e) && apply(e, config->state, &after))
			config->done |= rest & (0 - rest);
	}
}

/*
 * Whether overwriting this configuration's state by e leaves an operation that needs the state
 * without it for good.
 */
static bool strands(const struct kit_jit *jit, const struct config *config,
		    const struct kit_lin_event *e)
{
	uint64_t value;

	if (config->origin == 0)
		return false;
	const struct kit_jit_hint *hint = &jit->hints.items[config->origin - 1];
	if (!hint->sure || hint->last == 0)
		return false;
	if (hint->last > jit->called)
		return true;
	for (uint64_t rest = jit->used & ~config->done; rest != 0; rest &= rest - 1) {
		const struct kit_lin_event *other = jit->pending[__builtin_ctzll(rest)];
		if (other != e && kit_jit_needs(other, &value) && value == config->state)
			return true;
	}
	return false;
}

/*
 * Whether a pending blind write may count as done just before e: not if somebody needs what it
 * wrote.
 */
static bool may_hide(const struct kit_jit *jit, const struct kit_lin_event *write,
		     const struct kit_lin_event *e)
{
	if (!hidden_by(write, e))
		return false;
	const struct kit_jit_hint *hint = jit->hinted ? &jit->hints.items[write - jit->events]
						      : NULL;
	return hint == NULL || !hint->sure || hint->last == 0;
}

/* Of these slots, the one whose operation returns first; slots is not 0. */
static unsigned first_return(const struct kit_jit *jit, uint64_t slots)
{
	unsigned first = (unsigned)__builtin_ctzll(slots);

	for (uint64_t rest = slots & (slots - 1); rest != 0; rest &= rest - 1) {
		unsigned slot = (unsigned)__builtin_ctzll(rest);
		if (jit->pending[slot]->end < jit->pending[first]->end)
			first = slot;
	}
	return first;
}

/*
 * The slots worth trying in a configuration: of those alike, and alike in being `maybe`, the one
 * that returns first.
 */
static uint64_t worth_trying(const struct kit_jit *jit, const struct config *config)
{
	uint64_t slots = jit->used & ~config->done;

	for (int c = KIT_JIT_UNLIKE + 1; jit->hinted && c < KIT_JIT_CLASSES; c++) {
		uint64_t maybe = slots & jit->classes[c] & config->maybe;
		uint64_t not_yet = slots & jit->classes[c] & ~config->maybe;
		slots &= ~jit->classes[c];
		if (maybe != 0)
			slots |= (uint64_t)1 << first_return(jit, maybe);
		if (not_yet != 0)
			slots |= (uint64_t)1 << first_return(jit, not_yet);
	}
	return slots;
}

/*
 * The configuration after linearizing a pending slot in one that has it not done. False: impossible
 * there.
 */
static bool linearize(const struct kit_jit *jit, const struct config *from, unsigned slot,
		      struct config *to)
{
	const struct kit_lin_event *e = jit->pending[slot];
	uint64_t bit = (uint64_t)1 << slot;

	*to = *from;
	/* Two blind writes in a row: with the first `maybe` instead all is possible that is
	 * here, and that is tried. */
	if ((from->idle != 0 && is_blind(e)) || !apply(e, from->state, &to->state))
		return false;
	if (!only_reads(e)) {
		if (jit->hinted && strands(jit, from, e))
			return false;
		to->origin = (uint32_t)(e - jit->events) + 1;
	}
	to->done |= bit;
	to->maybe &= ~bit;
	if (hides(e)) {
		for (uint64_t rest = jit->used & ~to->done; rest != 0; rest &= rest - 1) {
			if (may_hide(jit, jit->pending[__builtin_ctzll(rest)], e))
				to->maybe |= rest & (0 - rest);
		}
	}
	uint64_t done = to->done;
	settle(jit, to);
	to->idle = is_blind(e) && to->done == done ? bit : 0;
	return true;
}

/* Passes a configuration that has slot done on to the next set, where the slot is free. */
static bool pass_on(struct kit_jit *jit, const struct config *config, uint64_t bit)
{
	struct config freed = {config->done & ~bit, config->maybe & ~bit, config->state, 0,
			       config->origin};

	return configs_add(&jit->next, &freed);
}

/*
 * The operation in slot returns. jit->now grows while it is walked: what can be reached from its
 * configurations without this operation is appended, and walked in turn. Only to get to this
 * operation: where it may count as done already, the given configurations go on as they are, and
 * nothing else is linearized before a later return asks for it.
 */
static enum kit_jit_outcome do_return(struct kit_jit *jit, unsigned slot)
{
	uint64_t bit = (uint64_t)1 << slot;
	size_t given = jit->now.count;
	struct config to;

	configs_rehash(&jit->now);
	configs_clear(&jit->next);
	for (size_t i = 0; i < jit->now.count; i++) {
		const struct config config = jit->now.items[i];
		if ((config.done & bit) != 0) {
			if (!pass_on(jit, &config, bit))
				return KIT_JIT_UNDECIDED;
			continue;
		}
		if (i < given && (config.maybe & bit) != 0 && !pass_on(jit, &config, bit))
			return KIT_JIT_UNDECIDED;
		for (uint64_t rest = worth_trying(jit, &config); rest != 0; rest &= rest - 1) {
			if (linearize(jit, &config, (unsigned)__builtin_ctzll(rest), &to) &&
			    !configs_add(&jit->now, &to))
				return KIT_JIT_UNDECIDED;
		}
	}
	if (jit->now.count > jit->widest)
		jit->widest = jit->now.count;
	if (jit->next.count == 0)
		return KIT_JIT_WRONG;
	jit->used &= ~bit;
	jit->pending[slot] = NULL;
	for (int c = 0; c < KIT_JIT_CLASSES; c++)
		jit->classes[c] &= ~bit;
	struct configs swap = jit->now;
	jit->now = jit->next;
	jit->next = swap;
	return KIT_JIT_FINE;
}

static enum kit_jit_outcome do_call(struct kit_jit *jit, const struct kit_lin_event *e)
{
	uint64_t after;

	if (jit->used == UINT64_MAX)
		return KIT_JIT_UNDECIDED;
	unsigned slot = (unsigned)__builtin_ctzll(~jit->used);
	jit->used |= (uint64_t)1 << slot;
	jit->pending[slot] = e;
	jit->called = (size_t)(e - jit->events) + 1;
	if (jit->hinted)
		jit->classes[jit->hints.items[e - jit->events].class_] |= (uint64_t)1 << slot;
	uint64_t depth = (uint64_t)__builtin_popcountll(jit->used);
	if (depth > jit->deepest)
		jit->deepest = depth;
	if (!only_reads(e))
		return KIT_JIT_FINE;
	for (size_t i = 0; i < jit->now.count; i++) {
		if (apply(e, jit->now.items[i].state, &after))
			jit->now.items[i].done |= (uint64_t)1 << slot;
	}
	/* No two became equal: the new bit follows from the state. */
	return KIT_JIT_FINE;
}

/* An operation that overlaps no other. */
static enum kit_jit_outcome do_alone(struct kit_jit *jit, const struct kit_lin_event *e)
{
	struct configs *now = &jit->now;
	uint64_t after;

	if (now->count == 1) {
		if (!apply(e, now->items[0].state, &after))
			return KIT_JIT_WRONG;
		now->items[0].state = after;
		if (!only_reads(e))
			now->items[0].origin = (uint32_t)(e - jit->events) + 1;
		return KIT_JIT_FINE;
	}
	configs_clear(&jit->next);
	for (size_t i = 0; i < now->count; i++) {
		struct config to = {.origin = only_reads(e) ? now->items[i].origin
							    : (uint32_t)(e - jit->events) + 1};
		if (apply(e, now->items[i].state, &to.state))
			(void)configs_add(&jit->next, &to);
	}
	if (jit->next.count == 0)
		return KIT_JIT_WRONG;
	struct configs swap = jit->now;
	jit->now = jit->next;
	jit->next = swap;
	return KIT_JIT_FINE;
}

/* Sweeps the events. *culprit: the operation that could not be linearized. */
static enum kit_jit_outcome sweep(struct kit_jit *jit, const struct kit_lin_event *events,
				  size_t count, const struct kit_lin_event **culprit)
{
	enum kit_jit_outcome outcome = KIT_JIT_FINE;

	for (size_t i = 0; i < count && outcome == KIT_JIT_FINE; i++) {
		const struct kit_lin_event *e = *culprit = &events[i];
		while (jit->used != 0) {
			unsigned slot = first_return(jit, jit->used);
			if (jit->pending[slot]->end >= e->begin)
				break;
			*culprit = jit->pending[slot];
			outcome = do_return(jit, slot);
			if (outcome != KIT_JIT_FINE)
				return outcome;
		}
		if (jit->used == 0 && (i + 1 == count || e->end < events[i + 1].begin)) {
			*culprit = e;
			outcome = do_alone(jit, e);
		} else {
			outcome = do_call(jit, e);
		}
	}
	while (outcome == KIT_JIT_FINE && jit->used != 0) {
		unsigned slot = first_return(jit, jit->used);
		*culprit = jit->pending[slot];
		outcome = do_return(jit, slot);
	}
	return outcome;
}

calm_status kit_jit_new(struct kit_jit **out)
{
	struct kit_jit *jit = calloc(1, sizeof *jit);

	if (jit == NULL)
		return CALM_ENOMEM;
	if (configs_init(&jit->now) != CALM_OK || configs_init(&jit->next) != CALM_OK) {
		kit_jit_free(jit);
		return CALM_ENOMEM;
	}
	*out = jit;
	return CALM_OK;
}

void kit_jit_free(struct kit_jit *jit)
{
	if (jit == NULL)
		return;
	configs_free(&jit->now);
	configs_free(&jit->next);
	kit_jit_hints_free(&jit->hints);
	free(jit);
}

/* One sweep from the beginning, with or without hints. */
static enum kit_jit_outcome attempt(struct kit_jit *jit, size_t count, const uint64_t *states,
				    size_t states_count, const struct kit_lin_event **culprit)
{
	jit->used = 0;
	jit->called = 0;
	jit->now.limit = jit->next.limit = jit->hinted ? KIT_LIN_CONFIGS : NARROW;
	memset(jit->classes, 0, sizeof jit->classes);
	configs_clear(&jit->now);
	for (size_t i = 0; i < states_count; i++) {
		struct config start = {.state = states[i]};
		(void)configs_add(&jit->now, &start);
	}
	return sweep(jit, jit->events, count, culprit);
}

enum kit_jit_outcome kit_jit_check(struct kit_jit *jit, const struct kit_lin_event *events,
				   size_t count, uint64_t states[KIT_LIN_STATES],
				   size_t *states_count, const struct kit_lin_event **culprit)
{
	enum kit_jit_outcome outcome = KIT_JIT_UNDECIDED;

	jit->events = events;
	jit->hinted = false;
	if (!jit->always_hinted)
		outcome = attempt(jit, count, states, *states_count, culprit);
	if (outcome == KIT_JIT_UNDECIDED &&
	    kit_jit_hints_make(&jit->hints, events, count, states, *states_count)) {
		jit->hinted = true;
		outcome = attempt(jit, count, states, *states_count, culprit);
	}
	/* Where it failed, the states before the culprit, as many as there is room for. */
	*states_count = 0;
	for (size_t i = 0; i < jit->now.count; i++) {
		uint64_t state = jit->now.items[i].state;
		size_t at = 0;
		while (at < *states_count && states[at] != state)
			at++;
		if (at < *states_count)
			continue;
		if (*states_count == KIT_LIN_STATES)
			return outcome == KIT_JIT_FINE ? KIT_JIT_UNDECIDED : outcome;
		states[(*states_count)++] = state;
	}
	return outcome;
}

void kit_jit_always_hint(struct kit_jit *jit, bool always)
{
	jit->always_hinted = always;
}

uint64_t kit_jit_widest(const struct kit_jit *jit)
{
	return jit->widest;
}

uint64_t kit_jit_deepest(const struct kit_jit *jit)
{
	return jit->deepest;
}
