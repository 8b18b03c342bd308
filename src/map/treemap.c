/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * treemap: a B+tree with optimistic lock coupling. Reads without a lock, writes that lock one leaf,
 * and snapshots that cost nothing until a writer first touches a leaf after one was opened.
 *
 * Every node has a header: lock, count, version (treemap.h). Who reads, reads the header, then the
 * slots, then the header again. On the way down a child's header is read before the parent's is
 * looked at again; so a leaf whose version stays the same was the key's all the time.
 *
 * Stamps, images and the cut are hashmap's (hashmap.c), by leaf instead of bucket:
 *
 *     get                                        write
 *     R: leaf, h = down to the key               leaf, h = down to the key; find it there
 *        MOVE: R                                 lock: compare-and-swap of h; changed: again
 *        locked and stamp != epoch: R    (1)     e = epoch
 *        find the key                            if stamp != e: save an image, if a snapshot
 *        h's version changed: R                                 may see it;  stamp = e
 *                                                change the value in place, or MOVE and shift
 *     a snapshot S reads a leaf                  unlock, with the new header
 *     R: leaf, h = down to the key
 *        stamp > S: the image from <= S <= to
 *        locked: R                       (2)
 *        copy; h or stamp changed: R
 *
 * (1) and (2) are as in hashmap.c. A stamp is an epoch, all of it. Images are found by the number of
 * the leaf that saved them; a leaf that was split off also knows its ancestors' (treemap_split.c).
 *
 * A key of a word tree lies in its slot. Of a byte key the slot has a tag and the address of an
 * immutable name (core/order.h).
 *
 * Progress: a get waits while its leaf is being shifted, split or merged, while an inner node on
 * its way is, and for (1); so it does stop if such a writer stops. It does not wait for a writer who
 * exchanges a value. Writers lock a leaf; shape is changed by whoever finds a leaf full.
 *
 * Source: optimistic lock coupling, Leis et al., "The ART of Practical Synchronization", DaMoN 2016,
 * and IEEE Data Eng. Bull. 42(1), 2019; images as hashmap. Rejected: a copy-on-write B+tree, which
 * has one writer; a skip list with versioned values, log2 n misses; slots in order of a permutation
 * word (Masstree, EuroSys 2012), whose readers need not wait for an insert, but whose leaves hold
 * 15.
 */
#include "map/treemap.h"

#include "map/treemap_leaf.h"

/* ---- gets ---- */

/* A leaf that is locked or in MOVE. True: read it; false: look again. */
static bool may_read(struct calm__treemap *map, struct calm__node *leaf, uint64_t header,
		     unsigned *turn)
{
	if (!(header & NODE_MOVE)) {
		/* order: tree.stamp acquire <- calm__leaf_stamp(): who finds a later holder's stamp
		 * sees what the holders before it changed. */
		uint64_t stamp = load_acquire(&leaf->stamp);
		if (!rule(TREE_GET_WAITS) || stamp == calm__snaps_now(&map->snaps))
			return true;
	}
	calm__tree_wait(turn);
	return false;
}

/* Inside a section. */
INLINE calm_status load_key(struct calm__treemap *map, calm_key key, void **value, const bool bytes)
{
	struct calm__tree *tree = calm__treemap_tree(map);
	unsigned turn = 0;
	for (;;) {
		uint64_t header;
		bool hit;
		struct calm__node *node = calm__tree_leaf(
			tree, (struct calm__way){&key, false, NULL}, &header, bytes);
		if (unlikely(header & (NODE_LOCK | NODE_MOVE)) &&
		    !may_read(map, node, header, &turn))
			continue;
		struct calm__leaf *leaf = calm__leaf_of(node);
		unsigned at = calm__leaf_find(leaf, calm__node_count(header), key, &hit, bytes);
		/* order: tree.value acquire <- calm__value_put(): what the value points to. */
		void *found = hit ? load_acquire(&leaf->values[at]) : NULL;
		if (rule(TREE_GET_CHECKS) && unlikely(!calm__node_same(node, header)))
			continue;
		if (!hit)
			return CALM_ABSENT;
		*value = found;
		return CALM_OK;
	}
}

calm_status calm__tree_load(struct calm__treemap *map, calm_key key, void **value)
{
	return calm__has_names(map) ? load_key(map, key, value, true)
				    : load_key(map, key, value, false);
}

static calm_status load_word(const struct calm_map *base, calm_key key, void **value)
{
	struct calm__self *self = calm__self();
	calm__enter(self);
	calm_status status = load_key(calm__treemap_of(base), key, value, false);
	calm__leave(self);
	return status;
}

static calm_status load_bytes(const struct calm_map *base, calm_key key, void **value)
{
	struct calm__self *self = calm__self();
	calm__enter(self);
	calm_status status = load_key(calm__treemap_of(base), key, value, true);
	calm__leave(self);
	return status;
}

/* ---- writes ---- */

