/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The parts of `calm trace`, and what passes between them.
 *
 *   agent/     runs inside the traced program: turns the library's probes into events, and takes samples
 *   record.c   starts that program, drains its rings, and gives stacks.c the samples' stacks to
 *              keep and to name:                                a struct trace_recording
 *   timeline.c pairs begins with ends; overlap.c finds what slowed a traversal:
 *                                                             a struct trace_timeline
 *   page.c, perfetto.c, pprof.c, summary.c                      write it down; names.c has the words
 *
 * Invariants: times are nanoseconds since the recording began; events and samples of a recording are in
 * the order of their times; spans are in the order of their begins. What refers to another thing
 * does so by its index, TRACE_NONE being no such thing. What was lost is counted where it was lost.
 */
#ifndef CLI_TRACE_TRACE_H
#define CLI_TRACE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TRACE_NAME "calm trace"
#define TRACE_NONE UINT32_MAX

/* ---- the recording ---- */

/*
 * What the probes tell; a, b, c are a probe's arguments in their order (docs/tracing.md). The three
 * that can happen a million times a second come as bursts: `count` of them between ns - c and ns.
 */
enum trace_event_kind {
	TRACE_TRAVERSAL_BEGIN, /* map, verb (enum trace_verb) */
	TRACE_TRAVERSAL_END,   /* map, verb */
	TRACE_SNAPSHOT_OPEN,   /* map, snapshot */
	TRACE_SNAPSHOT_CLOSE,  /* map, snapshot; perhaps another thread than opened it */
	TRACE_RESIZE_BEGIN,    /* map, buckets before, buckets after */
	TRACE_RESIZE_CHUNK,    /* map, first bucket of the chunk */
	TRACE_RESIZE_END,      /* map; perhaps another thread than began it */
	TRACE_COPY_BEGIN, /* map, entries: a table is copied (syncmap, cowmap, lockmap's snapshot) */
	TRACE_COPY_END,   /* map */
	TRACE_PROMOTION,  /* map, entries: syncmap's dirty table became the one that is read */
	TRACE_COMPACT_BEGIN, /* map: deltamap builds its next base, or history is compacted */
	TRACE_COMPACT_END,   /* map */
	TRACE_RECLAIM_BEGIN, /* pointers that wait in this thread's bag */
	TRACE_RECLAIM_END,   /* pointers that were released */
	TRACE_STALL_BEGIN,   /* a reader that keeps what was retired: its thread id, its epoch */
	TRACE_STALL_END,     /* epoch */
	TRACE_SECTION, /* a read section that lasted over 10 us, at its end: c is how long, in ns */
	TRACE_SECTIONS, /* burst: shorter ones */
	TRACE_RETIRES,  /* burst */
	TRACE_IMAGES,   /* burst: a is the map of the last of them */
	TRACE_EVENT_KINDS
};

enum trace_verb {
	TRACE_EACH,
	TRACE_WALK,
	TRACE_SNAPSHOT_EACH,
	TRACE_SNAPSHOT_RANGE,
	TRACE_SNAPSHOT_DIFF,
	TRACE_VERBS
};

struct trace_event {
	uint64_t ns;
	uint64_t a, b, c;
	uint32_t count;  /* of a burst; else 1 */
	uint32_t thread; /* index */
	uint8_t kind;    /* enum trace_event_kind */
};

/* A call stack as a node of the tree of all of them: its innermost frame, and the stack of its caller. */
struct trace_stack {
	uint32_t frame;
	uint32_t caller; /* TRACE_NONE: outermost; else less than this one's own index */
};

struct trace_frame {
	const char *function; /* or "0x1234" where there is no name */
	const char *file;     /* of the source; NULL: not known */
	const char *module;   /* path of the executable or library; NULL: not known */
	uint64_t address;     /* in the module's own terms, as addr2line takes it */
	uint32_t line;        /* 0: not known */
	uint32_t module_index;
};

struct trace_module {
	const char *path;
	const char *build_id;        /* hexadecimal, or NULL */
	uint64_t begin, end, offset; /* as mapped, executable part */
	uint64_t bias; /* of an address in the process over the module's own: stacks.c finds it */
};

struct trace_sample {
	uint64_t ns;
	uint32_t thread;
	uint32_t stack; /* TRACE_NONE: it could not be found */
};

struct trace_thread {
	uint32_t id; /* the kernel's */
	char name[16];
	uint64_t begin, end; /* the first and last that was heard of it */
	uint64_t events_lost, samples_lost;
};

struct trace_map {
	uint64_t address; /* as the probes name it */
	char kind[16];    /* "hashmap"; "" if it was not learned */
};

struct trace_recording {
	char **command;     /* of the traced program, NULL at its end */
	uint64_t began;     /* CLOCK_REALTIME, ns */
	uint64_t ns;        /* it lasted */
	uint64_t sample_ns; /* a sample stands for so much processor time */
	int exit_status;    /* as wait(2) tells */
	struct trace_thread *threads;
	struct trace_map *maps;
	struct trace_module *modules;
	struct trace_event *events;
	struct trace_sample *samples;
	struct trace_stack *stacks;
	struct trace_frame *frames;
	uint64_t event_count, sample_count;
	uint32_t thread_count, map_count, module_count, stack_count, frame_count;
	uint64_t threads_lost; /* threads for which there was no ring: their events are lost, uncounted */
	uint64_t sample_cost_ns; /* what taking a sample took, the kernel's part not counted; 0: none was taken */
	uint64_t event_cost_ps; /* what recording one event takes, measured in that process; 0: not */
};

struct trace_stacks; /* below */

/* ---- record.c: starts the program, and empties its rings meanwhile; drain.c, finish.c: parts of it ---- */

