/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A session that many threads read and some renew: its state is immutable and lies behind one
 * atomic pointer, a calm_cell.
 *
 * A reader has a state in which all fields belong together. Who renews it loads, builds the next
 * state, and compares-and-swaps it in; if another thread was faster, it starts again from that one's
 * state. What was displaced is freed when no reader is left that could have loaded it.
 *
 * The session counts its renewals, and each is signed; so at the end none may be missing, and no
 * reader may have seen a state that was half one renewal and half another.
 *
 * To build: cc session_store.c $(pkg-config --cflags --libs calm)
 */
#include <calm/calm.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define EACH 3         /* threads that renew, and that read */
#define RENEWALS 20000 /* of each */

struct session {
	uint64_t user;
	uint64_t renewals;
	uint64_t expires;
	uint64_t signature; /* of the other three */
};

static uint64_t sign(const struct session *session)
{
	return (session->user * 31 + session->renewals) * 31 + session->expires;
}

static void free_session(void *session, void *context)
{
	(void)context;
	free(session);
}

/*
 * Load, build, compare-and-swap, and again if another thread was faster. The read section keeps
 * `old` from being freed, and from coming back as the address of a newer state, until the compare.
 */
static calm_status renew(calm_cell *cell)
{
	calm_status status;
	struct session *next = malloc(sizeof(*next)); /* ours until it is in the cell */
	if (!next)
		return CALM_ENOMEM;
	do {
		calm_read_begin();
		struct session *old = calm_cell_load(cell);
		*next = (struct session){old->user, old->renewals + 1, old->expires + 60, 0};
		next->signature = sign(next);
		status = calm_cell_compare_and_swap(cell, old, next);
		calm_read_end();
	} while (status == CALM_CHANGED);
	if (status != CALM_OK)
		free(next);
	return status;
}

static calm_cell cell;
static atomic_bool over;
static atomic_uint failures;
static atomic_ulong reads;

static void *renewer(void *context)
{
	(void)context;
	for (int i = 0; i < RENEWALS; i++)
		failures += renew(&cell) != CALM_OK;
	return NULL;
}

static void *reader(void *context)
{
	(void)context;
	for (uint64_t seen = 0; !over; reads++) {
		calm_read_begin();
		const struct session *session = calm_cell_load(&cell);
		failures += session->signature != sign(session) || session->renewals < seen;
		seen = session->renewals;
		calm_read_end();
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[2 * EACH];
	struct session *first = calloc(1, sizeof(*first));
	if (!first)
		return 1;
	first->user = 42;
	first->signature = sign(first);
	if (calm_cell_init(&cell, first, free_session, NULL) != CALM_OK)
		return 1;
	for (int i = 0; i < 2 * EACH; i++)
		if (pthread_create(&threads[i], NULL, i < EACH ? renewer : reader, NULL) != 0)
			return 1;
	for (int i = 0; i < 2 * EACH; i++) {
		over = i >= EACH; /* when all renewers are done */
		pthread_join(threads[i], NULL);
	}
	calm_read_begin();
	uint64_t renewals = ((struct session *)calm_cell_load(&cell))->renewals;
	calm_read_end();
	printf("%" PRIu64 " renewals, %lu reads, %u failures\n", renewals, (unsigned long)reads,
	       (unsigned)failures);
	failures += renewals != (uint64_t)EACH * RENEWALS;
	failures += calm_cell_destroy(&cell) != CALM_OK || calm_read_wait() != CALM_OK;
	return failures == 0 ? 0 : 1;
}
