/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What an operation costs that no noise touches: allocations, counted by a calm_allocator, and
 * instructions and calls, counted by callgrind.
 *
 * callgrind runs this program again, as `calm bench --cost KIND:OPERATION`, and collects inside
 * bench_cost_measured only. The loop's own are left out. Inlined: the share of the instructions
 * that lie in the verb itself and in no function it calls; the article claims 90 % of call paths.
 *
 * Rejected: perf's counters (absent in most virtual machines).
 */
#include "bench/apart.h"
#include "bench/suites.h"

#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SUITE "cost"
#define ENTRIES 10000
#define OPERATIONS 10000
#define FEW 20 /* under callgrind, of a kind whose writes copy the map */

extern char **environ;

enum operation { LOAD_HIT, LOAD_MISS, STORE, STORE_NEW, DELETE, SWAP, OPERATION_KINDS };

static const char *const operation_names[OPERATION_KINDS] = {
	[LOAD_HIT] = "load",       [LOAD_MISS] = "load miss", [STORE] = "store",
	[STORE_NEW] = "store new", [DELETE] = "delete",       [SWAP] = "swap",
};

struct counted {
	_Atomic uint64_t allocations;
};

static void *count_alloc(size_t size, void *context)
{
	struct counted *counted = context;

	counted->allocations++;
	return malloc(size);
}

static void count_free(void *pointer, void *context)
{
	(void)context;
	free(pointer);
}

static calm_map *make(const struct kit_kind *kind, struct counted *counted)
{
	const calm_allocator allocator = {.alloc = count_alloc,
					  .free = count_free,
					  .context = counted};
	calm_options options = CALM_OPTIONS_INIT;
	calm_map *map = NULL;

	options.allocator = &allocator;
	options.capacity = 2 * ENTRIES + OPERATIONS;
	options.seed = 1;
	if (kind->create(&map, &options) != CALM_OK)
		return NULL;
	calm_change *changes = calloc(ENTRIES, sizeof *changes);
	for (uint64_t i = 0; changes != NULL && i < ENTRIES; i++)
		changes[i] = (calm_change){.key = calm_word(bench_key(i)),
					   .value = (void *)(uintptr_t)(i + 1)};
	if (changes != NULL && calm_map_apply(map, ENTRIES, changes) != CALM_OK) {
		for (uint64_t i = 0; i < ENTRIES; i++)
			(void)calm_map_store(map, changes[i].key, changes[i].value);
	}
	free(changes);
	/* Reads settle what a kind moves when it is read. */
	for (uint64_t i = 0; i < 3 * ENTRIES; i++) {
		void *value;
		(void)calm_map_load(map, calm_word(bench_key(i % (ENTRIES + ENTRIES / 2))), &value);
	}
	(void)calm_read_wait();
	return map;
}

/* Not inlined: callgrind collects inside it. */
__attribute__((noinline)) static void bench_cost_measured(calm_map *map, enum operation operation,
							  uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		calm_key present = calm_word(bench_key(i % ENTRIES)),
			 absent = calm_word(bench_key(ENTRIES + i));
		void *value = (void *)(uintptr_t)(i + 2);
		switch (operation) {
		case LOAD_HIT:
			(void)calm_map_load(map, present, &value);
			break;
		case LOAD_MISS:
			(void)calm_map_load(map, absent, &value);
			break;
		case STORE:
			(void)calm_map_store(map, present, value);
			break;
		case STORE_NEW:
			(void)calm_map_store(map, absent, value);
			break;
		case DELETE:
			(void)calm_map_delete(map, present);
			break;
		default:
			(void)calm_map_swap(map, present, value, NULL);
		}
	}
}

/* A kind whose every write copies the map. */
static uint64_t operations_for(const struct kit_kind *kind, enum operation operation)
{
	bool copies = strcmp(kind->name, "cowmap") == 0 && operation != LOAD_HIT &&
		      operation != LOAD_MISS;

	return copies ? FEW : OPERATIONS;
}

