/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * liburcu's hash table under its membarrier flavour: readers pay next to nothing and need not say
 * when they rest.
 */
#define _LGPL_SOURCE
#define RCU_MEMB
#include <urcu.h>

#include "bench/peers/urcu.h"

static const struct bench_subject texts[BENCH_TEXTS] = URCU_TEXTS("urcu_memb", "liburcu lfht memb");
const struct bench_subject bench_urcu_memb = URCU_SUBJECT("urcu_memb", "liburcu lfht memb", texts);
