/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* cli/trace/timeline.c and overlap.c: pairs, what was lost, overlaps against a reference, time taken. */
#include "made.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void make(const struct made *made, struct trace_timeline *timeline)
{
	assert_true(trace_timeline_make(&made->recording, timeline));
}

/* The nth span of a kind, from 1. */
static const struct trace_span *span(const struct trace_timeline *timeline,
				     enum trace_span_kind kind, uint32_t n)
{
	for (uint64_t i = 0; i < timeline->span_count; i++) {
		if (timeline->spans[i].kind == kind && timeline->spans[i].number == n)
			return &timeline->spans[i];
	}
	fail_msg("no %s %u", trace_span_kind_name(kind), n);
	return NULL;
}

static void check(const struct trace_span *it, uint64_t begin, uint64_t end, uint32_t end_thread)
{
	assert_int_equal(it->begin, begin);
	assert_int_equal(it->end, end);
	assert_int_equal(it->end_thread, end_thread);
}

static void empty(void **state)
{
	struct made made;
	struct trace_timeline timeline;
	struct trace_recording nothing = {0};

	(void)state;
	made_begin(&made, 0);
	make(&made, &timeline);
	assert_int_equal(timeline.span_count + timeline.mark_count + timeline.overlap_count, 0);
	trace_timeline_free(&timeline);
	assert_true(trace_timeline_make(&nothing, &timeline));
	assert_int_equal(timeline.span_count + timeline.mark_count + timeline.overlap_count, 0);
	trace_timeline_free(&timeline);
}

