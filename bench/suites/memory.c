/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Bytes an entry while a map that was not presized grows from n to 4 n, looked at sixteen times in each
 * doubling: on average, at the least (just before it grows) and at the most (just after).
 *
 * Each subject grows in a fresh process, this program run again as `calm bench --memory ID:N`, and
 * is charged with what that has resident beyond what it had before: every allocator's true cost,
 * arenas and all. For calm's kinds also what calm_map_stats says. A subject in a process of its own
 * is asked for its reachable heap.
 *
 * Rejected: malloc_usable_size and mallinfo2 (some peers bring allocators of their own), and a fork
 * of this process (what an allocator kept of earlier suites is resident already, and would be had
 * for nothing).
 */
#include "bench/adapter.h"
#include "bench/apart.h"
#include "bench/suites.h"

#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SUITE "memory"
#define A_DOUBLING 16 /* steps of it */
#define STEPS (2 * A_DOUBLING)

extern char **environ;

struct growth {
	double resident[STEPS + 1];
	double counted[STEPS + 1]; /* by the map itself; 0: it does not */
};

static bool grow_steps(struct bench *bench, struct bench_instance *instance, uint64_t from,
		       uint64_t before, struct growth *growth)
{
	const struct bench_subject *subject = instance->subject;
	uint64_t at = 0;

	/* A run time is not its map's; 0 from a process is that it is gone. */
	double empty = subject->bytes != NULL ? (double)subject->bytes(instance->map) : 0;
	for (int i = 0; i <= STEPS; i++) {
		uint64_t to = (uint64_t)((double)from * exp2((double)i / A_DOUBLING) + 0.5);
		if (!bench_fill(bench, instance, at, to - at))
			return false;
		at = to;
		uint64_t bytes = subject->bytes != NULL ? subject->bytes(instance->map) : 0;
		if (subject->bytes != NULL && bytes == 0)
			return false;
		growth->counted[i] = ((double)bytes - empty) / (double)to;
		/* No write is under way now; what readers could have held goes. */
		(void)calm_read_wait();
		growth->resident[i] = ((double)bench_memory_resident() - (double)before) /
				      (double)to;
	}
	return true;
}

static bool grow(struct bench *bench, const struct bench_subject *subject, uint64_t from,
		 struct growth *growth)
{
	struct bench_instance instance;

	uint64_t before = bench_memory_resident();
	if (!bench_instance_make(bench, SUITE, &instance, subject, 0, 0))
		return false;
	bool done = grow_steps(bench, &instance, from, before, growth);
	bench_instance_free(&instance);
	return done;
}

static bool never(void)
{
	return false;
}

int bench_memory_child(const char *what)
{
	struct bench bench = {.stopped = never};
	struct growth growth = {.resident = {0}};
	const struct bench_subject *subject;
	const char *colon = strchr(what, ':');
	uint64_t from = colon != NULL ? strtoull(colon + 1, NULL, 10) : 0;
	bool done = false;

	for (size_t i = 0; from > 0 && (subject = bench_subject_at(i)) != NULL; i++) {
		if (strlen(subject->id) == (size_t)(colon - what) &&
		    strncmp(subject->id, what, strlen(subject->id)) == 0 &&
		    bench_subject_exists(subject))
			done = grow(&bench, subject, from, &growth);
	}
	for (int i = 0; done && i <= STEPS; i++)
		(void)printf("%.17g %.17g\n", growth.resident[i], growth.counted[i]);
	bench_results_free(&bench.results);
	return done ? 0 : 2;
}

static bool read_growth(int from, struct growth *growth)
{
	FILE *file = fdopen(from, "r");
	int i = 0;

	if (file == NULL) {
		(void)close(from);
		return false;
	}
	while (i <= STEPS &&
	       fscanf(file, "%lf %lf", &growth->resident[i], &growth->counted[i]) == 2)
		i++;
	(void)fclose(file);
	return i == STEPS + 1;
}

/* In a process of its own. */
static bool grow_apart(const struct bench_subject *subject, uint64_t from, struct growth *growth)
{
	static char bench[] = "bench", memory[] = "--memory", self[] = "/proc/self/exe";
	char what[64];
	char *arguments[] = {self, bench, memory, what, NULL};
	posix_spawn_file_actions_t actions;
	int ends[2], status = 1;
	pid_t child;

	(void)snprintf(what, sizeof what, "%s:%llu", subject->id, (unsigned long long)from);
	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	(void)posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	bool started = posix_spawn(&child, self, &actions, NULL, arguments, environ) == 0;
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(ends[1]);
	bool done = read_growth(ends[0], growth);
	return started && waitpid(child, &status, 0) == child && status == 0 && done;
}

struct figures {
	struct bench_samples mean, least, most;
};

static void take(struct figures *figures, const double at[STEPS + 1])
{
	double sum = 0, least = INFINITY, most = -INFINITY;

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
	unsigned repeats = bench_repeats(bench, 3, 5);

	for (size_t s = 0; s < bench->subject_count && !bench->stopped(); s++) {
		const struct bench_subject *subject = bench->subjects[s];
		struct figures resident = {.mean = {.count = 0}}, counted = {.mean = {.count = 0}};
		bool local = bench_is_local(subject), done = true;
		if (strcmp(subject->id, "lmdb") == 0)
			bench_say(bench, SUITE, "%s: not measured: its memory is a file's pages",
				  subject->name);
		if (subject->bare || strcmp(subject->id, "lmdb") == 0)
			continue;
		bench->progress(SUITE, subject->name, (double)s / (double)bench->subject_count);
		for (unsigned r = 0; r < repeats && done && !bench->stopped(); r++) {
			struct growth growth = {.resident = {0}};
			done = local ? grow_apart(subject, from, &growth)
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
