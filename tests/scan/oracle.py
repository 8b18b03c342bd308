#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
"""calm scan's reading of //go:linkname against Go's own parser (oracle/main.go), over any trees: oracle.py CALM FOLDER...

Precision and recall of what is a directive, by file, line and target. Without a go command: exit 77.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

MINOR = 26
PULLS, PUSHES = {"GO01", "GO02", "GO03", "GO05", "GO06"}, {"GO04"}


def main(calm, *folders):
    go = shutil.which("go")
    if not go or not folders:
        print("skipped: no go command" if not go else "skipped: no folders to compare over")
        return 77
    with tempfile.TemporaryDirectory() as name:
        env = dict(os.environ, GOTOOLCHAIN="local", GOCACHE=name + "/cache", GOFLAGS="", GO111MODULE="off")
        oracle = pathlib.Path(__file__).parent / "oracle" / "main.go"
        subprocess.run([go, "build", "-o", name + "/oracle", str(oracle)], env=env, check=True)
        truth = subprocess.run([name + "/oracle", str(MINOR), *folders], stdout=subprocess.PIPE, text=True, check=True)
    lines = [line.rsplit(" ", 2) for line in truth.stdout.splitlines()]
    pulls = {(place, target) for place, target, kind in lines if kind == "pull"}
    pushes = {(place, target) for place, target, kind in lines if kind == "push"}
    done = subprocess.run([calm, "scan", "--go", f"1.{MINOR}", "--format", "json", *folders], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True)
    findings = [f for f in json.loads(done.stdout)["findings"] if f["file"].endswith(".go")]
    found = {(f'{f["file"]}:{f["line"]}', f["symbol"]) for f in findings if f["rule"] in PULLS}
    given = {(f'{f["file"]}:{f["line"]}', f["symbol"]) for f in findings if f["rule"] in PUSHES}
    for place, target in sorted(found - pulls):
        print(f"only calm: {place} {target}")
    for place, target in sorted(pulls - found):
        print(f"only Go: {place} {target}")
    for place, target in sorted(given - pushes):
        print(f"no push: {place} {target}")
    both = len(found & pulls)
    print(f"{len(pulls)} pulls: precision {both / max(1, len(found)):.3f}, recall {both / max(1, len(pulls)):.3f}; "
          f"{len(given)} bodies for std's names, {len(given & pushes)} of them pushes by Go's parser")
    return 0 if found == pulls and given <= pushes else 1


sys.exit(main(*sys.argv[1:]))
