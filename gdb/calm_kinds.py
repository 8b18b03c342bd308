# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
"""Kinds of map, as calm-gdb.py sees them.

Layouts come from the library's DWARF. Meanings of bits (the header of a bucket, marks of syncmap) stand here as they do in src/map/. A
kind of map is a class below, in KINDS: what it binds, which
snapshots it has, which memory is its own, what must hold.
"""
import re
import struct

import gdb

from calm_memory import WORD, Trouble, must_read


# ---- the program's memory and types ----


def symbol(name):
    found = gdb.lookup_global_symbol(name) or gdb.lookup_static_symbol(name)
    if found is None:
        raise Trouble(f"no {name}: the program does not use calm, or its libcalm has no debugging information")
    return found


def type_of(name, beside=None):
    """struct name; beside: a symbol of the file that means this one, where others may have the same name."""
    block = None
    if beside is not None:
        block = symbol(beside).symtab.static_block()
    try:
        return gdb.lookup_type("struct " + name, block) if block else gdb.lookup_type("struct " + name)
    except gdb.error as error:
        raise Trouble(f"no struct {name} in the debugging information: {error}") from None


def at(address, kind):
    return gdb.Value(int(address) & WORD).cast(kind.pointer()).dereference()


def offset(kind, *names):
    sum_of = 0
    for name in names:
        field = next((f for f in kind.strip_typedefs().fields() if f.name == name), None)
        if field is None:
            raise Trouble(f"{kind} has no {name}: this script is for another version of calm")
        sum_of += field.bitpos // 8
        kind = field.type.strip_typedefs()
    return sum_of


def follow(first, link):
    """The structs of a list, guarded against one that leads back into itself."""
    seen = set()
    while int(first) != 0:
        if int(first) in seen:
            raise Trouble(f"a list leads back to {int(first):#x}")
        seen.add(int(first))
        one = first.dereference()
        yield one
        first = one[link]


def records():
    used = int(symbol("calm__threads_used").value())
    array = symbol("calm__records").value()
    return [array[i] for i in range(used)]


# ---- keys ----


def rotate(x, n):
    return (x << n | x >> (64 - n)) & WORD


def hash_word(word, seed):
    """XXH3 of eight bytes with a seed (xxHash's specification, section XXH3, 4 to 8 bytes)."""
    seed ^= int.from_bytes((seed & 0xFFFFFFFF).to_bytes(4, "little"), "big") << 32
    flip = ((0x1CAD21F72C81017C ^ 0xDB979083E96DD4DE) - seed) & WORD
    h = ((word >> 32) + ((word & 0xFFFFFFFF) << 32) & WORD) ^ flip
    h ^= rotate(h, 49) ^ rotate(h, 24)
    h = h * 0x9FB21C651E98DF25 & WORD
    h ^= (h >> 35) + 8
    h = h * 0x9FB21C651E98DF25 & WORD
    return h ^ h >> 28


def show_bytes(data, size):
    text = data.decode("ascii", "backslashreplace") if data.isascii() else repr(data)[2:-1]
    text = text.encode("unicode_escape").decode("ascii")
    return f'"{text[:60]}"' + ("…" if size > 60 else "")


# ---- kinds of map ----


class Binding:
    __slots__ = ("where", "stored", "value", "entry")

    def __init__(self, where, stored, value, entry=0):
        self.where, self.stored, self.value, self.entry = where, stored, value, entry


