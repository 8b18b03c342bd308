/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* What suites run in processes of their own, which the command must be able to start. */
#ifndef BENCH_APART_H
#define BENCH_APART_H

/* "KIND:OPERATION", as the suite cost names them. 0, or 2: there is no such. */
int bench_cost_child(const char *what);

/* "SUBJECT:ENTRIES" of the suite memory, which reads what is printed. 0, or 2: it failed. */
int bench_memory_child(const char *what);

#endif
