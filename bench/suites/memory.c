/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Bytes an entry while a map that was not presized grows from n to 4 n, looked at every sixth of a
 * doubling: on average, at the least (just before it grows) and at the most (just after).
 *
 * Each subject grows in a child of its own, and is charged with what the child has resident beyond
 * what it had before: every allocator's true cost, arenas and all. For calm's kinds also what
 * calm_map_stats says. A subject in a process of its own is asked for its reachable heap.
 *
 * Rejected: malloc_usable_size and mallinfo2 (some peers bring allocators of their own).
 */
#include "bench/suites.h"

#include <malloc.h>
#include <math.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SUITE "memory"
#define STEPS 12

struct growth {
	double resident[STEPS + 1];
	double counted[STEPS + 1]; /* by the map itself; 0: it does not */
};

static bool grow(struct bench *bench, const struct bench_subject *subject, uint64_t from,
		 struct growth *growth)
{
	struct bench_instance instance;
	uint64_t at = 0;

	(void)malloc_trim(0);
	uint64_t before = bench_memory_resident();
	if (!bench_instance_make(bench, SUITE, &instance, subject, 0, 0))
		return false;
	double empty = subject->bytes != NULL ? (double)subject->bytes(instance.map) : 0;
	for (int i = 0; i <= STEPS; i++) {
		uint64_t to = (uint64_t)((double)from * exp2((double)i / 6) + 0.5);
		if (!bench_fill(bench, &instance, at, to - at))
			return false;
		at = to;
		if (subject->bytes != NULL)
			growth->counted[i] = ((double)subject->bytes(instance.map) - empty) /
					     (double)to;
		/* No write is under way now; what readers could have held goes. */
		(void)calm_read_wait();
		growth->resident[i] = ((double)bench_memory_resident() - (double)before) /
				      (double)to;
	}
	return true;
}

/* In a child, which ends. */
static bool grow_apart(struct bench *bench, const struct bench_subject *subject, uint64_t from,
		       struct growth *growth)
{
	int ends[2], status = 1;

	if (pipe(ends) != 0)
		return false;
	pid_t child = fork();
	if (child == 0) {
		(void)close(ends[0]);
		/* As in a fresh process: what was freed before would let large blocks into the heap. */
		(void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
		bool done = grow(bench, subject, from, growth) &&
			    write(ends[1], growth, sizeof *growth) == (ssize_t)sizeof *growth;
		_exit(done ? 0 : 1);
	}
	(void)close(ends[1]);
	bool done = child > 0 && read(ends[0], growth, sizeof *growth) == (ssize_t)sizeof *growth;
	(void)close(ends[0]);
	return child > 0 && waitpid(child, &status, 0) == child && status == 0 && done;
}

struct figures {
	struct bench_samples mean, least, most;
};

static void take(struct figures *figures, const double at[STEPS + 1])
{
	double sum = 0, least = INFINITY, most = 0;

	for (int i = 0; i <= STEPS; i++) {
		sum += at[i];
		least = fmin(least, at[i]);
		most = fmax(most, at[i]);
	}
	bench_sample(&figures->mean, sum / (STEPS + 1));
	bench_sample(&figures->least, least);
	bench_sample(&figures->most, most);
}

static void add(struct bench *bench, const struct bench_subject *subject, uint64_t from,
		const char *measure, const struct figures *figures)
{
	const struct {
		const char *what;
		const struct bench_samples *samples;
	} rows[] = {{"mean", &figures->mean}, {"least", &figures->least}, {"most", &figures->most}};

	for (size_t i = 0; i < 3; i++) {
		struct bench_result result = {.suite = SUITE,
					      .what = rows[i].what,
					      .entries = from,
					      .threads = 1,
					      .unit = "B/entry",
					      .better = BENCH_LESS};
		(void)snprintf(result.workload, sizeof result.workload, "%s", measure);
		bench_add(bench, &result, subject, rows[i].samples);
	}
}

void bench_suite_memory(struct bench *bench)
{
	uint64_t from = bench_entries(bench, 100000, 1000000);
	unsigned repeats = bench_repeats(bench, 1, 3);

	for (size_t s = 0; s < bench->subject_count && !bench->stopped(); s++) {
		const struct bench_subject *subject = bench->subjects[s];
		struct figures resident = {.mean = {.count = 0}}, counted = {.mean = {.count = 0}};
		bool local = bench_is_local(subject), done = true;
		/* LMDB's pages are another file's. */
		if (subject->bare || strcmp(subject->id, "lmdb") == 0)
			continue;
		bench->progress(SUITE, subject->name, (double)s / (double)bench->subject_count);
		for (unsigned r = 0; r < repeats && done && !bench->stopped(); r++) {
			struct growth growth = {.resident = {0}};
			done = local ? grow_apart(bench, subject, from, &growth)
				     : grow(bench, subject, from, &growth);
			if (!done)
				break;
			if (local)
				take(&resident, growth.resident);
			if (subject->bytes != NULL)
				take(&counted, growth.counted);
		}
		if (!done && !bench->stopped())
			bench_refuse(bench, SUITE, "%s: it did not grow to %llu entries",
				     subject->name, (unsigned long long)(4 * from));
		add(bench, subject, from, "resident", &resident);
		add(bench, subject, from, "own count", &counted);
	}
	bench_say(bench, SUITE, "growing from %llu to %llu entries, not presized",
		  (unsigned long long)from, (unsigned long long)(4 * from));
}
