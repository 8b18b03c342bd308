#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# calm-gdb.py on real cores: run.sh CALM VICTIM [SEEDS [LAB_RUNS]]. CALM: the command; VICTIM: tests/debugger/victim.c, built.
# Each kind of map and of keys dies in each class SEEDS times; cores of calm lab join them, LAB_RUNS of each case. At most one in a
# hundred may be misjudged. Exit 77: no gdb, or no cores here.
set -u
here=$(cd "$(dirname "$0")" && pwd)
calm=$1 victim=$2 seeds=${3:-1} lab_runs=${4:-2}
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

wanted=0
for kind in ${CALM_KINDS:-hashmap lockmap syncmap shardmap cowmap}; do
	for keys in word bytes; do
		for class in live image retired freed unknown busy; do
			case $kind-$class in syncmap-image | shardmap-image) continue ;; esac
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

CALM_CORES=$folder/cores CALM_VICTIM=$victim CALM_LAB_VICTIM=${calm%/*}/calm-lab-victim
export CALM_CORES CALM_VICTIM CALM_LAB_VICTIM
DEBUGINFOD_URLS='' gdb -q -batch -nx -iex 'set auto-load off' -ex 'set pagination off' -x "$here/../../gdb/calm-gdb.py" \
	-x "$here/check.py" >"$folder/out" 2>"$folder/err"
cat "$folder/out"
last=$(tail -n 1 "$folder/out")
judged=${last#judged } judged=${judged%%,*} wrong=${last##* }
case $judged$wrong in
*[!0-9]* | '') tail -n 20 "$folder/err"; exit 1 ;;
esac
[ "$judged" = "$wanted" ] || { echo "$wanted cores, and only $judged judged"; exit 1; }
[ $((wrong * 100)) -le "$judged" ]
