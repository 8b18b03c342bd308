/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Static probes (USDT): for calm trace, perf, bpftrace and gdb. One nop each while nobody looks; nothing at all where the
 * system has no <sys/sdt.h>. Provider "calm"; names and arguments are part of the interface (docs/tracing.md).
 *
 * On x86-64 the nop has five bytes, so that it can become a jump, which costs a tenth of a trap into the kernel.
 *
 * An argument is what stands in a register or in memory at that place, or is a constant: it must not cost an instruction.
 * clang, given the choice, would store it to have it in memory: there it stays in a register.
 */
#ifndef CALM_BASE_PROBE_H
#define CALM_BASE_PROBE_H

/* The verbs that traversal__begin and traversal__end tell of. */
enum {
	CALM__PROBE_EACH,
	CALM__PROBE_WALK,
	CALM__PROBE_SNAPSHOT_EACH,
	CALM__PROBE_SNAPSHOT_RANGE,
	CALM__PROBE_SNAPSHOT_DIFF
};

#if defined(__has_include) && !defined(CALM_NO_PROBES) && !defined(CALM_EXPLORE)
#if __has_include(<sys/sdt.h>)
#ifdef __clang__
#define STAP_SDT_ARG_CONSTRAINT nr
#endif
#include <sys/sdt.h>
#ifdef __x86_64__
#undef _SDT_NOP
#define _SDT_NOP .nops 5
#endif
#endif
#endif

#ifdef DTRACE_PROBE2
#define calm__probe0(name) DTRACE_PROBE(calm, name)
#define calm__probe1(name, a) DTRACE_PROBE1(calm, name, a)
#define calm__probe2(name, a, b) DTRACE_PROBE2(calm, name, a, b)
#define calm__probe3(name, a, b, c) DTRACE_PROBE3(calm, name, a, b, c)
#else
#define calm__probe0(name) ((void)0)
#define calm__probe1(name, a) ((void)(a))
#define calm__probe2(name, a, b) ((void)(a), (void)(b))
#define calm__probe3(name, a, b, c) ((void)(a), (void)(b), (void)(c))
#endif

#endif
