/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Grace periods and stalls, for the rest of reclamation; see grace.c. */
#ifndef CALM_SYNC_GRACE_H
#define CALM_SYNC_GRACE_H

#include "sync/read.h"

/* Finds the oldest open section, raises calm__domain.safe to its epoch, and returns that. */
uint64_t calm__grace(void);

/* Until every section that is open now has ended. */
void calm__wait_for_readers(void);

/* For a thread that waits in turns for what readers hold back; zeroed before the first. */
struct calm__patience {
	uint64_t since; /* when `epoch` was first seen to be the oldest */
	uint64_t epoch;
	unsigned turn;
};

/*
 * calm__grace, and: whether the section in the way has been there for CALM__STALL_NS, or was known
 * to be.
 */
bool calm__stalled(struct calm__patience *patience);

/* Fills in the stalls. */
void calm__stall_seen(struct calm__backlog *out);

#endif
