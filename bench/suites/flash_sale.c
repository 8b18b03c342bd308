/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A flash sale, the article's chapter 5: a few thousand stock keys drawn by zipf, which writers
 * update; one write in ten is an order, a new key, and the order placed before the last hundred is
 * deleted. Readers look stock up.
 *
 *	flash-sale   4 writers and 4 readers at full speed
 *	article-5    the same, the writers paced at 8 000 writes a second together
 *
 * A paced write's latency counts from when it was due (no coordinated omission; the timer's
 * lateness before the first write of a wake is not counted). memory: the map's own count at the
 * most, against the count before the sale.
 *
 * copying: the share of the time of Stores that goes into copying tables. It is not measured inside
 * the map; it is 1 - the mean of a store of a present key / the mean of all stores, from the same
 * run, since only new keys make a kind copy. Of cowmap, where every store copies, it is not told.
 */
#include "bench/suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STOCK 10000
#define WRITERS 4
#define READERS 4
#define PACED_WRITES 8000 /* a second, of all writers */
#define ORDERS_KEPT 100
#define ORDER_EVERY 10
#define WAKE (2 * BENCH_MS)

struct sale {
	const struct bench_instance *instance;
	const struct bench_stream *stream;
	bool paced;
	struct kit_hist *stores; /* ns, a writer each */
	uint64_t order_ns[WRITERS], orders[WRITERS];
	uint64_t update_ns[WRITERS], updates[WRITERS];
	_Atomic uint64_t most_bytes;
};

struct writer {
	struct sale *sale;
	unsigned number;
	void *thread;
	uint64_t writes, orders;
	size_t at;
};

/* The key of a writer's n-th order, past the stock. */
static uint64_t order_key(const struct writer *writer, uint64_t n)
{
	return bench_key(2 * STOCK + n * WRITERS + writer->number);
}

static void write_one(struct writer *writer, uint64_t due, bool counted)
{
	struct sale *sale = writer->sale;
	const struct bench_subject *subject = sale->instance->subject;
	void *map = sale->instance->map;
	bool order = ++writer->writes % ORDER_EVERY == 0;
	uint64_t key = sale->stream->words[writer->at] & BENCH_KEY_MASK;

	writer->at = writer->at + 1 < sale->stream->count ? writer->at + 1 : 0;
	if (order)
		key = order_key(writer, writer->orders++);
	uint64_t began = kit_now_ns();
	(void)subject->put(map, writer->thread, key, bench_value(key, writer->writes));
	uint64_t ended = kit_now_ns();
	if (order && writer->orders > ORDERS_KEPT)
		(void)subject->erase(map, writer->thread,
				     order_key(writer, writer->orders - ORDERS_KEPT - 1));
	if (!counted)
		return;
	kit_hist_record(&sale->stores[writer->number], ended - (due > 0 ? due : began));
	if (order) {
		sale->order_ns[writer->number] += ended - began;
		sale->orders[writer->number]++;
	} else {
		sale->update_ns[writer->number] += ended - began;
		sale->updates[writer->number]++;
	}
}

static void write_body(struct bench_worker *worker)
{
	struct sale *sale = worker->context;
	const struct bench_instance *instance = sale->instance;
	struct writer writer = {.sale = sale,
				.number = worker->number,
				.thread = bench_enter(instance->subject, instance->map),
				.at = sale->stream->count / WRITERS * worker->number};
	const uint64_t gap = BENCH_S * WRITERS / PACED_WRITES;
	uint64_t due = kit_now_ns(), did;

	do {
		bool counted = bench_phase(worker) == BENCH_MEASURED;
		did = 0;
		if (!sale->paced) {
			write_one(&writer, 0, counted);
			did = 1;
			continue;
		}
		/*
		 * On time and asleep until now: what is due is due from the wake on. Late: it keeps
		 * its schedule.
		 */
		uint64_t now = kit_now_ns();
		if (now < due) {
			bench_sleep(due - now < WAKE ? due - now : WAKE);
			now = kit_now_ns();
			if (now < due)
				continue;
			due = now;
		}
		write_one(&writer, due, counted);
		due += gap;
		did = 1;
	} while (bench_worker_tick(worker, did));
	bench_leave(instance->subject, instance->map, writer.thread);
}

