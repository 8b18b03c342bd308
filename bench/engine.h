/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The parts that suites are made of: streams of operations, teams of threads that run for a time,
 * and slices, in which a subject runs a stream.
 *
 *	| start | warm  | measured        | stop
 *	        ^       ^                 ^
 *	 all threads    main's clock      main's clock; a thread looks at the phase after each batch
 *	 are there
 */
#ifndef BENCH_ENGINE_H
#define BENCH_ENGINE_H

#include "bench/bench.h"
#include "kit/clock.h"
#include "kit/hist.h"
#include "kit/workload.h"

#include <pthread.h>
#include <stdatomic.h>

#define BENCH_MS ((uint64_t)1000000)
#define BENCH_S ((uint64_t)1000000000)

/*
 * A mix: percents, multiples of 5. Inserts and erases draw from twice the entries, of which half
 * are there.
 */
struct bench_workload {
	const char *name;
	unsigned get, put, insert, erase;
};

#define BENCH_WORKLOADS 5
extern const struct bench_workload bench_workloads[BENCH_WORKLOADS];

/*
 * Words as subject.h draws them, in shared memory that a process of its own can map through path.
 */
struct bench_stream {
	uint64_t *words;
	size_t count;
	unsigned number; /* no other of this process has it */
	int file;
	char path[48];
};

/* False: no memory. */
bool bench_stream_make(struct bench_stream *stream, const struct bench_workload *workload,
		       enum kit_distribution distribution, uint64_t entries);

/* One operation for each of the indices first … first + count - 1, in that order. */
bool bench_stream_each(struct bench_stream *stream, enum bench_op op, uint64_t first,
		       uint64_t count);
void bench_stream_free(struct bench_stream *stream);

enum bench_phase { BENCH_HELD, BENCH_WARM, BENCH_MEASURED, BENCH_STOP };

struct bench_team;

/* A thread of a team; its body returns soon after the phase became BENCH_STOP. */
struct bench_worker {
	_Alignas(64) struct bench_team *team;
	unsigned number;
	void *context;
	uint64_t ops;        /* its own account, read when it has ended, */
	uint64_t before;     /* and what of it was before the measured part */
	uint64_t warm_until; /* when it saw the measured part begin: bench_worker_tick */
};

struct bench_team {
	_Atomic(enum bench_phase) phase;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* arrived, or phase from BENCH_HELD to another */
	unsigned arrived;       /* under lock */
};

static inline enum bench_phase bench_phase(const struct bench_worker *worker)
{
	return atomic_load_explicit(&worker->team->phase, memory_order_relaxed);
}

/* Counts ops done since the last tick; false: stop. */
static inline bool bench_worker_tick(struct bench_worker *worker, uint64_t ops)
{
	enum bench_phase phase = bench_phase(worker);

	worker->ops += ops;
	if (phase == BENCH_WARM)
		worker->before = worker->ops;
	return phase != BENCH_STOP;
}

typedef void bench_body_fn(struct bench_worker *worker);

/* Who does what: threads of one body. */
struct bench_role {
	bench_body_fn *body;
	void *context;
	unsigned threads;
	uint64_t ops; /* out: of the measured part */
};

/*
 * Runs all roles together. How long the measured part was, in ns; 0: threads could not be had, or
 * ^C.
 */
uint64_t bench_run(struct bench *bench, struct bench_role *roles, size_t count, uint64_t warm_ns,
		   uint64_t ns);

/* A subject's thread context; NULL if it needs none. */
static inline void *bench_enter(const struct bench_subject *subject, void *map)
{
	return subject->enter != NULL ? subject->enter(map) : NULL;
}

static inline void bench_leave(const struct bench_subject *subject, void *map, void *thread)
{
	if (subject->leave != NULL)
		subject->leave(map, thread);
}

/* A subject, its map, and what the map must hold by now. */
struct bench_instance {
	const struct bench_subject *subject;
	void *map;
	uint64_t entries;         /* loaded */
	uint64_t expected;        /* bindings */
	struct bench_tally tally; /* of the present column */
	uint64_t slices;          /* run so far: each begins elsewhere in its stream */
};

/* Makes a map and loads indices 0 … entries - 1. False: it could not be had, which is noted. */
bool bench_instance_make(struct bench *bench, const char *suite, struct bench_instance *instance,
			 const struct bench_subject *subject, uint64_t entries, size_t capacity);

/* Adds the indices from first on, which must not be there. */
bool bench_fill(struct bench *bench, struct bench_instance *instance, uint64_t first,
		uint64_t count);
void bench_instance_free(struct bench_instance *instance);

/*
 * Runs a slice; the tally is added to the instance's. Operations a second; NaN: interrupted, or it
 * failed.
 */
double bench_slice(struct bench *bench, struct bench_instance *instance,
		   const struct bench_stream *stream, unsigned threads, uint64_t warm_ns,
		   uint64_t ns);

/*
 * Holds the tally of a column against what must be; a false one is refused by name. Empties the
 * tally.
 */
void bench_check(struct bench *bench, const char *suite, struct bench_instance *instance,
		 const struct bench_workload *workload);

/*
 * Holds the size of the map against what it answered; some maps must be counted through for that.
 */
void bench_check_size(struct bench *bench, const char *suite,
		      const struct bench_instance *instance);

/* Whether the subject can be driven thread by thread here, that is, is no process of its own. */
static inline bool bench_is_local(const struct bench_subject *subject)
{
	return subject->slice == NULL;
}

static inline bool bench_is_kind(const struct bench_subject *subject)
{
	return subject->kind != NULL;
}

/* The processors this process may use. */
unsigned bench_cores(void);

/* Repeats, slice and size: asked for, else what the suite has for quick and full runs. */
static inline unsigned bench_repeats(const struct bench *bench, unsigned quick, unsigned full)
{
	return bench->repeats > 0 ? bench->repeats : bench->quick ? quick : full;
}

static inline uint64_t bench_slice_ns(const struct bench *bench, uint64_t quick, uint64_t full)
{
	return bench->slice_ns > 0 ? bench->slice_ns : bench->quick ? quick : full;
}

static inline uint64_t bench_entries(const struct bench *bench, uint64_t quick, uint64_t full)
{
	return bench->entries > 0 ? bench->entries : bench->quick ? quick : full;
}

void bench_sleep(uint64_t ns);

#endif
