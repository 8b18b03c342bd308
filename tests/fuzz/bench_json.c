/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A fuzz target: what calm bench --from reads. What it accepts is looked at as the reports do: every
 * string to its end, counts as many as items, a median inside its range.
 */
#include "cli/bench/bench.h"
#include "cli/cli.h"
#include "input.h"

#include <math.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* Without its complaint, which is most of the output. */
int cli_error(const char *command, const char *format, ...)
{
	if (!command || !format)
		abort();
	return CLI_FAILED;
}

const struct bench_subject *bench_subject_at(size_t i)
{
	(void)i;
	return NULL;
}

void bench_results_free(struct bench_results *results)
{
	for (size_t i = 0; i < results->note_count; i++)
		free(results->notes[i].text);
	free(results->notes);
	free(results->items);
	*results = (struct bench_results){.items = NULL};
}

/* Ends inside the file's text, or is a literal: strlen would find no end elsewhere. */
static void look_at(const char *string)
{
	if (!string || strlen(string) > (size_t)1 << 28)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct fuzz_file on = fuzz_file_open(input, size);
	struct bench_file file;
	if (bench_read(on.path, &file) == CLI_FINE) {
		look_at(file.command);
		look_at(file.date);
		look_at(file.missing);
		for (size_t i = 0; i < file.results.count; i++) {
			const struct bench_result *result = &file.results.items[i];
			look_at(result->suite);
			look_at(result->keys);
			look_at(result->unit);
			look_at(result->what);
			if (result->subject[0] == '\0' || isinf(result->median) ||
			    result->min > result->median || result->median > result->max)
				abort();
		}
		for (size_t i = 0; i < file.results.note_count; i++) {
			look_at(file.results.notes[i].suite);
			look_at(file.results.notes[i].text);
		}
		bench_file_free(&file);
	}
	fuzz_file_close(&on);
	return 0;
}
