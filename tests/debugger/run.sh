#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# calm-gdb.py on real cores: run.sh CALM VICTIM [SEEDS [LAB_RUNS]]. CALM: the command; VICTIM: tests/debugger/victim.c, built.
# Each kind of map and of keys dies in each class SEEDS times (or once, with keys of one kind); cores of calm lab join them,
# LAB_RUNS of each case; CALM_TEST_SCALE=100 makes a hundred and more of each class. Of each class at most one in a hundred may be misjudged. Exit 77: no gdb, or no cores here.
set -u
here=$(cd "$(dirname "$0")" && pwd)
scale=${CALM_TEST_SCALE:-1}
calm=$1 victim=$2 seeds=${3:-$(((scale + 5) / 6))} lab_runs=${4:-$scale}
command -v gdb >/dev/null || { echo 'no gdb'; exit 77; }
gdb -q -batch -ex 'python import gdb' 2>/dev/null || { echo 'gdb has no Python'; exit 77; }
case $(cat /proc/sys/kernel/core_pattern) in
'|'* | /*) echo 'the kernel does not leave cores with the process'; exit 77 ;;
esac
# shellcheck disable=SC3045
ulimit -c unlimited 2>/dev/null || { echo 'no cores allowed'; exit 77; }
folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
mkdir "$folder/cores" "$folder/one"
cd "$folder/one" || exit 2

wanted=0 turn=0
for kind in hashmap treemap lockmap syncmap shardmap cowmap deltamap; do
	turn=$((turn + 1))
	"$victim" $kind word live 1 >/dev/null 2>&1
	[ $? != 77 ] || continue # a kind that this build has not
	find . -type f -delete
	for class in live image retired freed unknown busy broken; do
		case $kind-$class in syncmap-image | shardmap-image | syncmap-broken | treemap-broken) continue ;; esac
		turn=$((turn + 1))
		for keys in word bytes; do
			case $class-$keys in broken-bytes) continue ;; esac
			# A short run takes one kind of keys, by turns.
			[ "$seeds" -gt 1 ] || [ $class = broken ] || [ $((turn % 2)) = "$([ $keys = word ] && echo 0 || echo 1)" ] || continue
			for seed in $(seq "$seeds"); do
				"$victim" "$kind" "$keys" "$class" "$seed" >/dev/null 2>&1
				core=$(find . -type f | head -n 1)
				[ "$core" ] || { echo "$kind $keys $class $seed left no core"; exit 1; }
				mv "$core" "../cores/$kind.$keys.$class.$seed.core"
				wanted=$((wanted + 1))
			done
		done
	done
done
"$calm" lab uaf refcount rcu resize --replay --runs "$lab_runs" --core "$folder/one" >/dev/null || { echo 'calm lab failed'; exit 1; }
rm -f "$folder"/one/rcu-wait-*
for core in "$folder"/one/*.core; do
	mv "$core" "../cores/lab.${core##*/}"
	wanted=$((wanted + 1))
done

# gdb keeps something of each core that it has seen, so it is started anew for every hundred.
CALM_VICTIM=$victim CALM_LAB_VICTIM=${calm%/*}/calm-lab-victim DEBUGINFOD_URLS=''
export CALM_VICTIM CALM_LAB_VICTIM CALM_CORES DEBUGINFOD_URLS
cd "$folder" || exit 2
printf '%s\n' "$folder"/cores/*.core | split -l 100 - part-
for CALM_CORES in "$folder"/part-*; do
	gdb -q -batch -nx -iex 'set auto-load off' -ex 'set pagination off' -x "$here/../../gdb/calm-gdb.py" -x "$here/check.py" \
		>>out 2>err || { cat out err; exit 1; }
done
# Judged and right, for each class and in all.
awk -v wanted="$wanted" '/^counted / { right[$2] += $3; all[$2] += $4; next } { print }
	END {
		for (class in all) { printf "%s: %d of %d\n", class, right[class], all[class]; judged += all[class]; good += right[class]
			if ((all[class] - right[class]) * 100 > all[class]) bad = 1 }
		printf "judged %d of %d, wrong %d\n", judged, wanted, judged - good
		exit bad || judged != wanted
	}' out
