/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The rules; docs/scan/ has a page for each. */
#include "cli/scan/scan.h"

/* clang-format off */
const struct scan_rule scan_rules[SCAN_RULES] = {
	[GO01] = {"GO01", SCAN_ERROR, "pull of a standard library's symbol that this Go refuses",
		  "use its public API; -ldflags=-checklinkname=0 only to debug"},
	[GO02] = {"GO02", SCAN_WARNING, "pull of a standard library's symbol that this Go tolerates",
		  "use its public API"},
	[GO03] = {"GO03", SCAN_ERROR, "pull of a symbol that this Go does not have",
		  "split the file by a build tag of the Go version (//go:build go1.N)"},
	[GO04] = {"GO04", SCAN_WARNING, "body given to a symbol named as the standard library's",
		  "name it in your own package"},
	[GO05] = {"GO05", SCAN_WARNING, "pull of another package's unexported symbol",
		  "export it there, or ask its owner to"},
	[GO06] = {"GO06", SCAN_NOTE, "linkname to a name of the host",
		  "call C through cgo"},
	[GO07] = {"GO07", SCAN_WARNING, "nearly a linkname directive, but none",
		  "write //go:linkname local package.name, alone on its line, in a file that imports \"unsafe\""},
	[GA01] = {"GA01", SCAN_WARNING, "assembly that refers to another package's symbol",
		  "call a Go function of your own that wraps it"},
	[GL01] = {"GL01", SCAN_WARNING, "copy of the runtime's map iterator",
		  "use reflect.Value.MapRange, or range over the map"},
	[GL02] = {"GL02", SCAN_WARNING, "copy of one of the runtime's structures",
		  "use runtime, runtime/debug or runtime/metrics; else an upper version tag (//go:build !go1.N)"},
	[GL03] = {"GL03", SCAN_WARNING, "goroutine status as a number",
		  "use runtime/metrics (/sched/goroutines), or the goroutine profile of runtime/pprof"},
	[GL04] = {"GL04", SCAN_NOTE, "size or offset of a standard library's private structure",
		  "do not rely on its layout"},
	[GL05] = {"GL05", SCAN_NOTE, "exact comparison of MemStats.Mallocs",
		  "use testing.AllocsPerRun, or compare with <="},
	[GB01] = {"GB01", SCAN_WARNING, "build that turns the linker's check off",
		  "remove -checklinkname=0, and what needs it"},
	[EL01] = {"EL01", SCAN_ERROR, "needs a symbol that its provider keeps private",
		  "use the public symbol, or ship both together"},
	[EL02] = {"EL02", SCAN_ERROR, "needs a symbol that is hidden or local in its provider",
		  "use what the provider exports"},
	[EL03] = {"EL03", SCAN_WARNING, "linked with --wrap",
		  "keep --wrap to tests"},
	[EL04] = {"EL04", SCAN_WARNING, "defines what a library that it needs exports",
		  "rename it, or hide it (-fvisibility=hidden, a version script)"},
	[EL05] = {"EL05", SCAN_NOTE, "imports dlsym and names a private symbol",
		  "use the public symbol"},
	[EL06] = {"EL06", SCAN_WARNING, "preloads or audits",
		  "link what is needed, instead of placing it before others"},
	[EL07] = {"EL07", SCAN_NOTE, "can be patched after start",
		  "link with -Wl,-z,relro,-z,now, and compile with -fPIC"},
	[EC01] = {"EC01", SCAN_ERROR, "names one of calm's hidden symbols",
		  "use the public verb (include/calm)"},
};
/* clang-format on */

const char *scan_level_name(enum scan_level level)
{
	return level == SCAN_ERROR ? "error" : level == SCAN_WARNING ? "warning" : "note";
}
