/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* All of calm: concurrent maps that can be walked while they change. */
#ifndef CALM_CALM_H
#define CALM_CALM_H

#include <calm/base.h>
#include <calm/cell.h>
#include <calm/debug.h>
#include <calm/guard.h>
#include <calm/map.h>
#include <calm/snapshot.h>

#endif
