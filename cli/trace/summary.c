/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What `calm trace` prints: who did how much, how long it took, what overlapped; for people, or the same as a JSON object.
 *
 * Lengths are of the spans whose begin and end were seen; how many were not stands beside them.
 */
#include "cli/cli.h"
#include "cli/trace/trace.h"
#include "kit/hist.h"

#include <calm/base.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define OVERLAPS_FEW 10
#define OVERLAPS_SHOWN 40

typedef unsigned long long ull;

struct totals {
	const struct trace_timeline *timeline;
	const struct trace_recording *recording;
	uint64_t *events, *samples; /* of each thread */
	uint64_t events_lost, samples_lost;
	struct kit_hist *lengths;       /* of each kind of span */
	uint64_t cut[TRACE_SPAN_KINDS]; /* begin or end not seen */
	uint64_t marks[TRACE_EVENT_KINDS];
};

/* ---- counting ---- */

static void count_recording(struct totals *totals)
{
	const struct trace_recording *recording = totals->recording;

	for (uint64_t i = 0; i < recording->event_count; i++) {
		if (recording->events[i].thread < recording->thread_count)
			totals->events[recording->events[i].thread]++;
	}
	for (uint64_t i = 0; i < recording->sample_count; i++) {
		if (recording->samples[i].thread < recording->thread_count)
			totals->samples[recording->samples[i].thread]++;
	}
	for (uint32_t i = 0; i < recording->thread_count; i++) {
		totals->events_lost += recording->threads[i].events_lost;
		totals->samples_lost += recording->threads[i].samples_lost;
	}
}

static void count_timeline(struct totals *totals)
{
	const struct trace_timeline *timeline = totals->timeline;

	for (uint64_t i = 0; i < timeline->span_count; i++) {
		const struct trace_span *span = &timeline->spans[i];
		if (span->begin_lost || span->end_thread == TRACE_NONE)
			totals->cut[span->kind]++;
		else
			kit_hist_record(&totals->lengths[span->kind], span->end - span->begin);
	}
	for (uint64_t i = 0; i < timeline->mark_count; i++)
		totals->marks[timeline->marks[i].kind] += timeline->marks[i].count;
}

static bool count(struct totals *totals)
{
	size_t threads = totals->recording->thread_count;

	totals->events = calloc(threads + 1, sizeof *totals->events);
	totals->samples = calloc(threads + 1, sizeof *totals->samples);
	totals->lengths = calloc(TRACE_SPAN_KINDS, sizeof *totals->lengths);
	if (totals->events == NULL || totals->samples == NULL || totals->lengths == NULL)
		return false;
	for (int kind = 0; kind < TRACE_SPAN_KINDS; kind++)
		kit_hist_init(&totals->lengths[kind]);
	count_recording(totals);
	count_timeline(totals);
	return true;
}

static double length_of(const struct totals *totals, int kind, double percent)
{
	const struct kit_hist *hist = &totals->lengths[kind];

	if (kit_hist_count(hist) == 0)
		return NAN;
	return (double)(percent < 100 ? kit_hist_percentile(hist, percent) : kit_hist_max(hist));
}

/* ---- for people ---- */

static void clean(FILE *file, const char *text)
{
	cli_clean(file, text, strlen(text));
}

static void print_command(const struct totals *totals, FILE *file)
{
	const struct trace_recording *recording = totals->recording;
	char text[CLI_NUMBER];

	for (char **word = recording->command; word != NULL && *word != NULL; word++) {
		clean(file, *word);
		(void)fputs(word[1] != NULL ? " " : ": ", file);
	}
	(void)fprintf(file, "%s, ", cli_time(text, (double)recording->ns));
	if (WIFSIGNALED(recording->exit_status))
		(void)fprintf(file, "killed by signal %d (%s)\n", WTERMSIG(recording->exit_status),
			      strsignal(WTERMSIG(recording->exit_status)));
	else
		(void)fprintf(file, "exit status %d\n", WEXITSTATUS(recording->exit_status));
}

