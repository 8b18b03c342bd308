/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Writes a timeline as a page: one HTML file that needs nothing else, not even a network.
 *
 * The page's own text lies in cli/trace/page/ and in the command as it is; its scripts share one scope and
 * stand in the order in which they need each other. The recording stands in it as JSON, its big tables as columns:
 *
 *	"spans": {"rows": 1000000, "begin": "base64", "end": "base64", ...}
 *
 * A column is a LEB128 number a row, the zigzag of the difference to the row before: what is sorted, or
 * repeats, takes one to three bytes instead of eight. An index that is TRACE_NONE is -1, and no number is over 2^52,
 * for JavaScript's numbers are doubles and the zigzag of a difference must be one exactly.
 *
 * What the traced program may name as it likes (threads, functions, files) is JSON, in which cli_json leaves
 * no '<' to end the script with, and the page makes only text of it. If that should fail, the policy still lets nothing run but
 * what has this file's nonce, and lets nothing be loaded or sent.
 *
 * Rejected: compression (zlib here, DecompressionStream there) would halve it again, for a library more; arrays of
 * numbers in JSON are more than twice as large (a made-up million: 47 MB instead of 20).
 */
#include "cli/trace/trace.h"

#include "cli/cli.h"

#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

/* The page counts on these (page/data.js, page/tracks.js). */
_Static_assert(TRACE_SPAN_TRAVERSAL == 0 && TRACE_SPAN_SNAPSHOT == 1 && TRACE_SPAN_RECLAIM == 2 &&
		       TRACE_SPAN_RESIZE == 3 && TRACE_SPAN_COPY == 4 && TRACE_SPAN_COMPACT == 5 &&
		       TRACE_SPAN_STALL == 6 && TRACE_SPAN_SECTION == 7 && TRACE_SPAN_KINDS == 8,
	       "kinds of spans");
_Static_assert(TRACE_RESIZE_CHUNK == 5 && TRACE_PROMOTION == 9 && TRACE_SECTIONS == 17 &&
		       TRACE_RETIRES == 18 && TRACE_IMAGES == 19,
	       "kinds of marks");
_Static_assert(TRACE_EACH == 0 && TRACE_WALK == 1 && TRACE_SNAPSHOT_EACH == 2 &&
		       TRACE_SNAPSHOT_RANGE == 3 && TRACE_SNAPSHOT_DIFF == 4 && TRACE_VERBS == 5,
	       "verbs");

/* clang-format off */
#define EMBED(name, file) \
	__asm__(".pushsection .rodata\n" \
		"calm_trace_" #name ":\n" \
		".incbin \"" CALM_TRACE_PAGE "/" file "\"\n" \
		".byte 0\n" \
		".popsection\n"); \
	extern const char name##_text[] __asm__("calm_trace_" #name)

EMBED(html, "page.html");
EMBED(css, "page.css");
EMBED(data, "data.js");
EMBED(text, "text.js");
EMBED(tracks, "tracks.js");
EMBED(view, "view.js");
EMBED(colours, "colours.js");
EMBED(timeline, "timeline.js");
EMBED(overview, "overview.js");
EMBED(input, "input.js");
EMBED(overlaps, "overlaps.js");
EMBED(flame, "flame.js");
EMBED(search, "search.js");
EMBED(details, "details.js");
EMBED(start, "start.js");
/* clang-format on */

static const char *const scripts[] = {
	data_text,     text_text,     tracks_text, view_text,  colours_text,
	timeline_text, overview_text, input_text,  flame_text, overlaps_text,
	search_text,   details_text,  start_text,
};

/* ---- columns ---- */

#define LARGEST ((UINT64_C(1) << 52) - 1)

struct base64 {
	FILE *file;
	unsigned char bytes[3 * 1024];
	size_t used;
};

static void base64_flush(struct base64 *out)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[sizeof out->bytes / 3 * 4];
	size_t size = 0;

	for (size_t at = 0; at < out->used; at += 3) {
		size_t left = out->used - at;
		unsigned bits = (unsigned)out->bytes[at] << 16;
		if (left > 1)
			bits |= (unsigned)out->bytes[at + 1] << 8;
		if (left > 2)
			bits |= out->bytes[at + 2];
		text[size++] = letters[bits >> 18];
		text[size++] = letters[bits >> 12 & 63];
		text[size++] = left > 1 ? letters[bits >> 6 & 63] : '=';
		text[size++] = left > 2 ? letters[bits & 63] : '=';
	}
	(void)fwrite(text, 1, size, out->file);
	out->used = 0;
}

static void base64_put(struct base64 *out, unsigned byte)
{
	if (out->used == sizeof out->bytes)
		base64_flush(out);
	out->bytes[out->used++] = (unsigned char)byte;
}