struct trace_order {
	char **command;       /* NULL at its end */
	const char *program;  /* what is run for it; NULL: command[0], looked for in PATH */
	uint64_t reclaim_ns;  /* one reclamation a second is made to last so much longer; 0: none */
	uint64_t events_most; /* that are kept; the rest is counted as lost */
	bool progress;        /* a line on stderr, redrawn */
};

#define TRACE_EVENTS_MOST 2000000

/*
 * Runs the program to its end, which may be a crash. False: it could not be run or recorded, and stderr says why. stacks gets
 * the samples' stacks, which are not named yet.
 */
bool trace_record(const struct trace_order *order, struct trace_stacks *stacks,
		  struct trace_recording *recording);
void trace_recording_free(struct trace_recording *recording);

/* ---- the timeline ---- */

enum trace_span_kind {
	TRACE_SPAN_TRAVERSAL,
	TRACE_SPAN_SNAPSHOT,
	TRACE_SPAN_RECLAIM,
	TRACE_SPAN_RESIZE,
	TRACE_SPAN_COPY,
	TRACE_SPAN_COMPACT,
	TRACE_SPAN_STALL,
	TRACE_SPAN_SECTION,
	TRACE_SPAN_KINDS
};

struct trace_span {
	uint64_t begin, end; /* ns; an end that did not come is the recording's */
	uint64_t a,
		b; /* of the begin: verb, entries, buckets before and after; RECLAIM: b is how many were released */
	uint32_t thread;     /* that began it */
	uint32_t end_thread; /* that ended it; TRACE_NONE: it did not end */
	uint32_t map;        /* index, or TRACE_NONE */
	uint32_t number;     /* among those of its kind, from 1: "traversal 14" */
	uint8_t kind;        /* enum trace_span_kind */
	bool begin_lost; /* its begin was not seen; it is taken to have begun when the thread was first seen */
};

/* What has no length: promotions, chunks of a resize, and bursts. */
struct trace_mark {
	uint64_t ns, length; /* length of a burst, before ns */
	uint64_t a;
	uint32_t count;
	uint32_t thread;
	uint32_t map;
	uint8_t kind; /* enum trace_event_kind */
};

/* A traversal, and something that went on meanwhile and may have slowed it. */
struct trace_overlap {
	uint32_t traversal; /* index of a span */
	uint32_t other;     /* index of a span: reclaim, resize, copy, compaction, stall */
	uint64_t ns;        /* they went on together */
	bool elsewhere;     /* the other is a resize, copy or compaction of another map */
};

struct trace_timeline {
	const struct trace_recording *recording;
	struct trace_span *spans;
	struct trace_mark *marks;
	struct trace_overlap *
		overlaps; /* those elsewhere last, else the longest first; at most TRACE_OVERLAPS */
	uint64_t span_count, mark_count;
	uint32_t overlap_count;
	uint64_t overlaps_left_out;
};

#define TRACE_OVERLAPS 10000

/* ---- stacks.c: the samples' stacks, kept once each, and the names of what they lie in ---- */

struct trace_stacks;

/* NULL: no memory. What it gave to a recording is its own, until it is closed. */
struct trace_stacks *trace_stacks_open(void);
void trace_stacks_close(struct trace_stacks *stacks);

/*
 * A stack as it was found: addresses in the traced process, the innermost first; that one is where
 * the program was, the others are return addresses. Its number, for the `stack` of a sample.
 * TRACE_NONE: no memory, or a depth of 0. O(depth).
 */
uint32_t trace_stacks_add(struct trace_stacks *stacks, const uint64_t *addresses, size_t depth);

/*
 * Once, at the end, when the recording's modules are known: gives it stacks and frames, inlined
 * functions with frames of their own, and turns the `stack` of its samples from a number of
 * trace_stacks_add() into an index. False: no memory. Each address is looked up once.
 */
bool trace_stacks_name(struct trace_stacks *stacks, struct trace_recording *recording);

/* What this build lacks to name functions and lines, for people; NULL: nothing. */
const char *trace_stacks_lack(void);

/* ---- timeline.c ---- */

/* False: no memory. The recording stays the caller's, and must outlive the timeline. O(n log n). */
bool trace_timeline_make(const struct trace_recording *recording, struct trace_timeline *timeline);
void trace_timeline_free(struct trace_timeline *timeline);

/* ---- overlap.c: part of the above ---- */

bool trace_overlaps_find(struct trace_timeline *timeline);

/* ---- names.c ---- */

#define TRACE_TEXT 200

/* "traversal", "reclaim"; "walk"; "promotion". */
const char *trace_span_kind_name(enum trace_span_kind kind);
const char *trace_verb_name(uint64_t verb);
const char *trace_event_name(enum trace_event_kind kind);
/* "hashmap 0x55d0c0", or "map 0x55d0c0"; "thread 3 walker-1"; in text, of TRACE_TEXT bytes, which is returned. */
const char *trace_map_text(const struct trace_recording *recording, uint32_t map, char *text);
const char *trace_thread_text(const struct trace_recording *recording, uint32_t thread, char *text);
/* "traversal 14 (walk of hashmap 0x55d0c0, thread 3 walker-1, 7.1 ms)" */
const char *trace_span_text(const struct trace_timeline *timeline, uint64_t span, char *text);

/* ---- page.c, perfetto.c, pprof.c: write a whole file. False: writing failed, or no memory. ---- */

bool trace_page_write(const struct trace_timeline *timeline, FILE *file);
bool trace_perfetto_write(const struct trace_timeline *timeline, FILE *file);
bool trace_pprof_write(const struct trace_timeline *timeline, FILE *file);

/* ---- summary.c: what `calm trace` prints. files: that were written, NULL at the end ---- */

bool trace_summary(const struct trace_timeline *timeline, const char *const *files, bool json,
		   FILE *file);

#endif
