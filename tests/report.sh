#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# `calm bench --report`: report.sh CALM. The page is whole, balanced HTML that loads nothing, with plots and every subject;
# raw data shows as it was measured; what cannot be written or read is told, and leaves nothing behind.
# shellcheck disable=SC2015
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

# One rule for ties in the table, the page and BENCHMARKS.md; a suite that this build does not know is shown too.
tools=$(dirname "$0")/../tools
case $tools in /*) ;; *) tools=$OLDPWD/$tools ;; esac
python3 - "$tools" <<'END' || fail 'columns for the ties'
import json, sys
def row(workload, unit, subject, median, spread, better="more"):
    return {"suite": "later", "workload": workload, "what": "", "keys": "", "entries": 10, "threads": 1, "subject": subject,
            "unit": unit, "median": median, "min": median - spread / 2, "max": median + spread / 2, "better": better,
            "repeats": 5}
spreads = {"quiet": ("ns", 0.1), "steady": ("ns", 10), "edge": ("ns", 30), "loud": ("ns", 90), "calm%": ("%", 0.1),
           "mild%": ("%", 7), "loud%": ("%", 40)}
results = [row(name, unit, subject, median, spread, "less") for name, (unit, spread) in spreads.items()
           for subject, median in (("calm lockmap", 100), ("other", 80), ("third", 75), ("floor", 1))]
json.dump({"results": results, "notes": [{"suite": "new", "text": "only a note"}], "missing": "Go sync.Map (golang-go)",
           "interrupted": True}, open("ties.json", "w"))
END
expect 0 '' --from ties.json --report ties.html
for line in 'tie within * 3%  *12%  *30%  *30%  *1 pt  *7 pt  *10 pt *$' 'noisy, with a spread of  *38%  *112%  *40 pt *$' \
	"calm's rank * 3  *3  *2  *2  *3  *3  *3 *$" '^missing: Go sync.Map (golang-go)$' '^interrupted: ' '^new: only a note$'; do
	grep -q "$line" out || fail "the table has no '$line'"
done
page ties.html later new 'only a note' 'Go sync.Map (golang-go)' 'Interrupted: '
python3 - "$tools" <<'END' || fail 'the tools, the table and the page do not call the same a tie'
import json, re, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import bench_raw
told, spreads = {}, ""
for line in open("out", encoding="utf-8"):
    told.update({line[:10]: line})
page = re.search(r"tie within</th>(.*?)</tr>", open("ties.html", encoding="utf-8").read(), re.S)[1].replace("\u202f", " ")
cells = [re.sub("<small>", ", ", re.sub("</?td>|</small>", "", cell)) for cell in page.split("</td>")[:-1]]
columns = [bench_raw.ranked(column) for _, column in bench_raw.groups(bench_raw.load("test", "ties.json")["results"], "workload")]
expected = []
for maps in columns:
    within, spread, noisy = bench_raw.tie(maps)
    factor, unit = (1, "pt") if bench_raw.in_points(maps) else (100, "%")
    expected.append(f"{factor * within:.0f} {unit}" + f", noisy: {factor * spread:.0f} {unit}" * noisy)
assert cells == expected, (cells, expected)
for cell, word in zip(expected, re.findall(r"\d+(?:%| pt)", told["tie within"])):
    assert word.replace("%", " %") == cell.split(",")[0], (word, cell)
END

# The tables of BENCHMARKS.md: between the lines, and twice the same.
printf 'by hand\n<!-- begin: made by tools/bench-md -->\nold\n<!-- end: made by tools/bench-md -->\nbelow\n' >BENCHMARKS.md
"$tools/bench-md" --into BENCHMARKS.md raw.json hostile.json ties.json >out 2>err || fail 'bench-md'
cp BENCHMARKS.md first.md
"$tools/bench-md" --into BENCHMARKS.md raw.json hostile.json ties.json >out 2>err && cmp first.md BENCHMARKS.md ||
	fail 'bench-md, again'
for line in '^by hand$' '^below$' '^### Where calm loses$' '^| calm lockmap | ' '^Missing: Go sync.Map' '^\*\*Interrupted' \
	', noisy: 40 pt |' '^| later: loud%, %; 10 entries, 1 thread | 25.00 apart, noisy | calm lockmap 100.0 '; do
	grep -q -- "$line" first.md || fail "bench-md: no '$line'"
done
! grep -q '^old$' first.md || fail 'bench-md: something old is left'

# misuse TOOL TEXT ARGUMENT...: exits 2 and says TEXT.
misuse() {
	tool=$1 text=$2 code=0
	shift 2
	"$tools/$tool" "$@" >out 2>err || code=$?
	[ $code = 2 ] && grep -q "$text" err || fail "$tool $*: exit $code, 2 and '$text' expected"
}
printf 'no marks\n' >plain.md
misuse bench-md "plain.md: no line '<!-- begin" --into plain.md raw.json
misuse bench-md 'usage'
misuse bench-md 'nonesuch.json: No such file' nonesuch.json
printf '{\n"results": nope}\n' >broken.json
misuse bench-md 'broken.json:2: ' broken.json
printf '{"results": [{"suite": "a", "median": 1}]}\n' >broken.json
misuse bench-agree "broken.json: result 1: no 'workload'" broken.json raw.json
misuse bench-agree 'usage' raw.json
misuse bench-agree 'in common' raw.json ties.json

# Two runs: the same order, with what is closer than a tie; and a pair that swaps with ranges apart.
python3 - <<'END'
import copy, json
data = json.load(open("ties.json", encoding="utf-8"))
def other(name, medians):
    changed = copy.deepcopy(data)
    for result in changed["results"]:
        if (result["workload"], result["subject"]) in medians:
            shift = medians[result["workload"], result["subject"]] - result["median"]
            for field in ("median", "min", "max"):
                result[field] += shift
    json.dump(changed, open(name, "w"))
other("agrees.json", {("quiet", "third"): 81, ("loud", "third"): 300, ("loud", "calm lockmap"): 60, ("quiet", "floor"): 500})
other("swaps.json", {("quiet", "calm lockmap"): 50, ("loud", "calm lockmap"): 50})
END
code=0
"$tools/bench-agree" ties.json agrees.json >out 2>err || code=$?
[ $code = 0 ] && grep -q '^7 columns in both (0 and 0 in one only), 21 pairs of maps: .* 0 swapped$' out || fail 'two runs that agree'
code=0
"$tools/bench-agree" ties.json swaps.json >out 2>err || code=$?
[ $code = 1 ] && [ "$(grep -c ' swap$' out)" = 2 ] || fail "two runs that do not agree: exit $code"
grep -q '^later: quiet, ns; 10 entries, 1 thread: calm lockmap and other swap$' out &&
	grep -q '^  swaps.json: calm lockmap 50.00 (49.95 to 50.05), then other 80.00 ' out || fail 'the pair that swaps is not told'
