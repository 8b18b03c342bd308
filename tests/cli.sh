#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# The calm command from outside: cli.sh PROGRAM. Each line of a failure names what was run; exit 1 if there is any.
set -u
calm=$1
folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
cd "$folder" || exit 2
unset NO_COLOR
export LC_ALL=C
failures=0 checks=0

fail() {
	printf 'FAILED: %s\n' "$*"
	sed 's/^/  out: /' out | head -n 20
	sed 's/^/  err: /' err | head -n 20
	failures=$((failures + 1))
}

# expect CODE TEXT ARGUMENT...: runs calm; TEXT is a regular expression for out or err, empty: none wanted.
expect() {
	code=$1 text=$2
	shift 2
	checks=$((checks + 1))
	"$calm" "$@" >out 2>err </dev/null
	got=$?
	[ $got = "$code" ] || { fail "calm $*: exit $got, not $code"; return 1; }
	[ -z "$text" ] || cat out err | grep -qe "$text" || { fail "calm $*: no '$text'"; return 1; }
	# What is refused says so on stderr alone.
	[ "$code" != 2 ] || [ -s err ] || fail "calm $*: exit 2 without a word on stderr"
}

# said CODE TEXT WHAT: judges what was just run into out and err by hand.
said() {
	got=$? code=$1 text=$2
	shift 2
	checks=$((checks + 1))
	[ $got = "$code" ] || { fail "$*: exit $got, not $code"; return 1; }
	cat out err | grep -qe "$text" || fail "$*: no '$text'"
}

seq 400 >keys

# The command line.
expect 0 '^calm [0-9]*\.[0-9]*\.[0-9]*$' --version
expect 0 '^usage: calm COMMAND' --help
expect 0 '^usage: calm COMMAND' help
expect 0 '^usage: calm COMMAND' help help
expect 0 '^usage: calm COMMAND' help --help
for command in $("$calm" help | sed -n 's/^  \([a-z]*\) .*/\1/p' | grep -v '^help$'); do
	expect 0 "^usage: calm $command" help "$command"
	expect 0 "^usage: calm $command" "$command" --help
done
expect 2 '^usage: calm COMMAND'
expect 2 "'nonsense' is no command" nonsense
expect 2 "'nonsense' is no command" help nonsense
expect 2 'unrecognized option' --nonsense
expect 2 'one command at a time' help walk walk

# Options.
for option in --seconds=3x --seconds=0 --seconds=-1 --seconds= --seconds=. --seconds=nan --seconds=1e3 --seconds=86401 \
	--seconds=' 1' --writers=0 --writers=3x --writers=-1 --writers= --writers=1025 --walkers=0 --walkers=1025 \
	--walkers=99999999999999999999; do
	expect 2 "${option%%=*} '${option#*=}': " walk keys "$option"
done
expect 2 "'foo' is no kind of map" walk keys --map foo
expect 2 "'' is empty" walk keys --map syncmap,
expect 2 'requires an argument' walk keys --map
expect 2 'unrecognized option' walk keys --nonsense
expect 2 "--plant 'none'" walk keys --plant none
expect 2 'one FILE at a time' walk keys keys
expect 2 'left out' walk keys --map syncmap --plant load

# Files.
printf 'a\nb\0c\nd\n' >nul
: >empty
printf '\n\r\n\n' >blank
printf 'a\nb\tvalue\n\na\nc\r\nlast' >odd
printf 'one\n' >one
mkdir folder
{ head -c 10000000 /dev/zero | tr '\0' x; echo; seq 20; } >long
expect 2 'missing: .*No such file' walk missing
expect 2 'folder: is a directory' walk folder
expect 2 'nul:2: a NUL byte' walk nul
expect 2 'empty: ' walk empty
expect 2 'blank: no keys' walk blank
expect 2 'each must own a key' walk one
if [ "$(id -u)" != 0 ]; then
	cp keys unreadable && chmod 0 unreadable
	expect 2 'unreadable: .*Permission denied' walk unreadable
