#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# The shared library exports what the installed headers declare with CALM_API: no less, no more, and calm_* only.
# And each of them is called wrongly in tests/misuse.c. It has the probes that docs/tracing.md tells of.
# shellcheck source-path=SCRIPTDIR source=common.sh disable=SC2016
. "$(dirname "$0")/common.sh"
skip_without nm

library=$(find "$tree" -name libcalm.so)
nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u >"$work/exported"
sed -n 's/^CALM_API [a-z0-9_ ]*[ *]\([a-z0-9_]*\)(.*/\1/p' "$tree"/include/calm/*.h | sort -u >"$work/declared"

status=0
# complain LINES WHAT: if there are lines, they are what is wrong.
complain() {
	[ -z "$1" ] || { printf '%s:\n%s\n' "$2" "$1"; status=1; }
}
# The probes of docs/tracing.md: these, and no others.
if command -v readelf >/dev/null && echo '#include <sys/sdt.h>' | cc -E - >/dev/null 2>&1; then
	readelf -n "$library" | sed -n '/Provider: calm$/{n;s/.*Name: //p;}' | sort -u >"$work/probes"
	sed -n 's/^| `\([a-z_]*\)` |.*/\1/p' "$here/../../docs/tracing.md" | sort -u >"$work/told"
	complain "$(comm -3 "$work/probes" "$work/told")" "a probe that docs/tracing.md does not tell of, or one that is not there"
fi
[ -s "$work/declared" ] || { echo "no CALM_API function found"; exit 1; }
complain "$(sed -n '/^CALM_API [a-z0-9_ ]*[ *][a-z0-9_]*(/!s/^CALM_API.*/&/p' "$tree"/include/calm/*.h)" \
	"CALM_API, and no function's name on the line"
complain "$(grep -Ev '^calm_[^_]' "$work/exported")" "exported, and not calm_*"
complain "$(comm -23 "$work/exported" "$work/declared")" "exported, and declared in no header"
complain "$(comm -13 "$work/exported" "$work/declared")" "declared with CALM_API, and not exported"
missed=$(while read -r name; do
	grep -qw "$name" "${0%/*}/../misuse.c" || echo "$name"
done <"$work/declared")
complain "$missed" "exported, and not misused in tests/misuse.c"
exit $status
