/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Concurrent maps: one interface, several algorithms behind it. A kind of map is chosen by its
 * constructor; every verb works on every kind or answers CALM_EUNSUPPORTED.
 *
 * Every verb is linearizable: it takes effect in one instant between its call and its return. A
 * NULL map or a NULL result pointer is CALM_EINVAL (calm_map_size answers 0), a key of the wrong
 * kind or size CALM_EKEY, before anything is touched. A failed verb changed nothing.
 *
 * Values. A value is one void *; an integer is stored by a cast, NULL is a value, and values
 * compare by their bits. If the map has options.release, a value that was stored successfully
 * belongs to the map: release(value, context) is called exactly once, after the value was displaced
 * (replaced, deleted, cleared, or left when the map was destroyed) and no reader or snapshot can
 * still see it; on any thread, never under a lock. Storing again the very value that is bound
 * counts as one more value: it is released once per successful store. Pointers that came out of a
 * map are safe while the caller is inside a read section that began before the load (see
 * calm_read_begin), or holds a snapshot that saw them. A map without release never frees a value,
 * so its values need no section.
 */
#ifndef CALM_MAP_H
#define CALM_MAP_H

#include <calm/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct calm_map calm_map;
typedef struct calm_snapshot calm_snapshot; /* see snapshot.h */

/* The kind of key a map is made for; the other kind is answered with CALM_EKEY. */
typedef enum calm_key_kind {
	CALM_KEYS_WORD = 0, /* calm_word(): no allocation per entry where the kind of map can */
	CALM_KEYS_BYTES = 1 /* calm_bytes(), calm_str(): copied in */
} calm_key_kind;

typedef struct calm_options {
	size_t size;              /* sizeof(calm_options), set by CALM_OPTIONS_INIT */
	calm_key_kind keys;       /* default CALM_KEYS_WORD */
	size_t capacity;          /* entries expected; 0 starts small */
	calm_release_fn *release; /* NULL: values are never released */
	void *context;            /* for release; must live until calm_map_destroy returned */
	const calm_allocator *allocator; /* copied; NULL: malloc */
	uint64_t seed;          /* of the hash; 0: a random one; fixed: repeatable, and floodable */
	size_t snapshot_budget; /* bytes of history; past it the oldest snapshot is ousted; 0: none */
	unsigned shards;        /* shardmap: 1 to 65536; 0: 32 */
	size_t compact_at; /* deltamap: changed keys; 0: see there; SIZE_MAX: only when called for */
} calm_options;

/* clang-format off */
#define CALM_OPTIONS_INIT {sizeof(calm_options), CALM_KEYS_WORD, 0, NULL, NULL, NULL, 0, 0, 0, 0}
/* clang-format on */

/*
 * Constructors: *out is the new map, to be given to calm_map_destroy. options may be NULL (all
 * defaults). CALM_OK. CALM_EINVAL: out is NULL or an option is out of range. CALM_ENOMEM: no
 * memory, or a capacity that no memory could hold. CALM_EUNSUPPORTED: this build of calm does not
 * have that kind. On failure *out is untouched.
 */

/*
 * The one to use: a hash table. Loads are lock-free, but for one case: a load waits for a writer
 * stopped in the same bucket if a snapshot was opened since that bucket was last written. Writes
 * lock a bucket of one cache line; word keys allocate nothing per entry. Snapshots open in O(1);
 * the first write to a bucket after that saves what it held. Shrinks when what is left would fill
 * an eighth of the table, but not below capacity or what calm_map_reserve asked for. History comes
 * in pieces of 64 KiB for each thread that writes, and is held against snapshot_budget when a thread
 * begins one; treemap and deltamap do the same.
 */
CALM_API calm_status calm_hashmap_create(calm_map **out, const calm_options *options);

/*
 * The one to use when order matters: a B+tree with O(1) snapshots and range walks. Loads take no lock;
 * a load waits while a writer shifts its leaf or changes the shape of a node on the way, and for a
 * writer stopped in its leaf if a snapshot was opened since that leaf was last written. Writes lock a
 * leaf; word keys allocate a leaf now and then, byte keys a copy of the key. calm_map_each and
 * calm_map_walk go in key order. A leaf that lost nearly all is put together with its neighbour, or,
 * if an open snapshot is older than its last change, left for a later delete nearby. capacity is
 * not used.
 */
CALM_API calm_status calm_treemap_create(calm_map **out, const calm_options *options);

/*
 * A read-only table that is read without a lock, and a dirty table under a mutex that takes new
 * keys and is promoted when it was asked often enough: Go's sync.Map before 1.24. For keys that are
 * written once and read often. New keys keep copying the table. No snapshots. Two addresses inside
 * libcalm's own data serve as marks and cannot be values (CALM_EINVAL).
 */
CALM_API calm_status calm_syncmap_create(calm_map **out, const calm_options *options);

/*
 * One readers-writer lock and one table. A snapshot copies the table: O(n), writers wait meanwhile.
 * The yardstick.
 */
CALM_API calm_status calm_lockmap_create(calm_map **out, const calm_options *options);

