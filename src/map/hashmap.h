/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What the parts of hashmap share: its lines, tables and generations, and how a bucket is locked.
 * hashmap.c describes the whole.
 */
#ifndef CALM_MAP_HASHMAP_H
#define CALM_MAP_HASHMAP_H

#include "map/kind.h"
#include "sync/history.h"

#define CALM__SLOTS 3
/* A thread that finds a bucket locked pauses so often, then yields, and from the thousandth time on naps. */
#define HASH_SPINS 32
#define HASH_NAPS_FROM 1000

/*
 * A cache line: a bucket, or what overflows from one. Guarded by the bucket's lock, and read
 * without it.
 *
 *     bit   0      1      2         3..5      6..29              30..63
 *           LOCK   MOVED  OVERFLOW  occupied  tags (byte keys)   version
 *
 * In a line that overflowed, only occupied and tags count, and overflow leads on.
 */
struct calm__line {
	shared_u64 header;
	shared_u32 stamp;    /* the epoch of the last change, its low bits */
	shared_u32 overflow; /* number of the first line that overflowed; 0: none */
	struct {
		shared_u64 key;
		shared_ptr value;
	} slots[CALM__SLOTS];
};

#define LINE_LOCK ((uint64_t)1)
#define LINE_MOVED ((uint64_t)2)    /* for ever: its bindings are in table->next */
#define LINE_OVERFLOW ((uint64_t)4) /* overflow is not 0 */
#define LINE_OCCUPIED ((uint64_t)8) /* of slot 0; the other two follow */
#define LINE_TAG_SHIFT 6
#define LINE_VERSION ((uint64_t)1 << 30)

static inline unsigned calm__line_occupied(uint64_t header)
{
	return (unsigned)(header / LINE_OCCUPIED) & 7;
}

/* The header with a slot taken, or freed. */
static inline uint64_t calm__line_take(uint64_t header, unsigned slot, uint64_t tag)
{
	unsigned shift = LINE_TAG_SHIFT + 8 * slot;
	return (header & ~((uint64_t)0xff << shift)) | tag << shift | LINE_OCCUPIED << slot;
}

static inline uint64_t calm__line_leave(uint64_t header, unsigned slot)
{
	return header & ~(LINE_OCCUPIED << slot);
}

/* Lines that overflow live in chunks, each twice the last; numbers begin at 1. */
#define CALM__CHUNKS 28
#define CALM__POOLS 8

/* A share of the free lines: one per group of threads. */
struct calm__pool {
	struct calm__lock lock;
	uint32_t free; /* the first; each leads on by overflow; 0: none */
	char apart[120];
};

/*
 * Life: filled from the one before, while next of that leads here -> current -> filling its own
 * next -> all moved, retired.
 */
struct calm__hash_table {
	struct calm__line *lines;
	unsigned shift; /* bucket = hash >> shift */
	unsigned bits;  /* 64 - shift */
	struct calm__generation *generation;
	shared_ptr next;  /* NULL, or where the bindings are moving to */
	uint64_t *births; /* of lines' values; NULL if values are not released */
	size_t tally;     /* a thread looks at the load whenever its count is a multiple */
	size_t room;      /* entries for which it is large enough */
	void *memory;     /* what lines and births lie in */
	size_t bytes;     /* of memory */
	char apart[64];
	shared_u64 claimed; /* buckets that helpers have set out to move, over and over */
	shared_u64 moved;   /* buckets that are MOVED */
	char apart_too[112];
	struct calm__lock chunk_lock;
	shared_u32 chunks;                /* chunks there are; changed under chunk_lock */
	shared_u64 carved;                /* numbers given to the pools so far */
	unsigned first_bits;              /* the first chunk has 2^first_bits lines */
	shared_ptr chunk[CALM__CHUNKS];   /* lines, and their births behind them */
	void *chunk_memory[CALM__CHUNKS]; /* what each lies in */
	struct calm__pool pools[CALM__POOLS];
};

/*
 * The bindings between two clears. A writer that holds a bucket's lock and then finds another
 * generation current has changed nothing, and begins again there.
 */
struct calm__generation {
	shared_ptr table; /* the oldest that has buckets not moved */
	uint32_t number;
	uint64_t refs;      /* the map, while it is current, and its snapshots; guarded by turn */
	uint64_t displaced; /* cleared: what was bound at positions below has been displaced, */
	bool all_displaced; /* or everything */
	struct calm__generation *orphan; /* the next that could not be retired for want of memory */
	struct calm__bed *bed;           /* what lies under it; NULL but in a deltamap */
	char apart[88];
	struct calm__stripes count;
};

struct calm__hashmap {
	struct calm_map base;
	char apart[128];
	shared_ptr table; /* current generation's; every verb begins here */
	char apart_too[112];
	struct calm__snaps snaps;
	struct calm__history history;
	struct calm__lock turn; /* opening, clearing and closing, one at a time */
	struct calm__generation *current;
	struct calm__generation *orphans;
	uint64_t refreshed; /* stamps of positions below were refreshed last */
	shared_u64 least;   /* entries asked for: it does not shrink below */
	bool layered;       /* its generations have beds: a deltamap's */
};

