/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Order: a node is published with a relaxed store, or found with a relaxed load.
 *
 *	writer                          reader
 *	node->key = 1                   found = load(slot)
 *	store(slot, node)               if (found) key = found->key     0?
 *
 * The rule: who publishes says "release", who looks says "acquire"; only the pair makes the node's stores come before the reader's
 * loads. An x86-64 keeps the order anyway, so that the mistake is invisible there, until the compiler or another processor makes
 * use of it.
 * Right: calm's tables are published so (docs/memory-model.md), and a user's pointers with calm_cell or in a map.
 *
 * Seen as: a table of what the C11 memory model allows, made by trying every execution; and how often this processor showed it.
 *
 * The model is RC11 (Lahav, Vafeiadis, Kang, Hur and Dreyer, "Repairing Sequential Consistency in C/C++11", PLDI 2017) without
 * fences, read-modify-writes and seq_cst, which the program has none of: an execution is a choice of a write for each read (rf)
 * and of an order of the writes to each place (mo); it is consistent if
 *	hb = (sb ∪ sw)+ is irreflexive, sw from a release write to the acquire read that reads it;
 *	hb ; eco is irreflexive, eco = (rf ∪ mo ∪ rb)+, rb = rf⁻¹ ; mo;
 *	sb ∪ rf is acyclic.
 */
#include "lab/victim.h"

#include <sched.h>
#include <string.h>

/* ---- the model ---- */

#define EVENTS 6

enum place { KEY, SLOT };

struct event {
	int thread; /* -1: the initial writes */
	enum place place;
	bool writes;
	int value;
	bool ordered; /* release, or acquire */
};

/* A relation between events. */
struct relation {
	bool has[EVENTS][EVENTS];
};

static void close_over(struct relation *r)
{
	for (int k = 0; k < EVENTS; k++)
		for (int i = 0; i < EVENTS; i++)
			for (int j = 0; j < EVENTS; j++)
				r->has[i][j] |= r->has[i][k] && r->has[k][j];
}

static bool has_cycle(struct relation r)
{
	close_over(&r);
	for (int i = 0; i < EVENTS; i++) {
		if (r.has[i][i])
			return true;
	}
	return false;
}

/* rf[i]: the write that read i reads. With one write to each place beside the initial one, mo is given. */
static bool consistent(const struct event events[EVENTS], const int rf[EVENTS])
{
	struct relation hb = {0}, eco = {0}, causes = {0};
	for (int i = 0; i < EVENTS; i++) {
		for (int j = 0; j < EVENTS; j++) {
			bool sb = events[i].thread == -1
					  ? events[j].thread != -1
					  : events[i].thread == events[j].thread && i < j;
			bool reads = !events[j].writes && rf[j] == i;
			bool mo = events[i].writes && events[j].writes &&
				  events[i].place == events[j].place && events[i].thread == -1 &&
				  events[j].thread != -1;
			hb.has[i][j] = sb || (reads && events[i].ordered && events[j].ordered);
			causes.has[i][j] = sb || reads;
			eco.has[i][j] |= reads || mo;
			for (int k = 0; k < EVENTS;
			     k++) /* rb: i reads what k, which j follows, wrote */
				eco.has[i][j] |= !events[i].writes && rf[i] == k &&
						 events[k].thread == -1 && events[j].writes &&
						 events[j].place == events[i].place &&
						 events[j].thread != -1;
		}
	}
	if (has_cycle(causes) || has_cycle(hb))
		return false;
	close_over(&hb);
	close_over(&eco);
	for (int i = 0; i < EVENTS; i++) {
		for (int j = 0; j < EVENTS; j++) {
			if (hb.has[i][j] && eco.has[j][i])
				return false;
		}
	}
	return true;
}

/* outcomes[slot][key]: whether a reader can find these. */
static void explore(bool release, bool acquire, bool outcomes[2][2])
{
	const struct event events[EVENTS] = {
		{-1, KEY, true, 0, false},    {-1, SLOT, true, 0, false},
		{0, KEY, true, 1, false},     {0, SLOT, true, 1, release},
		{1, SLOT, false, 0, acquire}, {1, KEY, false, 0, false},
	};
	memset(outcomes, 0, 4 * sizeof(bool));
	for (int slot = 0; slot < EVENTS; slot++) {
		for (int key = 0; key < EVENTS; key++) {
			if (!events[slot].writes || events[slot].place != SLOT ||
			    !events[key].writes || events[key].place != KEY)
				continue;
			const int rf[EVENTS] = {-1, -1, -1, -1, slot, key};
			if (consistent(events, rf))
				outcomes[events[slot].value][events[key].value] = true;
		}
	}
}

/* ---- the processor ---- */

#define NODES 512

static struct {
	_Atomic uint64_t key;
	char apart[120];
} nodes[NODES];
static struct {
	_Atomic unsigned slot;
	char apart[124];
} slots[NODES];
static _Atomic unsigned round_of[2];
static bool ordered;

static void publish_all(void)
{
	for (unsigned i = 0; i < NODES; i++) {
		atomic_store_explicit(&nodes[i].key, 1, memory_order_relaxed);
		if (ordered)
			atomic_store_explicit(&slots[i].slot, 1, memory_order_release);
		else
			atomic_store_explicit(&slots[i].slot, 1, memory_order_relaxed);
	}
}

static uint64_t find_half_built(void)
{
	uint64_t half = 0;
	for (unsigned i = NODES; i-- > 0;) {
		unsigned found =
			ordered ? atomic_load_explicit(&slots[i].slot, memory_order_acquire)
				: atomic_load_explicit(&slots[i].slot, memory_order_relaxed);
		half += found != 0 &&
			atomic_load_explicit(&nodes[i].key, memory_order_relaxed) == 0;
	}
	return half;
}

static void meet(unsigned number, unsigned round)
{
	atomic_store(&round_of[number], round);
	while (atomic_load(&round_of[1 - number]) < round)
		(void)sched_yield();
}

static void work(unsigned number, void *context)
{
	(void)context;
	bool last = false;
	for (unsigned round = 1; !last; round += 2) {
		if (number == 0) {
			last = !lab_time_left();
			nodes[0].apart[0] = last;
			for (unsigned i = 0; i < NODES; i++) {
				atomic_store(&slots[i].slot, 0);
				atomic_store(&nodes[i].key, 0);
			}
		}
		meet(number, round);
		last = nodes[0].apart[0];
		if (number == 0)
			publish_all();
		else
			lab_count("half-built nodes on this processor", find_half_built());
		meet(number, round + 1);
		if (number == 1)
			lab_count("nodes looked at", NODES);
	}
}

/* ---- */

static void run(bool right)
{
	static const char *const names[] = {"writer", "reader"};
	bool outcomes[2][2];
	for (int release = 0; release < 2; release++) {
		for (int acquire = 0; acquire < 2; acquire++) {
			static const char *const combinations[2][2] = {
				{"model: relaxed store, relaxed load",
				 "model: relaxed store, acquire load"},
				{"model: release store, relaxed load",
				 "model: release store, acquire load"}};
			explore(release, acquire, outcomes);
			lab_count(combinations[release][acquire], outcomes[1][0]);
			if (release == right && acquire == right && outcomes[1][0])
				lab_found("the model allows a half-built node");
		}
	}
	ordered = right;
	lab_together(2, names, work, NULL);
	if (lab_counted("half-built nodes on this processor") > 0)
		lab_found("this processor showed a half-built node");
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
const struct lab_case lab_order = {"order", variants};