int bench_cost_child(const char *what)
{
	for (size_t k = 0; k < KIT_KINDS; k++) {
		size_t length = strlen(kit_kinds[k].name);
		if (strncmp(what, kit_kinds[k].name, length) != 0 || what[length] != ':')
			continue;
		for (int op = 0; op < OPERATION_KINDS; op++) {
			struct counted counted = {.allocations = 0};
			calm_map *map;
			if (strcmp(what + length + 1, operation_names[op]) != 0)
				continue;
			map = make(&kit_kinds[k], &counted);
			if (map == NULL)
				return 2;
			bench_cost_measured(map, (enum operation)op,
					    operations_for(&kit_kinds[k], (enum operation)op));
			return calm_map_destroy(map) == CALM_OK ? 0 : 2;
		}
	}
	return 2;
}

/* Without the measuring loop's own. */
struct profile {
	double instructions, calls;
	double within; /* of the instructions, those of the verbs themselves */
};

enum place { ELSEWHERE, LOOP, VERB };

struct reading {
	struct profile *profile;
	struct {
		char id[24];
		enum place place;
	} known[16];
	size_t count;
	enum place now;
	bool skip;
};

static enum place place_of(struct reading *reading, const char *id, const char *name)
{
	bool loop = strncmp(name, "bench_cost_measured", 19) == 0,
	     verb = strncmp(name, "calm_map_", 9) == 0;

	for (size_t i = 0; i < reading->count; i++) {
		if (strcmp(reading->known[i].id, id) == 0)
			return reading->known[i].place;
	}
	if ((loop || verb) && reading->count < 16) {
		reading->known[reading->count].place = loop ? LOOP : VERB;
		(void)snprintf(reading->known[reading->count++].id, sizeof reading->known->id, "%s",
			       id);
	}
	return loop ? LOOP : verb ? VERB : ELSEWHERE;
}

/*
 * callgrind's format: "fn=(7) name" begins a function, further mentions are "fn=(7)", called ones
 * "cfn=…"; a line of costs is "line cost"; a "calls=N …" line is followed by one with the inclusive
 * cost of the call, not the caller's own.
 */
static void read_line(struct reading *reading, const char *line)
{
	struct profile *profile = reading->profile;
	char id[24], name[128] = "";
	const char *cost = strchr(line, ' ');
	unsigned long long number;

	if (sscanf(line, "fn=(%20[0-9]) %127[^ \n]", id, name) >= 1) {
		reading->now = place_of(reading, id, name);
	} else if (sscanf(line, "cfn=(%20[0-9]) %127[^ \n]", id, name) >= 1) {
		(void)place_of(reading, id, name);
	} else if (sscanf(line, "calls=%llu", &number) == 1) {
		profile->calls += (double)number;
		reading->skip = true;
	} else if (strchr("+-*0123456789", line[0]) != NULL && line[0] != '\0') {
		if (!reading->skip && cost != NULL && reading->now != LOOP &&
		    sscanf(cost, "%llu", &number) == 1) {
			profile->instructions += (double)number;
			profile->within += reading->now == VERB ? (double)number : 0;
		}
		reading->skip = false;
	}
}

static bool read_profile(const char *path, struct profile *profile)
{
	struct reading reading = {.profile = profile};
	FILE *file = fopen(path, "re");
	char line[512];

	*profile = (struct profile){.instructions = 0};
	while (file != NULL && fgets(line, sizeof line, file) != NULL)
		read_line(&reading, line);
	if (file != NULL)
		(void)fclose(file);
	return profile->instructions > 0;
}

