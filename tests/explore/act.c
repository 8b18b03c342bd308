/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Playing acts: each calls the map, and records what it answered with the ticks around the call.
 * Those that see all keys at once are in act_see.c.
 *
 * Values that are to be released are places in act_items. Whoever loads one in a section, or sees it
 * in a snapshot, holds it; a release of what is held, or a second one, is a failure at once, and so
 * is to be given what was released.
 */
#include "explore/act.h"

#include "kit/random.h"

#include <string.h>

struct act_stage stage;
struct act_item act_items[ACT_VALUES];

/* ---- keys and values ---- */

unsigned act_number_at(void)
{
	return stage.alike ? 10 : 1;
}

calm_key act_key(unsigned number)
{
	static char keys[2][ACT_VALUES][20];
	char(*bytes)[20] = keys[stage.alike];
	unsigned at = act_number_at();
	if (!stage.bytes)
		return calm_word(number);
	for (unsigned i = 0; bytes[0][0] == 0 && i < ACT_VALUES; i++) {
		unsigned n = ACT_VALUES - 1 - i;
		memset(bytes[n], 'k', sizeof(bytes[0]));
		bytes[n][at] = (char)n;
	}
	return calm_bytes(bytes[number], at + 1 + number % (sizeof(bytes[0]) - 1 - at));
}

void *act_value(unsigned id)
{
	return stage.releases ? (void *)&act_items[id] : (void *)(uintptr_t)(id * sizeof(void *));
}

static void looks_at(struct act_item *item)
{
	if (explore_current() < PLAY_FIBERS)
		item->looked[explore_current()] = stale_here();
}

unsigned act_id(const void *value)
{
	uintptr_t first = stage.releases ? (uintptr_t)act_items : 0;
	uintptr_t size = stage.releases ? sizeof(act_items[0]) : sizeof(void *);
	uintptr_t id = ((uintptr_t)value - first) / size;
	if (id == 0 || id >= ACT_VALUES || !act_items[id].offered ||
	    (uintptr_t)value != first + id * size) {
		explore_fail("the map gave %p, which nobody stored", value);
		return 0;
	}
	struct act_item *item = &act_items[id];
	if (item->released)
		explore_fail("the map gave value %u, which it had released", (unsigned)id);
	if (!stale_knows(item->made))
		explore_fail("the map gave value %u, but not what its storer had written to it",
			     (unsigned)id);
	looks_at(item);
	return (unsigned)id;
}

unsigned act_new_value(void)
{
	unsigned id = ++stage.values;
	if (id >= ACT_FILLER)
		explore_fail("the scenario has too many values");
	act_items[id % ACT_FILLER].offered = 1;
	act_items[id % ACT_FILLER].made = stale_here();
	return id % ACT_FILLER;
}

void act_hold(uint64_t *held, unsigned id)
{
	uint64_t bit = (uint64_t)1 << id % 64;
	if (id == 0 || id >= ACT_FILLER || *held & bit)
		return;
	*held |= bit;
	act_items[id].holders++;
}

void act_let_go(uint64_t *held)
{
	for (; *held; *held &= *held - 1) {
		struct act_item *item = &act_items[__builtin_ctzll(*held)];
		item->holders--;
		looks_at(item);
	}
}

void act_release(void *value, void *context)
{
	uintptr_t id = ((uintptr_t)value - (uintptr_t)act_items) / sizeof(act_items[0]);
	if (context != &stage || id == 0 || id >= ACT_VALUES || !act_items[id].offered) {
		explore_fail("released: %p, which nobody stored", value);
		return;
	}
	struct act_item *item = &act_items[id];
	explore_note("releases %u", (unsigned)id);
	for (unsigned i = 0; i < PLAY_FIBERS; i++)
		if (!stale_knows(item->looked[i]))
			explore_fail(
				"value %u was released, not knowing fiber %u to be done with it",
				(unsigned)id, i);
	if (item->released++)
		explore_fail("value %u was released twice", (unsigned)id);
	if (item->holders > 0)
		explore_fail("value %u was released while a reader or a snapshot held it",
			     (unsigned)id);
	if (calm_read_active())
		explore_fail("value %u was released in a read section", (unsigned)id);
	explore_yield();
	item->gone = stale_here();
}

/* What the fiber retired is gone, and it knows. */
static void wait_for_releases(struct act_fiber *self)
{
	if (self->depth > 0)
		return;
	if (calm_read_wait() != CALM_OK)
		explore_fail("calm_read_wait did not wait");
	for (; self->retired; self->retired &= self->retired - 1) {
		unsigned id = (unsigned)__builtin_ctzll(self->retired);
		if (!act_items[id].released || !stale_knows(act_items[id].gone))
			explore_fail("calm_read_wait did not wait for value %u", id);
	}
}

/* ---- the history ---- */

void act_record(const struct history_event *event)
{
	struct history *history = &stage.history;
	if (history->count == HISTORY_EVENTS - 1) {
		explore_fail("the scenario has too many events");
		return;
	}
	history->events[history->count++] = *event;
}

