/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Seeing into a running process: what calm_map_stats and the read sections' records know, in lines
 * of text.
 */
#include "map/kind.h"

#include <errno.h>
#include <inttypes.h>

calm_status calm_debug_dump(const calm_map *map, FILE *file)
{
	if (!map || !file)
		return CALM_EINVAL;
	calm_stats stats;
	calm_map_stats(map, &stats);
	const struct {
		const char *name;
		uint64_t value;
	} lines[] = {
		{"entries", stats.entries},
		{"bytes", stats.bytes},
		{"history bytes", stats.history_bytes},
		{"snapshots", stats.snapshots},
		{"oldest snapshot ns", stats.oldest_snapshot_ns},
		{"hits", stats.hits},
		{"misses", stats.misses},
		{"promotions", stats.promotions},
		{"copies", stats.copies},
		{"copied bytes", stats.copied_bytes},
		{"resizes", stats.resizes},
		{"retired", stats.retired},
		{"retired peak", stats.retired_peak},
		{"stalls", stats.stalls},
	};
	int saved = errno;
	fprintf(file, "%s %p\n", calm_map_kind(map), (const void *)map);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		fprintf(file, "  %-20s %" PRIu64 "\n", lines[i].name, lines[i].value);
	if (stats.stalled_thread != 0)
		fprintf(file, "  %-20s %d %s\n", "stalled thread", stats.stalled_thread,
			stats.stalled_name);
	errno = saved;
	return CALM_OK;
}

calm_status calm_debug_check(const calm_map *map, const char **broken)
{
	if (!map)
		return CALM_EINVAL;
	const char *found = map->kind->check(map);
	if (found && broken)
		*broken = found;
	return found ? CALM_CHANGED : CALM_OK;
}

calm_status calm_debug_threads(FILE *file)
{
	if (!file)
		return CALM_EINVAL;
	int saved = errno;
	struct calm__self *self;
	for (uint32_t i = 0; (self = calm__record(i)) != NULL; i++) {
		/* order: none - shown to people; each is true of some recent moment. */
		int thread = (int)load_relaxed(&self->thread);
		uint64_t epoch = load_relaxed(&self->epoch);
		uint64_t waiting = load_relaxed(&self->bag.pushed) -
				   load_relaxed(&self->bag.popped);
		if (thread == 0 && waiting == 0)
			continue;
		char name[16] = "";
		if (thread != 0)
			calm__thread_name(thread, name);
		fprintf(file, "%d %s", thread, thread != 0 ? name : "(exited)");
		if (epoch != 0)
			fprintf(file, ", in a read section since epoch %" PRIu64, epoch);
		fprintf(file, ", %" PRIu64 " retired\n", waiting);
	}
	errno = saved;
	return CALM_OK;
}

__attribute__((noinline)) calm_status calm_debug_stack(FILE *file)
{
	if (!file)
		return CALM_EINVAL;
	return calm__write_stack(file, __builtin_return_address(0)) ? CALM_OK : CALM_EUNSUPPORTED;
}
