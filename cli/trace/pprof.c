/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The samples as a pprof profile: google/pprof's profile.proto, in gzip's format as those files are.
 *
 * Samples of one stack, thread and place (within a traversal or not) are one, with two values: how many, and the processor
 * time they stand for. Labels: thread, and `span: traversal`. An address is a location, with a line for each
 * function that was inlined there; those are frames that follow each other (stacks.c).
 *
 * The protobuf is written by hand: two wire types, and messages within messages through a buffer of their own. A field may come
 * between others, so a string is written when it is first named. The gzip file stores and does not compress: what can be
 * merged has been, and a library for the rest was not worth a dependency (docs/decisions/0014.md).
 */
#include "cli/cli.h"
#include "cli/trace/table.h"
#include "cli/trace/trace.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Fields of profile.proto. */
enum {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE = 2,
	PROFILE_MAPPING = 3,
	PROFILE_LOCATION = 4,
	PROFILE_FUNCTION = 5,
	PROFILE_STRING = 6,
	PROFILE_TIME = 9,
	PROFILE_DURATION = 10,
	PROFILE_PERIOD_TYPE = 11,
	PROFILE_PERIOD = 12,
	PROFILE_COMMENT = 13,
	PROFILE_DEFAULT_TYPE = 14,
	TYPE_TYPE = 1,
	TYPE_UNIT = 2,
	SAMPLE_LOCATION = 1,
	SAMPLE_VALUE = 2,
	SAMPLE_LABEL = 3,
	LABEL_KEY = 1,
	LABEL_TEXT = 2,
	MAPPING_ID = 1,
	MAPPING_START = 2,
	MAPPING_LIMIT = 3,
	MAPPING_OFFSET = 4,
	MAPPING_FILE = 5,
	MAPPING_BUILD_ID = 6,
	MAPPING_HAS_FUNCTIONS = 7,
	MAPPING_HAS_FILES = 8,
	MAPPING_HAS_LINES = 9,
	MAPPING_HAS_INLINED = 10,
	LOCATION_ID = 1,
	LOCATION_MAPPING = 2,
	LOCATION_ADDRESS = 3,
	LOCATION_LINE = 4,
	LINE_FUNCTION = 1,
	LINE_LINE = 2,
	FUNCTION_ID = 1,
	FUNCTION_NAME = 2,
	FUNCTION_SYSTEM_NAME = 3,
	FUNCTION_FILE = 4,
};

/* ---- protobuf ---- */

struct buffer {
	uint8_t *bytes;
	size_t size, room;
	bool failed; /* no memory */
};

static void put(struct buffer *buffer, const void *bytes, size_t size)
{
	if (size > buffer->room - buffer->size) {
		size_t room = 2 * buffer->room + size + 64;
		uint8_t *bigger = realloc(buffer->bytes, room);
		if (bigger == NULL) {
			buffer->failed = true;
			return;
		}
		buffer->bytes = bigger;
		buffer->room = room;
	}
	if (size > 0)
		memcpy(buffer->bytes + buffer->size, bytes, size);
	buffer->size += size;
}

static void put_varint(struct buffer *buffer, uint64_t number)
{
	uint8_t bytes[10];
	size_t size = 0;

	for (; number > 0x7f; number >>= 7)
		bytes[size++] = (uint8_t)(number | 0x80);
	bytes[size++] = (uint8_t)number;
	put(buffer, bytes, size);
}

/* A number that is 0 is its default, and left out. */
static void put_number(struct buffer *buffer, unsigned field, uint64_t number)
{
	if (number == 0)
		return;
	put_varint(buffer, field << 3);
	put_varint(buffer, number);
}

static void put_bytes(struct buffer *buffer, unsigned field, const void *bytes, size_t size)
{
	put_varint(buffer, field << 3 | 2);
	put_varint(buffer, size);
	put(buffer, bytes, size);
}

/* Moves a message into another, and leaves it empty for the next. */
static void put_message(struct buffer *buffer, unsigned field, struct buffer *message)
{
	put_bytes(buffer, field, message->bytes, message->size);
	buffer->failed = buffer->failed || message->failed;
	message->size = 0;
}

/* ---- what the profile refers to ---- */

struct writer {
	const struct trace_timeline *timeline;
	const struct trace_recording *recording;
	struct buffer profile;
	struct buffer part, inner, packed; /* messages in the making */
	struct trace_table strings, functions, locations;
	uint32_t string_count, function_count, location_count;
	bool failed;
};

