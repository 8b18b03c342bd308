/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * GLib's GTree (AVL) of 16-byte keys behind one GRWLock; the key and its value lie in one
 * allocation of the user's.
 */
#include "bench/adapter.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

struct map {
	GRWLock lock;
	GTree *tree;
};

struct binding {
	unsigned char key[16]; /* first: a key is a binding */
	uint64_t value;
};

static gint compare(gconstpointer a, gconstpointer b, gpointer context)
{
	(void)context;
	return memcmp(a, b, 16);
}

static void *create(const struct bench_subject *subject, size_t capacity)
{
	struct map *map = bench_alloc(sizeof *map);

	(void)subject;
	(void)capacity;
	g_rw_lock_init(&map->lock);
	map->tree = g_tree_new_full(compare, NULL, free, NULL);
	return map;
}

static void destroy(void *pointer)
{
	struct map *map = pointer;

	g_tree_destroy(map->tree);
	g_rw_lock_clear(&map->lock);
	free(map);
}

BENCH_INLINE bool get(void *pointer, void *thread, uint64_t key, uint64_t *value)
{
	struct map *map = pointer;
	unsigned char wide[16];

	(void)thread;
	bench_wide_key(key, wide);
	g_rw_lock_reader_lock(&map->lock);
	const struct binding *found = g_tree_lookup(map->tree, wide);
	if (found != NULL)
		*value = found->value;
	g_rw_lock_reader_unlock(&map->lock);
	return found != NULL;
}

static bool store(void *pointer, uint64_t key, uint64_t value, bool replace)
{
	struct map *map = pointer;
	unsigned char wide[16];

	bench_wide_key(key, wide);
	g_rw_lock_writer_lock(&map->lock);
	struct binding *found = g_tree_lookup(map->tree, wide);
	bool absent = found == NULL;
	if (absent) {
		found = bench_alloc(sizeof *found);
		memcpy(found->key, wide, sizeof wide);
		found->value = value;
		g_tree_insert(map->tree, found, found);
	} else if (replace) {
		found->value = value;
	}
	g_rw_lock_writer_unlock(&map->lock);
	return absent || replace;
}

static bool put(void *map, void *thread, uint64_t key, uint64_t value)
{
	(void)thread;
	return store(map, key, value, true);
}

static bool insert(void *map, void *thread, uint64_t key, uint64_t value)
{
	(void)thread;
	return store(map, key, value, false);
}

static bool erase(void *pointer, void *thread, uint64_t key)
{
	struct map *map = pointer;
	unsigned char wide[16];

	(void)thread;
	bench_wide_key(key, wide);
	g_rw_lock_writer_lock(&map->lock);
	bool done = g_tree_remove(map->tree, wide);
	g_rw_lock_writer_unlock(&map->lock);
	return done;
}

BENCH_BATCH(batch, get, put, insert, erase, BENCH_NO_PAUSE)

static size_t size(void *map)
{
	return (size_t)g_tree_nnodes(((struct map *)map)->tree);
}

static size_t visit_from(struct map *map, GTreeNode *node, size_t most, bench_visit_fn *visit,
			 void *context)
{
	size_t n = 0;

	for (; node != NULL && n < most; node = g_tree_node_next(node), n++) {
		const struct binding *binding = g_tree_node_value(node);
		(void)visit(bench_wide_word(binding->key), binding->value, context);
	}
	g_rw_lock_reader_unlock(&map->lock);
	return n;
}

static size_t walk(void *pointer, void *thread, bench_visit_fn *visit, void *context)
{
	struct map *map = pointer;

	(void)thread;
	g_rw_lock_reader_lock(&map->lock);
	return visit_from(map, g_tree_node_first(map->tree), SIZE_MAX, visit, context);
}

static size_t range(void *pointer, void *thread, uint64_t from, size_t count, bench_visit_fn *visit,
		    void *context)
{
	struct map *map = pointer;
	unsigned char wide[16];

	(void)thread;
	bench_wide_key(from, wide);
	g_rw_lock_reader_lock(&map->lock);
	return visit_from(map, g_tree_lower_bound(map->tree, wide), count, visit, context);
}

const struct bench_subject bench_glib_tree = {
	.id = "gtree",
	.name = "GLib tree + lock",
	.from = "libglib2.0-dev",
	.create = create,
	.destroy = destroy,
	.batch = batch,
	.get = get,
	.put = put,
	.insert = insert,
	.erase = erase,
	.size = size,
	.walk = walk,
	.range = range,
	.ordered = true,
};
