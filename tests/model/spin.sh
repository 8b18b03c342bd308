#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# Model checking with spin: spin.sh [MODEL.pml...], all beside this script by default. Needs spin and cc.
# A model is searched in full, and must hold. Its header names its mutations, each a macro or several joined by +: with a
# `mutation` an assertion must break, or all be stuck; with an `equivalent` the model must still hold, for the reason given.
# A `mutation` that holds is an error: either the model is blind, or the rule that was removed is not needed.
set -u
LC_ALL=C
export LC_ALL
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- "$here"/*.pml
for tool in spin cc; do
	command -v $tool >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
megabytes=4000 passed=0 failed=0

# search MODEL [MACRO...]: says in $got what came of it: holds, broken, or what went wrong. Optimizing costs more than it saves.
search() {
	model=$1 options=''
	shift
	for macro; do
		options="$options -D$macro"
	done
	rm -f "$work"/*
	cp "$model" "$work/model.pml"
	got=''
	# shellcheck disable=SC2086 # options are split
	(cd "$work" && spin -a $options model.pml && cc -O0 -w -DSAFETY -DSFH -DMEMLIM=$megabytes -o pan pan.c) \
		>"$work/log" 2>&1 || { got='does not build' && return; }
	(cd "$work" && ./pan -m10000 -w22) >"$work/log" 2>&1
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$work/log")
	if grep -Eq '^pan:[0-9]+: (assertion violated|invalid end state)' "$work/log"; then
		got=broken
	elif grep -q 'errors: 0' "$work/log" && ! grep -Eq 'not completed|too small|out of memory|MEMLIM' "$work/log"; then
		got=holds
	else
		got='not searched in full'
	fi
}

# judge NAME WANTED WHAT
judge() {
	if [ "$got" = "$2" ]; then
		passed=$((passed + 1))
		printf 'ok      %-36s %s\n' "$1" "$3"
	else
		failed=$((failed + 1))
		printf 'FAILED  %-36s %s, not %s\n' "$1" "$got" "$2"
		tail -n 20 "$work/log"
	fi
}

for file; do
	name=$(basename "$file" .pml) began=$(date +%s)
	search "$file"
	judge "$name" holds "holds: ${states:-no} states, $(($(date +%s) - began)) s"
	# shellcheck disable=SC2013 # no blanks in them
	for line in $(sed -n 's/^ \* \(mutation\|equivalent\) \([A-Z_+]*\):.*/\1=\2/p' "$file"); do
		macros=$(echo "${line#*=}" | tr + ' ')
		for macro in $macros; do
			grep -Eq "^#.*\b$macro\b" "$file" || echo "#error no $macro in $name"
		done >"$work.absent"
		# shellcheck disable=SC2086 # macros are split
		if [ -s "$work.absent" ]; then
			got=$(cat "$work.absent")
		else
			search "$file" $macros
		fi
		rm -f "$work.absent"
		case $line in
		mutation=*) judge "$name ${line#*=}" broken "caught after ${states:-no} states" ;;
		*) judge "$name ${line#*=}" holds "holds, as argued: ${states:-no} states" ;;
		esac
	done
done
printf '%s passed, %s failed, 0 skipped\n' $passed $failed
[ $failed = 0 ]
