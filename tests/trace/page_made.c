/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Writes pages of made-up recordings, for page.mjs: page_made walks|million|empty|silent FILE.
 *
 *	walks	25 walks of 7 ms by walker-1, one each 8 ms. Reclaim 3, of writer-0, overlaps traversal 14 for 5 ms; the others
 *		are of 0.3 ms. Everything else a timeline can hold is there too, and names that try to leave their place.
 *	million	over a million spans and marks
 *	empty	no event, no sample, no thread
 *	silent	events without samples
 */
#include "made.h"

#include <stdlib.h>
#include <string.h>

#define US 1000u
#define MS 1000000u
#define MAIN 0
#define WRITER 1
#define WALKER 2
#define HOSTILE 3
#define HASHMAP 0x1000
#define SYNCMAP 0x2000
#define DELTAMAP 0x3000

static int by_time(const void *a, const void *b)
{
	const struct trace_event *x = a, *y = b;

	return (x->ns > y->ns) - (x->ns < y->ns);
}

static void span(struct made *made, uint64_t from, uint64_t to, unsigned thread,
		 enum trace_event_kind begin, uint64_t a, uint64_t b, uint64_t c)
{
	bool reclaim = begin == TRACE_RECLAIM_BEGIN, stall = begin == TRACE_STALL_BEGIN;

	made_add(made, from, thread, begin, a, b, c);
	made_add(made, to, thread, begin == TRACE_RESIZE_BEGIN ? TRACE_RESIZE_END : begin + 1,
		 reclaim || stall ? b : a, begin == TRACE_TRAVERSAL_BEGIN ? b : 0, 0);
}

static void add_walks(struct made *made)
{
	for (uint64_t i = 0; i < 25; i++) {
		uint64_t from = i * 8 * MS;
		span(made, from, from + 7 * MS, WALKER, TRACE_TRAVERSAL_BEGIN, HASHMAP, TRACE_WALK,
		     0);
		made_add(made, from + 6900 * US, WALKER, TRACE_SECTION, 0, 0, 6800 * US);
		made_add(made, from + 7900 * US, WRITER, TRACE_RETIRES, 0, 0, 7900 * US);
		made_add(made, from + 7950 * US, MAIN, TRACE_SECTIONS, 0, 0, 2000 * US);
		made_add(made, from + 7960 * US, WRITER, TRACE_IMAGES, HASHMAP, 0, 3000 * US);
	}
	static const uint64_t reclaims[] = {20, 60, 105, 150, 178};
	for (size_t i = 0; i < sizeof reclaims / sizeof *reclaims; i++) {
		uint64_t from = reclaims[i] * MS;
		span(made, from, from + (i == 2 ? 5 * MS : 300 * US), WRITER, TRACE_RECLAIM_BEGIN,
		     4096, 4000, 0);
	}
	span(made, 30 * MS, 52 * MS, WRITER, TRACE_RESIZE_BEGIN, HASHMAP, 1024, 2048);
	for (uint64_t i = 0; i < 30; i++)
		made_add(made, 30 * MS + i * 700 * US, WRITER, TRACE_RESIZE_CHUNK, HASHMAP, i * 64,
			 0);
	span(made, 70 * MS, 74 * MS, HOSTILE, TRACE_COPY_BEGIN, SYNCMAP, 50000, 0);
	made_add(made, 76 * MS, HOSTILE, TRACE_PROMOTION, SYNCMAP, 50000, 0);
	span(made, 120 * MS, 131 * MS, HOSTILE, TRACE_COMPACT_BEGIN, DELTAMAP, 0, 0);
	span(made, 160 * MS, 168 * MS, WRITER, TRACE_STALL_BEGIN, 4002, 9, 0);
	made_add(made, 10 * MS, MAIN, TRACE_SNAPSHOT_OPEN, HASHMAP, 0xabc0, 0);
	made_add(made, 90 * MS, MAIN, TRACE_SNAPSHOT_OPEN, HASHMAP, 0xabd0, 0);
	made_add(made, 140 * MS, WALKER, TRACE_SNAPSHOT_CLOSE, HASHMAP, 0xabc0, 0);
	made_add(made, 155 * MS, WALKER, TRACE_SNAPSHOT_CLOSE, HASHMAP, 0xabd0, 0);
	qsort(made->recording.events, made->recording.event_count, sizeof *made->recording.events,
	      by_time);
}

/* Stacks of 64 kinds, in functions that are named to do harm, and one sample a ms and thread. */
#define FRAMES 16
#define STACKS 64