/*
 * options.shards tables with a lock each, chosen by hash. No snapshots. clear takes all locks and is
 * one step. each visits one shard after the other, as it was at one instant; if the map has
 * options.release, a shard's visits share a read section. Room is shared out, so reserve and
 * capacity may leave a table short of it.
 */
CALM_API calm_status calm_shardmap_create(calm_map **out, const calm_options *options);

/*
 * An immutable table behind one atomic pointer; a write that changes something copies it: O(n).
 * Writers that wait have their changes done by the next copy. calm_map_apply changes many keys with
 * one. For small, rarely changed maps. Of snapshot_budget, a table counts once however many
 * snapshots share it, and not while it is still the map's.
 */
CALM_API calm_status calm_cowmap_create(calm_map **out, const calm_options *options);

/*
 * A large immutable base, dense and in order of hash, and what was changed since as marks over it in
 * a hash table. Loads ask both; walks and snapshots merge both, as of one instant; progress is
 * hashmap's. For large maps that are read and walked, and of which little changes at a time.
 *
 * Once options.compact_at keys are marked (0: 64, or a sixteenth of the base if that is more), the
 * next base is made beside the old one, which then goes with its last traversal. Writers share that
 * work, some microseconds each, and nobody waits for it. Besides bases that snapshots hold there are
 * two at the most: while a read section is open that an old one may be seen in, no other is begun,
 * unless the marks come to twice the base. Without memory for it the map goes on as it is. reserve
 * and capacity make room for marks only. One address inside libcalm's own data serves as a mark and
 * cannot be a value (CALM_EINVAL).
 */
CALM_API calm_status calm_deltamap_create(calm_map **out, const calm_options *options);

/*
 * Makes the next base now, of all that was changed before the call, in the calling thread, while
 * others read and write on, and waits for no reader. What the map holds is the same after as before.
 * OK; EINVAL; ENOMEM; EUNSUPPORTED: no deltamap. O(n).
 */
CALM_API calm_status calm_deltamap_compact(calm_map *map);

/*
 * Frees a map; NULL is fine. Waits for the readers that were inside a section, then releases every
 * value the map still holds, so that when it returns release() will not be called for this map
 * again. No other thread may use the map by then. CALM_EBUSY: a snapshot of it is open, or the
 * caller is inside a read section; the map is untouched.
 */
CALM_API calm_status calm_map_destroy(calm_map *map);

/* The name of the kind ("hashmap", "lockmap", …): a static string; "none" for NULL. */
CALM_API const char *calm_map_kind(const calm_map *map);

/*
 * The verbs. Cost O(1) expected on the hashed kinds, O(log n) on treemap, unless the kind's own
 * description says more. Progress and allocation per kind stand in the README's table. On any
 * status but OK (and, for swap, ABSENT) result pointers are untouched unless the comment says
 * otherwise.
 */

/* OK: *value is the binding. ABSENT. */
CALM_API calm_status calm_map_load(const calm_map *map, calm_key key, void **value);

/* OK: inserted or replaced. ENOMEM. */
CALM_API calm_status calm_map_store(calm_map *map, calm_key key, void *value);

/*
 * OK: replaced, *previous is what was there. ABSENT: inserted, *previous untouched. ENOMEM.
 * previous may be NULL.
 */
CALM_API calm_status calm_map_swap(calm_map *map, calm_key key, void *value, void **previous);

/*
 * OK: stored, *actual is value. PRESENT: nothing stored, *actual is what is there. ENOMEM. actual
 * may be NULL.
 */
CALM_API calm_status calm_map_load_or_store(calm_map *map, calm_key key, void *value,
					    void **actual);

/*
 * OK: there is no binding now, and there was. ABSENT: there was none. ENOMEM: the kind must
 * remember what it displaced.
 */
CALM_API calm_status calm_map_delete(calm_map *map, calm_key key);

/*
 * As delete; on OK *value is what was there: inside a read section it can still be used. value may
 * be NULL.
 */
CALM_API calm_status calm_map_load_and_delete(calm_map *map, calm_key key, void **value);

/*
 * OK: it held expected and now holds value. CHANGED: it holds another. ABSENT, also if expected is
 * NULL. ENOMEM.
 */
CALM_API calm_status calm_map_compare_and_swap(calm_map *map, calm_key key, void *expected,
					       void *value);

/*
 * OK: it held expected and now holds nothing. CHANGED: it holds another. ABSENT, also if expected
 * is NULL. ENOMEM.
 */
CALM_API calm_status calm_map_compare_and_delete(calm_map *map, calm_key key, void *expected);

/*
 * Computes a binding from the present one. In: present, *value. Out: *value is stored, or *keep =
 * false: no binding. *keep comes in true. Any status but OK gives up: nothing changes and
 * calm_map_update returns it.
 */
typedef calm_status calm_update_fn(calm_key key, bool present, void **value, bool *keep,
				   void *context);

