/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A timeline as Perfetto and Chrome's about:tracing read it: JSON, the object form of the "Trace Event Format" document.
 *
 *	what a thread does in one call   "X" on its track: traversals, reclamations, copies, compactions
 *	what another thread may end      "b" and "e", tracks of their own: snapshots, resizes, stalls
 *	read sections                    likewise, a track per thread: they may begin before what they lie in
 *	spans whose begin was not seen   likewise: on a thread's track they would cross others
 *	promotions, chunks of a resize   "i"
 *	bursts                           "C": how many a millisecond, by thread
 *	samples                          "samples" and "stackFrames"
 *
 * Events are in the order of their times. Of those of one time: what ends, what begins (the outer first), what ends as it
 * began. A traversal names what it overlapped in its arguments; flow arrows were rejected, since they can only bind to the
 * innermost slice at a time, which may be another.
 */
#include "cli/cli.h"
#include "cli/trace/table.h"
#include "cli/trace/trace.h"

#include <calm/base.h>
#include <stdlib.h>
#include <string.h>

#define OVERLAPS_NAMED 8 /* of a traversal */

enum what { SPAN_BEGINS, SPAN_ENDS, MARK, BURST_BEGINS, BURST_ENDS };

struct item {
	uint64_t ns;
	uint32_t index;
	uint8_t rank; /* among those of one time: 0 what ends, 1 what begins, 2 what ends as it began */
	uint8_t what;
};

struct writer {
	const struct trace_timeline *timeline;
	FILE *file;
	const char *comma;
	struct trace_table first; /* a traversal's first overlap */
	uint32_t *next;           /* of the same traversal */
};

/* ---- the order ---- */

static int earlier(const void *a, const void *b)
{
	const struct item *one = a, *other = b;

	if (one->ns != other->ns)
		return one->ns < other->ns ? -1 : 1;
	if (one->rank != other->rank)
		return one->rank < other->rank ? -1 : 1;
	return one->index < other->index ? -1 : one->index > other->index;
}

/* Whether a span lies within what its thread is in. */
static bool on_thread(const struct trace_span *span)
{
	switch (span->kind) {
	case TRACE_SPAN_TRAVERSAL:
	case TRACE_SPAN_RECLAIM:
	case TRACE_SPAN_COPY:
	case TRACE_SPAN_COMPACT:
		return !span->begin_lost;
	default:
		return false;
	}
}

static bool is_burst(const struct trace_mark *mark)
{
	return mark->kind >= TRACE_SECTIONS;
}

/* All that has a time. NULL: no memory. */
static struct item *items_of(const struct trace_timeline *timeline, uint64_t *count)
{
	struct item *items = malloc((2 * timeline->span_count + 2 * timeline->mark_count + 1) *
				    sizeof *items);
	uint64_t n = 0;

	if (items == NULL)
		return NULL;
	for (uint32_t i = 0; i < timeline->span_count; i++) {
		const struct trace_span *span = &timeline->spans[i];
		items[n++] = (struct item){span->begin, i, 1, SPAN_BEGINS};
		if (!on_thread(span))
			items[n++] = (struct item){span->end, i, span->end > span->begin ? 0 : 2,
						   SPAN_ENDS};
	}
	for (uint32_t i = 0; i < timeline->mark_count; i++) {
		const struct trace_mark *mark = &timeline->marks[i];
		if (!is_burst(mark)) {
			items[n++] = (struct item){mark->ns, i, 1, MARK};
			continue;
		}
		items[n++] = (struct item){mark->ns - mark->length, i, 1, BURST_BEGINS};
		items[n++] = (struct item){mark->ns, i, mark->length > 0 ? 0 : 2, BURST_ENDS};
	}
	qsort(items, n, sizeof *items, earlier);
	*count = n;
	return items;
}

/* ---- pieces ---- */

static void string(FILE *file, const char *text)
{
	cli_json(file, text, strlen(text));
}

/* ,"name":us: the format's times are microseconds, with decimals. */
static void microseconds(FILE *file, const char *name, uint64_t ns)
{
	(void)fprintf(file, ",\"%s\":%llu.%03u", name, (unsigned long long)(ns / 1000),
		      (unsigned)(ns % 1000));
}

static void begin_event(struct writer *writer, char phase, uint32_t thread)
{
	(void)fprintf(writer->file, "%s\n{\"ph\":\"%c\",\"pid\":1,\"tid\":%u", writer->comma, phase,
		      thread + 1);
	writer->comma = ",";
}

static void name_event(struct writer *writer, const char *category, const char *name)
{
	(void)fputs(",\"cat\":", writer->file);
	string(writer->file, category);
	(void)fputs(",\"name\":", writer->file);
	string(writer->file, name);
}

