# SPDX-License-Identifier: MIT
"""What each layout costs a client in pure Python: decoded to tuples by a parser for each column, in one chunk and in
ten, and, where pyarrow and numpy are installed, to typed Arrow columns. Nanoseconds of processor time per value.

For each layout the quickest of several ways was kept (`ways`): which one it was is printed. A client chooses by shape.
"""
import statistics
import struct
import time
from decimal import Decimal
from itertools import accumulate, islice, repeat

try:
    import numpy
    import pyarrow
    import pyarrow.compute
except ImportError:
    pyarrow = None

ROUNDS = 7
ROUND_SECONDS = 0.01
KINDS = {
    "i": (int, lambda v, row: b"%d" % v),
    "f": (float, lambda v, row: b"%d.25" % v),
    "t": (bytes.decode, lambda v, row: b"text value %d" % v),
    "d": (lambda b: Decimal(b.decode()), lambda v, row: b"%d.10" % v),
    "n": (bytes.decode, lambda v, row: None if row % 10 == 9 else b"note %d" % v),
    "p": (bytes.decode, lambda v, row: b" " * 84),
    "B": (bytes.decode, lambda v, row: b"x" * (1 << 20)),
}


def text_utf8(text):
    return text if text.isascii() else text.encode("latin-1").decode()


# The same parsers for text that was decoded as Latin-1.
TEXT_PARSERS = {int: int, float: float, bytes.decode: text_utf8, KINDS["d"][0]: Decimal}
# As shapes.h has them.
SHAPES = [("1x1", 1, "i"), ("1x4", 1, "iiip"), ("1000x5", 1000, "iftdn"), ("100x50", 100, "iftdn" * 10), ("3x2-1MB", 3, "iB")]
INT = struct.Struct("<i")
INT_BIG = struct.Struct(">i")
WIDTHS = [struct.Struct(f"<{n}i") for n in range(64)]


def values(rows, kinds):
    return [[KINDS[k][1](r * 7 + c, r) for c, k in enumerate(kinds)] for r in range(rows)]


def pack(cells, order="<"):
    lengths = [-1 if v is None else len(v) for v in cells]
    return struct.pack(f"{order}{len(lengths)}i", *lengths), b"".join(v or b"" for v in cells)


def encode(layout, table):
    if layout == "A" or layout == "A>":
        return b"".join(piece for row in table for v in row for piece in pack([v], "<>"["A>" == layout]))
    if layout == "B":
        return b"".join(piece for column in zip(*table) for piece in pack(column))
    return b"".join(pack([v for row in table for v in row]))


def a_unpack(data, rows, parsers, unpack=INT.unpack_from):
    at, out = 0, []
    for _ in repeat(None, rows):
        row = []
        for parse in parsers:
            (n,) = unpack(data, at)
            at += 4
            if n < 0:
                row.append(None)
            else:
                row.append(parse(data[at : (at := at + n)]))
        out.append(tuple(row))
    return out


def a_from_bytes(data, rows, parsers, from_bytes=int.from_bytes):
    at, out = 0, []
    for _ in repeat(None, rows):
        row = []
        for parse in parsers:
            n = from_bytes(data[at : at + 4], "little")
            at += 4
            if n == 0xFFFFFFFF:
                row.append(None)
            else:
                row.append(parse(data[at : (at := at + n)]))
        out.append(tuple(row))
    return out


class Lengths(dict):
    """From the four bytes of a length to the number; it remembers the short ones."""

    def __missing__(self, key):
        (n,) = INT.unpack(key)
        if n < 1024:
            self[key] = n
        return n


def a_remember(data, rows, parsers, known=Lengths()):
    at, out = 0, []
    for _ in repeat(None, rows):
        row = []
        for parse in parsers:
            n = known[data[at : (at := at + 4)]]
            if n < 0:
                row.append(None)
            else:
                row.append(parse(data[at : (at := at + n)]))
        out.append(tuple(row))
    return out


def a_text(data, rows, parsers, unpack=INT.unpack_from):
    """The chunk decoded once, lengths and all; a slice of it knows by itself whether it is ASCII."""
    text = data.decode("latin-1")
    parsers = [TEXT_PARSERS[p] for p in parsers]
    at, out = 0, []
    for _ in repeat(None, rows):
        row = []
        for parse in parsers:
            (n,) = unpack(data, at)
            at += 4
            if n < 0:
                row.append(None)
            else:
                row.append(parse(text[at : (at := at + n)]))
        out.append(tuple(row))
    return out


def a_big(data, rows, parsers):
    return a_unpack(data, rows, parsers, INT_BIG.unpack_from)


def cells_of(data, at, lengths):
    """The bytes of each value, b"" where it is NULL, and where the last ends; no bytecode runs per value."""
    ends = list(accumulate(lengths, initial=at))
    return list(map(data.__getitem__, map(slice, ends, islice(ends, 1, None)))), ends[-1]


def parsed(parse, cells, lengths):
    if -1 not in lengths:
        return map(parse, cells)
    return [None if n < 0 else parse(v) for n, v in zip(lengths, cells)]


