/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The records of all threads, for the rest of reclamation; see thread.c. */
#ifndef CALM_SYNC_THREAD_H
#define CALM_SYNC_THREAD_H

#include "sync/read.h"

extern struct calm__self calm__records[CALM__THREADS];
extern shared_u32 calm__threads_used; /* records ever attached: where a scan ends */
extern shared_u32 calm__abandoned;    /* free records whose bags may not be empty: a hint */
extern bool calm__asymmetric; /* membarrier is there; set before the first record is attached */

static inline uint32_t calm__records_used(void)
{
	/* order: read.used acquire <- calm__attach(): a counted record is initialized. */
	return load_acquire(&calm__threads_used);
}

/* Releases what is due in the bag of a thread that exits. */
void calm__exit_settle(struct calm__self *self);

#endif
