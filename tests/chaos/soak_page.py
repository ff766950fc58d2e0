# SPDX-License-Identifier: MIT
"""What the soak saw, as one HTML file: a table, and memory, descriptors and latency over time. It needs nothing from outside."""
import html
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "bench" / "harness"))

from page import STYLE  # noqa: E402

WIDTH, LEFT, TOP, RIGHT, BELOW = 700, 70, 12, 120, 28  # pixels: the plot itself, and what is around it
LABEL = 15  # between two names at the ends of their lines
TICKS_MOST = 7
MINUTE, HOUR = 60, 3600
TIME_STEPS = [5, 10, 20, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR]
# A class has its colour in every plot, and in the table.
COLOURS = {
    "short": "--blue", "prepared": "--green", "transaction": "--violet", "slow reader": "--orange", "reconnect": "--pink",
    "control": "--quiet", "sidepoold": "--text",
}  # fmt: skip
OWN_STYLE = """
:root { --blue: #1f6fd0; --green: #0b8457; --violet: #5a3fc0; --orange: #d2590f; --pink: #cf3a7c; --shade: #eef1f4; }
@media (prefers-color-scheme: dark) { :root { --blue: #5aa2f5; --green: #35c08d; --violet: #a596f7; --orange: #f08b4b;
  --pink: #f27fb0; --shade: #1c2229; } }
svg { width: 100%; } svg .name { font-weight: 600; } polyline { fill: none; stroke-linejoin: round; }
.dot { display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin-right: .5em; }
td:first-child { white-space: nowrap; }
"""


def by_1_2_5(least, most):
    """The numbers 1, 2 and 5 times a power of ten that take in both."""
    found = [f * 10.0**e for e in range(math.floor(math.log10(least)) - 1, math.ceil(math.log10(most)) + 1) for f in (1, 2, 5)]
    low = max(x for x in found if x <= least * (1 + 1e-9))
    high = min(x for x in found if x >= most * (1 - 1e-9) and x > low)
    return [x for x in found if low <= x <= high]


class Linear:
    """From nought."""

    def __init__(self, values, height):
        most = max(values, default=0) * 1.05 or 1
        step = next(s for s in by_1_2_5(most / 10, most * 10) if most / s <= 5)
        self.ticks = [i * step for i in range(math.ceil(most / step) + 1)]
        self.height = height

    def y(self, v):
        return TOP + self.height * (1 - v / self.ticks[-1])


class Log:
    def __init__(self, values, height):
        values = [v for v in values if v > 0] or [1]  # a time less its pauses can be nothing
        self.all = by_1_2_5(min(values), max(values))
        self.low, self.high, self.height = self.all[0], self.all[-1], height
        many = height / (len(self.all) - 1) < LABEL
        self.ticks = [t for t in self.all if not many or f"{t:e}"[0] == "1"]

    def y(self, v):
        return TOP + self.height * (1 - math.log(max(v, self.low) / self.low) / math.log(self.high / self.low))


def milliseconds(v):
    return f"{v / 1000:g} s" if v >= 1000 else f"{v:g} ms"


def minutes(seconds):
    if seconds == 0:
        return "0"
    return f"{seconds / MINUTE:g} min" if seconds >= MINUTE else f"{seconds:g} s"


def text(x, y, words, anchor="start", kind="quiet", colour=None):
    fill = f' style="fill: var({colour})"' if colour else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}"{fill}>{html.escape(words)}</text>'


def names_apart(ends, top, bottom):
    """Where names can be written, each as near to the end of its line as the others let it: {name: y}."""
    placed, y = {}, -math.inf
    for name, wanted in sorted(ends.items(), key=lambda e: e[1]):
        y = placed[name] = max(wanted, y + LABEL, top)
    limit = bottom
    for name in reversed(list(placed)):
        placed[name] = min(placed[name], limit)
        limit = placed[name] - LABEL
    return placed


class Plot:
    """`series`: {name: [(second, value)]}; `unit` writes a value of the scale."""

    def __init__(self, title, words, series, scale, unit, height):
        self.title, self.words, self.unit, self.height = title, words, unit, height
        self.series = {name: points for name, points in series.items() if points}
        self.scale = scale([v for points in self.series.values() for _, v in points], height)

    def axes(self, seconds):
        for first in (0, WIDTH * 5 / 6):
            yield f'<rect x="{LEFT + first:.1f}" y="{TOP}" width="{WIDTH / 6:.1f}" height="{self.height}" fill="var(--shade)"/>'
        for tick in self.scale.ticks:
            y = self.scale.y(tick)
            yield f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--rule)"/>'
            yield text(LEFT - 8, y + 4, self.unit(tick), "end")
        step = next((s for s in TIME_STEPS if seconds / s <= TICKS_MOST), seconds)
        for i in range(int(seconds / step * 1.001) + 1):
            x = LEFT + WIDTH * i * step / seconds
            yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP + self.height}" y2="{TOP + self.height + 5}" stroke="var(--quiet)"/>'
            yield text(x, TOP + self.height + 20, minutes(i * step), "middle")

    def lines(self, seconds):
        ends = {name: self.scale.y(points[-1][1]) for name, points in self.series.items()}
        places = names_apart(ends, TOP, TOP + self.height)
        for name, points in self.series.items():
            at = " ".join(f"{LEFT + WIDTH * t / seconds:.1f},{self.scale.y(v):.1f}" for t, v in points)
            dashes = ' stroke-dasharray="5 3"' if name == "control" else ""
            yield f'<polyline points="{at}" stroke="var({COLOURS[name]})" stroke-width="1.8"{dashes}/>'
            x = LEFT + WIDTH * points[-1][0] / seconds
            way = f"M{x:.1f} {ends[name]:.1f} L{LEFT + WIDTH + 12} {places[name]:.1f}"
            yield f'<path d="{way}" stroke="var({COLOURS[name]})" stroke-width="0.8" opacity="0.6"/>'
            yield text(LEFT + WIDTH + 16, places[name] + 4, name, kind="name", colour=COLOURS[name])

    def svg(self, seconds):
        box = f"0 0 {LEFT + WIDTH + RIGHT} {TOP + self.height + BELOW}"
        drawn = "".join([*self.axes(seconds), *self.lines(seconds)])
        head = f'<h2>{html.escape(self.title)}</h2><p class="quiet">{html.escape(self.words)}</p>'
        return f'{head}<svg viewBox="{box}" role="img" aria-label="{html.escape(self.title)}">{drawn}</svg>'


def table(head, rows):
    """`rows`: [(name, cell, ...)]."""
    top = "".join(f"<th>{html.escape(h)}</th>" for h in head)
    body = "".join(
        f'<tr><td><span class="dot" style="background: var({COLOURS[name]})"></span>{html.escape(name)}</td>'
        + "".join(f"<td>{html.escape(c)}</td>" for c in cells)
        + "</tr>"
        for name, *cells in rows
    )
    return f'<div class="wide"><table><tr>{top}</tr>{body}</table></div>'


def write(path, title, lines, figures, plots, seconds):
    """`figures`: what table() takes; `plots`: of Plot."""
    said = "".join(f'<p{"" if i == 0 else " class=bad"}>{html.escape(line)}</p>' for i, line in enumerate(lines))
    body = "".join(p.svg(seconds) for p in plots)
    path.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{STYLE}{OWN_STYLE}</style><h1>{html.escape(title)}</h1>{said}"
        f"{table(*figures)}<p class=quiet>Times in ms. What is shaded, the first sixth and the last, is compared.</p>{body}</html>\n"
    )
