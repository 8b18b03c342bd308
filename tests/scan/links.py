#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
"""What calm scan says of std's symbols against what the local Go's linker says: links.py CALM.

The PATH's go command is asked by calm scan --verify-go. A few symbols, or with CALM_TEST_SCALE all of them. Without a go
command: exit 77. To ask another Go, put it first on the PATH.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

FEW = "mallocgc gosched_m newobject nanotime1 cheaprand fastrandu calm_absent mapiterinit".split()
FUNCTIONS = FEW + """
mapiternext gopark goready procPin procUnpin fastrand fastrandn fastrand64 cheaprandn rand sysFree readgstatus stopTheWorld
startTheWorld newarray mapaccess1 mapaccess2 mapassign mapdelete mapclear nanotime memhash memhash32 memhash64 strhash asmcgocall
cgocall gcWriteBarrier gogo systemstack mcall growslice makeslice memmove memclrNoHeapPointers typedmemmove throw fatal gopanic
callers cputicks getcallerpc add goexit goexit1 semacquire1 semrelease1 notetsleepg usleep osyield procyield entersyscall
exitsyscall casgstatus schedule execute findRunnable newproc newproc1 malg acquirem releasem lock unlock lock2 findfunc funcname
pcvalue gentraceback tracebackothers printlock doInit1 schedinit main heapBitsSetType bulkBarrierPreWrite wbZero wbMove convT
assertE2I assertE2I2 ifaceE2I getitab efaceOf slicebytetostring stringtoslicebyte concatstrings intstring chansend1 chanrecv1
makechan closechan selectgo selectnbsend park_m goyield resetTimer timer_create futex read write open closefd exit mmap munmap
madvise rt_sigaction sigprocmask setitimer tgkill asyncPreempt morestack rt0_go cmpstring memequal aeshashbody debugCallV2
publicationBarrier mapiterkey mapiterelem coroswitch newcoro addmoduledata mapdelete_fast64 mapaccess1_fast64 mapassign_faststr
""".split()
VARIABLES = "allgs allm allp sched physPageSize zerobase firstmoduledata lastmoduledatap writeBarrier memstats work iscgo".split()
OTHERS = """
reflect.unsafe_New reflect.typedmemmove reflect.mapiterinit reflect.ifaceE2I reflect.typelinks reflect.resolveTypeOff
reflect.funcLayout reflect.valueInterface reflect.packEface reflect.(*rtype).String sync.runtime_Semacquire sync.runtime_procPin
sync.fastrandn sync.throw time.now time.runtimeNano time.parseDuration os.runtime_args syscall.runtime_envs syscall.Exit
syscall.rawSyscallNoError syscall.writeUnlock net.lookupStaticHost net.dnsReadConfig net.parseIPv4
""".split()


def main(calm):
    if not shutil.which("go"):
        print("skipped: no go command")
        return 77
    all_of_them = bool(os.environ.get("CALM_TEST_SCALE"))
    functions = [f"runtime.{name}" for name in (FUNCTIONS if all_of_them else FEW)] + (OTHERS if all_of_them else [])
    variables = [f"runtime.{name}" for name in VARIABLES] if all_of_them else ["runtime.allgs"]
    lines = ["package p", 'import _ "unsafe"']
    for number, symbol in enumerate(functions):
        lines += [f"//go:linkname f{number} {symbol}", f"func f{number}()"]
    for number, symbol in enumerate(variables):
        lines += [f"//go:linkname v{number} {symbol}", f"var v{number} uintptr"]
    assembly = ["TEXT ·f(SB),4,$0"] + [f"\tCALL runtime·{s[8:]}(SB)" for s in functions if s.startswith("runtime.")]
    with tempfile.TemporaryDirectory() as name:
        (pathlib.Path(name) / "a.go").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (pathlib.Path(name) / "a.s").write_text("\n".join(assembly) + "\n", encoding="utf-8")
        done = subprocess.run([calm, "scan", "--verify-go", "--format", "json", name], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
    if done.returncode != 1:
        print(done.stderr)
        return 1
    findings = [f for f in json.loads(done.stdout)["findings"] if "linker" in f]
    wrong = []
    for finding in findings:
        version, verdict = finding["linker"].split(": ", 1)
        if (finding["level"] == "error") == (verdict == "links"):
            wrong.append(f'{finding["rule"]} {finding["symbol"]}: {finding["level"]}, and {version} says: {verdict}')
    print("\n".join(wrong))
    print(f"{version}: {len(findings)} asked, {len(findings) - len(wrong)} as calm says")
    # Of all of them a few are known to differ: docs/scan/README.md.
    return 1 if len(wrong) > (len(findings) // 50 if all_of_them else 0) else 0


sys.exit(main(*sys.argv[1:]))
