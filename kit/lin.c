/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Recorder and rounds: the logs of all threads are merged by their begin stamps, dealt out to the
 * keys (a stable counting sort, so that each key's events come out sorted), and each key is checked
 * by kit/jit.c from the states the last round left it in. What is checked and what is not: lin.h.
 *
 * Invariants: a key's state word is a value, KIT_LIN_ABSENT, STATE_BROKEN, or STATE_SEVERAL plus
 * the number of a spill that is its own; between rounds logs are empty.
 *
 * Rejected: checking while the threads run (it would take one of two cores from the very races that
 * are sought), and keeping the whole history (48 bytes an event: 50 M are 2.4 GB; a round of a
 * million stays in the last level cache).
 */
#include "kit/jit.h"

#include "kit/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define STATE_SEVERAL KIT_LIN_VALUES
#define STATE_BROKEN (KIT_LIN_ABSENT - 1)
#define SHOWN_BEFORE 10 /* operations of a key in the report, before and from the one that failed */
#define SHOWN_AFTER 5

struct spill {
	uint32_t count; /* of states; 0: free, and states[0] is the next free spill + 1 */
	uint64_t states[KIT_LIN_STATES];
};

struct kit_lin {
	size_t keys;
	uint64_t *states;
	struct spill *spills;
	size_t spills_count, spills_room, spills_free; /* free: number + 1 of the first */
	struct kit_lin_event *events;                  /* of the round, by key */
	size_t events_room;
	struct kit_lin_event *clears; /* of the round, apart */
	size_t clears_count, clears_room;
	struct kit_lin_event *mixed; /* one key's events and the clears */
	size_t mixed_room;
	size_t *starts; /* keys + 1: where a key's events begin */
	struct kit_jit *jit;
	struct kit_lin_report report;
};

static const char *const verb_names[KIT_LIN_VERBS] = {"load",
						      "store",
						      "swap",
						      "load_or_store",
						      "delete",
						      "load_and_delete",
						      "compare_and_swap",
						      "compare_and_delete",
						      "clear"};

calm_status kit_lin_log_init(struct kit_lin_log *log, uint16_t thread, size_t room)
{
	*log = (struct kit_lin_log){.thread = thread, .room = room};
	log->events = calloc(room > 0 ? room : 1, sizeof *log->events);
	return log->events != NULL ? CALM_OK : CALM_ENOMEM;
}

void kit_lin_log_free(struct kit_lin_log *log)
{
	free(log->events);
	*log = (struct kit_lin_log){0};
}

void kit_lin_append(struct kit_lin_log *log, const struct kit_lin_event *event)
{
	if (log->count == log->room) {
		size_t room = log->room < 512 ? 1024 : log->room * 2;
		struct kit_lin_event *events = reallocarray(log->events, room, sizeof *events);
		if (events == NULL) {
			log->lost++;
			return;
		}
		log->events = events;
		log->room = room;
	}
	log->events[log->count++] = *event;
}

static calm_status perform(calm_map *map, const struct kit_lin_call *call, void **out)
{
	switch (call->verb) {
	case KIT_LIN_LOAD:
		return calm_map_load(map, call->key, out);
	case KIT_LIN_STORE:
		return calm_map_store(map, call->key, call->value);
	case KIT_LIN_SWAP:
		return calm_map_swap(map, call->key, call->value, out);
	case KIT_LIN_LOAD_OR_STORE:
		return calm_map_load_or_store(map, call->key, call->value, out);
	case KIT_LIN_DELETE:
		return calm_map_delete(map, call->key);
	case KIT_LIN_LOAD_AND_DELETE:
		return calm_map_load_and_delete(map, call->key, out);
	case KIT_LIN_COMPARE_AND_SWAP:
		return calm_map_compare_and_swap(map, call->key, call->expected, call->value);
	case KIT_LIN_COMPARE_AND_DELETE:
		return calm_map_compare_and_delete(map, call->key, call->expected);
	case KIT_LIN_CLEAR:
		return calm_map_clear(map);
	default:
		return CALM_EINVAL;
	}
}

calm_status kit_lin_do(struct kit_lin_log *log, calm_map *map, const struct kit_lin_call *call,
		       void **result)
{
	void *out = NULL;
	uint64_t begin = kit_stamp_begin();
	calm_status status = perform(map, call, &out);
	uint64_t end = kit_stamp_end();

	if (status >= 0) {
		struct kit_lin_event event = {.begin = begin,
					      .end = end,
					      .value = (uint64_t)(uintptr_t)call->value,
					      .expected = (uint64_t)(uintptr_t)call->expected,
					      .result = (uint64_t)(uintptr_t)out,
					      .key = call->index,
					      .verb = (uint8_t)call->verb,
					      .status = (int8_t)status,
					      .thread = log->thread};
		kit_lin_append(log, &event);
	}
	if (result != NULL)
		*result = out;
	return status;
}

calm_status kit_lin_new(struct kit_lin **out, size_t keys)
{
	struct kit_lin *lin;

	if (keys == 0 || keys >= UINT32_MAX)
		return CALM_EINVAL;
	lin = calloc(1, sizeof *lin);
	if (lin == NULL)
		return CALM_ENOMEM;
	lin->keys = keys;
	lin->states = calloc(keys, sizeof *lin->states);
	lin->starts = calloc(keys + 1, sizeof *lin->starts);
	if (lin->states == NULL || lin->starts == NULL || kit_jit_new(&lin->jit) != CALM_OK) {
		kit_lin_free(lin);
		return CALM_ENOMEM;
	}
	kit_lin_reset(lin);
	*out = lin;
	return CALM_OK;
}

void kit_lin_free(struct kit_lin *lin)
{
	if (lin == NULL)
		return;
	kit_jit_free(lin->jit);
	free(lin->states);
	free(lin->starts);
	free(lin->spills);
	free(lin->events);
	free(lin->clears);
	free(lin->mixed);
	free(lin);
}

void kit_lin_reset(struct kit_lin *lin)
{
	lin->spills_count = 0;
	lin->spills_free = 0;
	for (size_t key = 0; key < lin->keys; key++)
		lin->states[key] = KIT_LIN_ABSENT;
}

const struct kit_lin_report *kit_lin_report(const struct kit_lin *lin)
{
	return &lin->report;
}

size_t kit_lin_states(const struct kit_lin *lin, size_t key, uint64_t states[KIT_LIN_STATES])
{
	uint64_t state = lin->states[key];

	if (state == STATE_BROKEN)
		return 0;
	if (state == KIT_LIN_ABSENT || state < STATE_SEVERAL) {
		states[0] = state;
		return 1;
	}
	const struct spill *spill = &lin->spills[state - STATE_SEVERAL];
	memcpy(states, spill->states, spill->count * sizeof *states);
	return spill->count;
}

static bool make_room(struct kit_lin_event **events, size_t *room, size_t need)
{
	if (need <= *room)
		return true;
	need += need / 4;
	struct kit_lin_event *more = reallocarray(NULL, need, sizeof *more);
	if (more == NULL)
		return false;
	free(*events);
	*events = more;
	*room = need;
	return true;
}

/* A free spill's number, or SIZE_MAX: no memory. */
static size_t take_spill(struct kit_lin *lin)
{
	if (lin->spills_free != 0) {
		size_t at = lin->spills_free - 1;
		lin->spills_free = (size_t)lin->spills[at].states[0];
		return at;
	}
	if (lin->spills_count == lin->spills_room) {
		size_t room = lin->spills_room * 2 + 64;
		struct spill *spills = reallocarray(lin->spills, room, sizeof *spills);
		if (spills == NULL)
			return SIZE_MAX;
		lin->spills = spills;
		lin->spills_room = room;
	}
	return lin->spills_count++;
}

/* Sets what a key may be in; none: broken. False: no memory. */
static bool set_states(struct kit_lin *lin, size_t key, const uint64_t *states, size_t count)
{
	uint64_t old = lin->states[key];

	if (old >= STATE_SEVERAL && old < STATE_BROKEN) {
		struct spill *spill = &lin->spills[old - STATE_SEVERAL];
		spill->count = 0;
		spill->states[0] = lin->spills_free;
		lin->spills_free = (size_t)(old - STATE_SEVERAL) + 1;
	}
	lin->states[key] = count == 1 ? states[0] : STATE_BROKEN;
	if (count <= 1)
		return true;
	size_t at = take_spill(lin);
	if (at == SIZE_MAX)
		return false;
	lin->spills[at].count = (uint32_t)count;
	memcpy(lin->spills[at].states, states, count * sizeof *states);
	lin->states[key] = STATE_SEVERAL + at;
	return true;
}

__attribute__((format(printf, 2, 3))) static void say(struct kit_lin_report *report,
						      const char *format, ...)
{
	size_t used = strlen(report->text);
	va_list list;

	va_start(list, format);
	(void)vsnprintf(report->text + used, sizeof report->text - used, format, list);
	va_end(list);
}

/* A value as kit_lin_value made it: thread:count. */
static const char *show_value(uint64_t value, char text[40])
{
	if (value == KIT_LIN_ABSENT)
		(void)snprintf(text, 40, "absent");
	else
		(void)snprintf(text, 40, "%" PRIu64 ":%" PRIu64, value >> 48,
			       value & 0xffffffffffffu);
	return text;
}

static void say_event(struct kit_lin_report *report, const struct kit_lin_event *e, uint64_t origin,
		      bool culprit)
{
	static const char *const answers[] = {"OK", "ABSENT", "PRESENT", "CHANGED"};
	char a[40], b[40], c[40];
	char arguments[96] = "";
	bool gives = e->verb == KIT_LIN_LOAD || e->verb == KIT_LIN_SWAP ||
		     e->verb == KIT_LIN_LOAD_OR_STORE || e->verb == KIT_LIN_LOAD_AND_DELETE;

	if (e->verb == KIT_LIN_STORE || e->verb == KIT_LIN_SWAP || e->verb == KIT_LIN_LOAD_OR_STORE)
		(void)snprintf(arguments, sizeof arguments, "%s", show_value(e->value, a));
	else if (e->verb == KIT_LIN_COMPARE_AND_SWAP)
		(void)snprintf(arguments, sizeof arguments, "%s, %s", show_value(e->expected, a),
			       show_value(e->value, b));
	else if (e->verb == KIT_LIN_COMPARE_AND_DELETE)
		(void)snprintf(arguments, sizeof arguments, "%s", show_value(e->expected, a));
	gives = gives && (e->status == CALM_OK || e->status == CALM_PRESENT);
	say(report, "%c [%8" PRId64 ", %8" PRId64 "] thread %-3u %s(%s) = %s %s\n",
	    culprit ? '>' : ' ', (int64_t)(e->begin - origin), (int64_t)(e->end - origin),
	    e->thread, e->verb < KIT_LIN_VERBS ? verb_names[e->verb] : "?", arguments,
	    e->status >= 0 && e->status <= CALM_CHANGED ? answers[e->status] : "?",
	    gives ? show_value(e->result, c) : "");
}

static void count_failure(struct kit_lin *lin, bool wrong)
{
	if (wrong)
		lin->report.violations++;
	else
		lin->report.undecided++;
}

/* What a key's check came to. */
struct verdict {
	enum kit_jit_outcome outcome;
	const struct kit_lin_event *culprit;
	size_t states_count;
	uint64_t states[KIT_LIN_STATES];
};

static void describe(struct kit_lin *lin, size_t key, const struct kit_lin_event *events,
		     size_t count, const struct verdict *verdict)
{
	struct kit_lin_report *report = &lin->report;
	size_t at = (size_t)(verdict->culprit - events);
	size_t first = at > SHOWN_BEFORE ? at - SHOWN_BEFORE : 0;
	size_t end = count - at > SHOWN_AFTER ? at + SHOWN_AFTER : count;
	char text[40];

	say(report, "key %zu: %s at the operation marked >\n", key,
	    verdict->outcome == KIT_JIT_WRONG ? "not linearizable"
					      : "undecided, past the checker's bounds,");
	say(report, "possible before it:");
	for (size_t i = 0; i < verdict->states_count; i++)
		say(report, "%s %s", i > 0 ? "," : "", show_value(verdict->states[i], text));
	say(report, "\nits operations by begin [begin, end] in ticks, values as thread:count\n");
	for (size_t i = first; i < end; i++)
		say_event(report, &events[i], events[first].begin, &events[i] == verdict->culprit);
}

static int by_begin(const void *a, const void *b)
{
	uint64_t x = ((const struct kit_lin_event *)a)->begin;
	uint64_t y = ((const struct kit_lin_event *)b)->begin;

	return (x > y) - (x < y);
}

static void sort_events(struct kit_lin_event *events, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		if (events[i].begin < events[i - 1].begin) {
			qsort(events, count, sizeof *events, by_begin);
			return;
		}
	}
}

