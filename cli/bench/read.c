/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Reads the raw data that json.c writes: strictly, and no more of JSON than it needs. Fields that
 * it does not know are passed over, so that it reads files of later versions.
 *
 * Invariants: strings are unescaped where they stand in the file's text, which the results point
 * into; controls in them become '?'. The first error ends it, with the line.
 */
#include "cli/bench/bench.h"
#include "cli/cli.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 16
#define SIZE_MAX_READ ((size_t)1 << 28)

struct reader {
	char *text, *at;
	const char *error; /* the first */
	unsigned depth;
	struct bench_file *file;
	struct bench_result *result; /* the one being read */
	struct bench_note *note;
};

/* Reads the value of a field. */
typedef void field_fn(struct reader *reader, const char *name);

static void fail(struct reader *reader, const char *why)
{
	if (reader->error == NULL)
		reader->error = why;
}

static void skip_space(struct reader *reader)
{
	reader->at += strspn(reader->at, " \t\r\n");
}

/* Whether the next thing is that character, which is then behind. */
static bool take(struct reader *reader, char c)
{
	skip_space(reader);
	if (reader->error != NULL || *reader->at != c)
		return false;
	reader->at++;
	return true;
}

static unsigned hex4(struct reader *reader)
{
	unsigned code = 0;

	for (int i = 0; i < 4; i++, reader->at++) {
		const char *digits = "0123456789abcdef";
		const char *digit = *reader->at != '\0' ? strchr(digits, *reader->at | 0x20) : NULL;
		if (digit == NULL || *reader->at < '0') {
			fail(reader, "an escape that is none");
			return '?';
		}
		code = code * 16 + (unsigned)(digit - digits);
	}
	return code;
}

/* A code point as UTF-8; halves of pairs, which json.c does not write, as U+FFFD. */
static char *put(char *to, unsigned code)
{
	if (code >= 0xd800 && code < 0xe000)
		code = 0xfffd;
	if (code < 0x20 || (code >= 0x7f && code < 0xa0))
		code = '?';
	if (code < 0x80) {
		*to++ = (char)code;
	} else if (code < 0x800) {
		*to++ = (char)(0xc0 | code >> 6);
		*to++ = (char)(0x80 | (code & 0x3f));
	} else {
		*to++ = (char)(0xe0 | code >> 12);
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
		*to++ = (char)(0x80 | (code & 0x3f));
	}
	return to;
}

static char *read_string(struct reader *reader)
{
	static char none[] = "";

	if (!take(reader, '"')) {
		fail(reader, "a string is wanted");
		return none;
	}
	char *string = reader->at, *to = string;
	while (*reader->at != '"' && reader->error == NULL) {
		if ((unsigned char)*reader->at < 0x20) {
			fail(reader, "a string without an end");
		} else if (*reader->at != '\\') {
			*to++ = *reader->at++;
		} else if (reader->at[1] == 'u') {
			reader->at += 2;
			to = put(to, hex4(reader));
		} else {
			const char *known = "\"\\/bfnrt";
			char c = *++reader->at;
			if (c == '\0' || strchr(known, c) == NULL)
				fail(reader, "an escape that is none");
			else
				*to++ = strchr("\"\\/", c) != NULL ? c : ' ';
			reader->at += c != '\0';
		}
	}
	if (reader->error != NULL)
		return none;
	reader->at++;
	*to = '\0';
	return string;
}

static double read_number(struct reader *reader)
{
	skip_space(reader);
	if (strncmp(reader->at, "null", 4) == 0) {
		reader->at += 4;
		return NAN;
	}
	size_t size = strspn(reader->at, "+-.0123456789eE");
	char *end = reader->at;
	double number = size > 0 ? strtod(reader->at, &end) : 0;
	if (size == 0 || end != reader->at + size)
		fail(reader, "a number is wanted");
	reader->at += size;
	return number;
}

static uint64_t read_count(struct reader *reader, uint64_t most)
{
	double number = read_number(reader);

	if (!(number >= 0 && number <= (double)most && number == floor(number))) {
		fail(reader, "a whole number is wanted, and not that large a one");
		return 0;
	}
	return (uint64_t)number;
}

static bool read_bool(struct reader *reader)
{
	skip_space(reader);
	bool yes = strncmp(reader->at, "true", 4) == 0;
	if (yes || strncmp(reader->at, "false", 5) == 0)
		reader->at += yes ? 4 : 5;
	else
		fail(reader, "true or false is wanted");
	return yes;
}

