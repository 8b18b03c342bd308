/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * cowmap's writers: many changes, one copy.
 *
 * A writer whose change is needed puts a request on a stack and takes the combining lock. If its
 * request was not done meanwhile, it takes the whole stack, copies the table once, does on the copy
 * what all of them ask for, in the order of arrival, and publishes it. So however many writers
 * wait, the next copy serves them all. apply is a batch of its own.
 *
 * Invariants. A request lies on its thread's stack, and the thread does not return before it has
 * had the combining lock: so whoever has the lock may look into every request. A batch succeeds or
 * fails for want of memory as one: all that allocates comes before the new table is published, and
 * what a failing batch made is seen by nobody.
 *
 * Source: flat combining, Hendler, Incze, Shavit and Tzafrir, SPAA 2010, with a stack in place of
 * its list of records. Rejected: copying without a lock, with a compare-and-swap and another copy
 * for each that loses: lock-free, but of k writers all but one copy in vain (docs/design/maps.md
 * has the figures).
 */
#include "base/probe.h"
#include "map/cowmap.h"

/* A change that a writer wants, and what became of it. Guarded by the combining lock. */
struct request {
	struct request *next; /* while pending, the one before it; then, the one after */
	calm_key key;
	uint64_t hash;
	struct calm__write write;
	calm_status status;
	bool done;
	bool displaces;             /* write.previous */
	uint64_t birth;             /* of what it displaces */
	struct calm__record *made;  /* the key's, if it was inserted */
	struct calm__record *taken; /* the key's, if it was removed */
};

/* A copy of the map's table with room for so many more. */
static struct sheet *copy(struct cowmap *map, size_t more)
{
	struct calm_map *base = &map->base;
	const struct calm__table *from = calm__cowmap_table(map);
	struct calm__table *to = NULL;
	size_t slots = from->mask + 1;
	size_t need = from->count + more;
	size_t entries = 0; /* not 0: resized */
	if (need > calm__table_room(from))
		entries = need > 2 * from->count ? need : 2 * from->count;
	else if (slots > 64 && need < slots / 8 && slots / 4 >= map->least)
		entries = slots / 4;
	calm__probe2(copy__begin, map, from->count);
	if (entries > 0)
		to = calm__table_resized(&base->heap, &base->keys, from, entries);
	else
		to = calm__table_copy(&base->heap, from);
	calm__probe1(copy__end, map);
	if (to) {
		/* order: none - statistics. */
		add_relaxed(&base->resizes, entries > 0);
		add_relaxed(&base->copies, 1);
		add_relaxed(&base->copied_bytes, to->bytes);
	}
	return calm__sheet_of(to);
}

/* ---- changes ---- */

/* Does on a copy what a request asks for. False: no memory. */
static bool change(struct cowmap *map, struct calm__table *table, struct request *request,
		   enum calm__effect effect, size_t slot)
{
	struct calm_map *base = &map->base;
	bool bytes = base->keys.kind == CALM_KEYS_BYTES;
	uint64_t birth = calm__cowmap_sheet(map)->number + 1; /* as the copy will have */
	if (slot == CALM__NO_SLOT) {
		uint64_t stored = calm_key_word(request->key);
		if (bytes) {
			request->made = calm__record_new(&base->heap, request->key, request->hash);
			if (!request->made)
				return false;
			request->made->birth = birth;
			stored = (uint64_t)(uintptr_t)request->made;
		}
		slot = calm__table_insert(table, stored, request->hash, request->write.value);
	} else {
		request->displaces = true;
		request->birth = map->cares ? table->births[slot] : 0;
		if (effect == CALM__REMOVE) {
			if (bytes)
				request->taken = calm__record_of(table->slots[slot].key);
			calm__table_remove(table, &base->keys, slot);
			return true;
		}
		table->slots[slot].value = request->write.value;
	}
	if (map->cares)
		table->births[slot] = birth;
	return true;
}

/* Does all requests on one copy: *sheet, NULL if none of them changed anything. False: no memory. */
static bool change_all(struct cowmap *map, struct request *first, size_t inserts,
		       struct sheet **sheet)
{
	const struct calm__keys *keys = &map->base.keys;
	for (struct request *request = first; request; request = request->next) {
		struct calm__table *table = &(*sheet ? *sheet : calm__cowmap_sheet(map))->table;
		size_t slot = calm__table_find(table, keys, request->key, request->hash);
		bool present = slot != CALM__NO_SLOT;
		struct calm__write *write = &request->write;
		write->previous = present ? table->slots[slot].value : NULL;
		enum calm__effect effect = calm__decide(write, present, write->previous,
							&request->status);
		if (effect == CALM__LEAVE)
			continue;
		if (!*sheet) {
			*sheet = copy(map, inserts);
			if (!*sheet)
				return false;
			table = &(*sheet)->table;
			slot = calm__table_find(table, keys, request->key, request->hash);
		}
		if (!change(map, table, request, effect, slot))
			return false;
	}
	return true;
}

