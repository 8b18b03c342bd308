#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
"""The grammar of //go:linkname, form by form: what calm scan says of each, and what real toolchains say.

    forms.py CALM [GO...]

Each form names runtime.calm_absent, which no Go has, so that the linker's complaint tells whether the directive counted:
about runtime.calm_absent it did, about main.f it did not. GO is a go command; without one the PATH's is asked, and without
that only calm, and the exit status is 77. "none": only calm is to be asked.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HEAD = 'package main\n\nimport _ "unsafe"\n\n'
USE = "\nvar never bool\n\nfunc main() {\n\tif never {\n\t\tf()\n\t}\n}\n"
PULL = "//go:linkname f runtime.calm_absent\n"
F = "func f()\n"
VARIABLE = "\nvar never bool\n\nfunc main() {\n\tif never {\n\t\tprintln(v)\n\t}\n}\n"

# name: (text, what the linker makes of it, calm's rules)
#   pull     it looks for runtime.calm_absent       plain    it looks for main.f: no directive
#   refused  the compiler refuses the file          links    all is well
FORMS = {
    "plain": (HEAD + PULL + F + USE, "pull", ["GO03"]),
    "tab before": (HEAD + "\t" + PULL + F + USE, "pull", ["GO03"]),
    "blanks before": (HEAD + "      " + PULL + F + USE, "pull", ["GO03"]),
    "in a function": (HEAD + F + "\nfunc g() {\n\t" + PULL + "}\n" + USE, "pull", ["GO03"]),
    "in a group": (HEAD + F + "\nconst (\n\ta = 1\n\t" + PULL + "\tb = 2\n)\n" + USE, "pull", ["GO03"]),
    "at the end": (HEAD + F + USE + PULL.rstrip("\n"), "pull", ["GO03"]),
    "before package": (PULL + "\n" + HEAD + F + USE, "pull", ["GO03"]),
    "several blanks": (HEAD + "//go:linkname    f     runtime.calm_absent\n" + F + USE, "pull", ["GO03"]),
    "tab between the words": (HEAD + "//go:linkname f\truntime.calm_absent\n" + F + USE, "pull", ["GO03"]),
    "blank and tab": (HEAD + "//go:linkname \tf runtime.calm_absent\n" + F + USE, "pull", ["GO03"]),
    "no-break space": (HEAD + "//go:linkname f\u00a0runtime.calm_absent\n" + F + USE, "pull", ["GO03"]),
    "blanks behind": (HEAD + PULL.rstrip("\n") + "  \t \n" + F + USE, "pull", ["GO03"]),
    "CRLF": ((HEAD + PULL + F + USE).replace("\n", "\r\n"), "pull", ["GO03"]),
    "BOM": ("\ufeff" + HEAD + PULL + F + USE, "pull", ["GO03"]),
    "renamed import": ('package main\n\nimport u "unsafe"\n\nvar _ u.Pointer\n\n' + PULL + F + USE, "pull", ["GO03"]),
    "grouped import": ('package main\n\nimport (\n\t_ "unsafe"\n)\n\n' + PULL + F + USE, "pull", ["GO03"]),
    "raw import": ("package main\n\nimport _ `unsafe`\n\n" + PULL + F + USE, "pull", ["GO03"]),
    "method": (HEAD + "//go:linkname f runtime.(*calm_absent).m\n" + F + USE, "pull", ["GO01"]),
    "after a block comment": (HEAD + "/* a\nb */\n" + PULL + F + USE, "pull", ["GO03"]),
    "after a raw string": (HEAD + "var s = `//`\n" + PULL + F + USE, "pull", ["GO03"]),
    "after a rune": (HEAD + "var q, b = '\"', '`'\n" + PULL + F + USE, "pull", ["GO03"]),
    "blank before go:": (HEAD + "// go:linkname f runtime.calm_absent\n" + F + USE, "plain", ["GO07"]),
    "tab after the word": (HEAD + "//go:linkname\tf runtime.calm_absent\n" + F + USE, "plain", ["GO07"]),
    "block comment": (HEAD + "/*go:linkname f runtime.calm_absent*/\n" + F + USE, "plain", ["GO07"]),
    "in a block comment": (HEAD + "/*\n" + PULL + "*/\n" + F + USE, "plain", []),
    "in a raw string": (HEAD + "var s = `\n" + PULL + "`\n" + F + USE, "plain", []),
    "in a string": (HEAD + 'var s = "//go:linkname f runtime.calm_absent"\n' + F + USE, "plain", []),
    "glued": (HEAD + "//go:linknamef runtime.calm_absent\n" + F + USE, "plain", []),
    "capital": (HEAD + "//go:Linkname f runtime.calm_absent\n" + F + USE, "plain", []),
    "commented out": (HEAD + "///go:linkname f runtime.calm_absent\n" + F + USE, "plain", []),
    "prose": (HEAD + "// A\n// go:linkname directive.\n" + F + USE, "plain", []),
    "three words": (HEAD + "//go:linkname f runtime.calm_absent g\n" + F + USE, "refused", ["GO07"]),
    "trailing comment": (HEAD + "//go:linkname f runtime.calm_absent // why\n" + F + USE, "refused", ["GO07"]),
    "no word": (HEAD + "//go:linkname \n" + F + USE, "refused", ["GO07"]),
    "behind code": (HEAD + "func f() //go:linkname f runtime.calm_absent\n" + USE, "refused", ["GO07"]),
    "behind a comment": (HEAD + "/* */ " + PULL + F + USE, "refused", ["GO07"]),
    "no unsafe": ("package main\n\n" + PULL + F + USE, "refused", ["GO07"]),
    "undeclared": (HEAD + "//go:linkname g runtime.calm_absent\n" + F + USE, "refused", ["GO07"]),
    "a type": (HEAD + "type t int\n\n//go:linkname t runtime.calm_absent\n" + F + USE, "refused", ["GO07"]),
    "one word": (HEAD + "//go:linkname f\nfunc f() {}\n" + USE, "links", []),
    "with a body": (HEAD + PULL + "func f() {}\n" + USE, "links", ["GO04"]),
    "variable": (HEAD + "//go:linkname v runtime.calm_absent\nvar v int\n" + VARIABLE, "links", ["GO03"]),
    "variable with a value": (HEAD + "//go:linkname v runtime.calm_absent\nvar v = 1\n" + VARIABLE, "links", ["GO04"]),
    "one of two variables": (HEAD + "//go:linkname v runtime.calm_absent\nvar w, v int\n" + VARIABLE, "links", ["GO03"]),
    "cgo preamble": (HEAD.replace('import _', '// int x;\n' + PULL + 'import "C"\nimport _') + F + USE, None, []),
    "cgo preamble, block": (HEAD.replace('import _', '/*\n' + PULL + '*/\nimport "C"\nimport _') + F + USE, None, []),
    "above import C, apart": (HEAD.replace('import _', PULL + '\nimport "C"\nimport _') + F + USE, None, ["GO03"]),
    "not for this Go": ("//go:build !go1.10\n\n" + HEAD + PULL + F + USE, None, []),
    "ignored": ("//go:build ignore\n\n" + HEAD + PULL + F + USE, None, []),
}


def ask_calm(calm, folder):
    done = subprocess.run([calm, "scan", "--go", "1.26", "--format", "json", folder], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1):
        sys.exit(f"{folder}: exit {done.returncode}\n{done.stderr}")
    return sorted(f["rule"] for f in json.loads(done.stdout)["findings"])


def ask_go(go, work, names):
    """{folder: verdict}; every program is linked in one run."""
    env = dict(os.environ, GOTOOLCHAIN="local", GOCACHE=str(work / "cache"), GOPATH=str(work / "path"), GOFLAGS="",
               GOPROXY="off", CGO_ENABLED="0", GO111MODULE="on")
    env.pop("GOROOT", None)
    (work / "bin").mkdir(exist_ok=True)
    (work / "go.mod").write_text("module example.com/forms\n\ngo 1.19\n")
    done = subprocess.run([go, "build", "-o", str(work / "bin") + "/", *(f"./{n}" for n in names)], cwd=work, env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    verdicts = {name: "links" for name in names}
    name = None
    for line in done.stdout.splitlines():
        if line.startswith("# "):
            name = line.split("/")[-1]
        elif name in verdicts and verdicts[name] == "links":
            linker = "not defined" in line or "invalid reference" in line
            verdicts[name] = "refused" if not linker else "plain" if "main.f " in line + " " else "pull"
    shutil.rmtree(work / "bin")
    return verdicts


def main(calm, *goes):
    wrong = []
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        folders = {}
        for number, (form, (text, _, rules)) in enumerate(FORMS.items()):
            folder = work / f"form{number}"
            folder.mkdir()
            folders[form] = folder.name
            (folder / "main.go").write_bytes(text.encode())
            (folder / "empty.s").write_text("// lets main.go declare functions without a body\n")
            found = ask_calm(calm, folder)
            if found != rules:
                wrong.append(f"{form}: calm says {found}, and should {rules}")
        goes = goes or tuple(filter(None, [shutil.which("go")]))
        for go in goes if goes != ("none",) else ():
            known = {form: folder for form, folder in folders.items() if FORMS[form][1]}
            verdicts = ask_go(go, work, list(known.values()))
            version = subprocess.run([go, "version"], stdout=subprocess.PIPE, text=True).stdout.split()[2]
            bad = [f"{form}: {version} says {verdicts[folder]}, and should {FORMS[form][1]}"
                   for form, folder in known.items() if verdicts[folder] != FORMS[form][1]]
            print(f"{version}: {len(known) - len(bad)} of {len(known)} forms as they should be")
            wrong += bad
    print("\n".join(wrong) or f"calm: {len(FORMS)} of {len(FORMS)} forms as they should be")
    return 1 if wrong else 0 if goes else 77


sys.exit(main(*sys.argv[1:]))
