/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A fuzz target: how bytes from outside get to a terminal, and into JSON that may stand in a script of a page. What comes out is
 * looked at as those would: no control, only UTF-8; a string that reads back as what went in.
 */
#include "cli/cli.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void expect(bool so)
{
	if (!so)
		abort();
}

/* The C library's reading of UTF-8, but for what Unicode does not have: the character at text and its size; 0: none. */
static size_t character(const char *text, size_t size, wchar_t *out)
{
	mbstate_t state = {0};
	wchar_t c = 0;
	size_t n = mbrtowc(&c, text, size, &state);

	if (n == (size_t)-1 || n == (size_t)-2 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*out = c;
	return n > 0 ? n : 1;
}

static char *written(void (*write)(FILE *file, const char *text, size_t size), const uint8_t *input,
		     size_t size, size_t *out_size)
{
	char *out = NULL;
	FILE *file = open_memstream(&out, out_size);

	expect(file != NULL);
	write(file, (const char *)input, size);
	expect(fclose(file) == 0 && out);
	return out;
}

static void check_clean(const uint8_t *input, size_t size)
{
	size_t out_size;
	char *out = written(cli_clean, input, size, &out_size);

	for (size_t at = 0, n; at < out_size; at += n) {
		wchar_t c;
		n = character(out + at, out_size - at, &c);
		expect(n > 0 && c >= 0x20 && (c < 0x7f || c >= 0xa0));
	}
	free(out);
}

/* What an escape stands for, and how long it is. */
static wchar_t escaped(const char *text, size_t *n)
{
	if (text[1] == '"' || text[1] == '\\') {
		*n = 2;
		return text[1];
	}
	expect(text[1] == 'u' && strspn(text + 2, "0123456789abcdef") >= 4);
	char digits[5] = {text[2], text[3], text[4], text[5], '\0'};
	*n = 6;
	return (wchar_t)strtol(digits, NULL, 16);
}

static void check_json(const uint8_t *input, size_t size)
{
	size_t out_size, from = 0;
	char *out = written(cli_json, input, size, &out_size);

	expect(out_size >= 2 && out[0] == '"' && out[out_size - 1] == '"');
	for (size_t at = 1, n; at < out_size - 1; at += n) {
		wchar_t c, was = 0xfffd;
		n = character(out + at, out_size - 1 - at, &c);
		expect(n > 0 && c >= 0x20 && c != '"' && c != '<' && c != 0x7f);
		if (c == '\\')
			c = escaped(out + at, &n);
		size_t taken = character((const char *)input + from, size - from, &was);
		expect(from < size && c == was);
		from += taken > 0 ? taken : 1;
	}
	expect(from == size);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static bool begun;

	if (!begun && !setlocale(LC_CTYPE, "C.UTF-8"))
		abort();
	begun = true;
	check_clean(input, size);
	check_json(input, size);
	return 0;
}
