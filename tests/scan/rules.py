#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
"""Every rule of calm scan, where it must speak and where it must not: rules.py CALM.

A fixture is a folder of files; what is found there must be exactly what stands beside it. Objects are built with cc.
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

UNSAFE = 'import _ "unsafe"\n'


def go(body, imports=UNSAFE, head="package p\n"):
    return head + imports + body


def pull(target, kind="func f()"):
    return go(f"//go:linkname {kind.split()[1].split('(')[0]} {target}\n{kind}\n")


ASM = "#include \"textflag.h\"\n// CALL runtime·commented(SB)\nTEXT ·f(SB),NOSPLIT,$0\n\t"
HITER = ("type hiter struct {\n\tkey, elem unsafe.Pointer\n\tt, h, buckets, bptr, overflow, oldoverflow unsafe.Pointer\n"
         "\tstart uintptr\n\toffset uint8\n\twrapped bool\n\tB, i uint8\n\tbucket, check uintptr\n}\n")
ITERATE = "//go:linkname mapiterinit runtime.mapiterinit\nfunc mapiterinit(t, m unsafe.Pointer, it *hiter)\n"
POINTERS = 'import "unsafe"\n'
HMAP = "type %s struct {\n\tcount int\n\tflags, B uint8\n\tnoverflow uint16\n\thash0 uint32\n\tbuckets *byte\n}\n"
MEM = 'import "runtime"\nfunc t(a, b runtime.MemStats) bool {\n\treturn %s\n}\n'
MODULE = {"go.mod": "module example.com/mine\n"}

# rule, what the fixture shows, version of Go, its files, and what is found: rule level line symbol since
FIXTURES = [
    ("GO01", "gone behind the check in 1.23", "1.23", {"a.go": pull("runtime.gosched_m")},
     ["GO01 error 3 runtime.gosched_m 1.23"]),
    ("GO01", "not yet in 1.22", "1.22", {"a.go": pull("runtime.gosched_m")}, ["GO02 warning 3 runtime.gosched_m 1.23"]),
    ("GO01", "a builtin is let through in 1.23", "1.23", {"a.go": pull("runtime.newobject")},
     ["GO02 warning 3 runtime.newobject 1.24"]),
    ("GO01", "and refused in 1.24", "1.24", {"a.go": pull("runtime.newobject")}, ["GO01 error 3 runtime.newobject 1.24"]),
    ("GO01", "kept for one package, marked or not", "1.24", {"a.go": pull("runtime.newcoro")},
     ["GO01 error 3 runtime.newcoro 1.23"]),
    ("GO01", "a variable", "1.23", {"a.go": pull("runtime.allgs", "var g []*int")}, ["GO01 error 3 runtime.allgs 1.23"]),
    ("GO01", "a package whose symbols are not listed", "1.23", {"a.go": pull("encoding/json.freeze")},
     ["GO01 error 3 encoding/json.freeze 1.23"]),
    ("GO01", "a file for older versions", "1.23", {"a.go": "//go:build !go1.23\n\n" + pull("runtime.gosched_m")}, []),
    ("GO01", "its own method", "1.23", {"a.go": go("type t int\nfunc (t) f() {}\n")}, []),
    ("GO02", "open to others in every version", "1.26", {"a.go": pull("runtime.mallocgc")},
     ["GO02 warning 3 runtime.mallocgc -"]),
    ("GO02", "assembly, marked no longer from 1.27 on", "1.26", {"a.go": pull("runtime.nanotime1")},
     ["GO02 warning 3 runtime.nanotime1 1.27"]),
    ("GO02", "a method, marked by a function without a body", "1.26", {"a.go": pull("reflect.(*rtype).Align")},
     ["GO02 warning 3 reflect.(*rtype).Align -"]),
    ("GO01", "a method that is not", "1.26", {"a.go": pull("reflect.(*rtype).calm")},
     ["GO01 error 3 reflect.(*rtype).calm 1.23"]),
    ("GO02", "declared in another file", "1.26", {"a.go": go("//go:linkname f runtime.mallocgc\n"),
                                                "b.go": "package p\nfunc f()\n"}, ["GO02 warning 3 runtime.mallocgc -"]),
    ("GO02", "a mark", "1.26", {"a.go": go("//go:linkname f\nfunc f() {}\n")}, []),
    ("GO03", "not yet", "1.21", {"a.go": pull("runtime.cheaprand")}, ["GO03 error 3 runtime.cheaprand -"]),
    ("GO03", "no longer", "1.22", {"a.go": pull("runtime.fastrandu")}, ["GO03 error 3 runtime.fastrandu 1.22"]),
    ("GO03", "never", "1.26", {"a.go": pull("runtime.calm_absent")}, ["GO03 error 3 runtime.calm_absent -"]),
    ("GO03", "split by a tag", "1.22", {"a.go": "//go:build !go1.22\n" + pull("runtime.fastrandu"),
                                        "b.go": "//go:build go1.22\n" + pull("runtime.cheaprand")},
     ["GO02 warning 4 runtime.cheaprand -"]),
    ("GO04", "a body", "1.26", {"a.go": go("//go:linkname f runtime.mine\nfunc f() {}\n")},
     ["GO04 warning 3 runtime.mine -"]),
    ("GO04", "in assembly", "1.26", {"a.s": "TEXT runtime·mine(SB),4,$0\n\tRET\n"}, ["GO04 warning 1 runtime.mine -"]),
    ("GO04", "a body in its own name", "1.26", {**MODULE, "a.go": go("//go:linkname f example.com/mine.g\nfunc f() {}\n")},
     []),
    ("GO05", "another module", "1.26", {**MODULE, "a.go": pull("example.com/other.f")},
     ["GO05 warning 3 example.com/other.f -"]),
    ("GO05", "its own module", "1.26", {**MODULE, "a.go": pull("example.com/mine/deep.f")},
     ["GO05 note 3 example.com/mine/deep.f -"]),
    ("GO05", "a module that begins like it", "1.26", {**MODULE, "a.go": pull("example.com/mineral.f")},
     ["GO05 warning 3 example.com/mineral.f -"]),
    ("GO05", "exported, and called", "1.26", {**MODULE, "a.go": go('func f() { other.F() }\n', 'import "example.com/other"\n')},
     []),
    ("GO06", "the host", "1.26", {"a.go": pull("getpid")}, ["GO06 note 3 getpid -"]),
    ("GO06", "cgo", "1.26", {"a.go": go("func f() { C.getpid() }\n", '// #include <unistd.h>\nimport "C"\n')}, []),
    ("GO07", "a blank", "1.26", {"a.go": go("// go:linkname f runtime.mallocgc\nfunc f()\n")},
     ["GO07 warning 3 runtime.mallocgc -"]),
    ("GO07", "no unsafe", "1.26", {"a.go": go("//go:linkname f runtime.mallocgc\nfunc f()\n", "")},
     ["GO07 warning 2 runtime.mallocgc -"]),
    ("GO07", "prose", "1.26", {"a.go": go("// go:linkname is evil.\nfunc f() {}\n")}, []),
    ("GA01", "Go code that never had ABI0", "1.26", {"a.s": ASM + "CALL runtime·newobject(SB)\n"},
     ["GA01 error 4 runtime.newobject -"]),
    ("GA01", "until 1.26", "1.26", {"a.s": ASM + "CALL runtime·gogo(SB)\n"}, ["GA01 warning 4 runtime.gogo 1.27"]),
    ("GA01", "from 1.27 on", "1.27", {"a.s": ASM + "CALL runtime·gogo(SB)\n"}, ["GA01 error 4 runtime.gogo 1.27"]),
    ("GA01", "before 1.23", "1.22", {"a.s": ASM + "CALL runtime·mallocgc(SB)\n"}, ["GA01 error 4 runtime.mallocgc -"]),
    ("GA01", "from 1.23 on", "1.23", {"a.s": ASM + "CALL runtime·mallocgc(SB)\n"},
     ["GA01 warning 4 runtime.mallocgc -"]),
    ("GA01", "a slash, an offset, an ABI", "1.26", {"a.s": ASM + "MOVQ runtime∕debug·x<ABIInternal>+8(SB), AX\n"},
     ["GA01 error 4 runtime/debug.x -"]),
    ("GA01", "another module", "1.26", {"a.s": ASM + "CALL github·com(SB)\n"}, ["GA01 warning 4 github.com -"]),
    ("GA01", "its own, file-local, comments, strings", "1.26", {
        "a.go": "package p\nfunc f()\n",
        "a.s": ASM + "CALL ·g(SB)\n\tCALL p·h(SB)\n\tMOVQ runtime·local<>(SB), AX\n/* runtime·a(SB) */\n"
                     "DATA ·s+0(SB)/8, $\"runtime·b(SB)\"\n"}, []),
    ("GL01", "the old layout", "1.26", {"a.go": go(HITER + ITERATE, POINTERS)},
     ["GL01 warning 3 runtime.hiter 1.24", "GO02 warning 12 runtime.mapiterinit -"]),
    ("GL01", "too small", "1.26", {"a.go": go("type hiter struct{ key, elem unsafe.Pointer }\n" + ITERATE, POINTERS)},
     ["GL01 error 3 runtime.hiter 1.24", "GO02 warning 4 runtime.mapiterinit -"]),
    ("GL01", "a pointer too late", "1.26",
     {"a.go": go(HITER.replace("start uintptr", "start unsafe.Pointer") + ITERATE, POINTERS)},
     ["GL01 error 3 runtime.hiter 1.24", "GO02 warning 12 runtime.mapiterinit -"]),
    ("GL01", "an iterator of its own", "1.26", {"a.go": go(HITER, POINTERS)}, []),
    ("GL02", "a copy, open upwards", "1.26", {"a.go": "package p\n" + HMAP % "mine"}, ["GL02 error 2 runtime.hmap -"]),
    ("GL02", "a copy for old versions", "1.23", {"a.go": "//go:build !go1.24\n\npackage p\n" + HMAP % "hmap"},
     ["GL02 warning 4 runtime.hmap -"]),
    ("GL02", "a g that is none", "1.26", {"a.go": "package p\ntype g struct{ x, y int }\ntype m struct{ g *g }\n"}, []),
    ("GL03", "the numbers", "1.26", {"a.go": "package p\nconst (\n\t_Gidle = iota\n\t_Grunnable\n)\nconst Gdead = 6\n"},
     ["GL03 warning 3 runtime._Gidle 1.26", "GL03 warning 4 runtime._Grunnable 1.26", "GL03 warning 6 runtime._Gdead 1.26"]),
    ("GL03", "other names", "1.26", {"a.go": "package p\nconst Green, Gdeadline, _G = 1, 2, 3\nvar Gdead = 6\n"}, []),
    ("GL04", "a private structure", "1.26",
     {"a.go": go("const s = unsafe.Sizeof(reflect.Value{})\n", 'import "unsafe"\nimport "reflect"\n')},
     ["GL04 note 4 reflect.Value -"]),
    ("GL04", "renamed imports", "1.26",
     {"a.go": go("const s = u.Sizeof(r.Value{})\n", 'import u "unsafe"\nimport r "reflect"\n')},
     ["GL04 note 4 reflect.Value -"]),
    ("GL04", "its own structure", "1.26",
     {"a.go": go("type Value int\nconst s = unsafe.Sizeof(Value(0)) + unsafe.Sizeof(reflect.SliceHeader{})\n",
                 'import "unsafe"\nimport "reflect"\n')}, []),
    ("GL05", "exact", "1.26", {"a.go": "package p\n" + MEM % "a.Mallocs == b.Mallocs"},
     ["GL05 note 4 runtime.MemStats.Mallocs -"]),
    ("GL05", "at most", "1.26", {"a.go": "package p\n" + MEM % "a.Mallocs-b.Mallocs <= 5 && a.Frees == 0"}, []),
    ("GB01", "in a Makefile", "1.26", {"Makefile": "all:\n\tgo build -ldflags='-s -checklinkname=0'\n"},
     ["GB01 warning 2 -checklinkname=0 -"]),
    ("GB01", "in CI", "1.26", {"ci.yml": "run: go build -ldflags=-checklinkname=false ./...\n"},
     ["GB01 warning 1 -checklinkname=0 -"]),
    ("GB01", "on, in a comment, in prose", "1.26", {
        "Makefile": "# -checklinkname=0\nx:\n\tgo build -ldflags=-checklinkname=1\n", "README.md": "-checklinkname=0\n"}, []),
    ("EL06", "a script", "1.26", {"run.sh": "#!/bin/sh\nLD_PRELOAD=/lib/x.so exec y\n"}, ["EL06 warning 2 LD_PRELOAD -"]),
    ("EL06", "a container", "1.26", {"Dockerfile": "FROM x\nENV LD_PRELOAD /lib/x.so\n"}, ["EL06 warning 2 LD_PRELOAD -"]),
    ("EL06", "the system's list", "1.26", {"ld.so.preload": "/lib/x.so\n"}, ["EL06 warning 1 /lib/x.so -"]),
    ("EL06", "taken away, read, commented", "1.26", {
        "run.sh": "#!/bin/sh\nunset LD_PRELOAD\nLD_PRELOAD= exec y\necho $LD_PRELOAD\n# LD_PRELOAD=x\n"}, []),
    ("EC01", "C", "1.26", {"a.c": "int f(void)\n{\n\treturn calm__retire(0);\n}\n"}, ["EC01 error 3 calm__retire -"]),
    ("EC01", "comments, strings, public verbs", "1.26", {
        "a.c": "// calm__a\n/* calm__b */\nchar *s = \"calm__c\";\nint f(void) { return calm_map_size(0) + my_calm__d; }\n"}, []),
    ("EC01", "calm itself", "1.26", {"include/calm/base.h": "", "src/calm.map": "", "src/a.c": "int calm__a;\n"}, []),
    ("allow", "with a reason", "1.26", {"a.go": pull("runtime.mallocgc").replace(
        "//go:l", "//calm:allow GO02 measured, and wrapped\n//go:l")}, []),
    ("allow", "two of them", "1.26", {"a.go": pull("runtime.mallocgc").replace(
        "//go:l", "//calm:allow GO02 why\n//calm:allow GO03 why\n//go:l")}, []),
    ("allow", "another rule", "1.26", {"a.go": pull("runtime.mallocgc").replace(
        "//go:l", "//calm:allow GO01 why\n//go:l")}, ["GO02 warning 4 runtime.mallocgc -"]),
    ("allow", "no reason", "1.26", {"a.go": pull("runtime.mallocgc").replace("//go:l", "//calm:allow GO02\n//go:l")},
     ["GO02 warning 4 runtime.mallocgc -"]),
    ("allow", "in a script", "1.26", {"run.sh": "#!/bin/sh\n# calm:allow EL06 a test\nLD_PRELOAD=x y\n"}, []),
]

HARD = ["-Wl,-z,relro,-z,now"]
# what, sources, commands (cc's arguments, {} is the folder), the object looked at, what is found in it
OBJECTS = [
    ("EL01", {"p.c": "int secret(void) { return 1; }\n", "p.map": "TEST_PRIVATE { global: secret; };\n",
              "u.c": "int secret(void);\nint main(void) { return secret(); }\n"},
     [["-shared", "-fPIC", "p.c", "-o", "libp.so", "-Wl,-soname,libp.so", "-Wl,--version-script=p.map"],
      ["u.c", "-o", "u", "libp.so", "-Wl,-rpath,$ORIGIN", *HARD]], "u", ["EL01 error secret@TEST_PRIVATE"]),
    ("EL01", {"p.c": "int open_(void) { return 1; }\n", "p.map": "TEST_1 { global: open_; };\n",
              "u.c": "int open_(void);\nint main(void) { return open_(); }\n"},
     [["-shared", "-fPIC", "p.c", "-o", "libp.so", "-Wl,-soname,libp.so", "-Wl,--version-script=p.map"],
      ["u.c", "-o", "u", "libp.so", "-Wl,-rpath,$ORIGIN", *HARD]], "u", []),
    ("EL02", {"p.c": "__attribute__((visibility(\"hidden\"))) int kept(void) { return 1; }\nint other(void) { return kept(); }\n",
              "u.c": "int kept(void), other(void);\nint user(void) { return kept() + other(); }\n"},
     [["-shared", "-fPIC", "p.c", "-o", "libp.so", "-Wl,-soname,libp.so"],
      ["-shared", "-fPIC", "u.c", "-o", "libu.so", "libp.so", "-Wl,--allow-shlib-undefined", "-Wl,-rpath,$ORIGIN", *HARD]],
     "libu.so", ["EL02 error kept"]),
    ("EL02", {"u.c": "int plugin_host(void);\nint user(void) { return plugin_host(); }\n"},
     [["-shared", "-fPIC", "u.c", "-o", "libu.so", *HARD]], "libu.so", []),
    ("EL03", {"u.c": "void *__real_malloc(unsigned long);\nvoid *__wrap_malloc(unsigned long n) { return __real_malloc(n); }\n"},
     [["-c", "u.c", "-o", "u.o"]], "u.o", ["EL03 warning __real_malloc", "EL03 warning __wrap_malloc"]),
    ("EL03", {"u.c": "int wrap_malloc;\n"}, [["-c", "u.c", "-o", "u.o"]], "u.o", []),
    ("EL04", {"u.c": "int puts(const char *s) { return s != 0; }\nvoid free(void *p) { (void)p; }\n"},
     [["-shared", "-fPIC", "u.c", "-o", "libu.so", "-fno-builtin", *HARD, "-Wl,--no-as-needed", "-lc"]], "libu.so",
     ["EL04 warning puts"]),
    ("EL04", {"u.c": "#include <stdio.h>\nint main(void) { return fputs(\"\", stdout); }\n"},
     [["u.c", "-o", "u", "-no-pie", "-rdynamic", *HARD]], "u", []),
    ("EL05", {"u.c": "#include <dlfcn.h>\nvoid *f(void) { return dlsym(RTLD_NEXT, \"__libc_fatal\"); }\n"},
     [["-shared", "-fPIC", "-D_GNU_SOURCE", "u.c", "-o", "libu.so", "-ldl", *HARD]], "libu.so", ["EL05 note __libc_fatal"]),
    ("EL05", {"u.c": "#include <dlfcn.h>\nvoid *f(void) { return dlsym(RTLD_NEXT, \"puts\"); }\n"},
     [["-shared", "-fPIC", "-D_GNU_SOURCE", "u.c", "-o", "libu.so", "-ldl", *HARD]], "libu.so", []),
    ("EL06", {"u.c": "int u;\n"}, [["-shared", "-fPIC", "u.c", "-o", "libu.so", "-Wl,--audit=libaudit.so", *HARD]],
     "libu.so", ["EL06 warning libaudit.so"]),
    ("EL07", {"u.c": "int u;\n"}, [["-shared", "-fPIC", "u.c", "-o", "libu.so", "-Wl,-z,norelro,-z,lazy"]], "libu.so",
     ["EL07 note BIND_NOW", "EL07 note RELRO"]),
    ("EL07", {"u.c": "int u;\n"}, [["-shared", "-fPIC", "u.c", "-o", "libu.so", *HARD]], "libu.so", []),
    ("EC01", {"u.c": "int calm__x(void);\nint f(void) { return calm__x(); }\n"}, [["-c", "u.c", "-o", "u.o"]], "u.o",
     ["EC01 error calm__x"]),
]


def scan(calm, *arguments):
    done = subprocess.run([calm, "scan", "--format", "json", *map(str, arguments)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1) or ("AddressSanitizer" in done.stderr):
        sys.exit(f"{arguments}: exit {done.returncode}\n{done.stderr}")
    found = json.loads(done.stdout)["findings"]
    if (done.returncode == 1) != bool(found):
        sys.exit(f"{arguments}: exit {done.returncode} with {len(found)} findings")
    return found


def main(calm):
    wrong, seen, elf = [], set(), "without libelf" not in subprocess.run([calm, "scan", "--help"], stdout=subprocess.PIPE,
                                                                         text=True).stdout
    with tempfile.TemporaryDirectory() as name:
        for number, (rule, what, version, files, expected) in enumerate(FIXTURES):
            folder = pathlib.Path(name) / str(number)
            for file, text in files.items():
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).write_text(text, encoding="utf-8")
            found = [f'{f["rule"]} {f["level"]} {f["line"]} {f["symbol"]} {f["since"] or "-"}'
                     for f in scan(calm, "--go", version, folder)]
            seen |= {line[:4] for line in found}
            if sorted(found) != sorted(expected):
                wrong.append(f"{rule}, {what}: {found}, and should be {expected}")
        for number, (rule, files, commands, target, expected) in enumerate(OBJECTS if elf and shutil.which("cc") else []):
            folder = pathlib.Path(name) / f"elf{number}"
            folder.mkdir()
            for file, text in files.items():
                (folder / file).write_text(text, encoding="utf-8")
            for command in commands:
                subprocess.run(["cc", *command], cwd=folder, check=True)
            found = [f'{f["rule"]} {f["level"]} {f["symbol"]}' for f in scan(calm, folder / target)]
            seen |= {line[:4] for line in found}
            if sorted(found) != sorted(expected):
                wrong.append(f"{rule}, object {number}: {found}, and should be {expected}")
    rules = subprocess.run([calm, "scan", "--rules"], stdout=subprocess.PIPE, text=True).stdout.split("\n")
    silent = {line[:4] for line in rules if line} - seen
    if silent and elf:
        wrong.append(f"never seen: {sorted(silent)}")
    print("\n".join(wrong) or f"{len(FIXTURES) + len(OBJECTS)} fixtures, {len(seen)} rules")
    return 1 if wrong else 0


sys.exit(main(*sys.argv[1:]))