struct history_event act_begin(unsigned fiber, enum history_verb verb, unsigned key)
{
	return (struct history_event){.begin = explore_tick(),
				      .verb = (uint8_t)verb,
				      .key = (uint8_t)key,
				      .fiber = (uint8_t)fiber};
}

/* The call is over: status, and what it found. */
void act_answered(struct history_event *event, calm_status status, unsigned result)
{
	event->end = explore_tick();
	if (status == CALM_EUNSUPPORTED)
		return;
	if (status < CALM_OK) {
		explore_fail("a verb answered %d", status);
		return;
	}
	event->status = (int8_t)status;
	event->result = (uint8_t)result;
	act_record(event);
}

/* ---- single keys ---- */

static calm_status keep_new(calm_key key, bool present, void **value, bool *keep, void *context)
{
	struct history_event *event = context;
	(void)key;
	event->result = present ? (uint8_t)act_id(*value) : 0;
	*value = act_value(event->value);
	*keep = event->value != 0;
	explore_yield();
	return CALM_OK;
}

static void call_key(struct act_fiber *self, struct history_event *event)
{
	calm_key key = act_key(stage.base + event->key);
	void *value = act_value(event->value);
	void *out = NULL;
	calm_status status = CALM_EINVAL;
	bool gives = false;
	switch (event->verb) {
	case HISTORY_LOAD:
		status = calm_map_load(stage.map, key, &out);
		gives = status == CALM_OK;
		break;
	case HISTORY_STORE:
		status = calm_map_store(stage.map, key, value);
		break;
	case HISTORY_SWAP:
		status = calm_map_swap(stage.map, key, value, &out);
		gives = status == CALM_OK;
		break;
	case HISTORY_LOAD_OR_STORE:
		status = calm_map_load_or_store(stage.map, key, value, &out);
		gives = status == CALM_PRESENT;
		break;
	case HISTORY_DELETE:
		status = calm_map_delete(stage.map, key);
		break;
	case HISTORY_LOAD_AND_DELETE:
		status = calm_map_load_and_delete(stage.map, key, &out);
		gives = status == CALM_OK;
		break;
	case HISTORY_COMPARE_AND_SWAP:
		status = calm_map_compare_and_swap(stage.map, key, act_value(event->expected),
						   value);
		break;
	case HISTORY_COMPARE_AND_DELETE:
		status = calm_map_compare_and_delete(stage.map, key, act_value(event->expected));
		break;
	case HISTORY_UPDATE:
		status = calm_map_update(stage.map, key, keep_new, event);
		break;
	}
	unsigned result = gives ? act_id(out) : 0;
	if (self->depth > 0)
		act_hold(&self->held, result);
	if (event->verb == HISTORY_UPDATE)
		result = event->result;
	if (event->value != 0 && (status == CALM_OK || event->verb == HISTORY_SWAP))
		act_items[event->value].accepted = 1;
	if (gives || status == CALM_ABSENT)
		self->seen[event->key] = result;
	else if (status == CALM_OK && event->value != 0)
		self->seen[event->key] = event->value;
	act_answered(event, status, result);
}

void act_on_key(unsigned fiber, enum history_verb verb, unsigned key, bool removes)
{
	struct act_fiber *self = &stage.fibers[fiber];
	bool stores = verb == HISTORY_STORE || verb == HISTORY_SWAP ||
		      verb == HISTORY_LOAD_OR_STORE || verb == HISTORY_COMPARE_AND_SWAP ||
		      (verb == HISTORY_UPDATE && !removes);
	bool compares = verb == HISTORY_COMPARE_AND_SWAP || verb == HISTORY_COMPARE_AND_DELETE;
	uint8_t value = stores ? (uint8_t)act_new_value() : 0;
	/* Values may be looked at in a section only; those that are given are. */
	bool section = stage.releases && !self->depth;
	if (section)
		calm_read_begin();
	struct history_event event = act_begin(fiber, verb, key);
	event.value = value;
	/* Of a key that it saw unbound, a fiber expects what another may store. */
	if (compares)
		event.expected = (uint8_t)(self->seen[key] ? self->seen[key] : 1);
	call_key(self, &event);
	if (section)
		calm_read_end();
}

