/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The guard's interface; its checks are not in this version (see guard.h). */
#include <calm/guard.h>

calm_status calm_guard_set(calm_guard_mode mode, calm_guard_report_fn *report, void *context)
{
	(void)report;
	(void)context;
	if (mode != CALM_GUARD_OFF && mode != CALM_GUARD_REPORT && mode != CALM_GUARD_ABORT)
		return CALM_EINVAL;
	return mode == CALM_GUARD_OFF ? CALM_OK : CALM_EUNSUPPORTED;
}

calm_status calm_guard_allow(const char *module)
{
	return module ? CALM_EUNSUPPORTED : CALM_EINVAL;
}

int calm_guard_check(void)
{
	return CALM_EUNSUPPORTED;
}
