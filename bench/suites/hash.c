/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The field table: every hash map, every mix, uniform and zipf, 1, 2 and 16 threads, 1 M entries;
 * in a full run also get and 50/50 at 10 k, 100 k and 10 M.
 */
#include "bench/adapter.h"
#include "bench/matrix.h"
#include "bench/suites.h"

#include <stdlib.h>

#define SUITE "hash"
#define QUICK_NS (43 * BENCH_S)
#define ENTRY_BYTES 130
#define HARNESS_NS 3

static bool chosen(const struct bench_subject *subject)
{
	return !subject->ordered && !(bench_is_kind(subject) && subject->kind->ordered);
}

static void run_size(struct bench *bench, uint64_t entries, bool full, double base, double share)
{
	static const unsigned threads[] = {1, 2, 16};
	struct bench_matrix *matrix = bench_matrix_new(bench, SUITE);

	if (matrix == NULL)
		return;
	matrix->entries = entries;
	matrix->entry_bytes = ENTRY_BYTES;
	matrix->quick_ns = QUICK_NS;
	matrix->base = base;
	matrix->share = share;
	for (size_t w = 0; w < BENCH_WORKLOADS; w++) {
		for (int keys = KIT_UNIFORM; keys <= (full ? KIT_ZIPF : KIT_UNIFORM); keys++) {
			for (size_t t = 0; t < (full ? 3 : 2) && (full || w == 0 || w == 2); t++)
				bench_matrix_column(matrix, &bench_workloads[w],
						    (enum kit_distribution)keys, threads[t]);
		}
	}
	for (size_t i = 0; i < bench->subject_count; i++) {
		if (chosen(bench->subjects[i]))
			bench_matrix_subject(matrix, bench->subjects[i]);
	}
	bench_matrix_run(matrix);
	free(matrix);
}

void bench_suite_hash(struct bench *bench)
{
	static const uint64_t others[] = {10000, 100000, 10000000};
	uint64_t entries = bench_entries(bench, 1000000, 1000000);
	bool more = !bench->quick && bench->entries == 0;

	bench_matrix_harness(bench, SUITE, "harness", &bench_null, HARNESS_NS);
	run_size(bench, entries, true, 0, more ? 0.6 : 1);
	for (size_t i = 0; more && i < sizeof others / sizeof *others && !bench->stopped(); i++)
		run_size(bench, others[i], false, 0.6 + 0.1 * (double)i, 0.1 + 0.1 * (i == 2));
}