/* A field of a table's rows. */
struct column {
	const char *name;
	size_t offset, size;
};

#define COLUMN(table, field)                                                            \
	{                                                                               \
#field, offsetof(struct table, field), sizeof((struct table *)0)->field \
	}

/* Never over LARGEST, nor below -1. */
static int64_t value_of(const char *row, const struct column *column)
{
	uint64_t wide;
	uint32_t index;

	switch (column->size) {
	case sizeof wide:
		memcpy(&wide, row + column->offset, sizeof wide);
		return (int64_t)(wide < LARGEST ? wide : LARGEST);
	case sizeof index:
		memcpy(&index, row + column->offset, sizeof index);
		return index != TRACE_NONE ? (int64_t)index : -1;
	default:
		return *(const unsigned char *)(row + column->offset);
	}
}

static void print_column(FILE *file, const struct column *column, const void *rows, size_t row_size,
			 uint64_t count)
{
	struct base64 out = {.file = file, .used = 0};
	int64_t before = 0;

	(void)fprintf(file, ",\n\"%s\":\"", column->name);
	for (uint64_t i = 0; i < count; i++) {
		int64_t value = value_of((const char *)rows + i * row_size, column);
		int64_t step = value - before;
		uint64_t zigzag = step < 0 ? (uint64_t)-step * 2 - 1 : (uint64_t)step * 2;
		for (; zigzag > 127; zigzag >>= 7)
			base64_put(&out, (unsigned)(zigzag & 127) | 128);
		base64_put(&out, (unsigned)zigzag);
		before = value;
	}
	base64_flush(&out);
	(void)fputc('"', file);
}

static void print_columns(FILE *file, const struct column *columns, const void *rows,
			  size_t row_size, uint64_t count)
{
	(void)fprintf(file, "\"rows\":%" PRIu64, count);
	for (; columns->name != NULL; columns++)
		print_column(file, columns, rows, row_size, count);
}

#define PRINT_COLUMNS(file, columns, rows, count) \
	print_columns((file), (columns), (rows), sizeof *(rows), (count))

static const struct column span_columns[] = {
	COLUMN(trace_span, begin),
	COLUMN(trace_span, end),
	COLUMN(trace_span, a),
	COLUMN(trace_span, b),
	COLUMN(trace_span, thread),
	COLUMN(trace_span, end_thread),
	COLUMN(trace_span, map),
	COLUMN(trace_span, number),
	COLUMN(trace_span, kind),
	COLUMN(trace_span, begin_lost),
	{NULL, 0, 0},
};

static const struct column mark_columns[] = {
	COLUMN(trace_mark, ns),     COLUMN(trace_mark, length),
	COLUMN(trace_mark, a),      COLUMN(trace_mark, count),
	COLUMN(trace_mark, thread), COLUMN(trace_mark, map),
	COLUMN(trace_mark, kind),   {NULL, 0, 0},
};

static const struct column overlap_columns[] = {
	COLUMN(trace_overlap, traversal),
	COLUMN(trace_overlap, other),
	COLUMN(trace_overlap, ns),
	COLUMN(trace_overlap, elsewhere),
	{NULL, 0, 0},
};

static const struct column sample_columns[] = {
	COLUMN(trace_sample, ns),
	COLUMN(trace_sample, thread),
	COLUMN(trace_sample, stack),
	{NULL, 0, 0},
};

static const struct column stack_columns[] = {
	COLUMN(trace_stack, frame),
	COLUMN(trace_stack, caller),
	{NULL, 0, 0},
};

static const struct column frame_columns[] = {
	COLUMN(trace_frame, line),
	COLUMN(trace_frame, module_index),
	{NULL, 0, 0},
};

/* ---- the rest ---- */

static void print_text(FILE *file, const char *text)
{
	if (text != NULL)
		cli_json(file, text, strlen(text));
	else
		(void)fputs("null", file);
}

/* Before each item of a list but the first. */
static void print_comma(FILE *file, uint64_t i)
{
	if (i > 0)
		(void)fputs(",\n", file);
}

static void print_facts(FILE *file, const struct trace_timeline *timeline)
{
	const struct trace_recording *recording = timeline->recording;

	(void)fputs("\"command\":[", file);
	for (size_t i = 0; recording->command != NULL && recording->command[i] != NULL; i++) {
		print_comma(file, i);
		print_text(file, recording->command[i]);
	}
	(void)fprintf(file,
		      "],\n\"began_ms\":%" PRIu64 ",\"ns\":%" PRIu64 ",\"sample_ns\":%" PRIu64
		      ",\"exit_status\":%d,\"events\":%" PRIu64 ",\"threads_lost\":%" PRIu64
		      ",\"event_cost_ps\":%" PRIu64 ",\"overlaps_left_out\":%" PRIu64,
		      recording->began / 1000000, recording->ns, recording->sample_ns,
		      recording->exit_status, recording->event_count, recording->threads_lost,
		      recording->event_cost_ps, timeline->overlaps_left_out);
}

