/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The field table: every hash map, every mix, uniform and zipf, 1, 2 and 16 threads, 1 M entries;
 * in a full run also get and 50/50 at 10 k, 100 k and 10 M.
 *
 *	for each column (mix, keys, threads)
 *		for each round, the first of which is not counted in full runs
 *			for each subject, beginning with another each round: a slice
 *
 * A map is made once per subject and kept, if all of them fit into memory; else subjects take turns
 * by the round, and each turn runs all columns. --quick divides what is left of its 43 s by the
 * slices that are left, so that it ends in time on any machine; its repeats are 3.
 */
#include "bench/adapter.h"
#include "bench/suites.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SUITE "hash"
#define QUICK_NS (43 * BENCH_S)
#define SLICE_NS (200 * BENCH_MS)
#define SLICE_LEAST (3 * BENCH_MS)
#define BYTES_AN_ENTRY 130
#define HARNESS_NS 3
#define HARNESS_REPEATS 9
#define COLUMNS_MAX (BENCH_WORKLOADS * 2 * 3)

struct column {
	const struct bench_workload *workload;
	enum kit_distribution keys;
	unsigned threads;
};

struct matrix {
	struct bench *bench;
	uint64_t entries;
	struct column columns[COLUMNS_MAX];
	size_t column_count;
	struct bench_instance instances[BENCH_SUBJECTS_MAX];
	size_t count;
	unsigned repeats, rounds; /* rounds: repeats, and those that are not counted */
	uint64_t ends;            /* of a quick run; 0: slices are of fixed length */
	uint64_t slices_left, slices;
	double base, share; /* this matrix's part of the progress */
	struct bench_samples samples[COLUMNS_MAX][BENCH_SUBJECTS_MAX];
};

static uint64_t slice_ns(const struct matrix *matrix)
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

static void run_slice(struct matrix *matrix, size_t c, size_t s, unsigned round,
		      const struct bench_stream *stream)
{
	const struct column *column = &matrix->columns[c];
	struct bench_instance *instance = &matrix->instances[s];
	uint64_t ns = slice_ns(matrix);
	bool counted = round >= matrix->rounds - matrix->repeats;
	char what[96];

	(void)snprintf(what, sizeof what, "%s %s, %u threads, %llu entries: %s",
		       column->workload->name, kit_distribution_name(column->keys), column->threads,
		       (unsigned long long)matrix->entries, instance->subject->name);
	double done = matrix->slices > 0 ? 1 - (double)matrix->slices_left / (double)matrix->slices
					 : 0;
	matrix->bench->progress(SUITE, what, matrix->base + matrix->share * done);
	double rate = bench_slice(matrix->bench, instance, stream, column->threads, ns / 5,
				  ns - ns / 5);
	if (counted)
		bench_sample(&matrix->samples[c][s], rate);
	if (matrix->slices_left > 0)
		matrix->slices_left--;
}

static bool make_stream(struct matrix *matrix, const struct column *column,
			struct bench_stream *stream)
{
	if (bench_stream_make(stream, column->workload, column->keys, matrix->entries))
		return true;
	bench_refuse(matrix->bench, SUITE, "no memory for the keys of %s", column->workload->name);
	return false;
}

static bool same_stream(const struct column *a, const struct column *b)
{
	return a->workload == b->workload && a->keys == b->keys;
}

static void run_kept(struct matrix *matrix)
{
	struct bench_stream stream = {.file = -1};

	for (size_t c = 0; c < matrix->column_count && !matrix->bench->stopped(); c++) {
		const struct column *column = &matrix->columns[c];
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
			bench_check(matrix->bench, SUITE, &matrix->instances[s], column->workload);
	}
	bench_stream_free(&stream);
}

/* One subject's turn. */
static void run_turn(struct matrix *matrix, size_t s, unsigned round)
{
	struct bench_instance *instance = &matrix->instances[s];
	struct bench_stream stream = {.file = -1};

	if (!bench_instance_make(matrix->bench, SUITE, instance, instance->subject, matrix->entries,
				 matrix->entries))
		return;
	for (size_t c = 0; c < matrix->column_count && !matrix->bench->stopped(); c++) {
		const struct column *column = &matrix->columns[c];
		if (c == 0 || !same_stream(column, column - 1)) {
			bench_stream_free(&stream);
			if (!make_stream(matrix, column, &stream))
				break;
		}
		run_slice(matrix, c, s, round, &stream);
		if (!matrix->bench->stopped())
			bench_check(matrix->bench, SUITE, instance, column->workload);
	}
	bench_stream_free(&stream);
	if (!matrix->bench->stopped())
		bench_check_size(matrix->bench, SUITE, instance);
	bench_instance_free(instance);
}

static bool chosen(const struct bench_subject *subject)
{
	return !subject->ordered && !(bench_is_kind(subject) && subject->kind->ordered);
}