/* What a write may find that it must get before, outside the lock. */
enum need {
	NEED_NOTHING,
	NEED_AGAIN,   /* nothing: the leaf has changed, or the map was cleared */
	NEED_ROOM,    /* in the leaf */
	NEED_HISTORY, /* a log segment with room for the leaf */
	NEED_MEMORY,  /* for the key's name, and there is none */
};

struct attempt {
	struct calm__write *write;
	struct calm__name *name; /* made for the key, until it is used */
	calm_status status;
	unsigned turn;
	bool few; /* so few entries are left in the leaf that it may be merged */
};

/* The leaf of a key, unlocked, and where the key is in it. */
struct found {
	struct calm__tree *tree;
	struct calm__held held;
	unsigned at;
	bool hit;
};

/* Under the lock. */
INLINE enum need write_locked(struct calm__treemap *map, struct calm__self *self,
			      struct found *found, calm_key key, struct attempt *attempt,
			      const bool bytes)
{
	struct calm__held *held = &found->held;
	struct calm__leaf *leaf = held->leaf;
	struct calm__write *write = attempt->write;
	unsigned n = calm__node_count(held->header);
	/* order: none - changed under the lock. */
	write->previous = found->hit ? load_relaxed(&leaf->values[found->at]) : NULL;
	enum calm__effect effect = calm__decide(write, found->hit, write->previous,
						&attempt->status);
	enum need need = NEED_NOTHING;
	bool saves = false;
	if (effect == CALM__PUT && !found->hit && unlikely(n == CALM__LEAF))
		need = NEED_ROOM;
	if (need == NEED_NOTHING && effect != CALM__LEAVE) {
		saves = calm__leaf_needs_image(map, held);
		if (unlikely(saves) && !calm__history_room(&map->history, self, IMAGE_ROOM))
			need = NEED_HISTORY;
	}
	if (effect == CALM__LEAVE || unlikely(need != NEED_NOTHING)) {
		calm__node_unlock(&leaf->node, held->header);
		return need;
	}
	if (!rule(TREE_IMAGE_FIRST))
		calm__leaf_stamp(held);
	if (unlikely(saves))
		calm__leaf_save(map, self, held);
	if (rule(TREE_IMAGE_FIRST))
		calm__leaf_stamp(held);
	struct calm__gone gone = {0};
	if (effect == CALM__REMOVE) {
		calm__leaf_remove(map, held, found->at, &gone);
	} else if (found->hit) {
		calm__leaf_exchange(map, held, found->at, write->value, &gone);
	} else {
		uint64_t stored = calm_key_word(key);
		if (bytes) {
			/* order: none - changed under the lock. */
			size_t prefix = load_relaxed(&leaf->node.prefix);
			calm__name_born(attempt->name, held->epoch);
			stored = calm__stored_name(attempt->name, prefix);
			attempt->name = NULL;
		}
		calm__leaf_insert(map, held, found->at, stored, write->value);
	}
	calm__node_unlock(&leaf->node, held->header);
	if (found->hit)
		calm__leaf_displace(map, self, held->epoch, &gone, write->previous);
	if (!found->hit || effect == CALM__REMOVE)
		calm__stripes_add(&found->tree->count, self, found->hit ? -1 : 1);
	attempt->few = effect == CALM__REMOVE && n - 1 <= CALM__LEAF / 4;
	return NEED_NOTHING;
}

/* Finds the key, and locks its leaf as it was found. Inside a section. */
INLINE enum need write_once(struct calm__treemap *map, struct calm__self *self, calm_key key,
			    struct attempt *attempt, const bool bytes)
{
	struct found found = {.tree = calm__treemap_tree(map)};
	struct calm__held *held = &found.held;
	struct calm__node *node = calm__tree_leaf(found.tree, (struct calm__way){&key, false, NULL},
						  &held->header, bytes);
	held->leaf = calm__leaf_of(node);
	if (unlikely(held->header & (NODE_LOCK | NODE_MOVE))) {
		calm__tree_wait(&attempt->turn);
		return NEED_AGAIN;
	}
	found.at = calm__leaf_find(held->leaf, calm__node_count(held->header), key, &found.hit,
				   bytes);
	if (bytes && !found.hit && calm__inserts(attempt->write) && !attempt->name) {
		attempt->name = calm__name_new(&map->base.heap, key.data, key.size);
		if (!attempt->name)
			return NEED_MEMORY;
	}
	uint64_t epoch = 0;
	if (!rule(TREE_EPOCH_IN_LOCK))
		epoch = calm__snaps_now(&map->snaps);
	if (unlikely(!calm__node_lock(node, held->header))) {
		calm__tree_wait(&attempt->turn);
		return NEED_AGAIN;
	}
	if (rule(TREE_EPOCH_IN_LOCK))
		epoch = calm__snaps_now(&map->snaps);
	held->epoch = epoch;
	if (unlikely(!calm__tree_current(map, found.tree))) {
		calm__node_unlock(node, held->header);
		return NEED_AGAIN;
	}
	return write_locked(map, self, &found, key, attempt, bytes);
}

