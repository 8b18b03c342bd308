/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The suites, a file each in bench/suites; suites.c lists them in their order. */
#ifndef BENCH_SUITES_H
#define BENCH_SUITES_H

#include "bench/engine.h"

void bench_suite_hash(struct bench *bench);
void bench_suite_bytes(struct bench *bench);
void bench_suite_latency(struct bench *bench);
void bench_suite_memory(struct bench *bench);
void bench_suite_walk(struct bench *bench);
void bench_suite_snapshot(struct bench *bench);
void bench_suite_growth(struct bench *bench);
void bench_suite_ordered(struct bench *bench);
void bench_suite_go(struct bench *bench);
void bench_suite_cost(struct bench *bench);
void bench_suite_cell(struct bench *bench);
void bench_suite_flash_sale(struct bench *bench);
void bench_suite_article_4_1(struct bench *bench);
void bench_suite_article_4_2(struct bench *bench);
void bench_suite_article_5(struct bench *bench);

#endif