/*
 * Load, update, compare-and-swap, and again from the load if another thread was faster. update runs
 * with no lock held, may run more than once, and may use the map; what an attempt allocated and
 * lost, the next must reuse or free (keep it in context). If the map has options.release, update
 * runs inside a read section. OK; what update returned; ENOMEM.
 */
CALM_API calm_status calm_map_update(calm_map *map, calm_key key, calm_update_fn *update,
				     void *context);

/* Removes every binding in one atomic step. OK, ENOMEM. Cost: O(n) on the calling thread. */
CALM_API calm_status calm_map_clear(calm_map *map);

/*
 * Clears, and keeps what was there as a snapshot in *old: no write is in both, none is lost
 * between. OK, ENOMEM, EUNSUPPORTED where snapshots are.
 */
CALM_API calm_status calm_map_drain(calm_map *map, calm_snapshot **old);

/* The number of bindings: O(1), approximate while writers run, exact when quiet. */
CALM_API size_t calm_map_size(const calm_map *map);

/*
 * Makes room for so many entries in all, so that reaching that number need not grow a table. OK,
 * ENOMEM. A hint.
 */
CALM_API calm_status calm_map_reserve(calm_map *map, size_t entries);

/*
 * n loads at once, cheaper where the kind can overlap their cache misses; each is a load of its
 * own. found[i] is what calm_map_load would answer, values[i] is set where that is OK. Returns how
 * many were OK.
 */
CALM_API size_t calm_map_load_many(const calm_map *map, size_t n, const calm_key keys[],
				   void *values[], calm_status found[]);

typedef struct calm_change {
	calm_key key;
	void *value; /* to store; ignored by remove */
	bool remove; /* delete the key instead; an absent key is fine */
} calm_change;

/*
 * Applies all changes, in order, or none. For snapshots they happen in one instant; single loads
 * may see them key by key, except on lockmap and cowmap, where they too see all or none. OK,
 * EINVAL, EKEY (some key), ENOMEM; EUNSUPPORTED on syncmap and shardmap. n = 0 is fine.
 */
CALM_API calm_status calm_map_apply(calm_map *map, size_t n, const calm_change changes[]);

/*
 * Called for a binding. Non-zero stops the traversal, which returns it; use positive numbers, since
 * a negative result of a traversal is a calm_status. Byte keys and their bytes are good until the
 * visitor returns.
 */
typedef int calm_visit_fn(calm_key key, void *value, void *context);

/*
 * Live walk, as sync.Map's Range: no key twice; a key present throughout is visited; each value is
 * one that was bound at some time during the walk. The visitor may call any verb on this map. If
 * the map has options.release, the visitor may run inside a read section and then must not block.
 * 0: all visited; the visitor's non-zero; CALM_EINVAL, CALM_ENOMEM; CALM_EBUSY on hashmap, as from
 * calm_map_snapshot.
 */
CALM_API int calm_map_each(const calm_map *map, calm_visit_fn *visit, void *context);

/*
 * One consistent pass: as opening a snapshot, calm_snapshot_each and closing it, but writers need
 * not keep what the walk has passed: the cheapest exact traversal. The visitor runs with no lock
 * and no read section held and may do anything. 0; the visitor's non-zero; CALM_EINVAL,
 * CALM_ENOMEM, CALM_ESTALE; CALM_EBUSY on hashmap, as from calm_map_snapshot; CALM_EUNSUPPORTED
 * where snapshots are.
 */
CALM_API int calm_map_walk(calm_map *map, calm_visit_fn *visit, void *context);

/*
 * What a map, and the reclamation it shares with every other map of the process, is doing. All
 * counts since creation.
 */
typedef struct calm_stats {
	uint64_t entries;            /* as calm_map_size */
	uint64_t bytes;              /* allocated by the map now, snapshots and history included */
	uint64_t history_bytes;      /* of these, kept only because snapshots are open */
	uint64_t snapshots;          /* open now */
	uint64_t oldest_snapshot_ns; /* age of the oldest open one; 0: none */

	uint64_t hits;       /* syncmap: loads answered without the mutex; approximate */
	uint64_t misses;     /* syncmap: operations that took the mutex to look in dirty */
	uint64_t promotions; /* syncmap: dirty became the read-only table */
	uint64_t copies; /* of tables: syncmap's dirty, lockmap's snapshots, cowmap's writes, bases */
	uint64_t copied_bytes; /* bytes of those copies */
	uint64_t resizes;      /* tables grown or shrunk; treemap: leaves split or put together */

	/* Of the whole process. */
	uint64_t retired;      /* pointers of all threads that wait for readers now */
	uint64_t retired_peak; /* the most that ever did: each thread's own, added up */
	uint64_t stalls;    /* times a writer stopped waiting for a reader; see calm_read_begin */
	int stalled_thread; /* kernel id of the thread that stalls reclamation now; 0: none */
	char stalled_name[16]; /* its name, "" if none or unknown */
} calm_stats;

/* Fills *out; NULL map: only the process's part, the rest zero. O(threads). */
CALM_API void calm_map_stats(const calm_map *map, calm_stats *out);

#ifdef __cplusplus
}
#endif

#endif
