#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# calm scan's reading of Go against tree-sitter's: tree_sitter.sh SOURCE BUILD [FILE...]. Without files: a generated corpus.
# Needs libtree-sitter (0.20.7 was used) and the sources of a grammar it takes (npm's tree-sitter-go@0.23.4) in the folder
# that CALM_TREE_SITTER_GO names; without these, exit 77.
set -eu
source=$1 build=$2
shift 2
grammar=${CALM_TREE_SITTER_GO:-}
[ -f "$grammar/src/parser.c" ] || { echo 'skipped: CALM_TREE_SITTER_GO names no grammar'; exit 77; }
echo '#include <tree_sitter/api.h>' | cc -E - >/dev/null 2>&1 || { echo 'skipped: no libtree-sitter'; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cc -O1 -D_GNU_SOURCE -I"$source" -I"$source/include" -I"$grammar/src" "$source/tests/scan/tree_sitter.c" \
	"$grammar/src/parser.c" -o "$work/compare" "$build/cli/scan/libcalm_scan.a" "$build/libcalm.a" -ltree-sitter -lelf -lm \
	-pthread -ldl
if [ $# -gt 0 ]; then
	"$work/compare" "$@"
else
	mkdir "$work/corpus"
	python3 "$source/tests/scan/go_corpus.py" "$work/corpus" 2000
	"$work/compare" "$work"/corpus/*.go
fi
