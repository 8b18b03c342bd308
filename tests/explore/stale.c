/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Stale loads. A schedule is one interleaving of the fibers' operations; on a real machine, and in
 * C11, a load may see an older value than the newest in it, where nothing has told its thread of the
 * newer one. Here every atomic object keeps its last values, and a load takes one of those that it
 * may, by the schedule's seed.
 *
 * What a thread has been told is its clock: for each thread, up to which of that one's operations.
 * Each stored value has
 *
 *	view   the clock that who reads it with acquire joins: the storing thread's, if it was a
 *	       release; its last fence's, if not; and of the value that a read-modify-write replaced
 *	seen   for each thread, which of its operations first stored or read the value
 *
 * and a load may go back in the order of stores to the first value that some thread had seen in an
 * operation that the loading one has been told of: coherence is that, no more. A read-modify-write reads
 * the newest; a compare-and-swap that fails may fail on an older one. Sequentially consistent
 * operations, fences too, are one order, that of the schedule: such a load does not go behind the last such
 * store, nor behind a store whose thread has passed a fence since; and after a fence no load goes behind such a
 * store that came before the fence, nor behind what others had been told of when they passed a fence before
 * it. But it has not been told of that by the fence (floor): who frees memory needs more.
 *
 * Also judged: memory is not used by a thread that has not been told of its allocation, and not given back by
 * one that has not been told of every use.
 *
 * Stronger than C11, so that something is missed: the order of stores to one object is the
 * schedule's; no load sees a store that comes after it; eight values are kept; a plain store to an atomic
 * object, which is how one is made, is known to all, and one of the same bits is none. Plain accesses are
 * ThreadSanitizer's, to which the orders are the same.
 *
 * Weaker than C11, as C++20 is: a later store of the same thread is not of the release sequence.
 *
 * Source: the rule for loads, Dmitry Vyukov's Relacy (2008); the clocks, and that an interleaving and
 * choices of loads are enough to show most of C11, Norris and Demsky, "CDSChecker: checking concurrent data
 * structures written with C/C++ atomics", OOPSLA 2013, and Luo and Demsky, "C11Tester: a race detector for
 * C/C++ atomics", ASPLOS 2021, whose order of stores is freer. Rejected: store buffers, which are one machine's,
 * and show no load that is reordered with a load.
 */
#include "explore/stale.h"

#include "explore/atomic.h"
#include "explore/sched.h"
#include "kit/random.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define THREADS (EXPLORE_FIBERS + 1)
#define KEPT 8   /* values of an object */
#define SHARES 4 /* one load in 2 … SHARES + 1 goes back where it may; never all: a spin ends */
#define SLOTS 16384U /* of the index */
#define PLACES (SLOTS / 2)
#define BLOCKS 4096
#define TICKS 4096

typedef uint32_t clock_of[THREADS];

struct value {
	uint64_t bits;
	clock_of view;
	clock_of floor;
	clock_of seen; /* 0: not */
	bool sc;
	uint8_t by;
};

struct explore_place {
	const volatile void *address; /* NULL: given back */
	uint32_t size;
	uint32_t count;            /* values ever */
	clock_of used;             /* the last operation of each thread on it */
	struct value values[KEPT]; /* the n-th at n % KEPT */
};

struct block {
	uintptr_t base;
	size_t size;
	struct stale_point born;
};

static struct {
	bool on;
	uint64_t random;
	unsigned share;
	struct {
		clock_of now;
		clock_of fence;  /* what it knew when it last passed a fence */
		clock_of heard;  /* what relaxed loads saw, which a fence makes known */
		clock_of passed; /* the last sequentially consistent stores before its fence */
		clock_of floor; /* what others knew who passed a fence before its own: seen, not told */
	} threads[THREADS];
	clock_of fences; /* of all fences so far */
	clock_of stores; /* the last sequentially consistent store of each thread */
	bool shared;     /* the history's clock */
	clock_of ticks;
	uint32_t last_tick;
	struct {
		uint32_t fiber;
		clock_of now;
	} struck[TICKS];
	uint32_t round;
	struct {
		uint32_t round;
		uint32_t place;
	} index[SLOTS];
	uint32_t places;
	struct explore_place place[PLACES];
	unsigned blocks;
	struct block block[BLOCKS];
} model;

