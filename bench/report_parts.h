/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The parts of the report, for each other. */
#ifndef BENCH_REPORT_PARTS_H
#define BENCH_REPORT_PARTS_H

#include "bench/report.h"

/* Text as HTML, in an attribute too. */
void bench_html(FILE *file, const char *text);

/* A figure with three or four digits, thousands apart; "–" for none. */
void bench_html_figure(FILE *file, double value);

/* "–" between min and max. */
void bench_html_range(FILE *file, const struct bench_result *result);

/* "1 M", "20 k", "12 345". */
void bench_html_entries(FILE *file, uint64_t entries);

/* " entries, threads" of a group; "" if it has neither. */
void bench_html_sizes(FILE *file, const struct bench_result *result);

void bench_html_table(FILE *file, const struct bench_group *group);

/*
 * The plots of a group; of hash with all its threads; of what opening a snapshot costs. How many
 * failed.
 */
unsigned bench_html_group_plots(FILE *file, const struct bench_group *group);
unsigned bench_html_hash_plots(FILE *file, const struct bench_results *results, uint64_t entries);
unsigned bench_html_snapshot_plots(FILE *file, const struct bench_results *results);

/* How calm stands in each suite, and the columns in which it is behind. */
void bench_html_losses(FILE *file, const struct bench_results *results);

/* The article's parts with what it says and what was measured. */
void bench_html_claims(FILE *file, const struct bench_results *results);

#define BENCH_SERIES_MAX 8

/* Horizontal bars from nothing to the median, with a line from min to max. */
struct bench_bars {
	char title[192];
	char labels[BENCH_ROWS_MAX][64];
	const struct bench_result *cells[BENCH_ROWS_MAX][BENCH_SERIES_MAX];
	size_t rows;
	char names[BENCH_SERIES_MAX][64];
	size_t series;
	bool coloured; /* series differ by colour; otherwise by shade, and calm's rows have a colour */
};

/* False: gnuplot failed, and the page says so. */
bool bench_html_bars(FILE *file, const struct bench_bars *bars);

#endif