/* Outside all sections and locks. False: no memory. */
static bool provide(struct calm__treemap *map, struct calm__self *self, enum need need,
		    calm_key key)
{
	switch (need) {
	case NEED_ROOM:
		return calm__tree_split(map, key, false) == CALM_OK;
	case NEED_HISTORY:
		calm__history_keep_budget(&map->base, &map->history);
		return calm__history_grow(&map->history, self, IMAGE_ROOM);
	case NEED_NOTHING:
	case NEED_AGAIN:
		break;
	case NEED_MEMORY:
		return false;
	}
	return true;
}

INLINE calm_status write_key(struct calm__treemap *map, calm_key key, struct calm__write *write,
			     const bool bytes)
{
	struct calm__self *self = calm__self();
	struct attempt attempt = {.write = write};
	enum need need;
	bool provided;
	do {
		provided = !(bytes || unlikely(map->base.release)) ||
			   calm__displace_reserve(self, 2, 2);
		if (!provided)
			break;
		calm__enter(self);
		need = write_once(map, self, key, &attempt, bytes);
		calm__leave(self);
		if (likely(need == NEED_NOTHING))
			break;
		provided = provide(map, self, need, key);
	} while (provided);
	if (bytes && unlikely(attempt.name != NULL))
		calm__name_free(&map->base.heap, attempt.name);
	if (unlikely(attempt.few))
		calm__tree_merge(map, key);
	return likely(provided) ? attempt.status : CALM_ENOMEM;
}

static calm_status write_word(struct calm_map *base, calm_key key, struct calm__write *write)
{
	return write_key(calm__treemap_of(base), key, write, false);
}

static calm_status write_bytes(struct calm_map *base, calm_key key, struct calm__write *write)
{
	return write_key(calm__treemap_of(base), key, write, true);
}

/* ---- the rest ---- */

/* The walk is consistent, and asks no more of a visitor. */
static int each(const struct calm_map *base, calm_visit_fn *visit, void *context)
{
	return calm__treemap_walk(&calm__treemap_of(base)->base, visit, context);
}

static uint64_t size(const struct calm_map *base)
{
	struct calm__self *self = calm__self();
	calm__enter(self);
	uint64_t count = calm__stripes_sum(&calm__treemap_tree(calm__treemap_of(base))->count);
	calm__leave(self);
	return count;
}

/* A tree grows by a leaf at a time: there is nothing to make ready. */
static calm_status reserve(struct calm_map *base, size_t entries)
{
	(void)base;
	return entries > PTRDIFF_MAX / sizeof(struct calm__entry) ? CALM_ENOMEM : CALM_OK;
}

static void stats(const struct calm_map *base, calm_stats *out)
{
	struct calm__treemap *map = calm__treemap_of(base);
	out->history_bytes = calm__history_kept(&map->history);
	out->oldest_snapshot_ns = calm__snaps_oldest_ns(&map->snaps);
}

static void destroy(struct calm_map *base)
{
	struct calm__treemap *map = calm__treemap_of(base);
	calm__tree_free(map, calm__treemap_tree(map));
	for (struct calm__tree *next, *one = map->orphans; one; one = next) {
		next = one->orphan;
		calm__tree_free(map, one);
	}
	calm__history_free(&map->history);
}

#define KIND(loads, writes)                                                                   \
	{                                                                                     \
		.name = "treemap", .destroy = destroy, .load = (loads), .write = (writes),    \
		.clear = calm__treemap_clear, .size = size, .reserve = reserve, .each = each, \
		.stats = stats, .check = calm__treemap_check,                                 \
		.load_many = calm__treemap_load_many, .apply = calm__treemap_apply,           \
		.drain = calm__treemap_drain, .walk = calm__treemap_walk,                     \
		.snapshots = &calm__treemap_snapshots,                                        \
	}
static const struct calm__kind word_kind = KIND(load_word, write_word);
static const struct calm__kind bytes_kind = KIND(load_bytes, write_bytes);

calm_status calm_treemap_create(calm_map **out, const calm_options *options)
{
	struct calm_map *base;
	bool bytes = options && options->keys == CALM_KEYS_BYTES;
	calm_status status = calm__map_new(&base, out, options, bytes ? &bytes_kind : &word_kind,
					   sizeof(struct calm__treemap));
	if (status != CALM_OK)
		return status;
	struct calm__treemap *map = calm__treemap_of(base);
	calm__snaps_init(&map->snaps);
	calm__history_init(&map->history, map, &base->heap, &map->snaps);
	calm__nodes_init(map);
	struct calm__tree *tree = options && reserve(base, options->capacity) != CALM_OK
					  ? NULL
					  : calm__tree_new(map);
	if (!tree) {
		calm__map_free(base);
		return CALM_ENOMEM;
	}
	/* order: none - nobody else has the map yet. */
	store_relaxed(&map->tree, tree);
	*out = base;
	return CALM_OK;
}
