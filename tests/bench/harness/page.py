# SPDX-License-Identifier: MIT
"""One HTML file for people: the bars, and a plot for each family of variants. It needs nothing from outside."""

import html

from figures import Spread, latency, number

COLOURS = {"sidepool": "var(--ours)", "pgbouncer": "var(--theirs)", "direct": "var(--direct)", "relay": "var(--direct)"}
LINE, LEFT, WIDTH, RIGHT = 26, 270, 380, 300  # pixels: a variant's height, its name, its bar, its figures

STYLE = """
:root { color-scheme: light dark; --ours: #1a7f5a; --theirs: #c2701c; --direct: #7a8594; --text: #1d2329; --quiet: #667180;
  --rule: #d9dee4; --bad: #b3261e; --page: #fff; }
@media (prefers-color-scheme: dark) { :root { --ours: #4cc38a; --theirs: #f0a45d; --direct: #98a3b0; --text: #e6e9ed;
  --quiet: #98a3b0; --rule: #39424c; --bad: #ff8a80; --page: #14181c; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .3rem; } p { max-width: 46rem; }
.quiet { color: var(--quiet); } .bad { color: var(--bad); font-weight: 600; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } .wide { overflow-x: auto; }
td, th { text-align: right; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--rule); font-weight: inherit; }
th { color: var(--quiet); } td:first-child, th:first-child, .left { text-align: left; }
svg text { font: 13px system-ui, sans-serif; fill: var(--text); } svg .quiet { fill: var(--quiet); }
svg { max-width: 100%; height: auto; }
"""

WORDS = """Each load ran once in each round, one after the other, so that what else the machine did hit all of them alike. A bar is the
median of the rounds, each dot one round. What counts are the quotients; absolute figures are this machine's."""


def text(x, y, words, anchor="start", kind=""):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" class="{kind}">{html.escape(words)}</text>'


def duration(us):
    return f"{number(us)} µs" if us < 10000 else f"{number(us / 1000)} ms"


def details(samples):
    """What is known besides the rate, in words."""
    found = [f"{name} {duration(value)}" for name in ("p50", "p99") if (value := latency(samples, name)) is not None]
    cpu = [s.cpu_us for s in samples if s.cpu_us is not None]
    if cpu:
        found.append(f"cpu {duration(Spread.of(cpu).median)}")
    memory = [s.rss / (1 << 20) for s in samples if s.rss is not None]
    if memory:
        found.append(f"{number(Spread.of(memory).median)} MiB")
    return ", ".join(found)


def plot_line(index, variant, samples, most):
    rates = [s.rate for s in samples]
    median, y, colour = Spread.of(rates).median, index * LINE, COLOURS[variant.contestant]
    parts = [
        text(0, y + 17, variant.label),
        f'<rect x="{LEFT}" y="{y + 5}" width="{WIDTH * median / most:.1f}" height="{LINE - 10}" rx="2" fill="{colour}" opacity="0.75"/>',
    ]
    for rate in rates:
        x = LEFT + WIDTH * rate / most
        parts.append(f'<circle cx="{x:.1f}" cy="{y + LINE / 2}" r="3" fill="{colour}" stroke="var(--page)"/>')
    parts.append(text(LEFT + WIDTH + 10, y + 17, f"{number(median)}/s"))
    parts.append(text(LEFT + WIDTH + 85, y + 17, details(samples), kind="quiet"))
    return parts


def plot(variants, samples):
    most = max(s.rate for v in variants for s in samples[v.key])
    parts = [part for i, v in enumerate(variants) for part in plot_line(i, v, samples[v.key], most)]
    width, height = LEFT + WIDTH + 85 + RIGHT, len(variants) * LINE
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">{"".join(parts)}</svg>'


def families(measured):
    """Variants by what stands before the slash of their keys, in the order of the rows, with the rows that they serve."""
    found = {}
    for m in measured:
        for v in m.row.variants():
            family = found.setdefault(v.key.split("/")[0], {})
            family[v.key] = v
    return {name: list(variants.values()) for name, variants in found.items()}


def result_row(m):
    sign = "≤" if m.row.most else "≥"
    verdict = "met" if m.met else '<span class="bad">not met</span>'
    p50 = f"{m.by_p50:.2f}" if m.by_p50 else ""
    cells = [
        f'<td class="left">{m.row.name}</td>', f"<td>{m.value:.3f}</td>", f"<td>{sign} {m.row.bar:g}</td>",
        f'<td class="quiet">{m.spread.least:.2f} to {m.spread.most:.2f}</td>', f'<td class="quiet">{p50}</td>', f'<td class="left">{verdict}</td>',
        f'<td class="left quiet">{html.escape(m.rival.label if m.rival else "")}</td>',
    ]  # fmt: skip
    return f"<tr>{''.join(cells)}</tr>"


def page(measured, samples, facts):
    """The whole file. `facts` are pairs of words about the run."""
    rows = "\n".join(result_row(m) for m in measured)
    what = {m.row.name: m.row.what for m in measured}
    plots = "\n".join(
        f'<h2>{name}</h2><p class="quiet">{html.escape(what.get(name, ""))}</p><div class="wide">{plot(variants, samples)}</div>'
        for name, variants in families(measured).items()
    )
    told = " · ".join(f"{html.escape(name)} {html.escape(str(value))}" for name, value in facts)
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>sidepool: how fast</title><style>{STYLE}</style>
<h1>sidepool: how fast</h1><p class="quiet">{told}</p><p>{WORDS}</p>
<div class="wide"><table><tr><th>row</th><th>value</th><th>bar</th><th>rounds</th><th>by p50</th><th></th><th class="left">against</th></tr>
{rows}</table></div>
{plots}
</html>
"""