static void print_names(FILE *file, const struct trace_recording *recording)
{
	(void)fputs(",\n\"threads\":[", file);
	for (uint32_t i = 0; i < recording->thread_count; i++) {
		const struct trace_thread *thread = &recording->threads[i];
		print_comma(file, i);
		(void)fprintf(file, "{\"id\":%" PRIu32 ",\"name\":", thread->id);
		cli_json(file, thread->name, strnlen(thread->name, sizeof thread->name));
		(void)fprintf(file, ",\"events_lost\":%" PRIu64 ",\"samples_lost\":%" PRIu64 "}",
			      thread->events_lost, thread->samples_lost);
	}
	(void)fputs("],\n\"maps\":[", file);
	for (uint32_t i = 0; i < recording->map_count; i++) {
		const struct trace_map *map = &recording->maps[i];
		print_comma(file, i);
		(void)fprintf(file, "{\"address\":\"0x%" PRIx64 "\",\"kind\":", map->address);
		cli_json(file, map->kind, strnlen(map->kind, sizeof map->kind));
		(void)fputc('}', file);
	}
	(void)fputs("],\n\"modules\":[", file);
	for (uint32_t i = 0; i < recording->module_count; i++) {
		print_comma(file, i);
		print_text(file, recording->modules[i].path);
	}
	(void)fputs("],\n\"frames\":{\"function\":[", file);
	for (uint32_t i = 0; i < recording->frame_count; i++) {
		print_comma(file, i);
		print_text(file, recording->frames[i].function);
	}
	(void)fputs("],\n\"file\":[", file);
	for (uint32_t i = 0; i < recording->frame_count; i++) {
		print_comma(file, i);
		print_text(file, recording->frames[i].file);
	}
	(void)fputs("],\n", file);
	PRINT_COLUMNS(file, frame_columns, recording->frames, recording->frame_count);
	(void)fputs("}", file);
}

static void print_recording(FILE *file, const struct trace_timeline *timeline)
{
	const struct trace_recording *recording = timeline->recording;

	(void)fputs("{", file);
	print_facts(file, timeline);
	print_names(file, recording);
	(void)fputs(",\n\"spans\":{", file);
	PRINT_COLUMNS(file, span_columns, timeline->spans, timeline->span_count);
	(void)fputs("},\n\"marks\":{", file);
	PRINT_COLUMNS(file, mark_columns, timeline->marks, timeline->mark_count);
	(void)fputs("},\n\"overlaps\":{", file);
	PRINT_COLUMNS(file, overlap_columns, timeline->overlaps, timeline->overlap_count);
	(void)fputs("},\n\"samples\":{", file);
	PRINT_COLUMNS(file, sample_columns, recording->samples, recording->sample_count);
	(void)fputs("},\n\"stacks\":{", file);
	PRINT_COLUMNS(file, stack_columns, recording->stacks, recording->stack_count);
	(void)fputs("}}\n", file);
}

bool trace_page_write(const struct trace_timeline *timeline, FILE *file)
{
	unsigned char random[16];
	char nonce[2 * sizeof random + 1];

	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		return false;
	for (size_t i = 0; i < sizeof random; i++)
		(void)snprintf(nonce + 2 * i, 3, "%02x", random[i]);
	(void)fprintf(file,
		      "<!DOCTYPE html>\n<html lang=\"en-GB\">\n<head>\n<meta charset=\"utf-8\">\n"
		      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		      "script-src 'nonce-%s'; style-src 'nonce-%s'; img-src data:; "
		      "base-uri 'none'; form-action 'none'\">\n"
		      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		      "<meta name=\"referrer\" content=\"no-referrer\">\n"
		      "<link rel=\"icon\" href=\"data:,\">\n<title>calm trace</title>\n"
		      "<style nonce=\"%s\">\n%s</style>\n</head>\n<body>\n%s"
		      "<script type=\"application/json\" id=\"recording\">\n",
		      nonce, nonce, nonce, css_text, html_text);
	print_recording(file, timeline);
	(void)fprintf(file, "</script>\n<script nonce=\"%s\">\n'use strict';\n", nonce);
	for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
		(void)fputs(scripts[i], file);
	(void)fputs("</script>\n</body>\n</html>\n", file);
	return ferror(file) == 0;
}