/* The key's events and the round's clears, merged by begin, in lin->mixed. False: no memory. */
static bool mix_clears(struct kit_lin *lin, const struct kit_lin_event *events, size_t count)
{
	size_t i = 0, j = 0;

	if (!make_room(&lin->mixed, &lin->mixed_room, count + lin->clears_count))
		return false;
	while (i < count || j < lin->clears_count) {
		bool clear = i == count ||
			     (j < lin->clears_count && lin->clears[j].begin < events[i].begin);
		lin->mixed[i + j] = clear ? lin->clears[j] : events[i];
		j += clear;
		i += !clear;
	}
	return true;
}

static void check_key(struct kit_lin *lin, size_t key)
{
	struct kit_lin_event *events = lin->events + lin->starts[key];
	size_t count = lin->starts[key + 1] - lin->starts[key];
	struct verdict verdict = {.culprit = events};

	verdict.states_count = kit_lin_states(lin, key, verdict.states);
	if (verdict.states_count == 0 || count + lin->clears_count == 0)
		return;
	if (count == 0) {
		verdict.states[0] = KIT_LIN_ABSENT;
		(void)set_states(lin, key, verdict.states, 1);
		return;
	}
	sort_events(events, count);
	if (lin->clears_count > 0) {
		if (!mix_clears(lin, events, count)) {
			count_failure(lin, false);
			(void)set_states(lin, key, NULL, 0);
			return;
		}
		events = lin->mixed;
		count += lin->clears_count;
	}
	verdict.outcome = kit_jit_check(lin->jit, events, count, verdict.states,
					&verdict.states_count, &verdict.culprit);
	if (verdict.outcome == KIT_JIT_FINE &&
	    set_states(lin, key, verdict.states, verdict.states_count))
		return;
	if (lin->report.text[0] == '\0')
		describe(lin, key, events, count, &verdict);
	count_failure(lin, verdict.outcome == KIT_JIT_WRONG);
	(void)set_states(lin, key, NULL, 0);
}

