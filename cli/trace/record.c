/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Runs the traced program with the agent in it, empties the rings meanwhile, and makes a recording of what came.
 *
 * The program has its terminal, its files and its signals as without calm trace: ^C reaches it from the terminal, and a signal
 * that somebody sends to calm trace is passed on. Whatever it dies of, what it recorded is kept.
 */
#include "cli/trace/record.h"

#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

#define SAMPLE_NS 1000000U
#define BURST_NS 100000U
#define SECTION_NS 10000U
#define SECOND_NS 1000000000U
#define NAP_NS 500000L
#define LOOK_NS 100000000U
#define PROGRESS_NS 200000000U
#define AGENT_FILE "libcalm-trace.so"

#ifndef TRACE_AGENT
#define TRACE_AGENT "../libexec/calm"
#endif

bool trace_grow(void **array, uint64_t count, uint64_t *room, size_t size)
{
	if (count < *room)
		return true;
	uint64_t more = *room < 64 ? 64 : *room * 2;
	void *larger = more <= SIZE_MAX / size ? realloc(*array, more * size) : NULL;
	if (larger == NULL)
		return false;
	*array = larger;
	*room = more;
	return true;
}

/* ---- time ---- */

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

uint64_t trace_ticks(const struct agent_head *head)
{
#ifdef __x86_64__
	if (head->tsc != 0)
		return __builtin_ia32_rdtsc();
#endif
	(void)head;
	return now_ns(CLOCK_MONOTONIC);
}

/* Whether the processor's counter runs at one speed, always. */
static bool tsc_invariant(void)
{
#ifdef __x86_64__
	unsigned a, b, c, d;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & 1U << 8) != 0;
#else
	return false;
#endif
}

