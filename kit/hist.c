/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The parts of the histogram that need not be fast. Layout, invariants and source: hist.h.
 *
 * All accesses are relaxed atomics: a histogram publishes nothing but numbers, and a reader beside
 * the writer wants a progress line, not an instant. Exact figures are read after the writer was
 * joined.
 */
#include "kit/hist.h"

static uint64_t get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void set(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, value, memory_order_relaxed);
}

void kit_hist_init(struct kit_hist *hist)
{
	set(&hist->total, 0);
	set(&hist->sum, 0);
	set(&hist->least, UINT64_MAX);
	set(&hist->most, 0);
	for (size_t i = 0; i < KIT_HIST_BUCKETS; i++)
		set(&hist->buckets[i], 0);
}

void kit_hist_merge(struct kit_hist *into, const struct kit_hist *from)
{
	uint64_t total = 0;

	/* The total is counted anew, so that it stays the sum of the buckets even if the other's
	 * writer runs. */
	for (size_t i = 0; i < KIT_HIST_BUCKETS; i++) {
		uint64_t n = get(&from->buckets[i]);
		if (n == 0)
			continue;
		kit_hist_bump(&into->buckets[i], n);
		total += n;
	}
	kit_hist_bump(&into->total, total);
	kit_hist_bump(&into->sum, get(&from->sum));
	if (get(&from->most) > get(&into->most))
		set(&into->most, get(&from->most));
	if (get(&from->least) < get(&into->least))
		set(&into->least, get(&from->least));
}

uint64_t kit_hist_percentile(const struct kit_hist *hist, double percent)
{
	uint64_t total = get(&hist->total);
	uint64_t most = get(&hist->most);
	uint64_t seen = 0;

	if (total == 0)
		return 0;
	if (percent >= 100)
		return most;
	double exact = percent <= 0 ? 1 : percent / 100 * (double)total;
	uint64_t rank = (uint64_t)exact;
	if ((double)rank < exact || rank == 0)
		rank++;
	for (size_t i = 0; i < KIT_HIST_BUCKETS; i++) {
		seen += get(&hist->buckets[i]);
		if (seen >= rank)
			return kit_hist_high(i) < most ? kit_hist_high(i) : most;
	}
	return most;
}

uint64_t kit_hist_max(const struct kit_hist *hist)
{
	return get(&hist->most);
}

uint64_t kit_hist_min(const struct kit_hist *hist)
{
	return get(&hist->total) == 0 ? 0 : get(&hist->least);
}

uint64_t kit_hist_count(const struct kit_hist *hist)
{
	return get(&hist->total);
}

double kit_hist_mean(const struct kit_hist *hist)
{
	uint64_t total = get(&hist->total);

	return total == 0 ? 0 : (double)get(&hist->sum) / (double)total;
}