/* Loads are const to the user. */
static inline struct calm__hashmap *calm__hashmap_of(const struct calm_map *map)
{
	return (struct calm__hashmap *)(uintptr_t)map;
}

static inline struct calm__hash_table *calm__hashmap_table(struct calm__hashmap *map)
{
	/* order: hash.table acquire <- finish(), take_place(): the table. */
	return load_acquire(&map->table);
}

static inline struct calm__line *calm__bucket(const struct calm__hash_table *table, uint64_t hash)
{
	return &table->lines[hash >> table->shift];
}

static inline uint64_t calm__bucket_place(const struct calm__hash_table *table, uint64_t hash)
{
	return calm__place(hash, table->bits);
}

/* ---- stamps ---- */

/*
 * A stamp is an epoch's low bits; its distance to the epoch stays below a quarter of what they can
 * count (calm__hashmap_refresh), and so does an open snapshot's.
 */
#define STAMP_BITS CALM__KNOB(stamp_bits, 32)
#define STAMP_MASK ((uint32_t)(((uint64_t)1 << STAMP_BITS) - 1))
#define STAMP_QUARTER ((uint64_t)1 << (STAMP_BITS - 2))

static inline uint32_t calm__stamp(uint64_t epoch)
{
	return (uint32_t)epoch & STAMP_MASK;
}

/* The epoch that a stamp of the past stands for. */
static inline uint64_t calm__stamp_epoch(uint32_t stamp, uint64_t now)
{
	return now - (((uint32_t)now - stamp) & STAMP_MASK);
}

/* Whether a stamp is later than a snapshot's. */
static inline bool calm__stamp_after(uint32_t stamp, uint64_t snapshot)
{
	uint32_t ahead = (stamp - (uint32_t)snapshot) & STAMP_MASK;
	return ahead != 0 && ahead < 2 * STAMP_QUARTER;
}

/* ---- lines that overflowed ---- */

static inline unsigned calm__chunk_of(const struct calm__hash_table *table, uint32_t number)
{
	return 63 - (unsigned)__builtin_clzll(((uint64_t)(number - 1) >> table->first_bits) + 1);
}

/* The number of a chunk's first line, less one. */
static inline uint64_t calm__chunk_start(const struct calm__hash_table *table, unsigned chunk)
{
	return (((uint64_t)1 << chunk) - 1) << table->first_bits;
}

/* number is not 0, and has been given out: a reader's may be of the past, not torn. */
static inline struct calm__line *calm__overflow(struct calm__hash_table *table, uint32_t number)
{
	unsigned chunk = calm__chunk_of(table, number);
	/* order: none - the number was published after its chunk, and brought it. */
	struct calm__line *lines = load_relaxed(&table->chunk[chunk]);
	return lines + (number - 1 - calm__chunk_start(table, chunk));
}

/*
 * A free line's number; 0: calm__pool_grow first. The line is empty, and its header must not be emptied again:
 * who comes late with the line from another bucket finds there how it became so.
 */
uint32_t calm__pool_take(struct calm__hash_table *table, const struct calm__self *self);
void calm__pool_give(struct calm__hash_table *table, const struct calm__self *self,
		     uint32_t number);
bool calm__pool_grow(struct calm__hashmap *map, struct calm__hash_table *table);

/*
 * Where the birth of a slot's value stands: guarded by the bucket's lock. number 0: in the bucket
 * itself. Only if table->births.
 */
uint64_t *calm__birth(struct calm__hash_table *table, const struct calm__line *line,
		      uint32_t number, unsigned slot);

/* ---- tables ---- */

/* NULL: no memory. epoch: the stamp of every bucket; filled later: no line is touched yet. */
struct calm__hash_table *calm__table_make(struct calm__hashmap *map, unsigned bits,
					  struct calm__generation *generation, uint64_t epoch,
					  bool filled_later);
void calm__table_unmake(struct calm__hashmap *map, struct calm__hash_table *table);
/* Every bucket that is not MOVED, of a quiet table and the one that it is moving to. */
void calm__table_each(struct calm__hash_table *table,
		      void (*visit)(struct calm__hash_table *, struct calm__line *, void *),
		      void *context);
#define CALM__TABLE_BITS 48
/* The bits of the smallest table with room for so many; more than that: no memory could hold it. */
unsigned calm__table_bits(uint64_t entries);

/* ---- the whole: hashmap.c ---- */

/* What is left to do for a map that was just made. OK, ENOMEM. */
calm_status calm__hashmap_init(struct calm__hashmap *map, size_t capacity);
void calm__hashmap_destroy(struct calm_map *base);
void calm__hashmap_stats(const struct calm_map *base, calm_stats *out);
/* A key's binding, or mark, in a table or those it is moving to. OK, ABSENT. Inside a section. */
calm_status calm__hashmap_find(struct calm__hashmap *map, struct calm__hash_table *table,
			       calm_key key, uint64_t hash, void **value);