class Map:
    """A map of a kind that is not in KINDS: what every kind has."""

    struct = None
    beside = None

    def __init__(self, base):
        self.base = base
        self.address = int(base.address)
        self.kind = base["kind"]["name"].string()
        self.words = int(base["keys"]["kind"]) == 0
        self.seed = int(base["keys"]["seed"])
        self.own = at(self.address, type_of(self.struct, self.beside)) if self.struct else base

    def __str__(self):
        return f"{self.kind} {self.address:#x}"

    def bindings(self):
        raise Trouble(f"what a {self.kind} binds is not known here")

    def places(self):
        """(start, end, what): memory that is the map's own."""
        yield self.address, self.address + self.own.type.sizeof, "the map itself"

    def check(self):
        """Sentences: what does not hold. Places that a thread is changing are passed over."""
        return iter(())

    def progress(self):
        return []

    def hash(self, stored):
        return hash_word(stored, self.seed) if self.words else int(at(stored, type_of("calm__record"))["hash"])

    def key(self, stored):
        return str(stored) if self.words else show_bytes(*self.key_bytes(stored))

    def key_bytes(self, stored):
        """(bytes, size) of a byte key; of a long one only the first bytes."""
        record = at(stored, type_of("calm__record"))
        size = int(record["size"])
        return must_read(int(record["bytes"].address), min(size, 4096), "a key's record"), size

    def key_memory(self, stored):
        """(start, end) of what a byte key lies in."""
        record = type_of("calm__record")
        return stored, stored + record.sizeof + int(at(stored, record)["size"])

    # ---- snapshots ----

    def snapshots(self):
        """The open ones, mostly the newest first: struct calm_snapshot."""
        if not any(f.name == "snaps" for f in self.own.type.fields()):
            return
        whole = type_of("calm_snapshot")
        snaps = self.own["snaps"]
        joined = gdb.Value(int(snaps["joined"])).cast(type_of("calm__snap").pointer())
        for first in (joined, snaps["newest"]):
            for snap in follow(first, "older"):
                yield at(int(snap.address) - offset(whole, "snap"), whole)

    def segments(self):
        if not any(f.name == "history" for f in self.own.type.fields()):
            return
        history = self.own["history"]
        kind = type_of("calm__segment")
        lanes = int(history["lanes"])
        while lanes:
            lane = at(lanes, type_of("calm__lane"))
            segment = int(lane["first"])
            while segment:
                yield at(segment, kind)
                segment = int(at(segment, kind)["next"])
            lanes = int(lane["next"])
        segment = int(history["closed"])
        while segment:
            yield at(segment, kind)
            segment = int(at(segment, kind)["next"])

    def images(self):
        """(from, to, stored, value): what was bound in earlier epochs, as the history has it."""
        head, entry = type_of("calm__image"), type_of("calm__entry")
        for segment in self.segments():
            tail = int(segment["tail"])
            data = must_read(int(segment["data"].address), tail, "a segment of history")
            field = lambda begin, name, code: struct.unpack_from(code, data, begin + offset(head, name))[0]
            begin = 0
            while begin + head.sizeof <= tail:
                n = field(begin, "n", "<I")
                for i in range(n if field(begin, "place", "<Q") else 0):
                    where = begin + head.sizeof + i * entry.sizeof
                    yield (field(begin, "from", "<Q"), field(begin, "to", "<Q"),
                           struct.unpack_from("<Q", data, where + offset(entry, "key"))[0],
                           struct.unpack_from("<Q", data, where + offset(entry, "value"))[0])
                begin += head.sizeof + n * entry.sizeof

    def frozen(self, snapshot):
        """What a snapshot that is a table binds."""
        return iter(())


class Table:
    """struct calm__table of core/table.h."""

    def __init__(self, address, what):
        self.address, self.what = int(address), what
        self.head = at(address, type_of("calm__table"))
        self.mask = int(self.head["mask"])
        self.count = int(self.head["count"])
        self.bytes = int(self.head["bytes"])
        self.slots = self.mask + 1
        if self.mask & self.slots or self.slots * 17 > self.bytes:
            raise Trouble(f"{what} at {self.address:#x} is no table: {self.slots} slots in {self.bytes} bytes")

    def bindings(self):
        slot = type_of("calm__table_slot")
        tags = must_read(int(self.head["tags"]), self.slots, "a table's tags")
        data = must_read(int(self.head["slots"]), self.slots * slot.sizeof, "a table's slots")
        key, value = offset(slot, "key"), offset(slot, "value")
        for i, tag in enumerate(tags):
            if tag:
                begin = i * slot.sizeof
                yield Binding(
                    f"{self.what}, slot {i} of {self.slots}",
                    struct.unpack_from("<Q", data, begin + key)[0],
                    struct.unpack_from("<Q", data, begin + value)[0],
                )

    def place(self):
        return self.address, self.address + self.bytes, self.what

    def check(self, kind):
        tags = must_read(int(self.head["tags"]), self.slots, "a table's tags")
        n = 0
        for binding in self.bindings():
            n += 1
            i = int(re.search(r"slot (\d+)", binding.where)[1])
            h = kind.hash(binding.stored)
            if tags[i] != (0x80 | h >> 57):
                yield f"{binding.where}: a tag that is not its key's"
            probe = h & self.mask
            while probe != i and tags[probe]:
                probe = (probe + 1) & self.mask
            if probe != i:
                yield f"{binding.where}: cannot be found from its home slot"
        if n != self.count:
            yield f"{self.what}: the count is {self.count}, and there are {n} bindings"


