/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Grace periods: which sections are still open that could see what was retired, and who keeps them
 * open.
 *
 * The protocol is drawn in read.c. A scan costs a membarrier (about a microsecond, an interrupt on
 * every processor that runs the process) and a look at each record; its result, calm__domain.safe,
 * serves every thread.
 */
#include "sync/grace.h"

#include "base/probe.h"
#include "sync/thread.h"

static struct {
	shared_u64 stalls;
	shared_u64 stalled_epoch; /* the stalled section's epoch; 0: no stall */
	shared_u32 stalled_record;
} stall;

static void note_stall_over(uint64_t oldest)
{
	/* order: none - shown to people, and a hint to waiters. */
	uint64_t stalled = load_relaxed(&stall.stalled_epoch);
	if (stalled != 0 && oldest > stalled && cas_relaxed(&stall.stalled_epoch, &stalled, 0))
		calm__probe1(stall__end, stalled);
}

/*
 * Finds the oldest section, raises calm__domain.safe to it, and returns it; *oldest_record is
 * whose.
 */
static uint64_t grace_of(uint32_t *oldest_record)
{
	/* order: read.epoch acquire <- seal(): what was unlinked before this epoch, before the
	 * barrier. */
	uint64_t oldest = load_acquire(&calm__domain.epoch);
	/* order: none - store-load: the unlinkings before the scan; its partner is in
	 * calm__enter(). */
	if (calm__asymmetric)
		calm__membarrier();
	else
		fence_section(true);
	*oldest_record = UINT32_MAX;
	uint32_t used = calm__records_used();
	for (uint32_t i = 0; i < used; i++) {
		/* order: read.section acquire <- calm__enter(), calm__leave(), thread_exits(): a
		 * section that has ended has done its loads. */
		uint64_t epoch = load_acquire(&calm__records[i].epoch);
		if (epoch != 0 && epoch < oldest) {
			oldest = epoch;
			*oldest_record = i;
		}
	}
	/* order: none - only a start for the compare-and-swap. */
	uint64_t safe = load_relaxed(&calm__domain.safe);
	/* order: read.safe release -> calm__bag_pop(), calm__grace_over(): the ended sections' loads before what is
	 * freed on another thread. */
	while (safe < oldest && !cas_acq_rel(&calm__domain.safe, &safe, oldest))
		;
	note_stall_over(oldest);
	return oldest;
}

uint64_t calm__grace(void)
{
	uint32_t whose;
	return grace_of(&whose);
}

bool calm__stalled(struct calm__patience *patience)
{
	uint32_t whose;
	uint64_t oldest = grace_of(&whose);
	uint64_t now = calm__now_ns();
	if (whose == UINT32_MAX || oldest != patience->epoch) {
		patience->since = now;
		patience->epoch = oldest;
	}
	if (whose == UINT32_MAX)
		return false;
	/* order: none - as in note_stall_over(). */
	uint64_t known = load_relaxed(&stall.stalled_epoch);
	if (known == oldest)
		return true;
	if (now - patience->since < CALM__STALL_NS)
		return false;
	/* order: none - counts and names for people. */
	if (cas_relaxed(&stall.stalled_epoch, &known, oldest)) {
		store_relaxed(&stall.stalled_record, whose);
		add_relaxed(&stall.stalls, 1);
		calm__probe2(stall, load_relaxed(&calm__records[whose].thread), oldest);
	}
	return true;
}

uint64_t calm__grace_begins(void)
{
	/* order: read.epoch release -> calm__enter(): a stamp as a sealed block's. */
	return add_acq_rel(&calm__domain.epoch, 1) + 1;
}

bool calm__grace_over(uint64_t stamp)
{
	/* order: read.safe acquire <- grace_of(): whose sections ended, their loads are done. */
	return load_acquire(&calm__domain.safe) >= stamp || calm__grace() >= stamp;
}

/* Until every section that is open now has ended. */
void calm__wait_for_readers(void)
{
	uint64_t stamp = calm__grace_begins();
	struct calm__patience patience = {0};
	while (calm__grace() < stamp) {
		calm__stalled(&patience);
		calm__wait_turn(patience.turn++);
	}
}

void calm__stall_seen(struct calm__backlog *out)
{
	/* order: none - shown to people; a stall that is over is not named. */
	out->stalls = load_relaxed(&stall.stalls);
	uint64_t epoch = load_relaxed(&stall.stalled_epoch);
	struct calm__self *record = &calm__records[load_relaxed(&stall.stalled_record)];
	if (epoch != 0 && load_relaxed(&record->epoch) == epoch)
		out->stalled_thread = (int)load_relaxed(&record->thread);
}
