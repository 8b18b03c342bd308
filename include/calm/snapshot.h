/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Snapshots: a map at one instant, while writers run on. On hashmap, treemap, lockmap, cowmap and
 * deltamap; syncmap and shardmap answer CALM_EUNSUPPORTED.
 *
 * A snapshot never stops a writer (lockmap's copy aside), survives any number of resizes, may be
 * used by several threads at once, and may be held across blocking calls as long as wanted; what it
 * alone still sees stays in memory until it is closed. Values and key bytes that came out of it are
 * good until it is closed; if the map has a snapshot_budget, and so may oust the snapshot, only
 * inside a read section that began before they came out, or in the visitor. Visitors run with no
 * lock and no read section held, and may do anything, also to this map.
 */
#ifndef CALM_SNAPSHOT_H
#define CALM_SNAPSHOT_H

#include <calm/map.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Opens the map as it is at one instant inside this call. OK, EINVAL, ENOMEM, EUNSUPPORTED; EBUSY on
 * hashmap if one has been open while 2^30 others were opened. *out is the caller's, to be closed
 * before the map is destroyed. O(1) on hashmap, treemap, cowmap, deltamap; O(n) on lockmap, whose
 * writers wait.
 */
CALM_API calm_status calm_map_snapshot(calm_map *map, calm_snapshot **out);

/*
 * Closes; NULL is fine; on any thread, once, when no thread uses the snapshot or a cursor on it any
 * more.
 */
CALM_API void calm_snapshot_close(calm_snapshot *snapshot);

/* OK: *value is the binding at the snapshot's instant. ABSENT, EINVAL, EKEY, ENOMEM, ESTALE. */
CALM_API calm_status calm_snapshot_load(calm_snapshot *snapshot, calm_key key, void **value);

/*
 * Each binding exactly once; in key order on treemap. 0, the visitor's non-zero, EINVAL, ENOMEM,
 * ESTALE.
 */
CALM_API int calm_snapshot_each(calm_snapshot *snapshot, calm_visit_fn *visit, void *context);

/*
 * The bindings with keys in [*from, *to), ascending or descending; NULL is that end of the key
 * space. treemap only, else EUNSUPPORTED. 0, the visitor's non-zero, EINVAL, EKEY, ENOMEM, ESTALE.
 */
CALM_API int calm_snapshot_range(calm_snapshot *snapshot, const calm_key *from, const calm_key *to,
				 calm_visit_fn *visit, void *context);
CALM_API int calm_snapshot_range_descending(calm_snapshot *snapshot, const calm_key *from,
					    const calm_key *to, calm_visit_fn *visit,
					    void *context);

/* Grows with every snapshot of the map; 0 for NULL. */
CALM_API uint64_t calm_snapshot_stamp(const calm_snapshot *snapshot);

/*
 * The exact number of bindings; 0 for NULL, if the snapshot was ousted, and without memory to count.
 * O(1) on lockmap and cowmap, else at most one pass, once.
 */
CALM_API size_t calm_snapshot_size(calm_snapshot *snapshot);

typedef int calm_diff_fn(calm_key key, bool before, void *old_value, bool after, void *new_value,
			 void *context);

/*
 * Every key that was added (after only), removed (before only) or bound to other bits (both)
 * between two snapshots of the same map, each once. 0, the visitor's non-zero, EINVAL (not of one
 * map, or older is the younger one), ENOMEM, ESTALE.
 */
CALM_API int calm_snapshot_diff(calm_snapshot *older, calm_snapshot *newer, calm_diff_fn *visit,
				void *context);

/*
 * A position between two bindings of a snapshot, on the caller's stack; nothing to close. Its order
 * is the same for every cursor of the snapshot: by key on treemap; on hashed kinds one of its own,
 * which need not be calm_snapshot_each's. One thread at a time.
 */
typedef struct calm_cursor {
	calm_snapshot *snapshot;
	uint64_t state[15]; /* the kind's own */
} calm_cursor;

/* Before the first binding. OK, EINVAL. */
CALM_API calm_status calm_cursor_init(calm_cursor *cursor, calm_snapshot *snapshot);

/*
 * Before the binding of key: next returns it. On treemap, if there is none, before the next greater
 * key. OK: the key is there. ABSENT: it is not; on hashed kinds the cursor has not moved. EINVAL,
 * EKEY, ESTALE.
 */
CALM_API calm_status calm_cursor_seek(calm_cursor *cursor, calm_key key);

/*
 * Steps over one binding, and gives it: key and value may be NULL. OK. ABSENT: there is none that
 * way. EINVAL, ESTALE.
 */
CALM_API calm_status calm_cursor_next(calm_cursor *cursor, calm_key *key, void **value);
CALM_API calm_status calm_cursor_prev(calm_cursor *cursor, calm_key *key, void **value);

#ifdef __cplusplus
}
#endif

#endif