class Hashmap(Map):
    struct = "calm__hashmap"
    # The header of a line, src/map/hashmap.h.
    LOCK, MOVED, OVERFLOW, OCCUPIED_SHIFT, TAG_SHIFT, SLOTS = 1, 2, 4, 3, 6, 3

    def table(self, address):
        return at(address, type_of("calm__hash_table"))

    def tables(self):
        """From the oldest that still has buckets to the newest."""
        first = self.table(int(self.own["table"]))["generation"]["table"]
        address, out = int(first), []
        while address and len(out) < 64:
            out.append(self.table(address))
            address = int(out[-1]["next"])
        return out

    def line_at(self, data, begin=0):
        line = type_of("calm__line")
        if not hasattr(Hashmap, "_layout") or Hashmap._layout[0] != line.sizeof:
            slot = line["slots"].type.target()
            Hashmap._layout = (
                line.sizeof,
                offset(line, "header"),
                offset(line, "overflow"),
                [(offset(line, "slots") + i * slot.sizeof + offset(slot, "key"),
                  offset(line, "slots") + i * slot.sizeof + offset(slot, "value")) for i in range(self.SLOTS)],
            )
        _, header, overflow, slots = Hashmap._layout
        u64 = lambda place: struct.unpack_from("<Q", data, begin + place)[0]
        return u64(header), struct.unpack_from("<I", data, begin + overflow)[0], [(u64(k), u64(v)) for k, v in slots]

    def overflow_line(self, table, number):
        first_bits = int(table["first_bits"])
        chunk = (((number - 1) >> first_bits) + 1).bit_length() - 1
        start = ((1 << chunk) - 1) << first_bits
        size = type_of("calm__line").sizeof
        return must_read(int(table["chunk"][chunk]) + (number - 1 - start) * size, size, "a line that overflowed")

    @staticmethod
    def children(bucket, bits, next_bits):
        """The buckets of the next table that have what was in one that has moved."""
        more = next_bits - bits
        if more >= 0:
            return range(bucket << more, bucket + 1 << more)
        return range(bucket >> -more, (bucket >> -more) + (bucket & (1 << -more) - 1 == 0))

    def lines(self):
        """(table, bucket, header of the bucket, number, header, slots) of every line that counts."""
        size = type_of("calm__line").sizeof
        tables = self.tables()
        # What nothing has moved to yet is not even zero.
        filled = range(1 << int(tables[0]["bits"]))
        for table, after in zip(tables, tables[1:] + [None]):
            bits, moved = int(table["bits"]), []
            data = must_read(int(table["lines"]), size << bits, "a table's buckets")
            for bucket in filled:
                first, number, slots = self.line_at(data, bucket * size)
                if first & self.MOVED:
                    moved.extend(self.children(bucket, bits, int(after["bits"])) if after is not None else ())
                    continue
                yield table, bucket, first, 0, first, slots
                for _ in range((1 << bits) + 64):
                    if not number or not first & self.OVERFLOW:
                        break
                    this = number
                    header, number, slots = self.line_at(self.overflow_line(table, number))
                    yield table, bucket, first, this, header, slots
            filled = moved

    def bindings(self):
        for table, bucket, _, number, header, slots in self.lines():
            for i, (key, value) in enumerate(slots):
                if header >> self.OCCUPIED_SHIFT + i & 1:
                    yield Binding(
                        f"bucket {bucket} of {1 << int(table['bits'])}, slot {i}" + (f", overflow line {number}" if number else ""),
                        key, value)

    def places(self):
        yield from super().places()
        line = type_of("calm__line").sizeof
        for table in self.tables():
            yield int(table.address), int(table.address) + table.type.sizeof, "a table's head"
            yield int(table["lines"]), int(table["lines"]) + (line << int(table["bits"])), "a table's buckets"
            for chunk in range(int(table["chunks"])):
                start = int(table["chunk"][chunk])
                yield start, start + (line << int(table["first_bits"]) + chunk), "a table's overflow"

    def progress(self):
        tables = self.tables()
        out = [f"table: {1 << int(tables[-1]['bits'])} buckets"]
        if len(tables) > 1:
            old = tables[0]
            out.append(f"resizing: {int(old['moved'])} of {1 << int(old['bits'])} buckets moved")
        return out

    def check(self):
        count, locked = 0, False
        for table, bucket, first, number, header, slots in self.lines():
            where = f"bucket {bucket} of {1 << int(table['bits'])}"
            if first & self.LOCK:
                locked = True
                continue
            occupied = header >> self.OCCUPIED_SHIFT & 7
            if number and not occupied:
                yield f"{where}: an empty line in its chain"
            for i, (key, _) in enumerate(slots):
                if not occupied >> i & 1:
                    continue
                count += 1
                h = self.hash(key)
                if h >> int(table["shift"]) != bucket:
                    yield f"{where}, slot {i}: a key that is not this bucket's"
                if header >> self.TAG_SHIFT + 8 * i & 0xFF != h & 0xFF:
                    yield f"{where}, slot {i}: a tag that is not its key's"
        if not locked and len(self.tables()) == 1 and not any(int(r["epoch"]) for r in records()):
            stripes = self.table(int(self.own["table"]))["generation"]["count"]
            said = stripes_sum(stripes)
            if said != count:
                yield f"the count is {said}, and there are {count} bindings"


