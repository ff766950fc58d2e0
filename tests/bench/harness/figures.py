# SPDX-License-Identifier: MIT
"""From samples to figures: medians over the rounds, and the spread beside them."""

import dataclasses
import statistics


@dataclasses.dataclass
class Spread:
    """A figure over the rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values):
        return cls(statistics.median(values), min(values), max(values))


@dataclasses.dataclass
class Result:
    """A row, measured."""

    row: object
    rival: object  # the best one, or None
    value: float
    spread: Spread  # of the quotients of the single rounds
    met: bool
    by_p50: float  # the quotient of median latencies, best rival's by ours: what a busy machine spoils the least; None: unknown


def figure(row, samples):
    return Spread.of([row.figure(s) for s in samples])


def best_rival(row, samples):
    pick = min if row.most else max
    return pick(row.rivals, key=lambda v: figure(row, samples[v.key]).median) if row.rivals else None


def by_p50(row, samples):
    """Rates suffer from each time that others had the processor, half of the requests do not."""
    ours = latency(samples[row.ours.key], "p50")
    theirs = [latency(samples[v.key], "p50") for v in row.rivals]
    return min(theirs) / ours if ours and theirs and all(theirs) and not row.most else None


def result(row, samples):
    ours = [row.figure(s) for s in samples[row.ours.key]]
    rival = best_rival(row, samples)
    theirs = [row.figure(s) for s in samples[rival.key]] if rival else [1] * len(ours)
    value = statistics.median(ours) / statistics.median(theirs)
    spread = Spread.of([a / b for a, b in zip(ours, theirs)])
    met = value <= row.bar if row.most else value >= row.bar
    return Result(row, rival, value, spread, met, by_p50(row, samples))


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def latency(samples, quantile):
    known = [s.latency[quantile] for s in samples if quantile in s.latency]
    return statistics.median(known) if known else None


def table(measured, samples):
    """Lines: what each variant did, then what the rows came to."""
    lines, seen = [], set()
    lines.append(f"{'':42} {'a second':>10} {'least':>9} {'most':>9} {'p50 us':>8} {'p99 us':>8} {'cpu us':>7} {'others':>7}")
    for m in measured:
        for v in m.row.variants():
            if v.key in seen:
                continue
            if v.key.split("/")[0] not in {k.split("/")[0] for k in seen}:
                lines.append(v.key.split("/")[0])
            seen.add(v.key)
            lines.append("  " + variant_line(v, samples[v.key]))
    lines += ["", f"{'':18} {'value':>7} {'bar':>8}  {'rounds':<15} {'by p50':>6}"]
    lines += [result_line(m) for m in measured]
    return lines


def disturbance(samples):
    """The median of the part of the processors that others had."""
    return statistics.median(s.others for taken in samples.values() for s in taken)


def variant_line(variant, samples):
    rates = Spread.of([s.rate for s in samples])
    columns = [f"{variant.label:40}", f"{number(rates.median):>10}", f"{number(rates.least):>9}", f"{number(rates.most):>9}"]
    for value, width in ((latency(samples, "p50"), 8), (latency(samples, "p99"), 8)):
        columns.append(f"{number(value) if value is not None else '':>{width}}")
    cpu = [s.cpu_us for s in samples if s.cpu_us is not None]
    columns.append(f"{number(statistics.median(cpu)) if cpu else '':>7}")
    columns.append(f"{statistics.median(s.others for s in samples):>7.0%}")
    return " ".join(columns)


def result_line(m):
    sign = "<=" if m.row.most else ">="
    against = f"against {m.rival.label}" if m.rival else ""
    verdict = "met" if m.met else "NOT MET"
    spread = f"{m.spread.least:.2f} to {m.spread.most:.2f}"
    p50 = f"{m.by_p50:.2f}" if m.by_p50 else ""
    return f"{m.row.name:18} {m.value:>7.3f} {sign} {m.row.bar:<5g}  {spread:15} {p50:>6} {verdict:8} {against}".rstrip()


def plain(measured, samples, facts):
    """Everything, of what JSON is made of."""
    return {
        "run": dict(facts),
        "rows": [
            {
                "name": m.row.name, "what": m.row.what, "value": m.value, "bar": m.row.bar, "at_most": m.row.most, "met": m.met,
                "spread": dataclasses.asdict(m.spread), "by_p50": m.by_p50, "ours": m.row.ours.key,
                "rival": m.rival.key if m.rival else None,
            }
            for m in measured
        ],
        "samples": {key: [dataclasses.asdict(s) for s in taken] for key, taken in samples.items()},
    }  # fmt: skip
