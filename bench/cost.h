/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* What the cost suite runs under callgrind, which the command must be able to start. */
#ifndef BENCH_COST_H
#define BENCH_COST_H

/* "KIND:OPERATION", as the suite names them. 0, or 2: there is no such. */
int bench_cost_child(const char *what);

#endif