static void add_samples(struct made *made, uint64_t every, uint64_t seed)
{
	static const char *const names[FRAMES] = {
		"main",
		"walk_all",
		"calm_map_walk",
		"calm__hashmap_walk",
		"visit",
		"memcmp",
		"writer",
		"calm_map_store",
		"calm__reclaim",
		"free",
		"</script><script>throw 1</script>",
		"<img src=x onerror=\"throw 2\">",
		"std::map<K, V>::find(K const&) const",
		"\xff\xfe",
		"0x1234",
		"calm__hashmap_resize_the_table_with_a_name_that_is_rather_long",
	};
	struct trace_recording *recording = &made->recording;

	recording->modules = calloc(3, sizeof *recording->modules);
	recording->frames = calloc(FRAMES, sizeof *recording->frames);
	recording->stacks = calloc(STACKS, sizeof *recording->stacks);
	recording->sample_count = recording->ns / every * 3;
	recording->samples = calloc(recording->sample_count, sizeof *recording->samples);
	if (recording->modules == NULL || recording->frames == NULL || recording->stacks == NULL ||
	    recording->samples == NULL)
		abort();
	recording->module_count = 3;
	recording->modules[0].path = "/opt/program";
	recording->modules[1].path = "/usr/lib/libc.so.6";
	recording->modules[2].path = "[kernel]";
	recording->frame_count = FRAMES;
	for (uint32_t i = 0; i < FRAMES; i++)
		recording->frames[i] = (struct trace_frame){.function = names[i],
							    .file = i % 4 != 3 ? "/src/</script>.c"
									       : NULL,
							    .line = 10 * i,
							    .module_index = i % 5 == 4 ? 1 : 0};
	recording->frames[14].module_index = TRACE_NONE;
	recording->stack_count = STACKS;
	for (uint32_t i = 0; i < STACKS; i++) {
		recording->stacks[i].frame =
			i == 0 ? 0 : 1 + (uint32_t)(made_random(&seed) % (FRAMES - 1));
		recording->stacks[i].caller = i == 0  ? TRACE_NONE
					      : i < 8 ? i - 1
						      : (uint32_t)(made_random(&seed) % i);
	}
	for (uint64_t i = 0; i < recording->sample_count; i++)
		recording->samples[i] = (struct trace_sample){
			.ns = i / 3 * every + i % 3,
			.thread = (uint32_t)(i % 3),
			.stack = i % 100 == 99 ? TRACE_NONE
					       : (uint32_t)(made_random(&seed) % STACKS)};
}

static void free_samples(struct made *made)
{
	free(made->recording.modules);
	free(made->recording.frames);
	free(made->recording.stacks);
	free(made->recording.samples);
}

static void name(struct made *made, unsigned thread, const char *text)
{
	memset(made->threads[thread].name, 0, sizeof made->threads[thread].name);
	memcpy(made->threads[thread].name, text, strlen(text));
}

static void make(struct made *made, const char *what)
{
	made_begin(made, 200 * MS);
	name(made, WALKER, "walker-1");
	name(made, HOSTILE, "</script><b>");
	memcpy(made->maps[2].kind, "deltamap", sizeof "deltamap");
	if (strcmp(what, "walks") == 0) {
		add_walks(made);
		add_samples(made, MS, 7);
		made->recording.event_cost_ps = 45000;
		made->threads[HOSTILE].events_lost = 1200;
		made->threads[WRITER].samples_lost = 3;
	} else if (strcmp(what, "million") == 0) {
		made_run(made, 2000000, 11);
		add_samples(made, made->recording.ns / 40000, 7);
	} else if (strcmp(what, "silent") == 0) {
		add_walks(made);
		made_add(made, 199 * MS, MAIN, TRACE_COPY_BEGIN, SYNCMAP, UINT64_MAX, 0);
	} else {
		made->recording.thread_count = made->recording.map_count = 0;
	}
}

/* Of what the page must hold, where numbers are as they were. */
static uint64_t sum(const struct trace_timeline *timeline)
{
	const uint64_t largest = (UINT64_C(1) << 52) - 1;
	uint64_t all = 0;

	for (uint64_t i = 0; i < timeline->span_count; i++) {
		const struct trace_span *at = &timeline->spans[i];
		all += at->begin + at->end + (at->a < largest ? at->a : largest) + at->b +
		       (uint64_t)((int64_t)(int32_t)at->number + (int32_t)at->thread +
				  (int32_t)at->end_thread + (int32_t)at->map + at->kind);
	}
	for (uint64_t i = 0; i < timeline->mark_count; i++)
		all += timeline->marks[i].ns + timeline->marks[i].length + timeline->marks[i].count;
	return all;
}

int main(int argc, char **argv)
{
	struct made made;
	struct trace_timeline timeline;

	if (argc != 3) {
		(void)fputs("usage: page_made walks|million|empty|silent FILE\n", stderr);
		return 2;
	}
	make(&made, argv[1]);
	if (!trace_timeline_make(&made.recording, &timeline))
		abort();
	FILE *file = fopen(argv[2], "w");
	bool written = file != NULL && trace_page_write(&timeline, file);
	if (file != NULL && fclose(file) != 0)
		written = false;
	(void)printf("%s: %llu spans, %llu marks, %u overlaps, sum %llu\n", argv[1],
		     (unsigned long long)timeline.span_count,
		     (unsigned long long)timeline.mark_count, timeline.overlap_count,
		     (unsigned long long)sum(&timeline));
	trace_timeline_free(&timeline);
	free_samples(&made);
	made_end(&made);
	return written ? 0 : 1;
}
