/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The Go that is asked about: the version on the command line, or else the go command's; its own sources answer where
 * they are at hand, and calm's table where they are not.
 */
#include "cli/cli.h"
#include "cli/scan/golocal.h"
#include "cli/scan/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int go_minor_of(const char *text)
{
	uint64_t minor;
	size_t digits;

	if (strncmp(text, "go", 2) == 0)
		text += 2;
	if (strncmp(text, "1.", 2) != 0)
		return 0;
	text += 2;
	digits = strspn(text, "0123456789");
	const char *rest = text + digits;
	/* What follows a version: .4, rc1, beta2, -custom, a blank. */
	bool fine = *rest == '\0' || *rest == '.' || *rest == '-' || *rest == ' ' ||
		    strncmp(rest, "rc", 2) == 0 || strncmp(rest, "beta", 4) == 0;
	if (digits == 0 || digits > 4 || !fine)
		return 0;
	char *number = scan_copy(text, digits);
	bool parsed = cli_parse_count(number, 1, 9999, &minor);
	free(number);
	return parsed ? (int)minor : 0;
}

/* The first two lines of `go env GOVERSION GOROOT`. False: there is no go command that answers. */
static bool ask_go(char *version, char *root, size_t size)
{
	FILE *answer = popen("GOTOOLCHAIN=local exec go env GOVERSION GOROOT 2>/dev/null", "r");

	if (answer == NULL)
		return false;
	bool done = fgets(version, (int)size, answer) != NULL &&
		    fgets(root, (int)size, answer) != NULL;
	done = pclose(answer) == 0 && done;
	if (done) {
		version[strcspn(version, "\n")] = '\0';
		root[strcspn(root, "\n")] = '\0';
	}
	return done;
}

const struct go_world *scan_world(struct scan *scan)
{
	char version[4096], root[4096];

	if (scan->world_known)
		return &scan->world;
	scan->world_known = true;
	bool local = ask_go(version, root, sizeof root);
	int minor = local ? go_minor_of(version) : 0;
	if (scan->minor == 0)
		scan->minor = minor > 0 ? minor : GO_NEWEST;
	scan->world = (struct go_world){.minor = scan->minor};
	if (minor == scan->minor && *root != '\0') {
		scan->root = scan_copy(root, strlen(root));
		if (!go_world_read(&scan->world, scan->root, minor))
			(void)cli_error(SCAN_NAME, "%s/src: %s: calm's own table answers",
					scan->root, strerror(errno));
	}
	return &scan->world;
}
