/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Versions of Go as text. */
#ifndef CLI_SCAN_GOLOCAL_H
#define CLI_SCAN_GOLOCAL_H

/* The N of "1.N", "go1.N", "1.N.4", "1.Nrc1"; 0: it is no version. */
int go_minor_of(const char *text);

#endif