static void nested(void **state)
{
	struct made made;
	struct trace_timeline timeline;

	(void)state;
	made_begin(&made, 1000);
	made_add(&made, 10, 0, TRACE_TRAVERSAL_BEGIN, 0x1000, TRACE_EACH, 0);
	made_add(&made, 20, 0, TRACE_TRAVERSAL_BEGIN, 0x1000, TRACE_EACH, 0);
	made_add(&made, 25, 1, TRACE_TRAVERSAL_BEGIN, 0x1000, TRACE_EACH, 0);
	made_add(&made, 30, 0, TRACE_RECLAIM_BEGIN, 200, 0, 0);
	made_add(&made, 40, 0, TRACE_RECLAIM_END, 168, 0, 0);
	made_add(&made, 50, 0, TRACE_TRAVERSAL_END, 0x1000, TRACE_EACH, 0);
	made_add(&made, 60, 0, TRACE_TRAVERSAL_END, 0x1000, TRACE_EACH, 0);
	made_add(&made, 70, 1, TRACE_TRAVERSAL_END, 0x1000, TRACE_EACH, 0);
	make(&made, &timeline);
	assert_int_equal(timeline.span_count, 4);
	check(span(&timeline, TRACE_SPAN_TRAVERSAL, 1), 10, 60, 0);
	check(span(&timeline, TRACE_SPAN_TRAVERSAL, 2), 20, 50, 0);
	check(span(&timeline, TRACE_SPAN_TRAVERSAL, 3), 25, 70, 1);
	const struct trace_span *reclaim = span(&timeline, TRACE_SPAN_RECLAIM, 1);
	check(reclaim, 30, 40, 0);
	assert_int_equal(reclaim->a, 200);
	assert_int_equal(reclaim->b, 168);
	assert_int_equal(reclaim->map, TRACE_NONE);
	assert_int_equal(timeline.spans[0].map, 0);
	assert_int_equal(timeline.spans[0].a, TRACE_EACH);
	/* Its own thread's and the other's. */
	assert_int_equal(timeline.overlap_count, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(timeline.overlaps[i].ns, 10);
	trace_timeline_free(&timeline);
	made_end(&made);
}

static void other_thread_ends(void **state)
{
	struct made made;
	struct trace_timeline timeline;

	(void)state;
	made_begin(&made, 1000);
	made_add(&made, 10, 0, TRACE_SNAPSHOT_OPEN, 0x1000, 0xa, 0);
	made_add(&made, 20, 0, TRACE_SNAPSHOT_OPEN, 0x1000, 0xb, 0);
	made_add(&made, 25, 3, TRACE_RESIZE_BEGIN, 0x2000, 64, 128);
	made_add(&made, 26, 3, TRACE_RESIZE_CHUNK, 0x2000, 32, 0);
	made_add(&made, 30, 1, TRACE_SNAPSHOT_CLOSE, 0x1000, 0xa, 0);
	made_add(&made, 40, 2, TRACE_RESIZE_END, 0x2000, 0, 0);
	made_add(&made, 50, 0, TRACE_SNAPSHOT_CLOSE, 0x1000, 0xb, 0);
	make(&made, &timeline);
	assert_int_equal(timeline.span_count, 3);
	check(span(&timeline, TRACE_SPAN_SNAPSHOT, 1), 10, 30, 1);
	check(span(&timeline, TRACE_SPAN_SNAPSHOT, 2), 20, 50, 0);
	check(span(&timeline, TRACE_SPAN_RESIZE, 1), 25, 40, 2);
	assert_int_equal(span(&timeline, TRACE_SPAN_SNAPSHOT, 2)->a, 0xb);
	assert_int_equal(span(&timeline, TRACE_SPAN_RESIZE, 1)->a, 64);
	assert_int_equal(span(&timeline, TRACE_SPAN_RESIZE, 1)->b, 128);
	assert_int_equal(timeline.mark_count, 1);
	assert_int_equal(timeline.marks[0].a, 32);
	assert_int_equal(timeline.marks[0].map, 1);
	trace_timeline_free(&timeline);
	made_end(&made);
}

static void lost_begins(void **state)
{
	struct made made;
	struct trace_timeline timeline;

	(void)state;
	made_begin(&made, 1000);
	made.threads[1].begin = 15;
	made.threads[1].events_lost = 3;
	made_add(&made, 20, 1, TRACE_TRAVERSAL_BEGIN, 0x1000, TRACE_WALK, 0);
	/* Another verb, another map: not the ends of that one. */
	made_add(&made, 30, 1, TRACE_TRAVERSAL_END, 0x1000, TRACE_EACH, 0);
	made_add(&made, 40, 1, TRACE_TRAVERSAL_END, 0x2000, TRACE_WALK, 0);
	made_add(&made, 50, 1, TRACE_RECLAIM_END, 12, 0, 0);
	made_add(&made, 60, 1, TRACE_TRAVERSAL_END, 0x1000, TRACE_WALK, 0);
	make(&made, &timeline);
	assert_int_equal(timeline.span_count, 4);
	unsigned lost = 0;
	for (unsigned i = 0; i < 4; i++) {
		lost += timeline.spans[i].begin_lost;
		assert_int_equal(timeline.spans[i].begin, timeline.spans[i].begin_lost ? 15 : 20);
	}
	assert_int_equal(lost, 3);
	check(span(&timeline, TRACE_SPAN_TRAVERSAL, 3), 20, 60, 1);
	assert_int_equal(span(&timeline, TRACE_SPAN_RECLAIM, 1)->b, 12);
	/* Nobody knows how long that reclamation was. */
	assert_int_equal(timeline.overlap_count, 0);
	trace_timeline_free(&timeline);
	made_end(&made);
}

static void lost_ends(void **state)
{
	struct made made;
	struct trace_timeline timeline;

	(void)state;
	made_begin(&made, 1000);
	made_add(&made, 10, 0, TRACE_TRAVERSAL_BEGIN, 0x1000, TRACE_WALK, 0);
	made_add(&made, 20, 0, TRACE_RECLAIM_BEGIN, 5, 0, 0);
	made_add(&made, 30, 0, TRACE_TRAVERSAL_END, 0x1000, TRACE_WALK, 0);
	made_add(&made, 40, 0, TRACE_SNAPSHOT_OPEN, 0x1000, 0xa, 0);
	made_add(&made, 50, 2, TRACE_SNAPSHOT_OPEN, 0x1000, 0xa, 0);
	made_add(&made, 60, 1, TRACE_RECLAIM_BEGIN, 5, 0, 0);
	made_add(&made, 100, 2, TRACE_TRAVERSAL_BEGIN, 0x1000, TRACE_WALK, 0);
	make(&made, &timeline);
	check(span(&timeline, TRACE_SPAN_TRAVERSAL, 1), 10, 30, 0);
	check(span(&timeline, TRACE_SPAN_RECLAIM, 1), 20, 30, TRACE_NONE);
	check(span(&timeline, TRACE_SPAN_SNAPSHOT, 1), 40, 50, TRACE_NONE);
	check(span(&timeline, TRACE_SPAN_SNAPSHOT, 2), 50, 1000, TRACE_NONE);
	check(span(&timeline, TRACE_SPAN_RECLAIM, 2), 60, 1000, TRACE_NONE);
	check(span(&timeline, TRACE_SPAN_TRAVERSAL, 2), 100, 1000, TRACE_NONE);
	/* Nothing was lost: they went on till the end. */
	assert_int_equal(timeline.overlap_count, 2);
	assert_int_equal(timeline.overlaps[0].ns, 900);
	trace_timeline_free(&timeline);
	/* Perhaps they did not. */
	made.threads[1].events_lost = 1;
	make(&made, &timeline);
	assert_int_equal(timeline.overlap_count, 1);
	assert_int_equal(timeline.overlaps[0].ns, 10);
	trace_timeline_free(&timeline);
	made_end(&made);
}

static void stalls(void **state)
{
	struct made made;
	struct trace_timeline timeline;

	(void)state;
	made_begin(&made, 1000);
	made_add(&made, 10, 0, TRACE_STALL_BEGIN, 4002, 7, 0);
	made_add(&made, 20, 1, TRACE_STALL_END, 7, 0, 0);
	made_add(&made, 30, 0, TRACE_STALL_BEGIN, 4002, 8, 0);
	made_add(&made, 40, 0, TRACE_STALL_BEGIN, 4002, 9, 0);
	made_add(&made, 50, 0, TRACE_STALL_END, 8, 0, 0);
	made_add(&made, 60, 0, TRACE_STALL_END, 9, 0, 0);
	make(&made, &timeline);
	assert_int_equal(timeline.span_count, 4);
	check(span(&timeline, TRACE_SPAN_STALL, 2), 10, 20, 1);
	check(span(&timeline, TRACE_SPAN_STALL, 3), 30, 40, TRACE_NONE);
	check(span(&timeline, TRACE_SPAN_STALL, 4), 40, 60, 0);
	check(span(&timeline, TRACE_SPAN_STALL, 1), 0, 50, 0); /* begin not seen */
	trace_timeline_free(&timeline);
	made_end(&made);
}

static void sections_and_bursts(void **state)
{
	struct made made;
	struct trace_timeline timeline;

	(void)state;
	made_begin(&made, 100000);
	made_add(&made, 20000, 0, TRACE_SECTION, 0, 0, 15000);
	made_add(&made, 20001, 0, TRACE_SECTION, 0, 0, 30000); /* longer than there is time */
	made_add(&made, 20002, 1, TRACE_RETIRES, 0, 0, 500);
	made_add(&made, 20003, 1, TRACE_IMAGES, 0x2000, 0, 500);
	make(&made, &timeline);
	assert_int_equal(timeline.span_count, 2);
	check(span(&timeline, TRACE_SPAN_SECTION, 1), 0, 20001, 0);
	check(span(&timeline, TRACE_SPAN_SECTION, 2), 5000, 20000, 0);
	assert_int_equal(timeline.mark_count, 2);
	assert_int_equal(timeline.marks[0].count, 7);
	assert_int_equal(timeline.marks[0].length, 500);
	assert_int_equal(timeline.marks[1].map, 1);
	trace_timeline_free(&timeline);
	made_end(&made);
}

static void own_before_elsewhere(void **state)
{
	struct made made;
	struct trace_timeline timeline;

	(void)state;
	made_begin(&made, 1000);
	made_add(&made, 10, 0, TRACE_TRAVERSAL_BEGIN, 0x1000, TRACE_WALK, 0);
	made_add(&made, 10, 1, TRACE_COPY_BEGIN, 0x2000, 9, 0);
	made_add(&made, 90, 1, TRACE_COPY_END, 0x2000, 0, 0);
	made_add(&made, 91, 1, TRACE_COPY_BEGIN, 0x1000, 9, 0);
	made_add(&made, 92, 1, TRACE_COPY_END, 0x1000, 0, 0);
	made_add(&made, 93, 1, TRACE_RECLAIM_BEGIN, 9, 0, 0);
	made_add(&made, 95, 1, TRACE_RECLAIM_END, 9, 0, 0);
	made_add(&made, 95, 0, TRACE_TRAVERSAL_END, 0x1000, TRACE_WALK, 0);
	made_add(&made, 95, 2, TRACE_RECLAIM_BEGIN, 9, 0, 0); /* as it ends: no overlap */
	make(&made, &timeline);
	assert_int_equal(timeline.overlap_count, 3);
	assert_int_equal(timeline.overlaps[0].ns, 2);
	assert_int_equal(timeline.overlaps[1].ns, 1);
	assert_int_equal(timeline.overlaps[2].ns, 80);
	assert_false(timeline.overlaps[0].elsewhere || timeline.overlaps[1].elsewhere);
	assert_true(timeline.overlaps[2].elsewhere);
	char text[TRACE_TEXT];
	assert_string_equal(trace_span_text(&timeline, timeline.overlaps[0].traversal, text),
			    "traversal 1 (walk of hashmap 0x1000, thread 1 main, 85.0 ns)");
	assert_string_equal(trace_span_text(&timeline, timeline.overlaps[0].other, text),
			    "reclaim 1 (9 pointers, thread 2 writer-0, 2.00 ns)");
	assert_string_equal(trace_span_text(&timeline, timeline.overlaps[2].other, text),
			    "copy 1 (of 9 entries of syncmap 0x2000, thread 2 writer-0, 80.0 ns)");
	trace_timeline_free(&timeline);
	made_end(&made);
}

/* ---- against a reference ---- */

static int longest_first(const void *a, const void *b)
{
	const struct trace_overlap *one = a, *other = b;

	if (one->elsewhere != other->elsewhere)
		return one->elsewhere ? 1 : -1;
	if (one->ns != other->ns)
		return one->ns > other->ns ? -1 : 1;
	if (one->traversal != other->traversal)
		return one->traversal < other->traversal ? -1 : 1;
	return one->other < other->other ? -1 : 1;
}

/* Every pair, looked at. How many overlap. */
static uint64_t every_pair(const struct trace_timeline *timeline, struct trace_overlap *out,
			   uint64_t room)
{
	uint64_t count = 0;

	for (uint32_t t = 0; t < timeline->span_count; t++) {
		const struct trace_span *walk = &timeline->spans[t];
		if (walk->kind != TRACE_SPAN_TRAVERSAL || walk->begin_lost)
			continue;
		for (uint32_t o = 0; o < timeline->span_count; o++) {
			const struct trace_span *it = &timeline->spans[o];
			bool of_process = it->kind == TRACE_SPAN_RECLAIM ||
					  it->kind == TRACE_SPAN_STALL;
			bool of_map = it->kind == TRACE_SPAN_RESIZE ||
				      it->kind == TRACE_SPAN_COPY || it->kind == TRACE_SPAN_COMPACT;
			uint64_t begin = walk->begin > it->begin ? walk->begin : it->begin;
			uint64_t end = walk->end < it->end ? walk->end : it->end;
			if ((!of_process && !of_map) || it->begin_lost || end <= begin)
				continue;
			assert_true(count < room);
			out[count++] = (struct trace_overlap){
				.traversal = t,
				.other = o,
				.ns = end - begin,
				.elsewhere = of_map &&
					     (it->map != walk->map || it->map == TRACE_NONE)};
		}
	}
	qsort(out, count, sizeof *out, longest_first);
	return count;
}

static void against_every_pair(void **state)
{
	static struct trace_overlap all[1000000];
	bool some_left_out = false;

	(void)state;
	for (uint64_t seed = 1; seed <= 14; seed++) {
		struct made made;
		struct trace_timeline timeline;
		made_begin(&made, 0);
		if (seed % 3 == 0)
			made_noise(&made, 300 * seed, seed);
		else
			made_run(&made, 300 * seed, seed);
		make(&made, &timeline);
		uint64_t count = every_pair(&timeline, all, sizeof all / sizeof *all);
		assert_int_equal(timeline.overlap_count + timeline.overlaps_left_out, count);
		assert_int_equal(timeline.overlap_count,
				 count < TRACE_OVERLAPS ? count : TRACE_OVERLAPS);
		for (uint32_t i = 0; i < timeline.overlap_count; i++) {
			assert_int_equal(timeline.overlaps[i].traversal, all[i].traversal);
			assert_int_equal(timeline.overlaps[i].other, all[i].other);
			assert_int_equal(timeline.overlaps[i].ns, all[i].ns);
			assert_int_equal(timeline.overlaps[i].elsewhere, all[i].elsewhere);
		}
		assert_true(count > 100);
		some_left_out = some_left_out || timeline.overlaps_left_out > 0;
		trace_timeline_free(&timeline);
		made_end(&made);
	}
	assert_true(some_left_out);
}

/* ---- whatever comes ---- */

/* What trace.h promises of any timeline. */
static void check_promises(const struct trace_timeline *timeline)
{
	const struct trace_recording *recording = timeline->recording;
	uint32_t numbers[TRACE_SPAN_KINDS] = {0};
	char text[TRACE_TEXT];

	for (uint64_t i = 0; i < timeline->span_count; i++) {
		const struct trace_span *it = &timeline->spans[i];
		assert_true(it->begin <= it->end);
		assert_true(i == 0 || timeline->spans[i - 1].begin <= it->begin);
		assert_true(it->thread < recording->thread_count);
		assert_true(it->end_thread < recording->thread_count ||
			    it->end_thread == TRACE_NONE);
		assert_true(it->map < recording->map_count || it->map == TRACE_NONE);
		assert_true(it->kind < TRACE_SPAN_KINDS);
		assert_int_equal(it->number, ++numbers[it->kind]);
		assert_true(strlen(trace_span_text(timeline, i, text)) < TRACE_TEXT);
	}
	for (uint64_t i = 0; i < timeline->mark_count; i++) {
		assert_true(timeline->marks[i].length <= timeline->marks[i].ns);
		assert_true(i == 0 || timeline->marks[i - 1].ns <= timeline->marks[i].ns);
	}
}

static void noise(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct made made;
		struct trace_timeline timeline;
		made_begin(&made, 0);
		made_noise(&made, 10 * seed, seed);
		for (unsigned i = 0; i < MADE_THREADS; i++)
			made.threads[i].begin = seed * i * 100;
		made.threads[0].events_lost = seed % 2;
		make(&made, &timeline);
		check_promises(&timeline);
		uint64_t wide = 0;
		for (uint64_t i = 0; i < made.recording.event_count; i++) {
			const struct trace_event *event = &made.recording.events[i];
			wide += event->kind < TRACE_EVENT_KINDS && event->thread < MADE_THREADS;
		}
		assert_true(timeline.span_count + timeline.mark_count <= wide);
		trace_timeline_free(&timeline);
		made_end(&made);
	}
}