def without_null(lengths):
    return map(max, lengths, repeat(0)) if -1 in lengths else lengths


def b_map(data, rows, parsers):
    at, columns, width = 0, [], 4 * rows
    unpack = struct.Struct(f"<{rows}i").unpack_from
    for parse in parsers:
        lengths = unpack(data, at)
        cells, at = cells_of(data, at + width, without_null(lengths))
        columns.append(parsed(parse, cells, lengths))
    return list(zip(*columns))


def b_slices(data, rows, parsers):
    at, columns, width = 0, [], 4 * rows
    unpack = struct.Struct(f"<{rows}i").unpack_from
    for parse in parsers:
        lengths = unpack(data, at)
        at += width
        columns.append(column := [])
        for n in lengths:
            column.append(None if n < 0 else parse(data[at : (at := at + n)]))
    return list(zip(*columns))


def b_ends(data, rows, parsers):
    at, columns, width = 0, [], 4 * rows
    unpack = struct.Struct(f"<{rows}i").unpack_from
    for parse in parsers:
        lengths = unpack(data, at)
        ends = list(accumulate(without_null(lengths), initial=at + width))
        cells = [data[a:b] for a, b in zip(ends, ends[1:])]
        columns.append(parsed(parse, cells, lengths))
        at = ends[-1]
    return list(zip(*columns))


def b_one_text(data, rows, parsers):
    """A column is decoded at once where it is ASCII; else as elsewhere."""
    if rows == 1:
        return a_unpack(data, rows, parsers)
    at, columns, width = 0, [], 4 * rows
    unpack = struct.Struct(f"<{rows}i").unpack_from
    for parse in parsers:
        lengths = unpack(data, at)
        ends = list(accumulate(without_null(lengths), initial=0))
        at += width
        text = data[at : (at := at + ends[-1])].decode("latin-1")
        columns.append(text_column(parse, text, ends, lengths))
    return list(zip(*columns))


def text_column(parse, text, ends, lengths):
    parse = TEXT_PARSERS[parse]
    cells = [text[a:b] for a, b in zip(ends, islice(ends, 1, None))]
    if parse is text_utf8 and text.isascii():
        return cells if -1 not in lengths else [None if n < 0 else v for n, v in zip(lengths, cells)]
    return parsed(parse, cells, lengths)


def b_one(data, rows, parsers):
    """One row of B is, byte by byte, one row of A."""
    return a_unpack(data, rows, parsers) if rows == 1 else b_slices(data, rows, parsers)


def c_map(data, rows, parsers):
    width = len(parsers)
    lengths = struct.unpack_from(f"<{rows * width}i", data)
    cells, _ = cells_of(data, 4 * rows * width, without_null(lengths))
    return list(zip(*(parsed(p, cells[c::width], lengths[c::width]) for c, p in enumerate(parsers))))


def c_loop(data, rows, parsers):
    width = len(parsers)
    lengths = iter(struct.unpack_from(f"<{rows * width}i", data))
    at, out = 4 * rows * width, []
    for _ in repeat(None, rows):
        row = []
        for parse, n in zip(parsers, islice(lengths, width)):
            if n < 0:
                row.append(None)
            else:
                row.append(parse(data[at : (at := at + n)]))
        out.append(tuple(row))
    return out


def c_text(data, rows, parsers):
    width = len(parsers)
    lengths = struct.unpack_from(f"<{rows * width}i", data)
    ends = list(accumulate(without_null(lengths), initial=0))
    text = data[4 * rows * width :].decode("latin-1")
    cells = [text[a:b] for a, b in zip(ends, islice(ends, 1, None))]
    columns = (parsed(TEXT_PARSERS[p], cells[c::width], lengths[c::width]) for c, p in enumerate(parsers))
    return list(zip(*columns))


def c_one(data, rows, parsers):
    if rows != 1:
        return c_loop(data, rows, parsers)
    at, row = 4 * len(parsers), []
    for parse, n in zip(parsers, WIDTHS[len(parsers)].unpack_from(data)):
        if n < 0:
            row.append(None)
        else:
            row.append(parse(data[at : (at := at + n)]))
    return [tuple(row)]


WAYS = {
    "A": [a_unpack, a_from_bytes, a_remember, a_text],
    "B": [b_one, b_map, b_slices, b_ends, b_one_text],
    "C": [c_map, c_loop, c_one, c_text],
    "A>": [a_big],
}


def arrow_type(kind):
    return {"i": pyarrow.int64(), "f": pyarrow.float64(), "d": pyarrow.decimal128(20, 2)}.get(kind, pyarrow.string())


def arrow_string(lengths, data, at):
    """A string array on the chunk's own bytes, and where its last value ends."""
    offsets = numpy.empty(len(lengths) + 1, dtype="<i4")
    offsets[0] = at
    numpy.cumsum(numpy.maximum(lengths, 0), out=offsets[1:])
    offsets[1:] += at
    nulls = None
    if (lengths < 0).any():
        nulls = pyarrow.py_buffer(numpy.packbits(lengths >= 0, bitorder="little"))
    array = pyarrow.StringArray.from_buffers(len(lengths), pyarrow.py_buffer(offsets), pyarrow.py_buffer(data), nulls)
    return array, int(offsets[-1])


