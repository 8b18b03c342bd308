/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A reference count that is not atomic: two threads drop the last two references of an object.
 *
 *	one                             two
 *	1  object->references--         .
 *	.                               2  object->references--
 *	                                   it is 0: free(object)
 *	.                                  it is 0: free(object)
 *	3  object->references is 0 (or no memory any more): free(object)
 *
 * The other way in which it goes wrong: both load 2 and store 1, and the object is never freed.
 *
 * The rule: dropping a reference and knowing whether it was the last is one step. With plain code it is a load, a store and a
 * load, and any thread may come between.
 * Right: no thread counts. The object belongs to a calm_map, both threads delete it there, and the map releases it exactly
 * once, when nobody can see it any more.
 *
 * Seen as: glibc's "double free detected", or SIGSEGV later, when the same memory was given to two; or nothing yet. The wider the
 * window, the sooner; the rounds of this program are what the article counts: 10 000, with a yield in each.
 */
#include "lab/victim.h"

#include <calm/calm.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 10000
#define NAME_SIZE 24
#define SPINS 2000

struct object {
	char *name;
	size_t length;
	unsigned references; /* the mistake */
};

struct round {
	_Atomic(struct object *) object;
	_Atomic uint64_t made;    /* rounds begun */
	_Atomic uint64_t ready;   /* threads that are about to drop, in all rounds */
	_Atomic uint64_t dropped; /* references, in all rounds */
	_Atomic uint64_t freed;
	uint64_t rounds;
	calm_map *map; /* NULL: the wrong way */
};

static struct object *object_new(void)
{
	struct object *object = lab_replay ? lab_new(sizeof *object) : malloc(sizeof *object);
	char *name = malloc(NAME_SIZE);
	if (object == NULL || name == NULL)
		abort();
	memset(name, 'n', NAME_SIZE);
	*object = (struct object){name, NAME_SIZE, 2};
	return object;
}

/* In a free run memory is not spoilt first: what glibc makes of a double free is what is asked. */
static void object_free(struct object *object)
{
	free(object->name);
	if (lab_replay)
		lab_free(object, sizeof *object);
	else
		free(object);
}

static void release_object(void *object, void *context)
{
	struct round *round = context;
	object_free(object);
	atomic_fetch_add(&round->freed, 1);
}

/* The deed. The compiler may not keep the count in a register, as no other translation unit's would be. */
static __attribute__((noinline)) void drop(struct round *round, struct object *object,
					   unsigned number)
{
	lab_at(number + 1, NULL, NULL);
	object->references--;
	lab_did(number + 1, number == 0 ? "drops one: 1 is left" : "drops one: 0 are left", object);
	lab_opaque(object);
	if (lab_rounds == 0) /* what is measured against rounds is left alone */
		lab_preempt();
	lab_at(number == 0 ? 4 : 3, number == 0 ? "looks whether it was the last" : NULL, object);
	if (object->references == 0) {
		uintptr_t address = (uintptr_t)object;
		object_free(object);
		lab_freed(3, "finds 0: frees it", address);
		atomic_fetch_add_explicit(&round->freed, 1, memory_order_relaxed);
	}
	if (number == 1)
		lab_at(5, NULL, NULL);
}

/* Waits a moment for the other thread, and then with yields. */
static void until(_Atomic uint64_t *number, uint64_t least)
{
	for (unsigned turn = 0; atomic_load(number) < least; turn++) {
		if (turn >= SPINS)
			(void)sched_yield();
	}
}

static void work(unsigned number, void *context)
{
	struct round *round = context;
	for (uint64_t i = 0; i < round->rounds; i++) {
		if (number == 0) {
			struct object *object = object_new();
			if (round->map != NULL)
				(void)calm_map_store(round->map, calm_word(i), object);
			atomic_store(&round->object, object);
			atomic_store(&round->made, i + 1);
		}
		until(&round->made, i + 1);
		struct object *object = atomic_load(&round->object);
		atomic_fetch_add(&round->ready, 1);
		until(&round->ready, 2 * (i + 1));
		if (round->map != NULL)
			(void)calm_map_delete(round->map, calm_word(i));
		else
			drop(round, object, number);
		atomic_fetch_add(&round->dropped, 1);
		until(&round->dropped, 2 * (i + 1));
		(void)sched_yield();
	}
}

static void judge(struct round *round)
{
	uint64_t freed = atomic_load(&round->freed);
	lab_count("rounds", round->rounds);
	if (freed == round->rounds)
		return;
	lab_count(freed > round->rounds ? "freed twice" : "never freed",
		  freed > round->rounds ? freed - round->rounds : round->rounds - freed);
	lab_found("%llu objects in %llu rounds were freed %s",
		  (unsigned long long)(freed > round->rounds ? freed - round->rounds
							     : round->rounds - freed),
		  (unsigned long long)round->rounds, freed > round->rounds ? "twice" : "never");
}

static void run(bool safe)
{
	static const char *const names[] = {"one", "two"};
	static struct round round;
	calm_options options = CALM_OPTIONS_INIT;
	round.rounds = lab_replay ? 1 : lab_rounds != 0 ? lab_rounds : ROUNDS;
	options.release = release_object;
	options.context = &round;
	if (safe && calm_hashmap_create(&round.map, &options) != CALM_OK)
		abort();
	lab_together(2, names, work, &round);
	if (calm_map_destroy(round.map) != CALM_OK)
		lab_found("the map cannot be destroyed");
	judge(&round);
}

static void wrong(void)
{
	run(false);
}

static void right(void)
{
	run(true);
}

static const struct lab_variant variants[] = {{"wrong", wrong}, {"right", right}, {NULL, NULL}};
const struct lab_case lab_refcount = {"refcount", variants};
