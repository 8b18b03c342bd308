/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Use after free: a walk loads `next`, and before it looks there another thread has unlinked that node and freed it.
 *
 *	walker                          deleter
 *	1  next = node->next
 *	                                2  previous->next = node->next
 *	                                   free(node)
 *	3  key = next->key      the node is gone
 *
 * The rule: what a reader may still hold must not be freed; and nobody but the reader knows what it holds.
 * Right: the walk is a read section, and the node is not freed but retired. The section's end is what lets it go.
 * With a calm_map there is nothing to do: its walks hold what they show.
 *
 * Seen as: SIGSEGV, as the node's memory went back to the system, or was filled with something that is no address; or, worse,
 * nothing: the memory is another node by then, and the walk goes on in the wrong chain.
 */
#include "lab/victim.h"

#include <calm/calm.h>

#define BUCKETS 32
#define KEYS 256

/* `next` stands last, where malloc writes nothing into what is free. */
struct node {
	uint64_t key;
	uint64_t value; /* of key, or it is not this node any more */
	_Atomic(struct node *) next;
};

struct table {
	_Atomic(struct node *) buckets[BUCKETS];
	bool safe; /* readers have sections, and nodes are retired */
};

static uint64_t value_of(uint64_t key)
{
	return key * 0x9e3779b97f4a7c15U + 1;
}

static struct node *node_new(uint64_t key, struct node *next)
{
	struct node *node = lab_new(sizeof *node);
	node->key = key;
	node->value = value_of(key);
	atomic_init(&node->next, next);
	return node;
}

static void insert(struct table *table, uint64_t key)
{
	_Atomic(struct node *) *head = &table->buckets[key % BUCKETS];
	atomic_store_explicit(head, node_new(key, atomic_load(head)), memory_order_release);
}

static void release_node(void *node, void *context)
{
	(void)context;
	lab_free(node, sizeof(struct node));
}

/* Unlinks a key's node and gives it back. */
static __attribute__((noinline)) void delete_node(struct table *table, uint64_t key)
{
	_Atomic(struct node *) *link = &table->buckets[key % BUCKETS];
	struct node *node;
	while ((node = atomic_load(link)) != NULL && node->key != key)
		link = &node->next;
	if (node == NULL)
		return;
	lab_at(2, NULL, NULL);
	atomic_store_explicit(link, atomic_load(&node->next), memory_order_release);
	if (table->safe) {
		(void)calm_retire(node, release_node, NULL);
		lab_did(2, "unlinks and retires", node);
	} else {
		uintptr_t address = (uintptr_t)node;
		lab_free(node, sizeof *node);
		lab_freed(2, "unlinks and frees", address);
	}
}

/* The deed: the loads of a chain, a node at a time. What was not as it should be. */
static __attribute__((noinline)) uint64_t walk_chain(struct table *table, unsigned bucket)
{
	uint64_t wrong = 0;
	struct node *node = atomic_load_explicit(&table->buckets[bucket], memory_order_acquire);
	while (node != NULL) {
		struct node *next = atomic_load_explicit(&node->next, memory_order_acquire);
		lab_did(1, "loads next", next);
		node = next;
		if (node == NULL)
			break;
		lab_at(3, "looks at it", node);
		uint64_t key = node->key;
		wrong += key % BUCKETS != bucket || node->value != value_of(key);
		lab_did(3, "it is still there", node);
	}
	return wrong;
}

static void walk(struct table *table)
{
	uint64_t wrong = 0;
	for (unsigned i = 0; i < BUCKETS; i++) {
		if (table->safe)
			calm_read_begin();
		wrong += walk_chain(table, i);
		if (table->safe)
			calm_read_end();
	}
	if (wrong > 0) {
		lab_count("wrong nodes read", wrong);
		lab_found("a walk read what was no node of its chain");
	}
	lab_count("walks", 1);
}

static void work(unsigned number, void *context)
{
	struct table *table = context;
	uint64_t random = number + 1;
	if (number == 0) {
		if (lab_replay)
			walk(table);
		while (!lab_replay && lab_goes_on())
			walk(table);
		return;
	}
	if (lab_replay) {
		delete_node(table, KEYS - 2 * BUCKETS); /* the second of bucket 0 */
		lab_at(4, NULL, NULL);
		return;
	}
	while (lab_goes_on()) {
		/* What is deleted comes back when others have taken its place in memory. */
		uint64_t keys[16];
		for (int i = 0; i < 16; i++)
			delete_node(table, keys[i] = lab_random(&random) % KEYS);
		for (int i = 0; i < 16; i++) {
			delete_node(table, keys[i]); /* drawn twice */
			insert(table, keys[i]);
		}
		lab_count("deletes", 16);
	}
}

static void run(bool safe)
{
	static const char *const names[] = {"walker", "deleter"};
	static struct table table;
	table.safe = safe;
	for (uint64_t key = 0; key < KEYS; key++)
		insert(&table, key);
	lab_together(2, names, work, &table);
	if (safe)
		(void)calm_read_wait();
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
const struct lab_case lab_uaf = {"uaf", variants};
