/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The report: results as one HTML page that needs nothing else, with plots by gnuplot. And what
 * reports and tables have in common: groups of results, and the ranking of a column.
 *
 * Invariants: the page loads nothing, and reads without scripts; each text in it is escaped; which
 * figures tie and which lose is computed here and nowhere else in C. tools/bench_raw.py ties by the
 * same rule for what is made of the raw data; tests/report.sh holds both against each other.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "bench/bench.h"

#include <stdio.h>

struct bench_report {
	const struct bench_results *results;
	const struct bench_machine *machine;
	const char *command, *date; /* of the run; UTF-8 without controls */
	const char *missing;        /* what this build lacked, with what to install; or "" */
};

/* Whether gnuplot is there, by running it. */
bool bench_report_ready(void);

/* Prints the page. How many plots gnuplot failed to draw: the page names them. */
unsigned bench_report_print(FILE *file, const struct bench_report *report);

#define BENCH_COLUMNS_MAX 96
#define BENCH_ROWS_MAX 64

/*
 * Results of one suite, number of entries and number of threads: a row a subject, a column a
 * figure.
 */
struct bench_group {
	const struct bench_result *columns[BENCH_COLUMNS_MAX]; /* each by one of its results */
	const struct bench_result *rows[BENCH_ROWS_MAX];       /* likewise; bare ones last */
	const struct bench_result *cells[BENCH_ROWS_MAX][BENCH_COLUMNS_MAX]; /* NULL: none */
	size_t column_count, row_count;
	unsigned least_repeats, most_repeats;
};

/* The results that rank in a column: all that are maps. */
struct bench_ranking {
	const struct bench_result *results[BENCH_ROWS_MAX];
	size_t count;
	const struct bench_result *best, *ours, *theirs; /* of all, of calm's, of others; or NULL */
	struct bench_tie tie;
	size_t rank; /* of calm's best among the others, ties shared; 0: there is none */
};

/* The group of first, which is one of the results. */
void bench_group_fill(struct bench_group *group, const struct bench_results *results,
		      const struct bench_result *first);

/* The i-th result that begins a group of the suite; NULL: no more. suite NULL: of any. */
const struct bench_result *bench_group_first(const struct bench_results *results, const char *suite,
					     size_t i);
/* The i-th suite that results or notes are of, in their order; NULL: no more. */
const char *bench_suite_present(const struct bench_results *results, size_t i);
bool bench_group_same(const struct bench_result *a, const struct bench_result *b);

/* False: no result of the column ranks, and best is NULL. */
bool bench_rank(const struct bench_group *group, size_t column, struct bench_ranking *ranking);

/* Whether a column has both calm and others. */
bool bench_contest(const struct bench_group *group);

#endif
