/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A map in a process of its own, for languages that bring a run time. The process reads commands, a
 * line each, and answers each with a line; it maps the streams that this process made, so that it
 * is given the same words.
 *
 *	create CAPACITY                       ok
 *	fill PATH COUNT                       ok
 *	run PATH COUNT NUMBER THREADS WARM_NS NS
 *	                                      ns measured ops hits wrong puts inserts inserted
 *	                                      erases erased
 *	size                                  entries
 *	bytes                                 bytes of the heap that are reachable
 *
 * ns and measured are the time and the operations of the measured part; the rest counts all of it,
 * warm-up included. A stream's number is its own, while a path may be another's later.
 */
#ifndef BENCH_PEERS_CHILD_H
#define BENCH_PEERS_CHILD_H

#include "bench/adapter.h"

void *bench_child_start(char *const arguments[], size_t capacity);
void bench_child_stop(void *child);
bool bench_child_slice(void *child, const struct bench_stream *stream, unsigned threads,
		       uint64_t warm_ns, uint64_t ns, struct bench_tally *tally,
		       struct bench_timed *timed);
bool bench_child_fill(void *child, const struct bench_stream *stream);
size_t bench_child_size(void *child);
uint64_t bench_child_bytes(void *child);

#define BENCH_CHILD_FUNCTIONS                                                              \
	.destroy = bench_child_stop, .slice = bench_child_slice, .fill = bench_child_fill, \
	.size = bench_child_size, .bytes = bench_child_bytes

#endif
