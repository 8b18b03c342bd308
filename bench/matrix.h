/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Subjects against columns (mix, distribution, threads), operations a second: what the suites hash
 * and bytes are made of.
 *
 *	for each column
 *		for each round, the first of which is not counted in full runs
 *			for each subject, beginning with another each round: a slice
 *
 * A map is made once per subject and kept, if all of them fit into memory; else subjects take turns
 * by the round, and each turn runs all columns. A quick run divides what is left of its time by the
 * slices that are left, so that it ends in time on any machine; its repeats are 3.
 */
#ifndef BENCH_MATRIX_H
#define BENCH_MATRIX_H

#include "bench/engine.h"

#define BENCH_MATRIX_COLUMNS (BENCH_WORKLOADS * 2 * 3)

struct bench_column {
	const struct bench_workload *workload;
	enum kit_distribution keys;
	unsigned threads;
};

struct bench_matrix {
	struct bench *bench;
	const char *suite;
	const char *what; /* of its results */
	uint64_t entries;
	uint64_t entry_bytes; /* of memory an entry takes, about; decides whether all maps are kept */
	uint64_t quick_ns;    /* a quick run's time */
	double base, share;   /* this matrix's part of the progress */
	struct bench_column columns[BENCH_MATRIX_COLUMNS];
	size_t column_count;
	struct bench_instance
		instances[BENCH_SUBJECTS_MAX]; /* their subjects: bench_matrix_subject */
	size_t count;
	unsigned repeats, rounds; /* rounds: repeats, and those that are not counted */
	uint64_t ends;            /* of a quick run; 0: slices are of fixed length */
	uint64_t slices_left, slices;
	struct bench_samples samples[BENCH_MATRIX_COLUMNS][BENCH_SUBJECTS_MAX];
};

/* Zeroed, for the caller to fill in and to free; NULL: no memory, which is noted. */
struct bench_matrix *bench_matrix_new(struct bench *bench, const char *suite);
void bench_matrix_column(struct bench_matrix *matrix, const struct bench_workload *workload,
			 enum kit_distribution keys, unsigned threads);
void bench_matrix_subject(struct bench_matrix *matrix, const struct bench_subject *subject);

/* Measures all, and adds the results. */
void bench_matrix_run(struct bench_matrix *matrix);

/*
 * What the loop costs, in ns an operation: each mix around null, which does nothing. A note where it
 * is more than most.
 */
void bench_matrix_harness(struct bench *bench, const char *suite, const char *what,
			  const struct bench_subject *null, double most);

#endif