/* Nothing of it was published. */
static void undo(struct cowmap *map, struct request *first, struct sheet *sheet)
{
	for (struct request *request = first; request; request = request->next) {
		request->status = CALM_ENOMEM;
		calm__record_free(&map->base.heap, request->made);
	}
	if (sheet)
		calm__sheet_drop(sheet, &map->base);
}

/* Does n requests in one step, inside a section. */
static void run(struct cowmap *map, struct calm__self *self, struct request *first, size_t n,
		size_t inserts)
{
	struct sheet *sheet = NULL;
	uint64_t most = map->cares ? 2 * (uint64_t)n : 0;
	bool done = change_all(map, first, inserts, &sheet);
	if (done && !sheet)
		return;
	if (!done || !calm__cowmap_reserve(map, self, most)) {
		undo(map, first, sheet);
		return;
	}
	struct sheet *old = calm__cowmap_publish(map, sheet);
	for (struct request *request = first; map->cares && request; request = request->next) {
		if (request->displaces)
			calm__cowmap_displace_value(map, self, old, request->birth,
						    request->write.previous);
		if (request->taken)
			calm__cowmap_displace_record(map, self, old, request->taken);
	}
	calm__cowmap_retire(map, self, old);
}

/* Does what all writers ask for that have come by now. */
static void run_pending(struct cowmap *map, struct calm__self *self)
{
	size_t n = 0;
	size_t inserts = 0;
	struct request *first = NULL;
	/* order: cow.pending acquire <- submit(): who is found has filled in the request. */
	struct request *last = swap_acquire(&map->pending, NULL);
	for (struct request *before; last; last = before) {
		before = last->next;
		last->next = first;
		first = last;
		n++;
		inserts += calm__inserts(&last->write);
	}
	run(map, self, first, n, inserts);
	for (; first; first = first->next)
		first->done = true;
}

/* ---- verbs ---- */

/* Whether a write is but a read of the table as it is now. */
static bool changes_nothing(const struct cowmap *map, struct calm__self *self,
			    struct request *request)
{
	struct calm__write *write = &request->write;
	calm__enter(self);
	const struct calm__table *table = calm__cowmap_table(map);
	size_t slot = calm__table_find(table, &map->base.keys, request->key, request->hash);
	bool present = slot != CALM__NO_SLOT;
	write->previous = present ? table->slots[slot].value : NULL;
	enum calm__effect effect = calm__decide(write, present, write->previous, &request->status);
	calm__leave(self);
	return effect == CALM__LEAVE;
}

static void submit(struct cowmap *map, struct calm__self *self, struct request *request)
{
	/* order: none - only a start for the compare-and-swap. */
	void *last = load_relaxed(&map->pending);
	do {
		request->next = last;
		/* order: cow.pending release -> run_pending(): the request before its address. */
	} while (!cas_acq_rel(&map->pending, &last, request));
	calm__lock(&map->combine);
	if (request->done) {
		calm__unlock(&map->combine);
		return;
	}
	calm__enter(self);
	run_pending(map, self);
	calm__unlock(&map->combine);
	calm__leave(self);
	calm__snapshots_keep_budget(&map->base, &map->snaps);
}

calm_status calm__cowmap_write(struct calm_map *base, calm_key key, struct calm__write *write)
{
	struct cowmap *map = calm__cowmap_of(base);
	struct calm__self *self = calm__self();
	struct request request = {.key = key,
				  .hash = calm__key_hash(&base->keys, key),
				  .write = *write};
	if (!changes_nothing(map, self, &request))
		submit(map, self, &request);
	write->previous = request.write.previous;
	return request.status;
}

calm_status calm__cowmap_apply(struct calm_map *base, size_t n, const calm_change changes[])
{
	struct cowmap *map = calm__cowmap_of(base);
	struct calm__self *self = calm__self();
	struct request *requests = NULL;
	size_t inserts = 0;
	if (n <= PTRDIFF_MAX / sizeof(*requests))
		requests = calm__heap_zero(&base->heap, n * sizeof(*requests));
	if (!requests)
		return CALM_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		requests[i].next = i + 1 < n ? &requests[i + 1] : NULL;
		requests[i].key = changes[i].key;
		requests[i].hash = calm__key_hash(&base->keys, changes[i].key);
		requests[i].write.verb = changes[i].remove ? CALM__DELETE : CALM__STORE;
		requests[i].write.value = changes[i].value;
		inserts += !changes[i].remove;
	}
	calm__lock(&map->combine);
	calm__enter(self);
	run(map, self, requests, n, inserts);
	calm__unlock(&map->combine);
	calm__leave(self);
	calm__snapshots_keep_budget(&map->base, &map->snaps);
	calm_status status = requests[0].status == CALM_ENOMEM ? CALM_ENOMEM : CALM_OK;
	calm__heap_free(&base->heap, requests, n * sizeof(*requests));
	return status;
}
