/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * liburcu's hash table under QSBR: reading is free, and each thread announces quiescence, here
 * after a batch.
 */
#define _LGPL_SOURCE
#define RCU_QSBR
#include <urcu-qsbr.h>

#include "bench/peers/urcu.h"

static const struct bench_subject texts[BENCH_TEXTS] = URCU_TEXTS("urcu_qsbr", "liburcu lfht qsbr");
const struct bench_subject bench_urcu_qsbr = URCU_SUBJECT("urcu_qsbr", "liburcu lfht qsbr", texts);
