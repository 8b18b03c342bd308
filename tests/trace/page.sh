#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# The page of calm trace: page.sh PAGE_MADE DIRECTORY [written]. Writes made-up recordings as pages into DIRECTORY, looks at their
# text, and, unless told `written`, opens them in Chromium, which page.mjs drives; photographs lie beside them.
set -eu
LC_ALL=C
export LC_ALL
made=$1 work=$2 only=${3-}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$work"
cd "$work"

fail() { echo "FAILED: $*"; exit 1; }
skip() { echo "skipped: $*"; exit 77; }

[ "$only" ] || set -- million
[ "$only" ] && set --
for what in walks silent empty "$@"; do
	"$made" "$what" "$what.html" >"$what.txt" || fail "page_made $what"
	cat "$what.txt"
	# Two scripts, the data and the program: no name has ended one.
	[ "$(grep -o '</script' "$what.html" | wc -l)" = 2 ] || fail "$what: a script that was not written here"
	! grep -Eo '.{20}(https?:|src *=|@import|url\().{20}' "$what.html" | grep -v '"<img\|u003cimg' ||
		fail "$what: refers to something outside"
done
! "$made" walks /dev/full >/dev/null || fail 'a full disk is no error'
[ -z "$only" ] || exit 0

command -v node >/dev/null || skip 'no node'
command -v npm >/dev/null || skip 'no npm'
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ] || skip 'node is older than 18'
chromium=$(command -v chromium || command -v chromium-browser) || skip 'no chromium'
if ! cmp -s "$here/package-lock.json" browser/installed; then
	mkdir -p browser
	cp "$here/package.json" "$here/package-lock.json" browser/
	(cd browser && npm ci --no-audit --no-fund) >browser/log 2>&1 || { cat browser/log; skip 'npm cannot install playwright-core'; }
	cp "$here/package-lock.json" browser/installed
fi
exec node "$here/page.mjs" "$work" "$chromium"