/* Sifts the log at the top of a heap ordered by the begin of each log's next event. */
static void sift(struct kit_lin_log **heap, const size_t *next, const struct kit_lin_log *logs,
		 size_t count)
{
	size_t at = 0;
	struct kit_lin_log *log = heap[0];
	uint64_t begin = log->events[next[log - logs]].begin;

	for (size_t child; (child = at * 2 + 1) < count; at = child) {
		uint64_t least = heap[child]->events[next[heap[child] - logs]].begin;
		if (child + 1 < count) {
			uint64_t right =
				heap[child + 1]->events[next[heap[child + 1] - logs]].begin;
			child += right < least;
			least = right < least ? right : least;
		}
		if (begin <= least)
			break;
		heap[at] = heap[child];
	}
	heap[at] = log;
}

static void place(struct kit_lin *lin, const struct kit_lin_event *e)
{
	if (e->verb == KIT_LIN_CLEAR)
		lin->clears[lin->clears_count++] = *e;
	else
		lin->events[lin->starts[e->key]++] = *e;
}

/* Deals the events out to their keys in order of begin. heap and next have room for n. */
static void deal(struct kit_lin *lin, struct kit_lin_log *logs, size_t n, struct kit_lin_log **heap,
		 size_t *next)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		next[i] = 0;
		if (logs[i].count == 0)
			continue;
		/* Insertion by begin: a sorted array is a heap. */
		size_t at = count++;
		for (; at > 0 && heap[at - 1]->events[0].begin > logs[i].events[0].begin; at--)
			heap[at] = heap[at - 1];
		heap[at] = &logs[i];
	}
	while (count > 0) {
		struct kit_lin_log *log = heap[0];
		size_t *at = &next[log - logs];
		place(lin, &log->events[*at]);
		if (++*at == log->count)
			heap[0] = heap[--count];
		if (count > 0)
			sift(heap, next, logs, count);
	}
	/* starts[k] is now the end of k's events: shift to beginnings. */
	memmove(lin->starts + 1, lin->starts, lin->keys * sizeof *lin->starts);
	lin->starts[0] = 0;
}

