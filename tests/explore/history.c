/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Is there an order of a history's events that keeps apart what did not overlap, and in which each
 * answered as a sequential map would?
 *
 * A depth-first search. The events that may come next are those that no remaining one must precede;
 * one that the state explains is taken, and the search goes on with the state after it. What has
 * been found a dead end (the set of events done, and the state) is not entered again. A history of a
 * correct map is nearly always explained at the first try: the events are tried in the order in
 * which they ended.
 *
 * Snapshots and drains happened in the order of their stamps, also those that overlapped.
 *
 * An apply is a group of writes. In between them there is no snapshot, drain or clear; on kinds that
 * promise it, nothing else either.
 *
 * Source: Wing and Gong, "Testing and verifying concurrent objects", Journal of Parallel and
 * Distributed Computing 17 (1993), section 4; the memory of dead ends, Lowe, "Testing for
 * linearizability", Concurrency and Computation 29:4 (2017), section 3. Rejected: kit/lin, which
 * checks key by key, and holds a clear against each key by itself.
 */
#include "explore/history.h"

#include <calm/map.h>
#include <string.h>

#define DEAD_ENDS 4096
#define GIVE_UP (DEAD_ENDS * 64)

struct search {
	const struct history *history;
	uint8_t order[HISTORY_EVENTS]; /* events, by their end */
	uint32_t before
		[HISTORY_EVENTS]; /* of the event at a place in the order: those that must precede */
	uint32_t groups[HISTORY_EVENTS + 1]; /* the members of a group */
	unsigned group_count;
	uint32_t all;
	unsigned dead;
};

static struct {
	history_state state;
	uint32_t done;
	uint32_t turn; /* of which search; of another: free */
} dead_ends[DEAD_ENDS];
static uint32_t turn;

/* ---- the specification ---- */

static bool sees_all(const struct history_event *event)
{
	return event->verb >= HISTORY_CLEAR;
}

/* A write of one key that may have been refused: what it must have found, and what it leaves. */
static bool explain_compare(const struct history_event *event, unsigned now, unsigned next,
			    unsigned *left)
{
	if (event->status == CALM_ABSENT)
		return now == 0;
	if (event->status == CALM_CHANGED)
		return now != 0 && now != event->expected;
	*left = next;
	return now != 0 && now == event->expected;
}

static bool explain_key(const struct history_event *event, unsigned now, unsigned *left)
{
	bool ok = event->status == CALM_OK;
	*left = now;
	switch (event->verb) {
	case HISTORY_LOAD:
		return ok ? now != 0 && now == event->result : now == 0;
	case HISTORY_STORE:
		*left = event->value;
		return true;
	case HISTORY_SWAP:
		*left = event->value;
		return ok ? now != 0 && now == event->result : now == 0;
	case HISTORY_LOAD_OR_STORE:
		*left = ok ? event->value : now;
		return ok ? now == 0 : now != 0 && now == event->result;
	case HISTORY_DELETE:
		*left = 0;
		return ok == (now != 0);
	case HISTORY_LOAD_AND_DELETE:
		*left = 0;
		return ok ? now != 0 && now == event->result : now == 0;
	case HISTORY_COMPARE_AND_SWAP:
		return explain_compare(event, now, event->value, left);
	case HISTORY_COMPARE_AND_DELETE:
		return explain_compare(event, now, 0, left);
	case HISTORY_UPDATE:
		*left = event->value;
		return now == event->result;
	default:
		return false;
	}
}

/* Whether the event can have happened in *state; if so, *state is what it left. */
static bool explain(const struct history_event *event, history_state *state)
{
	if (event->verb == HISTORY_CLEAR) {
		*state = 0;
		return true;
	}
	if (event->verb == HISTORY_SNAPSHOT || event->verb == HISTORY_DRAIN) {
		bool is = *state == event->state;
		if (event->verb == HISTORY_DRAIN)
			*state = 0;
		return is;
	}
	unsigned left;
	if (!explain_key(event, history_value(*state, event->key), &left))
		return false;
	*state = history_bind(*state, event->key, left);
	return true;
}

/* ---- the search ---- */

/* The place of a dead end, or of the free one where it would lie. */
static unsigned place_of(uint32_t done, history_state state)
{
	uint64_t hash = (state ^ (uint64_t)done << 20) * 0x9e3779b97f4a7c15U;
	unsigned i = (unsigned)(hash >> 40) % DEAD_ENDS;
	while (dead_ends[i].turn == turn &&
	       (dead_ends[i].done != done || dead_ends[i].state != state))
		i = (i + 1) % DEAD_ENDS;
	return i;
}

