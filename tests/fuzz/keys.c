/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A fuzz target: the loader of key files, which is given the input in pieces; the first byte says of how many bytes. What it makes
 * of it is held against the lines, read again in a simpler way.
 */
#include "kit/keys.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LOOKED_FOR 400 /* keys up to which each line's is looked for among all */

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

struct source {
	const uint8_t *at;
	size_t left, most;
	unsigned turn;
};

/* Interrupted now and then, as a pipe's reader is. */
static ssize_t give(void *context, void *buffer, size_t size)
{
	struct source *source = context;
	size_t n = source->left < source->most ? source->left : source->most;

	if (source->turn++ % 3 == 1) {
		errno = EINTR;
		return -1;
	}
	n = n < size ? n : size;
	memcpy(buffer, source->at, n);
	source->at += n;
	source->left -= n;
	return (ssize_t)n;
}

static void expect(bool so)
{
	if (!so)
		abort();
}

static const struct kit_entry *find(const struct kit_keys *keys, const char *key, size_t size)
{
	const struct kit_entry *found = NULL;

	for (size_t i = 0; i < keys->count; i++) {
		const struct kit_entry *entry = &keys->entries[i];
		if (entry->key_size != size || memcmp(entry->key, key, size) != 0)
			continue;
		expect(!found); /* no key twice */
		found = entry;
	}
	return found;
}

/* Forwards, each line's key is there; the value is the last line's that has it. */
static void check_lines(const struct kit_keys *keys, const char *text, size_t size)
{
	const char *end = text + size;
	size_t lines = 0, met = 0;

	for (const char *line = text, *next; line < end; line = next, lines++) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		size_t length = (size_t)((newline ? newline : end) - line);
		next = newline ? newline + 1 : end;
		length -= newline && length > 0 && line[length - 1] == '\r';
		const char *tab = memchr(line, '\t', length);
		if (length == 0 || keys->count > LOOKED_FOR)
			continue;
		const struct kit_entry *entry = find(keys, line,
						     tab ? (size_t)(tab - line) : length);
		expect(entry != NULL);
		if (entry->value ? entry->value == keys->text + (tab ? tab + 1 - text : 0) : !tab)
			met++;
	}
	expect(lines == keys->lines && (met >= keys->count || keys->count > LOOKED_FOR));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct kit_keys keys;
	char error[256] = "";

	if (size < 1)
		return 0;
	struct source source = {.at = input + 1,
				.left = size - 1,
				.most = input[0] > 0 ? input[0] : 65536};
	if (!kit_keys_load_from(&keys, give, &source, "input", error, sizeof error)) {
		expect(error[0] != '\0' && !keys.entries && !keys.text && keys.count == 0);
		return 0;
	}
	expect(keys.text_size == size - 1 && memcmp(keys.text, input + 1, size - 1) == 0);
	expect(keys.count > 0 && keys.count + keys.empty + keys.repeated == keys.lines);
	for (size_t i = 0; i < keys.count; i++) {
		const struct kit_entry *entry = &keys.entries[i];
		expect(entry->key >= keys.text &&
		       entry->key + entry->key_size <= keys.text + keys.text_size);
		expect(!memchr(entry->key, '\t', entry->key_size) &&
		       !memchr(entry->key, '\n', entry->key_size));
		expect(!entry->value ||
		       (entry->value[-1] == '\t' &&
			entry->value + entry->value_size <= keys.text + keys.text_size));
		expect(!entry->value || !memchr(entry->value, '\n', entry->value_size));
	}
	char *text = strndup((const char *)input + 1, size - 1);
	expect(text && strlen(text) == size - 1); /* it has no NUL */
	check_lines(&keys, text, size - 1);
	free(text);
	kit_keys_free(&keys);
	return 0;
}
