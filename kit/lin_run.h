/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A ready run of the linearizability checker: threads call a mix of verbs on one map, every call is
 * recorded, and every round is checked before the next begins.
 *
 * Invariants: the threads of a round start together and end with it, so that a check sees whole
 * histories only, and starting and ending threads is exercised too. After each round every key is
 * loaded once by the runner, recorded like any other call: the round's last writes are thereby held
 * against what the map kept.
 */
#ifndef KIT_LIN_RUN_H
#define KIT_LIN_RUN_H

#include "kit/kinds.h"
#include "kit/lin.h"

#define KIT_LIN_THREADS 1024

struct kit_lin_plan {
	const struct kit_kind *kind;
	calm_key_kind key_kind;
	unsigned threads; /* 1 … KIT_LIN_THREADS */
	uint32_t keys;    /* few: contention; many: growth */
	uint64_t ops;     /* a thread makes in a round */
	uint64_t rounds;
	uint64_t rounds_per_map; /* a new map after so many: growth begins anew; 0: one map for all */
	uint64_t ns;             /* no round begins after this time; 0: no limit */
	bool zipf;               /* keys by zipf 0.99 instead of uniform */
	uint64_t seed;
	size_t capacity;   /* of the map; 0: starts small and grows under load */
	size_t compact_at; /* as in calm_options */
	unsigned mix[KIT_LIN_VERBS]; /* weights of the verbs; all 0: kit_lin_mix. A clear costs a look at every key */
};

/*
 * Half reads, all verbs but clear; writes that return what they displaced are preferred, for they
 * pin the order.
 */
extern const unsigned kit_lin_mix[KIT_LIN_VERBS];

struct kit_lin_result {
	uint64_t ops; /* recorded and checked */
	uint64_t rounds;
	uint64_t run_ns;   /* in the threads' rounds */
	uint64_t check_ns; /* checking */
	uint64_t failed;   /* calls that returned a status below 0 */
	struct kit_lin_report report;
};

/*
 * Runs the plan; ends early after a round with a violation or an undecided key. CALM_OK: it ran,
 * see result->report for what was found. CALM_EINVAL: the plan's numbers; CALM_ENOMEM, also for a
 * thread that cannot be made; else what the constructor returned. Memory: 96 bytes for each
 * operation of a round.
 */
calm_status kit_lin_run(const struct kit_lin_plan *plan, struct kit_lin_result *result);

#endif