static void read_object(struct reader *reader, field_fn *field)
{
	if (!take(reader, '{')) {
		fail(reader, "an object is wanted");
		return;
	}
	if (take(reader, '}'))
		return;
	if (++reader->depth > DEPTH_MAX)
		fail(reader, "too deep");
	do {
		const char *name = read_string(reader);
		if (!take(reader, ':'))
			fail(reader, "':' is wanted");
		if (reader->error == NULL)
			field(reader, name);
	} while (take(reader, ','));
	if (!take(reader, '}'))
		fail(reader, "'}' is wanted");
	reader->depth--;
}

static void read_list(struct reader *reader, void (*item)(struct reader *reader))
{
	if (!take(reader, '[')) {
		fail(reader, "a list is wanted");
		return;
	}
	if (take(reader, ']'))
		return;
	if (++reader->depth > DEPTH_MAX)
		fail(reader, "too deep");
	do {
		if (reader->error == NULL)
			item(reader);
	} while (take(reader, ','));
	if (!take(reader, ']'))
		fail(reader, "']' is wanted");
	reader->depth--;
}

static void pass_over(struct reader *reader);

static void pass_over_field(struct reader *reader, const char *name)
{
	(void)name;
	pass_over(reader);
}

static void pass_over(struct reader *reader)
{
	skip_space(reader);
	if (*reader->at == '{')
		read_object(reader, pass_over_field);
	else if (*reader->at == '[')
		read_list(reader, pass_over);
	else if (*reader->at == '"')
		(void)read_string(reader);
	else if (*reader->at == 't' || *reader->at == 'f')
		(void)read_bool(reader);
	else
		(void)read_number(reader);
}

/* A string into an array. */
#define COPY(reader, array) (void)snprintf(array, sizeof(array), "%s", read_string(reader))

static void machine_field(struct reader *reader, const char *name)
{
	struct bench_machine *machine = &reader->file->machine;

	if (strcmp(name, "cpu") == 0)
		COPY(reader, machine->cpu);
	else if (strcmp(name, "cores") == 0)
		machine->cores = (unsigned)read_count(reader, UINT32_MAX);
	else if (strcmp(name, "kernel") == 0)
		COPY(reader, machine->kernel);
	else if (strcmp(name, "memory") == 0)
		COPY(reader, machine->memory);
	else if (strcmp(name, "compiler") == 0)
		COPY(reader, machine->compiler);
	else
		pass_over(reader);
}

static enum bench_better read_better(struct reader *reader)
{
	const char *word = read_string(reader);

	if (strcmp(word, "less") != 0 && strcmp(word, "more") != 0)
		fail(reader, "'better' is neither more nor less");
	return strcmp(word, "less") == 0 ? BENCH_LESS : BENCH_MORE;
}

static void result_field(struct reader *reader, const char *name)
{
	struct bench_result *result = reader->result;
	const struct {
		const char *name, **string;
	} strings[] = {
		{"suite", &result->suite}, {"keys", &result->keys},   {"unit", &result->unit},
		{"what", &result->what},   {"claim", &result->claim},
	};
	const struct {
		const char *name;
		double *number;
	} numbers[] = {{"median", &result->median}, {"min", &result->min}, {"max", &result->max}};

	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
		if (strcmp(strings[i].name, name) == 0) {
			*strings[i].string = read_string(reader);
			return;
		}
	}
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		if (strcmp(numbers[i].name, name) == 0) {
			*numbers[i].number = read_number(reader);
			return;
		}
	}
	if (strcmp(name, "workload") == 0)
		COPY(reader, result->workload);
	else if (strcmp(name, "subject") == 0)
		COPY(reader, result->subject);
	else if (strcmp(name, "entries") == 0)
		result->entries = read_count(reader, (uint64_t)1 << 48);
	else if (strcmp(name, "threads") == 0)
		result->threads = (unsigned)read_count(reader, UINT32_MAX);
	else if (strcmp(name, "repeats") == 0)
		result->repeats = (unsigned)read_count(reader, BENCH_REPEATS_MAX);
	else if (strcmp(name, "better") == 0)
		result->better = read_better(reader);
	else
		pass_over(reader);
}

/* The JSON does not say which subjects are calm's, and which are no maps; their names do. */
static void classify(struct bench_result *result)
{
	const struct bench_subject *subject;

	result->calm = strncmp(result->subject, "calm", 4) == 0;
	for (size_t i = 0; (subject = bench_subject_at(i)) != NULL; i++) {
		if (strcmp(subject->name, result->subject) == 0)
			result->bare = subject->bare;
	}
}

/* Room for one more in a list that doubles. */
static void *grown(void *items, size_t count, size_t size)
{
	if (count > 0 && (count & (count - 1)) != 0)
		return items;
	void *more = realloc(items, (count > 0 ? 2 * count : 1) * size);
	if (more == NULL)
		free(items);
	return more;
}