/* ---- clocks ---- */

static void join(clock_of to, const clock_of from)
{
	for (unsigned i = 0; i < THREADS; i++)
		to[i] = to[i] > from[i] ? to[i] : from[i];
}

/* The running thread makes one more operation. */
static uint32_t *act(void)
{
	uint32_t *now = model.threads[explore_current()].now;
	now[explore_current()]++;
	return now;
}

static bool acquires(int order)
{
	return order == memory_order_acquire || order == memory_order_acq_rel ||
	       order == memory_order_seq_cst;
}

static bool releases(int order)
{
	return order == memory_order_release || order == memory_order_acq_rel ||
	       order == memory_order_seq_cst;
}

/* ---- objects ---- */

/* Objects of 1, 4 or 8 bytes, whatever their type; not by memcpy, which a sanitizer would watch. */
typedef uint64_t __attribute__((may_alias)) eight_bytes;
typedef uint32_t __attribute__((may_alias)) four_bytes;

static uint64_t bits_at(const volatile void *object, uint32_t size)
{
	switch (size) {
	case 8:
		return *(const volatile eight_bytes *)object;
	case 4:
		return *(const volatile four_bytes *)object;
	case 1:
		return *(const volatile uint8_t *)object;
	default:
		return 0; /* a lock that is no atomic */
	}
}

static void set_bits(void *object, uint64_t bits, uint32_t size)
{
	if (size == 8)
		*(eight_bytes *)object = bits;
	else if (size == 4)
		*(four_bytes *)object = (uint32_t)bits;
	else
		*(uint8_t *)object = (uint8_t)bits;
}

static struct value *value_of(struct explore_place *place, uint32_t back)
{
	return &place->values[(place->count - 1 - back) % KEPT];
}

/* The only value: what memory held before anybody touched it. Known to all, or to who allocated it. */
static void start_over(struct explore_place *place)
{
	struct value *first = &place->values[0];
	place->count = 1;
	*first = (struct value){.bits = bits_at(place->address, place->size)};
	for (unsigned i = 0; i < THREADS; i++)
		first->seen[i] = 1;
}

static void knows_birth(const volatile void *address)
{
	for (unsigned i = 0; i < model.blocks; i++) {
		struct block *block = &model.block[i];
		if ((uintptr_t)address - block->base < block->size && !stale_knows(block->born))
			explore_fail(
				"uses memory that fiber %u allocated, and did not publish to it",
				block->born.fiber);
	}
}

static struct explore_place *place_of(const volatile void *address, size_t size)
{
	uint32_t slot = (uint32_t)(kit_mix((uint64_t)(uintptr_t)address) % SLOTS);
	for (; model.index[slot].round == model.round; slot = (slot + 1) % SLOTS) {
		struct explore_place *place = &model.place[model.index[slot].place];
		if (place->address != address)
			continue;
		/* A plain store, before it was published. */
		if (value_of(place, 0)->bits != bits_at(address, place->size))
			start_over(place);
		return place;
	}
	if (model.places == PLACES) {
		fprintf(stderr, "explore: a schedule with more than %u atomic objects\n", PLACES);
		abort();
	}
	model.index[slot].round = model.round;
	model.index[slot].place = model.places;
	struct explore_place *place = &model.place[model.places++];
	place->address = address;
	place->size = (uint32_t)size;
	memset(place->used, 0, sizeof(place->used));
	start_over(place);
	return place;
}

/* ---- operations ---- */

/* Reads the value so far back, with all that comes of it. */
static uint64_t read_value(struct explore_place *place, uint32_t back, int order, uint32_t *now)
{
	unsigned self = explore_current();
	struct value *value = value_of(place, back);
	if (value->seen[self] == 0)
		value->seen[self] = now[self];
	join(acquires(order) ? now : model.threads[self].heard, value->view);
	if (acquires(order))
		join(model.threads[self].floor, value->floor);
	if (back > 0)
		explore_note("reads %p as it was %u stores ago",
			     (const void *)(uintptr_t)place->address, back);
	return value->bits;
}

