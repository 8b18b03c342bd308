/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What acts see of all keys at once.
 *
 * A snapshot enters the history as one read of all keys at some instant inside its opening, with
 * what its first reading saw; later readings must see the same. A live walk is a load of each key,
 * somewhere inside the walk. calm_map_walk and drain are snapshots at some instant inside the call.
 *
 * The fillers, keys that nobody writes, are one more key: there if all of them are. Some of them is a
 * failure at once, but on a live walk beside a clear.
 */
#include "explore/act.h"

/* ---- traversals ---- */

static unsigned number_of(calm_key key)
{
	if (calm_key_is_word(key))
		return (unsigned)calm_key_word(key);
	return key.size >= 2 ? ((const unsigned char *)key.data)[1] : ACT_VALUES;
}

int act_visit(calm_key key, void *value, void *context)
{
	struct act_view *view = context;
	unsigned number = number_of(key);
	unsigned id = act_id(value);
	if (number >= stage.base && number - stage.base < stage.keys) {
		unsigned k = number - stage.base;
		if (history_value(view->state, k) != 0)
			explore_fail("a traversal saw key %u twice", k);
		view->state = history_bind(view->state, k, id);
	} else if (number >= ACT_FILLER && number < ACT_VALUES && id == number) {
		uint64_t *word = &view->filler_seen[(number - ACT_FILLER) / 64];
		uint64_t bit = (uint64_t)1 << (number - ACT_FILLER) % 64;
		if (*word & bit)
			explore_fail("a traversal saw filler %u twice", number);
		*word |= bit;
		view->fillers++;
	} else {
		explore_fail("a traversal saw key %u with value %u", number, id);
	}
	if (view->yields)
		explore_yield();
	if (id != 0 && act_items[id].released)
		explore_fail("value %u was released under a visitor", id);
	return 0;
}

void act_viewed(struct act_view *view)
{
	if (view->fillers == 0)
		return;
	if (view->fillers != stage.fillers)
		explore_fail("a traversal saw %u of %u fillers", view->fillers, stage.fillers);
	view->state = history_bind(view->state, HISTORY_OTHERS, 1);
}

void act_walk(unsigned fiber)
{
	struct act_view view = {.yields = true};
	struct history_event event = act_begin(fiber, HISTORY_SNAPSHOT, 0);
	int status = calm_map_walk(stage.map, act_visit, &view);
	if (status == CALM_ESTALE)
		return;
	act_viewed(&view);
	event.state = view.state;
	act_answered(&event, (calm_status)status, 0);
}

void act_live_walk(unsigned fiber)
{
	struct act_view view = {.yields = true};
	struct history_event event = act_begin(fiber, HISTORY_LOAD, 0);
	int status = calm_map_each(stage.map, act_visit, &view);
	event.end = explore_tick();
	if (status != 0)
		explore_fail("each answered %d", status);
	if (!stage.clears && view.fillers != stage.fillers)
		explore_fail("a live walk saw %u of %u fillers", view.fillers, stage.fillers);
	for (unsigned k = 0; k < stage.keys; k++) {
		event.key = (uint8_t)k;
		event.result = (uint8_t)history_value(view.state, k);
		event.status = event.result != 0 ? CALM_OK : CALM_ABSENT;
		act_record(&event);
	}
}

/* ---- snapshots ---- */

static void open_snapshot(unsigned fiber, struct act_snapshot *snapshot, bool drains)
{
	if (snapshot->handle)
		return;
	calm_snapshot *handle = NULL;
	snapshot->begin = explore_tick();
	calm_status status = drains ? calm_map_drain(stage.map, &handle)
				    : calm_map_snapshot(stage.map, &handle);
	snapshot->end = explore_tick();
	snapshot->read = false;
	if (status != CALM_OK)
		explore_fail("fiber %u: a snapshot was refused: %d", fiber, status);
	else
		snapshot->handle = handle;
}

