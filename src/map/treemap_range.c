/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * How a snapshot of treemap is read: leaf by leaf, by their ends. A leaf says what it holds and where
 * it ends, and that is where the next begins. So splitting, merging and saving in between change
 * the leaves, but not what they add up to.
 *
 * A leaf that has changed since is read from its image. That was saved by this leaf, or by one that
 * it was split off from, and then covers more; what lies outside the leaf as it is now is left to
 * the others. A leaf is put together with another only if no open snapshot looks for images of either
 * (treemap_merge.c), so no image covers less.
 *
 * Invariant: entries are taken in a section, then it is left, and they are visited. Where a scan goes
 * on is behind the last entry it took: the name of that is kept for the snapshot, as the end of a
 * leaf is not.
 */
#include "map/treemap_range.h"

#include "map/treemap_leaf.h"

calm_key calm__tree_key(const struct calm__treemap *map, uint64_t stored)
{
	if (!calm__has_names(map))
		return calm_word(stored);
	const struct calm__name *name = calm__name_of(stored);
	return calm_bytes(calm__name_bytes(name), calm__name_size(name));
}

static int compare_words(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* What a slot holds against a key, and against an edge: < 0 before it. */
INLINE int compare(uint64_t stored, calm_key key, const bool bytes)
{
	return bytes ? calm__name_compare(calm__name_of(stored), key, 0)
		     : compare_words(stored, calm_key_word(key));
}

INLINE bool before(uint64_t stored, const struct calm__edge *edge, const bool bytes)
{
	int order = compare(stored, edge->key, bytes);
	return order < 0 || (order == 0 && edge->behind);
}

/* How many of n rising entries lie before an edge that is not open; of them, `low` are known to. */
INLINE size_t count_before(const struct calm__entry *entries, size_t low, size_t n,
			   const struct calm__edge *edge, const bool bytes)
{
	while (low < n) {
		size_t middle = (low + n) / 2;
		if (before(entries[middle].key, edge, bytes))
			low = middle + 1;
		else
			n = middle;
	}
	return low;
}

/* The same where the edge's key begins with the prefix behind which tags are: they tell most. */
INLINE size_t count_tagged(const struct calm__entry *entries, size_t n,
			   const struct calm__edge *edge, size_t prefix, const bool bytes)
{
	size_t low = 0;
	if (!bytes)
		return count_before(entries, 0, n, edge, false);
	uint64_t tag = calm__tag_of(calm__head(edge->key.data, edge->key.size, prefix));
	while (low < n && calm__tag_of(entries[low].key) < tag)
		low++;
	size_t same = low;
	while (same < n && calm__tag_of(entries[same].key) == tag)
		same++;
	return count_before(entries, low, same, edge, true);
}

/* ---- a leaf ---- */

/* A leaf as a snapshot sees it: its ends, as the tree has them now, and its entries. */
struct unit {
	uint64_t low;
	uint64_t high;
	struct calm__node *next;
	struct calm__beside beside;
	size_t prefix; /* behind which its tags are */
	size_t n;
	struct calm__entry *entries;
};

INLINE bool ends_open(const struct unit *unit, bool ascending, const bool bytes)
{
	return ascending ? unit->high == (bytes ? 0 : UINT64_MAX) : unit->low == 0;
}

/* The edge where a unit ends, or begins; not an open one. */
INLINE struct calm__edge edge_at(uint64_t end, bool ascending, const bool bytes)
{
	struct calm__edge edge = {false, false, calm_word(0)};
	if (bytes)
		edge.key = calm_bytes(calm__name_bytes(calm__name_of(end)),
				      calm__name_size(calm__name_of(end)));
	else
		edge.key = calm_word(ascending ? end + 1 : end);
	return edge;
}

/*
 * What an image has of the leaf as it is now. Ends that are the same words are the same ends: a name
 * between two leaves stays as long as an open snapshot needs an image of either.
 */
INLINE void clip(struct unit *unit, uint64_t image_low, uint64_t image_high, const bool bytes)
{
	size_t n = unit->n;
	size_t skip = 0;
	if (unit->high != image_high && !ends_open(unit, true, bytes)) {
		struct calm__edge high = edge_at(unit->high, true, bytes);
		n = count_before(unit->entries, 0, n, &high, bytes);
	}
	if (unit->low != image_low && !ends_open(unit, false, bytes)) {
		struct calm__edge low = edge_at(unit->low, false, bytes);
		skip = count_before(unit->entries, 0, n, &low, bytes);
	}
	unit->n = n - skip;
	if (skip > 0)
		memmove(unit->entries, unit->entries + skip, unit->n * sizeof(*unit->entries));
}

/* The image of a leaf that was changed after the snapshot; its fields were read with its header. */
INLINE void read_image(const struct calm__tree_view *view, const struct calm__node *node,
		       struct unit *unit, const bool bytes)
{
	struct calm__history *history = &view->map->history;
	uint64_t id = node->id;
	uint64_t born = node->born;
	for (const struct calm__lineage *past = node->lineage; view->stamp < born && past;
	     past = past->older) {
		id = past->id;
		born = past->born;
	}
	calm__history_lock(history);
	const struct calm__image *image = calm__history_find(history, 0, id << 1, view->stamp);
	if (!image)
		calm__misuse("treemap", "what a snapshot saw is gone: memory was overwritten");
	uint64_t low = image->entries[IMAGE_ENDS].key;
	uint64_t high = (uint64_t)(uintptr_t)image->entries[IMAGE_ENDS].value;
	unit->prefix = (size_t)image->entries[IMAGE_PREFIX].key;
	unit->n = image->n - IMAGE_BINDINGS;
	memcpy(unit->entries, image->entries + IMAGE_BINDINGS, unit->n * sizeof(*image->entries));
	calm__history_unlock(history);
	clip(unit, low, high, bytes);
}

INLINE void copy_slots(struct calm__entry *to, struct calm__leaf *leaf, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		/* order: tree.slot acquire <- calm__slot_put(): the name; and the stamp and header
		 * from before it moved there, or later ones. */
		to[i].key = load_acquire(&leaf->keys[i]);
		/* order: tree.value acquire <- calm__value_put(): what it points to; and as above. */
		to[i].value = load_acquire(&leaf->values[i]);
	}
}

