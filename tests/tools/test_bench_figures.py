# SPDX-License-Identifier: MIT
"""From samples to verdicts: what tests/bench/run makes of its figures."""
import pathlib
import sys
import xml.etree.ElementTree

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(TOP / "tests" / "bench" / "harness"), str(TOP / "tests" / "integration")]
import figures  # noqa: E402
import loads  # noqa: E402
import page  # noqa: E402
import plan  # noqa: E402
from stage import Variant  # noqa: E402


def variant(name):
    return Variant(f"select/{name}", name, "sidepool" if name == "ours" else "pgbouncer", None)


def samples(**rates):
    taken = {f"select/{k}": [loads.Sample(r, 100, {"p50": 5.0, "p99": 1000 / r}, cpu_us=r / 10, others=r / 1000) for r in v] for k, v in rates.items()}
    return taken


OURS, SLOW, QUICK = variant("ours"), variant("slow"), variant("quick <1>")


def row(bar, **options):
    return plan.Row("select", "one row", bar, OURS, [SLOW, QUICK], **options)


TAKEN = samples(ours=[100, 300, 200], slow=[90, 90, 90], **{"quick <1>": [500, 100, 100]})


def test_the_value_is_a_quotient_of_medians():
    result = figures.result(row(1.5), TAKEN)
    assert result.value == 2
    assert (result.spread.least, result.spread.most) == (0.2, 3)


def test_the_best_rival_counts():
    assert figures.result(row(1), TAKEN).rival is QUICK
    assert figures.result(row(1, most=True, figure=plan.cpu_us), TAKEN).rival is SLOW
    assert figures.result(row(1, most=True, figure=plan.p99), TAKEN).rival is QUICK


@pytest.mark.parametrize("bar, most, met", [(2, False, True), (2.1, False, False), (2, True, False), (2.3, True, True)])
def test_a_bar_is_met_from_its_side(bar, most, met):
    assert figures.result(row(bar, most=most), TAKEN).met is met


def test_without_a_rival_the_figure_is_the_value():
    alone = plan.Row("memory", "", 48, OURS, most=True)
    result = figures.result(alone, TAKEN)
    assert (result.value, result.rival, result.met) == (200, None, False)


def test_quantiles_of_times():
    told = loads.quantiles(range(1, 1001))
    assert told == {"mean": 500.5, "p50": 501, "p90": 901, "p99": 991, "max": 1000}


def test_the_page_is_well_formed_and_needs_nothing_from_outside():
    text = page.page([figures.result(row(1.5), TAKEN)], TAKEN, [("rounds", 3)])
    assert "quick &lt;1&gt;" in text and "<1>" not in text
    assert "http" not in text and "<script" not in text and "url(" not in text
    svg = text[text.index("<svg") : text.index("</svg>") + 6]
    assert len(list(xml.etree.ElementTree.fromstring(svg).iter("circle"))) == 9


def test_the_table_has_each_variant_once():
    measured = [figures.result(row(1.5), TAKEN), figures.result(row(1.5), TAKEN)]
    lines = figures.table(measured, TAKEN)
    assert sum(line.startswith("  quick <1> ") for line in lines) == 1
    assert sum("NOT MET" not in line and " met " in line for line in lines) == 2


def test_what_others_had_is_told():
    assert figures.disturbance(TAKEN) == 0.1


def test_median_latencies_are_compared_too():
    assert figures.result(row(1.5), TAKEN).by_p50 == 1
    assert figures.result(row(1.5, most=True), TAKEN).by_p50 is None
