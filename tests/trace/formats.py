#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
"""What calm trace writes, read back: Perfetto's JSON by json, pprof's profiles by a reader made from profile.proto's text and, where Go
is installed, by go tool pprof. Usage: formats.py TRACE_FORMATS"""
import collections
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile


def check(what, good):
    if not good:
        sys.exit(f"formats.py: {what}")


# ---- Perfetto ----

def check_perfetto(path, expected):
    with open(path, encoding="utf-8") as file:
        trace = json.load(file)
    events = [event for event in trace["traceEvents"] if event["ph"] != "M"]
    times = [event["ts"] for event in events]
    check(f"{path}: times not in order", times == sorted(times))
    kinds = collections.Counter(event["cat"] for event in events if event["ph"] in "Xb")
    check(f"{path}: spans {kinds}", {kind: kinds[kind] for kind in expected["spans"]} == expected["spans"])
    check(f"{path}: kinds {kinds}", set(kinds) <= set(expected["spans"]))
    phases = collections.Counter(event["ph"] for event in events)
    check(f"{path}: phases {phases}", phases["i"] == expected["marks"] and phases["C"] == 2 * expected["bursts"]
          and phases["b"] == phases["e"])
    # On a thread's track, a slice that begins in another ends in it; b and e pair up, by category and id.
    tracks, open_spans, begun = collections.defaultdict(list), collections.Counter(), {}
    for event in events:
        if event["ph"] == "X":
            begin = round(event["ts"] * 1000)
            end, track = begin + round(event["dur"] * 1000), tracks[event["tid"]]
            while track and track[-1] <= begin and not (track[-1] == begin == end):
                track.pop()
            check(f"{path}: slices cross: {event}", not track or end <= track[-1])
            track.append(end)
        elif event["ph"] in "be":
            key = (event["cat"], event["id"])
            open_spans[key] += 1 if event["ph"] == "b" else -1
            check(f"{path}: {key} ends before it begins", open_spans[key] >= 0)
    check(f"{path}: {open_spans} do not end", not any(open_spans.values()))
    names = {event["tid"]: event["args"]["name"] for event in trace["traceEvents"] if event["name"] == "thread_name"}
    check(f"{path}: threads {names}", names == {1: "main", 2: "writer-0", 3: "walker-0", 4: '"\\\ufffd\u0001é'})
    overlaps = [event["args"]["overlaps"] for event in events if "overlaps" in event.get("args", {})]
    check(f"{path}: overlaps", bool(overlaps) == (expected["overlaps"] > 0))
    check(f"{path}: an overlap's text", all(re.search(r"^\w+ \d+ \(.*\) for [\d.]+ [mun]?s$", line)
                                            for lines in overlaps for line in lines))
    for identity, frame in trace["stackFrames"].items():
        check(f"{path}: frame {identity}", "parent" not in frame or int(frame["parent"]) < int(identity))
    check(f"{path}: samples", all(sample["sf"] in trace["stackFrames"] for sample in trace["samples"]))
    return len(trace["samples"])


# ---- pprof ----

