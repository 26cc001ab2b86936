"""
format.py - a segment read as search/FORMAT.md says, by a reader that shares nothing with the one that wrote it: the
documents' words, numbers and ids are what comes out.  (Sums and compressed documents are left to the tests in C.)
"""
import collections
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from lab import run, same  # noqa: E402

BUILD = os.environ["LAB_BUILD"]
DOCS = 3000
WORDS = ["w%d" % n for n in range(60)]
NO_FIELD = 4294967295
KINDS = {name: kind for kind, name in enumerate(
    "schema documents sources ids values terms index keys lists positions lengths totals".split())}


# ---- numbers

def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def packed(data, at):
    """A packed column: its numbers, and what is behind it."""
    base, step, count, width = struct.unpack_from("<qQII", data, at)
    at += 24
    words = (count * width + 63) // 64 + 1
    bits = int.from_bytes(data[at:at + 8 * words], "little")
    return [base + (bits >> i * width & (1 << width) - 1) * step for i in range(count)], at + 8 * words


def block(data, at, width):
    """256 numbers, and what is behind them."""
    words = struct.unpack_from("<%dI" % (8 * width), data, at)
    lanes = [sum(word << 32 * k for k, word in enumerate(words[lane::8])) for lane in range(8)]
    return [lanes[i % 8] >> i // 8 * width & (1 << width) - 1 for i in range(256)], at + 32 * width


def patched(data, at, width, patches, more):
    numbers, at = block(data, at, width)
    places, at = data[at:at + patches], at + patches
    end = at + (patches * more + 7) // 8
    bits = int.from_bytes(data[at:end], "little")
    for i, place in enumerate(places):
        numbers[place] |= (bits >> i * more & (1 << more) - 1) << width
    same(bits >> patches * more, 0)
    return numbers, end


def norm(length):
    """Up to 39 itself, above in steps of four significant bits."""
    rest = length - 24
    if rest < 8:
        return length
    shift = rest.bit_length() - 4
    return 24 + (rest >> shift & 7 | shift + 1 << 3)


# ---- a segment

class Segment:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        same(self.data[:8], b"drawnseg")
        foot = struct.unpack_from("<8sIIIIQQ", self.data, len(self.data) - 56)
        magic, version, count, self.docs, zero, sums, table = foot
        same((magic, version, zero, sums % 64), (b"drawnseg", 2, 0, 0))
        self.sections = {}
        for i in range(count):
            kind, field, offset, size = struct.unpack_from("<IIQQ", self.data, table + 24 * i)
            same(offset % 64, 0)
            self.sections[kind, field] = self.data[offset:offset + size]
        same(table + 24 * count, len(self.data) - 56)
        self.fields = {f["name"]: n for n, f in enumerate(json.loads(self.section("schema", NO_FIELD)))}

    def section(self, kind, field):
        return self.sections[KINDS[kind], field]

    def ids(self):
        data = self.section("ids", NO_FIELD)
        offsets, at = packed(data, 8)
        slots = 2
        while slots * 2 < len(offsets[1:]) * 3:
            slots *= 2
        rest = data[at + 4 * slots:]
        return [rest[a:b].decode() for a, b in zip(offsets, offsets[1:])]

    def terms(self, field):
        """{term: (documents, the only one, how often, all, list, positions)}"""
        index, terms = self.section("index", field), self.section("terms", field)
        full, found = (KINDS["positions"], field) in self.sections, {}
        begins = [struct.unpack_from("<I", index, at)[0] for at in range(0, len(index), 8)]
        for at, end in zip(begins, begins[1:]):
            lists, at = varint(terms, at)
            places, at = varint(terms, at) if full else (0, at)
            before = b""
            while at < end:
                shared, at = varint(terms, at)
                rest, at = varint(terms, at)
                term = before[:shared] + terms[at:at + rest]
                count, at = varint(terms, at + rest)
                size = doc = freq = 0
                if count == 1:
                    doc, at = varint(terms, at)
                    freq, at = varint(terms, at)
                    total = freq
                else:
                    more, at = varint(terms, at)
                    size, at = varint(terms, at)
                    total = count + more
                width, at = varint(terms, at) if full else (0, at)
                found[term.decode()] = (count, doc, freq, total, (lists, size), (places, width))
                lists, places, before = lists + size, places + width, term
        return found

    def documents(self, field, entry):
        """[(document, how often)]"""
        count, doc, freq, _, (at, size), _ = entry
        if count == 1:
            return [(doc, freq)]
        data = self.section("lists", field)[at:at + size]
        if count < 256:
            return short(data, 0, count, -1)
        found, blocks = [], (count + 255) // 256
        impacts = struct.unpack_from("<I", data)[0]
        groups = -(-blocks // 16) if blocks > 16 else 0
        behind = 4 + 20 * blocks + 4 * groups + 2 * impacts
        for i in range(blocks):
            last, bits, _, places, width, *freq_widths = struct.unpack_from("<IIIIBBBB", data, 4 + 20 * i)
            same(places, sum(f for _, f in found))
            before = found[-1][0] if found else -1
            if i == blocks - 1 and count % 256:
                found += short(data, behind + bits, count % 256, before)
            else:
                docs, at = full_block(data, behind + bits, width, before, last)
                freqs, _ = patched(data, at, *freq_widths)
                found += [(doc, freq + 1) for doc, freq in zip(docs, freqs)]
            same(found[-1][0], last)
        return found

    def positions(self, field, entry):
        at, size = entry[5]
        data, total = self.section("positions", field)[at:at + size], entry[3]
        full, numbers = total // 256, []
        behind = 8 * (full + 1) if full else 0
        for i in range(full):
            offset, *widths, zero = struct.unpack_from("<IBBBB", data, 8 * i)
            same(zero, 0)
            numbers += patched(data, behind + offset, *widths)[0]
        at = behind + struct.unpack_from("<I", data, 8 * full)[0] if full else 0
        while len(numbers) < total:
            number, at = varint(data, at)
            numbers.append(number)
        return numbers

    def values(self, field):
        """[[values] of each document]; of keywords their texts"""
        data = self.section("values", field)
        kind, have = struct.unpack_from("<II", data)
        at = 24 + 16 * ((self.docs + 1023) // 1024)
        numbers, at = packed(data, at)
        firsts = list(range(have + 1))
        if len(numbers) > have:
            firsts, at = packed(data, at)
        present = [have > 0] * self.docs
        if 0 < have < self.docs:
            words = (self.docs + 63) // 64
            bits = int.from_bytes(data[at:at + 8 * words], "little")
            present = [bits >> doc & 1 for doc in range(self.docs)]
            at += 8 * words + 4 * ((self.docs + 511) // 512 if self.docs % 512 else self.docs // 512 + 1)
        if kind == 2:
            begins, at = packed(data, at)
            names = [data[at + a:at + b].decode() for a, b in zip(begins, begins[1:])]
            numbers = [names[n] for n in numbers]
        found, place = [], 0
        for doc in range(self.docs):
            found.append(numbers[firsts[place]:firsts[place + 1]] if present[doc] else [])
            place += bool(present[doc])
        return found


def short(data, at, count, doc):
    found = []
    for _ in range(count):
        gap, at = varint(data, at)
        doc, freq = doc + gap // 2 + 1, 1
        if not gap & 1:
            freq, at = varint(data, at)
        found.append((doc, freq))
    return found


def full_block(data, at, width, before, last):
    if width == 64:
        first = (before + 1) // 64
        words = last // 64 - first + 1
        bits = int.from_bytes(data[at:at + 8 * words], "little")
        return [first * 64 + i for i in range(64 * words) if bits >> i & 1], at + 8 * words
    gaps, at = block(data, at, width)
    docs = []
    for gap in gaps:
        before += gap + 1
        docs.append(before)
    return docs, at


# ---- what went in

def make(chance):
    """Words from one that is in nearly all documents to one that is in few."""
    documents = []
    for number in range(DOCS):
        words = [word for n, word in enumerate(WORDS) for _ in range(chance.choice((1, 1, 2, 40)))
                 if chance.random() < 0.99 / (1 + n * n / 8)]
        chance.shuffle(words)
        document = {"id": "d%d" % number, "text": " ".join(words + ["only%d" % number] * (number % 3))}
        if chance.random() < 0.8:
            document["year"] = 1900 + 5 * chance.randrange(30)
        document["tags"] = chance.sample(["a", "bb", "ccc"], chance.randrange(3))
        documents.append(document)
    return documents


def test_a_segment_is_as_its_format_says():
    documents = make(random.Random(7))
    schema = {"dynamic": False, "properties": {"text": {"type": "text"}, "tags": {"type": "keyword"},
                                               "year": {"type": "long"}}}
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/schema", "w", encoding="ascii") as file:
            json.dump(schema, file)
        lines = "".join(json.dumps(d) + "\n" for d in documents)
        subprocess.run([os.path.join(BUILD, "search", "search-index"), "--index", folder + "/i", "--schema",
                        folder + "/schema"], input=lines, text=True, check=True, stderr=subprocess.DEVNULL)
        with open(folder + "/i/manifest", encoding="ascii") as file:
            manifest = json.load(file)
        same([(s["file"], s["docs"]) for s in manifest["segments"]], [("1.segment", DOCS)])
        segment = Segment(folder + "/i/1.segment")
    same(segment.docs, DOCS)
    same(segment.ids(), [d["id"] for d in documents])
    check_text(segment, documents)
    tags, year = segment.fields["tags"], segment.fields["year"]
    same(segment.values(year), [[d["year"]] if "year" in d else [] for d in documents])
    same(segment.values(tags), [sorted(d["tags"]) for d in documents])
    for tag, entry in segment.terms(tags).items():
        same([doc for doc, _ in segment.documents(tags, entry)],
             [n for n, d in enumerate(documents) if tag in d["tags"]], tag)


def check_text(segment, documents):
    field, expected = segment.fields["text"], collections.defaultdict(dict)
    for number, document in enumerate(documents):
        for position, word in enumerate(document["text"].split()):
            expected[word].setdefault(number, []).append(position)
    terms = segment.terms(field)
    same(list(terms), sorted(expected))
    kinds = set()
    for word, where in expected.items():
        found = segment.documents(field, terms[word])
        same(found, [(doc, len(places)) for doc, places in where.items()], word)
        steps = [p - q for places in where.values() for p, q in zip(places, [0] + places)]
        same(segment.positions(field, terms[word]), steps, word)
        kinds.add("one" if len(found) == 1 else "short" if len(found) < 256 else "long")
    same(kinds, {"one", "short", "long"})
    lengths = segment.section("lengths", field)
    same(list(lengths), [norm(len(d["text"].split())) for d in documents])
    tokens, docs, zero = struct.unpack("<QII", segment.section("totals", field))
    same((tokens, docs, zero), (sum(len(d["text"].split()) for d in documents),
                                sum(bool(d["text"]) for d in documents), 0))


if __name__ == "__main__":
    run(sys.modules[__name__])
