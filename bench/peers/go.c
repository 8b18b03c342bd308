/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Go's sync.Map in a Go program: go/main.go. It cannot be presized. */
#include "bench/peers/child.h"

static void *create(const struct bench_subject *subject, size_t capacity)
{
	static char program[] = BENCH_GO_PROGRAM;
	char *arguments[] = {program, NULL};

	(void)subject;
	return bench_child_start(arguments, capacity);
}

const struct bench_subject bench_go = {
	.id = "go",
	.name = "Go sync.Map",
	.from = "golang-go",
	.create = create,
	BENCH_CHILD_FUNCTIONS,
};