/* Whether an apply that is under way forbids the event. */
static bool forbidden(const struct search *search, const struct history_event *event, uint32_t done)
{
	for (unsigned g = 1; g <= search->group_count; g++) {
		uint32_t members = search->groups[g];
		bool under_way = (done & members) != 0 && (done & members) != members;
		if (under_way && event->group != g && (search->history->strict || sees_all(event)))
			return true;
	}
	return false;
}

static bool linearize(struct search *search, uint32_t done, history_state state)
{
	if (done == search->all)
		return true;
	if (search->dead >= GIVE_UP)
		return false;
	unsigned place = place_of(done, state);
	if (dead_ends[place].turn == turn)
		return false;
	for (unsigned i = 0; i < search->history->count; i++) {
		if (done >> i & 1 || (search->before[i] & ~done) != 0)
			continue;
		const struct history_event *event = &search->history->events[search->order[i]];
		history_state next = state;
		if (forbidden(search, event, done) || !explain(event, &next))
			continue;
		if (linearize(search, done | 1U << i, next))
			return true;
	}
	if (search->dead < DEAD_ENDS / 2) {
		place = place_of(done, state);
		dead_ends[place].state = state;
		dead_ends[place].done = done;
		dead_ends[place].turn = turn;
	}
	search->dead++;
	return false;
}

enum history_verdict history_check(const struct history *history)
{
	struct search search = {.history = history};
	const struct history_event *events = history->events;
	unsigned n = history->count;
	if (n > HISTORY_EVENTS - 1)
		return HISTORY_UNDECIDED;
	for (unsigned i = 0; i < n; i++) {
		unsigned at = i;
		for (; at > 0 && events[search.order[at - 1]].end > events[i].end; at--)
			search.order[at] = search.order[at - 1];
		search.order[at] = (uint8_t)i;
	}
	for (unsigned i = 0; i < n; i++) {
		const struct history_event *event = &events[search.order[i]];
		for (unsigned j = 0; j < i && events[search.order[j]].end < event->begin; j++)
			if (!history->precedes ||
			    history->precedes(events[search.order[j]].end, event->begin))
				search.before[i] |= 1U << j;
		for (unsigned j = 0; j < n; j++)
			if (events[search.order[j]].stamp > 0 &&
			    events[search.order[j]].stamp < event->stamp)
				search.before[i] |= 1U << j;
		search.groups[event->group] |= 1U << i;
		if (event->group > search.group_count)
			search.group_count = event->group;
	}
	search.all = (1U << n) - 1;
	if (++turn == 0) {
		memset(dead_ends, 0, sizeof(dead_ends));
		turn = 1;
	}
	if (linearize(&search, 0, history->start))
		return HISTORY_LINEARIZABLE;
	return search.dead < GIVE_UP ? HISTORY_VIOLATION : HISTORY_UNDECIDED;
}

/* ---- for people ---- */

static void print_state(FILE *file, history_state state)
{
	fputc('{', file);
	const char *comma = "";
	for (unsigned k = 0; k < HISTORY_KEYS; k++) {
		if (history_value(state, k) == 0)
			continue;
		fprintf(file, "%s%u: %u", comma, k, history_value(state, k));
		comma = ", ";
	}
	if (history_value(state, HISTORY_OTHERS) != 0)
		fprintf(file, "%sothers", comma);
	fputc('}', file);
}

void history_print(FILE *file, const struct history *history)
{
	static const char *const verbs[HISTORY_VERBS] = {
		"load",   "store",           "swap",  "load_or_store",
		"delete", "load_and_delete", "cas",   "compare_and_delete",
		"update", "clear",           "drain", "snapshot"};
	static const char *const statuses[] = {"OK", "ABSENT", "PRESENT", "CHANGED"};
	fprintf(file, "  starts as ");
	print_state(file, history->start);
	fputc('\n', file);
	for (unsigned i = 0; i < history->count; i++) {
		const struct history_event *event = &history->events[i];
		fprintf(file, "  %3u-%-3u fiber %u  %s", event->begin, event->end, event->fiber,
			verbs[event->verb]);
		if (!sees_all(event))
			fprintf(file, " %u", event->key);
		if (event->expected != 0)
			fprintf(file, " expecting %u", event->expected);
		if (event->value != 0)
			fprintf(file, " <- %u", event->value);
		fprintf(file, " = %s", statuses[event->status]);
		if (event->result != 0)
			fprintf(file, " %u", event->result);
		if (event->verb == HISTORY_DRAIN || event->verb == HISTORY_SNAPSHOT) {
			fputc(' ', file);
			print_state(file, event->state);
		}
		if (event->group != 0)
			fprintf(file, " (apply %u)", event->group);
		fputc('\n', file);
	}
}