/* False: valgrind is missing or failed. */
static bool run_callgrind(const struct kit_kind *kind, enum operation operation,
			  struct profile *profile)
{
	static char valgrind[] = "valgrind", tool[] = "--tool=callgrind",
		    toggle[] = "--toggle-collect=bench_cost_measured";
	static char names[] = "--compress-pos=no", bench[] = "bench", cost[] = "--cost",
		    quiet[] = "-q";
	char out[] = "/tmp/calm-cost-XXXXXX", out_option[64], self[4096], what[64];
	char *arguments[] = {valgrind, tool,  quiet, toggle, names, out_option,
			     self,     bench, cost,  what,   NULL};
	posix_spawn_file_actions_t actions;
	int file = mkstemp(out), status = 1;
	pid_t child;
	ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);

	if (file < 0)
		return false;
	(void)close(file);
	self[size > 0 ? size : 0] = '\0';
	(void)snprintf(out_option, sizeof out_option, "--callgrind-out-file=%s", out);
	(void)snprintf(what, sizeof what, "%s:%s", kind->name, operation_names[operation]);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	(void)posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	bool done = posix_spawnp(&child, valgrind, &actions, NULL, arguments, environ) == 0 &&
		    waitpid(child, &status, 0) == child && status == 0 &&
		    read_profile(out, profile);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)unlink(out);
	return done;
}

static void add(struct bench *bench, const struct bench_subject *subject, enum operation operation,
		const char *what, const char *unit, double figure, const char *claim)
{
	struct bench_samples samples = {.count = 0};
	struct bench_result result = {.suite = SUITE,
				      .what = what,
				      .entries = ENTRIES,
				      .threads = 1,
				      .unit = unit,
				      .claim = claim,
				      .better = unit[0] == '%' ? BENCH_MORE : BENCH_LESS};

	(void)snprintf(result.workload, sizeof result.workload, "%s", operation_names[operation]);
	bench_sample(&samples, figure);
	bench_add(bench, &result, subject, &samples);
}

static void run_kind(struct bench *bench, const struct bench_subject *subject, double done,
		     double share, bool *profiles)
{
	for (int op = 0; op < OPERATION_KINDS && !bench->stopped(); op++) {
		struct counted counted = {.allocations = 0};
		uint64_t count = operations_for(subject->kind, (enum operation)op);
		calm_map *map = make(subject->kind, &counted);
		struct profile profile;
		if (map == NULL)
			return;
		uint64_t before = counted.allocations;
		bench_cost_measured(map, (enum operation)op, count);
		double allocations = (double)(counted.allocations - before) / (double)count;
		(void)calm_map_destroy(map);
		add(bench, subject, (enum operation)op, "alloc", "/op", allocations,
		    op == LOAD_HIT || op == STORE ? "0 allocations while running" : NULL);
		bench->progress(SUITE, subject->name, done + share * op / OPERATION_KINDS);
		*profiles = *profiles && run_callgrind(subject->kind, (enum operation)op, &profile);
		if (!*profiles)
			continue;
		add(bench, subject, (enum operation)op, "instr", "/op",
		    profile.instructions / (double)count, NULL);
		add(bench, subject, (enum operation)op, "calls", "/op",
		    profile.calls / (double)count, NULL);
		add(bench, subject, (enum operation)op, "inlined", "%",
		    100 * profile.within / profile.instructions,
		    op == LOAD_HIT || op == STORE ? "at least 90 % of call paths" : NULL);
	}
}

void bench_suite_cost(struct bench *bench)
{
	bool profiles = true;

	for (size_t s = 0; s < bench->subject_count && !bench->stopped(); s++) {
		if (bench_is_kind(bench->subjects[s]))
			run_kind(bench, bench->subjects[s],
				 (double)s / (double)bench->subject_count,
				 1.0 / (double)bench->subject_count, &profiles);
	}
	if (!profiles && !bench->stopped())
		bench_say(bench, SUITE,
			  "no instructions and calls: valgrind is not installed, or failed");
	bench_say(
		bench, SUITE,
		"counts do not vary: one run each; inlined is the share of instructions in the verb itself");
}