def arrow_b(data, rows, kinds):
    at, columns = 0, []
    for kind in kinds:
        lengths = numpy.frombuffer(data, "<i4", rows, at)
        array, at = arrow_string(lengths, data, at + 4 * rows)
        columns.append(array.cast(arrow_type(kind)))
    return columns


def arrow_c(data, rows, kinds):
    n = rows * len(kinds)
    every, _ = arrow_string(numpy.frombuffer(data, "<i4", n), data, 4 * n)
    starts = numpy.arange(0, n, len(kinds))
    return [every.take(pyarrow.array(starts + c)).cast(arrow_type(k)) for c, k in enumerate(kinds)]


def arrow_a(data, rows, kinds, unpack=INT.unpack_from):
    """The walk is Python's; the values are Arrow's from there: where each begins, then as in C."""
    at, lengths, gaps = 0, [], rows * len(kinds)
    for _ in repeat(None, gaps):
        (n,) = unpack(data, at)
        lengths.append(n)
        at += 4 + (n if n > 0 else 0)
    known = numpy.array(lengths, dtype="<i4")
    # Each length is a value too, of four bytes: a string array on the chunk needs no gaps.
    both = numpy.full(2 * gaps, 4, dtype="<i4")
    both[1::2] = known
    every, _ = arrow_string(both, data, 0)
    starts = numpy.arange(1, 2 * gaps, 2 * len(kinds))
    return [every.take(pyarrow.array(starts + 2 * c)).cast(arrow_type(k)) for c, k in enumerate(kinds)]


def timed(fn, count):
    started = time.process_time()
    for _ in repeat(None, count):
        fn()
    return (time.process_time() - started) / count


def rounds(candidates):
    """Interleaved, so that what disturbs one disturbs all. From name to seconds, sorted."""
    count = {}
    for name, fn in candidates.items():
        n = 1
        while timed(fn, n) * n < ROUND_SECONDS:
            n *= 2
        count[name] = n
    took = {name: [] for name in candidates}
    for _ in range(ROUNDS):
        for name, fn in candidates.items():
            took[name].append(timed(fn, count[name]))
    return {name: sorted(t) for name, t in took.items()}


def report(work, shape, took, n):
    """The quickest way of each layout."""
    line = []
    for layout in dict.fromkeys(name for name, _ in took):
        way, t = min(((w, t) for (name, w), t in took.items() if name == layout), key=lambda x: statistics.median(x[1]))
        median, (low, _, high) = statistics.median(t), statistics.quantiles(t, n=4)
        line.append(f"{layout} {median * 1e9 / n:.1f} ±{(high - low) / 2 / median * 100:.0f}% {way}")
    print(f"python\t{work}\t{shape}\t" + "\t".join(line), flush=True)


def chunked(fn, chunks, parsers):
    def run():
        out = []
        for data, rows in chunks:
            out += fn(data, rows, parsers)
        return out

    return run


def measure(name, rows, kinds):
    table, parsers = values(rows, kinds), [KINDS[k][0] for k in kinds]
    expected = [tuple(None if v is None else p(v) for v, p in zip(row, parsers)) for row in table]
    sizes = {"tuples": rows} | ({"tuples, 10 chunks": rows // 10} if rows >= 100 else {})
    for work, size in sizes.items():
        candidates = {}
        for layout, ways in WAYS.items():
            chunks = [(encode(layout, part := table[i : i + size]), len(part)) for i in range(0, rows, size)]
            for fn in ways:
                run = chunked(fn, chunks, parsers) if len(chunks) > 1 else lambda f=fn, d=chunks[0][0]: f(d, rows, parsers)
                if run() != expected:
                    raise AssertionError(f"{fn.__name__} of {name} is wrong")
                candidates[layout, fn.__name__] = run
        report(work, name, rounds(candidates), rows * len(kinds))


def measure_arrow(name, rows, kinds):
    table = values(rows, kinds)
    candidates = {}
    for layout, fn in (("A", arrow_a), ("B", arrow_b), ("C", arrow_c)):
        data = encode(layout, table)
        for c, column in enumerate(fn(data, rows, kinds)):
            parse = KINDS[kinds[c]][0]
            if column.to_pylist() != [None if row[c] is None else parse(row[c]) for row in table]:
                raise AssertionError(f"{fn.__name__} of {name} is wrong in column {c}")
        candidates[layout, fn.__name__] = lambda f=fn, d=data: f(d, rows, kinds)
    report("arrow", name, rounds(candidates), rows * len(kinds))


def main():
    for name, rows, kinds in SHAPES:
        measure(name, rows, kinds)
    if not pyarrow:
        print("python\tarrow\tnot measured: numpy and pyarrow are not installed")
        return
    for name, rows, kinds in SHAPES:
        if rows >= 100:
            measure_arrow(name, rows, kinds)


main()
