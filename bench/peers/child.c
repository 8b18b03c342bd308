/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The near end of child.h's conversation: a process on a socket pair. It has a process group of its
 * own, so that ^C is this process's to handle; it ends when its input does.
 *
 * Rejected: JNI and cgo, which would measure the crossing.
 */
#include "bench/peers/child.h"
#include "bench/engine.h"

#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct child {
	pid_t pid;
	FILE *in;
	int out;
};

/* The answer to a command, in line; false: none came. */
static bool ask(struct child *child, const char *command, char line[256])
{
	size_t size = strlen(command);

	if (send(child->out, command, size, MSG_NOSIGNAL) != (ssize_t)size)
		return false;
	return fgets(line, 256, child->in) != NULL;
}

static bool spawn(struct child *child, char *const arguments[], int far)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;

	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, far, 0);
	(void)posix_spawn_file_actions_adddup2(&actions, far, 1);
	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
	bool done = posix_spawnp(&child->pid, arguments[0], &actions, &attributes, arguments,
				 environ) == 0;
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return done;
}

void *bench_child_start(char *const arguments[], size_t capacity)
{
	struct child *child = bench_alloc(sizeof *child);
	char command[64], line[256];
	int ends[2];

	*child = (struct child){.pid = -1, .out = -1};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
		free(child);
		return NULL;
	}
	bool started = spawn(child, arguments, ends[1]);
	(void)close(ends[1]);
	child->out = ends[0];
	child->in = started ? fdopen(fcntl(ends[0], F_DUPFD_CLOEXEC, 0), "r") : NULL;
	(void)snprintf(command, sizeof command, "create %zu\n", capacity);
	if (child->in != NULL && ask(child, command, line) && strcmp(line, "ok\n") == 0)
		return child;
	bench_child_stop(child);
	return NULL;
}

void bench_child_stop(void *pointer)
{
	struct child *child = pointer;

	if (child->in != NULL)
		(void)fclose(child->in);
	(void)close(child->out);
	if (child->pid > 0)
		(void)waitpid(child->pid, NULL, 0);
	free(child);
}

bool bench_child_slice(void *child, const struct bench_stream *stream, unsigned threads,
		       uint64_t warm_ns, uint64_t ns, struct bench_tally *tally,
		       struct bench_timed *timed)
{
	struct bench_tally *t = tally;
	char command[160], line[256];

	(void)snprintf(command, sizeof command, "run %s %zu %u %u %" PRIu64 " %" PRIu64 "\n",
		       stream->path, stream->count, stream->number, threads, warm_ns, ns);
	return ask(child, command, line) &&
	       sscanf(line,
		      "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		      " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
		      &timed->ns, &timed->ops, &t->ops, &t->hits, &t->wrong, &t->puts, &t->inserts,
		      &t->inserted, &t->erases, &t->erased) == 10;
}

bool bench_child_fill(void *child, const struct bench_stream *stream)
{
	char command[160], line[256];

	(void)snprintf(command, sizeof command, "fill %s %zu\n", stream->path, stream->count);
	return ask(child, command, line) && strcmp(line, "ok\n") == 0;
}

static uint64_t number(void *child, const char *command)
{
	char line[256];

	return ask(child, command, line) ? strtoull(line, NULL, 10) : 0;
}

size_t bench_child_size(void *child)
{
	return number(child, "size\n");
}

uint64_t bench_child_bytes(void *child)
{
	return number(child, "bytes\n");
}