static void print_recording(const struct totals *totals, FILE *file)
{
	const struct trace_recording *recording = totals->recording;
	char text[CLI_NUMBER];

	(void)fprintf(file, "%llu events, %llu lost; %llu samples of %s, %llu lost",
		      (ull)recording->event_count, (ull)totals->events_lost,
		      (ull)recording->sample_count, cli_time(text, (double)recording->sample_ns),
		      (ull)totals->samples_lost);
	if (recording->threads_lost > 0)
		(void)fprintf(file, "; %llu thread%s not recorded", (ull)recording->threads_lost,
			      recording->threads_lost == 1 ? "" : "s");
	if (recording->event_cost_ps > 0)
		(void)fprintf(file, "; recording an event took %s",
			      cli_time(text, (double)recording->event_cost_ps * 1e-3));
	if (recording->sample_cost_ns > 0)
		(void)fprintf(file, ", a sample %s",
			      cli_time(text, (double)recording->sample_cost_ns));
	(void)fputs("\n\n", file);
}

static void print_threads(const struct totals *totals, FILE *file)
{
	const struct trace_recording *recording = totals->recording;
	char text[TRACE_TEXT], *name = NULL;
	size_t size = 0;

	(void)fprintf(file, "%-30s %10s %10s %10s %10s\n", "thread", "events", "lost", "samples",
		      "lost");
	for (uint32_t i = 0; i < recording->thread_count; i++) {
		const struct trace_thread *thread = &recording->threads[i];
		FILE *memory = open_memstream(&name, &size);
		if (memory != NULL) {
			clean(memory, trace_thread_text(recording, i, text) + strlen("thread "));
			(void)fclose(memory);
		}
		(void)fprintf(file, "%-30s %10llu %10llu %10llu %10llu\n", name != NULL ? name : "",
			      (ull)totals->events[i], (ull)thread->events_lost,
			      (ull)totals->samples[i], (ull)thread->samples_lost);
		free(name);
		name = NULL;
	}
}

static void print_spans(const struct totals *totals, FILE *file)
{
	char cells[3][CLI_NUMBER];
	const char *comma = "\n";

	(void)fprintf(file, "\n%-13s %10s %10s %10s %10s  %s\n", "span", "whole", "p50", "p99",
		      "max", "begin or end not seen");
	for (int kind = 0; kind < TRACE_SPAN_KINDS; kind++) {
		uint64_t whole = kit_hist_count(&totals->lengths[kind]);
		if (whole + totals->cut[kind] == 0)
			continue;
		(void)fprintf(
			file, "%-13s %10llu %10s %10s %10s  %llu\n", trace_span_kind_name(kind),
			(ull)whole, cli_time(cells[0], length_of(totals, kind, 50)),
			cli_time(cells[1], length_of(totals, kind, 99)),
			cli_time(cells[2], length_of(totals, kind, 100)), (ull)totals->cut[kind]);
	}
	for (int kind = 0; kind < TRACE_EVENT_KINDS; kind++) {
		if (totals->marks[kind] == 0)
			continue;
		(void)fprintf(file, "%s%s: %s", comma, trace_event_name(kind),
			      cli_count(cells[0], (double)totals->marks[kind]));
		comma = "; ";
	}
	(void)fputs(*comma == ';' ? "\n" : "", file);
}

static uint32_t map_of(const struct trace_timeline *timeline, uint32_t span)
{
	return timeline->spans[span].map;
}

/* Whether a longer one of the same kind, during a traversal of the same map, was chosen already. */
static bool has_like(const struct trace_timeline *timeline, const uint32_t *chosen, uint32_t n,
		     const struct trace_overlap *overlap)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct trace_overlap *one = &timeline->overlaps[chosen[i]];
		if (timeline->spans[one->other].kind == timeline->spans[overlap->other].kind &&
		    map_of(timeline, one->traversal) == map_of(timeline, overlap->traversal))
			return true;
	}
	return false;
}

static int compare_indexes(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Of each map and kind the longest, so that none hides behind another map's; then the longest of all. */
static uint32_t choose_overlaps(const struct trace_timeline *timeline,
				uint32_t chosen[OVERLAPS_SHOWN])
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < timeline->overlap_count && n < OVERLAPS_SHOWN; i++) {
		const struct trace_overlap *overlap = &timeline->overlaps[i];
		if (!overlap->elsewhere && !has_like(timeline, chosen, n, overlap))
			chosen[n++] = i;
	}
	uint32_t kinds = n;
	for (uint32_t i = 0; i < timeline->overlap_count && n < OVERLAPS_FEW; i++) {
		bool there = false;
		for (uint32_t k = 0; k < kinds; k++)
			there = there || chosen[k] == i;
		if (!there)
			chosen[n++] = i;
	}
	qsort(chosen, n, sizeof *chosen, compare_indexes);
	return n;
}