/* The leaf to the right of a unit, if it begins where that ends; NULL: look it up. */
INLINE struct calm__node *next_leaf(const struct unit *unit, uint64_t *header, const bool bytes)
{
	struct calm__node *node = unit->next;
	if (!node)
		return NULL;
	/* order: tree.publish acquire <- calm__node_unlock(): as in calm__tree_leaf(). */
	*header = load_sc(&node->header);
	if (node->low != (bytes ? unit->high : unit->high + 1))
		return NULL;
	return *header & (NODE_MOVE | NODE_GONE) ? NULL : node;
}

/* Leaves that are on their way before a scan comes to them. */
#define LEAVES_AHEAD 3

/* The leaf so many to the right, or left; which it is, the scan sees when it is there. */
INLINE void fetch_beside(const struct calm__beside *beside, int by)
{
	unsigned which = beside->at + (unsigned)by;
	if (!beside->parent || which >= beside->n)
		return;
	/* order: none - a hint; what was a child once stays in memory for the section. */
	const char *line = load_relaxed(&beside->parent->children[which]);
	for (size_t at = 0; at < offsetof(struct calm__leaf, births); at += 64)
		__builtin_prefetch(line + at);
}

enum seen { SEEN, SEEN_IMAGE, SEEN_NOTHING };

/* A leaf, found with this header, as the snapshot sees it. SEEN_NOTHING: look again. */
INLINE enum seen read_leaf(const struct calm__tree_view *view, struct calm__node *node,
			   uint64_t header, struct unit *unit, unsigned *turn, const bool bytes)
{
	if (unlikely(header & NODE_MOVE)) {
		calm__tree_wait(turn);
		return SEEN_NOTHING;
	}
	/* order: tree.stamp acquire <- calm__leaf_stamp(): the image. */
	uint64_t stamp = load_acquire(&node->stamp);
	unit->low = node->low;
	/* order: tree.high acquire <- set_high(): the name. */
	unit->high = load_acquire(&node->high);
	/* order: tree.next acquire <- split_leaf(): the leaf. */
	unit->next = load_acquire(&node->next);
	if (stamp > view->stamp) {
		if (!calm__node_same(node, header))
			return SEEN_NOTHING;
		read_image(view, node, unit, bytes);
		return SEEN;
	}
	if (unlikely(header & NODE_LOCK) && rule(TREE_SNAPSHOT_WAITS)) {
		calm__tree_wait(turn);
		return SEEN_NOTHING;
	}
	/* order: tree.slot acquire <- set_high(): as in calm__count_below(). */
	unit->prefix = load_acquire(&node->prefix);
	unit->n = calm__node_count(header);
	copy_slots(unit->entries, calm__leaf_of(node), (unsigned)unit->n);
	/* order: none - after the slots' acquires. */
	if (rule(TREE_SNAPSHOT_CHECKS) &&
	    (load_relaxed(&node->header) != header || load_relaxed(&node->stamp) != stamp))
		return SEEN_NOTHING;
	return SEEN;
}