static void start_clock(struct trace_making *making)
{
	struct agent_head *head = making->head;
	double speed = 1;

	head->tsc = tsc_invariant();
	making->ns = now_ns(CLOCK_MONOTONIC);
	head->tick = making->tick = trace_ticks(head);
	if (head->tsc != 0) {
		(void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
		uint64_t ns = now_ns(CLOCK_MONOTONIC) - making->ns;
		speed = (double)(trace_ticks(head) - making->tick) / (double)ns;
	}
	/* Nearly, for what is counted by these; times are scaled by the whole recording. */
	head->ticks_burst = (uint64_t)(speed * BURST_NS);
	head->ticks_section = (uint64_t)(speed * SECTION_NS);
	head->ticks_second = (uint64_t)(speed * SECOND_NS);
}

/* ---- signals ---- */

static volatile sig_atomic_t child;
static const int passed_on[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
#define PASSED_ON (sizeof passed_on / sizeof *passed_on)

static void pass_on(int signal, siginfo_t *about, void *context)
{
	(void)context;
	/* The terminal's own reach the program too. */
	if (child > 0 && about->si_code <= 0)
		(void)kill(child, signal);
}

static void catch_signals(struct sigaction before[PASSED_ON])
{
	struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART};

	for (size_t i = 0; i < PASSED_ON; i++) {
		(void)sigaction(passed_on[i], NULL, &before[i]);
		if (before[i].sa_handler != SIG_IGN)
			(void)sigaction(passed_on[i], &action, NULL);
	}
}

static void restore_signals(const struct sigaction before[PASSED_ON])
{
	for (size_t i = 0; i < PASSED_ON; i++)
		(void)sigaction(passed_on[i], &before[i], NULL);
}

/* ---- the program ---- */

/*
 * Beside the running program, as in a build tree; else where it is installed, relative to it. False: there is none, and stderr
 * says so.
 */
static bool find_agent(char path[4096])
{
#ifdef __x86_64__
	static const char *const places[] = {"", TRACE_AGENT "/"};
	char own[4096];
	ssize_t size = readlink("/proc/self/exe", own, sizeof own - 1);

	if (size <= 0)
		return false;
	own[size] = '\0';
	strrchr(own, '/')[1] = '\0';
	for (size_t i = 0; i < 2; i++) {
		if (snprintf(path, 4096, "%s%s" AGENT_FILE, own, places[i]) < 4096 &&
		    access(path, R_OK) == 0)
			return true;
	}
	(void)cli_error(TRACE_NAME,
			AGENT_FILE " is neither beside this program nor in " TRACE_AGENT);
	return false;
#else
	(void)path;
	(void)cli_error(TRACE_NAME, "programs can be traced on x86-64 Linux only");
	return false;
#endif
}

static _Noreturn void become(const struct trace_order *order, const char *agent, int shared,
			     int report)
{
	char number[16];
	const char *preloaded = getenv("LD_PRELOAD");
	char *preload = NULL;

	(void)snprintf(number, sizeof number, "%d", shared);
	if (fcntl(shared, F_SETFD, 0) == 0 && setenv(AGENT_ENVIRONMENT, number, 1) == 0 &&
	    asprintf(&preload, "%s%s%s", agent, preloaded != NULL && *preloaded != '\0' ? ":" : "",
		     preloaded != NULL ? preloaded : "") >= 0 &&
	    setenv("LD_PRELOAD", preload, 1) == 0) {
		if (order->program != NULL)
			(void)execv(order->program, order->command);
		else
			(void)execvp(order->command[0], order->command);
	}
	int error = errno;
	(void)!write(report, &error, sizeof error);
	_exit(127);
}

static bool start(const struct trace_order *order, const char *agent, int shared,
		  const struct sigaction *before)
{
	int report[2];
	int error = 0;

	if (pipe2(report, O_CLOEXEC) != 0)
		return cli_error(TRACE_NAME, "cannot make a pipe: %s", strerror(errno)) == CLI_FINE;
	pid_t pid = fork();
	if (pid == 0) {
		restore_signals(before);
		become(order, agent, shared, report[1]);
	}
	error = pid < 0 ? errno : 0;
	child = pid;
	(void)close(report[1]);
	if (pid > 0 && read(report[0], &error, sizeof error) == sizeof error)
		(void)waitpid(pid, NULL, 0);
	(void)close(report[0]);
	if (error != 0) {
		child = 0;
		(void)cli_error(TRACE_NAME, "cannot run '%s': %s", order->command[0],
				strerror(error));
	}
	return error == 0;
}

static void show_progress(const struct trace_making *making, uint64_t now)
{
	const struct trace_recording *recording = making->recording;
	char events[CLI_NUMBER];

	(void)fprintf(stderr, "\r%s: %.1f s, %s events, %u threads \x1b[K", TRACE_NAME,
		      (double)(now - making->ns) / SECOND_NS,
		      cli_count(events, (double)recording->event_count), recording->thread_count);
}

/* Empties the rings until the program is over. */
static void attend(const struct trace_order *order, struct trace_making *making)
{
	struct agent_head *head = making->head;
	uint64_t looked = 0, shown = 0;
	bool over = false;

	while (!over) {
		over = waitpid(child, &making->recording->exit_status, WNOHANG) == child;
		uint64_t now = now_ns(CLOCK_MONOTONIC);
		/* What the agent did before. */
		if (making->process == 0 &&
		    atomic_load_explicit(&head->attached, memory_order_acquire) != 0) {
			making->process = (pid_t)atomic_load(&head->process);
			trace_look(making);
			atomic_store_explicit(&head->go, 1, memory_order_release);
		}
		uint64_t n = making->process != 0 ? trace_drain(making, over) : 0;
		if (making->process != 0 && (now - looked > LOOK_NS)) {
			trace_look(making);
			looked = now;
		}
		if (order->progress && now - shown > PROGRESS_NS) {
			show_progress(making, now);
			shown = now;
		}
		if (!over && n < AGENT_EVENTS / 2)
			(void)nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
	}
	if (order->progress)
		(void)fputs("\r\x1b[K", stderr);
}

/* ---- what came of it ---- */

/* Whether anything was recorded; says why not, or what is missing. */
static bool explain(const struct trace_making *making)
{
	const struct agent_head *head = making->head;

	if (making->process == 0 && atomic_load(&head->process) != 0) {
		(void)cli_error(TRACE_NAME, "the agent could not start in the program");
		return false;
	}
	if (making->process == 0) {
		(void)cli_error(
			TRACE_NAME,
			"the program has no probes of calm: it is not linked to calm, or to one built without them, or is "
			"statically linked, or runs with another user's rights");
		return false;
	}
	if (head->threads_before != 0) {
		(void)cli_error(
			TRACE_NAME,
			"a constructor of the program had started %u threads before: no probe was set",
			head->threads_before - 1);
		return false;
	}
	if (head->patched < head->probes)
		(void)cli_error(TRACE_NAME,
				"%u of %u probes could not be set: what they tell is missing",
				head->probes - head->patched, head->probes);
	uint32_t samples = atomic_load(&head->samples);
	if (samples == AGENT_SAMPLES_SIGPROF)
		(void)cli_error(
			TRACE_NAME,
			"the program uses SIGPROF itself: stacks were not taken from then on");
	if (samples == AGENT_SAMPLES_REFUSED)
		(void)cli_error(TRACE_NAME, "the kernel refused timers: stacks are missing");
	if (making->no_memory)
		(void)cli_error(TRACE_NAME, "out of memory: some of the recording is lost");
	return true;
}

static bool prepare(const struct trace_order *order, struct trace_making *making, int *shared)
{
	*shared = memfd_create("calm-trace", MFD_CLOEXEC);
	if (*shared < 0 || ftruncate(*shared, AGENT_SIZE) != 0)
		return false;
	void *memory = mmap(NULL, AGENT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, *shared, 0);
	if (memory == MAP_FAILED)
		return false;
	making->head = memory;
	*making->head = (struct agent_head){.magic = 0};
	making->head->magic = AGENT_MAGIC;
	making->head->size = AGENT_SIZE;
	making->head->sample_ns = SAMPLE_NS;
	making->head->reclaim_ns = order->reclaim_ns;
	for (size_t i = 0; i < AGENT_SLOTS; i++)
		making->owners[i] = (struct trace_owner){TRACE_NONE, UINT64_MAX};
	return true;
}

static bool run(const struct trace_order *order, struct trace_making *making, const char *agent,
		int shared)
{
	struct sigaction before[PASSED_ON];

	making->recording->began = now_ns(CLOCK_REALTIME);
	start_clock(making);
	catch_signals(before);
	bool fine = start(order, agent, shared, before);
	if (fine)
		attend(order, making);
	child = 0;
	restore_signals(before);
	uint64_t tick = trace_ticks(making->head);
	uint64_t ns = now_ns(CLOCK_MONOTONIC);
	fine = fine && explain(making);
	if (fine && !trace_finish(making, tick, ns)) {
		(void)cli_error(TRACE_NAME, "out of memory");
		fine = false;
	}
	return fine;
}

bool trace_record(const struct trace_order *order, struct trace_stacks *stacks,
		  struct trace_recording *recording)
{
	char agent[4096];
	struct trace_making *making = calloc(1, sizeof *making);
	int shared = -1;
	bool fine = false;

	*recording = (struct trace_recording){.command = order->command};
	if (making == NULL) {
		(void)cli_error(TRACE_NAME, "out of memory");
		return false;
	}
	making->recording = recording;
	making->stacks = stacks;
	making->events_most = order->events_most;
	if (find_agent(agent) && !prepare(order, making, &shared))
		(void)cli_error(TRACE_NAME, "no memory to record into: %s", strerror(errno));
	else if (making->head != NULL)
		fine = run(order, making, agent, shared);
	if (making->head != NULL)
		(void)munmap(making->head, AGENT_SIZE);
	if (shared >= 0)
		(void)close(shared);
	free(making->made);
	free(making);
	if (!fine)
		trace_recording_free(recording);
	return fine;
}

void trace_recording_free(struct trace_recording *recording)
{
	for (uint32_t i = 0; i < recording->module_count; i++) {
		free((char *)(uintptr_t)recording->modules[i].path);
		free((char *)(uintptr_t)recording->modules[i].build_id);
	}
	free(recording->threads);
	free(recording->maps);
	free(recording->modules);
	free(recording->events);
	free(recording->samples);
	*recording = (struct trace_recording){.ns = 0};
}
