#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
"""calm scan from outside: formats, exit codes, baselines, what it skips, bad input: formats.py CALM.

SARIF is held against its schema where CALM_SARIF_SCHEMA names it and python3-jsonschema is there, and against what
2.1.0 demands of the parts that calm writes everywhere.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

wrong = []


def check(good, what):
    if not good:
        wrong.append(what)


def run(*arguments, code, env=None, cwd=None):
    done = subprocess.run([CALM, "scan", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True, env=env, cwd=cwd, timeout=120)
    check(done.returncode == code, f"{arguments}: exit {done.returncode}, not {code}: {done.stderr[:300]}")
    check("\033" not in done.stdout + done.stderr and "\r" not in done.stderr, f"{arguments}: draws into a pipe")
    return done


def go(*targets):
    lines = [f"//go:linkname f{i} {target}\nfunc f{i}()\n" for i, target in enumerate(targets)]
    return 'package p\n\nimport _ "unsafe"\n\n' + "\n".join(lines)


def sarif(text):
    log = json.loads(text)
    check(log["version"] == "2.1.0" and log["$schema"].endswith("sarif-2.1.0.json"), "SARIF: version and schema")
    for one in log["runs"]:
        rules = one["tool"]["driver"]["rules"]
        check(len({r["id"] for r in rules}) == len(rules) == 22, "SARIF: 22 rules, each once")
        for result in one["results"]:
            check(rules[result["ruleIndex"]]["id"] == result["ruleId"], "SARIF: ruleIndex is its rule")
            check(result["level"] in ("none", "note", "warning", "error"), "SARIF: level")
            for location in result["locations"]:
                region = location["physicalLocation"].get("region", {"startLine": 1, "startColumn": 1})
                check(region["startLine"] >= 1 and region["startColumn"] >= 1, "SARIF: region from 1")
                uri = location["physicalLocation"]["artifactLocation"]["uri"]
                check(uri.isascii() and " " not in uri, f"SARIF: uri {uri}")
    schema = os.environ.get("CALM_SARIF_SCHEMA")
    if schema:
        import jsonschema
        jsonschema.validate(log, json.loads(pathlib.Path(schema).read_text(encoding="utf-8")))
        print("SARIF: valid against its schema")
    return log


def formats(folder):
    odd = folder / "a ä,b:100%\n.go"
    odd.write_text(go("runtime.gosched_m", "runtime.mallocgc"), encoding="utf-8")
    text = run("--go", "1.23", folder, code=1).stdout
    check(":5:1: error: pulls runtime.gosched_m" in text and text.count("[GO0") == 2 and text.count("\n") == 2,
          "gcc: a line a finding, control characters escaped")
    found = json.loads(run("--go", "1.23", "--format", "json", folder, code=1).stdout)["findings"]
    check([sorted(f) for f in found] == [sorted("rule level file line column symbol since message hint".split())] * 2,
          "json: the keys")
    check(found[0]["file"] == str(odd), "json: the file as it is called")
    text = run("--go", "1.23", "--format", "github", folder, code=1).stdout
    check(text.startswith("::error file=") and "%2Cb%3A100%25%0A.go,line=5,col=1,title=calm scan GO01::" in text,
          "github: properties are encoded")
    log = sarif(run("--go", "1.23", "--format", "sarif", folder, code=1).stdout)
    check(len(log["runs"][0]["results"]) == 2, "SARIF: two results")
    sarif(run("--format", "sarif", folder / "none", code=2).stdout)
    for name in ("json", "sarif"):
        (folder / "empty").mkdir(exist_ok=True)
        json.loads(run("--format", name, folder / "empty", code=0).stdout)
    for level, code in (("note", 1), ("warning", 1), ("error", 1), ("never", 0)):
        run("--go", "1.23", "--fail-on", level, folder, code=code)
    odd.write_text(go("runtime.mallocgc"), encoding="utf-8")
    for level, code in (("note", 1), ("warning", 1), ("error", 0)):
        run("--go", "1.23", "--fail-on", level, folder, code=code)


def baseline(folder):
    tree, base = folder / "tree", folder / "base"
    (tree / "sub").mkdir(parents=True)
    source = tree / "sub" / "a.go"
    source.write_text(go("runtime.mallocgc"), encoding="utf-8")
    run("--go", "1.23", "--write-baseline", base, tree, code=0)
    check(base.read_text().count("\n") == 3, "baseline: two lines of head, one finding")
    run("--go", "1.23", "--baseline", base, tree, code=0)
    run("--go", "1.23", "--baseline", base, ".", code=0, cwd=tree)
    source.write_text("// moved down\n\n" + go("runtime.nanotime", "runtime.mallocgc"), encoding="utf-8")
    done = run("--go", "1.23", "--baseline", base, tree, code=1)
    check("nanotime" in done.stdout and "mallocgc" not in done.stdout, "baseline: only what is new, wherever it stands")
    source.rename(tree / "sub" / "b.go")
    run("--go", "1.23", "--baseline", base, tree, code=1)
    (folder / "moved").mkdir()
    base.rename(folder / "moved" / "base")
    (tree / "sub" / "b.go").rename(source)
    tree.rename(folder / "moved" / "tree")
    done = run("--go", "1.23", "--baseline", folder / "moved" / "base", folder / "moved" / "tree", code=1)
    check("mallocgc" not in done.stdout, "baseline: moves with its tree")
    for text, said in (("nonsense\n", ":1: not a line of a baseline"), ("0123456789abcdeX GO01 a b\n", ":1:"),
                       ("# fine\n\n0123\n", ":3:")):
        (folder / "bad").write_text(text)
        check(said in run("--baseline", folder / "bad", folder, code=2).stderr, f"baseline: {text!r} is refused")
    run("--baseline", folder / "missing", folder, code=2)
    run("--write-baseline", folder / "no" / "where", folder, code=2)


def skipped(folder):
    (folder / ".git").mkdir()
    (folder / ".git" / "a.go").write_text(go("runtime.gosched_m"))
    (folder / "data").write_bytes(b"\0\1\2")
    (folder / "link").symlink_to("data")
    os.mkfifo(folder / "pipe")
    (folder / "old.go").write_text("//go:build !go1.18\n\n" + go("runtime.gosched_m"))
    (folder / "half").write_bytes(b"\177ELF\2\1\1" + bytes(20))
    done = run("--go", "1.23", "--format", "json", folder, code=0)
    counts = json.loads(done.stdout)["skipped"]
    want = {"history": 1, "unknown": 1, "links": 1, "special": 1, "other_build": 1}
    check({k: v for k, v in counts.items() if v and k in want} == want, f"skipped: {counts}")
    check(counts["broken"] + counts["no_libelf"] == 1, "skipped: half an ELF file is counted")
    check("skipped: " in done.stderr, "skipped: said")
    if os.getuid() != 0:
        (folder / "locked").write_text("x")
        (folder / "locked").chmod(0)
        check("Permission denied" in run(folder, code=2).stderr, "skipped: what cannot be read is said")


def pipes(folder):
    """Nobody writes to them: what is beside a file, or above it, is not waited for."""
    (folder / "a.go").write_text(go("other/pkg.f"))
    os.mkfifo(folder / "b.go")
    os.mkfifo(folder / "go.mod")
    run("--go", "1.23", folder / "a.go", code=1)


def misuse(folder):
    run(code=2)
    run("--help", code=0)
    check(run("--rules", code=0).stdout.count("\n") == 22, "--rules: a line each")
    for arguments in (["--go", "2.0"], ["--go", "1."], ["--go", "1.x"], ["--format", "xml"], ["--fail-on", "all"], ["--what"],
                      ["--baseline", "a", "--write-baseline", "b"]):
        check(run(*arguments, folder, code=2).stderr, f"{arguments}: a word on stderr")
    for version in ("1.23", "go1.23", "1.23.4", "1.23rc1", "go1.23-custom"):
        run("--go", version, folder / "empty", code=0)
    run(folder / "nothing" / "here", code=2)
    nowhere = dict(os.environ, PATH="/nonexistent")
    (folder / "m").mkdir()
    (folder / "m" / "a.go").write_text(go("runtime.mallocgc"))
    done = run("--verify-go", folder / "m", code=2, env=nowhere)
    check("nothing was verified" in done.stderr and "linker" not in done.stdout, "--verify-go without Go is no pass")


CALM = os.path.abspath(sys.argv[1])
for part in (formats, baseline, skipped, pipes, misuse):
    with tempfile.TemporaryDirectory() as name:
        path = pathlib.Path(name)
        (path / "empty").mkdir()
        part(path)
print("\n".join(wrong) or "formats, baselines, what is skipped, misuse: as they should be")
sys.exit(1 if wrong else 0)
