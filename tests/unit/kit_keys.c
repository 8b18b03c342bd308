/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The loader of key files: every kind of file it may meet, as a real file where one can be made. */
#include "kit/keys.h"
#include "kit/random.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif

static char folder[256];
static char path[300];
static char error[512];
static struct kit_keys keys;

static int set_up(void **state)
{
	const char *base = getenv("TMPDIR");

	(void)state;
	(void)snprintf(folder, sizeof folder, "%s/calm-keys-XXXXXX", base != NULL ? base : "/tmp");
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(path, sizeof path, "%s/keys", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

static void write_file(const void *data, size_t size)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

#define WRITE(text) write_file(text, sizeof(text) - 1)

static void load_good(void)
{
	if (!kit_keys_load(&keys, path, error, sizeof error))
		fail_msg("%s", error);
}

/* The load must fail, leave nothing, and name the file and each of these. */
static void load_bad(const char *name, const char *first, const char *second)
{
	memset(&keys, 0xff, sizeof keys);
	assert_false(kit_keys_load(&keys, name, error, sizeof error));
	assert_null(keys.entries);
	assert_null(keys.text);
	assert_int_equal(keys.count, 0);
	assert_non_null(strstr(error, name));
	assert_non_null(strstr(error, first));
	assert_non_null(strstr(error, second));
	assert_null(strchr(error, '\n'));
}

static void assert_entry(size_t i, const char *key, const char *value)
{
	assert_true(i < keys.count);
	assert_int_equal(keys.entries[i].key_size, strlen(key));
	assert_memory_equal(keys.entries[i].key, key, strlen(key));
	if (value == NULL) {
		assert_null(keys.entries[i].value);
		return;
	}
	assert_non_null(keys.entries[i].value);
	assert_int_equal(keys.entries[i].value_size, strlen(value));
	assert_memory_equal(keys.entries[i].value, value, strlen(value));
}

static void keys_and_values(void **state)
{
	(void)state;
	WRITE("one\ntwo\t2\nthree\ta\tb\nfour\t\n\tfive\n");
	load_good();
	assert_int_equal(keys.count, 5);
	assert_entry(0, "one", NULL);
	assert_entry(1, "two", "2");
	assert_entry(2, "three", "a\tb");
	assert_entry(3, "four", "");
	assert_entry(4, "", "five");
	assert_int_equal(keys.lines, 5);
	assert_int_equal(keys.empty + keys.repeated + keys.crs, 0);
	kit_keys_free(&keys);
	assert_null(keys.text);
	kit_keys_free(&keys);
}

static void no_final_newline(void **state)
{
	(void)state;
	WRITE("one\ntwo");
	load_good();
	assert_int_equal(keys.count, 2);
	assert_entry(1, "two", NULL);
	kit_keys_free(&keys);
	WRITE("x");
	load_good();
	assert_entry(0, "x", NULL);
	kit_keys_free(&keys);
}

static void crlf_is_stripped_and_counted(void **state)
{
	(void)state;
	WRITE("one\r\ntwo\tv\r\n\r\nthree\rx\nfour\r");
	load_good();
	assert_int_equal(keys.count, 4);
	assert_entry(0, "one", NULL);
	assert_entry(1, "two", "v");
	assert_entry(2, "three\rx", NULL);
	assert_entry(3, "four\r", NULL);
	assert_int_equal(keys.crs, 3);
	assert_int_equal(keys.empty, 1);
	kit_keys_free(&keys);
}

static void empty_lines_are_skipped_and_counted(void **state)
{
	(void)state;
	WRITE("\n\none\n\ntwo\n\n");
	load_good();
	assert_int_equal(keys.count, 2);
	assert_int_equal(keys.empty, 4);
	assert_int_equal(keys.lines, 6);
	kit_keys_free(&keys);
}

static void the_last_of_repeated_keys_wins(void **state)
{
	(void)state;
	WRITE("a\t1\nb\t2\na\t3\nc\na\nb\t4\n");
	load_good();
	assert_int_equal(keys.count, 3);
	assert_entry(0, "a", NULL);
	assert_entry(1, "b", "4");
	assert_entry(2, "c", NULL);
	assert_int_equal(keys.repeated, 3);
	kit_keys_free(&keys);
}

static void many_keys_through_every_growth(void **state)
{
	enum { N = 60000 };
	FILE *file = fopen(path, "w");

	(void)state;
	for (int i = 0; i < N; i++)
		(void)fprintf(file, "key-%d\t%d\n", i % (N / 2), i);
	assert_int_equal(fclose(file), 0);
	load_good();
	assert_int_equal(keys.count, N / 2);
	assert_int_equal(keys.repeated, N / 2);
	for (int i = 0; i < N / 2; i++) {
		char key[32], value[32];
		(void)snprintf(key, sizeof key, "key-%d", i);
		(void)snprintf(value, sizeof value, "%d", i + N / 2);
		assert_entry((size_t)i, key, value);
	}
	kit_keys_free(&keys);
}

static void a_line_of_ten_megabytes(void **state)
{
	size_t size = 10 << 20;
	char *text = malloc(size + 5);

	(void)state;
	memset(text, 'x', size);
	memcpy(text + size, "\nend\n", 5);
	write_file(text, size + 5);
	load_good();
	assert_int_equal(keys.count, 2);
	assert_int_equal(keys.entries[0].key_size, size);
	assert_entry(1, "end", NULL);
	kit_keys_free(&keys);
	free(text);
}

static void a_nul_is_refused_with_its_line(void **state)
{
	(void)state;
	WRITE("one\ntwo\nth\0ree\n");
	load_bad(path, ":3:", "NUL");
	WRITE("one\tval\0ue\n");
	load_bad(path, ":1:", "NUL");
	load_bad("/proc/self/exe", ":1:", "NUL");
}

static void nothing_to_load(void **state)
{
	(void)state;
	WRITE("");
	load_bad(path, "empty", "no keys");
	WRITE("\n\r\n\n");
	load_bad(path, "no keys", "3 lines");
}

static void files_that_cannot_be_read(void **state)
{
	(void)state;
	load_bad("/nonexistent/file", "cannot be opened", "No such file");
	load_bad("", "cannot be opened", "No such file");
	load_bad(folder, "directory", "not a file");
	/* Reading one's own memory at address 0 is an I/O error. */
	load_bad("/proc/self/mem", "cannot be read", "rror");
	if (geteuid() != 0) {
		WRITE("x\n");
		assert_int_equal(chmod(path, 0), 0);
		load_bad(path, "cannot be opened", "Permission denied");
		assert_int_equal(chmod(path, 0600), 0);
	}
	assert_false(kit_keys_load(&keys, "/nonexistent/file", NULL, 0));
}

struct source {
	const char *text;
	size_t size, at, step;
	int failure; /* errno at the end; 0: a good end */
	int interruptions;
};

static ssize_t read_source(void *context, void *buffer, size_t size)
{
	struct source *source = context;
	size_t n = source->size - source->at;

	if (source->interruptions-- > 0) {
		errno = EINTR;
		return -1;
	}
	if (n == 0 && source->failure != 0) {
		errno = source->failure;
		return -1;
	}
	n = n > source->step ? source->step : n;
	n = n > size ? size : n;
	memcpy(buffer, source->text + source->at, n);
	source->at += n;
	return (ssize_t)n;
}

static void a_read_error_midway_leaves_nothing(void **state)
{
	struct source source = {.text = "one\ntwo\nthr", .size = 11, .step = 4, .failure = EIO};

	(void)state;
	assert_false(kit_keys_load_from(&keys, read_source, &source, "tape", error, sizeof error));
	assert_null(keys.entries);
	assert_null(keys.text);
	assert_non_null(strstr(error, "tape"));
	assert_non_null(strstr(error, "past byte 11"));
	assert_non_null(strstr(error, "Input/output error"));
}

static void short_and_interrupted_reads(void **state)
{
	struct source source = {.text = "one\ntwo\n", .size = 8, .step = 1, .interruptions = 3};

	(void)state;
	assert_true(kit_keys_load_from(&keys, read_source, &source, "tape", error, sizeof error));
	assert_int_equal(keys.count, 2);
	kit_keys_free(&keys);
}

static void standard_input(void **state)
{
	int saved = dup(STDIN_FILENO);
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "p\nq\n", 4), 4);
	(void)close(ends[1]);
	assert_true(dup2(ends[0], STDIN_FILENO) >= 0);
	(void)close(ends[0]);
	bool done = kit_keys_load(&keys, "-", error, sizeof error);
	bool again = kit_keys_load(&(struct kit_keys){0}, "-", error, sizeof error);
	assert_true(dup2(saved, STDIN_FILENO) >= 0);
	(void)close(saved);
	assert_true(done);
	assert_int_equal(keys.count, 2);
	kit_keys_free(&keys);
	assert_false(again);
	assert_non_null(strstr(error, "standard input: empty"));
}

