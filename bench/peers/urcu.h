/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * liburcu's lock-free hash table, for the flavour that was included before. Read sides inlined, as
 * LGPL-compatible users may; presized buckets with automatic resizing on; a read section per
 * operation; call_rcu for what is deleted.
 *
 * A put of a present key exchanges the word in the node, which is linearizable and spares the
 * allocation and the call_rcu that replacing the node costs. The key lies in the node, of text with
 * its size in front.
 */
#include "bench/adapter.h"
#include "bench/text.h"

#include <urcu/compiler.h>
#include <urcu/rculfhash.h>
#include <urcu/uatomic.h>

#include <pthread.h>
#include <stdlib.h>

struct node {
	struct cds_lfht_node link;
	struct rcu_head head;
	uint64_t value;
	unsigned char key[] __attribute__((aligned(8)));
};

/* What is sought: bytes as they lie in the node, and what compares them. */
struct key {
	uint64_t hash;
	cds_lfht_match_fct match;
	const void *bytes;
	size_t size;
};

static int matches(struct cds_lfht_node *link, const void *key)
{
	return *(const uint64_t *)caa_container_of(link, struct node, link)->key ==
	       *(const uint64_t *)key;
}

static int matches_text(struct cds_lfht_node *link, const void *key)
{
	return bench_text_same(
		(const struct bench_text *)caa_container_of(link, struct node, link)->key, key);
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
BENCH_INLINE struct node *find(void *map, struct key key)
{
	struct cds_lfht_iter iter;

	cds_lfht_lookup(map, key.hash, key.match, key.bytes, &iter);
	struct cds_lfht_node *link = cds_lfht_iter_get_node(&iter);
	return link != NULL ? caa_container_of(link, struct node, link) : NULL;
}

BENCH_INLINE struct node *node_new(struct key key, uint64_t value)
{
	struct node *node = bench_alloc(sizeof *node + key.size);

	cds_lfht_node_init(&node->link);
	memcpy(node->key, key.bytes, key.size);
	node->value = value;
	return node;
}

BENCH_INLINE bool get(void *map, void *thread, struct key key, uint64_t *value)
{
	(void)thread;
	rcu_read_lock();
	struct node *node = find(map, key);
	if (node != NULL)
		*value = uatomic_read(&node->value);
	rcu_read_unlock();
	return node != NULL;
}

BENCH_INLINE bool put(void *map, void *thread, struct key key, uint64_t value)
{
	(void)thread;
	rcu_read_lock();
	struct node *node = find(map, key);
	if (node != NULL) {
		uatomic_set(&node->value, value);
	} else {
		node = node_new(key, value);
		struct cds_lfht_node *old = cds_lfht_add_replace(map, key.hash, key.match,
								 key.bytes, &node->link);
		if (old != NULL)
			call_rcu(&caa_container_of(old, struct node, link)->head, node_free);
	}
	rcu_read_unlock();
	return true;
}

BENCH_INLINE bool insert(void *map, void *thread, struct key key, uint64_t value)
{
	(void)thread;
	rcu_read_lock();
	bool absent = find(map, key) == NULL;
	if (absent) {
		struct node *node = node_new(key, value);
		absent = cds_lfht_add_unique(map, key.hash, key.match, key.bytes, &node->link) ==
			 &node->link;
		if (!absent)
			free(node);
	}
	rcu_read_unlock();
	return absent;
}

BENCH_INLINE bool erase(void *map, void *thread, struct key key)
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

#define WORD(key, number)             \
	uint64_t key##_word = number; \
	struct key key = {bench_hash(key##_word), matches, &key##_word, sizeof key##_word}
#define TEXT(text)                                                                  \
	{                                                                           \
		bench_text_hash((text)->bytes, (text)->size), matches_text, (text), \
			bench_text_bytes(text)                                      \
	}
#define TEXT_16(key, number)               \
	BENCH_TEXT_16(key##_text, number); \
	struct key key = TEXT(key##_text)
#define TEXT_48(key, number)               \
	BENCH_TEXT_48(key##_text, number); \
	struct key key = TEXT(key##_text)

BENCH_BATCH_OF(batch, WORD, get, put, insert, erase, quiet)
BENCH_BATCH_OF(batch_16, TEXT_16, get, put, insert, erase, quiet)
BENCH_BATCH_OF(batch_48, TEXT_48, get, put, insert, erase, quiet)

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
		if (visit(*(const uint64_t *)node->key, uatomic_read(&node->value), context) != 0)
			break;
	}
	rcu_read_unlock();
	return n;
}

/* One operation as a suite calls it: QSBR has no other place for a quiescent state. */
BENCH_INLINE bool quietly(void *map, void *thread, bool done)
{
	quiet(map, thread);
	return done;
}

#define QUIET_GET(map, thread, key, value) quietly(map, thread, get(map, thread, key, value))
#define QUIET_PUT(map, thread, key, value) quietly(map, thread, put(map, thread, key, value))
#define QUIET_INSERT(map, thread, key, value) quietly(map, thread, insert(map, thread, key, value))
#define QUIET_ERASE(map, thread, key) quietly(map, thread, erase(map, thread, key))

BENCH_SINGLES(single, WORD, QUIET_GET, QUIET_PUT, QUIET_INSERT, QUIET_ERASE)

#define URCU_BASE(word, text)                                                                  \
	.id = word, .name = text, .from = "liburcu-dev", .create = create, .destroy = destroy, \
	.enter = enter, .leave = leave, .size = count
#define URCU_TEXTS(word, text)                                                      \
	{                                                                           \
		{URCU_BASE(word, text), .batch = batch_16, .key_size = 16},         \
			{URCU_BASE(word, text), .batch = batch_48, .key_size = 48}, \
	}
#define URCU_SUBJECT(word, text, own_texts)                                                  \
	{                                                                                    \
		URCU_BASE(word, text), .batch = batch, .get = single_get, .put = single_put, \
				       .insert = single_insert, .erase = single_erase,       \
				       .walk = walk, .texts = own_texts,                     \
	}
