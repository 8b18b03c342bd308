/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Small programs with a defect that only some schedules show: see planted.c. */
#ifndef TESTS_EXPLORE_PLANTED_H
#define TESTS_EXPLORE_PLANTED_H

#include "explore/sched.h"

struct planted {
	const char *name;
	void (*run)(const struct explore_plan *plan, struct explore_outcome *outcome);
	const char *failure;               /* how what it shows begins */
	uint64_t within[EXPLORE_POLICIES]; /* found in so many seeds; 0: not by this policy */
};

extern const struct planted planted[];
extern const unsigned planted_count;

void planted_run(const struct planted *it, const struct explore_plan *plan,
		 struct explore_outcome *outcome);

/* Hand-made histories, right and wrong, are told apart. */
void planted_histories(void);

#endif