/* Whether the thread must not see anything older than the value. */
static bool is_bound(const struct value *value, int order, const uint32_t *now)
{
	unsigned by = value->by;
	if (value->sc && (order == memory_order_seq_cst ||
			  value->seen[by] <= model.threads[explore_current()].passed[by]))
		return true;
	if (order == memory_order_seq_cst && value->seen[by] < model.threads[by].fence[by])
		return true;
	const uint32_t *floor = model.threads[explore_current()].floor;
	for (unsigned i = 0; i < THREADS; i++)
		if (value->seen[i] != 0 && (value->seen[i] <= now[i] || value->seen[i] <= floor[i]))
			return true;
	return false;
}

/* How far back a load goes. */
static uint32_t choose(struct explore_place *place, int order, const uint32_t *now)
{
	uint32_t most = place->count < KEPT ? place->count : KEPT;
	uint32_t back = 0;
	if (kit_splitmix(&model.random) % model.share != 0)
		return 0;
	while (back + 1 < most && !is_bound(value_of(place, back), order, now))
		back++;
	return back > 1 ? 1 + (uint32_t)(kit_splitmix(&model.random) % back) : back;
}

static void use(struct explore_place *place, const uint32_t *now)
{
	unsigned self = explore_current();
	if (place->used[self] == 0)
		knows_birth(place->address);
	place->used[self] = now[self];
}

void explore_loaded(const volatile void *address, void *value, size_t size, int order)
{
	if (!model.on)
		return;
	uint32_t *now = act();
	struct explore_place *place = place_of(address, size);
	use(place, now);
	set_bits(value, read_value(place, choose(place, order, now), order, now), (uint32_t)size);
}

struct explore_place *explore_writes(const volatile void *address, size_t size)
{
	if (!model.on)
		return NULL;
	uint32_t *now = act();
	struct explore_place *place = place_of(address, size);
	use(place, now);
	return place;
}

/* One more value; beside what its order says, who reads it hears what `also` says. */
static void add_value(struct explore_place *place, int order, const clock_of also)
{
	unsigned self = explore_current();
	const uint32_t *now = model.threads[self].now;
	struct value value = {.bits = bits_at(place->address, place->size),
			      .sc = order == memory_order_seq_cst,
			      .by = (uint8_t)self};
	value.seen[self] = now[self];
	if (value.sc)
		model.stores[self] = now[self];
	join(value.view, releases(order) ? now : model.threads[self].fence);
	if (releases(order))
		join(value.floor, model.threads[self].floor);
	if (also) {
		join(value.view, also);
		join(value.floor, value_of(place, 0)->floor);
	}
	place->count++;
	*value_of(place, 0) = value;
}

void explore_stored(struct explore_place *place, int order)
{
	if (place)
		add_value(place, order, NULL);
}

void explore_changed(struct explore_place *place, int order)
{
	if (!place)
		return;
	clock_of view;
	memcpy(view, value_of(place, 0)->view, sizeof(view));
	read_value(place, 0, order, model.threads[explore_current()].now);
	add_value(place, order, view);
}

bool explore_fails(struct explore_place *place, void *expected, int order)
{
	if (!place)
		return false;
	uint32_t *now = model.threads[explore_current()].now;
	uint32_t back = choose(place, order, now);
	if (back == 0 || value_of(place, back)->bits == bits_at(expected, place->size))
		return false;
	set_bits(expected, read_value(place, back, order, now), place->size);
	return true;
}

void explore_compared(struct explore_place *place, int order)
{
	if (place)
		read_value(place, 0, order, model.threads[explore_current()].now);
}

/* The thread's loads and stores after this are after what it knows now, and what was stored in the one order. */
static void pass_fence(unsigned thread)
{
	memcpy(model.threads[thread].fence, model.threads[thread].now, sizeof(clock_of));
	memcpy(model.threads[thread].passed, model.stores, sizeof(clock_of));
}

void explore_fence(void)
{
	if (!model.on)
		return;
	unsigned self = explore_current();
	uint32_t *now = act();
	join(now, model.threads[self].heard);
	join(model.threads[self].floor, model.fences);
	join(model.threads[self].floor, now);
	memcpy(model.fences, model.threads[self].floor, sizeof(model.fences));
	pass_fence(self);
}

