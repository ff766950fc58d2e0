# SPDX-License-Identifier: MIT
"""What the soak saw, as one HTML file: memory, descriptors and latency over time. It needs nothing from outside."""
import html
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "bench" / "harness"))

from page import STYLE  # noqa: E402

WIDTH, HEIGHT, LEFT, TOP = 760, 150, 60, 10
COLOURS = ["var(--ours)", "var(--theirs)", "var(--direct)", "var(--bad)", "var(--quiet)", "var(--text)"]


def line(points, seconds, most, colour):
    at = " ".join(f"{LEFT + WIDTH * t / seconds:.1f},{TOP + HEIGHT * (1 - v / most):.1f}" for t, v in points)
    return f'<polyline points="{at}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def plot(title, unit, series, seconds):
    """`series`: {name: [(second, value)]}."""
    most = max((v for points in series.values() for _, v in points), default=0) * 1.1 or 1
    parts = [f'<svg viewBox="0 0 {LEFT + WIDTH + 10} {TOP + HEIGHT + 25}" role="img" aria-label="{html.escape(title)}">']
    for share in (0, 0.5, 1):
        y = TOP + HEIGHT * (1 - share)
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y}" y2="{y}" stroke="var(--rule)"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end" class="quiet">{most * share:.3g}</text>')
    for share in (0, 0.5, 1):
        parts.append(
            f'<text x="{LEFT + WIDTH * share}" y="{TOP + HEIGHT + 18}" text-anchor="middle" class="quiet">{seconds * share / 60:.3g} min</text>'
        )
    colours = dict(zip(series, COLOURS))
    parts += [line(points, seconds, most, colours[name]) for name, points in series.items()]
    names = ", ".join(f'<span style="color:{colour}">{html.escape(name)}</span>' for name, colour in colours.items())
    return f"<h2>{html.escape(title)}</h2><p class=quiet>{unit}; {names}</p>{''.join(parts)}</svg>"


def write(path, title, lines, plots, seconds):
    """`plots`: [(title, unit, series)]."""
    said = "".join(f"<li>{html.escape(text)}</li>" for text in lines)
    body = "".join(plot(*p, seconds) for p in plots)
    path.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style><h1>{html.escape(title)}</h1><ul>{said}</ul>{body}</html>\n"
    )
