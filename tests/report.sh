#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# `calm bench --report`: report.sh CALM. The page is whole, balanced HTML that loads nothing, with plots and every subject;
# raw data shows as it was measured; what cannot be written or read is told, and leaves nothing behind.
set -eu
LC_ALL=C
export LC_ALL
calm=$1
command -v python3 >/dev/null || { echo 'skipped: no python3'; exit 77; }
command -v gnuplot >/dev/null || { echo 'skipped: no gnuplot'; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work"

fail() { echo "FAILED: $*"; cat out err; exit 1; }

# expect CODE TEXT ARGUMENT...: runs calm bench; TEXT is a regular expression for err, or empty.
expect() {
	wanted=$1 text=$2 code=0
	shift 2
	"$calm" bench "$@" >out 2>err </dev/null || code=$?
	[ $code = "$wanted" ] || fail "calm bench $*: exit $code, $wanted expected"
	[ -z "$text" ] || grep -qe "$text" err || fail "calm bench $*: no '$text'"
	left=$(find . -name '*.part')
	[ -z "$left" ] || fail "calm bench $*: $left is left over"
}

# page FILE SUBJECT...
page() {
	python3 - "$@" <<'END' || fail "$1 is not what it should be"
import html.parser, sys
VOID = {"meta", "br"}
class Page(html.parser.HTMLParser):
    stack, words, counts = [], [], {}
    def handle_starttag(self, tag, attributes):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        if tag not in VOID:
            self.stack.append(tag)
        for name, value in attributes:
            assert name not in ("src", "srcset", "data", "action"), (tag, name)
            assert name not in ("href", "xlink:href") or value.startswith("#"), (tag, value)
            assert name == "aria-label" or "://" not in (value or ""), (tag, name, value)
        assert tag not in ("link", "img", "iframe", "object", "base"), tag
    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.stack.pop()
    def handle_endtag(self, tag):
        assert self.stack and self.stack.pop() == tag, (tag, self.getpos())
    def handle_data(self, data):
        assert self.stack[-1:] not in (["style"], ["script"]) or not any(w in data for w in ("url(", "@import", "://", "fetch("))
        self.words.append(data)
    def close(self):
        super().close()
        assert not self.stack, self.stack
page = Page()
page.feed(open(sys.argv[1], encoding="utf-8").read())
page.close()
words = " ".join(page.words)
assert page.counts.get("svg", 0) > 0 and page.counts["table"] > 1, page.counts
assert page.counts["html"] == page.counts["style"] == page.counts["body"] == 1
missing = [subject for subject in sys.argv[2:] if subject not in words]
assert not missing, missing
END
}

small='--quick --entries 1000 --seconds 0.01 --repeats 2'
# shellcheck disable=SC2086
expect 0 '' hash cell $small --peers floor --kinds lockmap,syncmap --json raw.json --report page.html
page page.html 'calm lockmap' 'calm syncmap' floor 'calm bench ' '4.2 x faster than Store'
[ ! -s err ] || fail 'something on stderr'

# Shown again from the raw data; a link stays one.
ln -s again.html link.html
: >again.html
expect 0 '' --from raw.json --report link.html
page again.html 'calm lockmap' 'calm syncmap' floor 'calm bench ' '4.2 x faster than Store'
[ -L link.html ] || fail 'a link was replaced'

# Names that are hostile, figures that are none, and calm behind and ahead.
python3 - raw.json hostile.json <<'END'
import json, sys
data = json.load(open(sys.argv[1], encoding="utf-8"))
row = next(r for r in data["results"] if r["suite"] == "hash" and r["what"] == "")
other = dict(row, subject="<b>&\"'`date`$x\\\u001b\u00e9", median=1e6, min=1e6, max=1e6)
none = dict(row, subject="gone", median=None, min=None, max=None)
for quiet in data["results"]:
    quiet["min"] = quiet["max"] = quiet["median"]
data["results"] += [other, none]
data["command"] += " <script>alert(1)</script> http://example.org"
data["later"] = {"x": [1, {"y": True}, None, "\ud83d\ude00"]}
data["notes"].append({"suite": "hash", "text": "INVALID: </ul><i>"})
json.dump(data, open(sys.argv[2], "w", encoding="utf-8"))
END
expect 0 '' --from hostile.json --report hostile.html
page hostile.html "<b>&\"'\`date\`\$x\\?é" '<script>alert(1)</script> http://example.org' '</ul><i>' 'behind by'

# Raw data that is none: the line is told, and no page is made.
for broken in '' '{' '[]' '{"results": [{}]}' '{"results": [{"suite": "hash"}]}' '{"date": "x' '{"date": "\x"}' \
	'{"results": [{"suite": "a", "unit": "u", "subject": "s"}]}' '{"interrupted": 1}' \
	'{"results": [{"suite": "a", "unit": "u", "subject": "s", "median": 1, "min": 2, "max": 3}]}' \
	'{"results": [{"suite": "a", "unit": "u", "subject": "s", "median": 1, "better": "best"}]}' \
	'{"results": [{"suite": "a", "unit": "u", "subject": "s", "threads": -1}]}' '{"invalid": 1e99}' '{} {}' \
	'{"x": [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}' '{"invalid": nope}'; do
	printf '%s\n' "$broken" >broken.json
	expect 2 'broken.json:[0-9]*: ' --from broken.json --report none.html
	[ ! -e none.html ] || fail "a page from: $broken"
done
expect 2 'nonesuch.json: No such file' --from nonesuch.json
expect 2 '--from' --from raw.json hash
expect 2 '--from' --from raw.json --quick

# What cannot be written is told before anything is measured.
expect 2 'cannot write none/page.html: No such file' hash --report none/page.html
[ ! -s out ] || fail 'it measured before it knew where to'
if [ -c /dev/full ]; then
	expect 2 'cannot write /dev/full: No space left' --from raw.json --report /dev/full
fi
code=0
PATH=/nonexistent "$calm" bench hash --report gone.html >out 2>err || code=$?
[ $code = 2 ] && grep -q gnuplot-nox err || fail "without gnuplot: exit $code, 2 and gnuplot-nox expected"
[ ! -s out ] && [ ! -e gone.html ] || fail 'without gnuplot: it began'

# The tables of BENCHMARKS.md, twice the same below what stands above.
tool=$(dirname "$0")/../tools/bench-md
case $tool in /*) ;; *) tool=$OLDPWD/$tool ;; esac
printf 'by hand\n' >BENCHMARKS.md
"$tool" --into BENCHMARKS.md raw.json hostile.json >out 2>err || fail 'bench-md'
cp BENCHMARKS.md first.md
"$tool" --into BENCHMARKS.md raw.json hostile.json >out 2>err && cmp first.md BENCHMARKS.md || fail 'bench-md, again'
grep -q '^by hand$' first.md && grep -q '^### Where calm loses$' first.md && grep -q '^| calm lockmap | ' first.md ||
	fail 'bench-md: something is missing'
