/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* A fuzz target: the baseline reader. What it took stands in its text, in that order. */
#include "cli/scan/scan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = scan_copy((const char *)data, size);
	struct scan_list hashes = {NULL, 0, 0};
	const char *at = text;
	unsigned line;

	(void)scan_baseline_parse((struct scan_span){text, size}, &hashes, &line);
	for (size_t i = 0; i < hashes.count; i++) {
		char digits[17];
		(void)snprintf(digits, sizeof digits, "%016" PRIx64,
			       *SCAN_AT(&hashes, uint64_t, i));
		at = memmem(at, (size_t)(text + size - at), digits, 16);
		if (at == NULL)
			abort();
		at += 16;
	}
	free(hashes.items);
	free(text);
	return 0;
}
