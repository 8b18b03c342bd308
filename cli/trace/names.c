/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What people call the things of a trace. Names of threads and maps come from outside and may hold any bytes: what is returned is
 * for cli_clean() and cli_json().
 */
#include "cli/cli.h"
#include "cli/trace/trace.h"

#include <string.h>

static const char *const span_names[TRACE_SPAN_KINDS] = {
	[TRACE_SPAN_TRAVERSAL] = "traversal", [TRACE_SPAN_SNAPSHOT] = "snapshot",
	[TRACE_SPAN_RECLAIM] = "reclaim",     [TRACE_SPAN_RESIZE] = "resize",
	[TRACE_SPAN_COPY] = "copy",           [TRACE_SPAN_COMPACT] = "compaction",
	[TRACE_SPAN_STALL] = "stall",         [TRACE_SPAN_SECTION] = "read section",
};

static const char *const verb_names[TRACE_VERBS] = {
	[TRACE_EACH] = "each",
	[TRACE_WALK] = "walk",
	[TRACE_SNAPSHOT_EACH] = "snapshot each",
	[TRACE_SNAPSHOT_RANGE] = "snapshot range",
	[TRACE_SNAPSHOT_DIFF] = "snapshot diff",
};

static const char *const event_names[TRACE_EVENT_KINDS] = {
	[TRACE_TRAVERSAL_BEGIN] = "traversal begin",
	[TRACE_TRAVERSAL_END] = "traversal end",
	[TRACE_SNAPSHOT_OPEN] = "snapshot open",
	[TRACE_SNAPSHOT_CLOSE] = "snapshot close",
	[TRACE_RESIZE_BEGIN] = "resize begin",
	[TRACE_RESIZE_CHUNK] = "resize chunk",
	[TRACE_RESIZE_END] = "resize end",
	[TRACE_COPY_BEGIN] = "copy begin",
	[TRACE_COPY_END] = "copy end",
	[TRACE_PROMOTION] = "promotion",
	[TRACE_COMPACT_BEGIN] = "compaction begin",
	[TRACE_COMPACT_END] = "compaction end",
	[TRACE_RECLAIM_BEGIN] = "reclaim begin",
	[TRACE_RECLAIM_END] = "reclaim end",
	[TRACE_STALL_BEGIN] = "stall begin",
	[TRACE_STALL_END] = "stall end",
	[TRACE_SECTION] = "read section",
	[TRACE_SECTIONS] = "short read sections",
	[TRACE_RETIRES] = "retires",
	[TRACE_IMAGES] = "images",
};

const char *trace_span_kind_name(enum trace_span_kind kind)
{
	return span_names[kind];
}

const char *trace_verb_name(uint64_t verb)
{
	return verb < TRACE_VERBS ? verb_names[verb] : "unknown verb";
}

const char *trace_event_name(enum trace_event_kind kind)
{
	return event_names[kind];
}

const char *trace_map_text(const struct trace_recording *recording, uint32_t map, char *text)
{
	if (map >= recording->map_count) {
		(void)snprintf(text, TRACE_TEXT, "a map");
		return text;
	}
	const struct trace_map *known = &recording->maps[map];
	(void)snprintf(text, TRACE_TEXT, "%.*s 0x%llx", (int)sizeof known->kind,
		       known->kind[0] != '\0' ? known->kind : "map",
		       (unsigned long long)known->address);
	return text;
}

const char *trace_thread_text(const struct trace_recording *recording, uint32_t thread, char *text)
{
	const struct trace_thread *known = &recording->threads[thread];

	(void)snprintf(text, TRACE_TEXT, "thread %u%s%.*s", thread + 1,
		       known->name[0] != '\0' ? " " : "", (int)sizeof known->name, known->name);
	return text;
}

/* "walk of hashmap 0x55d0c0, ", "168 pointers, ": what is particular to a span. */
static void particulars(const struct trace_timeline *timeline, const struct trace_span *span,
			char *text)
{
	char map[TRACE_TEXT];
	unsigned long long a = span->a, b = span->b;

	(void)trace_map_text(timeline->recording, span->map, map);
	switch (span->kind) {
	case TRACE_SPAN_TRAVERSAL:
		(void)snprintf(text, TRACE_TEXT, "%s of %.60s, ", trace_verb_name(a), map);
		break;
	case TRACE_SPAN_RECLAIM:
		(void)snprintf(text, TRACE_TEXT, "%llu pointer%s, ", b, b == 1 ? "" : "s");
		break;
	case TRACE_SPAN_RESIZE:
		if (span->begin_lost)
			(void)snprintf(text, TRACE_TEXT, "of %.60s, ", map);
		else
			(void)snprintf(text, TRACE_TEXT, "of %.60s from %llu to %llu buckets, ",
				       map, a, b);
		break;
	case TRACE_SPAN_COPY:
		if (!span->begin_lost) {
			(void)snprintf(text, TRACE_TEXT, "of %llu entr%s of %.60s, ", a,
				       a == 1 ? "y" : "ies", map);
			break;
		}
		(void)snprintf(text, TRACE_TEXT, "of %.60s, ", map);
		break;
	case TRACE_SPAN_SNAPSHOT:
	case TRACE_SPAN_COMPACT:
		(void)snprintf(text, TRACE_TEXT, "of %.60s, ", map);
		break;
	case TRACE_SPAN_STALL:
		(void)snprintf(text, TRACE_TEXT, "behind reader %llu in epoch %llu, ", a, b);
		break;
	default:
		text[0] = '\0';
	}
}

const char *trace_span_text(const struct trace_timeline *timeline, uint64_t index, char *text)
{
	const struct trace_span *span = &timeline->spans[index];
	char what[TRACE_TEXT], thread[TRACE_TEXT], length[CLI_NUMBER];

	particulars(timeline, span, what);
	(void)snprintf(text, TRACE_TEXT, "%s %u (%.100s%.40s, %s%s%s)", span_names[span->kind],
		       span->number, what,
		       trace_thread_text(timeline->recording, span->thread, thread),
		       cli_time(length, (double)(span->end - span->begin)),
		       span->begin_lost ? ", begin not seen" : "",
		       span->end_thread == TRACE_NONE ? ", end not seen" : "");
	return text;
}
