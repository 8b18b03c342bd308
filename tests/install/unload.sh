#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# dlclose() of the shared library while threads are inside it.
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"
skip_without cc

library=$(find "$tree" -name libcalm.so)
cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -I"$tree/include" -o "$work/unload" "$here/unload.c" -pthread -ldl
"$work/unload" "$library"