static void metadata(struct writer *writer, uint32_t thread, const char *name, const char *value,
		     size_t size)
{
	begin_event(writer, 'M', thread);
	(void)fprintf(writer->file, ",\"name\":\"%s\",\"args\":{\"name\":", name);
	cli_json(writer->file, value, size);
	(void)fputs("}}", writer->file);
}

/* ---- spans ---- */

static void overlaps(struct writer *writer, uint32_t traversal)
{
	const struct trace_timeline *timeline = writer->timeline;
	const uint32_t *first = trace_table_at(&writer->first, traversal, 0, 0);
	char text[TRACE_TEXT], line[TRACE_TEXT + 40], length[CLI_NUMBER];
	uint32_t at = first != NULL ? *first : TRACE_NONE;

	if (at == TRACE_NONE)
		return;
	(void)fputs(",\"overlaps\":[", writer->file);
	for (unsigned n = 0; at != TRACE_NONE && n < OVERLAPS_NAMED; at = writer->next[at], n++) {
		const struct trace_overlap *overlap = &timeline->overlaps[at];
		(void)snprintf(line, sizeof line, "%s for %s",
			       trace_span_text(timeline, overlap->other, text),
			       cli_time(length, (double)overlap->ns));
		(void)fputs(n > 0 ? "," : "", writer->file);
		string(writer->file, line);
	}
	(void)fputs("]", writer->file);
}

static void arguments(struct writer *writer, uint32_t index)
{
	const struct trace_span *span = &writer->timeline->spans[index];
	char text[TRACE_TEXT];

	(void)fprintf(writer->file, ",\"args\":{\"number\":%u", span->number);
	if (span->map != TRACE_NONE) {
		(void)fputs(",\"map\":", writer->file);
		string(writer->file, trace_map_text(writer->timeline->recording, span->map, text));
	}
	(void)fputs(",\"what\":", writer->file);
	string(writer->file, trace_span_text(writer->timeline, index, text));
	if (span->end_thread != TRACE_NONE && span->end_thread != span->thread) {
		(void)fputs(",\"ended_by\":", writer->file);
		string(writer->file,
		       trace_thread_text(writer->timeline->recording, span->end_thread, text));
	}
	if (span->kind == TRACE_SPAN_TRAVERSAL)
		overlaps(writer, index);
	(void)fputs("}", writer->file);
}

/* The track of an asynchronous span. */
static void identity(struct writer *writer, const struct trace_span *span)
{
	if (span->kind == TRACE_SPAN_SECTION)
		(void)fprintf(writer->file, ",\"id\":\"sections %u\"", span->thread + 1);
	else
		(void)fprintf(writer->file, ",\"id\":\"%s %u\"", trace_span_kind_name(span->kind),
			      span->number);
}

static void write_span(struct writer *writer, uint32_t index, bool ends)
{
	const struct trace_span *span = &writer->timeline->spans[index];
	const char *kind = trace_span_kind_name(span->kind);
	const char *name = span->kind == TRACE_SPAN_TRAVERSAL ? trace_verb_name(span->a) : kind;
	bool slice = on_thread(span);

	begin_event(writer, slice ? 'X' : ends ? 'e' : 'b', span->thread);
	name_event(writer, kind, name);
	microseconds(writer->file, "ts", ends ? span->end : span->begin);
	if (slice)
		microseconds(writer->file, "dur", span->end - span->begin);
	else
		identity(writer, span);
	if (!ends)
		arguments(writer, index);
	(void)fputs("}", writer->file);
}

/* ---- marks ---- */

static void write_mark(struct writer *writer, uint32_t index)
{
	const struct trace_mark *mark = &writer->timeline->marks[index];
	const char *name = trace_event_name(mark->kind);
	char text[TRACE_TEXT];

	begin_event(writer, 'i', mark->thread);
	name_event(writer, "mark", name);
	microseconds(writer->file, "ts", mark->ns);
	(void)fprintf(writer->file, ",\"s\":\"t\",\"args\":{\"%s\":%llu,\"map\":",
		      mark->kind == TRACE_PROMOTION ? "entries" : "bucket",
		      (unsigned long long)mark->a);
	string(writer->file, trace_map_text(writer->timeline->recording, mark->map, text));
	(void)fputs("}}", writer->file);
}

