# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
"""Commands and printers for programs that use calm, running or as a core. In gdb: help calm.

What is known of maps and memory is in calm_kinds.py, calm_view.py and calm_memory.py, which lie beside this file. Nothing is called in
the program, so a core is as good as a process.

Rejected: calling calm_debug_* in the process, which a core has not, and which a process that holds a lock would not survive.
"""
import os
import re
import sys
import time

import gdb

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from calm_kinds import Map, map_of, maps, records, show_bytes, stripes_sum  # noqa: E402
from calm_memory import WORD, Trouble, read  # noqa: E402
from calm_view import Census  # noqa: E402


# ---- the fault ----


def operand_registers():
    """The registers with which the current instruction forms an address."""
    text = gdb.execute("x/i $pc", to_string=True).split("\t")[-1]
    found = re.search(r"\((%\w+)?(?:,(%\w+))?", text) if "%" in text else re.search(r"\[(\w+)(?:, (\w+))?", text)
    return text.strip(), ["$" + name.lstrip("%") for name in (found.groups() if found else ()) if name]


def fault():
    """Lines of a verdict on what the process died of; none if it did not die of a pointer."""
    try:
        signal = int(gdb.parse_and_eval("$_siginfo.si_signo"))
    except gdb.error:
        return []
    census = Census()
    if signal in (7, 11):
        text, registers = operand_registers()
        for name in registers:
            value = int(gdb.parse_and_eval(name)) & WORD
            verdict, why = census.classify(value)
            if verdict in ("freed", "retired"):
                frame = gdb.selected_frame().name() or "?"
                return [f"{frame} used a pointer that is {verdict}: {name[1:]} = {value:#x}, in {text}", f"  {why}"]
        return []
    if signal != 6:
        return []
    frame, depth = gdb.newest_frame(), 0
    while frame is not None and depth < 12:
        name = frame.name() or ""
        if name in ("free", "__libc_free", "__GI___libc_free", "_int_free", "munmap_chunk"):
            return [f"a free of what was no block any more, called from {frame.older().name() if frame.older() else '?'}"]
        frame, depth = frame.older(), depth + 1
    return []


# ---- commands ----


class Command(gdb.Command):
    """Turns Trouble into a message."""

    def invoke(self, argument, from_tty):
        try:
            self.run(argument.strip())
        except Trouble as trouble:
            raise gdb.GdbError(f"calm: {trouble}") from None
        except gdb.error as error:
            raise gdb.GdbError(f"calm: {error}") from None

    def run(self, argument):
        raise NotImplementedError


def age(snapshot):
    opened = int(snapshot["snap"]["opened_ns"])
    if gdb.selected_inferior().pid and not is_core():
        return f"open for {(time.clock_gettime_ns(time.CLOCK_MONOTONIC) - opened) / 1e9:.3f} s"
    return f"opened {opened / 1e9:.3f} s after the machine was started"


def is_core():
    target = gdb.execute("info target", to_string=True)
    return "core dump" in target or "core file" in target.lower()


class Calm(gdb.Command):
    """Sees into the concurrent maps of a program, running or as a core.

calm maps               all maps of the process
calm map EXPR           one of them: entries, table, resize, snapshots
calm bucket EXPR KEY    where a key is: its bucket, and what else is there
calm threads            every thread: where it is, its read section, the pointers it holds
calm pointer ADDR       what an address is: live, image, retired, freed or unknown
calm check EXPR         walks a map and says which invariant does not hold; without EXPR every map
calm verdict            whether the process died of a pointer that had been freed

EXPR is a calm_map *, or its address."""

    def __init__(self):
        super().__init__("calm", gdb.COMMAND_DATA, gdb.COMPLETE_NONE, True)


class Maps(Command):
    """All maps of the process: address, kind, keys, entries, open snapshots."""

    def __init__(self):
        super().__init__("calm maps", gdb.COMMAND_DATA)

    def run(self, argument):
        any_ = False
        for one in maps():
            any_ = True
            try:
                n = sum(1 for _ in one.bindings())
                print(f"{one.address:#x} {one.kind}, {'word' if one.words else 'byte'} keys, {n} entries, "
                      f"{sum(1 for _ in one.snapshots())} snapshots")
            except Trouble as trouble:
                print(f"{one.address:#x} {one.kind}: {trouble}")
        if not any_:
            print("no maps")