/* Counts the events per key into starts, as running sums. False: a key out of range. */
static bool count_events(struct kit_lin *lin, const struct kit_lin_log *logs, size_t n,
			 size_t *clears)
{
	size_t sum = 0;

	memset(lin->starts, 0, (lin->keys + 1) * sizeof *lin->starts);
	*clears = 0;
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < logs[i].count; j++) {
			const struct kit_lin_event *e = &logs[i].events[j];
			if (e->verb == KIT_LIN_CLEAR)
				++*clears;
			else if (e->key < lin->keys)
				lin->starts[e->key]++;
			else
				return false;
		}
	}
	for (size_t key = 0; key <= lin->keys; key++) {
		size_t count = lin->starts[key];
		lin->starts[key] = sum;
		sum += count;
	}
	return true;
}

static bool collect(struct kit_lin *lin, struct kit_lin_log *logs, size_t n, size_t total)
{
	size_t *next = calloc(n > 0 ? n : 1, sizeof *next);
	struct kit_lin_log **heap = calloc(n > 0 ? n : 1, sizeof *heap);
	size_t clears;
	bool done = next != NULL && heap != NULL && count_events(lin, logs, n, &clears) &&
		    make_room(&lin->events, &lin->events_room, total) &&
		    make_room(&lin->clears, &lin->clears_room, clears);

	lin->clears_count = 0;
	if (done) {
		deal(lin, logs, n, heap, next);
		sort_events(lin->clears, lin->clears_count);
	}
	free(next);
	free(heap);
	return done;
}

bool kit_lin_check(struct kit_lin *lin, struct kit_lin_log *logs, size_t n)
{
	uint64_t failures = lin->report.violations + lin->report.undecided;
	uint64_t lost = 0;
	size_t total = 0;

	for (size_t i = 0; i < n; i++) {
		total += logs[i].count;
		lost += logs[i].lost;
	}
	if (lost > 0 || !collect(lin, logs, n, total)) {
		count_failure(lin, false);
		if (lin->report.text[0] == '\0')
			say(&lin->report,
			    "undecided: %" PRIu64
			    " events lost, no memory, or a key out of range\n",
			    lost);
		/* What the keys hold now is unknown. */
		for (size_t key = 0; key < lin->keys; key++)
			(void)set_states(lin, key, NULL, 0);
	} else {
		for (size_t key = 0; key < lin->keys; key++)
			check_key(lin, key);
		lin->report.events += total;
	}
	lin->report.widest = kit_jit_widest(lin->jit);
	lin->report.deepest = kit_jit_deepest(lin->jit);
	for (size_t i = 0; i < n; i++) {
		logs[i].count = 0;
		logs[i].lost = 0;
	}
	return lin->report.violations + lin->report.undecided == failures;
}
