/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A cell: one atomic pointer to immutable state. Readers load it inside a read section; a writer
 * builds the next state and swaps or compares-and-swaps it in; the displaced state is released
 * after a grace period. For what is read far more often than changed: a session's state, a
 * configuration, a routing table.
 *
 *     calm_read_begin();
 *     const struct session *old = calm_cell_load(&cell);
 *     struct session *renewed = session_renewed(old, now);
 *     if (calm_cell_compare_and_swap(&cell, (void *)old, renewed) != CALM_OK)
 *             session_free(renewed, NULL);
 *     calm_read_end();
 */
#ifndef CALM_CELL_H
#define CALM_CELL_H

#include <calm/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The caller embeds it where he likes; the fields are calm's. */
typedef struct calm_cell {
	void *state_private; /* only ever touched by atomic operations */
	calm_release_fn *release_private;
	void *context_private;
} calm_cell;

/* Not concurrent with any use. release may be NULL: displaced states are left alone. A NULL
 * state is a state, and is never released. OK, EINVAL (cell is NULL). */
CALM_API calm_status calm_cell_init(calm_cell *cell, void *state, calm_release_fn *release,
				    void *context);

/* The state (acquire): wait-free, one load. Good until the caller's read section ends. */
CALM_API void *calm_cell_load(const calm_cell *cell);

/*
 * Puts state in (acquire-release) and retires what was there; *previous, if previous is not NULL,
 * is that, good until the caller's read section ends. OK. ENOMEM, EINVAL: nothing changed, state is
 * still the caller's.
 */
CALM_API calm_status calm_cell_swap(calm_cell *cell, void *state, void **previous);

/*
 * The same if the cell holds expected. OK. CHANGED: it held another, nothing was done, state is
 * still the caller's. ENOMEM, EINVAL likewise. Inside one read section from the load to this call,
 * no other state can have taken expected's address.
 */
CALM_API calm_status calm_cell_compare_and_swap(calm_cell *cell, void *expected, void *state);

/* Retires the state. No other thread may use the cell by then. OK, ENOMEM, EINVAL. */
CALM_API calm_status calm_cell_destroy(calm_cell *cell);

#ifdef __cplusplus
}
#endif

#endif
