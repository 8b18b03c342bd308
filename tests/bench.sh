#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# `calm bench`: bench.sh CALM. A small run's JSON parses and has a row for every cell; misuse and a full disk are told.
# shellcheck disable=SC2015
set -eu
LC_ALL=C
export LC_ALL
calm=$1
command -v python3 >/dev/null || { echo 'skipped: no python3'; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

fail() { echo "$*"; cat "$work/out" "$work/err"; exit 1; }

# expect CODE ARGUMENT...: runs calm bench, output to files.
expect() {
	wanted=$1
	shift
	code=0
	"$calm" bench "$@" >"$work/out" 2>"$work/err" || code=$?
	[ $code = "$wanted" ] || fail "calm bench $*: exit $code, $wanted expected"
}

small="--quick --peers none --entries 1000 --seconds 0.02 --repeats 1"
# shellcheck disable=SC2086
expect 0 hash $small --kinds lockmap,syncmap --json "$work/hash.json"
python3 -m json.tool "$work/hash.json" >/dev/null || fail 'this is no JSON'
python3 - "$work/hash.json" <<'END' || fail 'rows are missing or wrong'
import itertools, json, sys
data = json.load(open(sys.argv[1], encoding="utf-8"))
assert set(data["machine"]) >= {"cpu", "cores", "kernel", "memory", "compiler"}
assert data["command"].startswith("calm bench hash --quick") and data["date"] and data["invalid"] == 0
assert data["interrupted"] is False and data["missing"] == ""
rows = {(r["workload"], r["keys"], r["threads"], r["subject"]): r for r in data["results"] if r["what"] == ""}
for cell in itertools.product(("get", "g95u5", "g50u50", "g90i5d5", "i50d50"), ("uniform", "zipf"), (1, 2, 16),
                              ("calm lockmap", "calm syncmap")):
    row = rows[cell]
    assert row["suite"] == "hash" and row["unit"] == "Mops/s" and row["entries"] == 1000 and row["repeats"] == 1
    assert 0 <= row["min"] <= row["median"] <= row["max"], row
assert any(r["subject"] == "null" for r in data["results"])
END
[ ! -s "$work/err" ] || fail 'progress went into a file'

# Byte keys: every kind that is hashed, and every peer of this build that has them. A quick run leaves two mixes out.
# shellcheck disable=SC2086
expect 0 bytes $small --seconds 0.003 --kinds all --peers all --json "$work/bytes.json"
python3 - "$work/bytes.json" <<'END' || fail 'rows are missing or wrong'
import itertools, json, sys
data = json.load(open(sys.argv[1], encoding="utf-8"))
assert data["invalid"] == 0
rows = {(r["subject"], r["workload"], r["keys"], r["what"], r["threads"]): r for r in data["results"] if r["unit"] == "Mops/s"}
subjects = {r[0] for r in rows}
assert subjects >= {"calm " + kind for kind in ("hashmap", "syncmap", "lockmap", "shardmap", "cowmap")}, subjects
for cell in itertools.product(subjects, ("get", "g50u50", "i50d50"), ("uniform", "zipf"), ("16 B", "48 B"), (1, 2, 16)):
    row = rows[cell]
    assert row["suite"] == "bytes" and row["entries"] == 1000 and 0 <= row["min"] <= row["median"] <= row["max"], row
assert len(rows) == len(subjects) * 36
assert {r["what"] for r in data["results"] if r["subject"] == "null"} == {"harness, 16 B", "harness, 48 B"}
END

expect 2 nonesuch
grep -q "'nonesuch'.*hash.*article-5" "$work/err" || fail 'the message names neither the suite nor the known ones'
expect 2 hash --peers nonesuch
grep -q "'nonesuch'.*ck_ht.*cuckoo" "$work/err" || fail 'the message names neither the peer nor the known ones'
expect 2 hash --entries 0
expect 0 --list
# The manual and the help tell of the same options and suites.
expect 0 --help
page=$(dirname "$0")/../man/calm-bench.1
sed -n 's/^  \(--[a-z]*\) .*/\1/p' "$work/out" | sort >"$work/help"
sed -n 's/^\.It Fl -\([a-z]*\).*/--\1/p' "$page" | sort | diff "$work/help" - || fail 'options in --help and in calm-bench(1)'
"$calm" bench --list | sed -n '/^suites:/,/^subjects:/s/^  \([a-z0-9.-]*\) .*/\1/p' | sort >"$work/suites"
sed -n '/^\.Sh SUITES/,/^\.Sh PEERS/s/^\.It Cm //p' "$page" | tr -d ',' | tr ' ' '\n' | grep . | sort | diff "$work/suites" - ||
	fail 'suites in --list and in calm-bench(1)'
"$calm" bench --list | sed -n '/^subjects:/,$s/^  \([a-z0-9_]*\) .*/\1/p' | grep -v -e map$ -e '^null$' | sort >"$work/peers"
sed -n '/^\.Sh PEERS/,/^\.Sh OUTPUT/s/^\.It Cm //p' "$page" | tr -d ',' | tr ' ' '\n' | grep . | sort | diff "$work/peers" - ||
	fail 'peers in --list and in calm-bench(1)'

# shellcheck disable=SC2086
if [ -c /dev/full ]; then
	expect 2 cell $small --kinds lockmap --json /dev/full
	! "$calm" bench cell $small --kinds lockmap >/dev/full 2>&1 || fail 'a full disk was not noticed'
fi
# shellcheck disable=SC2086
expect 2 cell $small --kinds lockmap --json "$work/none/such.json"
[ ! -s "$work/out" ] || fail 'it measured before it knew where to'
# shellcheck disable=SC2086
expect 0 cell $small --kinds lockmap --peers all --json "$work/all.json"
"$calm" bench --list | sed -n 's/^  [a-z0-9_]* *\(.*\); not in this build, which found no \(.*\)$/\1 (\2)/p' >"$work/lacks"
while read -r peer; do
	grep -qF "$peer" "$work/all.json" && grep '^missing: ' "$work/out" | grep -qF "$peer" || fail "$peer is not named as missing"
done <"$work/lacks"
expect 2 --memory lockmap:0
expect 2 --cost lockmap:nonesuch
# shellcheck disable=SC2086
for suite in latency memory walk snapshot growth ordered go flash-sale article-4.1 article-4.2 article-5; do
	expect 0 $suite $small --kinds lockmap
done

# ^C: what there is, and 130. Shells start background jobs with SIGINT ignored, so python sends it.
python3 - "$calm" "$work/part.json" <<'END' || fail '^C'
import json, signal, subprocess, sys, time
run = subprocess.Popen([sys.argv[1], "bench", "hash", "cell", "--peers", "none", "--entries", "1000", "--kinds", "lockmap",
                        "--json", sys.argv[2]],
                       stdout=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
time.sleep(1)
run.send_signal(signal.SIGINT)
out = run.communicate(timeout=60)[0].decode()
assert run.returncode == 130 and "\nhash, " in out, (run.returncode, out)
data = json.load(open(sys.argv[2], encoding="utf-8"))
assert data["interrupted"] is True and {r["suite"] for r in data["results"]} == {"hash"}
END
