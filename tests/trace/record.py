#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
"""calm trace from end to end: record.py CALM TRACED TRACED_SHARED DIRECTORY. What traced.c does is known, so what the recording
must say is known: counted events, losses to the last one, how it ended, and for three kinds of map a traversal that a slow
reclamation overlapped."""
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys

calm, traced, traced_shared, work = sys.argv[1:]
FLOOD = 50000  # of traced.c
RING = 8192  # of cli/trace/agent/shared.h
failed = 0


def check(what, good, more=""):
    global failed
    if not good:
        failed += 1
        print(f"FAILED: {what}: {more}")


def trace(*arguments, status=0):
    """What calm trace printed, and said."""
    done = subprocess.run([calm, "trace", *arguments], capture_output=True, text=True, timeout=100, check=False)
    check(f"{arguments}: exit status", done.returncode == status, f"{done.returncode}: {done.stderr}")
    return done.stdout, done.stderr


def recorded(*command):
    """The summary of a program that prints nothing."""
    out, said = trace("--json", "-o", "page.html", *command)
    return json.loads(out), said


def traversals(summary):
    return summary["spans"]["traversal"]["whole"]


def whole(program):
    summary, _ = recorded("--", program, "fork")
    check(f"{program}: the parent's seven traversals, and no child's", traversals(summary) == 7, traversals(summary))
    check("nothing lost", summary["events_lost"] == summary["threads_lost"] == 0, summary)
    check("an event costs something", 0 < summary["event_cost_ns"] < 1000, summary["event_cost_ns"])


def losses():
    summary, _ = recorded("--", traced, "flood")
    thread = summary["threads"][0]
    check("what found no room is counted", thread["events_lost"] >= 2 * FLOOD - RING, thread)
    # Each traversal has two events; sections come as bursts, of 100 us at least.
    all_of_it = thread["events"] + thread["events_lost"]
    check("every event is there or counted", 2 * FLOOD + 14 <= all_of_it < 2.2 * FLOOD + 100, thread)
    # A map's creation is in the ring, and no event. On a busy machine the recorder may come too late for the last seven.
    check("a ring's worth is kept", RING - 1 <= thread["events"] < RING + 100, thread)


def many_threads():
    summary, _ = recorded("--", traced, "threads")
    # More than there are slots. On a busy machine the recorder may be too late for some: they have no slot, and are counted.
    lost = summary["threads_lost"]
    check("each of 801 threads has its line, or is counted", len(summary["threads"]) + lost == 801, (len(summary["threads"]), lost))
    check("ten traversals of each", traversals(summary) == 10 * (len(summary["threads"]) - 1) and summary["events_lost"] == 0,
          (traversals(summary), summary["events_lost"]))


def interrupted(page, most=None):
    """A program that is ended by ^C; the page may come to so many bytes."""
    with subprocess.Popen([calm, "trace", "--json", "-o", page, "--", traced, "interrupted"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, restore_signals=False) as child:
        check("the program runs", child.stdout.readline() == "ready\n")
        if most is not None:
            resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (most, most))
        os.kill(child.pid, signal.SIGINT)
        out, said = child.communicate(timeout=60)
    return child.returncode, out, said


def ends():
    summary, said = recorded("--", traced, "crash")
    check("a crash leaves a recording", summary["signal"] == signal.SIGSEGV and traversals(summary) == 100, summary["signal"])
    check("and is told of", "signal 11" in said, said)

    # A shell that runs something else first, and does not exec.
    summary, _ = recorded("sh", "-c", f"true; {traced} fork; exit 3")
    check("the first process that uses calm", traversals(summary) == 7 and summary["exit_status"] == 3, summary["exit_status"])

    status, summary, _ = interrupted("page.html")
    summary = json.loads(summary)
    check("^C is the program's", status == 0 and summary["exit_status"] == 0 and traversals(summary) == 1, summary)

    summary, said = recorded("--", traced, "profiles")
    check("SIGPROF is the program's if it wants it", summary["exit_status"] == 0 and "SIGPROF" in said, said)


def misuse():
    for arguments, reason in ((["--"], "a program is wanted"), (["--slow-reclaim", "0", "true"], "from 1 to 1000"),
                              (["--events", "x", "true"], "whole number"), (["/nowhere/at/all"], "No such file"),
                              (["true"], "no probes of calm"), (["-o", "/nowhere/page", "--", traced, "fork"], "No such file"),
                              (["-o", "/dev/full", "--", traced, "fork"], "No space left"),
                              (["--unknown"], "unrecognized option")):
        out, said = trace(*arguments, status=2)
        check(f"{arguments}: says why", reason in said, said)
    with open("kept.html", "w", encoding="utf-8") as file:
        file.write("as it was")
    status, _, said = interrupted("kept.html", most=4096)
    check("a full disk is told of", status == 2 and "'kept.html': File too large" in said, said)
    with open("kept.html", encoding="utf-8") as file:
        check("and leaves what was there", file.read() == "as it was")
    out, _ = trace("--help")
    check("--help", out.startswith("usage: calm trace"))
    check("nothing half written stays", not [name for name in os.listdir(".") if re.search(r"\.html\.\w{6}$", name)])


def slow_reclaim():
    out, _ = trace("--slow-reclaim", "5", "-o", "slow.html", "--perfetto", "slow.json", "--pprof", "slow.pb",
                   "--", traced_shared, "maps")
    with open("slow.html", encoding="utf-8") as file:
        page = file.read()
    for kind in ("hashmap", "treemap", "syncmap"):
        line = re.search(rf"  traversal \d+ \(each of {kind} [^)]*\) overlapped reclaim \d+ "
                         r"\(.*?, thread [^)]*?, ([\d.]+) ms\) for [\d.]+ (us|ms)\n", out)
        check(f"{kind}: a traversal that a reclamation of 5 ms overlapped is printed",
              line is not None and float(line[1]) >= 5, out)
        check(f"{kind}: its map is in the page", f'"kind":"{kind}"' in page)
    with open("slow.json", encoding="utf-8") as file:
        events = json.load(file)["traceEvents"]
    slow = [event for event in events if event.get("name", "").startswith("reclaim") and event.get("dur", 0) >= 5000]
    check("three slow reclamations or more in the Perfetto file", len(slow) >= 3, len(slow))
    check("samples were taken", re.search(r" [1-9]\d* samples of", out) is not None, out)
    if shutil.which("go"):
        done = subprocess.run(["go", "tool", "pprof", "-top", "slow.pb"], capture_output=True, text=True, check=False)
        check("go tool pprof reads it", done.returncode == 0 and re.search(r"flat%", done.stdout) is not None, done.stderr)


shutil.rmtree(work, ignore_errors=True)
os.makedirs(work)
os.chdir(work)
whole(traced)
whole(traced_shared)
losses()
many_threads()
ends()
misuse()
slow_reclaim()
sys.exit(1 if failed else 0)
