/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Runs a victim: a process of its own, with the record shared, its messages caught, and a watchdog.
 *
 * The watchdog counts its own turns and not the clock: on a machine that stands still, or is stopped, a victim does not hang.
 */
#include "cli/lab/lab.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef LAB_VICTIMS
#define LAB_VICTIMS "../libexec/calm"
#endif

#define TICK_NS 5000000L
#define HANG_TICKS 160      /* of one that must hang */
#define PATIENCE_TICKS 6000 /* of any other */
#define MS 200

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

void lab_catch_interrupt(void)
{
	struct sigaction now;

	if (sigaction(SIGINT, NULL, &now) == 0 && now.sa_handler != SIG_IGN)
		(void)sigaction(
			SIGINT,
			&(struct sigaction){.sa_handler = interrupt, .sa_flags = SA_RESETHAND},
			NULL);
}

bool lab_interrupted(void)
{
	return interrupted != 0;
}

const char *lab_signal_name(int signal)
{
	static char other[24];
	const char *name = sigabbrev_np(signal);

	(void)snprintf(other, sizeof other, "SIG%s", name != NULL ? name : "?");
	return other;
}

/* ---- where the victims are ---- */

/* Beside the running program, as in a build tree; else where they are installed, relative to it. */
static bool find_program(const char *name, char path[PATH_MAX])
{
	char own[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", own, sizeof own - 1);

	if (size <= 0)
		return false;
	own[size] = '\0';
	*strrchr(own, '/') = '\0';
	if (snprintf(path, PATH_MAX, "%s/calm-lab-%s", own, name) >= PATH_MAX)
		return false;
	if (access(path, X_OK) == 0)
		return true;
	return snprintf(path, PATH_MAX, "%s/" LAB_VICTIMS "/calm-lab-%s", own, name) < PATH_MAX &&
	       access(path, X_OK) == 0;
}

/* ---- cores ---- */

/* A folder of its own for a run's core, so that whatever the kernel calls it, it is found. */
static bool core_folder(const char *cores, char folder[PATH_MAX])
{
	return snprintf(folder, PATH_MAX, "%s/.core-XXXXXX", cores) < PATH_MAX &&
	       mkdtemp(folder) != NULL;
}

static void keep_core(const struct lab_order *order, const char *folder, struct lab_run *run)
{
	DIR *list = opendir(folder);
	const struct dirent *entry;

	while (list != NULL && (entry = readdir(list)) != NULL) {
		char from[PATH_MAX];
		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(from, sizeof from, "%s/%s", folder, entry->d_name) >= PATH_MAX ||
		    snprintf(run->core, sizeof run->core, "%s/%s-%s-%llu.core", order->cores,
			     order->entry->name, order->way->variant,
			     (unsigned long long)order->number) >= (int)sizeof run->core)
			continue;
		if (rename(from, run->core) != 0)
			run->core[0] = '\0';
	}
	if (list != NULL)
		(void)closedir(list);
	(void)rmdir(folder);
}

/* ---- the child ---- */

/* Puts a file where the victim looks for it. */
static bool place(int file, int at)
{
	return file == at ? fcntl(file, F_SETFD, 0) == 0 : dup2(file, at) == at;
}

static _Noreturn void become(const char *path, const struct lab_order *order, int record,
			     int messages, const char *folder)
{
	char ms[16], rounds[24];
	char *arguments[12] = {(char *)(uintptr_t)path, (char *)(uintptr_t)order->entry->name,
			       (char *)(uintptr_t)order->way->variant};
	size_t n = 3;
	static char option_ms[] = "--ms", option_rounds[] = "--rounds",
		    option_replay[] = "--replay";

	(void)snprintf(ms, sizeof ms, "%u", order->entry->ms != 0 ? order->entry->ms : MS);
	arguments[n++] = option_ms;
	arguments[n++] = ms;
	if (order->rounds != 0) {
		(void)snprintf(rounds, sizeof rounds, "%llu", (unsigned long long)order->rounds);
		arguments[n++] = option_rounds;
		arguments[n++] = rounds;
	}
	if (order->replay)
		arguments[n++] = option_replay;
	struct rlimit limit;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGINT, SIG_IGN);
	if (getrlimit(RLIMIT_CORE, &limit) == 0) {
		limit.rlim_cur = folder != NULL ? limit.rlim_max : 0;
		(void)setrlimit(RLIMIT_CORE, &limit);
	}
	if ((folder == NULL || chdir(folder) == 0) && place(messages, STDERR_FILENO) &&
	    place(record, LAB_RECORD_FD))
		(void)execv(path, arguments);
	_exit(127);
}

/* Waits; kills what hangs. Whether it did. */
static bool watch(pid_t child, unsigned ticks, int *status)
{
	bool hung = false;

	for (unsigned tick = 0; waitpid(child, status, WNOHANG) == 0; tick++) {
		if (tick == ticks) {
			hung = true;
			(void)kill(child, SIGABRT);
		} else if (tick == ticks + 100) {
			(void)kill(child, SIGKILL);
		}
		(void)nanosleep(&(struct timespec){.tv_nsec = tick < 20 ? TICK_NS / 5 : TICK_NS},
				NULL);
	}
	return hung;
}

