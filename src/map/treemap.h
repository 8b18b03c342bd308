/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What the parts of treemap share: its nodes, how a key finds its leaf, and where in a node it is.
 * treemap.c describes the whole.
 */
#ifndef CALM_MAP_TREEMAP_H
#define CALM_MAP_TREEMAP_H

#include "core/order.h"
#include "map/kind.h"
#include "sync/history.h"

#define INLINE static inline __attribute__((always_inline))

/* Entries of a leaf, children of an inner node; what is built for tests alone has nodes of four. */
#ifdef CALM_KNOBS
#define CALM__LEAF 4U
#define CALM__FAN 4U
#else
#define CALM__LEAF 32U
#define CALM__FAN 64U
#endif
#define CALM__SEPARATORS (CALM__FAN - 1)

/*
 * A node's header.
 *
 *     bit   0      1      2      8..15   16..63
 *           LOCK   MOVE   GONE   count   version
 *
 * Who holds LOCK may change the node; MOVE says that it is being changed in a way that readers must
 * not see half of. A value is exchanged without MOVE, and leaves the version as it is.
 */
#define NODE_LOCK ((uint64_t)1)
#define NODE_MOVE ((uint64_t)2)
#define NODE_GONE ((uint64_t)4) /* for ever: it has left the tree */
#define NODE_COUNT_SHIFT 8
#define NODE_VERSION ((uint64_t)1 << 16)

/*
 * The keys of a node lie in [low, high). A word tree has the first and the last possible key there,
 * a byte tree names, shared by all nodes that end or begin there, or 0 for an open end.
 */
struct calm__node {
	shared_u64 header;
	shared_u64 stamp; /* leaf: the epoch of its last change */
	shared_u64 high;
	shared_ptr next;   /* leaf: the one to the right, or NULL */
	shared_u32 prefix; /* byte tree: so much have all keys between low and high in common */
	uint16_t level;    /* 0: leaf */
	bool displaced;    /* cleared leaf: its bindings are no longer its own */
	uint64_t low;
	/* Of a leaf's history: see calm__leaf_image(). */
	uint64_t id;
	uint64_t born; /* images of epochs before are its ancestors' */
	struct calm__lineage *lineage;
};

/* Where the images of a leaf's range are that are older than the leaf. Immutable. */
struct calm__lineage {
	uint64_t id;
	uint64_t born;
	struct calm__lineage *older;
};

/* The first n of each are in use; keys rise. births: of the values, only if the map releases them. */
struct calm__leaf {
	struct calm__node node;
	shared_u64 keys[CALM__LEAF]; /* words, or stored names */
	shared_ptr values[CALM__LEAF];
	uint64_t births[];
};

/* n separators and n + 1 children; separator i is the low end of child i + 1. */
struct calm__inner {
	struct calm__node node;
	shared_u64 heads[CALM__SEPARATORS]; /* words, or the first eight bytes behind the prefix */
	shared_ptr children[CALM__FAN];
	shared_u64 names[]; /* byte tree: the separators' names */
};

/*
 * The bindings between two clears: a generation. A writer that holds a leaf's lock and then finds
 * another generation current has changed nothing, and begins again there.
 */
struct calm__tree {
	shared_ptr root;
	uint64_t refs; /* the map, while it is current, and its snapshots; guarded by turn */
	struct calm__tree *orphan; /* the next that could not be retired for want of memory */
	shared_u64 nodes;
	char apart[80];
	struct calm__stripes count;
};

/* Memory of nodes of one size: treemap_pool.c. */
struct calm__pool_of {
	struct calm__lock lock; /* of all but size */
	uint32_t count;         /* of chunks; sorted by address */
	uint32_t wide;          /* there is room to note so many */
	uint32_t last;          /* the one that had room last */
	size_t size;            /* of a node */
	uint64_t nodes;         /* in all chunks, */
	uint64_t live;          /* of these, given out */
	struct calm__chunk *chunks;
};

/* Zeroed; NULL: no memory. */
void *calm__pool_get(struct calm__heap *heap, struct calm__pool_of *pool);
void calm__pool_put(struct calm__heap *heap, struct calm__pool_of *pool, void *node);

struct calm__treemap {
	struct calm_map base;
	char apart[128];
	shared_ptr tree; /* the current generation; every verb begins here */
	char apart_too[112];
	struct calm__snaps snaps;
	struct calm__history history;
	struct calm__lock turn; /* opening, clearing and closing, one at a time */
	struct calm__tree *orphans;
	shared_u64 ids; /* of leaves, given out so far */
	struct calm__pool_of leaves;
	struct calm__pool_of inners;
};