/* The number under a key, from *count on if it is new. */
static uint32_t number_of(struct writer *writer, struct trace_table *table, const uint64_t key[3],
			  uint32_t *count, bool *fresh)
{
	uint32_t *number = trace_table_at(table, key[0], key[1], key[2]);

	*fresh = number != NULL && *number == TRACE_NONE;
	if (number == NULL) {
		writer->failed = true;
		return 0;
	}
	if (*fresh)
		*number = (*count)++;
	return *number;
}

/* A string of the profile, which must be UTF-8. */
static void put_text(struct writer *writer, const char *text, size_t size)
{
	char *clean = NULL;
	size_t clean_size = 0;
	FILE *memory = open_memstream(&clean, &clean_size);

	if (memory != NULL) {
		cli_clean(memory, text, size);
		writer->failed = writer->failed || ferror(memory) != 0;
		writer->failed = fclose(memory) != 0 || writer->failed;
		put_bytes(&writer->profile, PROFILE_STRING, clean, clean_size);
	}
	writer->failed = writer->failed || memory == NULL;
	free(clean);
}

static uint32_t string(struct writer *writer, const char *text)
{
	size_t size = strlen(text);
	XXH128_hash_t hash = XXH3_128bits(text, size);
	const uint64_t key[3] = {hash.low64, hash.high64, size};
	bool fresh;
	uint32_t number = number_of(writer, &writer->strings, key, &writer->string_count, &fresh);

	if (fresh)
		put_text(writer, text, size);
	return number;
}

static uint32_t function(struct writer *writer, const char *name, const char *file)
{
	const uint64_t key[3] = {string(writer, name), string(writer, file), 0};
	bool fresh;
	uint32_t id = 1 +
		      number_of(writer, &writer->functions, key, &writer->function_count, &fresh);

	if (fresh) {
		struct buffer message = {0};
		put_number(&message, FUNCTION_ID, id);
		put_number(&message, FUNCTION_NAME, key[0]);
		put_number(&message, FUNCTION_SYSTEM_NAME, key[0]);
		put_number(&message, FUNCTION_FILE, key[1]);
		put_message(&writer->profile, PROFILE_FUNCTION, &message);
		free(message.bytes);
	}
	return id;
}

static void put_line(struct writer *writer, const char *name, const char *file, uint32_t line)
{
	put_number(&writer->inner, LINE_FUNCTION, function(writer, name, file != NULL ? file : ""));
	put_number(&writer->inner, LINE_LINE, line);
	put_message(&writer->part, LOCATION_LINE, &writer->inner);
}

/* How many frames from the first on, each calling the one before, are of one address. *stack: becomes their caller's. */
static uint32_t inlined(const struct trace_recording *recording, uint32_t *stack)
{
	uint32_t first = recording->stacks[*stack].frame;
	uint32_t count = 0;

	do {
		count++;
		*stack = recording->stacks[*stack].caller;
	} while (*stack != TRACE_NONE && recording->stacks[*stack].frame == first + count &&
		 recording->frames[first + count].address == recording->frames[first].address &&
		 recording->frames[first + count].module_index ==
			 recording->frames[first].module_index);
	return count;
}

/* The location of the innermost frames of a stack. *stack: becomes the rest. */
static uint32_t location(struct writer *writer, uint32_t *stack)
{
	const struct trace_recording *recording = writer->recording;
	uint32_t first = recording->stacks[*stack].frame;
	uint32_t count = inlined(recording, stack);
	const uint64_t key[3] = {first, count, 0};
	bool fresh;
	uint32_t id = 1 +
		      number_of(writer, &writer->locations, key, &writer->location_count, &fresh);
	const struct trace_frame *frame = &recording->frames[first];
	uint32_t module = frame->module_index;

	if (!fresh)
		return id;
	put_number(&writer->part, LOCATION_ID, id);
	if (module < recording->module_count)
		put_number(&writer->part, LOCATION_MAPPING, module + 1);
	put_number(&writer->part, LOCATION_ADDRESS,
		   frame->address + (module < recording->module_count
					     ? recording->modules[module].bias
					     : 0));
	for (; count > 0; count--, frame++)
		put_line(writer, frame->function, frame->file, frame->line);
	put_message(&writer->profile, PROFILE_LOCATION, &writer->part);
	return id;
}

