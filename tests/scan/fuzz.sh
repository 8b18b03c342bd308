#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# The readers of calm scan under libFuzzer, with ASan and UBSan: fuzz.sh SOURCE XXHASH_FOLDER [SECONDS [TARGET...]].
# Without clang or its runtime, or in a run that is not to be long (CALM_TEST_SCALE unset): exit 77.
set -eu
source=$1 xxhash=$2
seconds=${3:-$((${CALM_TEST_SCALE:-0} * 6 / 10))}
[ "$seconds" -gt 0 ] || { echo 'skipped: CALM_TEST_SCALE is not set'; exit 77; }
[ $# -le 3 ] || { shift 3; targets=$*; }
clang=''
for name in clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14; do
	echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d && n ? 0 : 0; }' |
		"$name" -x c - -fsanitize=fuzzer,address -o /dev/null 2>/dev/null && clang=$name && break
done
[ "$clang" ] || { echo 'skipped: no clang with libFuzzer'; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$source"

# Something to begin with: Go files, small objects, a baseline.
mkdir "$work/seeds.go" "$work/seeds.elf" "$work/seeds.baseline"
printf 'package p\nimport _ "unsafe"\n//go:linkname f runtime.f\nfunc f[T any](a int) (b struct{c int}) { return `x`\n}\nvar (\n\ta, b = 1, 2\n)\n' \
	>"$work/seeds.go/a"
printf '//go:build go1.2 && (!x || y)\n// +build a,!b c\npackage p\ntype hiter struct {\n\tkey, elem *int\n\tp [4]uintptr `x`\n}\n' \
	>"$work/seeds.go/b"
printf '#include "textflag.h"\nTEXT \302\267f<ABIInternal>(SB),4,$0\n\tCALL runtime\302\267g+8(SB) // c\nDATA \302\267d<>+0(SB)/8, $1\n' \
	>"$work/seeds.go/c"
printf 'int f(void); int g(void) { return f(); }\n' >"$work/a.c"
"$clang" -c "$work/a.c" -o "$work/seeds.elf/object"
"$clang" -shared -fPIC "$work/a.c" -o "$work/seeds.elf/library" -Wl,-soname,x -lm
ar rc "$work/seeds.elf/archive" "$work/seeds.elf/object"
printf '# calm scan baseline 1\n0123456789abcdef GO01 a b\n' >"$work/seeds.baseline/a"

readers='golex gofile goconstraint goasm golayout goworld gotable text tree find rule'
for target in ${targets:-go elf baseline}; do
	sources=''
	case $target in
	elf) for name in elffile text; do sources="$sources cli/scan/$name.c"; done ;;
	*) for name in $readers; do sources="$sources cli/scan/$name.c"; done ;;
	esac
	[ "$target" = elf ] || sources="$sources tests/scan/fuzz_stubs.c"
	# shellcheck disable=SC2086 # a list
	"$clang" -O1 -g -D_GNU_SOURCE -DCALM_SCAN_TABLE='"cli/scan/go-symbols.txt"' -I. -Iinclude -I"$xxhash" \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all "tests/scan/fuzz_$target.c" $sources cli/text.c \
		-lelf -lm -o "$work/fuzz_$target"
	(cd "$work" && "./fuzz_$target" -max_total_time="$seconds" -max_len=20000 -timeout=10 -rss_limit_mb=2048 \
		-print_final_stats=1 "seeds.$target" >"$target.log" 2>&1) || { tail -n 60 "$work/$target.log"; exit 1; }
	printf '%s: %s\n' "$target" "$(grep -E 'number_of_executed_units|new_units_added' "$work/$target.log" | tr '\n' ' ')"
done