/* The next unit of a scan. follows: *unit is the one before, and its end is `end`. */
INLINE void read_unit(const struct calm__tree_view *view, const struct calm__scan *scan,
		      struct unit *unit, bool follows, uint64_t end, const bool bytes)
{
	bool ascending = scan->ascending;
	int by = ascending ? 1 : -1;
	uint64_t header;
	unsigned turn = 0;
	struct calm__node *node = follows && ascending ? next_leaf(unit, &header, bytes) : NULL;
	for (;; node = NULL) {
		if (node) {
			unit->beside.at++;
		} else {
			struct calm__edge edge = follows     ? edge_at(end, ascending, bytes)
						 : ascending ? scan->from
							     : scan->to;
			struct calm__way way = {edge.open ? NULL : &edge.key,
						!ascending && !edge.behind, &unit->beside};
			unit->beside.parent = NULL;
			node = calm__tree_leaf(view->tree, way, &header, bytes);
			for (int i = 1; i < LEAVES_AHEAD; i++)
				fetch_beside(&unit->beside, i * by);
		}
		fetch_beside(&unit->beside, LEAVES_AHEAD * by);
		if (read_leaf(view, node, header, unit, &turn, bytes) != SEEN_NOTHING)
			return;
	}
}

/* ---- scans ---- */

static void turn_round(struct calm__entry *entries, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct calm__entry entry = entries[i];
		entries[i] = entries[n - 1 - i];
		entries[n - 1 - i] = entry;
	}
}

/* Whether a unit begins just where the scan stands: then nothing of it lies behind. */
INLINE bool meets(const struct unit *unit, uint64_t end, bool ascending, const bool bytes)
{
	if (bytes)
		return (ascending ? unit->low : unit->high) == end;
	return ascending ? unit->low == end + 1 : unit->high + 1 == end;
}

/* Where the unit's far end lies as seen from the scan's: 0 there, 1 beyond it, -1 before it. */
INLINE int reaches(const struct calm__scan *scan, const struct unit *unit, const bool bytes)
{
	const struct calm__edge *far = scan->ascending ? &scan->to : &scan->from;
	if (ends_open(unit, scan->ascending, bytes))
		return 1;
	if (far->open)
		return -1;
	struct calm__edge end = edge_at(scan->ascending ? unit->high : unit->low, scan->ascending,
					bytes);
	int order = bytes ? calm__bytes_compare(end.key.data, end.key.size, far->key.data,
						far->key.size, 0)
			  : compare_words(calm_key_word(end.key), calm_key_word(far->key));
	if (order == 0 && far->behind && scan->ascending)
		return -1;
	return scan->ascending ? order : -order;
}

/*
 * Adds a unit to what was taken, without what lies outside the scan. inside: nothing of it lies
 * behind the scan's near edge.
 */
INLINE void take_unit(struct calm__scan *scan, struct unit *unit, bool inside, const bool bytes)
{
	bool ascending = scan->ascending;
	int far = reaches(scan, unit, bytes);
	size_t skip = 0;
	size_t n = unit->n;
	scan->done = far >= 0;
	if (!scan->to.open && (ascending ? far > 0 : !inside))
		n = count_before(unit->entries, 0, n, &scan->to, bytes);
	if (!scan->from.open && (ascending ? !inside : far > 0))
		skip = count_tagged(unit->entries, n, &scan->from, unit->prefix, bytes);
	if (skip > 0)
		memmove(unit->entries, unit->entries + skip, (n - skip) * sizeof(*unit->entries));
	if (!ascending)
		turn_round(unit->entries, n - skip);
	scan->n += n - skip;
}

INLINE void take(const struct calm__tree_view *view, struct calm__scan *scan, size_t least,
		 const bool bytes)
{
	struct calm__self *self = calm__self();
	struct unit unit = {0};
	struct calm__edge *near = scan->ascending ? &scan->from : &scan->to;
	bool follows = false;
	scan->n = 0;
	calm__enter(self);
	while (!scan->done && scan->n < least) {
		uint64_t end = scan->ascending ? unit.high : unit.low;
		unit.entries = scan->entries + scan->n;
		read_unit(view, scan, &unit, follows, end, bytes);
		bool inside = follows && meets(&unit, end, scan->ascending, bytes);
		if (follows && !inside)
			*near = edge_at(end, scan->ascending, bytes);
		take_unit(scan, &unit, inside, bytes);
		follows = true;
	}
	calm__leave(self);
	if (!scan->done)
		*near = (struct calm__edge){
			false, scan->ascending,
			calm__tree_key(view->map, scan->entries[scan->n - 1].key)};
}

