/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The agent begins: before the program's main, as a rule before it has a second thread.
 *
 * Whether this process is the one to record: it has probes of calm, and no other process was faster. So `calm trace -- sh -c
 * "program | other"` records the program. That done, the environment says nothing of the agent any more.
 */
#include "cli/trace/agent/agent.h"

#include "cli/trace/trace.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SITES 1024
#define PATIENCE 10000 /* a second, at least */

struct agent_head *agent_head;
static const volatile uint32_t off;
const volatile uint32_t *agent_on = &off;

static struct agent_site sites[SITES];

/* ---- probes ---- */

static const struct known {
	const char *name;
	uint8_t probe;
	uint8_t kind;
	uint8_t operands;
} known[] = {
	{"read__begin", PROBE_READ_BEGIN, 0, 0},
	{"read__end", PROBE_READ_END, 0, 0},
	{"retire", PROBE_RETIRE, 0, 1},
	{"retire__many", PROBE_RETIRE_MANY, 0, 1},
	{"image", PROBE_IMAGE, 0, 1},
	{"map__create", PROBE_MAP_CREATE, 0, 2},
	{"map__destroy", PROBE_MAP_DESTROY, 0, 1},
	{"reclaim__begin", PROBE_RECLAIM_BEGIN, 0, 1},
	{"reclaim__end", PROBE_OTHER, TRACE_RECLAIM_END, 1},
	{"traversal__begin", PROBE_OTHER, TRACE_TRAVERSAL_BEGIN, 2},
	{"traversal__end", PROBE_OTHER, TRACE_TRAVERSAL_END, 2},
	{"snapshot__open", PROBE_OTHER, TRACE_SNAPSHOT_OPEN, 2},
	{"snapshot__close", PROBE_OTHER, TRACE_SNAPSHOT_CLOSE, 2},
	{"resize__begin", PROBE_OTHER, TRACE_RESIZE_BEGIN, 3},
	{"resize__chunk", PROBE_OTHER, TRACE_RESIZE_CHUNK, 2},
	{"resize__end", PROBE_OTHER, TRACE_RESIZE_END, 1},
	{"copy__begin", PROBE_OTHER, TRACE_COPY_BEGIN, 2},
	{"copy__end", PROBE_OTHER, TRACE_COPY_END, 1},
	{"promotion", PROBE_OTHER, TRACE_PROMOTION, 2},
	{"compact__begin", PROBE_OTHER, TRACE_COMPACT_BEGIN, 1},
	{"compact__end", PROBE_OTHER, TRACE_COMPACT_END, 1},
	{"stall", PROBE_OTHER, TRACE_STALL_BEGIN, 2},
	{"stall__end", PROBE_OTHER, TRACE_STALL_END, 1},
};

static const struct known *find_known(const char *name)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (strcmp(known[i].name, name) == 0)
			return &known[i];
	}
	return NULL;
}

static bool found_any(const char *name, const char *operands, uint64_t address, void *context)
{
	(void)operands;
	(void)address;
	*(bool *)context = find_known(name) != NULL;
	return !*(bool *)context;
}

static bool found_site(const char *name, const char *operands, uint64_t address, void *context)
{
	const struct known *one = find_known(name);

	(void)context;
	if (one == NULL)
		return true;
	if (agent_head->probes < SITES) {
		struct agent_site *site = &sites[agent_head->probes];
		*site = (struct agent_site){.address = address,
					    .probe = one->probe,
					    .kind = one->kind};
		int n = agent_operands(operands, site->operand, SITE_OPERANDS);
		site->operands = one->operands;
		if (n == one->operands && agent_patch(site))
			agent_head->patched++;
	}
	agent_head->probes++;
	return true;
}

/* ---- what an event costs ---- */

static uint64_t time_calls(void (*function)(void))
{
	uint64_t begin = agent_ticks();

	for (int i = 0; i < AGENT_COSTS; i++)
		function();
	return agent_ticks() - begin;
}