static void print_overlaps(const struct totals *totals, FILE *file)
{
	const struct trace_timeline *timeline = totals->timeline;
	uint64_t all = timeline->overlap_count + timeline->overlaps_left_out;
	uint32_t chosen[OVERLAPS_SHOWN];
	uint32_t shown = choose_overlaps(timeline, chosen);
	char text[TRACE_TEXT], length[CLI_NUMBER];

	if (all == 0) {
		(void)fputs("\nNo traversal overlapped a reclaim, resize, copy, compaction or "
			    "stall.\n",
			    file);
		return;
	}
	(void)fprintf(file,
		      "\nWhat went on during traversals, the longest of each map and kind among "
		      "them (%u of %llu):\n",
		      shown, (ull)all);
	for (uint32_t i = 0; i < shown; i++) {
		const struct trace_overlap *overlap = &timeline->overlaps[chosen[i]];
		(void)fputs("  ", file);
		clean(file, trace_span_text(timeline, overlap->traversal, text));
		(void)fputs(" overlapped ", file);
		clean(file, trace_span_text(timeline, overlap->other, text));
		(void)fprintf(file, " for %s%s\n", cli_time(length, (double)overlap->ns),
			      overlap->elsewhere ? ", of another map" : "");
	}
}

static void print_files(const char *const *files, FILE *file)
{
	const char *before = "\nwritten: ";

	for (; *files != NULL; files++) {
		(void)fputs(before, file);
		clean(file, *files);
		before = ", ";
	}
	(void)fputs(*before == ',' ? "\n" : "", file);
}

/* ---- for programs ---- */

static void json_string(FILE *file, const char *name, const char *text)
{
	(void)fprintf(file, ",\"%s\":", name);
	cli_json(file, text, strlen(text));
}

static void json_number(FILE *file, const char *name, double number)
{
	(void)fprintf(file, ",\"%s\":", name);
	cli_json_number(file, number);
}

static void json_strings(FILE *file, const char *name, const char *const *list)
{
	(void)fprintf(file, ",\"%s\":[", name);
	for (const char *const *word = list; word != NULL && *word != NULL; word++) {
		(void)fputs(word > list ? "," : "", file);
		cli_json(file, *word, strlen(*word));
	}
	(void)fputs("]", file);
}

static void json_recording(const struct totals *totals, FILE *file)
{
	const struct trace_recording *recording = totals->recording;
	int status = recording->exit_status;

	(void)fprintf(file, "{\"command\":\"trace\",\"version\":\"%s\"", calm_version());
	json_strings(file, "traced", (const char *const *)recording->command);
	json_number(file, "began_s", (double)recording->began * 1e-9);
	json_number(file, "seconds", (double)recording->ns * 1e-9);
	if (WIFSIGNALED(status))
		(void)fprintf(file, ",\"exit_status\":null,\"signal\":%d", WTERMSIG(status));
	else
		(void)fprintf(file, ",\"exit_status\":%d,\"signal\":null", WEXITSTATUS(status));
	(void)fprintf(
		file,
		",\"events\":%llu,\"events_lost\":%llu,\"samples\":%llu,\"samples_lost\":%llu,"
		"\"threads_lost\":%llu",
		(ull)recording->event_count, (ull)totals->events_lost, (ull)recording->sample_count,
		(ull)totals->samples_lost, (ull)recording->threads_lost);
	json_number(file, "sample_us", (double)recording->sample_ns * 1e-3);
	json_number(file, "event_cost_ns",
		    recording->event_cost_ps > 0 ? (double)recording->event_cost_ps * 1e-3 : NAN);
	json_number(file, "sample_cost_ns",
		    recording->sample_cost_ns > 0 ? (double)recording->sample_cost_ns : NAN);
}