static void read_body(struct bench_worker *worker)
{
	struct sale *sale = worker->context;
	const struct bench_instance *instance = sale->instance;
	void *thread = bench_enter(instance->subject, instance->map);
	struct kit_random random;
	uint64_t did;

	kit_random_seed(&random, worker->number);
	do {
		did = 64;
		for (unsigned i = 0; i < 64; i++) {
			uint64_t value;
			uint64_t word =
				sale->stream->words[kit_random_below(&random, sale->stream->count)];
			(void)instance->subject->get(instance->map, thread, word & BENCH_KEY_MASK,
						     &value);
		}
		if (worker->number == 0 && instance->subject->bytes != NULL) {
			uint64_t bytes = instance->subject->bytes(instance->map);
			if (bytes > sale->most_bytes)
				sale->most_bytes = bytes;
		}
		/* Paced sales leave the processors room, as the article's 16 cores do. */
		if (sale->paced)
			bench_sleep(BENCH_MS);
	} while (bench_worker_tick(worker, did));
	bench_leave(instance->subject, instance->map, thread);
}

enum figure { P50, P99, P999, WRITES, READS, MEMORY, COPYING, FIGURES };

static const struct {
	const char *what, *unit;
	enum bench_better better;
} figures[FIGURES] = {
	[P50] = {"p50", "us", BENCH_LESS},
	[P99] = {"p99", "us", BENCH_LESS},
	[P999] = {"p99.9", "us", BENCH_LESS},
	[WRITES] = {"writes", "kops/s", BENCH_MORE},
	[READS] = {"reads", "kops/s", BENCH_MORE},
	[MEMORY] = {"memory", "+%", BENCH_LESS},
	[COPYING] = {"copying", "% of Store", BENCH_LESS},
};

static uint64_t total(const uint64_t of[WRITERS])
{
	uint64_t sum = 0;

	for (int i = 0; i < WRITERS; i++)
		sum += of[i];
	return sum;
}

static double copying(const struct sale *sale)
{
	double updates = (double)total(sale->updates), orders = (double)total(sale->orders);
	double plain = (double)total(sale->update_ns) / updates;
	double all = ((double)total(sale->update_ns) + (double)total(sale->order_ns)) /
		     (updates + orders);

	return updates > 0 && all > plain ? 100 * (1 - plain / all) : 0;
}

static void run_once(struct bench *bench, const char *suite, const struct bench_subject *subject,
		     bool paced, const struct bench_stream *stream,
		     struct bench_samples samples[FIGURES])
{
	struct bench_instance instance;
	struct sale sale = {.instance = &instance, .stream = stream, .paced = paced};
	struct bench_role roles[] = {{.body = write_body, .context = &sale, .threads = WRITERS},
				     {.body = read_body, .context = &sale, .threads = READERS}};
	uint64_t ns = bench_slice_ns(bench, 300 * BENCH_MS, 2 * BENCH_S), elapsed = 0;

	if (!bench_instance_make(bench, suite, &instance, subject, STOCK, STOCK))
		return;
	uint64_t before = subject->bytes != NULL ? subject->bytes(instance.map) : 0;
	sale.stores = calloc(WRITERS, sizeof *sale.stores);
	for (unsigned i = 0; sale.stores != NULL && i < WRITERS; i++)
		kit_hist_init(&sale.stores[i]);
	if (sale.stores != NULL)
		elapsed = bench_run(bench, roles, 2, ns / 5, ns);
	if (elapsed > 0) {
		for (unsigned i = 1; i < WRITERS; i++)
			kit_hist_merge(&sale.stores[0], &sale.stores[i]);
		bench_sample(&samples[P50], (double)kit_hist_percentile(&sale.stores[0], 50) / 1e3);
		bench_sample(&samples[P99], (double)kit_hist_percentile(&sale.stores[0], 99) / 1e3);
		bench_sample(&samples[P999],
			     (double)kit_hist_percentile(&sale.stores[0], 99.9) / 1e3);
		bench_sample(&samples[WRITES], (double)roles[0].ops * 1e6 / (double)elapsed);
		bench_sample(&samples[READS], (double)roles[1].ops * 1e6 / (double)elapsed);
		if (before > 0)
			bench_sample(&samples[MEMORY],
				     100 * ((double)sale.most_bytes / (double)before - 1));
		if (bench_is_kind(subject) && strcmp(subject->kind->name, "cowmap") != 0)
			bench_sample(&samples[COPYING], copying(&sale));
	}
	free(sale.stores);
	bench_instance_free(&instance);
}

