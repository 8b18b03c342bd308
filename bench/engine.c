/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Streams, teams and slices; what they promise: engine.h.
 *
 * A slice begins with a part that is not measured, for the subject before it has emptied the
 * caches. Batches begin with one operation and grow while they take less than 50 us, so that a
 * subject of milliseconds an operation does not overrun its slice, and one of nanoseconds does not
 * read the clock.
 *
 * Rejected: a fixed number of operations (the slowest subject decides how long a round takes), and
 * a stop flag looked at after every operation (0.5 ns, and a line shared by all).
 */
#include "bench/engine.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define STREAM_LEAST ((size_t)1 << 20)
#define STREAM_MOST ((size_t)1 << 23)
#define PATTERN 20
#define BATCH_MOST 1024
#define BATCH_NS 50000
#define LOOK_EVERY (50 * BENCH_MS)

const struct bench_workload bench_workloads[BENCH_WORKLOADS] = {
	{"get", 100, 0, 0, 0},    {"g95u5", 95, 5, 0, 0},   {"g50u50", 50, 50, 0, 0},
	{"g90i5d5", 90, 0, 5, 5}, {"i50d50", 0, 0, 50, 50},
};

unsigned bench_cores(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
		return (unsigned)CPU_COUNT(&set);
	return 1;
}

void bench_sleep(uint64_t ns)
{
	const struct timespec time = {.tv_sec = (time_t)(ns / BENCH_S),
				      .tv_nsec = (long)(ns % BENCH_S)};

	(void)nanosleep(&time, NULL);
}

static bool map_stream(struct bench_stream *stream, size_t count)
{
	static unsigned number;

	stream->number = ++number;
	stream->count = count;
	stream->words = MAP_FAILED;
	stream->file = memfd_create("calm-bench", MFD_CLOEXEC);
	if (stream->file >= 0 &&
	    ftruncate(stream->file, (off_t)(count * sizeof *stream->words)) == 0)
		stream->words = mmap(NULL, count * sizeof *stream->words, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_POPULATE, stream->file, 0);
	if (stream->words != MAP_FAILED) {
		(void)snprintf(stream->path, sizeof stream->path, "/proc/%d/fd/%d", (int)getpid(),
			       stream->file);
		return true;
	}
	if (stream->file >= 0)
		(void)close(stream->file);
	*stream = (struct bench_stream){.file = -1};
	return false;
}

void bench_stream_free(struct bench_stream *stream)
{
	if (stream->words == NULL)
		return;
	(void)munmap(stream->words, stream->count * sizeof *stream->words);
	(void)close(stream->file);
	*stream = (struct bench_stream){.file = -1};
}

/*
 * The order of operations is one pattern of twenty, again and again: an order drawn for each costs
 * a mispredicted branch every few operations, 3 ns that are the harness's and not the map's. The
 * keys are drawn.
 */
static void mix(const struct bench_workload *workload, enum bench_op ops[PATTERN])
{
	const unsigned shares[] = {workload->get, workload->put, workload->insert, workload->erase};
	size_t n = 0;

	for (int op = BENCH_GET; op <= BENCH_ERASE; op++) {
		for (unsigned i = 0; i < shares[op] * PATTERN / 100; i++)
			/* 7 and 20 have no factor in common. */
			ops[7 * n++ % PATTERN] = (enum bench_op)op;
	}
}

bool bench_stream_make(struct bench_stream *stream, const struct bench_workload *workload,
		       enum kit_distribution distribution, uint64_t entries)
{
	uint64_t range = workload->insert + workload->erase > 0 ? 2 * entries : entries;
	size_t count = STREAM_LEAST;
	enum bench_op ops[PATTERN];

	while (count < entries && count < STREAM_MOST)
		count *= 2;
	uint32_t *indices = kit_stream_make(distribution, range, count, 1);
	if (indices == NULL || !map_stream(stream, count)) {
		free(indices);
		return false;
	}
	mix(workload, ops);
	for (size_t i = 0; i < count; i++)
		stream->words[i] = bench_key(indices[i]) | (uint64_t)ops[i % PATTERN] << 62;
	free(indices);
	return true;
}

bool bench_stream_each(struct bench_stream *stream, enum bench_op op, uint64_t first,
		       uint64_t count)
{
	if (!map_stream(stream, count))
		return false;
	for (uint64_t i = 0; i < count; i++)
		stream->words[i] = bench_key(first + i) | (uint64_t)op << 62;
	return true;
}

struct member {
	struct bench_worker worker; /* first: it is aligned */
	bench_body_fn *body;
	pthread_t thread;
};

static void *member_runs(void *context)
{
	struct member *member = context;

	struct bench_team *team = member->worker.team;

	(void)pthread_mutex_lock(&team->lock);
	team->arrived++;
	(void)pthread_cond_broadcast(&team->changed);
	while (bench_phase(&member->worker) == BENCH_HELD)
		(void)pthread_cond_wait(&team->changed, &team->lock);
	(void)pthread_mutex_unlock(&team->lock);
	member->body(&member->worker);
	return NULL;
}