static void make_all(struct matrix *matrix)
{
	struct bench *bench = matrix->bench;
	size_t made = 0;

	for (size_t i = 0; i < matrix->count && !bench->stopped(); i++) {
		const struct bench_subject *subject = matrix->instances[i].subject;
		char what[96];
		(void)snprintf(what, sizeof what, "loading %s", subject->name);
		bench->progress(SUITE, what, matrix->base);
		if (bench_instance_make(bench, SUITE, &matrix->instances[made], subject,
					matrix->entries, matrix->entries))
			made++;
	}
	matrix->count = made;
}

static void report(struct matrix *matrix)
{
	for (size_t c = 0; c < matrix->column_count; c++) {
		const struct column *column = &matrix->columns[c];
		for (size_t s = 0; s < matrix->count; s++) {
			struct bench_samples *samples = &matrix->samples[c][s];
			struct bench_result result = {.suite = SUITE,
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

/* What the harness costs: the subject that does nothing. */
static void measure_harness(struct bench *bench)
{
	struct bench_instance instance;
	struct bench_stream stream;

	if (!bench_instance_make(bench, SUITE, &instance, &bench_null, 0, 0))
		return;
	for (size_t w = 0; w < BENCH_WORKLOADS && !bench->stopped(); w++) {
		struct bench_samples samples = {.count = 0};
		struct bench_result result = {.suite = SUITE,
					      .keys = "uniform",
					      .what = "harness",
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
		bench_add(bench, &result, &bench_null, &samples);
		/* The least: it is the same code each time, and others can only make it slower. */
		double least = least_of(&samples);
		if (least > HARNESS_NS)
			bench_say(
				bench, SUITE,
				"the harness takes %.1f ns of each operation of %s here, %d at most are meant",
				least, bench_workloads[w].name, HARNESS_NS);
		bench_stream_free(&stream);
	}
	bench_instance_free(&instance);
}

static void run_matrix(struct matrix *matrix)
{
	struct bench *bench = matrix->bench;

	for (size_t i = 0; i < bench->subject_count; i++) {
		if (chosen(bench->subjects[i]))
			matrix->instances[matrix->count++].subject = bench->subjects[i];
	}
	/*
	 * A quick run's first round counts: a turn through all subjects and their warm-ups lies
	 * before each repeat.
	 */
	matrix->repeats = bench_repeats(bench, 3, 5);
	matrix->rounds = matrix->repeats + !bench->quick;
	uint64_t needed = matrix->entries * BYTES_AN_ENTRY * matrix->count;
	uint64_t available = bench_memory_available();
	bool kept = available == 0 || needed < available / 4 * 3;
	if (kept)
		make_all(matrix);
	matrix->slices = matrix->slices_left = matrix->column_count * matrix->count *
					       matrix->rounds;
	if (kept) {
		run_kept(matrix);
	} else {
		bench_say(bench, SUITE,
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
			bench_check_size(bench, SUITE, &matrix->instances[i]);
		bench_instance_free(&matrix->instances[i]);
	}
}

static void add_column(struct matrix *matrix, const struct bench_workload *workload,
		       enum kit_distribution keys, unsigned threads)
{
	matrix->columns[matrix->column_count++] = (struct column){workload, keys, threads};
}

static void run_size(struct bench *bench, uint64_t entries, bool full, double base, double share)
{
	static const unsigned threads[] = {1, 2, 16};
	struct matrix *matrix = calloc(1, sizeof *matrix);

	if (matrix == NULL) {
		bench_refuse(bench, SUITE, "out of memory");
		return;
	}
	matrix->bench = bench;
	matrix->entries = entries;
	matrix->base = base;
	matrix->share = share;
	if (bench->quick && bench->slice_ns == 0)
		matrix->ends = kit_now_ns() + QUICK_NS;
	for (size_t w = 0; w < BENCH_WORKLOADS; w++) {
		for (int keys = KIT_UNIFORM; keys <= (full ? KIT_ZIPF : KIT_UNIFORM); keys++) {
			for (size_t t = 0; t < (full ? 3 : 2) && (full || w == 0 || w == 2); t++)
				add_column(matrix, &bench_workloads[w], (enum kit_distribution)keys,
					   threads[t]);
		}
	}
	run_matrix(matrix);
	free(matrix);
}

void bench_suite_hash(struct bench *bench)
{
	static const uint64_t others[] = {10000, 100000, 10000000};
	uint64_t entries = bench_entries(bench, 1000000, 1000000);
	bool more = !bench->quick && bench->entries == 0;

	measure_harness(bench);
	run_size(bench, entries, true, 0, more ? 0.6 : 1);
	for (size_t i = 0; more && i < sizeof others / sizeof *others && !bench->stopped(); i++)
		run_size(bench, others[i], false, 0.6 + 0.1 * (double)i, 0.1 + 0.1 * (i == 2));
}
