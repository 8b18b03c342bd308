/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Static probes (USDT) for perf, bpftrace and gdb: one nop each while nobody looks, nothing at all
 * where the system has no <sys/sdt.h>. Provider "calm"; names and arguments are part of the
 * interface.
 */
#ifndef CALM_BASE_PROBE_H
#define CALM_BASE_PROBE_H

#if defined(__has_include)
#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#endif
#endif

#ifdef DTRACE_PROBE2
#define calm__probe1(name, a) DTRACE_PROBE1(calm, name, a)
#define calm__probe2(name, a, b) DTRACE_PROBE2(calm, name, a, b)
#else
#define calm__probe1(name, a) ((void)(a))
#define calm__probe2(name, a, b) ((void)(a), (void)(b))
#endif

#endif
