/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The programs that record.py has calm trace record: traced WHAT. Each does a number of things that are known, and ends as it is
 * told to. Exit 0 is well done, or how the system ends what crashes.
 */
#include <calm/calm.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEYS 20000
#define FLOOD 50000
#define THREADS 40

static void must(bool good, const char *what)
{
	if (good)
		return;
	(void)fprintf(stderr, "traced: %s\n", what);
	exit(1);
}

static int nothing(calm_key key, void *value, void *context)
{
	(void)key;
	(void)value;
	++*(unsigned long *)context;
	return 0;
}

/* So slow that a traversal lasts longer than any one reclamation. */
static int slowly(calm_key key, void *value, void *context)
{
	(void)nothing(key, value, context);
	if (*(unsigned long *)context % 1000 == 0)
		(void)usleep(1000);
	return 0;
}

static void traverse(calm_map *map, int times)
{
	for (int i = 0; i < times; i++) {
		unsigned long seen = 0;
		must(calm_map_each(map, nothing, &seen) == 0, "each");
	}
}

static calm_map *small_map(void)
{
	static int value;
	calm_map *map = NULL;

	must(calm_hashmap_create(&map, NULL) == CALM_OK, "create");
	for (uint64_t i = 1; i <= 10; i++)
		must(calm_map_store(map, calm_word(i), &value) == CALM_OK, "store");
	return map;
}

/* ---- a writer that retires, and a traversal that never stops, for each of three kinds ---- */

static atomic_bool over;

static void release(void *value, void *context)
{
	(void)context;
	free(value);
}

static void *write_on(void *pointer)
{
	for (uint64_t i = 0; !atomic_load(&over); i++) {
		void *value = malloc(32);
		must(value != NULL &&
			     calm_map_store(pointer, calm_word(i % KEYS + 1), value) == CALM_OK,
		     "store");
	}
	return NULL;
}

static double seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void slowed(calm_status (*create)(calm_map **, const calm_options *))
{
	calm_options options = CALM_OPTIONS_INIT;
	calm_map *map = NULL;
	pthread_t writer;

	options.release = release;
	must(create(&map, &options) == CALM_OK, "create");
	atomic_store(&over, false);
	must(pthread_create(&writer, NULL, write_on, map) == 0, "thread");
	for (double end = seconds() + 1.3; seconds() < end;) {
		unsigned long seen = 0;
		must(calm_map_each(map, slowly, &seen) == 0, "each");
	}
	atomic_store(&over, true);
	must(pthread_join(writer, NULL) == 0 && calm_map_destroy(map) == CALM_OK, "end");
}

static void maps(void)
{
	slowed(calm_hashmap_create);
	slowed(calm_treemap_create);
	slowed(calm_syncmap_create);
}

/* ---- threads, and losses ---- */

static void *one_of_many(void *pointer)
{
	traverse(pointer, 10);
	return NULL;
}

/* More threads than there are slots, some of them at once: a slot has many owners. */
static void threads(void)
{
	calm_map *map = small_map();
	pthread_t some[THREADS];

	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < THREADS; i++)
			must(pthread_create(&some[i], NULL, one_of_many, map) == 0, "thread");
		for (int i = 0; i < THREADS; i++)
			must(pthread_join(some[i], NULL) == 0, "join");
	}
}

/* The recorder, our parent, stands still meanwhile. */
static void flood(void)
{
	calm_map *map = small_map();

	must(kill(getppid(), SIGSTOP) == 0, "stop");
	(void)usleep(20000);
	traverse(map, FLOOD);
	must(kill(getppid(), SIGCONT) == 0, "continue");
	(void)usleep(100000);
	traverse(map, 7);
}

/* ---- ends ---- */

static void forks(void)
{
	calm_map *map = small_map();
	int status = 0;

	traverse(map, 3);
	pid_t child = fork();
	if (child == 0) {
		traverse(map, 1000);
		_exit(0);
	}
	must(waitpid(child, &status, 0) == child && status == 0, "the child");
	traverse(map, 4);
}

static void crash(void)
{
	traverse(small_map(), 100);
	(void)signal(SIGSEGV, SIG_DFL);
	(void)raise(SIGSEGV);
}

static volatile sig_atomic_t signals;

static void count_signal(int signal)
{
	(void)signal;
	signals++;
}

/* Until ^C. */
static void interrupted(void)
{
	calm_map *map = small_map();

	must(signal(SIGINT, count_signal) != SIG_ERR, "signal");
	traverse(map, 1);
	(void)printf("ready\n");
	(void)fflush(stdout);
	while (signals == 0)
		(void)usleep(1000);
}

/* Takes SIGPROF for itself. */
static void profiles(void)
{
	struct sigaction action = {.sa_handler = count_signal};
	struct itimerval period = {{0, 5000}, {0, 5000}};
	calm_map *map = small_map();

	must(sigaction(SIGPROF, &action, NULL) == 0 && setitimer(ITIMER_PROF, &period, NULL) == 0,
	     "setitimer");
	for (double end = seconds() + 5; signals < 3 && seconds() < end;)
		traverse(map, 100);
	must(signals >= 3, "no signals of its own");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} whats[] = {{"maps", maps},        {"threads", threads}, {"flood", flood},
		     {"fork", forks},       {"crash", crash},     {"interrupted", interrupted},
		     {"profiles", profiles}};

	for (size_t i = 0; argc == 2 && i < sizeof whats / sizeof *whats; i++) {
		if (strcmp(argv[1], whats[i].name) == 0) {
			whats[i].run();
			return 0;
		}
	}
	return 2;
}