void stale_barrier(void)
{
	if (!model.on)
		return;
	unsigned self = explore_current();
	uint32_t *now = act();
	clock_of before;
	join(now, model.threads[self].heard);
	memcpy(before, now, sizeof(before));
	for (unsigned i = 0; i < THREADS; i++) {
		join(model.threads[i].now, model.threads[i].heard);
		join(now, model.threads[i].now);
		join(model.threads[i].now, before);
		pass_fence(i);
	}
	pass_fence(self);
}

/* ---- what is not an atomic's ---- */

void stale_acquires(const volatile void *lock)
{
	if (!model.on)
		return;
	uint32_t *now = act();
	read_value(place_of(lock, 0), 0, memory_order_acquire, now);
}

/* Readers release too: who locks after them joins them all. */
void stale_releases(const volatile void *lock)
{
	if (!model.on)
		return;
	act();
	struct explore_place *place = place_of(lock, 0);
	clock_of view;
	memcpy(view, value_of(place, 0)->view, sizeof(view));
	add_value(place, memory_order_release, view);
}

void stale_tick(uint32_t tick)
{
	if (!model.on)
		return;
	uint32_t *now = act();
	if (model.shared) {
		join(now, model.ticks);
		memcpy(model.ticks, now, sizeof(model.ticks));
	}
	if (tick >= TICKS)
		abort();
	model.struck[tick].fiber = explore_current();
	memcpy(model.struck[tick].now, now, sizeof(model.ticks));
	model.last_tick = tick;
}

bool stale_precedes(uint32_t end, uint32_t begin)
{
	if (model.shared || begin > model.last_tick)
		return end < begin;
	uint32_t fiber = model.struck[end].fiber;
	return model.struck[end].now[fiber] <= model.struck[begin].now[fiber];
}

struct stale_point stale_here(void)
{
	unsigned self = explore_current();
	return (struct stale_point){model.on ? act()[self] : 0, self};
}

bool stale_knows(struct stale_point point)
{
	return !model.on || point.clock <= model.threads[explore_current()].now[point.fiber];
}

void stale_allocated(void *block, size_t size)
{
	if (!model.on || !block)
		return;
	if (model.blocks == BLOCKS)
		abort();
	model.block[model.blocks++] = (struct block){(uintptr_t)block, size, stale_here()};
}

void stale_freed(const void *block, size_t size)
{
	if (!model.on)
		return;
	for (unsigned i = 0; i < model.blocks; i++) {
		if (model.block[i].base != (uintptr_t)block)
			continue;
		if (!stale_knows(model.block[i].born))
			explore_fail("frees what fiber %u allocated, and did not publish to it",
				     model.block[i].born.fiber);
		model.block[i] = model.block[--model.blocks];
		break;
	}
	for (uint32_t i = 0; i < model.places; i++) {
		struct explore_place *place = &model.place[i];
		if ((uintptr_t)place->address - (uintptr_t)block >= size || !place->address)
			continue;
		for (uint32_t f = 0; f < THREADS; f++)
			if (!stale_knows((struct stale_point){place->used[f], f}))
				explore_fail("frees what it does not know fiber %u to be done with",
					     f);
		place->address = NULL;
	}
}

void stale_begin(bool on, uint64_t seed)
{
	model.on = on;
	model.shared = true;
	if (!on)
		return;
	model.random = kit_mix(~seed);
	model.share = 2 + (unsigned)(kit_splitmix(&model.random) % SHARES);
	model.places = 0;
	model.blocks = 0;
	if (++model.round == 0)
		abort();
	memset(model.threads, 0, sizeof(model.threads));
	for (unsigned i = 0; i < THREADS; i++)
		for (unsigned k = 0; k < THREADS; k++)
			model.threads[i].now[k] = 1;
	memset(model.fences, 0, sizeof(model.fences));
	memset(model.stores, 0, sizeof(model.stores));
	memset(model.ticks, 0, sizeof(model.ticks));
	model.shared = kit_splitmix(&model.random) % 2;
	model.last_tick = 0;
}

void stale_end(void)
{
	model.on = false;
}
