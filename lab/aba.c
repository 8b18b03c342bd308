/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * ABA: a node is taken out, and comes back at the same address, between another thread's load and its compare-and-swap.
 *
 *	one                             two
 *	1  first = head (a)
 *	   second = a->next (b)
 *	                                2  takes a out, takes b out, puts a back in
 *	3  head is a, as it was:
 *	   head = b                     b is out of the chain, and now its head
 *
 * The rule: that the pointer is the same does not mean that nothing happened. A compare-and-swap may only be trusted if what it
 * compares cannot come back while somebody holds it.
 * Right: taking out is done in a read section, and what was taken out is retired: it does not come back before the section has
 * ended. calm_map_compare_and_swap compares values that calm keeps for as long as a reader holds them.
 *
 * Seen as: entries that are taken out twice, and others that never come out again. Each node has a number of its own, so both are
 * counted; the nodes are never given back, so nothing crashes.
 */
#include "lab/victim.h"

#include <calm/calm.h>
#include <sched.h>
#include <stdlib.h>

#define NODES 4
#define THREADS 3

struct node {
	_Atomic(struct node *) next;
	_Atomic unsigned out; /* 1: somebody has taken it out */
};

static _Atomic(struct node *) head;
static struct node nodes[NODES];
static bool safe;

static void push(struct node *node)
{
	struct node *first = atomic_load(&head);
	do {
		atomic_store(&node->next, first);
	} while (!atomic_compare_exchange_weak(&head, &first, node));
}

/* The deed: the head's next may be another's by the time the head is compared. */
static __attribute__((noinline)) struct node *pop(void)
{
	struct node *first = atomic_load(&head);
	for (;;) {
		if (first == NULL)
			return NULL;
		struct node *second = atomic_load(&first->next);
		lab_did(1, "loads the head and its next", first);
		lab_preempt();
		lab_at(3, "the head is as it was: puts the next there", second);
		if (atomic_compare_exchange_strong(&head, &first, second))
			break;
	}
	lab_did(3, NULL, NULL);
	if (atomic_exchange(&first->out, 1) != 0) {
		lab_count("taken out twice", 1);
		lab_found("a node was taken out by two threads");
	}
	return first;
}

static void put_back(struct node *node)
{
	atomic_store(&node->out, 0);
	push(node);
}

static void release_node(void *node, void *context)
{
	(void)context;
	put_back(node);
}

static struct node *take(void)
{
	if (!safe)
		return pop();
	calm_read_begin();
	struct node *node = pop();
	if (node != NULL && calm_retire(node, release_node, NULL) != CALM_OK)
		abort();
	calm_read_end();
	return node;
}

/* The other thread's part of the schedule: a and b out, a back in. */
static void interfere(void)
{
	lab_at(2, NULL, NULL);
	struct node *a = atomic_load(&head), *b = atomic_load(&a->next);
	atomic_store(&head, atomic_load(&b->next));
	atomic_store(&a->out, 1);
	atomic_store(&b->out, 1);
	put_back(a);
	lab_did(2, "takes two nodes out, puts the first back", a);
}

static void replay(unsigned number)
{
	if (number == 1) {
		interfere();
		return;
	}
	(void)pop();
	if (atomic_load(&head) == &nodes[1]) {
		lab_did(4, "the head is a node that is not in the chain", &nodes[1]);
		lab_found("a node that was taken out is the head of the chain");
	}
}

static void work(unsigned number, void *context)
{
	(void)context;
	if (lab_replay) {
		if (number < 2)
			replay(number);
		return;
	}
	while (lab_goes_on()) {
		for (int i = 0; i < 50; i++) {
			struct node *held[2] = {take(), number % 2 == 0 ? take() : NULL};
			for (int k = 0; k < 2 && !safe; k++) {
				if (held[k] != NULL)
					put_back(held[k]);
			}
		}
		if (safe)
			(void)calm_read_wait();
		lab_count("rounds", 50);
	}
}

/* What the chain holds, up to one more than there are: then it leads back into itself. */
static unsigned length(void)
{
	unsigned n = 0;
	for (struct node *node = atomic_load(&head); node != NULL && n <= NODES;
	     node = atomic_load(&node->next))
		n++;
	return n;
}

static void run(bool with_sections)
{
	static const char *const names[] = {"one", "two", "three"};
	safe = with_sections;
	for (unsigned i = NODES; i-- > 0;)
		push(&nodes[i]);
	lab_together(lab_replay ? 2 : THREADS, names, work, NULL);
	if (safe)
		(void)calm_read_wait();
	unsigned left = length();
	if (left == NODES)
		return;
	lab_count(left < NODES ? "lost" : "chains that lead back into themselves",
		  left < NODES ? NODES - left : 1);
	lab_found("of %d nodes %u %s", NODES, left < NODES ? left : 0,
		  left < NODES ? "are in the chain in the end"
			       : ": the chain leads back into itself");
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
const struct lab_case lab_aba = {"aba", variants};
