/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The benchmarks as a library: suites that measure subjects and leave results in one list, from
 * which the command prints tables, JSON and reports. The command is cli/bench.
 *
 * Invariants: a suite prints nothing; a result is in the list once it is final, so an interrupted
 * run has what there was; every figure carries its repeats and range; what could not be measured is
 * a note, never a silent gap.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "bench/subject.h"
#include "kit/kinds.h"

#define BENCH_SUBJECTS_MAX 32
#define BENCH_REPEATS_MAX 101

enum bench_better { BENCH_MORE, BENCH_LESS };

struct bench_result {
	const char *suite;
	char workload[48];
	const char *keys; /* "uniform", "zipf"; "" where it says nothing */
	uint64_t entries;
	unsigned threads;
	char subject[48];
	const char *unit;
	const char *what;  /* of the workload, if it has several figures: "p99.9"; "" if one */
	const char *claim; /* the article's figure for it, or NULL */
	double median, min, max;
	unsigned repeats;
	enum bench_better better;
	bool calm, bare;
};

/* A line under a suite's tables. */
struct bench_note {
	const char *suite;
	char *text;
};

struct bench_results {
	struct bench_result *items;
	size_t count, room;
	struct bench_note *notes;
	size_t note_count, note_room;
	unsigned invalid; /* subjects that did not do the work */
	bool interrupted; /* ^C: there is more that was not measured */
};

struct bench {
	bool quick;
	uint64_t entries;                                         /* 0: the suite's own sizes */
	uint64_t slice_ns;                                        /* 0: the suite's own */
	unsigned repeats;                                         /* 0: the suite's own */
	const struct bench_subject *subjects[BENCH_SUBJECTS_MAX]; /* chosen, all of them built */
	size_t subject_count;
	struct bench_results results;

	bool (*stopped)(void);                                              /* ^C */
	void (*progress)(const char *suite, const char *what, double done); /* done: 0 to 1 */
};

struct bench_suite {
	const char *name;
	const char *summary;
	void (*run)(struct bench *bench);
};

/* In the order in which they run; ended by a NULL name. */
extern const struct bench_suite bench_suites[];

/* All subjects, also those that this build lacks (create is NULL). */
const struct bench_subject *bench_subject_at(size_t i); /* NULL: no more */
bool bench_subject_exists(const struct bench_subject *subject);

/*
 * Adds the peers of a list (ids with commas between, "all", "none") to the bench; floor is one of
 * them. False: error says which word is wrong, and what there is.
 */
bool bench_peers_parse(struct bench *bench, const char *list, char *error, size_t error_size);
void bench_add_kinds(struct bench *bench, const struct kit_kind *const kinds[], size_t count);

/* The measurements of one figure. */
struct bench_samples {
	double at[BENCH_REPEATS_MAX];
	unsigned count;
};

/* What is not finite is none: no time of an operation follows from a slice without one. */
void bench_sample(struct bench_samples *samples, double value);
double bench_median(const struct bench_samples *samples);

/*
 * Adds a result: prototype with median, min, max and repeats from samples. Without samples
 * adds nothing. The subject's name, and whether it is calm's, are taken from subject
 * if that is not NULL.
 */
void bench_add(struct bench *bench, const struct bench_result *prototype,
	       const struct bench_subject *subject, const struct bench_samples *samples);

__attribute__((format(printf, 3, 4))) void bench_say(struct bench *bench, const char *suite,
						     const char *format, ...);

/* The same, and the run is not valid. */
__attribute__((format(printf, 3, 4))) void bench_refuse(struct bench *bench, const char *suite,
							const char *format, ...);
void bench_results_free(struct bench_results *results);

/*
 * What two figures of one column may differ by and still be a tie. spread is the median over its
 * subjects of (max - min) / median; within, a share of the better figure, is that, but 0.03 at least
 * and 0.30 at most. Of a column in percent both are in points: of max - min, 1 at least, 10 at most.
 *
 * The most is there since a spread of 100 % would call everything a tie, and hide what calm loses;
 * a column whose spread is more than that is noisy, and is called that wherever it is shown.
 * tools/bench_raw.py has the same rule for what is made of the raw data.
 */
struct bench_tie {
	double within, spread;
	bool noisy;
};

struct bench_tie bench_tie(const struct bench_result *const column[], size_t count);
bool bench_in_points(const struct bench_result *result);
bool bench_tied(const struct bench_result *a, const struct bench_result *b, double within);

struct bench_machine {
	char cpu[128], kernel[160], memory[32], compiler[64];
	unsigned cores;
};

void bench_machine(struct bench_machine *machine);

/* Bytes of memory that could be had now, and that this process has resident. 0: unknown. */
uint64_t bench_memory_available(void);
uint64_t bench_memory_resident(void);

#endif
