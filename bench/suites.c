/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The list of suites. */
#include "bench/suites.h"

const struct bench_suite bench_suites[] = {
	{"hash", "word to word: five mixes, uniform and zipf, 1, 2 and 16 threads, every hash map",
	 bench_suite_hash},
	{"bytes", "text keys of 16 and 48 bytes: the same mixes and threads", bench_suite_bytes},
	{"latency", "of single operations, paced: p50, p99, p99.9, max", bench_suite_latency},
	{"memory", "bytes an entry while a map grows", bench_suite_memory},
	{"walk", "traversals, and what they and a writer at full speed cost each other",
	 bench_suite_walk},
	{"snapshot", "what opening and holding snapshots costs", bench_suite_snapshot},
	{"growth", "single inserts while a map grows from 1 k entries", bench_suite_growth},
	{"ordered", "ordered maps, 16-byte keys: get, 50/50, ranges, full scan",
	 bench_suite_ordered},
	{"go", "the names of Go's map_bench_test.go over every kind", bench_suite_go},
	{"cost", "allocations, instructions and calls an operation", bench_suite_cost},
	{"cell", "calm_cell against a store into a map", bench_suite_cell},
	{"flash-sale", "stock keys, zipf, writers and readers at full speed",
	 bench_suite_flash_sale},
	{"article-4.1", "the article's table 4.1: full copy against range callback",
	 bench_suite_article_4_1},
	{"article-4.2", "the article's table 4.2: read-only base and delta",
	 bench_suite_article_4_2},
	{"article-5", "the article's table 5: 8 000 writes a second", bench_suite_article_5},
	{NULL, NULL, NULL},
};
