# SPDX-License-Identifier: MIT
"""A screen (screen.py) as an SVG that looks the same with whatever fixed font the viewer has."""
import itertools
from xml.sax.saxutils import escape

WIDTH, HEIGHT, MARGIN = 8.4, 18, 12
BACKGROUND, FOREGROUND = "#16181d", "#d6d9e0"
COLOURS = {
    "black": "#16181d", "red": "#ff6b68", "green": "#7ccf7c", "brown": "#e5c07b", "yellow": "#e5c07b", "blue": "#6cb6ff",
    "magenta": "#d291e4", "cyan": "#56c8d8", "white": "#d6d9e0", "brightblack": "#8b919d",
}  # fmt: skip


def look(character):
    """(colour of the text, colour behind it or None, bold)"""
    text = COLOURS.get(character.fg, FOREGROUND)
    behind = COLOURS.get(character.bg)
    if character.reverse:
        text, behind = behind or BACKGROUND, text
    return text, behind, character.bold


def runs(row, columns):
    """(first column, text, look) of the characters side by side that look the same; blanks alone are none."""
    at = 0
    for how, characters in itertools.groupby((row[c] for c in range(columns)), key=look):
        text = "".join(c.data for c in characters)
        if text.strip() or how[1]:
            yield at, text, how
        at += len(text)


def run_to_svg(line, at, text, how):
    colour, behind, bold = how
    x, y, width = MARGIN + at * WIDTH, MARGIN + line * HEIGHT, len(text) * WIDTH
    if behind:
        yield f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{HEIGHT}" fill="{behind}"/>'
    if text.strip():
        indent = len(text) - len(text.lstrip())
        x, text = x + indent * WIDTH, text.strip()
        weight = ' font-weight="bold"' if bold else ""
        place = f'x="{x:.1f}" y="{y + HEIGHT - 5}" textLength="{len(text) * WIDTH:.1f}" lengthAdjust="spacingAndGlyphs"'
        yield f'<text {place} fill="{colour}"{weight} xml:space="preserve">{escape(text)}</text>'


def svg(screen, title):
    """The text of the picture; `title` is for who does not see it."""
    columns, lines = screen.screen.columns, screen.screen.lines
    width, height = columns * WIDTH + 2 * MARGIN, lines * HEIGHT + 2 * MARGIN
    drawn = [
        part for n in range(lines) for at, text, how in runs(screen.screen.buffer[n], columns) for part in run_to_svg(n, at, text, how)
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}" role="img"'
    font = 'font-family="ui-monospace, \'DejaVu Sans Mono\', Menlo, Consolas, monospace" font-size="14"'
    box = f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>'
    return "\n".join([f"{head} {font}>", f"<title>{escape(title)}</title>", box, *drawn, "</svg>"]) + "\n"
