/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The field table for byte keys: text of 16 and of 48 bytes, of which every map owns its copies;
 * else as the suite hash. A quick run leaves out g95u5 and g90i5d5.
 */
#include "bench/adapter.h"
#include "bench/matrix.h"
#include "bench/suites.h"
#include "bench/text.h"

#include <stdlib.h>

#define SUITE "bytes"
#define QUICK_NS (22 * BENCH_S) /* of each size of keys */
#define ENTRY_BYTES 200
#define HARNESS_NS 8 /* the key is written before each operation */

static const struct {
	const char *what, *harness;
} sizes[BENCH_TEXTS] = {{"16 B", "harness, 16 B"}, {"48 B", "harness, 48 B"}};

static void run_size(struct bench *bench, size_t size, double base, double share)
{
	static const unsigned threads[] = {1, 2, 16};

	bench_matrix_harness(bench, SUITE, sizes[size].harness, &bench_null.texts[size],
			     HARNESS_NS);
	struct bench_matrix *matrix = bench_matrix_new(bench, SUITE);
	if (matrix == NULL)
		return;
	matrix->what = sizes[size].what;
	matrix->entries = bench_entries(bench, 1000000, 1000000);
	matrix->entry_bytes = ENTRY_BYTES;
	matrix->quick_ns = QUICK_NS;
	matrix->base = base;
	matrix->share = share;
	for (size_t w = 0; w < BENCH_WORKLOADS; w += 1 + bench->quick) {
		for (int keys = KIT_UNIFORM; keys <= KIT_ZIPF; keys++) {
			for (size_t t = 0; t < sizeof threads / sizeof *threads; t++)
				bench_matrix_column(matrix, &bench_workloads[w],
						    (enum kit_distribution)keys, threads[t]);
		}
	}
	for (size_t i = 0; i < bench->subject_count; i++) {
		const struct bench_subject *subject = bench->subjects[i];
		if (subject->texts != NULL)
			bench_matrix_subject(matrix, &subject->texts[size]);
	}
	bench_matrix_run(matrix);
	free(matrix);
}

void bench_suite_bytes(struct bench *bench)
{
	for (size_t size = 0; size < BENCH_TEXTS && !bench->stopped(); size++)
		run_size(bench, size, 1.0 / BENCH_TEXTS * (double)size, 1.0 / BENCH_TEXTS);
}
