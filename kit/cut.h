/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The snapshot-cut checker: is what a traversal saw one instant of the map?
 *
 * Every writer owns a range of entries and makes numbered writes 1, 2, 3, … to them. Which entry
 * write i hits, and whether it stores or deletes, is a function of (writer, i); the value stored is
 * (writer + 1, i) in one word. So the state after any prefix of a writer's history is known in
 * closed form, no log is kept, and a snapshot is right exactly if it is such a prefix for every
 * writer, not older than what had finished before it was opened and not newer than what had started
 * when it was open: the specification of a single-writer atomic snapshot (Afek, Attiya, Dolev,
 * Gafni, Merritt and Shavit, "Atomic snapshots of shared memory", JACM 40(4), 1993), per writer.
 *
 *	entries	0 … n0-1 writer 0 | n0 … writer 1 | … | touched … entries-1: nobody writes these
 *	write i	1 … n: the first store of every entry (the preload) | i > n: entry (i * stride) mod n again, one in
 *		delete_every a delete
 *	value	bits 63-48: writer + 1 | bits 47-0: i		of a touched entry
 *		bits 63-48: 0          | bits 47-0: entry	of an untouched one
 *
 * Design: the checker finds the entry from the value, not from the key, so that a binding costs one
 * table access for byte keys too; then the key is held against that entry's (word keys exactly,
 * byte keys by a 32-bit print of XXH3), which catches a value under a wrong key. An entry whose
 * value is wrong is thus reported as alien and as missing.
 *
 * Invariants: `started` >= every write that can be seen, `finished` <= every write that must be; a
 * check's slots are all zero between checks.
 *
 * Rejected: a version log per key to look writes up in (memory and a cache miss per write, and it
 * orders the writers by its own atomics); checking monotone reads only (a torn snapshot passes).
 */
#ifndef KIT_CUT_H
#define KIT_CUT_H

#include <calm/map.h>
#include <stdatomic.h>
#include <stdio.h>

#define KIT_CUT_WRITERS 1024
#define KIT_CUT_NUMBER_BITS 48

/* What can be wrong. */
enum kit_cut_fault {
	KIT_CUT_TWICE,     /* a key seen twice in one traversal */
	KIT_CUT_ALIEN,     /* a key or value that nobody wrote, or a value under another key */
	KIT_CUT_UNTOUCHED, /* an entry that nobody writes is missing */
	KIT_CUT_PREFIX,    /* a snapshot is no prefix of a writer's history */
	KIT_CUT_OLD, /* it lacks a write that had finished before; a live walk shows a value displaced before */
	KIT_CUT_NEW,    /* it holds a write that had not started */
	KIT_CUT_LOST,   /* live walk: a key that was there throughout was not visited */
	KIT_CUT_REREAD, /* a second reading of the same snapshot differs */
	KIT_CUT_LOAD,   /* a later load was older than the snapshot */
	KIT_CUT_VERB,   /* a writer's own verb answered what its history rules out */
	KIT_CUT_FAILED, /* a traversal was refused or stopped, or ran past 2^32 writes of one writer: nothing decided */
	KIT_CUT_FAULTS
};

/* A word for each, for tables: "twice", "alien", … */
const char *kit_cut_fault_name(enum kit_cut_fault fault);

/* What was found; all zero to start. One thread at a time. */
struct kit_cut_report {
	uint64_t faults[KIT_CUT_FAULTS];
	uint64_t total;
	char text[1600]; /* the first few, a line each */
	size_t used;     /* of text */
};

/* Counts a fault and, while there is room, keeps its description (printf). */
__attribute__((format(printf, 3, 4))) void kit_cut_fault(struct kit_cut_report *report,
							 enum kit_cut_fault fault,
							 const char *format, ...);

/* Adds from to into. */
void kit_cut_report_merge(struct kit_cut_report *into, const struct kit_cut_report *from);

/*
 * A writer's range and its progress. The first part never changes; the counters are on a line of
 * their own.
 */
