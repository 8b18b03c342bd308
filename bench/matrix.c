/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The order of slices: matrix.h. */
#include "bench/matrix.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SLICE_NS (200 * BENCH_MS)
#define SLICE_LEAST (3 * BENCH_MS)
#define HARNESS_REPEATS 9

static uint64_t slice_ns(const struct bench_matrix *matrix)
{
	uint64_t now = kit_now_ns();

	if (matrix->ends == 0)
		return bench_slice_ns(matrix->bench, SLICE_NS, SLICE_NS);
	if (now >= matrix->ends || matrix->slices_left == 0)
		return SLICE_LEAST;
	/* Starting and joining threads takes its share too. */
	uint64_t ns = (matrix->ends - now) / matrix->slices_left * 8 / 10;
	return ns > SLICE_LEAST ? ns : SLICE_LEAST;
}

static void run_slice(struct bench_matrix *matrix, size_t c, size_t s, unsigned round,
		      const struct bench_stream *stream)
{
	const struct bench_column *column = &matrix->columns[c];
	struct bench_instance *instance = &matrix->instances[s];
	uint64_t ns = slice_ns(matrix);
	bool counted = round >= matrix->rounds - matrix->repeats;
	char what[96];

	(void)snprintf(what, sizeof what, "%s %s, %u threads, %llu entries: %s",
		       column->workload->name, kit_distribution_name(column->keys), column->threads,
		       (unsigned long long)matrix->entries, instance->subject->name);
	double done = matrix->slices > 0 ? 1 - (double)matrix->slices_left / (double)matrix->slices
					 : 0;
	matrix->bench->progress(matrix->suite, what, matrix->base + matrix->share * done);
	double rate = bench_slice(matrix->bench, instance, stream, column->threads, ns / 5,
				  ns - ns / 5);
	if (counted)
		bench_sample(&matrix->samples[c][s], rate);
	if (matrix->slices_left > 0)
		matrix->slices_left--;
}

static bool make_stream(struct bench_matrix *matrix, const struct bench_column *column,
			struct bench_stream *stream)
{
	if (bench_stream_make(stream, column->workload, column->keys, matrix->entries))
		return true;
	bench_refuse(matrix->bench, matrix->suite, "no memory for the keys of %s",
		     column->workload->name);
	return false;
}

static bool same_stream(const struct bench_column *a, const struct bench_column *b)
{
	return a->workload == b->workload && a->keys == b->keys;
}

static void run_kept(struct bench_matrix *matrix)
{
	struct bench_stream stream = {.file = -1};

	for (size_t c = 0; c < matrix->column_count && !matrix->bench->stopped(); c++) {
		const struct bench_column *column = &matrix->columns[c];
		if (c == 0 || !same_stream(column, column - 1)) {
			bench_stream_free(&stream);
			if (!make_stream(matrix, column, &stream))
				return;
		}
		for (unsigned round = 0; round < matrix->rounds; round++) {
			for (size_t i = 0; i < matrix->count; i++)
				run_slice(matrix, c, (i + round) % matrix->count, round, &stream);
		}
		for (size_t s = 0; s < matrix->count && !matrix->bench->stopped(); s++)
			bench_check(matrix->bench, matrix->suite, &matrix->instances[s],
				    column->workload);
	}
	bench_stream_free(&stream);
}

/* One subject's turn. */
static void run_turn(struct bench_matrix *matrix, size_t s, unsigned round)
{
	struct bench_instance *instance = &matrix->instances[s];
	struct bench_stream stream = {.file = -1};

	if (!bench_instance_make(matrix->bench, matrix->suite, instance, instance->subject,
				 matrix->entries, matrix->entries))
		return;
	for (size_t c = 0; c < matrix->column_count && !matrix->bench->stopped(); c++) {
		const struct bench_column *column = &matrix->columns[c];
		if (c == 0 || !same_stream(column, column - 1)) {
			bench_stream_free(&stream);
			if (!make_stream(matrix, column, &stream))
				break;
		}
		run_slice(matrix, c, s, round, &stream);
		if (!matrix->bench->stopped())
			bench_check(matrix->bench, matrix->suite, instance, column->workload);
	}
	bench_stream_free(&stream);
	if (!matrix->bench->stopped())
		bench_check_size(matrix->bench, matrix->suite, instance);
	bench_instance_free(instance);
}

static void make_all(struct bench_matrix *matrix)
{
	struct bench *bench = matrix->bench;
	size_t made = 0;

	for (size_t i = 0; i < matrix->count && !bench->stopped(); i++) {
		const struct bench_subject *subject = matrix->instances[i].subject;
		char what[96];
		(void)snprintf(what, sizeof what, "loading %s", subject->name);
		bench->progress(matrix->suite, what, matrix->base);
		if (bench_instance_make(bench, matrix->suite, &matrix->instances[made], subject,
					matrix->entries, matrix->entries))
			made++;
	}
	matrix->count = made;
}

