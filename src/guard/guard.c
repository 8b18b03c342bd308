/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The guard: when it checks, what it has told already, and how it tells; see calm/guard.h for what it is for. The checks
 * are in bindings.c, text.c and callers.c.
 *
 * A check collects its findings, and tells of them when it holds no lock and walks no list of the dynamic linker's, so
 * that a callback may do anything. What calm calls while the guard works or tells on a thread is not checked there.
 */
#include "guard/guard.h"
#include "base/lock.h"
#include "guard/callers.h"
#include "guard/object.h"

#include <calm/guard.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if __has_include(<execinfo.h>)
#include <execinfo.h>
#define HAS_BACKTRACE 1
#else
#define HAS_BACKTRACE 0
#endif

#define TOLD 256 /* findings that are remembered; of more, each check tells again */

shared_u32 calm__watch;

static struct {
	struct calm__lock lock; /* guards all of it */
	calm_guard_mode mode;
	calm_guard_report_fn *report;
	void *context;
	bool callers; /* there is a list of them */
	bool kept;    /* the traversals' first bytes */
	uint64_t told[TOLD];
	size_t told_count;
} guard;

static _Thread_local bool at_work;

/* A finding with its strings, which lie behind it. */
struct finding {
	struct finding *next;
	calm_guard_finding shown;
};

struct findings {
	struct finding *first, **last;
	int count;
	bool starved;
};

static uint64_t hash(uint64_t seed, const char *text)
{
	for (; *text; text++)
		seed = (seed ^ (unsigned char)*text) * UINT64_C(0x100000001b3); /* FNV-1a */
	return seed * 31 + 1;
}

static void collect(const char *symbol, const char *object, const char *message, void *context)
{
	struct findings *findings = context;
	size_t sizes[] = {strlen(symbol) + 1, strlen(object) + 1, strlen(message) + 1};
	struct finding *finding = malloc(sizeof(*finding) + sizes[0] + sizes[1] + sizes[2]);

	findings->count++;
	if (!finding) {
		findings->starved = true;
		return;
	}
	char *text = (char *)(finding + 1);
	finding->next = NULL;
	finding->shown.symbol = memcpy(text, symbol, sizes[0]);
	finding->shown.object = memcpy(text + sizes[0], object, sizes[1]);
	finding->shown.message = memcpy(text + sizes[0] + sizes[1], message, sizes[2]);
	*findings->last = finding;
	findings->last = &finding->next;
}

/* Whether it was told before; from now on it was. Under the lock. */
static bool was_told(const calm_guard_finding *finding)
{
	uint64_t mine = hash(hash(UINT64_C(0xcbf29ce484222325), finding->symbol), finding->message);
	for (size_t i = 0; i < guard.told_count; i++) {
		if (guard.told[i] == mine)
			return true;
	}
	if (guard.told_count < TOLD)
		guard.told[guard.told_count++] = mine;
	return false;
}

static void tell_stderr(const calm_guard_finding *finding)
{
	fprintf(stderr, "calm: guard: %s\n", finding->message);
	fflush(stderr);
#if HAS_BACKTRACE
	void *stack[32];
	backtrace_symbols_fd(stack, backtrace(stack, 32), STDERR_FILENO);
#endif
}

/* Tells of what is new, or with `again` of all, and frees it. */
static void tell(struct findings *findings, bool again)
{
	bool told = false;
	calm__lock(&guard.lock);
	calm_guard_mode mode = guard.mode;
	calm_guard_report_fn *report = guard.report;
	void *context = guard.context;
	for (struct finding *finding = findings->first; finding; finding = finding->next) {
		if (was_told(&finding->shown) && !again)
			finding->shown.message = NULL;
	}
	calm__unlock(&guard.lock);
	for (struct finding *finding = findings->first, *next; finding; finding = next) {
		next = finding->next;
		if (finding->shown.message) {
			told = true;
			if (report)
				report(&finding->shown, context);
			else
				tell_stderr(&finding->shown);
		}
		free(finding);
	}
	if (told && mode == CALM_GUARD_ABORT)
		abort();
}

/* The number of findings; below 0: CALM_ENOMEM. */
static int check(bool again)
{
	struct findings findings = {NULL, &findings.first, 0, false};
	struct calm__object own;
	int saved = errno;

	if (at_work)
		return 0;
	at_work = true;
	if (calm__object_own(&own)) {
		calm__check_bindings(&own, collect, &findings);
		calm__check_text(&own, collect, &findings);
	}
	tell(&findings, again);
	at_work = false;
	errno = saved;
	return findings.starved ? (int)CALM_ENOMEM : findings.count;
}

/* Sets what the hooks look at. Under the lock. */
static void publish(void)
{
	uint32_t bits = guard.mode == CALM_GUARD_OFF ? 0 : CALM__WATCH_ON;
	if (bits != 0 && guard.callers)
		bits |= CALM__WATCH_CALLERS;
	/* order: guard.watch release -> calm__guard_cursor_made(): the bytes that were kept. */
	store_release(&calm__watch, bits);
}

calm_status calm_guard_set(calm_guard_mode mode, calm_guard_report_fn *report, void *context)
{
	if (mode != CALM_GUARD_OFF && mode != CALM_GUARD_REPORT && mode != CALM_GUARD_ABORT)
		return CALM_EINVAL;
	int saved = errno;
	struct calm__object own;
	bool found = mode != CALM_GUARD_OFF && calm__object_own(&own);
	calm__lock(&guard.lock);
	guard.mode = mode;
	guard.report = report;
	guard.context = context;
	guard.told_count = 0;
	if (found && !guard.kept) {
		calm__keep_text(&own);
		guard.kept = true;
	}
	publish();
	calm__unlock(&guard.lock);
	if (mode != CALM_GUARD_OFF)
		(void)check(false);
	errno = saved;
	return CALM_OK;
}

calm_status calm_guard_allow(const char *module)
{
	if (!module || *module == '\0' || strchr(module, '/'))
		return CALM_EINVAL;
	int saved = errno;
	calm_status status = calm__callers_allow(module);
	if (status == CALM_OK) {
		calm__lock(&guard.lock);
		guard.callers = true;
		publish();
		calm__unlock(&guard.lock);
	}
	errno = saved;
	return status;
}

int calm_guard_check(void)
{
	return check(true);
}

void calm__guard_map_made(void)
{
	(void)check(false);
}

void calm__guard_called(const char *function, const void *caller)
{
	/* order: guard.watch acquire <- publish(): that there is a list. */
	if ((load_acquire(&calm__watch) & CALM__WATCH_CALLERS) == 0)
		return;
	/* The call itself lies before the address it returns to. */
	const char *module = calm__callers_refuse((const char *)caller - 1);
	if (!module || at_work)
		return;
	struct findings findings = {NULL, &findings.first, 0, false};
	char message[512];
	int saved = errno;
	at_work = true;
	snprintf(message, sizeof(message), "%s was called from %s, which is not allowed to",
		 function, module);
	collect(function, module, message, &findings);
	tell(&findings, false);
	at_work = false;
	errno = saved;
}

void calm__guard_cursor_made(const char *function, const void *caller)
{
	/* order: guard.watch acquire <- publish(): the bytes to compare with. */
	if (load_acquire(&calm__watch) != 0 && !calm__text_as_kept())
		(void)check(false);
	calm__guard_called(function, caller);
}
