#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# A user's program, as C11 and as C++17, with the shared and the static library, found by pkg-config.
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"
skip_without pkg-config cc c++

PKG_CONFIG_PATH=$(dirname "$(find "$tree" -name calm.pc)")
export PKG_CONFIG_PATH
libdir=$(pkg-config --variable=libdir calm)
strict='-Wall -Wextra -pedantic -Werror'

# build NAME COMPILER...: compiles and links (the words of pkg-config's answer are separate), then runs.
build() {
	name=$1
	shift
	echo "$name: $*"
	"$@" -o "$work/$name"
	LD_LIBRARY_PATH=$libdir "$work/$name"
}
# shellcheck disable=SC2046,SC2086
{
	build c-shared cc -std=c11 $strict "$here/use.c" $(pkg-config --cflags --libs calm)
	build c-static cc -std=c11 $strict -static "$here/use.c" $(pkg-config --static --cflags --libs calm)
	build c++-shared c++ -std=c++17 $strict "$here/use.cc" $(pkg-config --cflags --libs calm)
	build c++-static c++ -std=c++17 $strict -static "$here/use.cc" $(pkg-config --static --cflags --libs calm)
}
"$tree/bin/calm" --version
"$tree/bin/calm" lab leak --runs 1
# The agent is where the moved command looks for it, where there is one.
[ -z "$(find "$tree" -name libcalm-trace.so)" ] || LD_LIBRARY_PATH=$libdir "$tree/bin/calm" trace -o "$work/page.html" -- "$work/c-shared"
