/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Every subject by name: an adapter defines those that its file is about, subjects.c lists all. A
 * peer that was not found at configure time is a name without functions.
 */
#ifndef BENCH_ADAPTER_H
#define BENCH_ADAPTER_H

#include "bench/subject.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const struct bench_subject bench_floor, bench_null;
extern const struct bench_subject bench_calm_kinds[]; /* as kit_kinds */
extern const struct bench_subject bench_calm_tree;    /* treemap with 16-byte keys */
extern const struct bench_subject bench_urcu_memb, bench_urcu_qsbr;
extern const struct bench_subject bench_ck_ht, bench_ck_rhs;
extern const struct bench_subject bench_tbb, bench_cuckoo, bench_boost;
extern const struct bench_subject bench_glib, bench_glib_shards, bench_glib_tree;
extern const struct bench_subject bench_lmdb;
extern const struct bench_subject bench_java, bench_go;

#ifdef __cplusplus
}
#endif

#endif
