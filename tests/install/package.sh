#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# The same program, found by CMake's find_package.
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"
skip_without c++

"$cmake" -S "$here" -B "$work/build" -G "$generator" -DCMAKE_PREFIX_PATH="$tree" -DCMAKE_BUILD_TYPE=Release
"$cmake" --build "$work/build"
for program in c_shared c_static cxx_shared cxx_static; do
	echo "$program"
	"$work/build/$program"
done
