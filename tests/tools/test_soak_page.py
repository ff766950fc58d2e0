# SPDX-License-Identifier: MIT
"""How tests/chaos/soak draws what it saw."""
import itertools
import pathlib
import sys
import xml.etree.ElementTree

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "chaos"))
import soak_page  # noqa: E402

SERIES = {name: [(t, (i + 1) * 1.1) for t in range(0, 3600, 36)] for i, name in enumerate(soak_page.COLOURS)}


@pytest.mark.parametrize("least, most, ticks", [(0.3, 7, [0.2, 0.5, 1, 2, 5, 10]), (1, 1, [1, 2]), (99, 100, [50, 100]), (20, 50, [20, 50])])
def test_ticks_are_one_two_and_five(least, most, ticks):
    assert soak_page.by_1_2_5(least, most) == pytest.approx(ticks)


@pytest.mark.parametrize("values", [[], [0.0], [0.004, 3.2], [7, 7, 7], [0, 36], [1e-3, 1e5]])
@pytest.mark.parametrize("scale", [soak_page.Linear, soak_page.Log])
def test_a_scale_takes_in_what_it_shows(values, scale):
    s = scale(values, 100)
    assert 2 <= len(s.ticks) <= 12
    assert all(soak_page.TOP - 0.01 <= s.y(v) <= soak_page.TOP + 100.01 for v in [*values, *s.ticks])


@pytest.mark.parametrize("ends", [[50] * 7, [0, 1, 2], [99, 100, 100], [10, 90]])
def test_names_are_apart(ends):
    placed = soak_page.names_apart({str(i): y for i, y in enumerate(ends)}, 0, 100)
    ys = sorted(placed.values())
    assert len(ys) == len(ends) and 0 <= ys[0] and ys[-1] <= 100
    assert all(b - a >= soak_page.LABEL - 0.01 for a, b in itertools.pairwise(ys))


def test_a_class_has_one_colour_and_its_name(tmp_path):
    plots = [soak_page.Plot("A & B", "words", SERIES, scale, soak_page.milliseconds, 200) for scale in (soak_page.Log, soak_page.Linear)]
    soak_page.write(tmp_path / "p.html", "soak", ["<end>", "wrong"], (["", "n"], [(name, "1") for name in SERIES]), plots, 3600)
    text = (tmp_path / "p.html").read_text()
    assert "<end>" not in text and "A &amp; B" in text
    for svg in text.split("<svg")[1:]:
        drawn = xml.etree.ElementTree.fromstring("<svg" + svg.split("</svg>")[0] + "</svg>")
        names = {t.text: t.get("style") for t in drawn.iter("text") if t.get("class") == "name"}
        assert names == {name: f"fill: var({colour})" for name, colour in soak_page.COLOURS.items()}
        assert {line.get("stroke") for line in drawn.iter("polyline")} == {f"var({c})" for c in soak_page.COLOURS.values()}
        assert [t.text for t in drawn.iter("text") if t.get("text-anchor") == "middle"][-1] == "60 min"
