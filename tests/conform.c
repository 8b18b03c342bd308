/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The contract of include/calm, verb by verb and status by status, on every kind of map with either
 * kind of key: what a single thread can see of it, and an update under contention. Also built with
 * a constant and with a truncated hash, so that every chain is long. The tests lie in conform/, by
 * what they are about.
 */
#include "suite.h"

#include "conform/verbs.h"

#include "conform/keys.h"
#include "conform/life.h"
#include "conform/snapshots.h"
#include "conform/walks.h"
#include "conform/whole.h"

int main(int argc, char **argv)
{
	static const struct suite_test tests[] = {CONFORM_VERBS, CONFORM_KEYS,      CONFORM_WHOLE,
						  CONFORM_WALKS, CONFORM_SNAPSHOTS, CONFORM_LIFE};
	return suite_run(argc, argv, tests, SUITE_COUNT(tests), NULL, 0);
}