static void load_many(unsigned fiber)
{
	struct act_fiber *self = &stage.fibers[fiber];
	unsigned n = stage.keys + (stage.fillers > 0);
	calm_key keys[ACT_KEYS + 1];
	void *values[ACT_KEYS + 1] = {NULL};
	calm_status found[ACT_KEYS + 1];
	for (unsigned k = 0; k < n; k++)
		keys[k] = act_key(k == stage.keys ? ACT_FILLER : stage.base + k);
	bool section = stage.releases && !self->depth;
	if (section)
		calm_read_begin();
	struct history_event event = act_begin(fiber, HISTORY_LOAD, 0);
	size_t ok = calm_map_load_many(stage.map, n, keys, values, found);
	event.end = explore_tick();
	for (unsigned k = 0; k < n; k++) {
		if (found[k] != CALM_OK && found[k] != CALM_ABSENT)
			explore_fail("load_many answered %d", found[k]);
		event.key = (uint8_t)(k == stage.keys ? HISTORY_OTHERS : k);
		event.status = (int8_t)found[k];
		event.result = found[k] == CALM_OK ? (uint8_t)act_id(values[k]) : 0;
		ok -= found[k] == CALM_OK;
		if (k < stage.keys && self->depth > 0)
			act_hold(&self->held, event.result);
		if (k < stage.keys)
			self->seen[k] = event.result;
		else
			event.result = event.result == ACT_FILLER;
		act_record(&event);
	}
	if (section)
		calm_read_end();
	if (ok != 0)
		explore_fail("load_many counted %zu too many", ok);
}

static void apply(unsigned fiber, unsigned key, bool removes)
{
	unsigned second = (key + 1) % stage.keys;
	uint8_t group = ++stage.groups;
	uint8_t values[2] = {(uint8_t)act_new_value(), 0};
	if (!removes)
		values[1] = (uint8_t)act_new_value();
	calm_change changes[2] = {
		{act_key(stage.base + key), act_value(values[0]), false},
		{act_key(stage.base + second), act_value(values[1]), removes},
	};
	struct history_event event = act_begin(fiber, HISTORY_STORE, key);
	calm_status status = calm_map_apply(stage.map, 2, changes);
	event.end = explore_tick();
	if (status != CALM_OK) {
		explore_fail("apply answered %d", status);
		return;
	}
	event.group = group;
	for (unsigned i = 0; i < 2; i++) {
		event.key = (uint8_t)(i == 0 ? key : second);
		event.value = values[i];
		act_items[values[i]].accepted |= values[i] != 0;
		/* To remove is to store nothing: apply does not say whether the key was bound. */
		act_record(&event);
	}
}

/* What has no place in a history. */
static void look_at_counts(void)
{
	calm_stats stats;
	size_t size = calm_map_size(stage.map);
	calm_map_stats(stage.map, &stats);
	if (size > ACT_VALUES || stats.entries > ACT_VALUES)
		explore_fail("a size of %zu, or of %zu", size, (size_t)stats.entries);
	if (stats.history_bytes > 0 && stats.bytes == 0)
		explore_fail("history without a byte");
}

/* ---- programs ---- */

static void leave(struct act_fiber *self)
{
	if (self->depth == 0)
		return;
	if (--self->depth == 0)
		act_let_go(&self->held);
	calm_read_end();
}

static void play_act(unsigned fiber, struct act act)
{
	static const char keyed[] = "LSWIDTCXU"; /* in the order of enum history_verb */
	struct act_fiber *self = &stage.fibers[fiber];
	const char *found = strchr(keyed, act.verb);
	if (found) {
		act_on_key(fiber, (enum history_verb)(found - keyed), act.key, false);
		return;
	}
	if (strchr("lwcrdxy", act.verb)) {
		act_on_cell(fiber, act.verb);
		return;
	}
	struct history_event event;
	switch (act.verb) {
	case 'u':
		act_on_key(fiber, HISTORY_UPDATE, act.key, true);
		break;
	case 'm':
		load_many(fiber);
		break;
	case 's':
		look_at_counts();
		break;
	case 'h':
		if (calm_map_reserve(stage.map, ACT_FILLERS) != CALM_OK)
			explore_fail("reserve failed");
		break;
	case 'A':
	case 'B':
		apply(fiber, act.key, act.verb == 'B');
		break;
	case 'Z':
		event = act_begin(fiber, HISTORY_CLEAR, 0);
		act_answered(&event, calm_map_clear(stage.map), 0);
		break;
	case 'R':
		act_drain(fiber);
		break;
	case 'P':
		act_walk(fiber);
		break;
	case 'p':
		act_walk_and_delete(fiber);
		break;
	case 'V':
		act_live_walk(fiber);
		break;
	case 'v':
		act_live_walk_and_delete(fiber);
		break;
	case 'M':
		if (calm_deltamap_compact(stage.map) != CALM_OK)
			explore_fail("a compaction failed");
		break;
	case '(':
		calm_read_begin();
		self->depth++;
		break;
	case ')':
		leave(self);
		break;
	case 'O':
		self->depth = 0;
		act_let_go(&self->held);
		break;
	case 'F':
		wait_for_releases(self);
		break;
	default:
		act_on_snapshot(fiber, act);
	}
}

void act_run(unsigned fiber, void *context)
{
	struct act_fiber *self = &stage.fibers[fiber];
	(void)context;
	for (unsigned i = 0; i < self->count; i++) {
		explore_note("%c%u", self->acts[i].verb, self->acts[i].key);
		play_act(fiber, self->acts[i]);
	}
	while (self->depth > 0)
		leave(self);
	act_close(&self->snapshots[0]);
	act_close(&self->snapshots[1]);
}