struct kit_cut_writer {
	uint64_t first;   /* its first entry */
	uint64_t n;       /* its entries; its writes to one entry are n apart */
	uint64_t stride;  /* coprime to n */
	uint64_t inverse; /* of stride, mod n */
	_Alignas(64) _Atomic uint64_t started; /* published before write `started` begins */
	_Atomic uint64_t finished;             /* published after write `finished` returned */
	char pad[48];
};

/*
 * The history all threads of a run share. Made by kit_cut_init; only the counters change
 * afterwards.
 */
struct kit_cut {
	uint64_t entries;
	uint64_t touched; /* the first of them; the rest nobody writes */
	unsigned writers;
	unsigned delete_every; /* one write in so many deletes; 0: none */
	bool verbs; /* writers use swap, load_or_store, compare… too, and check the answers */
	uint64_t seed;
	const calm_key *keys; /* byte keys by entry, the caller's; NULL: entry e has the word key e */
	uint32_t *prints;     /* of the byte keys */
	struct kit_cut_writer *writer;
};

struct kit_cut_options {
	uint64_t entries; /* 1 … 2^32 - 1 */
	uint64_t touched; /* <= entries; shared out among the writers evenly, each gets one at least */
	unsigned writers;      /* 0 … KIT_CUT_WRITERS; 0 if touched is 0 */
	unsigned delete_every; /* 4: a quarter of the writes after the preload are deletes; 0: none */
	bool verbs;
	uint64_t seed; /* chooses which writes delete, and the order of the entries */
	const calm_key *
		keys; /* entries byte keys, all different, good while the kit_cut lives; NULL: word keys */
};

/* CALM_OK; CALM_EINVAL: a number is out of range; CALM_ENOMEM. Free with kit_cut_free. O(entries). */
calm_status kit_cut_init(struct kit_cut *cut, const struct kit_cut_options *options);
void kit_cut_free(struct kit_cut *cut);

/* The key of an entry, and the value an entry that nobody writes has. */
static inline calm_key kit_cut_key(const struct kit_cut *cut, uint64_t entry)
{
	return cut->keys != NULL ? cut->keys[entry] : calm_word(entry);
}

static inline void *kit_cut_untouched(uint64_t entry)
{
	return (void *)(uintptr_t)entry;
}

/* The entry that write `number` (>= 1) of a writer hits. Two divisions. */
static inline uint64_t kit_cut_entry_of(const struct kit_cut_writer *writer, uint64_t number)
{
	return writer->first + number % writer->n * writer->stride % writer->n;
}

/* Whether that write stores; else it deletes. */
static inline bool kit_cut_stores_of(const struct kit_cut *cut, const struct kit_cut_writer *writer,
				     uint64_t number)
{
	if (number <= writer->n)
		return true;
	uint64_t x = (number + (writer->first << 20) + cut->seed) * 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
	return ((x >> 32) * cut->delete_every) >> 32 != 0 || cut->delete_every == 0;
}

/* The greatest number <= limit that hits place j (0 … n-1) of the writer's range; 0: none does. */
static inline uint64_t kit_cut_last_of(const struct kit_cut_writer *writer, uint64_t j,
				       uint64_t limit)
{
	uint64_t number = j * writer->inverse % writer->n;

	if (number == 0)
		number = writer->n;
	return limit < number ? 0 : number + (limit - number) / writer->n * writer->n;
}

/* The value that write stores. */
static inline void *kit_cut_value(unsigned writer, uint64_t number)
{
	return (void *)(uintptr_t)(((uint64_t)writer + 1) << KIT_CUT_NUMBER_BITS | number);
}

/*
 * Stores the untouched entries and makes every writer's first n writes. OK, or the first status of
 * the map below 0.
 */
calm_status kit_cut_preload(struct kit_cut *cut, calm_map *map);

/*
 * Makes a writer's next write. Called by one thread at a time per writer. An answer that the
 * history rules out is a KIT_CUT_VERB in report. OK, or the map's status below 0: then the write
 * did not happen and is tried again next time.
 */