/* A run in which every event is there makes one span of each pair, and guesses nothing. */
static void whole_run(void **state)
{
	struct made made;
	struct trace_timeline timeline;
	uint64_t begins = 0, sections = 0;

	(void)state;
	made_begin(&made, 0);
	made_run(&made, 20000, 5);
	make(&made, &timeline);
	check_promises(&timeline);
	for (uint64_t i = 0; i < made.recording.event_count; i++) {
		switch (made.recording.events[i].kind) {
		case TRACE_TRAVERSAL_BEGIN:
		case TRACE_RECLAIM_BEGIN:
		case TRACE_COPY_BEGIN:
		case TRACE_COMPACT_BEGIN:
		case TRACE_RESIZE_BEGIN:
		case TRACE_SNAPSHOT_OPEN:
		case TRACE_STALL_BEGIN:
			begins++;
			break;
		default:
			sections += made.recording.events[i].kind == TRACE_SECTION;
		}
	}
	assert_int_equal(timeline.span_count, begins + sections);
	uint64_t unended = 0;
	for (uint64_t i = 0; i < timeline.span_count; i++) {
		assert_false(timeline.spans[i].begin_lost);
		unended += timeline.spans[i].end_thread == TRACE_NONE;
	}
	assert_in_range(unended, 0, 8 * MADE_THREADS + 3);
	trace_timeline_free(&timeline);
	made_end(&made);
}

