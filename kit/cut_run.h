/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A ready run of the snapshot-cut checker: a map, writers that change it at full speed, walkers
 * that traverse it without a pause and check every traversal. For tests one call; for `calm walk` a
 * session that can be watched and held.
 *
 * Invariant: what a session reports is complete once kit_cut_session_stop returned; and that one
 * ends with a traversal of the quiet map, which must be exact on every kind, also those without
 * snapshots.
 */
#ifndef KIT_CUT_RUN_H
#define KIT_CUT_RUN_H

#include "kit/cut.h"
#include "kit/kinds.h"
#include "kit/plant.h"

/* How to traverse. */
enum kit_pass {
	KIT_PASS_SNAPSHOT =
		1, /* calm_map_snapshot, calm_snapshot_each, close; some read twice, and looked up in */
	KIT_PASS_WALK = 2, /* calm_map_walk */
	KIT_PASS_EACH = 4  /* calm_map_each: the live walk, checked for less */
};

/* One traversal, told to the plan's callback on the walker's thread. */
struct kit_cut_traversal {
	unsigned walker;
	enum kit_pass pass;
	uint64_t ns; /* opening, visiting with the check's share of it (not its end), closing */
	uint64_t bindings;
	bool good;
};

struct kit_cut_plan {
	const struct kit_kind *kind;
	calm_key_kind key_kind;
	const calm_key *keys; /* of the entries, all different, of key_kind BYTES; NULL: made */
	uint64_t entries;
	uint64_t touched; /* of them, shared by the writers; at least one each; see kit_cut_options */
	unsigned writers; /* 0 is fine with touched 0 */
	unsigned walkers;
	unsigned delete_every; /* 4 is usual; 0: no deletes */
	bool verbs;            /* writers use every verb and check its answers */
	unsigned passes; /* of enum kit_pass, taken in turn; 0: SNAPSHOT and WALK where the kind can, else EACH */
	size_t capacity;     /* of the map; 0: starts small and grows under load */
	size_t compact_at;   /* as in calm_options */
	uint64_t ns;         /* kit_cut_run ends after this time, */
	uint64_t writes;     /* or so many writes past the preload, */
	uint64_t traversals; /* or so many traversals, whichever of those not 0 comes first */
	uint64_t seed;
	enum kit_plant plant; /* spoil every traversal so: the run must then report violations */
	void (*traversed)(const struct kit_cut_traversal *,
			  void *context); /* or NULL; several walkers at once */
	void *context;
};

struct kit_cut_result {
	uint64_t writes;     /* past the preload */
	uint64_t traversals; /* checked, first readings */
	uint64_t rereads;    /* second readings */
	uint64_t loads;      /* single loads held against a snapshot */
	uint64_t bindings;   /* fed, of all readings */
	uint64_t planted;    /* bindings spoilt on purpose */
	struct kit_cut_report report;
};

struct kit_cut_session; /* opaque */

/*
 * Makes the map, loads it, and starts the threads, with writers and walkers held if `held`.
 * CALM_OK: *out is the caller's, to be given to kit_cut_session_stop. CALM_EINVAL: the plan's
 * numbers; CALM_ENOMEM, also for a thread that cannot be made; CALM_EUNSUPPORTED and others: the
 * map's.
 */
calm_status kit_cut_session_start(struct kit_cut_session **out, const struct kit_cut_plan *plan,
				  bool held);

/*
 * Holds or releases all writers or all walkers; waits until they stand (a walker finishes its
 * traversal first). From one thread.
 */
void kit_cut_hold_writers(struct kit_cut_session *session, bool hold);
void kit_cut_hold_walkers(struct kit_cut_session *session, bool hold);

/*
 * Holds the walkers, and waits ns at most. False: some do not stand yet, which on a kind that lets
 * writers starve readers they may never do; hold the writers, then the walkers again.
 */
bool kit_cut_hold_walkers_within(struct kit_cut_session *session, uint64_t ns);

/* So far, for a progress line: any thread, any time. */
uint64_t kit_cut_session_writes(const struct kit_cut_session *session);
uint64_t kit_cut_session_traversals(const struct kit_cut_session *session);
uint64_t kit_cut_session_violations(const struct kit_cut_session *session);

/* The session's map, for calm_map_stats; good until stop. */
calm_map *kit_cut_session_map(const struct kit_cut_session *session);

/*
 * Ends and joins the threads, checks the quiet map, destroys it and frees the session. *result is
 * the whole report.
 */
void kit_cut_session_stop(struct kit_cut_session *session, struct kit_cut_result *result);

/*
 * All of it, as long as the plan says; without a limit in time the first violation that was not
 * planted ends it too. Statuses as kit_cut_session_start's; OK says nothing about violations.
 */
calm_status kit_cut_run(const struct kit_cut_plan *plan, struct kit_cut_result *result);

#endif