/* Loads are const to the user. */
static inline struct calm__treemap *calm__treemap_of(const struct calm_map *map)
{
	return (struct calm__treemap *)(uintptr_t)map;
}

static inline struct calm__tree *calm__treemap_tree(struct calm__treemap *map)
{
	/* order: tree.current acquire <- take_place(): the tree. */
	return load_acquire(&map->tree);
}

static inline bool calm__has_names(const struct calm__treemap *map)
{
	return map->base.keys.kind == CALM_KEYS_BYTES;
}

static inline struct calm__leaf *calm__leaf_of(struct calm__node *node)
{
	return (struct calm__leaf *)(void *)node;
}

static inline struct calm__inner *calm__inner_of(struct calm__node *node)
{
	return (struct calm__inner *)(void *)node;
}

static inline unsigned calm__node_count(uint64_t header)
{
	return (unsigned)(header >> NODE_COUNT_SHIFT) & 0xff;
}

/* The header of an unlocked node with another count: a new version. */
static inline uint64_t calm__node_counts(uint64_t header, unsigned count)
{
	uint64_t plain = header & ~(NODE_LOCK | NODE_MOVE | (uint64_t)0xff << NODE_COUNT_SHIFT);
	return (plain | (uint64_t)count << NODE_COUNT_SHIFT) +
	       (rule(TREE_RENEWS) ? NODE_VERSION : 0);
}

/* Whether what was read under a header is of one moment; after acquires. */
static inline bool calm__node_same(struct calm__node *node, uint64_t header)
{
	/* order: none - after the acquires of what was read, whose edges bring the header that
	 * changed before them. */
	return ((load_relaxed(&node->header) ^ header) & ~NODE_LOCK) == 0;
}

/* Waits for the holder of a lock that is held for some ten nanoseconds, if it is running. */
static inline void calm__tree_wait(unsigned *turn)
{
	if ((*turn)++ < 32)
		calm__pause();
	else
		calm__wait_turn(*turn < 1000 ? 0 : 16);
}

/* ---- where a key is ---- */

/* How many of n rising numbers are below x; without a branch on what they are. */
INLINE unsigned calm__count_below(shared_u64 *numbers, unsigned n, uint64_t x)
{
	unsigned base = 0;
	if (n == 0)
		return 0;
	for (unsigned left = n; left > 1; left -= left / 2)
		/* order: tree.slot acquire <- calm__slot_put(): what moved there came with a MOVE
		 * that the reader finds when it looks at the header again. */
		base += load_acquire(&numbers[base + left / 2 - 1]) < x ? left / 2 : 0;
	/* order: tree.slot acquire <- calm__slot_put(): as above. */
	return base + (load_acquire(&numbers[base]) < x);
}

/*
 * Of n rising slots of a leaf, how many are below the key; *hit: the next is the key. In a byte
 * tree all agree with it in the first `prefix` bytes.
 */
