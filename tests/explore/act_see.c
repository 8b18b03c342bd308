/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What acts see of all keys at once.
 *
 * A snapshot enters the history as one read of all keys at some instant inside its opening, with
 * what its first reading saw, and its stamp; later readings must see the same. A live walk is a load of each key,
 * between the walk's begin and the visit, or its end. calm_map_walk is a snapshot at some instant before
 * its first visit, drain one inside the call.
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
	unsigned at = act_number_at();
	return key.size > at ? ((const unsigned char *)key.data)[at] : ACT_VALUES;
}

int act_visit(calm_key key, void *value, void *context)
{
	struct act_view *view = context;
	unsigned number = number_of(key);
	unsigned id = act_id(value);
	if (view->began == 0)
		view->began = explore_tick();
	else if ((view->order > 0 && number <= view->last) ||
		 (view->order < 0 && number >= view->last))
		explore_fail("a traversal in order saw key %u after %u", number, view->last);
	view->last = number;
	if (number >= stage.base && number - stage.base < stage.keys) {
		unsigned k = number - stage.base;
		if (history_value(view->state, k) != 0)
			explore_fail("a traversal saw key %u twice", k);
		view->state = history_bind(view->state, k, id);
		view->seen[k] = explore_tick();
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

/* A visitor that deletes what it is shown, but no filler. */
struct eraser {
	struct act_view view;
	unsigned fiber;
};

static int visit_and_delete(calm_key key, void *value, void *context)
{
	struct eraser *eraser = context;
	unsigned k = number_of(key) - stage.base;
	int result = act_visit(key, value, &eraser->view);
	if (k < stage.keys)
		act_on_key(eraser->fiber, HISTORY_DELETE, k, false);
	return result;
}

/* What the walk showed was so before its first visit. */
static void walked(struct history_event *event, struct act_view *view, int status)
{
	if (status == CALM_ESTALE)
		return;
	if (status != 0)
		explore_fail("walk answered %d", status);
	act_viewed(view);
	event->state = view->state;
	event->end = view->began ? view->began : explore_tick();
	act_record(event);
}

void act_walk(unsigned fiber)
{
	struct act_view view = {.yields = true};
	struct history_event event = act_begin(fiber, HISTORY_SNAPSHOT, 0);
	int status = calm_map_walk(stage.map, act_visit, &view);
	walked(&event, &view, status);
}

void act_walk_and_delete(unsigned fiber)
{
	struct eraser eraser = {{.yields = true}, fiber};
	struct history_event event = act_begin(fiber, HISTORY_SNAPSHOT, 0);
	int status = calm_map_walk(stage.map, visit_and_delete, &eraser);
	walked(&event, &eraser.view, status);
}

static void live_walked(struct history_event *event, const struct act_view *view, int status)
{
	uint32_t end = explore_tick();
	if (status != 0)
		explore_fail("each answered %d", status);
	if (!stage.clears && view->fillers != stage.fillers)
		explore_fail("a live walk saw %u of %u fillers", view->fillers, stage.fillers);
	for (unsigned k = 0; k < stage.keys; k++) {
		event->key = (uint8_t)k;
		event->result = (uint8_t)history_value(view->state, k);
		event->status = event->result != 0 ? CALM_OK : CALM_ABSENT;
		event->end = event->result != 0 ? view->seen[k] : end;
		act_record(event);
	}
}

void act_live_walk(unsigned fiber)
{
	struct act_view view = {.yields = true};
	struct history_event event = act_begin(fiber, HISTORY_LOAD, 0);
	int status = calm_map_each(stage.map, act_visit, &view);
	live_walked(&event, &view, status);
}

void act_live_walk_and_delete(unsigned fiber)
{
	struct eraser eraser = {{.yields = true}, fiber};
	struct history_event event = act_begin(fiber, HISTORY_LOAD, 0);
	int status = calm_map_each(stage.map, visit_and_delete, &eraser);
	live_walked(&event, &eraser.view, status);
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

/* What a snapshot that may be ousted gave is good inside a section only. */
static void begin_reading(void)
{
	if (stage.budget)
		calm_read_begin();
}

static void end_reading(void)
{
	if (stage.budget)
		calm_read_end();
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
				      .state = state,
				      .stamp = calm_snapshot_stamp(snapshot->handle)};
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
	begin_reading();
	calm_status status = calm_cursor_init(&cursor, snapshot->handle);
	while (status == CALM_OK) {
		status = calm_cursor_next(&cursor, &key, &value);
		if (status == CALM_OK)
			act_visit(key, value, &view);
	}
	end_reading();
	if (status == CALM_ESTALE)
		return;
	if (status != CALM_ABSENT)
		explore_fail("fiber %u: a cursor answered %d", fiber, status);
	act_viewed(&view);
	read_as(fiber, snapshot, view.state, false);
}

/* To the end, and what is seen on the way back; first, that a seek finds the key if it is bound. */
static void read_backwards(unsigned fiber, struct act_snapshot *snapshot, unsigned k)
{
	if (!snapshot->handle)
		return;
	struct act_view view = {.yields = true};
	calm_cursor cursor;
	calm_key key;
	void *value = act_value(0);
	begin_reading();
	calm_status status = calm_cursor_init(&cursor, snapshot->handle);
	calm_status sought = calm_cursor_seek(&cursor, act_key(stage.base + k));
	unsigned found = 0;
	for (bool first = true; status == CALM_OK; first = false) {
		status = calm_cursor_next(&cursor, &key, &value);
		if (first && sought == CALM_OK && status == CALM_OK &&
		    number_of(key) == stage.base + k)
			found = act_id(value);
	}
	for (bool more = status == CALM_ABSENT; more; more = status == CALM_OK) {
		status = calm_cursor_prev(&cursor, &key, &value);
		if (status == CALM_OK)
			act_visit(key, value, &view);
	}
	end_reading();
	if (status == CALM_ESTALE || sought == CALM_ESTALE)
		return;
	if (status != CALM_ABSENT || sought < CALM_OK)
		explore_fail("fiber %u: a cursor answered %d, a seek %d", fiber, status, sought);
	if (found != history_value(view.state, k))
		explore_fail("fiber %u: a seek found %u of key %u, the way back %u", fiber, found,
			     k, history_value(view.state, k));
	act_viewed(&view);
	read_as(fiber, snapshot, view.state, false);
}

/* The keys below the first filler, and those from it on. */
static void read_ranges(unsigned fiber, struct act_snapshot *snapshot, int order)
{
	if (!snapshot->handle)
		return;
	struct act_view view = {.yields = true, .order = order};
	calm_key middle = act_key(ACT_FILLER);
	int status = 0;
	for (int part = 0; part < 2 && status == 0; part++) {
		bool low = (part == 0) == (order > 0);
		const calm_key *from = low ? NULL : &middle;
		const calm_key *to = low ? &middle : NULL;
		unsigned before = view.fillers;
		status = order > 0
				 ? calm_snapshot_range(snapshot->handle, from, to, act_visit, &view)
				 : calm_snapshot_range_descending(snapshot->handle, from, to,
								  act_visit, &view);
		if (low && view.fillers != before)
			explore_fail("fiber %u: a range went past its end", fiber);
	}
	if (status == CALM_ESTALE)
		return;
	if (status != 0)
		explore_fail("fiber %u: a range answered %d", fiber, status);
	act_viewed(&view);
	read_as(fiber, snapshot, view.state, false);
}

static void read_size(unsigned fiber, struct act_snapshot *snapshot)
{
	if (!snapshot->handle)
		return;
	size_t size = calm_snapshot_size(snapshot->handle);
	read_each(fiber, snapshot, false);
	if (!snapshot->read || stage.budget)
		return;
	size_t others = history_value(snapshot->state, HISTORY_OTHERS) ? stage.fillers : 0;
	for (unsigned k = 0; k < stage.keys; k++)
		others += history_value(snapshot->state, k) != 0;
	if (size != others)
		explore_fail("fiber %u: a snapshot's size is %zu of %zu", fiber, size, others);
}

struct difference {
	history_state before, after;
	unsigned keys; /* bit k: key k was told */
	unsigned fillers;
};

static int visit_difference(calm_key key, bool before, void *old_value, bool after, void *new_value,
			    void *context)
{
	struct difference *difference = context;
	unsigned number = number_of(key);
	unsigned k = number - stage.base;
	unsigned was = before ? act_id(old_value) : 0;
	unsigned is = after ? act_id(new_value) : 0;
	explore_yield();
	if (act_items[was].released || act_items[is].released)
		explore_fail("value %u or %u was released under a visitor", was, is);
	if (k >= stage.keys) {
		if (was != number || is != 0)
			explore_fail("a filler went from %u to %u", was, is);
		difference->fillers++;
		return 0;
	}
	if (difference->keys >> k & 1)
		explore_fail("a difference was told twice");
	difference->keys |= 1U << k;
	difference->before = history_bind(difference->before, k, was);
	difference->after = history_bind(difference->after, k, is);
	return 0;
}

/* Of the first snapshot and the second, held against both, read after it. */
static void read_difference(unsigned fiber, struct act_snapshot *older, struct act_snapshot *newer)
{
	if (!older->handle || !newer->handle)
		return;
	struct difference difference = {0};
	int status = calm_snapshot_diff(older->handle, newer->handle, visit_difference,
					&difference);
	read_each(fiber, older, false);
	read_each(fiber, newer, false);
	if (status == CALM_ESTALE || !older->read || !newer->read)
		return;
	if (status != 0)
		explore_fail("fiber %u: diff answered %d", fiber, status);
	for (unsigned k = 0; k < stage.keys; k++) {
		unsigned was = history_value(older->state, k);
		unsigned is = history_value(newer->state, k);
		bool told = difference.keys >> k & 1;
		if (told != (was != is) || (told && (history_value(difference.before, k) != was ||
						     history_value(difference.after, k) != is)))
			explore_fail("fiber %u: key %u went from %u to %u: told is %d, %u, %u",
				     fiber, k, was, is, told, history_value(difference.before, k),
				     history_value(difference.after, k));
	}
	bool cleared = history_value(older->state, HISTORY_OTHERS) !=
		       history_value(newer->state, HISTORY_OTHERS);
	if (difference.fillers != (cleared ? stage.fillers : 0))
		explore_fail("fiber %u: of %u fillers %u went", fiber, stage.fillers,
			     difference.fillers);
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
		begin_reading();
		calm_status status = calm_snapshot_load(snapshot->handle, key, &value);
		unsigned id = status == CALM_OK ? act_id(value) : 0;
		end_reading();
		if (status == CALM_ESTALE)
			return;
		if (status < CALM_OK)
			explore_fail("fiber %u: load of a snapshot answered %d", fiber, status);
		if (status == CALM_OK && other)
			state = history_bind(state, HISTORY_OTHERS, id == ACT_FILLER);
		else if (status == CALM_OK)
			state = history_bind(state, k, id);
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

void act_on_snapshot(unsigned fiber, struct act act)
{
	struct act_fiber *self = &stage.fibers[fiber];
	bool second = act.verb >= 'a' && act.verb != 'j';
	struct act_snapshot *snapshot = &self->snapshots[second];
	switch (second ? act.verb - 'a' + 'A' : act.verb) {
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
	case 'Y':
		read_backwards(fiber, snapshot, act.key);
		break;
	case 'J':
	case 'j':
		read_ranges(fiber, snapshot, act.verb == 'J' ? 1 : -1);
		break;
	case 'H':
		read_difference(fiber, snapshot, &self->snapshots[1]);
		break;
	case '#':
		read_size(fiber, snapshot);
		break;
	case 'Q':
		act_close(snapshot);
		break;
	default:
		explore_fail("no act is called %c", act.verb);
	}
}
