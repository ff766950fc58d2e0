# SPDX-License-Identifier: MIT
"""The picture of `sidepool top`: drawn by tests/tools/top-picture, and still what top has."""
import pathlib
import re
import xml.etree.ElementTree as ET

from lib.picture import svg
from lib.screen import Screen

TOP = pathlib.Path(__file__).resolve().parents[2]
FILE = TOP / "deploy/guides/top.svg"
NAMESPACE = "{http://www.w3.org/2000/svg}"


def test_its_columns_are_those_that_top_has():
    texts = [t.text for t in ET.parse(FILE).iter(f"{NAMESPACE}text")]
    sources = (TOP / "src/ctl/top-sample.c").read_text()
    known = {word for head in re.findall(r'^\t\{ "([A-Z][^"]*)", ', sources, re.M) for word in head.split()}
    heads = [text for text in texts if re.match(r"(POOLS|APPS|LEASES|RUNNING|WAITING) \d", text)]
    assert len(heads) == 5 and known
    for head in heads:
        assert {w for w in re.findall(r"[A-Z][A-Za-z/]+", head)} <= known, "draw it anew: tests/tools/top-picture"


def test_what_is_drawn_is_what_is_on_the_screen():
    screen = Screen(["printf", r"a<b & \033[1;31mred  one\033[0m\r\n\033[7m on it \033[0m"], {}, columns=20, lines=3)
    try:
        assert screen.wait() == 0
        drawn = ET.fromstring(svg(screen, "A & B"))
    finally:
        screen.close()
    texts = {t.text: t.attrib for t in drawn.iter(f"{NAMESPACE}text")}
    assert set(texts) == {"a<b &", "red  one", "on it"} and drawn.find(f"{NAMESPACE}title").text == "A & B"
    assert texts["red  one"]["fill"] == "#ff6b68" and texts["red  one"]["font-weight"] == "bold"
    behind = [r.attrib for r in drawn.iter(f"{NAMESPACE}rect")][1]
    assert behind["fill"] == "#d6d9e0" and texts["on it"]["fill"] == "#16181d" and float(behind["x"]) < float(texts["on it"]["x"])