/* The article's figures for its 16 cores. */
static const char *claim(const char *suite, const struct bench_subject *subject, enum figure figure)
{
	static const struct {
		const char *kind;
		enum figure figure;
		const char *text;
	} claims[] = {
		{"syncmap", P99, "12 100 us (0.3 ms before the load, 12 ms under it)"},
		{"syncmap", MEMORY, "+32 %"},
		{"syncmap", COPYING, "63 % of Store"},
		{"shardmap", P99, "400 us"},
		{"shardmap", MEMORY, "+8 %"},
		{"cowmap", P99, "200 us"},
		{"cowmap", MEMORY, "+5 %"},
	};

	for (size_t i = 0; strcmp(suite, "article-5") == 0 && i < sizeof claims / sizeof *claims;
	     i++) {
		if (bench_is_kind(subject) && strcmp(claims[i].kind, subject->kind->name) == 0 &&
		    claims[i].figure == figure)
			return claims[i].text;
	}
	return NULL;
}

static bool chosen(const struct bench_subject *subject, bool paced)
{
	if (!bench_is_local(subject) || subject->ordered || subject->bare)
		return false;
	return bench_is_kind(subject) ? !subject->kind->ordered : !paced;
}

static void run(struct bench *bench, const char *suite, bool paced)
{
	struct bench_samples(*samples)[FIGURES] = calloc(bench->subject_count, sizeof *samples);
	unsigned repeats = bench_repeats(bench, 3, 5);
	struct bench_stream stream;

	if (samples == NULL || !bench_stream_make(&stream, &bench_workloads[0], KIT_ZIPF, STOCK)) {
		bench_refuse(bench, suite, "out of memory");
		free(samples);
		return;
	}
	for (unsigned r = 0; r < repeats; r++) {
		for (size_t i = 0; i < bench->subject_count && !bench->stopped(); i++) {
			size_t s = (i + r) % bench->subject_count;
			if (!chosen(bench->subjects[s], paced))
				continue;
			bench->progress(suite, bench->subjects[s]->name,
					(double)(r * bench->subject_count + i) /
						(double)(repeats * bench->subject_count));
			run_once(bench, suite, bench->subjects[s], paced, &stream, samples[s]);
		}
	}
	for (size_t s = 0; s < bench->subject_count; s++) {
		for (int f = 0; f < FIGURES; f++) {
			struct bench_result result = {
				.suite = suite,
				.workload = "sale",
				.what = figures[f].what,
				.keys = "zipf",
				.entries = STOCK,
				.threads = WRITERS + READERS,
				.unit = figures[f].unit,
				.claim = claim(suite, bench->subjects[s], (enum figure)f),
				.better = figures[f].better};
			bench_add(bench, &result, bench->subjects[s], &samples[s][f]);
		}
	}
	bench_stream_free(&stream);
	free(samples);
}

void bench_suite_flash_sale(struct bench *bench)
{
	run(bench, "flash-sale", false);
}

void bench_suite_article_5(struct bench *bench)
{
	static const char *const wanted[] = {"syncmap", "lockmap", "shardmap", "cowmap", "hashmap"};

	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		if (!kit_kind_exists(kit_kind_find(wanted[i])))
			bench_say(bench, "article-5", "no %s in this build of calm", wanted[i]);
	}
	run(bench, "article-5", true);
	bench_say(
		bench, "article-5",
		"the article's machine has 16 cores and is not named; its 8 000 writes a second are run here");
}