/* Where a sample is that has no stack. */
static uint32_t nowhere(struct writer *writer)
{
	const uint64_t key[3] = {TRACE_NONE, 0, 0};
	bool fresh;
	uint32_t id = 1 +
		      number_of(writer, &writer->locations, key, &writer->location_count, &fresh);

	if (fresh) {
		put_number(&writer->part, LOCATION_ID, id);
		put_line(writer, "[unknown]", NULL, 0);
		put_message(&writer->profile, PROFILE_LOCATION, &writer->part);
	}
	return id;
}

/* ---- samples ---- */

struct group {
	uint32_t stack, thread;
	bool in_traversal;
	uint64_t count;
};

/* Which samples are within a traversal of their thread: *in, a bool each. */
static bool find_traversals(const struct trace_timeline *timeline, bool **in)
{
	const struct trace_recording *recording = timeline->recording;
	uint64_t *until = calloc(recording->thread_count + 1, sizeof *until);
	uint64_t next = 0;

	*in = calloc(recording->sample_count + 1, sizeof **in);
	for (uint64_t i = 0; until != NULL && *in != NULL && i < recording->sample_count; i++) {
		const struct trace_sample *sample = &recording->samples[i];
		for (; next < timeline->span_count && timeline->spans[next].begin <= sample->ns;
		     next++) {
			const struct trace_span *span = &timeline->spans[next];
			if (span->kind == TRACE_SPAN_TRAVERSAL && span->end > until[span->thread])
				until[span->thread] = span->end;
		}
		(*in)[i] = sample->thread < recording->thread_count &&
			   sample->ns < until[sample->thread];
	}
	free(until);
	return until != NULL && *in != NULL;
}

/* Merges what is alike. NULL: no memory. */
static struct group *group_samples(struct writer *writer, const bool *in, uint32_t *count)
{
	const struct trace_recording *recording = writer->recording;
	struct group *groups = malloc((recording->sample_count + 1) * sizeof *groups);
	struct trace_table table = {0};

	*count = 0;
	for (uint64_t i = 0; groups != NULL && i < recording->sample_count; i++) {
		const struct trace_sample *sample = &recording->samples[i];
		const uint64_t key[3] = {sample->stack, sample->thread, in[i]};
		bool fresh;
		uint32_t number = number_of(writer, &table, key, count, &fresh);
		if (fresh)
			groups[number] = (struct group){.stack = sample->stack,
							.thread = sample->thread,
							.in_traversal = in[i]};
		if (writer->failed)
			break;
		groups[number].count++;
	}
	trace_table_free(&table);
	return groups;
}

static void put_label(struct writer *writer, const char *key, const char *text)
{
	put_number(&writer->inner, LABEL_KEY, string(writer, key));
	put_number(&writer->inner, LABEL_TEXT, string(writer, text));
	put_message(&writer->part, SAMPLE_LABEL, &writer->inner);
}

static void put_sample(struct writer *writer, const struct group *group)
{
	const struct trace_recording *recording = writer->recording;
	char text[TRACE_TEXT];
	uint32_t stack = group->stack;

	if (stack >= recording->stack_count) {
		put_varint(&writer->packed, nowhere(writer));
		stack = TRACE_NONE;
	}
	while (stack != TRACE_NONE)
		put_varint(&writer->packed, location(writer, &stack));
	put_message(&writer->part, SAMPLE_LOCATION, &writer->packed);
	put_varint(&writer->packed, group->count);
	put_varint(&writer->packed, group->count * recording->sample_ns);
	put_message(&writer->part, SAMPLE_VALUE, &writer->packed);
	if (group->thread < recording->thread_count)
		put_label(writer, "thread", trace_thread_text(recording, group->thread, text));
	if (group->in_traversal)
		put_label(writer, "span", "traversal");
	put_message(&writer->profile, PROFILE_SAMPLE, &writer->part);
}

static void put_samples(struct writer *writer)
{
	bool *in = NULL;
	uint32_t count = 0;
	struct group *groups = find_traversals(writer->timeline, &in)
				       ? group_samples(writer, in, &count)
				       : NULL;

	writer->failed = writer->failed || groups == NULL;
	for (uint32_t i = 0; !writer->failed && i < count; i++)
		put_sample(writer, &groups[i]);
	free(groups);
	free(in);
}

/* ---- the rest ---- */