static double took(const struct made *made, uint64_t *spans, uint64_t *overlaps)
{
	struct trace_timeline timeline;
	struct timespec before, after;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before), 0);
	make(made, &timeline);
	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after), 0);
	*spans = timeline.span_count;
	*overlaps = timeline.overlap_count + timeline.overlaps_left_out;
	trace_timeline_free(&timeline);
	return (double)(after.tv_sec - before.tv_sec) +
	       1e-9 * (double)(after.tv_nsec - before.tv_nsec);
}

/* Under a sanitizer, whose time says nothing, less. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define MILLION 50000
#else
#define MILLION 1000000
#endif

/* A million events, also such that every end is lost, or one traversal overlaps everything. */
static void million(void **state)
{
	static const char *const names[] = {"a run", "noise", "lost ends", "within one traversal"};

	(void)state;
	for (unsigned which = 0; which < 4; which++) {
		struct made made;
		uint64_t spans, overlaps;
		made_begin(&made, 2 * MILLION);
		if (which == 0)
			made_run(&made, MILLION, 1);
		else if (which == 1)
			made_noise(&made, MILLION / 2, 2);
		if (which == 3)
			made_add(&made, 0, 0, TRACE_TRAVERSAL_BEGIN, 0x1000, TRACE_WALK, 0);
		for (uint64_t i = 1; which >= 2 && i <= MILLION; i++) {
			if (which == 2)
				made_add(&made, i, 1, TRACE_TRAVERSAL_BEGIN, 0x1000 * i, TRACE_WALK,
					 0);
			else
				made_add(&made, i, 1,
					 i % 2 == 1 ? TRACE_RECLAIM_BEGIN : TRACE_RECLAIM_END, 5, 0,
					 0);
		}
		double seconds = took(&made, &spans, &overlaps);
		print_message("%llu events (%s): %.3f s, %llu spans, %llu overlaps\n",
			      (unsigned long long)made.recording.event_count, names[which], seconds,
			      (unsigned long long)spans, (unsigned long long)overlaps);
		assert_true(spans > MILLION / 4);
#if MILLION == 1000000 && defined __OPTIMIZE__
		/* Each overlap is looked at, be they many times as many as events. */
		assert_true(seconds < 1 + 20e-9 * (double)overlaps);
#endif
		made_end(&made);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty),
		cmocka_unit_test(nested),
		cmocka_unit_test(other_thread_ends),
		cmocka_unit_test(lost_begins),
		cmocka_unit_test(lost_ends),
		cmocka_unit_test(stalls),
		cmocka_unit_test(sections_and_bursts),
		cmocka_unit_test(own_before_elsewhere),
		cmocka_unit_test(against_every_pair),
		cmocka_unit_test(noise),
		cmocka_unit_test(whole_run),
		cmocka_unit_test(million),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