static void write_burst(struct writer *writer, uint32_t index, bool ends)
{
	const struct trace_mark *mark = &writer->timeline->marks[index];
	double us = mark->length > 1000 ? (double)mark->length * 1e-3 : 1;
	char text[TRACE_TEXT], name[TRACE_TEXT + 40];

	(void)snprintf(name, sizeof name, "%s/ms, %s", trace_event_name(mark->kind),
		       trace_thread_text(writer->timeline->recording, mark->thread, text));
	begin_event(writer, 'C', mark->thread);
	name_event(writer, "burst", name);
	microseconds(writer->file, "ts", ends ? mark->ns : mark->ns - mark->length);
	(void)fputs(",\"args\":{\"per ms\":", writer->file);
	cli_json_number(writer->file, ends ? 0 : 1e3 * mark->count / us);
	(void)fputs("}}", writer->file);
}

/* ---- samples ---- */

static void write_samples(const struct trace_recording *recording, FILE *file)
{
	(void)fputs("\n],\"stackFrames\":{", file);
	for (uint32_t i = 0; i < recording->stack_count; i++) {
		const struct trace_stack *stack = &recording->stacks[i];
		const struct trace_frame *frame = &recording->frames[stack->frame];
		(void)fprintf(file, "%s\n\"%u\":{\"category\":", i > 0 ? "," : "", i);
		string(file, frame->module != NULL ? frame->module : "");
		(void)fputs(",\"name\":", file);
		string(file, frame->function);
		if (stack->caller != TRACE_NONE)
			(void)fprintf(file, ",\"parent\":\"%u\"", stack->caller);
		(void)fputs("}", file);
	}
	(void)fputs("\n},\"samples\":[", file);
	const char *comma = "";
	for (uint64_t i = 0; i < recording->sample_count; i++) {
		const struct trace_sample *sample = &recording->samples[i];
		if (sample->stack == TRACE_NONE)
			continue;
		(void)fprintf(file, "%s\n{\"cpu\":0,\"tid\":%u,\"name\":\"cpu\",\"weight\":1",
			      comma, sample->thread + 1);
		microseconds(file, "ts", sample->ns);
		(void)fprintf(file, ",\"sf\":\"%u\"}", sample->stack);
		comma = ",";
	}
	(void)fputs("\n]", file);
}

/* ---- the whole ---- */

static void write_head(struct writer *writer)
{
	const struct trace_recording *recording = writer->timeline->recording;
	const char *space = "";

	(void)fprintf(
		writer->file,
		"{\"displayTimeUnit\":\"ns\",\"otherData\":{\"calm\":\"%s\",\"began\":%llu.%09u,"
		"\"command\":[",
		calm_version(), (unsigned long long)(recording->began / 1000000000),
		(unsigned)(recording->began % 1000000000));
	for (char **word = recording->command; word != NULL && *word != NULL; word++) {
		(void)fputs(space, writer->file);
		string(writer->file, *word);
		space = ",";
	}
	(void)fputs("]},\"traceEvents\":[", writer->file);
	if (recording->command != NULL && recording->command[0] != NULL)
		metadata(writer, 0, "process_name", recording->command[0],
			 strlen(recording->command[0]));
	for (uint32_t i = 0; i < recording->thread_count; i++) {
		const struct trace_thread *thread = &recording->threads[i];
		metadata(writer, i, "thread_name", thread->name,
			 strnlen(thread->name, sizeof thread->name));
	}
}

/* Lists each traversal's overlaps, the longest first. */
static bool link_overlaps(struct writer *writer)
{
	const struct trace_timeline *timeline = writer->timeline;

	writer->next = malloc((timeline->overlap_count + 1) * sizeof *writer->next);
	for (uint32_t i = timeline->overlap_count; writer->next != NULL && i-- > 0;) {
		uint32_t *first = trace_table_at(&writer->first, timeline->overlaps[i].traversal, 0,
						 0);
		if (first == NULL)
			return false;
		writer->next[i] = *first;
		*first = i;
	}
	return writer->next != NULL;
}

bool trace_perfetto_write(const struct trace_timeline *timeline, FILE *file)
{
	struct writer writer = {.timeline = timeline, .file = file, .comma = ""};
	uint64_t count = 0;
	struct item *items = items_of(timeline, &count);
	bool good = items != NULL && link_overlaps(&writer);

	if (good)
		write_head(&writer);
	for (uint64_t i = 0; good && i < count; i++) {
		if (items[i].what == SPAN_BEGINS || items[i].what == SPAN_ENDS)
			write_span(&writer, items[i].index, items[i].what == SPAN_ENDS);
		else if (items[i].what == MARK)
			write_mark(&writer, items[i].index);
		else
			write_burst(&writer, items[i].index, items[i].what == BURST_ENDS);
	}
	if (good) {
		write_samples(timeline->recording, file);
		(void)fputs("}\n", file);
	}
	free(items);
	free(writer.next);
	trace_table_free(&writer.first);
	return good && ferror(file) == 0;
}