/* What a reading saw: the first goes into the history, the others must be the same. */
static void read_as(unsigned fiber, struct act_snapshot *snapshot, history_state state,
		    bool drained)
{
	for (unsigned k = 0; k < stage.keys && !stage.budget; k++)
		act_hold(&snapshot->held, history_value(state, k));
	if (snapshot->read) {
		if (state != snapshot->state)
			explore_fail(
				"fiber %u: a second reading of a snapshot differs: %#llx, %#llx",
				fiber, (unsigned long long)snapshot->state,
				(unsigned long long)state);
		return;
	}
	snapshot->read = true;
	snapshot->state = state;
	struct history_event event = {.begin = snapshot->begin,
				      .end = snapshot->end,
				      .verb = drained ? HISTORY_DRAIN : HISTORY_SNAPSHOT,
				      .fiber = (uint8_t)fiber,
				      .state = state};
	act_record(&event);
}

static void read_each(unsigned fiber, struct act_snapshot *snapshot, bool drained)
{
	if (!snapshot->handle)
		return;
	struct act_view view = {.yields = true};
	int status = calm_snapshot_each(snapshot->handle, act_visit, &view);
	if (status == CALM_ESTALE)
		return;
	if (status != 0)
		explore_fail("fiber %u: each of a snapshot answered %d", fiber, status);
	act_viewed(&view);
	read_as(fiber, snapshot, view.state, drained);
}

static void read_cursor(unsigned fiber, struct act_snapshot *snapshot)
{
	if (!snapshot->handle)
		return;
	struct act_view view = {.yields = true};
	calm_cursor cursor;
	calm_key key;
	void *value;
	calm_status status = calm_cursor_init(&cursor, snapshot->handle);
	while (status == CALM_OK) {
		status = calm_cursor_next(&cursor, &key, &value);
		if (status == CALM_OK)
			act_visit(key, value, &view);
	}
	if (status == CALM_ESTALE)
		return;
	if (status != CALM_ABSENT)
		explore_fail("fiber %u: a cursor answered %d", fiber, status);
	act_viewed(&view);
	read_as(fiber, snapshot, view.state, false);
}

static void read_loads(unsigned fiber, struct act_snapshot *snapshot)
{
	if (!snapshot->handle)
		return;
	history_state state = 0;
	for (unsigned k = 0; k < stage.keys + (stage.fillers > 0); k++) {
		void *value = NULL;
		bool other = k == stage.keys;
		calm_key key = act_key(other ? ACT_FILLER : stage.base + k);
		calm_status status = calm_snapshot_load(snapshot->handle, key, &value);
		if (status == CALM_ESTALE)
			return;
		if (status < CALM_OK)
			explore_fail("fiber %u: load of a snapshot answered %d", fiber, status);
		if (status == CALM_OK && other)
			state = history_bind(state, HISTORY_OTHERS, act_id(value) == ACT_FILLER);
		else if (status == CALM_OK)
			state = history_bind(state, k, act_id(value));
	}
	read_as(fiber, snapshot, state, false);
}

void act_close(struct act_snapshot *snapshot)
{
	act_let_go(&snapshot->held);
	calm_snapshot_close(snapshot->handle);
	snapshot->handle = NULL;
}

void act_drain(unsigned fiber)
{
	struct act_snapshot drained = {0};
	open_snapshot(fiber, &drained, true);
	read_each(fiber, &drained, true);
	if (drained.handle && !drained.read) { /* ousted: nobody knows what it saw */
		struct history_event event = {.begin = drained.begin,
					      .end = drained.end,
					      .verb = HISTORY_CLEAR,
					      .fiber = (uint8_t)fiber};
		act_record(&event);
	}
	act_close(&drained);
}

void act_on_snapshot(unsigned fiber, char verb)
{
	struct act_fiber *self = &stage.fibers[fiber];
	bool second = verb >= 'a';
	struct act_snapshot *snapshot = &self->snapshots[second];
	switch (second ? verb - 'a' + 'A' : verb) {
	case 'N':
		open_snapshot(fiber, snapshot, false);
		break;
	case 'E':
		read_each(fiber, snapshot, false);
		break;
	case 'G':
		read_loads(fiber, snapshot);
		break;
	case 'K':
		read_cursor(fiber, snapshot);
		break;
	case 'Q':
		act_close(snapshot);
		break;
	default:
		explore_fail("no act is called %c", verb);
	}
}
