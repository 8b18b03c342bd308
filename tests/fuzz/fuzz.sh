#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# Fuzzes, with clang-19's libFuzzer, ASan and UBSan: fuzz.sh SOURCE SECONDS [TARGET...], in a folder for the
# binaries, the corpora that grow, and what was found: the input and its report. Each target begins with
# tests/fuzz/corpus/TARGET. Exits 1 if one found something.
set -eu
source=$1 seconds=$2
shift 2
flags="-O1 -g -D_GNU_SOURCE -DREFERENCE_FUZZ -I$source -I$source/src -I$source/include -I$source/tests -I$source/tests/fuzz
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all"
found=0
for target in ${*:-verbs bench_json snapshot_file}; do
	case $target in
	verbs) files="$source/tests/reference.c $source/kit/kinds.c $(find "$source/src" -name '*.c')" ;;
	bench_json) files="$source/tests/fuzz/bench_json.c $source/cli/bench/read.c" ;;
	snapshot_file) files="$source/tests/fuzz/snapshot_file.c $(find "$source/src" -name '*.c')" ;;
	*) echo "no target $target" >&2 && exit 2 ;;
	esac
	# shellcheck disable=SC2086 # lists
	clang-19 $flags $files -lcmocka -lm -lpthread -o "fuzz_$target"
	mkdir -p "$target"
	"./fuzz_$target" -max_total_time="$seconds" -max_len=4000 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$target-" "$target" "$source/tests/fuzz/corpus/$target" >"$target.log" 2>&1 || {
		found=1
		tail -n 40 "$target.log"
	}
	printf '%s: %s\n' "$target" "$(sed -n 's/^stat::\(number_of_executed_units\|new_units_added\): */\1 /p' "$target.log" | tr '\n' ' ')"
done
exit $found
