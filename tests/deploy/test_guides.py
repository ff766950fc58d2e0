# SPDX-License-Identifier: MIT
"""The guides: every setting of PgBouncer, every error, and no name that does not exist. Defaults: test_docs_defaults.py."""
import os
import pathlib
import re
import subprocess

import pytest

pytestmark = pytest.mark.fast

TOP = pathlib.Path(__file__).resolve().parents[2]
GUIDES = TOP / "deploy/guides"
# What stands between backticks in the second column and is neither a setting nor a command.
OTHERS = {"sidepool.socket"}


def settings(sidepoold):
    text = subprocess.run([sidepoold, "--print-example"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^#(\w+) =", text, re.M))


def rows(guide):
    """The rows of all tables, without their heads."""
    found = []
    for table in re.findall(r"^\|.*\|\n\|[-|]+\|\n((?:\|.*\|\n?)+)", (GUIDES / guide).read_text(), re.M):
        found += [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return found


def of_pgbouncer():
    return {name for row in rows("from-pgbouncer.md") for name in re.findall(r"`([a-z_0-9]+)`", row[0])}


def test_every_setting_of_pgbouncer_is_there():
    lines = (TOP / "tests/deploy/pgbouncer-1.25.txt").read_text().splitlines()
    theirs = {line for line in lines if not line.startswith("#")}
    assert len(theirs) > 100 and sorted(theirs - of_pgbouncer()) == []


def test_every_setting_of_the_pgbouncer_that_is_installed_is_there():
    environment = {**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8", "MANPAGER": "cat"}
    text = subprocess.run(["man", "5", "pgbouncer.ini"], env=environment, capture_output=True, text=True, check=False).stdout
    if not text:  # where manual pages are not installed, the list that the guide was made from
        pytest.skip("PgBouncer's manual page is not installed")
    text = re.sub("\x1b\\[[0-9;]*m", "", re.sub(".\b", "", text))
    values = {"disable", "allow", "prefer", "require", "session", "statement", "transaction"}
    theirs = set(re.findall(r"^ {3,7}([a-z][a-z_0-9]+)$", text, re.M)) - values
    assert len(theirs) > 80 and sorted(theirs - of_pgbouncer()) == []


@pytest.mark.parametrize("guide", sorted(p.name for p in GUIDES.glob("from-*.md")))
def test_what_it_is_here_exists(guide, sidepoold, sidepool):
    help_text = subprocess.run([sidepool, "--help"], capture_output=True, text=True, check=True).stdout
    commands = set(re.findall(r"^  ([a-z][a-z-]*)", help_text.split("\nOptions:")[0], re.M))
    known, checked = settings(sidepoold), 0
    for row in rows(guide):
        for name in re.findall(r"`([^`]+)`", row[1]):
            checked += 1
            if name.startswith("sidepool "):
                assert name.split()[1] in commands, row
            elif not name.startswith(("[", "sidepoold ")) and name not in OTHERS:
                value = re.fullmatch(r"(\w+)", name)
                assert not value or name in known or re.search(rf"\(default `{name}`\)", row[1]), row
    assert checked > 5


def test_the_runbook_has_every_error():
    text = (GUIDES / "runbook.md").read_text()
    defined = re.findall(
        r'^SIDEPOOL_ERROR\((\d+), (\w+), (\w+), (\w+), "(.*?)", "(.*?)"\)', (TOP / "proto/errors.def").read_text(), re.M
    )
    sections = dict(re.findall(r"^## (\d+ \w+)\n\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    assert list(sections) == [f"{number} {name}" for number, name, *_ in defined] and len(defined) > 30
    for number, name, outcome, retryable, sentence, remedy in defined:
        head, advice = sections[f"{number} {name}"].strip().split("\n\n")
        said = " ".join(head.split())
        wanted = f"*{sentence[0].upper()}{sentence[1:]}.* Outcome: {outcome.lower().replace('_', ' ')}"
        wanted += "; may be tried again." if retryable == "true" else "."
        assert said == wanted + (f" Remedy: {remedy}." if remedy else ""), "runbook.md is older than proto/errors.def"
        assert len(advice) > 40


def test_the_runbook_names_what_exists(sidepoold, sidepool):
    text = (GUIDES / "runbook.md").read_text()
    help_text = subprocess.run([sidepool, "--help"], capture_output=True, text=True, check=True).stdout
    commands = set(re.findall(r"^  ([a-z][a-z-]*)", help_text.split("\nOptions:")[0], re.M))
    assert set(re.findall(r"`sidepool ([a-z]+)", text)) <= commands
    words = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)(?: = [^`]*)?`", text)) - {"post_fork", "worker_process_init"}
    assert len(words) > 15 and words <= settings(sidepoold)


def test_links_lead_somewhere():
    for guide in GUIDES.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", guide.read_text()):
            assert (GUIDES / target).exists(), (guide.name, target)
