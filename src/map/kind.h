/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What a kind of map is: a struct that begins with calm_map, and a calm__kind of functions. map.c
 * and snapshot.c check arguments and call through it; a kind sees only non-NULL pointers and keys
 * of its own kind.
 *
 * The seven single-key writes are one operation, calm__write: find the binding, let calm__decide()
 * say what becomes of it, do that. So a kind's locking is written once, and what each verb means is
 * written here, once for all kinds.
 */
#ifndef CALM_MAP_KIND_H
#define CALM_MAP_KIND_H

#include "core/key.h"
#include "sync/history.h"
#include <calm/debug.h>
#include <calm/snapshot.h>

enum calm__verb {
	CALM__STORE, /* also swap */
	CALM__LOAD_OR_STORE,
	CALM__DELETE, /* also load_and_delete */
	CALM__COMPARE_AND_SWAP,
	CALM__COMPARE_AND_DELETE
};

struct calm__write {
	enum calm__verb verb;
	void *expected;
	void *value;
	void *previous; /* out: what was bound, if anything was */
};

enum calm__effect { CALM__LEAVE, CALM__PUT, CALM__REMOVE };

/* What becomes of a binding. For CALM__STORE the status is swap's: OK replaced, ABSENT inserted. */
static inline enum calm__effect calm__decide(const struct calm__write *write, bool present,
					     void *current, calm_status *status)
{
	bool compares = write->verb == CALM__COMPARE_AND_SWAP ||
			write->verb == CALM__COMPARE_AND_DELETE;
	*status = present ? CALM_OK : CALM_ABSENT;
	if (write->verb == CALM__STORE)
		return CALM__PUT;
	if (write->verb == CALM__LOAD_OR_STORE) {
		*status = present ? CALM_PRESENT : CALM_OK;
		return present ? CALM__LEAVE : CALM__PUT;
	}
	if (!present)
		return CALM__LEAVE;
	if (compares && current != write->expected) {
		*status = CALM_CHANGED;
		return CALM__LEAVE;
	}
	return write->verb == CALM__COMPARE_AND_SWAP ? CALM__PUT : CALM__REMOVE;
}

/* Whether a verb has a value to store. */
static inline bool calm__puts(const struct calm__write *write)
{
	return write->verb != CALM__DELETE && write->verb != CALM__COMPARE_AND_DELETE;
}

/* Whether a verb can bind an absent key. */
static inline bool calm__inserts(const struct calm__write *write)
{
	return write->verb == CALM__STORE || write->verb == CALM__LOAD_OR_STORE;
}

/* range may be NULL: the kind has no order. */
struct calm__snapshot_kind {
	size_t bytes; /* of the kind's own struct */
	calm_status (*open)(struct calm_map *, struct calm_snapshot **);
	/* Gives back what it kept, and takes it from the list. Called once, by one thread. */
	void (*dispose)(struct calm_snapshot *);
	calm_status (*load)(struct calm_snapshot *, calm_key, void **value);
	int (*each)(struct calm_snapshot *, calm_visit_fn *, void *context);
	uint64_t (*size)(struct calm_snapshot *);
	calm_status (*seek)(struct calm_cursor *, calm_key);
	calm_status (*step)(struct calm_cursor *, bool forward, calm_key *, void **value);
	int (*range)(struct calm_snapshot *, const calm_key *from, const calm_key *to,
		     bool ascending, calm_visit_fn *, void *context);
};

struct calm__table;

struct calm__kind {
	const char *name;
	void (*destroy)(
		struct calm_map
			*); /* quiet, no snapshot open: releases values, frees all but the calm_map */
	calm_status (*load)(const struct calm_map *, calm_key, void **value);
	calm_status (*write)(struct calm_map *, calm_key, struct calm__write *);
	calm_status (*clear)(struct calm_map *);
	uint64_t (*size)(const struct calm_map *);
	calm_status (*reserve)(struct calm_map *, size_t entries);
	int (*each)(const struct calm_map *, calm_visit_fn *, void *context);
	void (*stats)(const struct calm_map *, calm_stats *out); /* what map.c cannot know */
	const char *(*check)(
		const struct calm_map *); /* the invariant that does not hold, or NULL */