void calm__scan_take(const struct calm__tree_view *view, struct calm__scan *scan, size_t least)
{
	if (calm__has_names(view->map))
		take(view, scan, least, true);
	else
		take(view, scan, least, false);
}

/* So many are taken before the first is visited, and twice as many each time: few may be wanted. */
#define FIRST_HAUL 32
/* Hauls between two words to the writers. */
#define PASS_EVERY 8
/* Names are on their way so many visits ahead. */
#define NAMES_AHEAD 12

int calm__scan_visit(const struct calm__tree_view *view, struct calm__scan *scan,
		     calm_visit_fn *visit, void *context, struct calm__snap *passes)
{
	const struct calm__treemap *map = view->map;
	bool bytes = calm__has_names(map);
	unsigned hauls = 0;
	int result = 0;
	while (!scan->done && result == 0) {
		if (passes && !rule(TREE_PASS_AFTER_COPY))
			calm__walk_passes(passes, UINT64_MAX);
		calm__scan_take(view, scan, hauls < 3 ? FIRST_HAUL << hauls : CALM__HAUL);
		hauls++;
		if (passes && (hauls % PASS_EVERY == 0 || scan->done))
			calm__walk_passes(passes,
					  scan->done ? UINT64_MAX
						     : calm__key_position(map, scan->from.key));
		for (size_t i = 0; i < scan->n && bytes && i < NAMES_AHEAD; i++)
			__builtin_prefetch(calm__name_of(scan->entries[i].key));
		for (size_t i = 0; i < scan->n && result == 0; i++) {
			if (bytes && i + NAMES_AHEAD < scan->n)
				__builtin_prefetch(
					calm__name_of(scan->entries[i + NAMES_AHEAD].key));
			result = visit(calm__tree_key(map, scan->entries[i].key),
				       scan->entries[i].value, context);
		}
	}
	return result;
}

/* ---- one key ---- */

/* SEEN: *status and *value. */
INLINE enum seen read_key(const struct calm__tree_view *view, calm_key key, calm_status *status,
			  void **value, unsigned *turn, const bool bytes)
{
	uint64_t header;
	bool hit = false;
	struct calm__node *node = calm__tree_leaf(view->tree, (struct calm__way){&key, false, NULL},
						  &header, bytes);
	struct calm__leaf *leaf = calm__leaf_of(node);
	/* order: tree.stamp acquire <- calm__leaf_stamp(): the image. */
	uint64_t stamp = load_acquire(&node->stamp);
	if (unlikely((header & NODE_MOVE) ||
		     ((header & NODE_LOCK) && stamp <= view->stamp && rule(TREE_SNAPSHOT_WAITS)))) {
		calm__tree_wait(turn);
		return SEEN_NOTHING;
	}
	if (stamp > view->stamp)
		return calm__node_same(node, header) ? SEEN_IMAGE : SEEN_NOTHING;
	unsigned at = calm__leaf_find(leaf, calm__node_count(header), key, &hit, bytes);
	/* order: tree.value acquire <- calm__value_put(): what the value points to. */
	void *found = hit ? load_acquire(&leaf->values[at]) : NULL;
	/* order: none - after the slots' acquires. */
	if (rule(TREE_SNAPSHOT_CHECKS) &&
	    (load_relaxed(&node->header) != header || load_relaxed(&node->stamp) != stamp))
		return SEEN_NOTHING;
	*status = hit ? CALM_OK : CALM_ABSENT;
	if (hit)
		*value = found;
	return SEEN;
}

calm_status calm__tree_read(const struct calm__tree_view *view, calm_key key, void **value)
{
	struct calm__self *self = calm__self();
	bool bytes = calm__has_names(view->map);
	calm_status status = CALM_ABSENT;
	enum seen seen = SEEN_NOTHING;
	unsigned turn = 0;
	calm__enter(self);
	while (seen == SEEN_NOTHING)
		seen = bytes ? read_key(view, key, &status, value, &turn, true)
			     : read_key(view, key, &status, value, &turn, false);
	calm__leave(self);
	if (seen == SEEN)
		return status;
	struct calm__scan scan;
	scan.from = (struct calm__edge){false, false, key};
	scan.to = (struct calm__edge){false, true, key};
	scan.ascending = true;
	scan.done = false;
	calm__scan_take(view, &scan, 1);
	if (scan.n == 0)
		return CALM_ABSENT;
	*value = scan.entries[0].value;
	return CALM_OK;
}
