/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * liburcu's lock-free hash table, for the flavour that was included before. Read sides inlined, as
 * LGPL-compatible users may; presized buckets with automatic resizing on; a read section per
 * operation; call_rcu for what is deleted.
 *
 * A put of a present key exchanges the word in the node, which is linearizable and spares the
 * allocation and the call_rcu that replacing the node costs.
 */
#include "bench/adapter.h"

#include <urcu/compiler.h>
#include <urcu/rculfhash.h>
#include <urcu/uatomic.h>

#include <pthread.h>
#include <stdlib.h>

struct node {
	struct cds_lfht_node link;
	struct rcu_head head;
	uint64_t key, value;
};

static int matches(struct cds_lfht_node *link, const void *key)
{
	return caa_container_of(link, struct node, link)->key == *(const uint64_t *)key;
}

static void node_free(struct rcu_head *head)
{
	free(caa_container_of(head, struct node, head));
}

static void guard_forks(void)
{
	(void)pthread_atfork(call_rcu_before_fork, call_rcu_after_fork_parent,
			     call_rcu_after_fork_child);
}

static void *create(const struct bench_subject *subject, size_t capacity)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	unsigned long buckets = 64;

	(void)subject;
	(void)pthread_once(&once, guard_forks);
	while (buckets < capacity)
		buckets *= 2;
	return cds_lfht_new(buckets, 64, 0, CDS_LFHT_AUTO_RESIZE | CDS_LFHT_ACCOUNTING, NULL);
}

static void *enter(void *map)
{
	rcu_register_thread();
	return map;
}

static void leave(void *map, void *thread)
{
	(void)map;
	(void)thread;
	rcu_unregister_thread();
}

static void destroy(void *map)
{
	struct cds_lfht_iter iter;
	struct node *node;

	rcu_register_thread();
	rcu_read_lock();
	cds_lfht_for_each_entry(map, &iter, node, link)
	{
		if (cds_lfht_del(map, &node->link) == 0)
			call_rcu(&node->head, node_free);
	}
	rcu_read_unlock();
	rcu_unregister_thread();
	rcu_barrier();
	(void)cds_lfht_destroy(map, NULL);
}

static size_t count(void *map)
{
	struct cds_lfht_iter iter;
	struct node *node;
	size_t n = 0;

	rcu_register_thread();
	rcu_read_lock();
	cds_lfht_for_each_entry(map, &iter, node, link) n++;
	rcu_read_unlock();
	rcu_unregister_thread();
	return n;
}

/* Inside a read section. */
BENCH_INLINE struct node *find(void *map, uint64_t key)
{
	struct cds_lfht_iter iter;

	cds_lfht_lookup(map, bench_hash(key), matches, &key, &iter);
	struct cds_lfht_node *link = cds_lfht_iter_get_node(&iter);
	return link != NULL ? caa_container_of(link, struct node, link) : NULL;
}

BENCH_INLINE struct node *node_new(uint64_t key, uint64_t value)
{
	struct node *node = bench_alloc(sizeof *node);

	cds_lfht_node_init(&node->link);
	node->key = key;
	node->value = value;
	return node;
}

BENCH_INLINE bool get(void *map, void *thread, uint64_t key, uint64_t *value)
{
	(void)thread;
	rcu_read_lock();
	struct node *node = find(map, key);
	if (node != NULL)
		*value = uatomic_read(&node->value);
	rcu_read_unlock();
	return node != NULL;
}

BENCH_INLINE bool put(void *map, void *thread, uint64_t key, uint64_t value)
{
	(void)thread;
	rcu_read_lock();
	struct node *node = find(map, key);
	if (node != NULL) {
		uatomic_set(&node->value, value);
	} else {
		node = node_new(key, value);
		struct cds_lfht_node *old = cds_lfht_add_replace(map, bench_hash(key), matches,
								 &key, &node->link);
		if (old != NULL)
			call_rcu(&caa_container_of(old, struct node, link)->head, node_free);
	}
	rcu_read_unlock();
	return true;
}

BENCH_INLINE bool insert(void *map, void *thread, uint64_t key, uint64_t value)
{
	(void)thread;
	rcu_read_lock();
	bool absent = find(map, key) == NULL;
	if (absent) {
		struct node *node = node_new(key, value);
		absent = cds_lfht_add_unique(map, bench_hash(key), matches, &key, &node->link) ==
			 &node->link;
		if (!absent)
			free(node);
	}
	rcu_read_unlock();
	return absent;
}

BENCH_INLINE bool erase(void *map, void *thread, uint64_t key)
{
	(void)thread;
	rcu_read_lock();
	struct node *node = find(map, key);
	bool done = node != NULL && cds_lfht_del(map, &node->link) == 0;
	if (done)
		call_rcu(&node->head, node_free);
	rcu_read_unlock();
	return done;
}

BENCH_INLINE void quiet(void *map, void *thread)
{
	(void)map;
	(void)thread;
	rcu_quiescent_state();
}

BENCH_BATCH(batch, get, put, insert, erase, quiet)

/* Not consistent: bindings come and go meanwhile. */
static size_t walk(void *map, void *thread, bench_visit_fn *visit, void *context)
{
	struct cds_lfht_iter iter;
	struct node *node;
	size_t n = 0;

	(void)thread;
	rcu_read_lock();
	cds_lfht_for_each_entry(map, &iter, node, link)
	{
		n++;
		if (visit(node->key, uatomic_read(&node->value), context) != 0)
			break;
	}
	rcu_read_unlock();
	return n;
}

/* One operation as a suite calls it: QSBR has no other place for a quiescent state. */
static bool single_get(void *map, void *thread, uint64_t key, uint64_t *value)
{
	bool found = get(map, thread, key, value);

	quiet(map, thread);
	return found;
}

static bool single_put(void *map, void *thread, uint64_t key, uint64_t value)
{
	bool done = put(map, thread, key, value);

	quiet(map, thread);
	return done;
}

static bool single_insert(void *map, void *thread, uint64_t key, uint64_t value)
{
	bool done = insert(map, thread, key, value);

	quiet(map, thread);
	return done;
}

static bool single_erase(void *map, void *thread, uint64_t key)
{
	bool done = erase(map, thread, key);

	quiet(map, thread);
	return done;
}

#define URCU_SUBJECT(word, text)                                                    \
	{                                                                           \
		.id = word, .name = text, .from = "liburcu-dev", .create = create,  \
		.destroy = destroy, .enter = enter, .leave = leave, .batch = batch, \
		.get = single_get, .put = single_put, .insert = single_insert,      \
		.erase = single_erase, .size = count, .walk = walk,                 \
	}