class Deltamap(Hashmap):
    """Marks, which are a hashmap's bindings, over a base in order of hash; src/map/deltamap.c, src/core/dense.h."""

    def generation(self):
        return self.table(int(self.own["table"]))["generation"]

    def dense(self):
        base = at(int(self.generation()["bed"]["base"]), type_of("calm__base"))
        return at(int(base["dense"]), type_of("calm__dense"))

    def entries(self):
        """(key, value) of every entry of the base, in its order."""
        dense, entry = self.dense(), type_of("calm__entry")
        data = must_read(int(dense["entries"]), int(dense["count"]) * entry.sizeof, "a base's entries")
        pairs = struct.iter_unpack("<2Q", data)
        return list(pairs) if offset(entry, "key") == 0 else [(key, value) for value, key in pairs]

    def identity(self, stored):
        return stored if self.words else self.key_bytes(stored)

    def marks(self):
        return super().bindings()

    def bindings(self):
        gone = int(symbol("calm__gone").value().address)
        marked = set()
        for mark in self.marks():
            marked.add(self.identity(mark.stored))
            if mark.value != gone:
                mark.where = "a mark in " + mark.where
                yield mark
        for i, (key, value) in enumerate(self.entries()):
            if self.identity(key) not in marked:
                yield Binding(f"entry {i} of the base", key, value)

    def running(self):
        """The compaction that is under way, or None."""
        running = int(at(self.address, type_of("deltamap"))["running"])
        return at(running, type_of("calm__compaction")) if running else None

    def places(self):
        yield from super().places()
        yield self.address, self.address + type_of("deltamap").sizeof, "the map itself"
        dense = self.dense()
        yield int(dense.address), int(dense.address) + int(dense["bytes"]), "the base"
        running = self.running()
        for name in ("dense", "under") if running else ():
            made = int(running[name]) if name == "dense" else int(at(int(running["under"]), type_of("calm__base"))["dense"])
            if made:
                size = int(at(made, type_of("calm__dense"))["bytes"])
                yield made, made + size, "the next base" if name == "dense" else "the base that a compaction began with"

    def progress(self):
        running = self.running()
        marks = stripes_sum(self.generation()["count"])
        out = [f"base: {int(self.dense()['count'])} entries; {marks} marks"]
        if running:
            phase = str(running["phase"]).lower()
            out.append(f"compaction: {phase}" + (", for readers in the old base" if phase == "wait" else ""))
        return out + super().progress()

    def check(self):
        yield from super().check()
        dense, last = self.dense(), None
        bits, n = int(dense["bits"]), int(dense["count"])
        starts = struct.unpack(f"<{(1 << bits) + 1}Q", must_read(int(dense["starts"]), 8 * ((1 << bits) + 1), "a base's index"))
        if starts[-1] != n:
            yield f"the base's index ends at {starts[-1]}, and there are {n} entries"
        for i, (key, _) in enumerate(self.entries()):
            h = self.hash(key)
            this = h, key if self.words else self.key_bytes(key)[0]
            if last is not None and this <= last:
                yield f"entry {i} of the base: not in order of hash and key"
            if not starts[h >> 64 - bits] <= i < starts[(h >> 64 - bits) + 1]:
                yield f"entry {i} of the base: not in its bucket"
            last = this
        if not any(int(r["epoch"]) for r in records()):
            said, found = stripes_sum(self.generation()["bed"]["bindings"]), sum(1 for _ in self.bindings())
            if said != found:
                yield f"the count is {said}, and there are {found} bindings"