static ssize_t read_endless(void *context, void *buffer, size_t size)
{
	(void)context;
	memset(buffer, 'x', size);
	return (ssize_t)size;
}

static void no_memory_is_an_answer(void **state)
{
	(void)state;
#ifdef SANITIZED
	skip();
#else
	if (getenv("CALM_TEST_EMULATED"))
		skip(); /* qemu gives its guest as much as it has itself */
	pid_t child = fork();
	if (child == 0) {
		struct rlimit limit = {256 << 20, 256 << 20};
		bool bad = setrlimit(RLIMIT_AS, &limit) != 0 ||
			   kit_keys_load_from(&keys, read_endless, NULL, "endless", error,
					      sizeof error) ||
			   keys.text != NULL || strstr(error, "no memory") == NULL ||
			   strstr(error, "endless") == NULL;
		_exit(bad);
	}
	int status = 0;
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
#endif
	(void)read_endless;
}

/* Random lines against a list that is searched from its beginning. */
static void agrees_with_a_naive_reader(void **state)
{
	enum { LINES = 3000 };
	struct kit_random random;
	static char text[LINES * 8];
	static char list[LINES][8];
	size_t used = 0, count = 0, repeated = 0;

	(void)state;
	kit_random_seed(&random, 21);
	for (int i = 0; i < LINES; i++) {
		char line[8];
		size_t size = 0, at = 0;
		for (uint64_t n = 1 + kit_random_below(&random, 3); size < n;)
			line[size++] = (char)('a' + kit_random_below(&random, 12));
		line[size] = '\0';
		while (at < count && strcmp(list[at], line) != 0)
			at++;
		repeated += at < count;
		if (at == count)
			memcpy(list[count++], line, size + 1);
		memcpy(text + used, line, size);
		text[used + size] = '\n';
		used += size + 1;
	}
	write_file(text, used);
	load_good();
	assert_int_equal(keys.count, count);
	assert_int_equal(keys.repeated, repeated);
	for (size_t i = 0; i < count; i++)
		assert_entry(i, list[i], NULL);
	kit_keys_free(&keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_and_values),
		cmocka_unit_test(no_final_newline),
		cmocka_unit_test(crlf_is_stripped_and_counted),
		cmocka_unit_test(empty_lines_are_skipped_and_counted),
		cmocka_unit_test(the_last_of_repeated_keys_wins),
		cmocka_unit_test(many_keys_through_every_growth),
		cmocka_unit_test(a_line_of_ten_megabytes),
		cmocka_unit_test(a_nul_is_refused_with_its_line),
		cmocka_unit_test(nothing_to_load),
		cmocka_unit_test(files_that_cannot_be_read),
		cmocka_unit_test(a_read_error_midway_leaves_nothing),
		cmocka_unit_test(short_and_interrupted_reads),
		cmocka_unit_test(standard_input),
		cmocka_unit_test(no_memory_is_an_answer),
		cmocka_unit_test(agrees_with_a_naive_reader),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
