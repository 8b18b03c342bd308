/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Every access to memory that threads share. The order stands in the operation's name, so that a
 * reader sees it at the call and a tool can check that the call says why (tools/check-atomics). The
 * only file that includes stdatomic.h.
 *
 * Back ends, chosen when the library is built:
 *   C11      the default: each operation is the C11 one, nothing more.
 *   TSan     ThreadSanitizer does not model fences. The one fence (fence_section) becomes a
 *            read-modify-write it knows.
 *   explore  CALM_EXPLORE: each operation is a step of a seeded scheduler that runs fibers in place
 *            of threads, so that a rare interleaving can be forced and replayed, and a load may see
 *            what C11 lets it see, not only the newest (tests/explore/atomic.h).
 *
 * Rejected: __atomic builtins on plain objects. They let the compiler mix plain and atomic accesses
 * to one object without a word; the shared_ types below do not.
 */
#ifndef CALM_BASE_ATOMIC_H
#define CALM_BASE_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef _Atomic(uint32_t) shared_u32;
typedef _Atomic(uint64_t) shared_u64;
typedef _Atomic(int64_t) shared_i64;
typedef _Atomic(bool) shared_flag;
typedef _Atomic(void *) shared_ptr;

#if defined(__SANITIZE_THREAD__)
#define CALM__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CALM__TSAN 1
#endif
#endif
#ifndef CALM__TSAN
#define CALM__TSAN 0
#endif

#ifdef CALM_EXPLORE
#include <explore/atomic.h> /* the tests have it */
#else
#define CALM__LOAD(p, order) atomic_load_explicit((p), (order))
#define CALM__STORE(p, v, order) atomic_store_explicit((p), (v), (order))
#define CALM__SWAP(p, v, order) atomic_exchange_explicit((p), (v), (order))
#define CALM__ADD(p, v, order) atomic_fetch_add_explicit((p), (v), (order))
#define CALM__CAS(p, expected, v, won, lost) \
	atomic_compare_exchange_strong_explicit((p), (expected), (v), (won), (lost))
#endif

#define load_relaxed(p) CALM__LOAD(p, memory_order_relaxed)
#define load_acquire(p) CALM__LOAD(p, memory_order_acquire)
#define load_sc(p) CALM__LOAD(p, memory_order_seq_cst)

#define store_relaxed(p, v) CALM__STORE(p, v, memory_order_relaxed)
#define store_release(p, v) CALM__STORE(p, v, memory_order_release)
#define store_sc(p, v) CALM__STORE(p, v, memory_order_seq_cst)

#define swap_acquire(p, v) CALM__SWAP(p, v, memory_order_acquire)
#define swap_release(p, v) CALM__SWAP(p, v, memory_order_release)
#define swap_sc(p, v) CALM__SWAP(p, v, memory_order_seq_cst)
#define swap_acq_rel(p, v) CALM__SWAP(p, v, memory_order_acq_rel)

#define add_relaxed(p, v) CALM__ADD(p, v, memory_order_relaxed)
#define add_acq_rel(p, v) CALM__ADD(p, v, memory_order_acq_rel)
#define add_sc(p, v) CALM__ADD(p, v, memory_order_seq_cst)

/*
 * Strong compare-and-swap: true if *p was *expected; else *expected is what it was, read with the
 * second order.
 */
#define cas_relaxed(p, e, v) CALM__CAS(p, e, v, memory_order_relaxed, memory_order_relaxed)
#define cas_acquire(p, e, v) CALM__CAS(p, e, v, memory_order_acquire, memory_order_relaxed)
#define cas_acq_rel(p, e, v) CALM__CAS(p, e, v, memory_order_acq_rel, memory_order_acquire)
#define cas_sc(p, e, v) CALM__CAS(p, e, v, memory_order_seq_cst, memory_order_seq_cst)

/*
 * The store-load order that a read section needs between announcing itself and its first load, and
 * a reclaimer between unlinking and looking for announcements (sync/read.c). With an asymmetric
 * barrier (heavy: membarrier(2) on the reclaimer's side) the reader's side only has to stop the
 * compiler.
 */
static inline void fence_section(bool heavy)
{
	if (!heavy) {
		atomic_signal_fence(memory_order_seq_cst);
		return;
	}
#ifdef CALM_EXPLORE
	EXPLORE__FENCE();
#endif
#if CALM__TSAN
	static shared_u32 line;
	atomic_fetch_add_explicit(&line, 0, memory_order_seq_cst);
#else
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

#endif
