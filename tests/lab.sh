#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# calm lab from outside: lab.sh CALM [rights]. With `rights` only the ways that must be clean, as a sanitizer wants it. The whole, with
# its rates, is ./run lab.
set -u
calm=$1 part=${2:-all}
folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
cd "$folder" || exit 2
export LC_ALL=C
failures=0

fail() {
	printf 'FAILED: %s\n' "$*"
	tail -n 30 out err 2>/dev/null
	failures=$((failures + 1))
}

# expect CODE TEXT ARGUMENT...
expect() {
	code=$1 text=$2
	shift 2
	"$calm" lab "$@" >out 2>err </dev/null
	got=$?
	[ $got = "$code" ] || { fail "calm lab $*: exit $got, not $code"; return 1; }
	[ -z "$text" ] || cat out err | grep -qe "$text" || fail "calm lab $*: no '$text'"
}

# shown TEXT: it stands in what was printed last.
shown() {
	grep -qe "$1" out || fail "no '$1'"
}

cases='uaf refcount aba rcu leak order torn resize snapshot livelock'

# The right ways are clean.
for case in $cases; do
	"${calm%/*}/calm-lab-victim" "$case" right --ms 60 >out 2>err </dev/null || fail "victim $case right: exit $?"
done
[ "$part" != rights ] || exit $((failures > 0))

# What is no case, or none that can be replayed.
expect 2 "'nonsense' is no case" nonsense
expect 2 '1 to 1000000 is wanted' uaf --runs 0
expect 2 'no folder' uaf --core nowhere
expect 2 'no schedule to replay' livelock --replay
for case in $cases; do
	"$calm" lab --help | grep -q "^  $case " || fail "the help does not name $case"
done

# A replay dies of the same instruction each time, and the report says of what, and who freed it.
expect 0 '5 of 5 replays ended so, at the same instruction' uaf --replay --runs 5
shown 'given back by deleter in step 2'
lacks=$(grep 'this calm was built without' out)
if [ -z "$lacks" ]; then
	shown 'died in walk_chain (uaf.c:[0-9]*)'
	shown '^ --> 0x[0-9a-f]* *mov'
	shown 'The pointer was in r[0-9a-z]*: 0x'
	shown '#0  delete_node (uaf.c:'
else
	echo "$lacks"
	shown 'The address that was touched: 0x'
fi
shown 'The stack of walker, which died'
shown 'The stack of deleter, meanwhile'
expect 0 'hung; reader waits until no reader is inside' rcu --replay --runs 1
shown 'The stack of reader, meanwhile, which waits'
expect 0 '' refcount aba torn resize --replay --runs 1 --json
if command -v python3 >/dev/null && [ -z "$lacks" ]; then
	python3 - out <<-'END' || fail 'the JSON of replays'
		import json, sys
		replays = json.load(open(sys.argv[1]))["replays"]
		assert [r["case"] for r in replays] == ["refcount", "aba", "torn", "resize"], replays
		assert all(r["same"] == r["runs"] == 1 for r in replays)
		assert replays[0]["death"]["freed_by"] == "two" and replays[0]["death"]["function"] == "drop"
	END
fi

# Free runs: every wrong way fails in one of a few, no right one does.
expect 0 '' uaf leak order torn --runs 2 --json
if command -v python3 >/dev/null; then
	python3 - out <<-'END' || fail 'the JSON of cases'
		import json, sys
		cases = json.load(open(sys.argv[1]))["cases"]
		assert [c["case"] for c in cases] == ["uaf", "leak", "order", "torn"]
		assert all(c["wrong"]["failed"] > 0 and c["wrong"]["how"] and c["right"]["failed"] == 0 for c in cases)
		leak = cases[1]["wrong"]
		assert (leak["runs"], leak["failed"]) == (2, 2) and abs(leak["low"] - 0.342) < 0.001 and leak["high"] == 1, leak
		model = cases[2]["wrong"]["counts"]
		allowed = [name for name, n in model.items() if name.startswith("model:") and n]
		assert len(allowed) == 3 and "model: release store, acquire load" not in allowed, model
	END
fi
expect 0 'without-GET_WAITS' snapshot --runs 2
exit $((failures > 0))