static void report(struct bench_matrix *matrix)
{
	for (size_t c = 0; c < matrix->column_count; c++) {
		const struct bench_column *column = &matrix->columns[c];
		for (size_t s = 0; s < matrix->count; s++) {
			struct bench_samples *samples = &matrix->samples[c][s];
			struct bench_result result = {.suite = matrix->suite,
						      .what = matrix->what,
						      .keys = kit_distribution_name(column->keys),
						      .entries = matrix->entries,
						      .threads = column->threads,
						      .unit = "Mops/s",
						      .better = BENCH_MORE};
			(void)snprintf(result.workload, sizeof result.workload, "%s",
				       column->workload->name);
			for (unsigned i = 0; i < samples->count; i++)
				samples->at[i] /= 1e6;
			bench_add(matrix->bench, &result, matrix->instances[s].subject, samples);
		}
	}
}

static double least_of(const struct bench_samples *samples)
{
	double least = INFINITY;

	for (unsigned i = 0; i < samples->count; i++)
		least = fmin(least, samples->at[i]);
	return least;
}

struct bench_matrix *bench_matrix_new(struct bench *bench, const char *suite)
{
	struct bench_matrix *matrix = calloc(1, sizeof *matrix);

	if (matrix == NULL) {
		bench_refuse(bench, suite, "out of memory");
		return NULL;
	}
	matrix->bench = bench;
	matrix->suite = suite;
	matrix->share = 1;
	return matrix;
}

void bench_matrix_column(struct bench_matrix *matrix, const struct bench_workload *workload,
			 enum kit_distribution keys, unsigned threads)
{
	matrix->columns[matrix->column_count++] = (struct bench_column){workload, keys, threads};
}

void bench_matrix_subject(struct bench_matrix *matrix, const struct bench_subject *subject)
{
	matrix->instances[matrix->count++].subject = subject;
}

void bench_matrix_run(struct bench_matrix *matrix)
{
	struct bench *bench = matrix->bench;

	if (bench->quick && bench->slice_ns == 0)
		matrix->ends = kit_now_ns() + matrix->quick_ns;
	/*
	 * A quick run's first round counts: a turn through all subjects and their warm-ups lies
	 * before each repeat.
	 */
	matrix->repeats = bench_repeats(bench, 3, 5);
	matrix->rounds = matrix->repeats + !bench->quick;
	uint64_t needed = matrix->entries * matrix->entry_bytes * matrix->count;
	uint64_t available = bench_memory_available();
	bool kept = available == 0 || needed < available / 4 * 3;
	if (kept)
		make_all(matrix);
	matrix->slices = matrix->slices_left = matrix->column_count * matrix->count *
					       matrix->rounds;
	if (kept) {
		run_kept(matrix);
	} else {
		bench_say(bench, matrix->suite,
			  "%llu entries: the maps did not fit into memory together, and took turns",
			  (unsigned long long)matrix->entries);
		for (unsigned round = 0; round < matrix->rounds; round++) {
			for (size_t i = 0; i < matrix->count && !bench->stopped(); i++)
				run_turn(matrix, (i + round) % matrix->count, round);
		}
	}
	report(matrix);
	for (size_t i = 0; kept && i < matrix->count; i++) {
		if (!bench->stopped())
			bench_check_size(bench, matrix->suite, &matrix->instances[i]);
		bench_instance_free(&matrix->instances[i]);
	}
}

void bench_matrix_harness(struct bench *bench, const char *suite, const char *what,
			  const struct bench_subject *null, double most)
{
	struct bench_instance instance;
	struct bench_stream stream;

	if (!bench_instance_make(bench, suite, &instance, null, 0, 0))
		return;
	for (size_t w = 0; w < BENCH_WORKLOADS && !bench->stopped(); w++) {
		struct bench_samples samples = {.count = 0};
		struct bench_result result = {.suite = suite,
					      .keys = "uniform",
					      .what = what,
					      .threads = 1,
					      .unit = "ns/op",
					      .better = BENCH_LESS};
		if (!bench_stream_make(&stream, &bench_workloads[w], KIT_UNIFORM, 1000))
			break;
		for (int i = 0; i < HARNESS_REPEATS; i++)
			bench_sample(&samples, 1e9 / bench_slice(bench, &instance, &stream, 1,
								 2 * BENCH_MS, 10 * BENCH_MS));
		(void)snprintf(result.workload, sizeof result.workload, "%s",
			       bench_workloads[w].name);
		bench_add(bench, &result, null, &samples);
		/* The least: it is the same code each time, and others can only make it slower. */
		double least = least_of(&samples);
		if (least > most)
			bench_say(
				bench, suite,
				"the harness takes %.1f ns of each operation of %s here, %.0f at most are meant",
				least, bench_workloads[w].name, most);
		bench_stream_free(&stream);
	}
	bench_instance_free(&instance);
}