static void put_type(struct writer *writer, unsigned field, const char *type, const char *unit)
{
	put_number(&writer->part, TYPE_TYPE, string(writer, type));
	put_number(&writer->part, TYPE_UNIT, string(writer, unit));
	put_message(&writer->profile, field, &writer->part);
}

static void put_mappings(struct writer *writer)
{
	const struct trace_recording *recording = writer->recording;

	for (uint32_t i = 0; i < recording->module_count; i++) {
		const struct trace_module *module = &recording->modules[i];
		put_number(&writer->part, MAPPING_ID, i + 1);
		put_number(&writer->part, MAPPING_START, module->begin);
		put_number(&writer->part, MAPPING_LIMIT, module->end);
		put_number(&writer->part, MAPPING_OFFSET, module->offset);
		put_number(&writer->part, MAPPING_FILE, string(writer, module->path));
		if (module->build_id != NULL)
			put_number(&writer->part, MAPPING_BUILD_ID,
				   string(writer, module->build_id));
		/* Or pprof would look for the names itself. */
		put_number(&writer->part, MAPPING_HAS_FUNCTIONS, 1);
		put_number(&writer->part, MAPPING_HAS_FILES, 1);
		put_number(&writer->part, MAPPING_HAS_LINES, 1);
		put_number(&writer->part, MAPPING_HAS_INLINED, 1);
		put_message(&writer->profile, PROFILE_MAPPING, &writer->part);
	}
}

static void put_head(struct writer *writer)
{
	const struct trace_recording *recording = writer->recording;

	(void)string(writer, ""); /* the first, by the format */
	put_type(writer, PROFILE_SAMPLE_TYPE, "samples", "count");
	put_type(writer, PROFILE_SAMPLE_TYPE, "cpu", "nanoseconds");
	put_type(writer, PROFILE_PERIOD_TYPE, "cpu", "nanoseconds");
	put_number(&writer->profile, PROFILE_PERIOD, recording->sample_ns);
	put_number(&writer->profile, PROFILE_TIME, recording->began);
	put_number(&writer->profile, PROFILE_DURATION, recording->ns);
	put_number(&writer->profile, PROFILE_DEFAULT_TYPE, string(writer, "cpu"));
	for (char **word = recording->command; word != NULL && *word != NULL; word++)
		put_number(&writer->profile, PROFILE_COMMENT, string(writer, *word));
}

/* ---- gzip (RFC 1952), stored blocks (RFC 1951, 3.2.4) ---- */

#define STORED_MOST 65535

static uint32_t crc32(const uint8_t *bytes, size_t size)
{
	uint32_t table[256], crc = UINT32_MAX;

	for (uint32_t i = 0; i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ ((table[i] & 1) != 0 ? 0xedb88320 : 0);
	}
	for (size_t i = 0; i < size; i++)
		crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 0xff];
	return ~crc;
}

static void put_little(FILE *file, uint64_t number, unsigned bytes)
{
	for (; bytes > 0; bytes--, number >>= 8)
		(void)fputc((int)(number & 0xff), file);
}

static void write_gzip(FILE *file, const uint8_t *bytes, size_t size)
{
	static const uint8_t head[10] = {0x1f, 0x8b, 8, [9] = 255};
	size_t at = 0;

	(void)fwrite(head, 1, sizeof head, file);
	do {
		size_t part = size - at < STORED_MOST ? size - at : STORED_MOST;
		put_little(file, at + part == size, 1);
		put_little(file, part, 2);
		put_little(file, ~part, 2);
		(void)fwrite(bytes + at, 1, part, file);
		at += part;
	} while (at < size);
	put_little(file, crc32(bytes, size), 4);
	put_little(file, size, 4);
}

/* ---- the whole ---- */

bool trace_pprof_write(const struct trace_timeline *timeline, FILE *file)
{
	struct writer writer = {.timeline = timeline, .recording = timeline->recording};

	put_head(&writer);
	put_mappings(&writer);
	put_samples(&writer);
	bool good = !writer.failed && !writer.profile.failed;
	if (good)
		write_gzip(file, writer.profile.bytes, writer.profile.size);
	free(writer.profile.bytes);
	free(writer.part.bytes);
	free(writer.inner.bytes);
	free(writer.packed.bytes);
	trace_table_free(&writer.strings);
	trace_table_free(&writer.functions);
	trace_table_free(&writer.locations);
	return good && ferror(file) == 0;
}
