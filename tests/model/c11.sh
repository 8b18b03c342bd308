#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# The memory orders: c11.sh [HARNESS.c...], all of c11/ by default. Needs cc; and for all but the first line, c++ and Relacy.
# A harness must compile as strict C11, with each mutation too, and run as an ordinary program. Then Relacy executes it at
# random under the C++11 memory model: `mutation` and `equivalent` in its header are as in spin.sh, but what holds was not
# searched in full. The executions are the same in every run; CALM_TEST_SCALE times as many with it.
set -u
LC_ALL=C
export LC_ALL
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- "$here"/c11/*.c
command -v cc >/dev/null || { echo 'skipped: no cc'; exit 77; }
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
scale=${CALM_TEST_SCALE:-1}
executions=$((100000 * scale)) argued=$((50000 * scale)) search=2000000 passed=0 failed=0
relacy=yes
echo '#include <relacy/relacy.hpp>' | c++ -std=gnu++11 -w -fsyntax-only -x c++ - 2>/dev/null || relacy=''

pass() {
	passed=$((passed + 1))
	printf 'ok      %-24s %s\n' "$1" "$2"
}

fail() {
	failed=$((failed + 1))
	printf 'FAILED  %-24s %s\n' "$1" "$2"
	[ ! -s "$work/log" ] || tail -n 20 "$work/log"
}

# strict FILE OPTION...: compiles FILE as C11 with every warning an error.
strict() { cc -std=c11 -Wall -Wextra -pedantic -Werror -O2 -pthread "$@" >"$work/log" 2>&1; }

# execute NAME MUTATION WANTED EXECUTIONS: WANTED is holds or broken.
execute() {
	number=$4
	"$work/weak" "$number" "$2" >"$work/log" 2>&1
	code=$?
	broken=$(sed -n 's/^iteration: //p' "$work/log" | head -n 1)
	case $3-$code in
	holds-0) pass "$1" "holds in $number executions" ;;
	broken-1)
		if [ "$broken" ]; then
			pass "$1" "caught in execution $broken"
		else
			fail "$1" 'exit 1, but no fault is told'
		fi
		;;
	broken-0) fail "$1" "not caught in $number executions" ;;
	*) fail "$1" "exit $code, but $3 expected" ;;
	esac
}

# named FILE KIND: the mutations of a kind that FILE's header names.
named() { sed -n "s/^ \* $2 \([A-Z_]*\):.*/\1/p" "$1"; }

for file; do
	name=$(basename "$file" .c)
	if strict "$file" -o "$work/strong" && "$work/strong" >"$work/log" 2>&1; then
		pass "$name" 'C11, and runs'
	else
		fail "$name" 'does not compile as strict C11, or does not run'
	fi
	for mutation in $(named "$file" mutation) $(named "$file" equivalent); do
		strict "$file" "-DMUTATE=$mutation" -fsyntax-only || fail "$name $mutation" 'does not compile as strict C11'
	done
	[ $relacy ] || continue
	if ! c++ -std=gnu++11 -O1 -w -x c++ "$file" -o "$work/weak" >"$work/log" 2>&1; then
		fail "$name" 'does not compile with Relacy'
		continue
	fi
	execute "$name" NONE holds $executions
	for mutation in $(named "$file" mutation); do
		execute "$name $mutation" "$mutation" broken $search
	done
	for mutation in $(named "$file" equivalent); do
		execute "$name $mutation" "$mutation" holds $argued
	done
done
if [ $relacy ]; then
	printf '%s passed, %s failed, 0 skipped\n' $passed $failed
	[ $failed = 0 ]
else
	printf '%s passed, %s failed, the rest skipped: no c++, or no Relacy (Debian: relacy-dev)\n' $passed $failed
	[ $failed = 0 ] && exit 77
fi