INLINE unsigned calm__leaf_find(struct calm__leaf *leaf, unsigned n, calm_key key, bool *hit,
				const bool bytes)
{
	*hit = false;
	if (!bytes) {
		uint64_t word = calm_key_word(key);
		unsigned at = calm__count_below(leaf->keys, n, word);
		__builtin_prefetch(&leaf->values[at]);
		/* order: tree.slot acquire <- calm__slot_put(): as in calm__count_below(). */
		*hit = at < n && load_acquire(&leaf->keys[at]) == word;
		return at;
	}
	/* order: tree.slot acquire <- set_high(): as in calm__count_below(). */
	size_t prefix = load_acquire(&leaf->node.prefix);
	uint64_t tag = calm__tag_of(calm__head(key.data, key.size, prefix));
	unsigned low = calm__count_below(leaf->keys, n, tag << 48);
	unsigned high = low;
	/* order: tree.slot acquire <- calm__slot_put(): the name. */
	if (low < n && calm__tag_of(load_acquire(&leaf->keys[low])) == tag)
		high = tag == 0xffff ? n : calm__count_below(leaf->keys, n, (tag + 1) << 48);
	while (low < high) {
		unsigned middle = (low + high) / 2;
		/* order: tree.slot acquire <- calm__slot_put(): the name. */
		const struct calm__name *name = calm__name_of(load_acquire(&leaf->keys[middle]));
		/* Before the name is looked at, and before a writer's lock, which lets nothing pass. */
		__builtin_prefetch(&leaf->values[middle]);
		int order = calm__name_compare(name, key, prefix);
		if (order == 0) {
			*hit = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Which child has the key; with `below`, which has what is just below it. */
INLINE unsigned calm__inner_find(struct calm__inner *inner, unsigned n, calm_key key, bool below,
				 const bool bytes)
{
	if (!bytes) {
		uint64_t word = calm_key_word(key);
		if (below)
			return calm__count_below(inner->heads, n, word);
		return word == UINT64_MAX ? n : calm__count_below(inner->heads, n, word + 1);
	}
	/* order: tree.slot acquire <- set_high(): as in calm__count_below(). */
	size_t prefix = load_acquire(&inner->node.prefix);
	uint64_t head = calm__head(key.data, key.size, prefix);
	unsigned low = calm__count_below(inner->heads, n, head);
	unsigned high = low;
	/* order: tree.slot acquire <- calm__slot_put(): as in calm__count_below(). */
	if (low < n && load_acquire(&inner->heads[low]) == head)
		high = head == UINT64_MAX ? n : calm__count_below(inner->heads, n, head + 1);
	while (low < high) {
		unsigned middle = (low + high) / 2;
		/* order: tree.slot acquire <- calm__slot_put(): the name. */
		const struct calm__name *name = calm__name_of(load_acquire(&inner->names[middle]));
		int order = calm__name_compare(name, key, prefix);
		if (order < 0 || (order == 0 && !below))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Where a leaf was found: which child of its parent it was then. A hint. */
struct calm__beside {
	struct calm__inner *parent; /* NULL: the leaf is the root */
	unsigned at;
	unsigned n; /* children */
};

/* The way to a leaf. */
struct calm__way {
	const calm_key *key;         /* NULL: the first leaf; below: the last */
	bool below;                  /* not the leaf that has the key, but what is just below */
	struct calm__beside *beside; /* out, unless NULL */
};

/* Lines of a node that a search may touch, on their way at one time. */
INLINE void calm__node_fetch(const struct calm__node *node, bool leaf)
{
	const char *line = (const char *)node;
	for (size_t at = 64; at < offsetof(struct calm__leaf, values); at += 64)
		__builtin_prefetch(line + at);
	for (size_t at = offsetof(struct calm__leaf, values);
	     !leaf && at < offsetof(struct calm__inner, children); at += 64)
		__builtin_prefetch(line + at);
}

/*
 * The leaf, and its header as it was when the leaf was the key's: who finds later that its version
 * is the same, has read the right one. It may be locked, or in MOVE. Inside a section.
 */
INLINE struct calm__node *calm__tree_leaf(struct calm__tree *tree, struct calm__way way,
					  uint64_t *header, const bool bytes)
{
	unsigned turn = 0;
	for (;;) {
		/* order: tree.root acquire <- calm__set_root(): the node. */
		struct calm__node *node = load_acquire(&tree->root);
		/* order: tree.publish acquire <- calm__node_unlock(): the slots it counts. sc: a
		 * lock taken before a snapshot opened is seen after. */
		uint64_t now = load_sc(&node->header);
		/* order: none - a root that is split later has another version. */
		bool right = load_acquire(&tree->root) == node;
		while (right && node->level > 0) {
			if (unlikely(now & (NODE_MOVE | NODE_GONE))) {
				calm__tree_wait(&turn);
				break;
			}
			struct calm__inner *inner = calm__inner_of(node);
			unsigned n = calm__node_count(now);
			unsigned at = way.key     ? calm__inner_find(inner, n, *way.key, way.below,
								     bytes)
				      : way.below ? n
						  : 0;
			/* order: tree.child acquire <- calm__child_put(): the node. */
			struct calm__node *child = load_acquire(&inner->children[at]);
			calm__node_fetch(child, node->level == 1);
			/* order: tree.publish acquire <- calm__node_unlock(): as for the root. */
			uint64_t own = load_sc(&child->header);
			if (rule(TREE_PARENT_CHECKS) && unlikely(!calm__node_same(node, now)))
				break;
			if (way.beside)
				*way.beside = (struct calm__beside){inner, at, n + 1};
			node = child;
			now = own;
		}
		if (likely(right && node->level == 0 && !(now & NODE_GONE))) {
			*header = now;
			return node;
		}
		if (now & NODE_GONE)
			calm__tree_wait(&turn);
	}
}

/* ---- changing a node, under its lock ---- */

INLINE void calm__slot_put(shared_u64 *slot, uint64_t number)
{
	/* order: tree.slot release -> calm__count_below(), calm__leaf_find(), calm__inner_find(),
	 * copy_slots(): the name; and the stamp and the MOVE that came before, so that who reads a
	 * slot too late finds out when it looks again. */
	store_release(slot, number);
}

INLINE void calm__value_put(shared_ptr *slot, void *value)
{
	/* order: tree.value release -> load_key(), copy_slots(): what the value points to; and the
	 * stamp, as in calm__slot_put(). */
	store_release(slot, value);
}

INLINE void calm__child_put(shared_ptr *slot, void *child)
{
	/* order: tree.child release -> calm__tree_leaf(): the node. */
	store_release(slot, child);
}

/* Takes the lock of a node that had this header, unlocked. False: it has changed. */
INLINE bool calm__node_lock(struct calm__node *node, uint64_t header)
{
	/* order: tree.publish acquire <- calm__node_unlock(): the last holder's changes. sc: the
	 * lock comes before the epoch's load, see snap.epoch. */
	return !(header & (NODE_LOCK | NODE_MOVE | NODE_GONE)) &&
	       cas_sc(&node->header, &header, header | NODE_LOCK);
}

/* From here on readers wait. */
INLINE void calm__node_move(struct calm__node *node, uint64_t header)
{
	/* order: none - the slots' own edges bring it. */
	store_relaxed(&node->header, header | NODE_LOCK | NODE_MOVE);
}

INLINE void calm__node_unlock(struct calm__node *node, uint64_t header)
{
	/* order: tree.publish release -> calm__tree_leaf(), calm__node_lock(): what the holder did.
	 * sc: before what this thread loads next: gets read through locks, as on hashmap. */
	store_sc(&node->header, header);
}

/* ---- nodes and their shape: treemap_node.c, treemap_split.c ---- */

void calm__nodes_init(struct calm__treemap *map);
struct calm__node *calm__leaf_new(struct calm__treemap *map);
struct calm__node *calm__inner_new(struct calm__treemap *map, unsigned level);
void calm__node_free(struct calm__treemap *map, struct calm__node *node);
/* The separators' names that lie in [low, high): freed with the tree. */
typedef void calm__node_fn(struct calm__treemap *map, struct calm__node *node, void *context);
/* Every node of a tree that no thread changes, parents after their children. */
void calm__tree_each(struct calm__treemap *map, struct calm__node *node, calm__node_fn *visit,
		     void *context);

/*
 * Makes room in the leaf that has the key, for the key itself; with `at`, makes the key the low end
 * of a leaf. Outside all sections and locks. OK, ENOMEM; the leaf may be full again.
 */
calm_status calm__tree_split(struct calm__treemap *map, calm_key key, bool at);
/* After a leaf has lost entries: puts it together with a neighbour, where that is possible now. */
void calm__tree_merge(struct calm__treemap *map, calm_key key);

/* ---- generations: treemap_clear.c ---- */

struct calm__tree *calm__tree_new(struct calm__treemap *map);
/* One reference less; retires it with the last. Inside a section. */
void calm__tree_drop(struct calm__treemap *map, struct calm__self *self, struct calm__tree *tree);
/* Quiet: releases every value and name of it, and frees it. */
void calm__tree_free(struct calm__treemap *map, struct calm__tree *tree);
calm_status calm__treemap_clear(struct calm_map *base);
calm_status calm__treemap_drain(struct calm_map *base, struct calm_snapshot **out);

/* ---- the rest ---- */

const char *calm__treemap_check(const struct calm_map *base);
calm_status calm__treemap_apply(struct calm_map *base, size_t n, const calm_change changes[]);
size_t calm__treemap_load_many(const struct calm_map *base, size_t n, const calm_key keys[],
			       void *values[], calm_status found[]);

/* A snapshot of one generation. */
struct calm__tree_snapshot {
	struct calm_snapshot base;
	struct calm__tree *tree;
	shared_u64 size; /* + 1, once counted */
};

extern const struct calm__snapshot_kind calm__treemap_snapshots;
int calm__treemap_walk(struct calm_map *base, calm_visit_fn *visit, void *context);
/* The binding in a leaf, inside a section: OK, ABSENT. */
calm_status calm__tree_load(struct calm__treemap *map, calm_key key, void **value);

#endif
