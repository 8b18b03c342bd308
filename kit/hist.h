/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A histogram of latencies in fixed memory, after HdrHistogram (Gil Tene): values below 128 have a
 * bucket each, every power of two above is cut into 128, so that any 64-bit value is kept to within
 * 1/128 (0.8 %).
 *
 *	value  0 … 127 | 128 … 255 | 256 … 511 | …  2^63 … 2^64-1
 *	bucket 0 … 127 | 128 … 255 | 256 … 383 | …  7296 … 7423
 *	width     1    |     1     |     2     | …  2^56
 *
 * Invariants: total is the sum of all buckets once the writer is quiet; one thread records into a
 * histogram, any thread may merge from it or read it meanwhile and then sees each value entirely or
 * not at all, give or take the last few. About 58 KiB: one per thread, on the heap.
 *
 * Rejected: keeping samples (unbounded, and its cost grows with the run) and t-digest (its error is
 * in rank, unbounded in value, just where p99.9 is read).
 */
#ifndef KIT_HIST_H
#define KIT_HIST_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define KIT_HIST_BITS 7 /* of precision */
#define KIT_HIST_BUCKETS ((65 - KIT_HIST_BITS) << KIT_HIST_BITS)

struct kit_hist {
	_Atomic uint64_t total;       /* values recorded */
	_Atomic uint64_t sum;         /* of them; wraps after 2^64 ns = 584 years */
	_Atomic uint64_t least, most; /* exact; least is UINT64_MAX when empty */
	_Atomic uint64_t buckets[KIT_HIST_BUCKETS];
};

/* Empties it. Not while another thread records. */
void kit_hist_init(struct kit_hist *hist);

/* The bucket of a value, and the least and greatest value of a bucket. */
static inline size_t kit_hist_bucket(uint64_t value)
{
	if (value < (1u << KIT_HIST_BITS))
		return (size_t)value;
	unsigned shift = 63 - KIT_HIST_BITS - (unsigned)__builtin_clzll(value);
	return ((size_t)shift << KIT_HIST_BITS) + (size_t)(value >> shift);
}

static inline uint64_t kit_hist_low(size_t bucket)
{
	size_t row = bucket >> KIT_HIST_BITS;
	unsigned shift = row > 0 ? (unsigned)row - 1 : 0;

	return (uint64_t)(bucket - ((size_t)shift << KIT_HIST_BITS)) << shift;
}

static inline uint64_t kit_hist_high(size_t bucket)
{
	return bucket + 1 < KIT_HIST_BUCKETS ? kit_hist_low(bucket + 1) - 1 : UINT64_MAX;
}

/* One writer: a load and a store, not a locked add. */
static inline void kit_hist_bump(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
			      memory_order_relaxed);
}

/* Records one value, in nanoseconds by convention. Wait-free, a few ns, one writer at a time. */
static inline void kit_hist_record(struct kit_hist *hist, uint64_t value)
{
	kit_hist_bump(&hist->buckets[kit_hist_bucket(value)], 1);
	kit_hist_bump(&hist->total, 1);
	kit_hist_bump(&hist->sum, value);
	if (value > atomic_load_explicit(&hist->most, memory_order_relaxed))
		atomic_store_explicit(&hist->most, value, memory_order_relaxed);
	if (value < atomic_load_explicit(&hist->least, memory_order_relaxed))
		atomic_store_explicit(&hist->least, value, memory_order_relaxed);
}

/* Adds what from holds to into; the caller is into's only writer. O(buckets), about 10 us. */
void kit_hist_merge(struct kit_hist *into, const struct kit_hist *from);

/*
 * The value that percent (0 to 100) of the recorded values do not exceed: the greatest of its
 * bucket, but no more than the greatest recorded; 0 if nothing was recorded. Percent 0 is the least
 * value's bucket. O(buckets).
 */
uint64_t kit_hist_percentile(const struct kit_hist *hist, double percent);

/*
 * The exact greatest and least value, the number of values and their mean; all 0 if nothing was
 * recorded.
 */
uint64_t kit_hist_max(const struct kit_hist *hist);
uint64_t kit_hist_min(const struct kit_hist *hist);
uint64_t kit_hist_count(const struct kit_hist *hist);
double kit_hist_mean(const struct kit_hist *hist);

#endif
