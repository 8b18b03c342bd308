# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
"""Run inside gdb, after calm-gdb.py: goes through the cores that a file lists and judges what calm-gdb.py says of each.

Names say what a core is: KIND.KEYS.CLASS.SEED.core of tests/debugger/victim.c, or lab.CASE-VARIANT-N.core of calm lab. Prints a
line for each that is misjudged, and "counted CLASS RIGHT ALL" for each class.
"""
import collections
import os
import pathlib
import re
import traceback

import gdb

CORES = [pathlib.Path(line) for line in pathlib.Path(os.environ["CALM_CORES"]).read_text(encoding="utf-8").split()]
# Whose function must be named.
FAULTS = {"uaf": "walk_chain", "rcu": "use", "refcount": "drop", "resize": "walk_tables"}


def say(command):
    return gdb.execute(command, to_string=True)


def judge_pointer(kind, keys, wanted):
    out = say("calm pointer (unsigned long)truth")
    found = re.match(r"0x[0-9a-f]+ (\w+): (.*)", out)
    if not found or found[1] != wanted:
        return f"says {out.strip()!r}"
    if wanted == "retired" and "waiting for thread" not in found[2]:
        return f"does not say who is in the way: {out.strip()!r}"
    if wanted in ("live", "image") and kind not in found[2]:
        return f"names no map: {out.strip()!r}"
    return judge_healthy(kind)


def judge_healthy(kind):
    verdict = say("calm verdict").strip()
    if verdict:
        return f"a false verdict: {verdict!r}"
    check = say("calm check")
    if "BROKEN" in check or kind not in check:
        return f"check says {check!r}"
    return None


def judge_broken(kind):
    asked = int(gdb.parse_and_eval("(unsigned long)asked"))
    for line in say("calm check").splitlines():
        if line.startswith(kind) and line.endswith(": BROKEN") != (f"{asked:#x}" in line):
            return f"says {line!r} of {'the broken map' if f'{asked:#x}' in line else 'the other'}"
    return None if "BROKEN" in say("calm check asked") else "says nothing"


def judge_commands(kind, keys):
    """The other commands, for their form."""
    listed = say("calm maps")
    if listed.count(kind) != 2:
        return f"calm maps: {listed!r}"
    if kind not in say("calm map asked"):
        return "calm map says nothing of it"
    key = "truth_key" if keys == "word" else '"key %d"' % int(gdb.parse_and_eval("truth_key"))
    if " is in " not in say(f"calm bucket asked {key}"):
        return "calm bucket does not find the key"
    absent = "999999" if keys == "word" else '"no key"'
    if " is not in " not in say(f"calm bucket asked {absent}"):
        return "calm bucket finds what is not there"
    if "thread 1" not in say("calm threads"):
        return "calm threads lists none"
    if kind not in say("print *asked"):
        return "the printer of a map does not name its kind"
    if kind == "hashmap":
        table = "((struct calm__hash_table *)((struct calm__hashmap *)asked)->table)"
        if ", stamp " not in say(f"print {table}->lines[0]"):
            return "the printer of a bucket does not show its stamp"
    return None


def judge_lab(case):
    verdict = say("calm verdict")
    if "freed" not in verdict or FAULTS[case] not in verdict:
        return f"says {verdict.strip()!r}"
    return None


def judge(core):
    if core.name.startswith("lab."):
        case = core.name.split(".")[1].split("-")[0]
        return f"lab-{case}", judge_lab(case)
    kind, keys, wanted, seed, _ = core.name.split(".")
    if wanted == "broken":
        return wanted, judge_broken(kind)
    if wanted == "busy":
        return wanted, judge_pointer(kind, keys, "live")
    return wanted, judge_pointer(kind, keys, wanted) or (judge_commands(kind, keys) if seed == "1" else None)


def main():
    right, all_ = collections.Counter(), collections.Counter()
    for core in CORES:
        program = os.environ["CALM_LAB_VICTIM" if core.name.startswith("lab.") else "CALM_VICTIM"]
        if gdb.current_progspace().filename != program:
            say(f"file {program}")
        say(f"core-file {core}")
        try:
            name, wrong = judge(core)
        except Exception:  # what the script raises is a wrong answer
            name, wrong = "raised", traceback.format_exc()
        all_[name] += 1
        right[name] += wrong is None
        if wrong:
            print(f"{core.name}: {wrong}")
    for name in sorted(all_):
        print(f"counted {name} {right[name]} {all_[name]}")


main()