static void read_result(struct reader *reader)
{
	struct bench_results *results = &reader->file->results;
	/* A median of infinity is none that JSON could give. */
	struct bench_result result = {.suite = NULL,
				      .keys = "",
				      .unit = NULL,
				      .what = "",
				      .median = INFINITY};

	reader->result = &result;
	read_object(reader, result_field);
	if (result.suite == NULL || result.unit == NULL || result.subject[0] == '\0')
		fail(reader, "a result without suite, subject or unit");
	if (isinf(result.median) || result.min > result.median || result.median > result.max)
		fail(reader, "a result without a median, or with one that is not in its range");
	if (reader->error != NULL)
		return;
	classify(&result);
	results->items = grown(results->items, results->count, sizeof *results->items);
	if (results->items == NULL) {
		results->count = 0;
		fail(reader, "out of memory");
		return;
	}
	results->items[results->count++] = result;
}

static void note_field(struct reader *reader, const char *name)
{
	if (strcmp(name, "suite") == 0)
		reader->note->suite = read_string(reader);
	else if (strcmp(name, "text") == 0)
		reader->note->text = read_string(reader);
	else
		pass_over(reader);
}

static void read_note(struct reader *reader)
{
	struct bench_results *results = &reader->file->results;
	struct bench_note note = {.suite = NULL, .text = NULL};

	reader->note = &note;
	read_object(reader, note_field);
	if (note.suite == NULL || note.text == NULL) {
		fail(reader, "a note without suite or text");
		return;
	}
	if (reader->error != NULL)
		return;
	results->notes = grown(results->notes, results->note_count, sizeof *results->notes);
	char *owned = results->notes != NULL ? strdup(note.text) : NULL;
	if (owned == NULL) {
		fail(reader, "out of memory");
		if (results->notes == NULL)
			results->note_count = 0;
		return;
	}
	results->notes[results->note_count++] = (struct bench_note){.suite = note.suite,
								    .text = owned};
}

static void top_field(struct reader *reader, const char *name)
{
	struct bench_file *file = reader->file;

	if (strcmp(name, "machine") == 0)
		read_object(reader, machine_field);
	else if (strcmp(name, "command") == 0)
		file->command = read_string(reader);
	else if (strcmp(name, "date") == 0)
		file->date = read_string(reader);
	else if (strcmp(name, "missing") == 0)
		file->missing = read_string(reader);
	else if (strcmp(name, "interrupted") == 0)
		file->results.interrupted = read_bool(reader);
	else if (strcmp(name, "results") == 0)
		read_list(reader, read_result);
	else if (strcmp(name, "notes") == 0)
		read_list(reader, read_note);
	else if (strcmp(name, "invalid") == 0)
		file->results.invalid = (unsigned)read_count(reader, UINT32_MAX);
	else
		pass_over(reader);
}

/* The whole of a file, ended by NUL; NULL with errno. */
static char *slurp(const char *path, size_t *size)
{
	size_t room = 1 << 16, used = 0;
	char *text = NULL;
	FILE *file = fopen(path, "re");

	if (file == NULL)
		return NULL;
	do {
		room *= 2;
		char *more = room <= SIZE_MAX_READ ? realloc(text, room) : NULL;
		if (more == NULL) {
			free(text);
			(void)fclose(file);
			errno = EFBIG;
			return NULL;
		}
		text = more;
		used += fread(text + used, 1, room - 1 - used, file);
	} while (used == room - 1);
	text[used] = '\0';
	*size = used;
	bool failed = ferror(file) != 0;
	int why = errno;
	(void)fclose(file);
	errno = why;
	if (!failed)
		return text;
	free(text);
	return NULL;
}

int bench_read(const char *path, struct bench_file *file)
{
	struct reader reader = {.file = file};
	unsigned line = 1;
	size_t size;

	*file = (struct bench_file){.command = "", .date = "", .missing = ""};
	file->text = slurp(path, &size);
	if (file->text == NULL)
		return cli_error(BENCH_NAME, "%s: %s", path, strerror(errno));
	reader.text = reader.at = file->text;
	if (strlen(file->text) != size)
		fail(&reader, "a NUL byte in the file");
	read_object(&reader, top_field);
	skip_space(&reader);
	if (*reader.at != '\0')
		fail(&reader, "something after the end");
	if (reader.error == NULL)
		return CLI_FINE;
	for (const char *at = reader.text; at < reader.at; at++)
		line += *at == '\n';
	int code = cli_error(BENCH_NAME, "%s:%u: %s", path, line, reader.error);
	bench_file_free(file);
	return code;
}

void bench_file_free(struct bench_file *file)
{
	bench_results_free(&file->results);
	free(file->text);
	*file = (struct bench_file){0};
}