/* A probe's function of our own: called as it is, and patched. Its site has two arguments, in registers. */
static void measure(void (*function)(void), void (*empty)(void))
{
	struct agent_slot *slot = agent_self.slot;

	if (function == NULL || slot == NULL)
		return;
	/* The second time round everything is in the caches. */
	for (int round = 0; round < 2; round++) {
		agent_head->nop_cost = time_calls(empty);
		agent_head->event_cost = time_calls(function);
		atomic_store(&slot->events, 0); /* nobody looks yet */
	}
}

/* ---- the beginning ---- */

static uint32_t count_threads(void)
{
	DIR *list = opendir("/proc/self/task");
	const struct dirent *entry;
	uint32_t n = 0;

	while (list != NULL && (entry = readdir(list)) != NULL)
		n += entry->d_name[0] != '.';
	if (list != NULL)
		(void)closedir(list);
	return n;
}

static int shared_file(void)
{
	const char *text = getenv(AGENT_ENVIRONMENT);
	char *end;
	struct stat about;

	if (text == NULL || *text == '\0')
		return -1;
	long file = strtol(text, &end, 10);
	if (*end != '\0' || file < 0 || file > INT32_MAX || fstat((int)file, &about) != 0 ||
	    about.st_size != AGENT_SIZE)
		return -1;
	return (int)file;
}

static struct agent_head *map_shared(int file)
{
	void *memory = mmap(NULL, AGENT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

	if (memory == MAP_FAILED)
		return NULL;
	struct agent_head *head = memory;
	if (head->magic == AGENT_MAGIC && head->size == AGENT_SIZE)
		return head;
	(void)munmap(memory, AGENT_SIZE);
	return NULL;
}

/* The agent is the first of what is preloaded; the rest is the user's. */
static void clean_environment(void)
{
	const char *preloaded = getenv("LD_PRELOAD");
	const char *rest = preloaded != NULL ? strchr(preloaded, ':') : NULL;

	(void)unsetenv(AGENT_ENVIRONMENT);
	if (rest != NULL && rest[1] != '\0')
		(void)setenv("LD_PRELOAD", rest + 1, 1);
	else
		(void)unsetenv("LD_PRELOAD");
}

static void patch_all(volatile uint32_t *on)
{
	struct agent_site *fake = &sites[SITES - 1];
	uint32_t threads = count_threads();
	bool begun = false;

	if (threads != 1) {
		agent_head->threads_before = threads;
		return;
	}
	*fake = (struct agent_site){.probe = PROBE_OTHER,
				    .kind = TRACE_RESIZE_CHUNK,
				    .operands = 2};
	(void)agent_operands("8@%rdi 8@%rsi", fake->operand, SITE_OPERANDS);
	void (*function)(void) = agent_patch_sample(fake);
	begun = agent_notes(found_site, NULL);
	if (!begun || !agent_patch_done() || function == NULL)
		return;
	*on = 1;
	measure(function, agent_patch_empty(function));
}

__attribute__((constructor)) static void start(void)
{
	bool any = false;
	uint32_t nobody = 0;
	int file = shared_file();

	if (file < 0)
		return;
	(void)agent_notes(found_any, &any);
	if (!any || (agent_head = map_shared(file)) == NULL)
		return;
	if (!atomic_compare_exchange_strong(&agent_head->process, &nobody, (uint32_t)getpid())) {
		(void)munmap(agent_head, AGENT_SIZE);
		agent_head = NULL;
		return;
	}
	clean_environment();
	(void)close(file);
	volatile uint32_t *on = mmap(NULL, AGENT_PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (on == MAP_FAILED || madvise((void *)(uintptr_t)on, AGENT_PAGE, MADV_WIPEONFORK) != 0 ||
	    madvise(agent_head, AGENT_SIZE, MADV_DONTFORK) != 0 || !agent_wrap_start())
		return;
	agent_on = on;
	agent_samples_start();
	(void)agent_claim(&agent_self);
	patch_all(on);
	*on = 1;
	/* All of the above, before the recorder looks. */
	atomic_store_explicit(&agent_head->attached, 1, memory_order_release);
	/* It takes down where everything is mapped, which a short program would not be there for; a recorder that is gone does not. */
	for (int i = 0;
	     i < PATIENCE && atomic_load_explicit(&agent_head->go, memory_order_acquire) == 0; i++)
		(void)nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}