class Treemap(Map):
    """Leaves in a row under inner nodes; src/map/treemap.h. A byte key is stored as the address of a name under a tag of 16 bits."""

    struct = "calm__treemap"
    LOCK, MOVE, COUNT_SHIFT, ADDRESS, LONG = 1, 2, 8, (1 << 48) - 1, 0xFFFF

    def leaves(self):
        node = at(int(at(int(self.own["tree"]), type_of("calm__tree"))["root"]), type_of("calm__node"))
        for _ in range(64):
            if int(node["level"]) == 0:
                break
            inner = at(int(node.address), type_of("calm__inner"))
            node = at(int(inner["children"][0]), type_of("calm__node"))
        seen = set()
        while int(node.address) not in seen:
            seen.add(int(node.address))
            yield at(int(node.address), type_of("calm__leaf"))
            if not int(node["next"]):
                return
            node = at(int(node["next"]), type_of("calm__node"))
        raise Trouble("the leaves lead back into themselves")

    def entries(self, leaf):
        n = int(leaf["node"]["header"]) >> self.COUNT_SHIFT & 0xFF
        room = leaf["keys"].type.range()[1] + 1
        n = min(n, room)
        keys = must_read(int(leaf["keys"].address), 8 * n, "a leaf's keys")
        values = must_read(int(leaf["values"].address), 8 * n, "a leaf's values")
        return list(zip(struct.unpack(f"<{n}Q", keys), struct.unpack(f"<{n}Q", values)))

    def bindings(self):
        for number, leaf in enumerate(self.leaves()):
            for i, (key, value) in enumerate(self.entries(leaf)):
                yield Binding(f"leaf {number}, entry {i}", key, value)

    def places(self):
        yield from super().places()
        for number, leaf in enumerate(self.leaves()):
            yield int(leaf.address), int(leaf.address) + leaf.type.sizeof, f"leaf {number}"

    def key_memory(self, stored):
        start = stored & self.ADDRESS
        meta = int(at(start, type_of("calm__name"))["meta"])
        more = 8 if meta & self.LONG == self.LONG else 0
        size = struct.unpack("<Q", must_read(start + 8, 8, "a key's name"))[0] if more else meta & self.LONG
        return start, start + type_of("calm__name").sizeof + more + size

    def key_bytes(self, stored):
        start, end = self.key_memory(stored)
        begin = start + type_of("calm__name").sizeof
        if int(at(start, type_of("calm__name"))["meta"]) & self.LONG == self.LONG:
            begin += 8
        return must_read(begin, min(end - begin, 4096), "a key's name"), end - begin

    def check(self):
        last = None
        for number, leaf in enumerate(self.leaves()):
            if int(leaf["node"]["header"]) & (self.LOCK | self.MOVE):
                last = None
                continue
            for i, (key, _) in enumerate(self.entries(leaf)):
                this = key if self.words else self.key_bytes(key)[0]
                if last is not None and this <= last:
                    yield f"leaf {number}, entry {i}: keys do not rise"
                last = this

    def progress(self):
        return [f"{sum(1 for _ in self.leaves())} leaves"]


