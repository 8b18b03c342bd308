#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# gdb loads the installed script by itself, for a user's running program on the shared library, and sees its maps.
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"
skip_without gdb cc
gdb -q -batch -ex 'python import gdb' 2>/dev/null || { echo 'skipped: gdb has no Python'; exit 77; }

library=$(find "$tree" -name libcalm.so)
cc -g -O0 -I"$tree/include" "$here/use.c" "$library" -o "$work/use"
cat >"$work/look" <<-'END'
	set pagination off
	set breakpoint pending on
	break calm_map_delete
	run
	calm maps
	calm map map
	calm bucket map 7
	print key
	up
	print *snapshot
	calm check
	calm threads
	kill
END
LD_LIBRARY_PATH=${library%/*} DEBUGINFOD_URLS='' gdb -q -batch -nx -iex "add-auto-load-safe-path $tree" -x "$work/look" "$work/use" \
	>"$work/out" 2>&1 || :
if grep -q 'ptrace: Operation not permitted' "$work/out"; then
	echo 'skipped: no process may be traced here'
	exit 77
fi
for line in '^0x[0-9a-f]* lockmap, word keys, 1 entries, 1 snapshots$' '^lockmap 0x[0-9a-f]*: word keys, 1 entries' \
	'^  snapshot 0x[0-9a-f]*: stamp [0-9]*, open for [0-9.]* s$' '^7 is in the table, slot ' '= word 7$' '= a snapshot of lockmap 0x[0-9a-f]*, stamp ' '^lockmap 0x[0-9a-f]*: ok$' \
	'^thread 1 (use [0-9]*) in calm_map_delete$'; do
	grep -q "$line" "$work/out" || { echo "no line $line in:"; cat "$work/out"; exit 1; }
done
