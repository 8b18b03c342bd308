/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Bags: what a thread has retired, in the order in which it did, in blocks of 168.
 *
 *      first                                last
 *      [..####|####|] -> [####|####] -> [####....]        # waiting; taken at the left, used at the right
 *
 * Blocks are filled at the end by the owner and emptied at the front by any thread, under the bag's
 * lock. A full block is sealed with a stamp, the epoch that the sealing opens; marking stamps the
 * last block while it is still open. Stamps rise along the queue, so what is due is always at the
 * front.
 *
 * Invariants: only the last block has room; an empty block is either the last or dropped by the
 * next who looks; `room` counts at most what the last block and the spares can take, so
 * calm__retire after calm__reserve finds a block.
 *
 * Rejected: a lock-free queue. The lock is the owner's but for a flush or a helper, and costs an
 * uncontended compare-and-swap per pointer, a third of the malloc and free around it.
 */
#include "sync/bag.h"

#include "base/alloc.h"
#include "base/probe.h"

/*
 * Empty blocks a bag keeps: with less than two of them and an open one, what every write of a byte
 * key reserves would be allocated, and given back, each time.
 */
#define SPARES 3

/*
 * Under bag->lock: everything in the open block may go once the sections that are open now have
 * ended.
 */
static void seal(struct calm__block *block)
{
	block->marked = block->used;
	/* order: read.epoch release -> calm__enter(): what was unlinked before, with the epoch
	 * that follows it. */
	block->stamp = add_acq_rel(&calm__domain.epoch, 1) + 1;
}

uint64_t calm__bag_mark(struct calm__bag *bag)
{
	calm__lock(&bag->lock);
	if (bag->last && bag->last->marked < bag->last->used)
		seal(bag->last);
	/* order: none - under bag->lock. */
	uint64_t pushed = load_relaxed(&bag->pushed);
	calm__unlock(&bag->lock);
	return pushed;
}

static void add_spare(struct calm__bag *bag, struct calm__block *block)
{
	block->next = bag->spare;
	bag->spare = block;
	bag->spares++;
}

/* Under bag->lock. */
static uint32_t bag_room(const struct calm__bag *bag)
{
	uint32_t open = bag->last ? CALM__BLOCK_ITEMS - bag->last->used : 0;
	return open + bag->spares * CALM__BLOCK_ITEMS;
}

bool calm__reserve_slow(struct calm__self *self, uint32_t n)
{
	struct calm__bag *bag = &self->bag;
	calm__lock(&bag->lock);
	bag->room = bag_room(bag);
	calm__unlock(&bag->lock);
	if (n > SPARES * CALM__BLOCK_ITEMS)
		self->state |=
			CALM__DUE; /* so that what is left of a large reserve is given back */
	while (bag->room < n) {
		struct calm__block *block = calm__alloc(&calm__malloc, sizeof(*block));
		if (!block)
			return false;
		calm__lock(&bag->lock);
		add_spare(bag, block);
		calm__unlock(&bag->lock);
		bag->room += CALM__BLOCK_ITEMS;
	}
	return true;
}

static struct calm__block *take_spare(struct calm__bag *bag)
{
	struct calm__block *block = bag->spare;
	bag->spare = block->next;
	bag->spares--;
	block->next = NULL;
	block->taken = block->marked = block->used = 0;
	block->bytes = 0;
	return block;
}

static void append_block(struct calm__bag *bag, struct calm__block *block)
{
	if (bag->last)
		bag->last->next = block;
	else
		bag->first = block;
	bag->last = block;
}

static void count_pushed(struct calm__bag *bag, uint64_t n)
{
	/* order: none - both change only under bag->lock. */
	uint64_t pushed = load_relaxed(&bag->pushed) + n;
	store_relaxed(&bag->pushed, pushed);
	uint64_t waiting = pushed - load_relaxed(&bag->popped);
	if (waiting > bag->peak)
		bag->peak = waiting;
}

struct calm__block *calm__take_block(struct calm__self *self)
{
	struct calm__bag *bag = &self->bag;
	calm__lock(&bag->lock);
	struct calm__block *block = take_spare(bag);
	bag->room -= CALM__BLOCK_ITEMS;
	calm__unlock(&bag->lock);
	return block;
}

void calm__retire_blocks(struct calm__self *self, struct calm__block *blocks)
{
	if (!blocks)
		return;
	struct calm__bag *bag = &self->bag;
	calm__lock(&bag->lock);
	if (bag->last)
		seal(bag->last); /* closed early: stamps rise along the queue */
	for (struct calm__block *next; blocks; blocks = next) {
		next = blocks->next;
		blocks->next = NULL;
		blocks->taken = 0;
		seal(blocks);
		append_block(bag, blocks);
		bag->bytes += blocks->bytes;
		count_pushed(bag, blocks->used);
		calm__probe1(retire__many, blocks->used);
	}
	bag->room = bag_room(bag);
	self->state |= CALM__DUE;
	calm__unlock(&bag->lock);
}

void calm__retire_large(struct calm__self *self, void *pointer, calm_release_fn *release,
			void *context, uint64_t bytes)
{
	struct calm__bag *bag = &self->bag;
	calm__lock(&bag->lock);
	struct calm__block *block = bag->last;
	if (!block || block->used == CALM__BLOCK_ITEMS) {
		block = take_spare(bag);
		append_block(bag, block);
	}
	calm__probe1(retire, pointer);
	block->items[block->used++] = (struct calm__retired){pointer, release, context};
	block->bytes += bytes;
	bag->bytes += bytes;
	bag->room--;
	count_pushed(bag, 1);
	if (block->used == CALM__BLOCK_ITEMS || (bytes > 0 && bag->bytes >= CALM__LARGE)) {
		seal(block);
		self->state |= CALM__DUE;
	}
	calm__unlock(&bag->lock);
}

void calm__retire(struct calm__self *self, void *pointer, calm_release_fn *release, void *context)
{
	calm__retire_large(self, pointer, release, context, 0);
}

bool calm__bag_trim(struct calm__bag *bag)
{
	struct calm__block *extra = NULL;
	calm__lock(&bag->lock);
	while (bag->spares > SPARES) {
		struct calm__block *block = take_spare(bag);
		block->next = extra;
		extra = block;
	}
	bag->room = bag_room(bag);
	bool large = bag->bytes >= CALM__LARGE;
	calm__unlock(&bag->lock);
	calm__free_blocks(extra);
	return large;
}

/*
 * Under bag->lock. popped counts what the queue has moved on by, so an item taken from its middle
 * counts when passed.
 */
static void count_popped(struct calm__bag *bag)
{
	/* order: none - changes only under bag->lock. */
	store_relaxed(&bag->popped, load_relaxed(&bag->popped) + 1);
}

/*
 * Under bag->lock: passes over what calm__bag_take_own() took from the front, and takes emptied
 * blocks off it: to the spares, or linked to *empty. The last block stays, open, if it has room.
 */
static void drop_front(struct calm__bag *bag, struct calm__block **empty)
{
	struct calm__block *block;
	while ((block = bag->first)) {
		while (block->taken < block->used && !block->items[block->taken].release) {
			block->taken++;
			count_popped(bag);
		}
		if (block->taken < block->used)
			return;
		bag->bytes -= block->bytes;
		block->bytes = 0;
		if (block == bag->last && block->used < CALM__BLOCK_ITEMS) {
			block->taken = block->marked = block->used = 0;
			return;
		}
		bag->first = block->next;
		bag->dropped++;
		if (!bag->first)
			bag->last = NULL;
		if (bag->spares < SPARES) {
			add_spare(bag, block);
		} else {
			block->next = *empty;
			*empty = block;
		}
	}
}

/* Takes the next item that is due; under bag->lock. */
bool calm__bag_pop(struct calm__bag *bag, struct calm__retired *item, struct calm__block **empty)
{
	drop_front(bag, empty);
	struct calm__block *block = bag->first;
	/* order: read.safe acquire <- grace_of(): whose sections ended, their loads are done. */
	if (!block || block->taken >= block->marked ||
	    block->stamp > load_acquire(&calm__domain.safe))
		return false;
	*item = block->items[block->taken++];
	count_popped(bag);
	drop_front(bag, empty);
	return true;
}

uint32_t calm__bag_take_own(struct calm__bag *bag, const void *context,
			    struct calm__bag_place *place, struct calm__retired *items, uint32_t n,
			    struct calm__block **empty)
{
	uint32_t found = 0;
	struct calm__block *block = bag->first;
	uint64_t number = bag->dropped;
	for (; block && number < place->block; number++)
		block = block->next;
	for (; block && found < n; block = block->next, number++) {
		uint32_t i = number == place->block && place->item > block->taken ? place->item
										  : block->taken;
		for (; i < block->used && found < n; i++) {
			if (block->items[i].context != context || !block->items[i].release)
				continue;
			items[found++] = block->items[i];
			block->items[i].release = NULL;
		}
		*place = (struct calm__bag_place){number, i};
	}
	drop_front(bag, empty);
	return found;
}

void calm__free_blocks(struct calm__block *blocks)
{
	for (struct calm__block *next; blocks; blocks = next) {
		next = blocks->next;
		calm__free(&calm__malloc, blocks);
	}
}
