/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The agent of `calm trace`: a shared object that is loaded before the traced program begins.
 *
 *      agent.c    claims the recording, finds and patches, and lets the program go on
 *      notes.c    the probes that objects have
 *      patch.c    a nop becomes a jump to a stub, which calls event.c
 *      event.c    what a probe tells becomes an event in the thread's ring
 *      threads.c  slots and timers of threads; sample.c: their stacks; wrap.c: what sees them come and go
 *      operand.c  the notes' operand strings
 *
 * Invariants. It allocates nothing once the program runs, takes no lock at a probe, writes to no file, and changes no register or
 * flag that the program can see. At a probe it calls no library: another's code may use vector registers, which the stub
 * does not save. A forked child records nothing. Text is never writable and executable at once.
 *
 * Rejected: uprobes, which cost a trap into the kernel, some microseconds, each time, and a privilege; a library built for
 * tracing, which would not be the one that is slow.
 */
#ifndef CLI_TRACE_AGENT_AGENT_H
#define CLI_TRACE_AGENT_AGENT_H

#include "cli/trace/agent/operand.h"
#include "cli/trace/agent/shared.h"

#define SITE_OPERANDS 3

/* What a probe's name means. */
enum agent_probe {
	PROBE_READ_BEGIN,
	PROBE_READ_END,
	PROBE_RETIRE,
	PROBE_RETIRE_MANY,
	PROBE_IMAGE,
	PROBE_MAP_CREATE,
	PROBE_MAP_DESTROY,
	PROBE_RECLAIM_BEGIN,
	PROBE_OTHER /* an event as it is; its kind is in the site */
};

struct agent_site {
	uint64_t address; /* of the nop */
	uint8_t probe;    /* enum agent_probe */
	uint8_t kind;     /* enum trace_event_kind, of PROBE_OTHER */
	uint8_t operands;
	struct agent_operand operand[SITE_OPERANDS];
};

/* A thread's own. */
struct agent_self {
	struct agent_slot *slot; /* NULL: none yet, or none any more */
	struct agent_event *events;
	uint64_t *words;
	uint64_t section; /* tick at which the outermost one began */
	uint32_t depth;   /* of sections */
	const struct agent_site
		*at; /* a probe is being told of: what else happens is of the agent's own making */
	bool gone;   /* its slot is released, or there was none for it */
	uint32_t endings; /* rounds of destructors seen */
};

extern _Thread_local struct agent_self agent_self __attribute__((tls_model("initial-exec")));
extern struct agent_head *agent_head; /* NULL: this process records nothing */
/* Not 0 while this process records; on a page that is 0 in a forked child. */
extern const volatile uint32_t *agent_on;

/* event.c */
void agent_hit(const struct agent_site *site, const uint64_t *registers);
uint64_t agent_ticks(void);

/* notes.c: calls for each probe of calm that objects of this process have. False: `found` said so. */
typedef bool agent_found_fn(const char *name, const char *operands, uint64_t address,
			    void *context);
bool agent_notes(agent_found_fn *found, void *context);
/* Those of one object, mapped with such a bias; and of its file's bytes, which lie where an ELF header may. */
bool agent_notes_of(const char *path, uint64_t bias, agent_found_fn *found, void *context);
bool agent_notes_in(const void *bytes, size_t size, uint64_t bias, agent_found_fn *found,
		    void *context);

/* patch.c: false: it cannot be. */
bool agent_patch(struct agent_site *site);
/* What stubs were written to becomes executable. After the last agent_patch. */
bool agent_patch_done(void);
/* A function that does nothing, to be patched: what an event costs is measured on it. NULL: no memory. */
void (*agent_patch_sample(struct agent_site *site))(void);
/* The same, not patched. */
void (*agent_patch_empty(void (*sample)(void)))(void);
/* The probe whose stub an address lies in; else the address. */
uint64_t agent_patch_place(uint64_t address);

/* threads.c */
/* The calling thread's slot and its timer; false: there is none. Calls no library. */
bool agent_claim(struct agent_self *self);
void agent_release(struct agent_self *self);
/* No samples any more, of any thread. */
void agent_timers_stop(uint32_t why);

/* sample.c */
void agent_samples_start(void);

/* wrap.c: what the program calls of the C library, to see its threads come and its signals go. */
bool agent_wrap_start(void);
struct sigaction;
/* The library's. */
int agent_sigaction(int signal, const struct sigaction *action, struct sigaction *before);

/* Raw system calls: a negative errno where they fail. */
static inline long agent_call(long number, long a, long b, long c, long d)
{
	long result;
	register long fourth __asm__("r10") = d;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
			 : "rcx", "r11", "memory");
	return result;
}

#endif
