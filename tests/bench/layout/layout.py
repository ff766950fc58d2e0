# SPDX-License-Identifier: MIT
"""How fast Python decodes each layout of packed rows into tuples of int, float and str: nanoseconds per value."""
import itertools
import struct
import time

LENGTH = struct.Struct("<i")


def values(rows, columns):
    kinds = [b"%d", b"%d.25", b"text value %d"]
    return [[kinds[c % 3] % (r * 7 + c) for c in range(columns)] for r in range(rows)]


def encode(layout, table):
    if layout == "A":
        return b"".join(LENGTH.pack(len(v)) + v for row in table for v in row)
    if layout == "B":
        return b"".join(
            struct.pack(f"<{len(table)}i", *map(len, column)) + b"".join(column) for column in zip(*table)
        )
    flat = [v for row in table for v in row]
    return struct.pack(f"<{len(flat)}i", *map(len, flat)) + b"".join(flat)


def decode_a(data, rows, parsers):
    at, out, unpack = 0, [], LENGTH.unpack_from
    for _ in range(rows):
        row = []
        for parse in parsers:
            (n,) = unpack(data, at)
            at += 4
            if n < 0:
                row.append(None)
            else:
                row.append(parse(data[at : at + n]))
                at += n
        out.append(tuple(row))
    return out


def decode_b(data, rows, parsers):
    at, columns, width = 0, [], 4 * rows
    unpack = struct.Struct(f"<{rows}i").unpack_from
    for parse in parsers:
        lengths = unpack(data, at)
        at += width
        if min(lengths) >= 0:
            ends = list(itertools.accumulate(lengths, initial=at))
            columns.append([parse(data[a:b]) for a, b in zip(ends, ends[1:])])
            at = ends[-1]
            continue
        column = []
        for n in lengths:
            column.append(None if n < 0 else parse(data[at : at + n]))
            at += max(n, 0)
        columns.append(column)
    return list(zip(*columns))


def decode_c(data, rows, parsers):
    n_values = rows * len(parsers)
    lengths = struct.unpack_from(f"<{n_values}i", data)
    at = 4 * n_values
    if min(lengths) >= 0:
        ends = list(itertools.accumulate(lengths, initial=at))
        flat = [p(data[a:b]) for p, a, b in zip(itertools.cycle(parsers), ends, ends[1:])]
    else:
        flat = []
        for p, n in zip(itertools.cycle(parsers), lengths):
            flat.append(None if n < 0 else p(data[at : at + n]))
            at += max(n, 0)
    width = len(parsers)
    return [tuple(flat[i : i + width]) for i in range(0, n_values, width)]


def measure(fn, *arguments):
    count = 1
    while True:
        started = time.perf_counter()
        for _ in range(count):
            fn(*arguments)
        took = time.perf_counter() - started
        if took > 0.05:
            return took / count
        count *= 2


def main():
    kinds = [int, float, bytes.decode]
    for rows, columns in ((1, 1), (1, 4), (1000, 5), (100, 50)):
        table = values(rows, columns)
        parsers = [kinds[c % 3] for c in range(columns)]
        best = {}
        for _ in range(5):  # interleaved: what disturbs one disturbs all
            for layout, fn in (("A", decode_a), ("B", decode_b), ("C", decode_c)):
                took = measure(fn, encode(layout, table), rows, parsers)
                best.setdefault(layout, []).append(took)
        results = {k: sorted(v)[2] * 1e9 / rows / columns for k, v in best.items()}
        assert decode_a(encode("A", table), rows, parsers) == decode_b(encode("B", table), rows, parsers)
        assert decode_a(encode("A", table), rows, parsers) == decode_c(encode("C", table), rows, parsers)
        print(f"python {rows:5} x {columns:2}  " + "  ".join(f"{k} {v:7.1f}" for k, v in results.items()) + "  ns/value")


main()