fi
expect 0 'odd: 4 keys; 1 line repeated a key.*; 1 empty line' walk odd --seconds 0.1
expect 0 'one: 1 keys' walk one --writers 1 --walkers 1 --seconds 0.1
expect 0 'long: 21 keys' walk long --seconds 0.1 --map syncmap
"$calm" walk - --seconds 0.1 <keys >out 2>err
said 0 'standard input: 400 keys' 'calm walk - <keys'
"$calm" walk - <&- >out 2>err
said 2 'standard input: ' 'calm walk - <&-'

# A run: a row for each kind, nothing but ASCII without escapes, and the exit code of interruption.
expect 0 '^lockmap .* 0$' walk keys --seconds 0.3 --map all
grep -q '^syncmap .* 0$' out || fail 'walk --map all: no row for syncmap'
grep -q "$(printf '\033')" out err && fail 'escape codes in a pipe'
[ ! -s err ] || fail 'walk: something on stderr'
if command -v timeout >/dev/null; then
	timeout --preserve-status -s INT 2 "$calm" walk keys --seconds 60 --map syncmap >out 2>err
	said 130 'interrupted: syncmap ran' 'calm walk, interrupted'
fi

# JSON.
name=$(printf 'we"ird\\\377\033\n\303\251')
cp keys "./$name"
expect 0 '"file":"./we\\"ird\\\\\\ufffd\\u001b\\u000a' walk --json --seconds 0.3 "./$name"
grep -q "$(printf '\303\251')" out || fail 'walk --json: a UTF-8 name was changed'
[ "$(wc -l <out)" = 1 ] || fail 'walk --json: more than a line'
for field in command file keys repeated writers walkers seconds cores results map traversal traversals traversals_per_s \
	p50_ms p99_ms max_ms writes_per_s_alone writes_per_s_beside writes_lost_percent bytes_per_entry violations; do
	grep -q "\"$field\":" out || fail "walk --json: no $field"
done
if python3 -c '' 2>/dev/null; then
	python3 -m json.tool <out >/dev/null 2>err || fail 'walk --json: no JSON'
	# shellcheck disable=SC1003 # a backslash is meant
	printf '%s\t1\n' a 'q"\' "$(printf '\377\001')" z >strange
	expect 1 '' walk --json --seconds 0.2 --plant twice strange
	python3 -m json.tool <out >/dev/null 2>err || fail 'walk --json with violations: no JSON'
fi

# The checker bites: plant, kind of map, what it must be called.
while read -r plant kind fault; do
	expect 1 "^  \\($fault\\): .* times\$" walk keys --seconds 0.3 --map "$kind" --plant "$plant"
	expect 0 "^  $plant " walk --help
done <<'END'
twice lockmap twice
twice syncmap twice
twice shardmap twice
twice cowmap twice
missing lockmap untouched
missing syncmap untouched
lost lockmap prefix
lost syncmap lost
lost shardmap lost
torn lockmap new\|prefix
torn cowmap new\|prefix
torn syncmap new
old lockmap old\|prefix
old syncmap old
alien lockmap alien
alien syncmap alien
crossed lockmap alien
crossed syncmap alien
reread lockmap reread
load lockmap load
END

# Output that cannot be written.
if [ -c /dev/full ]; then
	for arguments in --version help 'walk --help' 'walk keys --seconds 0.1' 'walk keys --seconds 0.1 --json'; do
		: >out
		# shellcheck disable=SC2086 # words on purpose
		"$calm" $arguments >/dev/full 2>err
		said 2 'cannot write to standard output' "calm $arguments >/dev/full"
	done
fi
"$calm" walk keys --seconds 0.1 >&- 2>err
said 2 'cannot write to standard output' 'calm walk >&-'

# No memory; sanitizers reserve more than any limit, and say so themselves.
if ! grep -q '__[at]san_init' "$calm"; then
	# shellcheck disable=SC3045 # dash and bash have it
	(ulimit -v 36000 && exec "$calm" walk long) >out 2>err
	said 2 'no memory\|out of memory' 'calm walk long, with 36 MB'
fi

printf '%s checks, %s failed\n' $checks $failures
[ $failures = 0 ]
