/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A map that was not presized grows under load: as many threads as there are cores insert new keys,
 * each of which is timed, from 1 k entries to 10 M (--quick: 500 k). A resize that stops the others
 * shows as the maximum.
 */
#include "bench/suites.h"

#include <stdlib.h>
#include <string.h>

#define SUITE "growth"
#define FROM 1000
#define PATIENCE (20 * BENCH_S)

struct growth {
	struct bench_instance *instance;
	uint64_t to;
	unsigned threads;
	struct kit_hist *hists; /* a thread each */
	_Atomic unsigned gave_up;
	_Atomic unsigned failed;
};

static void body(struct bench_worker *worker)
{
	struct growth *growth = worker->context;
	const struct bench_subject *subject = growth->instance->subject;
	void *map = growth->instance->map, *thread = bench_enter(subject, map);
	struct kit_hist *hist = &growth->hists[worker->number];
	uint64_t start = kit_now_ns(), then = start;

	for (uint64_t i = FROM + worker->number; i < growth->to; i += growth->threads) {
		uint64_t key = bench_key(i);
		if (!subject->insert(map, thread, key, key))
			growth->failed++;
		uint64_t now = kit_now_ns();
		kit_hist_record(hist, now - then);
		then = now;
		if (now - start > PATIENCE) {
			growth->gave_up++;
			break;
		}
	}
	bench_leave(subject, map, thread);
}

struct figures {
	struct bench_samples rate, p50, p99, p999, most;
};

static void run_once(struct bench *bench, const struct bench_subject *subject, uint64_t to,
		     struct figures *figures)
{
	struct bench_instance instance;
	struct growth growth = {.instance = &instance, .to = to, .threads = bench_cores()};
	struct bench_role role = {.body = body, .context = &growth, .threads = growth.threads};

	if (!bench_instance_make(bench, SUITE, &instance, subject, FROM, 0))
		return;
	growth.hists = calloc(growth.threads, sizeof *growth.hists);
	for (unsigned i = 0; growth.hists != NULL && i < growth.threads; i++)
		kit_hist_init(&growth.hists[i]);
	uint64_t began = kit_now_ns();
	if (growth.hists != NULL && bench_run(bench, &role, 1, 0, 1) > 0) {
		double ns = (double)(kit_now_ns() - began);
		for (unsigned i = 1; i < growth.threads; i++)
			kit_hist_merge(&growth.hists[0], &growth.hists[i]);
		bench_sample(&figures->rate, (double)kit_hist_count(&growth.hists[0]) * 1e3 / ns);
		bench_sample(&figures->p50, (double)kit_hist_percentile(&growth.hists[0], 50));
		bench_sample(&figures->p99, (double)kit_hist_percentile(&growth.hists[0], 99));
		bench_sample(&figures->p999, (double)kit_hist_percentile(&growth.hists[0], 99.9));
		bench_sample(&figures->most, (double)kit_hist_max(&growth.hists[0]));
		if (growth.gave_up > 0)
			bench_say(bench, SUITE, "%s: stopped after %llu s, at %llu entries",
				  subject->name, (unsigned long long)(PATIENCE / BENCH_S),
				  (unsigned long long)kit_hist_count(&growth.hists[0]) + FROM);
		else if (growth.failed > 0 ||
			 (subject->size != NULL && subject->size(instance.map) != to))
			bench_refuse(bench, SUITE,
				     "%s: %u inserts failed, and it holds %zu entries of %llu",
				     subject->name, growth.failed, subject->size(instance.map),
				     (unsigned long long)to);
	}
	free(growth.hists);
	bench_instance_free(&instance);
}

static void report(struct bench *bench, const struct bench_subject *subject, uint64_t to,
		   const struct figures *figures)
{
	const struct {
		const char *what, *unit;
		const struct bench_samples *samples;
	} rows[] = {{"", "Mops/s", &figures->rate},
		    {"p50", "ns", &figures->p50},
		    {"p99", "ns", &figures->p99},
		    {"p99.9", "ns", &figures->p999},
		    {"max", "ns", &figures->most}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct bench_result result = {.suite = SUITE,
					      .workload = "insert",
					      .what = rows[i].what,
					      .keys = "uniform",
					      .entries = to,
					      .threads = bench_cores(),
					      .unit = rows[i].unit,
					      .better = i == 0 ? BENCH_MORE : BENCH_LESS};
		bench_add(bench, &result, subject, rows[i].samples);
	}
}

static bool chosen(const struct bench_subject *subject)
{
	return bench_is_local(subject) && !subject->ordered && !subject->bare &&
	       !(bench_is_kind(subject) && subject->kind->ordered);
}

void bench_suite_growth(struct bench *bench)
{
	uint64_t to = bench_entries(bench, 500000, 10000000);
	unsigned repeats = bench_repeats(bench, 3, 5);
	struct figures *figures = calloc(bench->subject_count, sizeof *figures);

	to = to > FROM ? to : FROM + 1;
	for (unsigned r = 0; figures != NULL && r < repeats; r++) {
		for (size_t i = 0; i < bench->subject_count && !bench->stopped(); i++) {
			size_t s = (i + r) % bench->subject_count;
			if (!chosen(bench->subjects[s]))
				continue;
			bench->progress(SUITE, bench->subjects[s]->name,
					(double)(r * bench->subject_count + i) /
						(double)(repeats * bench->subject_count));
			run_once(bench, bench->subjects[s], to, &figures[s]);
		}
	}
	for (size_t s = 0; figures != NULL && s < bench->subject_count; s++)
		report(bench, bench->subjects[s], to, &figures[s]);
	free(figures);
}
