/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The scenarios. Each kind of map plays those it can; what a letter means: play.h.
 *
 * Short ones bite most: a schedule of few accesses is explored more densely, and more of them are
 * run. So what can go wrong between two or three acts has a scenario of two or three acts, and the
 * open ones (no programs) are there for what nobody thought of.
 */
#include "explore/play.h"

#define SNAPSHOTS PLAY_SNAPSHOTS

#define WRITES "SSWIDTCXU"
#define ACTS "LLSWIDTCXU"
#define GROWTH "LIIDS"
/* A tree whose last nodes are split and put together: there a node's prefix changes. */
#define TREE (PLAY_ORDERED | PLAY_GROWS | PLAY_NAMES | PLAY_AMONG)

const struct scenario scenarios[] = {
	/* Single keys. */
	{"one-key", 0, 1, ACTS, {NULL}},
	{"two-keys", 0, 2, ACTS "Z", {NULL}},
	{"insert-insert", 0, 1, WRITES, {"I0 L0", "I0 D0", NULL}},
	{"delete-insert", 0, 1, WRITES, {"D0 I0", "* L0", NULL}},
	{"refill", 0, 2, WRITES, {"L? L?", "D0 I1", NULL}},
	{"crowded", PLAY_CROWDED, 4, GROWTH, {"L? L?", "D? I? D?", "D? I?"}},
	{"crowded-empties", PLAY_CROWDED, 4, GROWTH, {"L0 L0", "D1 D2 D3", "I1 I2"}},
	{"crowded-refill", PLAY_CROWDED, 3, GROWTH, {"L0 L1", "D0 D2 I0", "* *"}},
	{"crowded-apply", PLAY_CROWDED | PLAY_APPLY, 4, GROWTH, {"L0 L0", "D2 D3 B0", NULL}},
	{"crowded-reapply", PLAY_CROWDED | PLAY_APPLY, 4, GROWTH, {"L0 L0", "D1 D2 D3 A1", NULL}},
	{"new-and-old", 0, 2, WRITES, {"I0 L1", "S1 L0", NULL}},
	{"compare", 0, 1, WRITES, {"C0 C0", "C0 X0", "*"}},
	{"clear", 0, 3, WRITES, {"S0 S1 L0", "Z L1", "* L2"}},
	{"live-walk", 0, 3, WRITES, {"V", "* *", "* *"}},

	/* While it grows or shrinks. */
	{"grow", PLAY_GROWS, 4, GROWTH, {NULL}},
	{"grow-read", PLAY_GROWS, 4, GROWTH, {"I0 I1", "L0 L1 L0", "I2 L1"}},
	{"grow-delete", PLAY_GROWS, 4, GROWTH, {"I0 I1 I2", "D0 I0 L2", NULL}},
	{"grow-walk", PLAY_GROWS, 4, GROWTH, {"V", "I0 I1", "I2 *"}},
	{"grow-clear", PLAY_GROWS, 4, GROWTH, {"I0 I1 L0", "Z L1", "I2 I3 *"}},
	{"shrink", PLAY_SHRINKS, 3, GROWTH, {"D0 D1", "L0 L1", "* D2"}},

	/* Leaves and inner nodes, their ends and their prefixes. */
	{"split-load", TREE, 4, GROWTH, {"L? L?", "I? I?", NULL}},
	{"split-inner", TREE | PLAY_DEEP, 4, GROWTH, {"L? L?", "I? I?", NULL}},
	{"split-beside", TREE, 4, GROWTH, {"I? I? D?", "D? I? I?", NULL}},
	{"split-range", TREE | SNAPSHOTS, 4, GROWTH, {"N K Q", "I? I?", NULL}},
	{"split-walk",
	 PLAY_ORDERED | PLAY_GROWS | PLAY_AMONG | SNAPSHOTS,
	 2,
	 GROWTH,
	 {"P", "I0 I1", NULL}},
	{"merge-walk",
	 PLAY_ORDERED | PLAY_GROWS | PLAY_AMONG | PLAY_THIN | SNAPSHOTS,
	 4,
	 GROWTH,
	 {"P", "D0", "I3"}},
	{"two-leaves", TREE, 4, GROWTH, {"S0 L3", "S3 L0", NULL}},

	/* Values go when nobody can see them, and threads come and go. */
	{"sections", PLAY_RELEASES, 2, WRITES, {"( L0 L1 )", "* * *", "* * F"}},
	{"long-section", PLAY_RELEASES, 1, WRITES, {"( L0 L0", "S0 S0 S0 S0 S0", "( L0 ) F"}},
	{"exits", PLAY_EXITS, 2, ACTS, {NULL}},
	{"exits-releases", PLAY_EXITS | PLAY_RELEASES, 1, WRITES, {"S0 S0", "( L0 ) D0", "S0 F"}},
	{"exits-clear", PLAY_EXITS, 1, WRITES, {"( L0 )", "Z", "( L0 )"}},
	{"exits-inside", PLAY_EXITS | PLAY_RELEASES, 1, WRITES, {"( L0 O", "S0 S0 S0 F", "S0 ( O"}},

	{"waits", PLAY_CELL | PLAY_RELEASES, 1, "lwwc", {"r F r F", "w F w F", "( l ) *"}},
	{"waits-destroys", PLAY_CELL | PLAY_RELEASES, 1, "lwwc", {"d", "r F", "r r F"}},
	{"closes-destroys", PLAY_CELL | PLAY_RELEASES, 1, "lwwc", {"x", "y", "*"}},
	{"waits-exits",
	 PLAY_CELL | PLAY_RELEASES | PLAY_EXITS,
	 1,
	 "lwwc",
	 {"r w F", "w r ( l O", "( l O"}},

	/* Snapshots: as few acts as can show a cut that is none. */
	{"cut", SNAPSHOTS, 2, WRITES, {"N E Q", "S0 S1", NULL}},
	{"cut-load", SNAPSHOTS, 1, WRITES, {"N E Q", "S0", "L0 L0"}},
	{"open-load", SNAPSHOTS, 1, WRITES, {"N L0 E Q", "S0 S0", NULL}},
	{"cut-one-key", SNAPSHOTS, 1, WRITES, {"N E Q L0", "* *", "*"}},
	{"cut-reread", SNAPSHOTS, 2, WRITES, {"N E G Q", "* *", "* *"}},
	{"cut-cursor", SNAPSHOTS, 2, WRITES, {"N K E Q", "* *", "* *"}},
	{"cut-three", SNAPSHOTS, 3, WRITES, {"L? N G E L?", "* * *", "* * *"}},
	{"cut-crowded", SNAPSHOTS | PLAY_CROWDED, 4, GROWTH, {"N E G Q", "D? I? D?", "* *"}},
	{"cut-refill", SNAPSHOTS, 2, WRITES, {"N E Q", "D0 I1", NULL}},
	{"cut-unchained", SNAPSHOTS | PLAY_CROWDED, 4, GROWTH, {"N E Q", "D1 D2 D3", NULL}},
	{"two-snapshots", SNAPSHOTS, 2, WRITES, {"N n E e Q e", "* * *", NULL}},
	{"two-owners", SNAPSHOTS, 2, WRITES, {"N E E Q", "S0 S1 *", "N E Q"}},
	{"reopened", SNAPSHOTS, 2, WRITES, {"N E Q N E Q", "* * *", "* *"}},
	{"many-stamps", SNAPSHOTS, 2, WRITES, {"N Q N Q N Q N E", "* * *", "N E n Q e"}},
	{"walk", SNAPSHOTS, 3, WRITES, {"P", "* *", "* *"}},
	{"walk-beside", SNAPSHOTS, 2, WRITES, {"P P", "N E E Q", "* * *"}},
	{"cut-grow", SNAPSHOTS | PLAY_GROWS, 4, GROWTH, {"N E G Q", "I0 I1", "I2 *"}},
	{"open-grow", SNAPSHOTS | PLAY_GROWS, 4, GROWTH, {"N S3 I0 I1 E Q", "* *", NULL}},
	{"walk-grow", SNAPSHOTS | PLAY_GROWS, 4, GROWTH, {"P", "I0 I1", "I2 *"}},
	{"cut-shrink", SNAPSHOTS | PLAY_SHRINKS, 3, GROWTH, {"N E E Q", "D0 D1", "D2 *"}},
	{"cut-grow-shrink",
	 SNAPSHOTS | PLAY_GROWS,
	 3,
	 GROWTH,
	 {"N E E Q", "I0 I1 I2 D0 D1 D2", "*"}},
	{"drain-grow", SNAPSHOTS | PLAY_GROWS, 4, GROWTH, {"R L0", "I0 I1 *", "N E Q"}},
	{"drain-shrink", SNAPSHOTS | PLAY_SHRINKS, 3, GROWTH, {"R L0", "D0 D1", "N E Q"}},
	{"walk-clear", SNAPSHOTS, 3, WRITES, {"P", "S0 Z S1", "* *"}},
	{"budget-grow",
	 SNAPSHOTS | PLAY_BUDGET | PLAY_GROWS,
	 4,
	 GROWTH,
	 {"N E E Q", "I0 I1 n e q", "I2 *"}},
	{"cut-clear", SNAPSHOTS, 3, WRITES, {"N E G Q", "S0 Z S1", "* *"}},
	{"cut-clear-grow", SNAPSHOTS | PLAY_GROWS, 4, GROWTH, {"N E Q", "I0 I1 Z", "I2 *"}},
	{"drain", SNAPSHOTS, 3, WRITES, {"R L0", "* *", "N E Q"}},
	{"cut-releases", SNAPSHOTS | PLAY_RELEASES, 2, WRITES, {"N E G Q", "* * * F", "* *"}},
	{"nested-releases",
	 SNAPSHOTS | PLAY_RELEASES,
	 1,
	 WRITES,
	 {"N E n e Q e q", "* * * *", "S0"}},
	{"cut-exits", SNAPSHOTS | PLAY_EXITS, 2, WRITES, {"N E Q", "* *", "* *"}},
	{"budget", SNAPSHOTS | PLAY_BUDGET, 2, WRITES, {"N E E", "n S0 e q", "* *"}},
	{"budget-diff",
	 SNAPSHOTS | PLAY_BUDGET | PLAY_RELEASES,
	 2,
	 WRITES,
	 {"N S0 S1 n H", "S0 S1 F", "* * F"}},

	/* The next base is made meanwhile. */
	{"compact", PLAY_COMPACTS, 2, WRITES, {"M", "* L0", "* L1"}},
	{"compact-load", PLAY_COMPACTS, 1, WRITES, {"M S0 M", "L0 L0", NULL}},
	{"compact-waits", PLAY_COMPACTS, 1, WRITES, {"S0 M", "L0 L0", "F F"}},
	{"compact-delete", PLAY_COMPACTS, 1, WRITES, {"M", "S0 D0 L0", "* M L0"}},
	{"compact-compare", PLAY_COMPACTS, 1, WRITES, {"M M", "C0 X0 C0", "C0 I0"}},
	{"compact-clear", PLAY_COMPACTS, 3, WRITES, {"M L0", "S0 Z S1 L0", "* L1"}},
	{"compact-grow", PLAY_COMPACTS | PLAY_GROWS, 4, GROWTH, {"M M", "I0 I1 *", "I2 *"}},
	{"compact-drained", SNAPSHOTS | PLAY_COMPACTS, 3, WRITES, {"S0 S1 S2 M", "R F", NULL}},
	{"compact-clear-grow", PLAY_COMPACTS | PLAY_GROWS, 4, GROWTH, {"M M", "I0 I1 Z I0", "I2 *"}},
	{"compact-cut", SNAPSHOTS | PLAY_COMPACTS, 2, WRITES, {"N E G Q", "M * M", "* *"}},
	{"compact-walk", SNAPSHOTS | PLAY_COMPACTS, 3, WRITES, {"P", "* M", "* *"}},
	{"compact-drain", SNAPSHOTS | PLAY_COMPACTS, 3, WRITES, {"R L0", "* M *", "N E Q"}},
	{"compact-size",
	 SNAPSHOTS | PLAY_COMPACTS | PLAY_BUDGET,
	 2,
	 WRITES,
	 {"N # Q", "* M * M F", NULL}},
	{"compact-releases",
	 SNAPSHOTS | PLAY_COMPACTS | PLAY_RELEASES,
	 2,
	 WRITES,
	 {"N E G Q", "* M * F", "* M"}},

	/* Many keys in one step. */
	{"apply", PLAY_APPLY, 3, WRITES, {"A0 L1", "A1 L0", "* B0"}},
	{"cut-apply", PLAY_APPLY | SNAPSHOTS, 3, WRITES, {"N E E Q", "A0 B1", "* *"}},
	{"apply-clear-grow", PLAY_APPLY | PLAY_GROWS, 4, GROWTH, {"A0 A2", "Z", "I1 *"}},
	{"cut-apply-grow", PLAY_APPLY | SNAPSHOTS | PLAY_GROWS, 4, GROWTH, {"N E Q", "A0 A2", "*"}},
};

const unsigned scenario_count = sizeof(scenarios) / sizeof(scenarios[0]);