/* Sleeps, but not past ^C. */
static bool wait_for(struct bench *bench, uint64_t until)
{
	for (;;) {
		uint64_t now = kit_now_ns();
		if (bench->stopped())
			return false;
		if (now >= until)
			return true;
		bench_sleep(until - now < LOOK_EVERY ? until - now : LOOK_EVERY);
	}
}

static void set_phase(struct bench_team *team, enum bench_phase phase)
{
	(void)pthread_mutex_lock(&team->lock);
	atomic_store_explicit(&team->phase, phase, memory_order_relaxed);
	(void)pthread_cond_broadcast(&team->changed);
	(void)pthread_mutex_unlock(&team->lock);
}

static void wait_for_arrivals(struct bench_team *team, unsigned threads)
{
	(void)pthread_mutex_lock(&team->lock);
	while (team->arrived < threads)
		(void)pthread_cond_wait(&team->changed, &team->lock);
	(void)pthread_mutex_unlock(&team->lock);
}

uint64_t bench_run(struct bench *bench, struct bench_role *roles, size_t count, uint64_t warm_ns,
		   uint64_t ns)
{
	struct bench_team team = {.phase = BENCH_HELD,
				  .lock = PTHREAD_MUTEX_INITIALIZER,
				  .changed = PTHREAD_COND_INITIALIZER};
	unsigned threads = 0, started = 0;
	uint64_t elapsed = 0;

	for (size_t r = 0; r < count; r++)
		threads += roles[r].threads;
	struct member *members = aligned_alloc(64, threads * sizeof *members);
	if (members == NULL)
		return 0;
	memset(members, 0, threads * sizeof *members);
	for (size_t r = 0; r < count; r++) {
		roles[r].ops = 0;
		for (unsigned i = 0; i < roles[r].threads; i++, started++) {
			struct member *member = &members[started];
			member->worker = (struct bench_worker){.team = &team,
							       .number = i,
							       .context = roles[r].context};
			member->body = roles[r].body;
			if (pthread_create(&member->thread, NULL, member_runs, member) != 0)
				goto stop;
		}
	}
	wait_for_arrivals(&team, threads);
	uint64_t began = kit_now_ns();
	set_phase(&team, BENCH_WARM);
	if (wait_for(bench, began + warm_ns)) {
		began = kit_now_ns();
		set_phase(&team, BENCH_MEASURED);
		if (wait_for(bench, began + ns))
			elapsed = kit_now_ns() - began;
	}
stop:
	set_phase(&team, BENCH_STOP);
	for (unsigned i = 0; i < started; i++)
		(void)pthread_join(members[i].thread, NULL);
	for (size_t r = 0, m = 0; r < count && started == threads; r++) {
		for (unsigned i = 0; i < roles[r].threads; i++, m++)
			roles[r].ops += members[m].worker.ops - members[m].worker.before;
	}
	free(members);
	return elapsed;
}

struct slice {
	const struct bench_subject *subject;
	void *map;
	const struct bench_stream *stream;
	unsigned threads;
	uint64_t seed;
	pthread_mutex_t lock;
	struct bench_tally tally; /* under lock */
};

static void add_tally(struct bench_tally *into, const struct bench_tally *from)
{
	into->ops += from->ops;
	into->hits += from->hits;
	into->wrong += from->wrong;
	into->puts += from->puts;
	into->inserts += from->inserts;
	into->inserted += from->inserted;
	into->erases += from->erases;
	into->erased += from->erased;
}

static void slice_body(struct bench_worker *worker)
{
	struct slice *slice = worker->context;
	const struct bench_stream *stream = slice->stream;
	struct bench_tally tally = {0};
	void *thread = bench_enter(slice->subject, slice->map);
	struct kit_random random;
	size_t batch = 1, done = 0;

	kit_random_seed(&random, slice->seed + worker->number);
	size_t at = kit_random_below(&random, stream->count);

	while (bench_worker_tick(worker, done)) {
		uint64_t began = batch < BATCH_MOST ? kit_now_ns() : 0;
		done = stream->count - at < batch ? stream->count - at : batch;
		slice->subject->batch(slice->map, thread, stream->words + at, done,
				      (kit_random_next(&random) & 1) != 0, &tally);
		at = at + done < stream->count ? at + done : 0;
		if (batch < BATCH_MOST && kit_now_ns() - began < BATCH_NS / 2)
			batch *= 2;
	}
	bench_leave(slice->subject, slice->map, thread);
	(void)pthread_mutex_lock(&slice->lock);
	add_tally(&slice->tally, &tally);
	(void)pthread_mutex_unlock(&slice->lock);
}

