/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Every unordered pair of the interface's verbs, each with itself too: what nobody thought of a
 * scenario for. One fiber does the one, one the other; what a verb needs around it (a snapshot that is
 * opened, read and closed) belongs to it.
 *
 * The seed varies a pair: the same key or two, a write before either, a load of the other's key
 * after, a third fiber that looks on or writes, a map that is about to grow or to shrink, a budget
 * that ousts, threads that begin and end with their programs. A schedule is short, three to eight acts,
 * so ten thousand of them leave little of it unseen.
 *
 * Rejected: a scenario per variation, some ten thousand: as the seed decides them, each schedule is
 * still replayed from its pair and its seed.
 */
#include "explore/pairs.h"

#include "kit/random.h"

#include <string.h>

#define SNAPSHOTS PLAY_SNAPSHOTS
#define CELL PLAY_CELL

static const struct verb {
	const char *name;
	const char *program; /* on key 0 */
	unsigned flags;
} verbs[] = {
	{"load", "L0", 0},
	{"load_many", "m", 0},
	{"store", "S0", 0},
	{"swap", "W0", 0},
	{"load_or_store", "I0", 0},
	{"delete", "D0", 0},
	{"load_and_delete", "T0", 0},
	{"compare_and_swap", "C0", 0},
	{"compare_and_delete", "X0", 0},
	{"update", "U0", 0},
	{"update_away", "u0", 0},
	{"apply", "A0", PLAY_APPLY},
	{"apply_remove", "B0", PLAY_APPLY},
	{"clear", "Z", 0},
	{"drain", "R", SNAPSHOTS},
	{"size", "s", 0},
	{"reserve", "h", 0},
	{"each", "V", 0},
	{"each_delete", "v", 0},
	{"walk", "P", SNAPSHOTS},
	{"walk_delete", "p", SNAPSHOTS},
	{"snapshot_load", "N G E Q", SNAPSHOTS},
	{"snapshot_each", "N E G Q", SNAPSHOTS},
	{"snapshot_size", "N # E Q", SNAPSHOTS},
	{"snapshot_diff", "N n H Q q", SNAPSHOTS},
	{"cursor", "N K Y0 Q", SNAPSHOTS},
	{"range", "N J j Q", SNAPSHOTS | PLAY_ORDERED},
	{"compact", "M", PLAY_COMPACTS},
	{"section", "( L0 L0 )", PLAY_RELEASES},
	{"read_wait", "F", 0},
	{"load", "l", CELL},
	{"swap", "w", CELL},
	{"compare_and_swap", "c", CELL},
	{"section", "( l l )", CELL | PLAY_RELEASES},
	{"retire", "r", CELL | PLAY_RELEASES},
	{"read_wait", "F", CELL},
};
#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

const struct scenario *pairs_all(unsigned *count)
{
	static struct scenario pairs[VERBS * (VERBS + 1) / 2];
	static char names[VERBS * (VERBS + 1) / 2][48];
	static unsigned made;
	bool done = made > 0;
	for (unsigned a = 0; a < VERBS && !done; a++) {
		for (unsigned b = a; b < VERBS; b++) {
			if ((verbs[a].flags ^ verbs[b].flags) & CELL)
				continue;
			snprintf(names[made], sizeof(names[0]), "pair-%s-%s", verbs[a].name,
				 verbs[b].name);
			pairs[made] = (struct scenario){
				.name = names[made],
				.flags = PLAY_PAIR | verbs[a].flags | verbs[b].flags,
				.keys = 2,
				.alphabet = verbs[a].flags & CELL ? "lwwc" : "SSIDWTCXUu",
				.programs = {verbs[a].program, verbs[b].program, NULL},
			};
			made++;
		}
	}
	*count = made;
	return pairs;
}

/* Numbers of a seed that nothing else draws from it. */
static uint64_t numbers_of(uint64_t seed)
{
	return kit_mix(~seed * 0x9e3779b97f4a7c15U);
}

unsigned pairs_flags(uint64_t seed)
{
	uint64_t random = numbers_of(seed);
	unsigned edge = random & 7;
	unsigned flags = edge < 2 ? PLAY_GROWS : edge == 2 ? PLAY_SHRINKS : 0;
	flags |= (random >> 3 & 7) == 0 ? PLAY_BUDGET : 0;
	flags |= (random >> 6 & 7) == 0 ? PLAY_EXITS : 0;
	return flags;
}

/* Key 0 becomes key 1, and the other way round. */
static void turn(char *program)
{
	for (; *program; program++)
		if (*program == '0' || *program == '1')
			*program ^= 1;
}

void pairs_programs(const struct scenario *scenario, unsigned flags, uint64_t seed,
		    char programs[PLAY_FIBERS][PAIRS_PROGRAM])
{
	static const char *const onlookers[] = {"L0 L1", "* *", "( L0 L1 )", "N G E Q"};
	static const char *const cell_onlookers[] = {"l l", "* *", "( l l )", "* F"};
	bool cell = scenario->flags & CELL;
	uint64_t random = numbers_of(seed) >> 9;
	for (unsigned i = 0; i < 2; i++) {
		const char *before = (random & 3) == 0 ? "* " : "";
		const char *after = random & 4 ? "" : cell ? " l" : " L1";
		snprintf(programs[i], PAIRS_PROGRAM, "%s%s%s", before, scenario->programs[i],
			 after);
		random >>= 3;
	}
	if (random & 1)
		turn(programs[1]);
	programs[2][0] = '\0';
	random >>= 1;
	if ((random & 1) == 0)
		return;
	unsigned choice = random >> 1 & 3;
	if (!cell && !(flags & SNAPSHOTS) && choice == 3)
		choice = 0;
	strcpy(programs[2], cell ? cell_onlookers[choice] : onlookers[choice]);
}