def fields(data):
    """The fields of a protobuf message: number, and an int or bytes."""
    at = 0

    def varint():
        nonlocal at
        number, shift = 0, 0
        while True:
            byte = data[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while at < len(data):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        else:
            check(f"wire type {tag & 7}", tag & 7 == 2)
            size = varint()
            check("a message ends early", at + size <= len(data))
            at += size
            yield tag >> 3, data[at - size : at]


def message(data):
    out = collections.defaultdict(list)
    for number, value in fields(data):
        out[number].append(value)
    return out


def packed(chunks):
    """Packed varints, which are fields without tags: give each one."""
    numbers, number, shift = [], 0, 0
    for byte in b"".join(chunks):
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(number)
            number, shift = 0, 0
    check("half a number", shift == 0)
    return numbers


def one(out, number):
    check(f"field {number} is there {len(out[number])} times", len(out[number]) <= 1)
    return out[number][0] if out[number] else 0


def check_profile(path, expected):
    with gzip.open(path) as file:
        profile = message(file.read())
    strings = [text.decode("utf-8") for text in profile[6]]
    check(f"{path}: strings", strings[0] == "" and len(set(strings)) == len(strings))
    types = [[strings[one(message(it), field)] for field in (1, 2)] for it in profile[1]]
    check(f"{path}: types {types}", types == [["samples", "count"], ["cpu", "nanoseconds"]])
    mappings = {one(message(it), 1): message(it) for it in profile[3]}
    check(f"{path}: mappings", len(mappings) == expected["modules"] and sorted(mappings) == list(range(1, len(mappings) + 1)))
    check(f"{path}: build ids", all(strings[one(it, 6)] == "00112233445566778899" for it in mappings.values()))
    functions = {one(message(it), 1): message(it) for it in profile[5]}
    locations = {}
    for it in map(message, profile[4]):
        lines = [(strings[one(functions[one(line, 1)], 2)], one(line, 2)) for line in map(message, it[4])]
        mapping = one(it, 2)
        if mapping:
            check(f"{path}: an address outside of its mapping", one(mappings[mapping], 2) <= one(it, 3) < one(mappings[mapping], 3))
        locations[one(it, 1)] = lines
    files = {strings[one(it, 4)] for it in functions.values() if strings[one(it, 2)].startswith("own_")}
    check(f"{path}: source files {files}", not expected["names"] or all(name.endswith("/modules.c") for name in files))
    total, by_thread, within, stacks = 0, collections.Counter(), 0, set()
    for it in map(message, profile[2]):
        count, cpu = packed(it[2])
        check(f"{path}: processor time", cpu == count * expected["sample_ns"])
        labels = {strings[one(label, 1)]: strings[one(label, 2)] for label in map(message, it[3])}
        check(f"{path}: labels {labels}", set(labels) <= {"thread", "span"} and labels.get("span", "traversal") == "traversal")
        total += count
        by_thread[labels["thread"]] += count
        within += count if "span" in labels else 0
        stacks.add(tuple(line for location in packed(it[1]) for line in locations[location]))
    check(f"{path}: {total} samples", total == expected["samples"])
    check(f"{path}: {within} in traversals", within == expected["in_traversals"])
    check(f"{path}: threads {by_thread}", total == 0 or 'thread 4 "\\\\xff\\x01é' in by_thread)
    numbers = [by_thread[name] for name in sorted(by_thread)]
    check(f"{path}: by thread {by_thread}", numbers == [n for n in expected["threads"] if n])
    if expected["names"] and total:
        inlined = tuple(zip(("own_inner", "own_middle", "own_outer"), expected["lines"]))
        check(f"{path}: no inlined functions in {stacks}", any(inlined == stack[i : i + 3] for stack in stacks for i in range(len(stack))))
        check(f"{path}: no unknown place", (("[unknown]", 0),) in stacks)
    return total


def check_by_go(path, expected):
    """go tool pprof's total, its traces', and its tags' must be what was recorded."""

    def pprof(*arguments):
        return subprocess.run(["go", "tool", "pprof", *arguments, path], check=True, capture_output=True, text=True,
                              errors="replace", env={**os.environ, "PPROF_TMPDIR": os.path.dirname(path)}).stdout

    top = pprof("-top", "-sample_index=samples", "-nodecount=1000", "-nodefraction=0")
    total = re.search(r"of (\d+) total", top)
    flat = sum(int(number) for number in re.findall(r"^\s*(\d+)\s+[\d.]+%", top, re.M))
    check(f"{path}: go tool pprof -top says\n{top}", total and int(total[1]) == flat == expected["samples"])
    if expected["names"]:
        check(f"{path}: go tool pprof -top knows no inlined function:\n{top}", re.search(r"own_inner.*\(inline\)", top))
    traces = pprof("-traces", "-sample_index=samples")
    check(f"{path}: go tool pprof -traces", sum(map(int, re.findall(r"^\s+(\d+)   \S", traces, re.M))) == expected["samples"])
    tags = pprof("-tags", "-sample_index=samples")
    check(f"{path}: go tool pprof -tags says\n{tags}", re.search(rf"^ span: Total {expected['in_traversals']}\b", tags, re.M)
          and re.search(rf"^ thread: Total {expected['samples']}\b", tags, re.M))


# ---- the summary ----

def check_summary(path, expected):
    with open(path + ".summary.json", encoding="utf-8") as file:
        summary = json.load(file)
    with open(path + ".txt", encoding="utf-8") as file:
        text = file.read()
    spans = {kind: it["whole"] + it["not_whole"] for kind, it in summary["spans"].items()}
    check(f"{path}: summary's spans {spans}", spans == expected["spans"])
    check(f"{path}: spans not whole", sum(it["not_whole"] for it in summary["spans"].values()) == expected["cut"])
    check(f"{path}: summary's samples", [it["samples"] for it in summary["threads"]] == expected["threads"])
    check(f"{path}: summary's overlaps", len(summary["overlaps"]) == expected["overlaps"]
          and summary["overlaps_left_out"] == expected["left_out"])
    lengths = [(it["elsewhere"], -it["us"]) for it in summary["overlaps"]]
    check(f"{path}: summary's longest overlap", lengths == sorted(lengths))
    check(f"{path}: summary's files", summary["files"] == ["a.html", 'a "b"\n.json'])
    check(f"{path}: control characters in the text", not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text))
    lines = re.findall(r"^  traversal \d+ \(.*\) overlapped \w+ \d+ \(.*\) for [\d.]+ [mun]?s", text, re.M)
    # The longest of each map and kind is among them.
    kinds = {(it["traversal"].get("map"), it["other"]["kind"]) for it in summary["overlaps"] if not it["elsewhere"]}
    check(f"{path}: overlaps in the text:\n{text}", len(lines) == max(len(kinds), min(10, expected["overlaps"])))
    check(f"{path}: each kind in the text:\n{text}", all(
        any((kind_map is None or f" of {kind_map}" in line) and f" overlapped {kind} " in line for line in lines)
        for kind_map, kind in kinds))
    said = re.search(r"^What went on .* \((\d+) of (\d+)\):$", text, re.M)
    numbers = tuple(map(int, said.groups())) if said else (0, 0)
    check(f"{path}: overlaps in the text:\n{text}", numbers == (len(lines), expected["overlaps"] + expected["left_out"])
          and len(lines) >= min(10, expected["overlaps"]))
    shown = re.findall(r"^(\w[\w ]*?) +(\d+) +[\d.-]+ ?[mun]?s? +[\d.-]+ ?[mun]?s? +[\d.-]+ ?[mun]?s?  (\d+)$", text, re.M)
    check(f"{path}: spans in the text:\n{text}", {kind: int(whole) + int(cut) for kind, whole, cut in shown}
          == {kind: n for kind, n in expected["spans"].items() if n})


def main(program):
    go = shutil.which("go") is not None
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program, folder], check=True)
        for name in ("empty", "run", "noise"):
            path = os.path.join(folder, name)
            with open(path + ".expected.json", encoding="utf-8") as file:
                expected = json.load(file)
            check_perfetto(path + ".json", expected)
            total = check_profile(path + ".pb.gz", expected)
            if go and total:
                check_by_go(path + ".pb.gz", expected)
            check_summary(path, expected)
            print(f"{name}: {sum(expected['spans'].values())} spans, {total} samples, {expected['overlaps']} overlaps")
    print("read by go tool pprof too" if go else "no Go here: go tool pprof was not asked")


main(sys.argv[1])