/* ---- writes: hashmap_write.c ---- */

calm_status calm__hashmap_write_word(struct calm_map *base, calm_key key,
				     struct calm__write *write);
calm_status calm__hashmap_write_bytes(struct calm_map *base, calm_key key,
				      struct calm__write *write);

/* ---- locking ---- */

struct calm__locked {
	struct calm__hash_table *table;
	struct calm__line *line;
	uint64_t header; /* as it was, without the lock */
	uint64_t hash;   /* that it was looked for by */
	uint64_t epoch;  /* found inside the lock; the locker sets it */
};

/* Waits for the holder of a lock that is held for some ten nanoseconds, if it is running. */
static inline void calm__hashmap_wait(unsigned *turn)
{
	if ((*turn)++ < HASH_SPINS)
		calm__pause();
	else
		calm__wait_turn(*turn < HASH_NAPS_FROM ? 0 : 16);
}

/* The bucket that has `hash`, in a table or in those it is moving to. Inside a section. */
static inline struct calm__locked calm__lock_bucket(struct calm__hash_table *table, uint64_t hash)
{
	struct calm__line *line = calm__bucket(table, hash);
	unsigned turn = 0;
	for (;;) {
		/* order: hash.publish acquire <- calm__unlock_bucket(): MOVED: the buckets that it
		 * moved to, with what stands beside them. */
		uint64_t header = load_acquire(&line->header);
		if (unlikely(header & LINE_MOVED)) {
			/* order: none - MOVED came after it, and brought it. */
			table = load_relaxed(&table->next);
			line = calm__bucket(table, hash);
		} else if (unlikely(header & LINE_LOCK)) {
			calm__hashmap_wait(&turn);
			/* order: hash.publish acquire <- calm__unlock_bucket(): the last holder's
			 * changes. sc: the lock comes before the epoch's load, see snap.epoch. */
		} else if (likely(cas_sc(&line->header, &header, header | LINE_LOCK))) {
			return (struct calm__locked){table, line, header, hash, 0};
		}
	}
}

/* Publishes what the holder did; with the header as it was, nothing. */
static inline void calm__unlock_bucket(const struct calm__locked *locked, uint64_t header)
{
	/* order: hash.publish release -> calm__lock_bucket(), load_key(), read_unit(): who sees a
	 * slot occupied sees its key and value; MOVED: the buckets that it moved to. sc: before what
	 * this thread loads next. As gets read through locks, two threads that each store one key and
	 * load the other's would else both miss the other's store. */
	store_sc(&locked->line->header, header);
}

/* ---- resizing: hashmap_resize.c ---- */

/* A share of moving a table, beginning with the bucket of `hash`. Outside all locks. */
void calm__hashmap_help(struct calm__hashmap *map, struct calm__self *self,
			struct calm__hash_table *table, uint64_t hash);
/* After a change of the count: grows or shrinks, if it is time. */
void calm__hashmap_look(struct calm__hashmap *map, struct calm__hash_table *table);
/* Until the table has room for so many; it may shrink again. Outside all locks and sections. OK or ENOMEM. */
calm_status calm__hashmap_grow(struct calm__hashmap *map, struct calm__self *self, size_t entries);
calm_status calm__hashmap_reserve(struct calm_map *base, size_t entries);
/*
 * Keeps stamps from growing too old; a few buckets for each snapshot opened. Inside a section. False:
 * no memory, and so none may be opened.
 */
bool calm__hashmap_refresh(struct calm__hashmap *map, struct calm__self *self);

/* ---- generations: hashmap_clear.c ---- */

struct calm__generation *calm__generation_new(struct calm__hashmap *map, uint64_t capacity,
					      uint64_t epoch);
/* One reference less; retires it with the last. Inside a section. */
void calm__generation_drop(struct calm__hashmap *map, struct calm__self *self,
			   struct calm__generation *generation);
/* Quiet: releases every value and record of it, and frees it. */
void calm__generation_free(struct calm__hashmap *map, struct calm__generation *generation);
calm_status calm__hashmap_clear(struct calm_map *base);
calm_status calm__hashmap_drain(struct calm_map *base, struct calm_snapshot **out);

/* ---- the whole: hashmap_check.c ---- */

const char *calm__hashmap_check(const struct calm_map *base);

/* ---- batches and snapshots ---- */

calm_status calm__hashmap_apply(struct calm_map *base, size_t n, const calm_change changes[]);

/* A snapshot of one generation. */
struct calm__hash_snapshot {
	struct calm_snapshot base;
	struct calm__generation *generation;
	struct calm__base *under; /* NULL but in a deltamap */
	shared_u64 size;          /* + 1, once counted */
};

extern const struct calm__snapshot_kind calm__hashmap_snapshots;
calm_status calm__hash_cursor_seek(struct calm_cursor *cursor, calm_key key);
calm_status calm__hash_cursor_step(struct calm_cursor *cursor, bool forward, calm_key *key,
				   void **value);
int calm__hashmap_walk(struct calm_map *base, calm_visit_fn *visit, void *context);

#endif
