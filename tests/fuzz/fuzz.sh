#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# Fuzzes one target: fuzz.sh BUILD SECONDS TARGET. It begins with tests/fuzz/corpus/TARGET and what it kept of earlier runs in
# BUILD/fuzz/TARGET; what it finds lies beside that: TARGET.log, and the input. Exits 1 if it found something.
set -eu
corpus=$(dirname "$0")/corpus/$3 found=$1/fuzz
mkdir -p "$found/$3"
if "$1/tests/fuzz/fuzz_$3" -max_total_time="$2" -max_len=20000 -timeout=20 -rss_limit_mb=2048 -close_fd_mask=3 -print_final_stats=1 \
	-artifact_prefix="$found/$3-" "$found/$3" "$corpus" >"$found/$3.log" 2>&1; then
	sed -n "s/^stat::number_of_executed_units: */   $3: runs: /p" "$found/$3.log"
else
	tail -n 40 "$found/$3.log"
	printf '   %s: found something: %s\n' "$3" "$found/$3.log"
	exit 1
fi
