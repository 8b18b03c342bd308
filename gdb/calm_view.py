# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
"""What calm-gdb.py knows of threads, of what waits for them, and of what a pointer is. Kinds of map are in calm_kinds.py."""
import gdb

from calm_kinds import follow, maps, records
from calm_memory import Malloc, Trouble, read


# ---- threads ----


def name_of(kernel_id):
    for thread in gdb.selected_inferior().threads():
        if thread.ptid[1] == kernel_id or (thread.ptid[1] == 0 and thread.ptid[0] == kernel_id):
            return f"thread {thread.num} ({thread.name or 'LWP'} {kernel_id})"
    return f"thread LWP {kernel_id}"


def readers_before(stamp):
    """Who keeps what has this stamp (0: none yet) from being released."""
    out = []
    for record in records():
        epoch = int(record["epoch"])
        if epoch and (stamp == 0 or epoch < stamp):
            out.append(f"{name_of(int(record['thread']))}, in a section since epoch {epoch}")
    return out


def retired():
    """(pointer, stamp or 0, thread) of everything that waits in a bag."""
    for record in records():
        for block in follow(record["bag"]["first"], "next"):
            for i in range(int(block["taken"]), int(block["used"])):
                item = block["items"][i]
                if int(item["release"]):
                    yield int(item["pointer"]), int(block["stamp"]) if i < int(block["marked"]) else 0, int(record["thread"])


def released():
    """(pointer, how many were released after it by the same thread, thread): the last ones of each."""
    for record in records():
        n = int(record["releases"])
        size = record["released"].type.range()[1] + 1
        for back in range(min(n, size)):
            yield int(record["released"][(n - 1 - back) % size]), back, int(record["thread"])


# ---- a pointer ----


class Census:
    """What every pointer that calm knows of is."""

    def __init__(self):
        self.live, self.images, self.retired, self.released, self.ranges = {}, {}, {}, {}, []
        self.trouble = []
        for one in maps():
            try:
                self.count(one)
            except (Trouble, gdb.MemoryError) as error:
                self.trouble.append(f"{one}: {error}")
        for pointer, stamp, thread in retired():
            self.retired.setdefault(pointer, (stamp, thread))
        for pointer, back, thread in released():
            self.released.setdefault(pointer, (back, thread))
        self.malloc = None

    def count(self, one):
        for start, end, what in one.places():
            self.ranges.append((start, end, f"in {one}: {what}"))
        for binding in one.bindings():
            self.live.setdefault(binding.value, f"in {one}, {binding.where}: the value of key {one.key(binding.stored)}")
            if not one.words:
                start, end = one.key_memory(binding.stored)
                self.ranges.append((start, end, f"in {one}, {binding.where}: the key {one.key(binding.stored)}"))
        opened = list(one.snapshots())
        images = list(one.images()) if opened else []
        for snapshot in opened:
            stamp = int(snapshot["snap"]["stamp"])
            text = f"in an image of snapshot {int(snapshot.address):#x} (stamp {stamp}) of {one}"
            seen = [(b.stored, b.value) for b in one.frozen(snapshot)]
            seen += [(stored, value) for low, high, stored, value in images if low <= stamp <= high]
            for stored, value in seen:
                self.images.setdefault(value, text)
                try:
                    if not one.words:
                        self.images.setdefault(one.key_memory(stored)[0], text + ", a key")
                except (Trouble, gdb.MemoryError):
                    pass  # an entry of an image that is no binding
            for block in follow(snapshot["snap"]["dead"], "next"):
                for i in range(int(block["used"])):
                    self.images.setdefault(int(block["items"][i]["pointer"]), text + ", displaced and kept for it")

    def exact(self, address):
        if address in self.live:
            return "live", self.live[address]
        for start, end, what in self.ranges:
            if start <= address < end:
                return "live", what
        if address in self.images:
            return "image", self.images[address]
        if address in self.retired:
            stamp, thread = self.retired[address]
            waits = readers_before(stamp)
            text = f"by {name_of(thread)}" if thread else "by a thread that has ended"
            return "retired", f"{text}, " + ("waiting for " + "; ".join(waits) if waits else "due: no reader is in its way")
        return None

    def classify(self, address):
        """(verdict, text): live, image, retired, freed, unknown."""
        found = self.exact(address)
        if found:
            return found
        if self.malloc is None:
            self.malloc = Malloc()
        block = self.malloc.block(address)
        if block and block[0] != address and self.exact(block[0]):
            verdict, text = self.exact(block[0])
            return verdict, f"{address - block[0]} bytes into {block[0]:#x}, {text}"
        inside = block[0] if block else address
        if inside in self.released and (block is None or block[2]):
            back, thread = self.released[inside]
            return "freed", f"calm released {inside:#x}, by {name_of(thread)}, {back} releases ago"
        if block and block[2]:
            return "freed", f"malloc has it back: {address - block[0]} bytes into a free block of {block[1]}"
        if address >= 4096 and read(address, 1) is None:
            return "freed", "there is no memory: it went back to the system, or never was an address"
        if block:
            return "unknown", f"{address - block[0]} bytes into a block of {block[1]} that malloc has given out"
        return "unknown", "no map, image or bag has it"
