/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A cell, and retiring: read sections and reclamation without a map. In the history the cell is one
 * more key. What a section has loaded from it, it holds; a displaced state is released once, later. And
 * a map of the fiber's own, which when it is destroyed has released what it held, whoever did.
 */
#include "explore/act.h"

void act_cell_set_up(void)
{
	unsigned id = act_new_value();
	stage.has_cell = true;
	act_items[id].accepted = 1;
	if (calm_cell_init(&stage.cell, act_value(id), stage.releases ? act_release : NULL,
			   &stage) != CALM_OK)
		explore_fail("no cell could be made");
	stage.history.start = history_bind(stage.history.start, ACT_CELL, id);
	for (unsigned i = 0; i < PLAY_FIBERS; i++)
		stage.fibers[i].cell = id;
	calm_options options = CALM_OPTIONS_INIT;
	options.allocator = play_allocator;
	if (calm_cowmap_create(&stage.other, &options) != CALM_OK ||
	    calm_map_snapshot(stage.other, &stage.of_other) != CALM_OK)
		explore_fail("no other map could be made");
}

static void load(unsigned fiber, struct act_fiber *self)
{
	struct history_event event = act_begin(fiber, HISTORY_LOAD, ACT_CELL);
	unsigned id = act_id(calm_cell_load(&stage.cell));
	if (self->depth > 0)
		act_hold(&self->held, id);
	self->cell = id;
	act_answered(&event, CALM_OK, id);
}

static void swap(unsigned fiber, struct act_fiber *self)
{
	unsigned id = act_new_value();
	void *previous = act_value(0);
	struct history_event event = act_begin(fiber, HISTORY_SWAP, ACT_CELL);
	event.value = (uint8_t)id;
	calm_status status = calm_cell_swap(&stage.cell, act_value(id), &previous);
	act_items[id].accepted = status == CALM_OK;
	unsigned before = act_id(previous);
	if (self->depth > 0)
		act_hold(&self->held, before);
	if (stage.releases && status == CALM_OK)
		self->retired |= (uint64_t)1 << before;
	self->cell = id;
	act_answered(&event, status, before);
}

static void compare_and_swap(unsigned fiber, const struct act_fiber *self)
{
	unsigned id = act_new_value();
	struct history_event event = act_begin(fiber, HISTORY_COMPARE_AND_SWAP, ACT_CELL);
	event.value = (uint8_t)id;
	event.expected = (uint8_t)self->cell;
	calm_status status = calm_cell_compare_and_swap(&stage.cell, act_value(self->cell),
							act_value(id));
	act_items[id].accepted |= status == CALM_OK;
	act_answered(&event, status, 0);
}

static void retire(struct act_fiber *self)
{
	unsigned id = act_new_value();
	if (!stage.releases || calm_retire(act_value(id), act_release, &stage) != CALM_OK)
		return;
	act_items[id].accepted = 1;
	self->retired |= (uint64_t)1 << id;
}

/* Something else is retired behind what the map held: whoever releases the one goes on to the other. */
static void make_and_destroy(struct act_fiber *self)
{
	calm_options options = CALM_OPTIONS_INIT;
	calm_map *map = NULL;
	unsigned id = act_new_value();
	if (!stage.releases)
		return;
	options.release = act_release;
	options.context = &stage;
	if (calm_lockmap_create(&map, &options) != CALM_OK ||
	    calm_map_store(map, calm_word(1), act_value(id)) != CALM_OK ||
	    calm_map_delete(map, calm_word(1)) != CALM_OK)
		explore_fail("a map could not be made");
	retire(self);
	if (calm_map_destroy(map) != CALM_OK)
		explore_fail("a map could not be destroyed");
	act_items[id].accepted = 1;
	if (!act_items[id].released || !stale_knows(act_items[id].gone))
		explore_fail("destroy did not wait for value %u", id);
}

static void close_other(void)
{
	calm_snapshot_close(stage.of_other);
	stage.of_other = NULL;
}

/* Whoever closes its last snapshot, the map may go at once. */
static void destroy_other(void)
{
	while (calm_map_destroy(stage.other) == CALM_EBUSY)
		explore_pause();
	stage.other = NULL;
}

void act_on_cell(unsigned fiber, char verb)
{
	struct act_fiber *self = &stage.fibers[fiber];
	switch (verb) {
	case 'r':
		retire(self);
		return;
	case 'd':
		if (self->depth == 0)
			make_and_destroy(self);
		return;
	case 'x':
		close_other();
		return;
	case 'y':
		destroy_other();
		return;
	default:
		break;
	}
	bool section = stage.releases && !self->depth;
	if (section)
		calm_read_begin();
	if (verb == 'l')
		load(fiber, self);
	else if (verb == 'w')
		swap(fiber, self);
	else
		compare_and_swap(fiber, self);
	if (section)
		calm_read_end();
}

void act_cell_end(struct act_view *view)
{
	calm_read_begin();
	view->state = history_bind(view->state, ACT_CELL, act_id(calm_cell_load(&stage.cell)));
	calm_read_end();
	close_other();
	if (stage.other)
		destroy_other();
	if (calm_cell_destroy(&stage.cell) != CALM_OK || calm_read_wait() != CALM_OK)
		explore_fail("the cell could not be destroyed");
}
