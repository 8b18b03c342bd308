/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * One atomic pointer to immutable state. A writer reserves the memory to remember what it
 * displaces, swaps, and retires. Inside the caller's read section the displaced state cannot be
 * freed, so its address cannot come back as another state's: a compare-and-swap that succeeds found
 * the very state that was loaded.
 *
 * Rejected: a version beside the pointer, which would need a double-word compare-and-swap to guard
 * against what the section already rules out.
 */
#include "sync/read.h"
#include <calm/cell.h>

/* The public struct cannot name an atomic type: C++ reads it too. */
static shared_ptr *state_of(const calm_cell *cell)
{
	_Static_assert(sizeof(shared_ptr) == sizeof(cell->state_private),
		       "an atomic pointer is a pointer");
	return (shared_ptr *)(uintptr_t)&cell->state_private;
}

static calm_status displace(const calm_cell *cell, struct calm__self *self, void *state)
{
	if (cell->release_private && state)
		calm__retire(self, state, cell->release_private, cell->context_private);
	return CALM_OK;
}

calm_status calm_cell_init(calm_cell *cell, void *state, calm_release_fn *release, void *context)
{
	if (!cell)
		return CALM_EINVAL;
	*cell = (calm_cell){NULL, release, context};
	/* order: none - whoever is given the cell is given what it begins with. */
	store_relaxed(state_of(cell), state);
	return CALM_OK;
}

void *calm_cell_load(const calm_cell *cell)
{
	/* order: cell.state acquire <- calm_cell_swap(), calm_cell_compare_and_swap(). */
	return cell ? load_acquire(state_of(cell)) : NULL;
}

calm_status calm_cell_swap(calm_cell *cell, void *state, void **previous)
{
	if (!cell)
		return CALM_EINVAL;
	struct calm__self *self = calm__self();
	if (!calm__reserve(self, 1))
		return CALM_ENOMEM;
	calm__enter(self);
	/* order: cell.state release -> calm_cell_load(): the new state whole, and the old one
	 * seen whole. */
	void *old = swap_acq_rel(state_of(cell), state);
	if (previous)
		*previous = old;
	calm_status status = displace(cell, self, old);
	calm__leave(self);
	return status;
}

calm_status calm_cell_compare_and_swap(calm_cell *cell, void *expected, void *state)
{
	if (!cell)
		return CALM_EINVAL;
	struct calm__self *self = calm__self();
	if (!calm__reserve(self, 1))
		return CALM_ENOMEM;
	calm__enter(self);
	void *current = expected;
	/* order: cell.state release -> calm_cell_load(): as in calm_cell_swap(). */
	calm_status status = CALM_CHANGED;
	if (cas_acq_rel(state_of(cell), &current, state))
		status = displace(cell, self, expected);
	calm__leave(self);
	return status;
}

calm_status calm_cell_destroy(calm_cell *cell)
{
	return calm_cell_swap(cell, NULL, NULL);
}
