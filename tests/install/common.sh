# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# Sourced by the tests beside it: BUILD CMAKE GENERATOR. Installs the build into $tree and moves it, as a package would be.
# shellcheck shell=sh disable=SC2034
set -eu
LC_ALL=C
export LC_ALL
build=$1
cmake=$2
generator=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
tree=$work/moved

"$cmake" --install "$build" --prefix "$work/installed" >"$work/log" || { cat "$work/log"; exit 1; }
mv "$work/installed" "$tree"

# skip_without COMMAND...
skip_without() {
	for tool; do
		command -v "$tool" >/dev/null || { echo "skipped: no $tool"; exit 77; }
	done
}