class OneMap(Command):
    """A map: entries, table, resize progress, open snapshots with their ages."""

    def __init__(self):
        super().__init__("calm map", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def run(self, argument):
        if not argument:
            raise Trouble("calm map EXPR: a calm_map * is wanted")
        one = map_of(gdb.parse_and_eval(argument))
        print(f"{one}: {'word' if one.words else 'byte'} keys, {sum(1 for _ in one.bindings())} entries, "
              f"{stripes_sum(one.base['heap']['bytes'])} bytes" + (", releases values" if int(one.base["release"]) else ""))
        for line in one.progress():
            print(f"  {line}")
        for snapshot in one.snapshots():
            print(f"  snapshot {int(snapshot.address):#x}: stamp {int(snapshot['snap']['stamp'])}, {age(snapshot)}")


class Bucket(Command):
    """Where a key is, and what else is in its bucket. KEY is a number, or "text" for byte keys."""

    def __init__(self):
        super().__init__("calm bucket", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def run(self, argument):
        found = re.fullmatch(r"(.*?\S)\s+(\".*\")", argument) or re.fullmatch(r"(.*\S)\s+(\S+)", argument)
        if not found:
            raise Trouble("calm bucket EXPR KEY")
        one = map_of(gdb.parse_and_eval(found[1]))
        if one.words:
            key = int(gdb.parse_and_eval(found[2])) & WORD
            is_it = lambda stored: stored == key
        else:
            text = found[2].strip('"').encode().decode("unicode_escape").encode("latin-1")
            is_it = lambda stored: one.key_bytes(stored) == (text, len(text))
        everything = list(one.bindings())
        hit = next((b for b in everything if is_it(b.stored)), None)
        if hit is None:
            print(f"{found[2]} is not in {one}")
            return
        print(f"{found[2]} is in {hit.where}: {hit.value:#x}")
        beside = hit.where.split(", slot")[0]
        for other in everything:
            if other is not hit and other.where.split(", slot")[0] == beside and beside.startswith("bucket"):
                print(f"  beside it, {other.where}: key {one.key(other.stored)}, {other.value:#x}")


class Threads(Command):
    """Every thread: where it is, its read section, and the pointers in its registers that calm knows."""

    def __init__(self):
        super().__init__("calm threads", gdb.COMMAND_DATA)

    def run(self, argument):
        census = Census()
        sections = {int(r["thread"]): r for r in records() if int(r["thread"])}
        before = gdb.selected_thread()
        try:
            for thread in sorted(gdb.selected_inferior().threads(), key=lambda t: t.num):
                thread.switch()
                self.show(thread, sections.get(thread.ptid[1]), census)
        finally:
            if before:
                before.switch()

    @staticmethod
    def show(thread, record, census):
        frame = gdb.newest_frame()
        print(f"thread {thread.num} ({thread.name or 'LWP'} {thread.ptid[1]}) in {frame.name() or '?'}")
        if record is None:
            print("  never was in a read section")
        elif int(record["epoch"]):
            print(f"  in a read section since epoch {int(record['epoch'])}; "
                  f"{int(record['bag']['pushed']) - int(record['bag']['popped'])} retired")
        else:
            print(f"  in no read section; {int(record['bag']['pushed']) - int(record['bag']['popped'])} retired")
        seen = set()
        for register in frame.architecture().registers():
            try:
                value = int(frame.read_register(register)) & WORD
            except (gdb.error, ValueError, TypeError):
                continue
            if value < 4096 or value in seen or register.name in ("rsp", "rip", "sp", "pc", "eflags"):
                continue
            seen.add(value)
            found = census.exact(value)
            if found:
                print(f"  holds {value:#x} in {register.name}: {found[0]}, {found[1]}")


class Pointer(Command):
    """What an address is: live, in an image of a snapshot, retired, freed, or unknown."""

    def __init__(self):
        super().__init__("calm pointer", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def run(self, argument):
        if not argument:
            raise Trouble("calm pointer ADDR")
        census = Census()
        address = int(gdb.parse_and_eval(argument).cast(gdb.lookup_type("unsigned long"))) & WORD
        verdict, why = census.classify(address)
        print(f"{address:#x} {verdict}: {why}")
        for trouble in census.trouble:
            print(f"  not looked through: {trouble}")


class Check(Command):
    """Walks a map, or every map, and says which invariant does not hold."""

    def __init__(self):
        super().__init__("calm check", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def run(self, argument):
        for one in [map_of(gdb.parse_and_eval(argument))] if argument else list(maps()):
            if type(one) is Map:
                print(f"{one}: not checked, a {one.kind} is not known here")
                continue
            try:
                broken = list(one.check())
            except (Trouble, gdb.MemoryError) as trouble:
                broken = [str(trouble)]
            print(f"{one}: {'ok' if not broken else 'BROKEN'}")
            for sentence in broken[:20]:
                print(f"  {sentence}")


class Verdict(Command):
    """Whether the process died of a pointer that had been freed; nothing if it did not."""

    def __init__(self):
        super().__init__("calm verdict", gdb.COMMAND_DATA)

    def run(self, argument):
        for line in fault():
            print(line)


# ---- printers ----


class MapPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        try:
            one = map_of(self.value)
            return f"{one.kind}, {sum(1 for _ in one.bindings())} entries, {sum(1 for _ in one.snapshots())} snapshots"
        except (Trouble, gdb.error) as trouble:
            return f"a calm_map ({trouble})"


class SnapshotPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        kind = self.value["map"]["kind"]["name"].string()
        return f"a snapshot of {kind} {int(self.value['map']):#x}, stamp {int(self.value['snap']['stamp'])}"


class KeyPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        size = int(self.value["size"])
        if size == WORD:
            return f"word {int(self.value['data'])}"
        data = read(int(self.value["data"]), min(size, 60))
        return f"{size} bytes " + (show_bytes(data, size) if data is not None else "that cannot be read")


class LinePrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        header = int(self.value["header"])
        flags = [n for n, bit in (("locked", 1), ("moved", 2), ("overflows", 4)) if header & bit]
        used = [i for i in range(3) if header >> 3 + i & 1]
        slots = ", ".join(f"{int(self.value['slots'][i]['key']):#x} = {int(self.value['slots'][i]['value']):#x}" for i in used)
        return f"[{slots}] {' '.join(flags)}".strip() + f", stamp {int(self.value['stamp'])}"


PRINTERS = {"calm_map": MapPrinter, "calm_snapshot": SnapshotPrinter, "calm_key": KeyPrinter, "calm__line": LinePrinter}


def printer(value):
    kind = value.type.strip_typedefs()
    kept = PRINTERS.get(kind.tag) if kind.code == gdb.TYPE_CODE_STRUCT else None
    return kept(value) if kept else None


printer.name = "calm"
gdb.pretty_printers = [p for p in gdb.pretty_printers if getattr(p, "name", "") != "calm"] + [printer]
for command in (Calm, Maps, OneMap, Bucket, Threads, Pointer, Check, Verdict):
    command()