/* ---- what came of it ---- */

/* The last line that a victim wrote, without its end; what glibc and sanitizers say. */
static void last_words(int messages, char *out, size_t room)
{
	static char text[8192];
	ssize_t size = pread(messages, text, sizeof text - 1, 0);
	const char *best = text;

	text[size > 0 ? size : 0] = '\0';
	const char *error = strstr(text, "ERROR: ");
	if (error != NULL)
		best = error + 7;
	else if ((error = strstr(text, "WARNING: ")) != NULL)
		best = error + 9;
	(void)snprintf(out, room, "%.*s", (int)strcspn(best, "\n"), best);
	char *on = strstr(out, " on address"); /* a sanitizer's, and it differs */
	if (on != NULL)
		*on = '\0';
}

static void explain_hang(struct lab_run *run)
{
	const struct lab_record *record = run->record;
	size_t used = (size_t)snprintf(run->how, sizeof run->how, "hung");

	for (unsigned i = 0; i < LAB_THREADS && used < sizeof run->how; i++) {
		const struct lab_thread *thread = &record->threads[i];
		if (thread->doing[0] != '\0')
			used += (size_t)snprintf(run->how + used, sizeof run->how - used,
						 "; %.15s %.70s", thread->name, thread->doing);
	}
	(void)snprintf(run->kind, sizeof run->kind, "hung");
}

static void judge(struct lab_run *run, int status, bool hung, int messages)
{
	char words[100];

	last_words(messages, words, sizeof words);
	if (hung) {
		run->end = LAB_HUNG;
		explain_hang(run);
	} else if (WIFSIGNALED(status)) {
		run->end = LAB_DIED;
		run->signal = WTERMSIG(status);
		(void)snprintf(run->kind, sizeof run->kind, "%s", lab_signal_name(run->signal));
		(void)snprintf(run->how, sizeof run->how, "%s%s%s", run->kind,
			       words[0] != '\0' ? ": " : "", words);
	} else if (WEXITSTATUS(status) == 0) {
		run->end = LAB_FINE;
	} else if (WEXITSTATUS(status) == 1 && atomic_load(&run->record->failed) != 0) {
		run->end = LAB_FOUND;
		run->record->how[sizeof run->record->how - 1] = '\0';
		(void)snprintf(run->how, sizeof run->how, "%s", run->record->how);
		(void)snprintf(run->kind, sizeof run->kind, "found");
	} else if (words[0] != '\0' && WEXITSTATUS(status) != 2 && WEXITSTATUS(status) != 127) {
		run->end = LAB_DIED;
		(void)snprintf(run->how, sizeof run->how, "%s", words);
		(void)snprintf(run->kind, sizeof run->kind, "%.63s", words);
	} else {
		run->end = LAB_NOT_RUN;
		(void)cli_error(LAB_NAME, "a victim ended with %d: %s", WEXITSTATUS(status), words);
	}
}

static bool prepare(struct lab_run *run, int *record, int *messages)
{
	*record = memfd_create("calm-lab-record", MFD_CLOEXEC);
	*messages = memfd_create("calm-lab-messages", MFD_CLOEXEC);
	if (*record < 0 || *messages < 0 || ftruncate(*record, sizeof *run->record) != 0)
		return false;
	void *memory = mmap(NULL, sizeof *run->record, PROT_READ | PROT_WRITE, MAP_SHARED, *record,
			    0);
	run->record = memory != MAP_FAILED ? memory : NULL;
	return run->record != NULL;
}

static void run_child(const struct lab_order *order, struct lab_run *run, const char *path,
		      int record, int messages)
{
	char folder[PATH_MAX];
	bool cores = order->cores != NULL && core_folder(order->cores, folder);
	int status;
	pid_t child = fork();

	if (child == 0)
		become(path, order, record, messages, cores ? folder : NULL);
	if (child < 0) {
		(void)cli_error(LAB_NAME, "cannot make a process: %s", strerror(errno));
		return;
	}
	bool hung = watch(child, order->way->hangs ? HANG_TICKS : PATIENCE_TICKS, &status);
	judge(run, status, hung, messages);
	if (cores)
		keep_core(order, folder, run);
}

enum lab_end lab_run(const struct lab_order *order, struct lab_run *run)
{
	char path[PATH_MAX];
	int record = -1, messages = -1;

	*run = (struct lab_run){.end = LAB_NOT_RUN};
	if (!find_program(order->way->program, path))
		(void)cli_error(
			LAB_NAME,
			"the program calm-lab-%s is neither beside this one nor in " LAB_VICTIMS,
			order->way->program);
	else if (!prepare(run, &record, &messages))
		(void)cli_error(LAB_NAME, "no memory to watch a victim with: %s", strerror(errno));
	else
		run_child(order, run, path, record, messages);
	if (record >= 0)
		(void)close(record);
	if (messages >= 0)
		(void)close(messages);
	return run->end;
}

void lab_run_forget(struct lab_run *run)
{
	if (run->record != NULL)
		(void)munmap(run->record, sizeof *run->record);
	run->record = NULL;
}
