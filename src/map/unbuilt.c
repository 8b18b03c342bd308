/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The kinds that this version of calm does not have. */
#include <calm/map.h>

calm_status calm_treemap_create(calm_map **out, const calm_options *options)
{
	(void)options;
	return out ? CALM_EUNSUPPORTED : CALM_EINVAL;
}
