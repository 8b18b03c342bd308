/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Writes a recording that is made up in every format, into a folder: NAME.json (Perfetto), NAME.pb.gz (pprof), NAME.summary.json
 * and NAME.txt; and what must be found in them as NAME.expected.json. formats.py reads them back.
 */
#include "made.h"
#include "modules.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES 3000
#define MODULES 64

static FILE *open_in(const char *folder, const char *name, const char *suffix)
{
	char path[400];

	(void)snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix);
	FILE *file = fopen(path, "we");
	if (file == NULL)
		err(2, "%s", path);
	return file;
}

static void wrote(bool good, FILE *file)
{
	if (fclose(file) != 0 || !good)
		errx(2, "not written");
}

/* Samples at random times: an own one of inlined functions, ones in no module, and one that has no stack. */
static void add_samples(struct made *made, struct trace_stacks *stacks,
			struct trace_sample *samples)
{
	struct trace_recording *recording = &made->recording;
	uint64_t seed = 11;

	for (unsigned i = 0; i < SAMPLES; i++) {
		const uint64_t addresses[3] = {(uint64_t)(uintptr_t)made_random, own_outer(),
					       made_random(&seed) % 16};
		uint32_t stack = i % 7 == 0
					 ? TRACE_NONE
					 : trace_stacks_add(stacks, addresses + i % 3, 3 - i % 3);
		samples[i] = (struct trace_sample){.ns = recording->ns / SAMPLES * i,
						   .thread = i * 7 % MADE_THREADS,
						   .stack = stack};
	}
	recording->samples = samples;
	recording->sample_count = SAMPLES;
}

/* As slowly as can be: whether a sample is in a traversal. */
static bool in_traversal(const struct trace_timeline *timeline, const struct trace_sample *sample)
{
	for (uint64_t i = 0; i < timeline->span_count; i++) {
		const struct trace_span *span = &timeline->spans[i];
		if (span->kind == TRACE_SPAN_TRAVERSAL && span->thread == sample->thread &&
		    span->begin <= sample->ns && sample->ns < span->end)
			return true;
	}
	return false;
}

static void expect(const struct trace_timeline *timeline, FILE *file)
{
	const struct trace_recording *recording = timeline->recording;
	uint64_t cut = 0, spans[TRACE_SPAN_KINDS] = {0}, threads[MADE_THREADS] = {0}, marks = 0,
		 within = 0;

	for (uint64_t i = 0; i < timeline->span_count; i++)
		spans[timeline->spans[i].kind]++;
	for (uint64_t i = 0; i < timeline->span_count; i++)
		cut += timeline->spans[i].begin_lost || timeline->spans[i].end_thread == TRACE_NONE;
	for (uint64_t i = 0; i < timeline->mark_count; i++)
		marks += timeline->marks[i].kind < TRACE_SECTIONS;
	for (uint64_t i = 0; i < recording->sample_count; i++) {
		threads[recording->samples[i].thread]++;
		within += in_traversal(timeline, &recording->samples[i]);
	}
	(void)fprintf(file, "{\"spans\":{");
	for (int kind = 0; kind < TRACE_SPAN_KINDS; kind++)
		(void)fprintf(file, "%s\"%s\":%llu", kind > 0 ? "," : "",
			      trace_span_kind_name(kind), (unsigned long long)spans[kind]);
	(void)fprintf(file, "},\"cut\":%llu", (unsigned long long)cut);
	(void)fprintf(file, ",\"marks\":%llu,\"bursts\":%llu,\"events\":%llu",
		      (unsigned long long)marks, (unsigned long long)(timeline->mark_count - marks),
		      (unsigned long long)recording->event_count);
	(void)fprintf(file, ",\"samples\":%llu,\"in_traversals\":%llu,\"sample_ns\":%llu",
		      (unsigned long long)recording->sample_count, (unsigned long long)within,
		      (unsigned long long)recording->sample_ns);
	(void)fprintf(file, ",\"modules\":%u,\"overlaps\":%u,\"left_out\":%llu,\"names\":%s",
		      recording->module_count, timeline->overlap_count,
		      (unsigned long long)timeline->overlaps_left_out,
		      trace_stacks_lack() == NULL ? "true" : "false");
	(void)fprintf(file, ",\"lines\":[%u,%u,%u],\"threads\":[", own_lines[0], own_lines[1],
		      own_lines[2]);
	for (unsigned i = 0; i < MADE_THREADS; i++)
		(void)fprintf(file, "%s%llu", i > 0 ? "," : "", (unsigned long long)threads[i]);
	(void)fprintf(file, "]}\n");
}

static void write_all(struct made *made, const char *folder, const char *name)
{
	static struct trace_sample samples[SAMPLES];
	static struct trace_module modules[MODULES];
	static const char *const files[] = {"a.html", "a \"b\"\n.json", NULL};
	struct trace_stacks *stacks = trace_stacks_open();
	struct trace_timeline timeline;

	if (stacks == NULL)
		errx(2, "out of memory");
	made->recording.modules = modules;
	made->recording.module_count = own_modules(modules, MODULES);
	if (made->recording.event_count > 0)
		add_samples(made, stacks, samples);
	if (!trace_stacks_name(stacks, &made->recording) ||
	    !trace_timeline_make(&made->recording, &timeline))
		errx(2, "out of memory");
	FILE *file = open_in(folder, name, ".json");
	wrote(trace_perfetto_write(&timeline, file), file);
	file = open_in(folder, name, ".pb.gz");
	wrote(trace_pprof_write(&timeline, file), file);
	file = open_in(folder, name, ".summary.json");
	wrote(trace_summary(&timeline, files, true, file), file);
	file = open_in(folder, name, ".txt");
	wrote(trace_summary(&timeline, files, false, file), file);
	file = open_in(folder, name, ".expected.json");
	expect(&timeline, file);
	wrote(true, file);
	trace_timeline_free(&timeline);
	trace_stacks_close(stacks);
	forget_modules(modules, made->recording.module_count);
}

int main(int argc, char **argv)
{
	struct made made;

	if (argc != 2)
		errx(2, "usage: trace_formats FOLDER");
	made_begin(&made, 1000);
	write_all(&made, argv[1], "empty");
	made_end(&made);
	made_begin(&made, 0);
	made_run(&made, 4000, 42);
	write_all(&made, argv[1], "run");
	made_end(&made);
	made_begin(&made, 0);
	made_noise(&made, 3000, 42);
	made.threads[2].events_lost = 5;
	write_all(&made, argv[1], "noise");
	made_end(&made);
	return 0;
}