calm_status kit_cut_step(struct kit_cut *cut, unsigned writer, calm_map *map,
			 struct kit_cut_report *report);

/* Writes finished so far, of all writers; the preload counts. */
uint64_t kit_cut_writes(const struct kit_cut *cut);

/*
 * What one traversal saw of an entry: 0 not seen, else write number - writer's base; 1 for an
 * untouched one.
 */
struct kit_cut_slot {
	uint32_t print; /* of the byte key, so that key and number come with one cache line */
	uint32_t seen;
};

/*
 * A binding whose slot is on its way from memory: slots are hit at random, so a binding is looked
 * at KIT_CUT_LATE bindings after it was fed, and no call waits for a cache miss.
 */
#define KIT_CUT_LATE 16

struct kit_cut_late {
	uint64_t value;
	uint32_t entry;
	uint32_t print;
	bool full;
};

/* Per writer, during a check. */
struct kit_cut_span {
	uint64_t before; /* finished before the traversal began */
	uint64_t base; /* number that seen counts from: before - n, or 0; numbers up to it are too old */
	uint64_t after; /* started when the snapshot was open, or when the live walk had ended */
	uint64_t most;  /* greatest number seen */
	uint64_t prefix; /* decided by kit_cut_end: the snapshot is the first `prefix` writes; UINT64_MAX: undecided */
};

/* One traverser's state, reused from traversal to traversal: 8 bytes an entry. */
struct kit_cut_check {
	const struct kit_cut *cut;
	struct kit_cut_slot *slots;
	struct kit_cut_span *spans;
	struct kit_cut_report report;       /* of all traversals since init */
	uint64_t bindings;                  /* of this traversal */
	uint64_t untouched;                 /* of them, entries that nobody writes */
	uint64_t sum;                       /* order-independent checksum of what was fed */
	uint64_t first_sum, first_bindings; /* of the first reading */
	uint64_t mark;                      /* report.total when this reading began */
	bool live;
	bool opened;
	bool again;  /* a second reading of the same snapshot */
	unsigned at; /* of late: the oldest */
	struct kit_cut_late late[KIT_CUT_LATE];
};

/* OK, ENOMEM. One check per thread that traverses; cut must outlive it. */
calm_status kit_cut_check_init(struct kit_cut_check *check, const struct kit_cut *cut);
void kit_cut_check_free(struct kit_cut_check *check);

/*
 * Before the snapshot is opened, or the walk begins. live: a calm_map_each, which promises less.
 * O(writers).
 */
void kit_cut_begin(struct kit_cut_check *check, bool live);

/*
 * After the snapshot was opened: bounds it from above. Of calm_map_walk, whose opening nobody sees,
 * the first binding fed does it. Nothing for a live walk. O(writers).
 */
void kit_cut_opened(struct kit_cut_check *check);

/* Before the same snapshot is read a second time, after kit_cut_end of the first. */
void kit_cut_again(struct kit_cut_check *check);

/* A binding: a calm_visit_fn, context is the check. Always 0. Some 10-20 ns. */
int kit_cut_visit(calm_key key, void *value, void *check);

/*
 * After the last binding: status is what the traversal returned. True: nothing was wrong with it.
 * Empties the slots. O(entries), some ns each.
 */
bool kit_cut_end(struct kit_cut_check *check, int status);

/*
 * "Never newer than a later get": a calm_map_load of that entry, called after kit_cut_end said true
 * of a snapshot and with nothing begun since, answered status and *value. It must show the
 * snapshot's write or a later one. True: it does.
 */
bool kit_cut_load(struct kit_cut_check *check, uint64_t entry, calm_status status, void *value);

/*
 * The same for a calm_snapshot_load of the very snapshot: it must show exactly what the traversal
 * did.
 */
bool kit_cut_snapshot_load(struct kit_cut_check *check, uint64_t entry, calm_status status,
			   void *value);

#endif
