#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# The guard under attack, and in peace: attacks.sh BUILD SOURCE CALM. Each attack is seen, or known to be unseen; a healthy
# process, also under gdb and perf, has no finding.
set -u
build=$1 source=$2 calm=$3
command -v cc >/dev/null || { echo "skipped: no cc"; exit 77; }
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
failures=0 checks=0
here=$source/tests/guard

# compile OUT ARGUMENT...
compile() {
	out=$1
	shift
	cc -O1 -g -D_GNU_SOURCE -I"$source/include" "$@" -o "$work/$out" || exit 2
}
lib="-L$build -lcalm -Wl,-rpath,$build"
# shellcheck disable=SC2086 # options are words
{
	compile victim "$here/victim.c" -Wl,-z,lazy $lib
	compile victim-now "$here/victim.c" -Wl,-z,now $lib
	compile victim-fixed "$here/victim.c" -no-pie -fno-pie -Wl,-z,lazy $lib
	compile victim-defines -DVICTIM_DEFINES "$here/victim.c" -rdynamic $lib
	compile victim-static "$here/victim.c" "$build/libcalm.a" -pthread -ldl
	compile victim-wrap "$here/victim.c" -DATTACK_WRAP "$here/attack.c" -Wl,--wrap=calm_map_walk $lib
	for kind in PRELOAD AUDIT WATCH MODULE; do
		compile "$kind.so" -shared -fPIC -DATTACK_$kind "$here/attack.c"
	done
}

# expect FINDINGS TEXT WHAT COMMAND...: calm_guard_check() said so many, and a report matches TEXT.
expect() {
	findings=$1 text=$2 what=$3
	shift 3
	checks=$((checks + 1))
	"$@" >"$work/out" 2>"$work/err" </dev/null
	if ! grep -qx "findings: $findings" "$work/out"; then
		echo "FAILED: $what: not $findings findings"
	elif [ -z "$text" ] && grep -q '^finding:' "$work/out"; then
		echo "FAILED: $what: a report"
	elif [ -n "$text" ] && ! grep -q "$text" "$work/out"; then
		echo "FAILED: $what: no '$text'"
	else
		echo "$what: $findings findings, as it should be"
		return
	fi
	sed 's/^/  /' "$work/out" "$work/err"
	failures=$((failures + 1))
}

for victim in victim victim-now victim-fixed victim-static; do
	expect 0 '' "$victim in peace" "$work/$victim"
	expect 0 '' "$victim, allowed to call" "$work/$victim" none "$victim"
done
expect 2 'finding: calm_map_walk .*PRELOAD.so' 'LD_PRELOAD' env LD_PRELOAD="$work/PRELOAD.so" "$work/victim"
expect 2 'finding: calm_map_walk .*PRELOAD.so' 'LD_PRELOAD, bound at once' env LD_PRELOAD="$work/PRELOAD.so" \
	"$work/victim-now"
expect 2 'finding: calm_map_walk .*AUDIT.so' 'LD_AUDIT that redirects' env LD_AUDIT="$work/AUDIT.so" "$work/victim"
expect 0 '' 'LD_AUDIT that only watches: unseen' env LD_AUDIT="$work/WATCH.so" "$work/victim"
expect 1 'finding: calm_map_each .*victim-defines' 'a definition in the executable' "$work/victim-defines"
expect 1 'slot that leads to .*victim' 'an overwritten slot' "$work/victim" got
expect 1 'slot that leads to .*victim-now' 'an overwritten slot, bound at once' "$work/victim-now" got
expect 1 'calm_map_walk .*patched at its byte 0' 'a patched traversal' "$work/victim" patch
expect 0 '' '--wrap: unseen at run time' "$work/victim-wrap"
expect 0 'finding: calm_map_walk .*MODULE.so: .*not allowed' 'a caller that is not allowed' \
	"$work/victim" "caller=$work/MODULE.so" victim
expect 0 '' 'a caller that is allowed' "$work/victim" "caller=$work/MODULE.so" victim MODULE.so

if "$calm" scan --help | grep -q 'without libelf'; then :; else
	checks=$((checks + 1))
	"$calm" scan "$work/victim-wrap" 2>/dev/null | grep -q '__wrap_calm_map_walk.*EL03' && echo '--wrap: calm scan sees it' ||
		{ echo 'FAILED: --wrap: calm scan does not see it' && failures=$((failures + 1)); }
fi

checks=$((checks + 2))
sh -c 'ulimit -c 0; "$1" abort' - "$work/victim" >"$work/out" 2>"$work/err"
code=$?
[ $code = 134 ] && grep -q 'calm: guard: calm_map_walk was patched' "$work/err" ||
	{ echo "FAILED: abort: exit $code" && failures=$((failures + 1)); }
"$work/victim" stderr >"$work/out" 2>"$work/err"
grep -q '/victim(.*\[0x' "$work/err" && grep -q 'libcalm.so.*\[0x' "$work/err" ||
	{ echo 'FAILED: stderr: no stack' && cat "$work/err" && failures=$((failures + 1)); }

if command -v gdb >/dev/null; then
	expect 0 '' 'gdb, breakpoints in the traversals' gdb -q -batch -ex 'set breakpoint pending on' \
		-ex 'set breakpoint always-inserted on' -ex 'break calm_map_each' -ex 'break calm_map_walk' -ex 'break calm_cursor_init' \
		-ex run -ex continue -ex continue -ex continue -ex continue "$work/victim"
fi
if command -v perf >/dev/null && perf record -e cpu-clock -o "$work/data" true >/dev/null 2>&1; then
	expect 0 '' 'perf record' perf record -e cpu-clock -o "$work/data" "$work/victim"
fi
echo "$checks checks, $failures failures"
[ $failures = 0 ]
