/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The explorer's back end of base/atomic.h. Each operation is a step, before which the scheduler may
 * let another fiber run, and is told to stale.c, which may let a load see an older value. Memory
 * itself always holds the newest.
 *
 * Each place in the code where an operation stands is a site, known by file and line. One that the
 * explorer is told to relax (--relax) is carried out as relaxed, to the model and to
 * ThreadSanitizer; or, to the model, as acquire and release where it is sequentially consistent.
 */
#ifndef TESTS_EXPLORE_ATOMIC_H
#define TESTS_EXPLORE_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct explore_site {
	const char *file;
	unsigned line;
	unsigned char state; /* enum explore_site_state */
};
enum explore_site_state {
	EXPLORE_SITE_NEW,
	EXPLORE_SITE_KEPT,
	EXPLORE_SITE_RELAXED,
	EXPLORE_SITE_NOT_SC
};

struct explore_place; /* what is known of one atomic object */

void calm__explore_step(const volatile void *address);
bool explore_site_relaxed(struct explore_site *site);
/* A load of `size` bytes at address saw *value; it may be given an older one. */
void explore_loaded(const volatile void *address, void *value, size_t size, int order);
/* Before and after an operation that writes: a store, or one that reads the newest value too. */
struct explore_place *explore_writes(const volatile void *address, size_t size);
void explore_stored(struct explore_place *place, int order);
void explore_changed(struct explore_place *place, int order);
/* Before a compare-and-swap: true if it fails, having read an older value into *expected. */
bool explore_fails(struct explore_place *place, void *expected, int order);
/* It failed on the newest. */
void explore_compared(struct explore_place *place, int order);
void explore_fence(void);

/* Functions, so that what branches in them is no branch of the library, whose coverage is measured. */
static inline bool explore_relaxed(struct explore_site *site)
{
	return site->state != EXPLORE_SITE_KEPT && explore_site_relaxed(site);
}

static inline int explore_order(const struct explore_site *site, int order)
{
	if (site->state == EXPLORE_SITE_RELAXED)
		return memory_order_relaxed;
	bool not_sc = site->state == EXPLORE_SITE_NOT_SC && order == memory_order_seq_cst;
	return not_sc ? memory_order_acq_rel : order;
}

#define EXPLORE__AT(p)                                                             \
	__auto_type p_ = (p);                                                      \
	static struct explore_site site_ = {__FILE__, __LINE__, EXPLORE_SITE_NEW}; \
	calm__explore_step(p_);                                                    \
	const bool relaxed_ = explore_relaxed(&site_)
#define EXPLORE__ORDER(order) explore_order(&site_, order)

#define CALM__LOAD(p, order)                                                                  \
	__extension__({                                                                       \
		EXPLORE__AT(p);                                                               \
		__auto_type seen_ = relaxed_ ? atomic_load_explicit(p_, memory_order_relaxed) \
					     : atomic_load_explicit(p_, order);               \
		explore_loaded(p_, &seen_, sizeof(seen_), EXPLORE__ORDER(order));             \
		seen_;                                                                        \
	})

#define CALM__STORE(p, v, order)                                                \
	__extension__({                                                         \
		__auto_type v_ = (v);                                           \
		EXPLORE__AT(p);                                                 \
		struct explore_place *place_ = explore_writes(p_, sizeof(*p_)); \
		relaxed_ ? atomic_store_explicit(p_, v_, memory_order_relaxed)  \
			 : atomic_store_explicit(p_, v_, order);                \
		explore_stored(place_, EXPLORE__ORDER(order));                  \
	})

#define EXPLORE__CHANGE(operation, p, v, order)                                          \
	__extension__({                                                                  \
		__auto_type v_ = (v);                                                    \
		EXPLORE__AT(p);                                                          \
		struct explore_place *place_ = explore_writes(p_, sizeof(*p_));          \
		__auto_type before_ = relaxed_ ? operation(p_, v_, memory_order_relaxed) \
					       : operation(p_, v_, order);               \
		explore_changed(place_, EXPLORE__ORDER(order));                          \
		before_;                                                                 \
	})
#define CALM__SWAP(p, v, order) EXPLORE__CHANGE(atomic_exchange_explicit, p, v, order)
#define CALM__ADD(p, v, order) EXPLORE__CHANGE(atomic_fetch_add_explicit, p, v, order)

#define CALM__CAS(p, expected, v, won, lost)                                                       \
	__extension__({                                                                            \
		__auto_type e_ = (expected);                                                       \
		__auto_type v_ = (v);                                                              \
		EXPLORE__AT(p);                                                                    \
		struct explore_place *place_ = explore_writes(p_, sizeof(*p_));                    \
		bool won_ = false;                                                                 \
		if (!explore_fails(place_, e_, EXPLORE__ORDER(lost))) {                            \
			won_ = relaxed_ ? atomic_compare_exchange_strong_explicit(                 \
						  p_, e_, v_, memory_order_relaxed,                \
						  memory_order_relaxed)                            \
					: atomic_compare_exchange_strong_explicit(p_, e_, v_, won, \
										  lost);           \
			won_ ? explore_changed(place_, EXPLORE__ORDER(won))                        \
			     : explore_compared(place_, EXPLORE__ORDER(lost));                     \
		}                                                                                  \
		won_;                                                                              \
	})

#define EXPLORE__FENCE()                                                                   \
	do {                                                                               \
		static struct explore_site site_ = {__FILE__, __LINE__, EXPLORE_SITE_NEW}; \
		if (!explore_relaxed(&site_))                                              \
			explore_fence();                                                   \
	} while (0)

#endif