class OfTables(Map):
    """Kinds whose bindings lie in struct calm__table."""

    def tables(self):
        """(table, whether a thread is changing it)."""
        raise NotImplementedError

    def bindings(self):
        for table, _ in self.tables():
            yield from table.bindings()

    def places(self):
        yield from super().places()
        for table, _ in self.tables():
            yield table.place()

    def check(self):
        for table, busy in self.tables():
            if not busy:
                yield from table.check(self)

    def frozen(self, snapshot):
        whole = at(int(snapshot.address), type_of("calm__frozen"))
        yield from Table(int(whole["table"]), "its table").bindings()


class Lockmap(OfTables):
    struct, beside = "lockmap", "calm__lockmap_snapshots"

    def tables(self):
        busy = int(self.own["lock"]["__data"]["__cur_writer"]) != 0
        yield Table(self.own["table"], "the table"), busy


class Cowmap(OfTables):
    struct, beside = "cowmap", "calm__cowmap_snapshots"

    def tables(self):
        yield Table(int(self.own["sheet"]), "the table"), False


class Shardmap(OfTables):
    struct, beside = "shardmap", "shard_kind"

    def tables(self):
        for i in range(int(self.own["n"])):
            shard = self.own["shards"][i]
            yield Table(shard["table"], f"shard {i} of {int(self.own['n'])}"), int(shard["lock"]["state"]) != 0


class Syncmap(OfTables):
    struct, beside = "syncmap", "calm__syncmap_marks"

    def tables(self):
        word = int(self.own["read"])
        busy = int(self.own["mutex"]["state"]) != 0
        tier = at(word & ~1, type_of("tier", self.beside))
        yield Table(tier["table"], "read"), False
        if int(self.own["dirty"]):
            yield Table(self.own["dirty"]["table"], "dirty"), busy

    def bindings(self):
        marks = int(symbol("calm__syncmap_marks").value().address)
        kind = type_of("entry", self.beside)
        seen = set()
        for table, _ in self.tables():
            for binding in table.bindings():
                if binding.value in seen:
                    continue
                seen.add(binding.value)
                value = int(at(binding.value, kind)["value"])
                if value not in (marks, marks + 1):
                    yield Binding(binding.where, binding.stored, value, binding.value)

    def places(self):
        yield from super().places()
        size = type_of("entry", self.beside).sizeof
        for table, _ in self.tables():
            for binding in table.bindings():
                yield binding.value, binding.value + size, f"the entry in {binding.where}"

    def progress(self):
        return ["amended: dirty has keys that read has not"] if int(self.own["read"]) & 1 else []

    def check(self):
        if int(self.own["mutex"]["state"]) == 0 and (int(self.own["read"]) & 1) != (int(self.own["dirty"]) != 0):
            yield "amended does not say whether there is a dirty table"
        yield from super().check()


KINDS = {
    "hashmap": Hashmap,
    "deltamap": Deltamap,
    "treemap": Treemap,
    "lockmap": Lockmap,
    "cowmap": Cowmap,
    "shardmap": Shardmap,
    "syncmap": Syncmap,
}


def map_of(base):
    """A Map for a calm_map, or a pointer to one."""
    value = base
    if value.type.strip_typedefs().code == gdb.TYPE_CODE_PTR:
        value = value.dereference()
    if value.type.strip_typedefs().code == gdb.TYPE_CODE_INT:
        value = at(int(value), type_of("calm_map"))
    if not any(f.name == "kind" for f in value.type.strip_typedefs().fields()):
        if not any(f.name == "base" for f in value.type.strip_typedefs().fields()):
            value = at(int(value.address), type_of("calm_map"))
        else:
            value = value["base"]
    try:
        name = value["kind"]["name"].string()
    except gdb.error:
        raise Trouble(f"{int(value.address):#x} is no map, or it was destroyed") from None
    return KINDS.get(name, Map)(value)


def maps():
    for base in follow(symbol("calm__maps").value()["newest"], "older"):
        yield map_of(base)


def stripes_sum(stripes):
    cells = stripes["cells"]
    low, high = cells.type.range()
    return max(0, sum(int(cells[i]["count"]) for i in range(low, high + 1)))