double bench_slice(struct bench *bench, struct bench_instance *instance,
		   const struct bench_stream *stream, unsigned threads, uint64_t warm_ns,
		   uint64_t ns)
{
	struct slice slice = {.subject = instance->subject,
			      .map = instance->map,
			      .stream = stream,
			      .threads = threads,
			      .seed = instance->slices++ << 16,
			      .lock = PTHREAD_MUTEX_INITIALIZER};
	struct bench_role role = {.body = slice_body, .context = &slice, .threads = threads};
	struct bench_timed timed = {0};

	if (bench->stopped())
		return NAN;
	if (instance->subject->slice == NULL) {
		timed.ns = bench_run(bench, &role, 1, warm_ns, ns);
		timed.ops = role.ops;
	} else if (!instance->subject->slice(instance->map, stream, threads, warm_ns, ns,
					     &slice.tally, &timed)) {
		instance->tally.wrong++;
	}
	add_tally(&instance->tally, &slice.tally);
	instance->expected += slice.tally.inserted - slice.tally.erased;
	return timed.ns > 0 ? (double)timed.ops * 1e9 / (double)timed.ns : NAN;
}

struct filling {
	const struct bench_instance *instance;
	const struct bench_stream *stream;
	unsigned threads;
};

static void fill_body(struct bench_worker *worker)
{
	const struct filling *filling = worker->context;
	const struct bench_instance *instance = filling->instance;
	void *thread = bench_enter(instance->subject, instance->map);
	size_t share = filling->stream->count / filling->threads;
	size_t at = share * worker->number;
	size_t end = worker->number + 1 == filling->threads ? filling->stream->count : at + share;
	struct bench_tally tally = {0};

	while (at < end) {
		size_t batch = end - at < BATCH_MOST ? end - at : BATCH_MOST;
		instance->subject->batch(instance->map, thread, filling->stream->words + at, batch,
					 false, &tally);
		at += batch;
	}
	bench_leave(instance->subject, instance->map, thread);
}

bool bench_fill(struct bench *bench, struct bench_instance *instance, uint64_t first,
		uint64_t count)
{
	struct bench_stream stream;
	struct filling filling = {.instance = instance, .stream = &stream, .threads = 1};
	struct bench_role role = {.body = fill_body, .context = &filling};
	bool done;

	if (count == 0)
		return true;
	if (!bench_stream_each(&stream, BENCH_INSERT, first, count))
		return false;
	if (instance->subject->fill != NULL) {
		done = instance->subject->fill(instance->map, &stream);
	} else {
		filling.threads = role.threads = count > 10000 ? bench_cores() : 1;
		/* The bodies end by themselves; the times are of no interest. */
		done = bench_run(bench, &role, 1, 0, 1) > 0;
	}
	bench_stream_free(&stream);
	instance->expected += count;
	return done;
}

bool bench_instance_make(struct bench *bench, const char *suite, struct bench_instance *instance,
			 const struct bench_subject *subject, uint64_t entries, size_t capacity)
{
	*instance = (struct bench_instance){.subject = subject, .entries = entries};
	instance->map = subject->create(subject, capacity);
	if (instance->map == NULL) {
		bench_say(bench, suite, "%s: left out: it cannot be made", subject->name);
		return false;
	}
	if (bench_fill(bench, instance, 0, entries))
		return true;
	if (!bench->stopped())
		bench_refuse(bench, suite, "%s: it could not be loaded with %llu entries",
			     subject->name, (unsigned long long)entries);
	bench_instance_free(instance);
	return false;
}

void bench_instance_free(struct bench_instance *instance)
{
	if (instance->map != NULL)
		instance->subject->destroy(instance->map);
	instance->map = NULL;
}

static bool about_half(uint64_t part, uint64_t whole)
{
	return whole < 10000 || fabs((double)part / (double)whole - 0.5) < 0.15;
}

void bench_check(struct bench *bench, const char *suite, struct bench_instance *instance,
		 const struct bench_workload *workload)
{
	const struct bench_tally tally = instance->tally;
	const struct bench_subject *subject = instance->subject;
	uint64_t gets = tally.ops - tally.puts - tally.inserts - tally.erases;
	bool halved = workload->insert + workload->erase > 0;

	memset(&instance->tally, 0, sizeof instance->tally);
	if (tally.wrong > 0)
		bench_refuse(bench, suite, "%s, %s: %llu wrong values or failed operations",
			     subject->name, workload->name, (unsigned long long)tally.wrong);
	if (halved ? !about_half(tally.hits, gets) : tally.hits != gets)
		bench_refuse(bench, suite, "%s, %s: %llu of %llu gets found their key, %s expected",
			     subject->name, workload->name, (unsigned long long)tally.hits,
			     (unsigned long long)gets, halved ? "half" : "all");
	if (halved &&
	    (!about_half(tally.inserted, tally.inserts) || !about_half(tally.erased, tally.erases)))
		bench_refuse(
			bench, suite,
			"%s, %s: %llu of %llu inserts and %llu of %llu deletes did it, half expected",
			subject->name, workload->name, (unsigned long long)tally.inserted,
			(unsigned long long)tally.inserts, (unsigned long long)tally.erased,
			(unsigned long long)tally.erases);
}

void bench_check_size(struct bench *bench, const char *suite, const struct bench_instance *instance)
{
	const struct bench_subject *subject = instance->subject;

	if (subject->size == NULL || subject->racy)
		return;
	size_t size = subject->size(instance->map);
	if (size != instance->expected)
		bench_refuse(bench, suite,
			     "%s: it holds %zu entries, and its answers add up to %llu",
			     subject->name, size, (unsigned long long)instance->expected);
}
