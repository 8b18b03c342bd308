# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
"""The program's memory, as gdb reads it and as glibc's malloc has divided it.

glibc's chunks are read as they are in glibc 2.30 to 2.41; no debugging information of libc is needed. Where a heap does not look like
one, nothing is said of it.
"""
import bisect
import re
import struct

import gdb

WORD = (1 << 64) - 1


class Trouble(Exception):
    """What the user is told instead of a traceback."""


def read(address, size):
    """The bytes there, or None if they cannot be read."""
    try:
        return bytes(gdb.selected_inferior().read_memory(address & WORD, size)) if size else b""
    except (gdb.MemoryError, OverflowError):
        return None


def must_read(address, size, what):
    data = read(address, size) if size < 1 << 34 else None
    if data is None:
        raise Trouble(f"{what} at {address:#x} cannot be read: the map is damaged, or the core lacks it")
    return data


# ---- what malloc says ----


def regions():
    """(start, end) of the memory that there is, from what gdb knows of the process or the core."""
    out = []
    for line in gdb.execute("info files", to_string=True).splitlines():
        found = re.match(r"\s*0x([0-9a-f]+) - 0x([0-9a-f]+) is load", line)
        if found:
            out.append((int(found[1], 16), int(found[2], 16)))
    if out:
        return out
    try:
        for line in gdb.execute("info proc mappings", to_string=True).splitlines():
            found = re.match(r"\s*0x([0-9a-f]+)\s+0x([0-9a-f]+)", line)
            if found:
                out.append((int(found[1], 16), int(found[2], 16)))
    except gdb.error:
        pass
    return out


class Malloc:
    """glibc's heaps, by walking their chunks: [previous size][size | flags][user's …]."""

    ARENA = 64 << 20
    TCACHE = 0x290  # the size of a thread's cache, the first chunk of its arena since glibc 2.30

    def __init__(self):
        self.blocks, self.starts, self.key = {}, [], None
        for start, end in regions():
            main = self.top_of_main() is not None and start < self.top_of_main() <= end
            if not main and start % self.ARENA != 0:
                continue
            data = read(start, min(end - start, 256 << 20))
            if data:
                self.walk(start, data)
        self.starts = sorted(self.blocks)

    @staticmethod
    def top_of_main():
        try:
            return int(gdb.parse_and_eval("*(unsigned long *)&__curbrk"))
        except gdb.error:
            return None

    def walk(self, start, data):
        u64 = lambda place: struct.unpack_from("<Q", data, place)[0]
        first = next((p for p in range(0, min(len(data), 8192) - 16, 16) if u64(p + 8) & ~7 == self.TCACHE), None)
        if first is None:
            return
        self.find_key(data, start, first + 16)
        place = first
        while place + 32 <= len(data):
            size = u64(place + 8) & ~7
            after = place + size
            if size < 32 or size % 16 or after + 16 > len(data):
                return  # the top, or what is not a heap
            used = u64(after + 8) & 1
            second = u64(place + 24)
            self.blocks[start + place + 16] = (size - 8, bool(used), second)
            place = after

    def find_key(self, data, start, tcache):
        """What a block in a cache has behind its first word; the same for all threads."""
        for bin_ in range(64):
            count = struct.unpack_from("<H", data, tcache + 2 * bin_)[0]
            entry = struct.unpack_from("<Q", data, tcache + 128 + 8 * bin_)[0]
            inside = entry - start
            if count and 0 <= inside <= len(data) - 16:
                self.key = struct.unpack_from("<Q", data, inside + 8)[0]
                return

    def block(self, address):
        """(start, size, free) of the block around an address; None: not known."""
        i = bisect.bisect_right(self.starts, address) - 1
        if i < 0:
            return None
        start = self.starts[i]
        size, used, second = self.blocks[start]
        if address >= start + size:
            return None
        return start, size, not used or (self.key is not None and second == self.key)
