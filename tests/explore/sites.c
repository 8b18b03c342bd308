/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Sites: where in the library an atomic operation stands, and whether it is to be relaxed there.
 * Each is a static object in the code (explore/atomic.h), which asks here when it is first met; so
 * the list must be known before the library makes a step.
 */
#include "explore/sites.h"

#include "explore/atomic.h"

#include <stdio.h>
#include <string.h>

#define RELAXED 64

static struct {
	const char *list;
	unsigned count;
	bool met[RELAXED];
} relaxed;

static bool is_at(const char *text, size_t length, const struct explore_site *site)
{
	char place[512];
	int whole = snprintf(place, sizeof(place), "%s:%u", site->file, site->line);
	if (whole < 0 || (size_t)whole < length)
		return false;
	const char *end = place + (size_t)whole - length;
	return memcmp(end, text, length) == 0 && (end == place || end[-1] == '/');
}

bool explore_site_relaxed(struct explore_site *site)
{
	if (site->state != EXPLORE_SITE_NEW)
		return site->state == EXPLORE_SITE_RELAXED;
	site->state = EXPLORE_SITE_KEPT;
	const char *at = relaxed.list;
	for (unsigned i = 0; i < relaxed.count; i++) {
		size_t length = strcspn(at, ",");
		bool not_sc = length > 3 && memcmp(at + length - 3, ":sc", 3) == 0;
		if (is_at(at, length - (not_sc ? 3 : 0), site)) {
			site->state = not_sc ? EXPLORE_SITE_NOT_SC : EXPLORE_SITE_RELAXED;
			relaxed.met[i] = true;
		}
		at += length + 1;
	}
	return site->state == EXPLORE_SITE_RELAXED;
}

bool sites_relax(const char *sites)
{
	relaxed.list = sites;
	for (const char *at = sites;; at++) {
		size_t length = strcspn(at, ",");
		const char *colon = memchr(at, ':', length);
		size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
		size_t rest = colon ? (size_t)(at + length - colon - 1) - digits : 1;
		if (digits == 0 || (rest != 0 && strncmp(colon + 1 + digits, ":sc", rest) != 0) ||
		    relaxed.count == RELAXED)
			return false;
		relaxed.count++;
		at += length;
		if (*at == '\0')
			return true;
	}
}

bool sites_all_met(void)
{
	for (unsigned i = 0; i < relaxed.count; i++)
		if (!relaxed.met[i])
			return false;
	return true;
}