	/* NULL from here on: CALM_EUNSUPPORTED, or map.c does it from the above. */
	calm_status (*accepts)(const struct calm_map *,
			       const void *value); /* whether a value can be stored */
	size_t (*load_many)(const struct calm_map *, size_t n, const calm_key[], void *[],
			    calm_status[]);
	calm_status (*apply)(struct calm_map *, size_t n, const calm_change[]);
	calm_status (*drain)(struct calm_map *, struct calm_snapshot **);
	int (*walk)(struct calm_map *, calm_visit_fn *, void *context);

	const struct calm__snapshot_kind *snapshots;
};

struct calm_map {
	const struct calm__kind *kind;
	struct calm__keys keys;
	calm_release_fn *release;
	void *context;
	size_t budget;        /* options.snapshot_budget */
	shared_u64 snapshots; /* handles not yet closed */
	shared_u64 copies;    /* statistics */
	shared_u64 copied_bytes;
	shared_u64 resizes;
	struct calm_map *newer; /* in the list of all maps, as is older: registry.c */
	struct calm_map *older;
	struct calm__heap heap;
};

/* The list of all maps, which the debugger knows by this name; in and out of it. */
struct calm__maps {
	struct calm__lock lock;
	struct calm_map *newest;
};
extern struct calm__maps calm__maps;
void calm__map_enlist(struct calm_map *map);
void calm__map_delist(struct calm_map *map);

/* Every kind's snapshot begins with it. */
struct calm_snapshot {
	struct calm_map *map;
	struct calm__snap snap;
};

/*
 * The life of a snapshot, the same for every kind (snapshot.c). The list and the handle hold it; the
 * last of them frees the struct. new: zeroed behind base; NULL: no memory.
 */
struct calm_snapshot *calm__snapshot_new(struct calm_map *map);
/* One that was never opened. */
void calm__snapshot_free(struct calm_snapshot *snapshot);
/* After calm__snap_use, or the opening. */
void calm__snapshot_done(struct calm_snapshot *snapshot);
void calm__snapshot_close(struct calm_snapshot *snapshot);
/* Ousts the oldest; false: there is none that may be. */
bool calm__snapshots_oust(struct calm__snaps *snaps, bool newest_too);
/* Ousts until what the snapshots themselves count is within the map's budget. Never the newest. */
void calm__snapshots_keep_budget(struct calm_map *map, struct calm__snaps *snaps);
/* Bytes that are there for snapshots only, where what they see is in images. */
uint64_t calm__history_kept(struct calm__history *history);
/* Before a write that needs memory for history: ousts until that is within the map's budget. */
void calm__history_keep_budget(struct calm_map *map, struct calm__history *history);

/* A kind's snapshot that is a table as it was begins with it; reading one is the same for all. */
struct calm__frozen {
	struct calm_snapshot base;
	const struct calm__table *table;
};

calm_status calm__frozen_load(struct calm_snapshot *base, calm_key key, void **value);
int calm__frozen_each(struct calm_snapshot *base, calm_visit_fn *visit, void *context);
uint64_t calm__frozen_size(struct calm_snapshot *base);
calm_status calm__frozen_seek(struct calm_cursor *cursor, calm_key key);
calm_status calm__frozen_step(struct calm_cursor *cursor, bool forward, calm_key *key,
			      void **value);
/* As each, and then closes it. */
int calm__frozen_walk(struct calm_snapshot *base, calm_visit_fn *visit, void *context);

/*
 * Makes a map of `size` bytes, zeroed behind a filled-in calm_map. The caller finishes it and gives
 * it to the user, or gives it back with calm__map_free.
 */
calm_status calm__map_new(struct calm_map **out, calm_map **user, const calm_options *options,
			  const struct calm__kind *kind, size_t size);
void calm__map_free(struct calm_map *map);

/* Deferred releases with the map as context, for calm__retire and calm__displace. */
void calm__release_value(void *value, void *map);
void calm__release_record(void *record, void *map);

#endif