static void json_threads(const struct totals *totals, FILE *file)
{
	const struct trace_recording *recording = totals->recording;

	(void)fputs(",\"threads\":[", file);
	for (uint32_t i = 0; i < recording->thread_count; i++) {
		const struct trace_thread *thread = &recording->threads[i];
		(void)fprintf(file, "%s{\"thread\":%u,\"id\":%u,\"name\":", i > 0 ? "," : "", i + 1,
			      thread->id);
		cli_json(file, thread->name, strnlen(thread->name, sizeof thread->name));
		(void)fprintf(file,
			      ",\"events\":%llu,\"events_lost\":%llu,\"samples\":%llu,"
			      "\"samples_lost\":%llu}",
			      (ull)totals->events[i], (ull)thread->events_lost,
			      (ull)totals->samples[i], (ull)thread->samples_lost);
	}
	(void)fputs("]", file);
}

static void json_spans(const struct totals *totals, FILE *file)
{
	(void)fputs(",\"spans\":{", file);
	for (int kind = 0; kind < TRACE_SPAN_KINDS; kind++) {
		(void)fprintf(file, "%s\"%s\":{\"whole\":%llu,\"not_whole\":%llu",
			      kind > 0 ? "," : "", trace_span_kind_name(kind),
			      (ull)kit_hist_count(&totals->lengths[kind]), (ull)totals->cut[kind]);
		json_number(file, "p50_us", length_of(totals, kind, 50) * 1e-3);
		json_number(file, "p99_us", length_of(totals, kind, 99) * 1e-3);
		json_number(file, "max_us", length_of(totals, kind, 100) * 1e-3);
		(void)fputs("}", file);
	}
	(void)fputs("},\"marks\":{", file);
	const char *comma = "";
	for (int kind = 0; kind < TRACE_EVENT_KINDS; kind++) {
		if (totals->marks[kind] == 0)
			continue;
		(void)fprintf(file, "%s\"%s\":%llu", comma, trace_event_name(kind),
			      (ull)totals->marks[kind]);
		comma = ",";
	}
	(void)fputs("}", file);
}

static void json_side(const struct trace_timeline *timeline, uint32_t index, FILE *file)
{
	const struct trace_span *span = &timeline->spans[index];
	char text[TRACE_TEXT];

	(void)fprintf(file, "{\"kind\":\"%s\",\"number\":%u,\"thread\":%u",
		      trace_span_kind_name(span->kind), span->number, span->thread + 1);
	if (span->map != TRACE_NONE)
		json_string(file, "map", trace_map_text(timeline->recording, span->map, text));
	if (span->kind == TRACE_SPAN_TRAVERSAL)
		json_string(file, "verb", trace_verb_name(span->a));
	json_number(file, "begin_us", (double)span->begin * 1e-3);
	json_number(file, "us", (double)(span->end - span->begin) * 1e-3);
	(void)fputs("}", file);
}

static void json_overlaps(const struct totals *totals, FILE *file)
{
	const struct trace_timeline *timeline = totals->timeline;

	(void)fputs(",\"overlaps\":[", file);
	for (uint32_t i = 0; i < timeline->overlap_count; i++) {
		const struct trace_overlap *overlap = &timeline->overlaps[i];
		(void)fprintf(file, "%s\n{\"traversal\":", i > 0 ? "," : "");
		json_side(timeline, overlap->traversal, file);
		(void)fputs(",\"other\":", file);
		json_side(timeline, overlap->other, file);
		json_number(file, "us", (double)overlap->ns * 1e-3);
		(void)fprintf(file, ",\"elsewhere\":%s}", overlap->elsewhere ? "true" : "false");
	}
	(void)fprintf(file, "],\"overlaps_left_out\":%llu", (ull)timeline->overlaps_left_out);
}

/* ---- both ---- */

bool trace_summary(const struct trace_timeline *timeline, const char *const *files, bool json,
		   FILE *file)
{
	struct totals totals = {.timeline = timeline, .recording = timeline->recording};
	bool good = count(&totals);

	if (good && json) {
		json_recording(&totals, file);
		json_threads(&totals, file);
		json_spans(&totals, file);
		json_overlaps(&totals, file);
		json_strings(file, "files", files);
		(void)fputs("}\n", file);
	} else if (good) {
		print_command(&totals, file);
		print_recording(&totals, file);
		print_threads(&totals, file);
		print_spans(&totals, file);
		print_overlaps(&totals, file);
		print_files(files, file);
	}
	free(totals.events);
	free(totals.samples);
	free(totals.lengths);
	return good && ferror(file) == 0;
}
