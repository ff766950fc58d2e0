# SPDX-License-Identifier: MIT
"""The manual pages: shown without a warning, and with what the programs and headers really have."""
import os
import re
import subprocess

import pytest

pytestmark = pytest.mark.fast

PAGES = ["man1/sidepool.1", "man3/libsidepool.3", "man5/sidepool.conf.5", "man8/sidepoold.8"]


def rendered(path, *options):
    environment = {**os.environ, "MANWIDTH": "100", "MAN_KEEP_FORMATTING": "", "LC_ALL": "C.UTF-8", "MANPAGER": "cat"}
    command = ["man", "--warnings", "-l", "-Tutf8", *options, path]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    text = re.sub("\x1b\\[[0-9;]*m", "", re.sub(".\b", "", done.stdout))
    return done.returncode, text, done.stderr


def words(installed, page):
    """The page as one line: how it is broken into lines does not matter."""
    text = rendered(installed.path(f"share/man/{page}"))[1].replace("‐\n", "\n")
    return " ".join(text.replace("−", "-").replace("‐", "-").split())


@pytest.mark.parametrize("page", PAGES)
def test_man_shows_it_without_a_warning(installed, page):
    status, text, complaints = rendered(installed.path(f"share/man/{page}"))
    assert (status, complaints) == (0, "") and len(text.splitlines()) > 50
    assert "@" not in re.sub(r"\S+@(HOST|db\.example\.org)", "", text), "something was not put in"


def test_a_mistake_in_a_page_would_be_told(installed, tmp_path):
    page = tmp_path / "sidepool.1"
    page.write_text(installed.path("share/man/man1/sidepool.1").read_text() + ".Bl -tag\n.Nosuch x\n\\[nosuch]\n")
    assert "nosuch" in rendered(page)[2]


@pytest.mark.parametrize("page", PAGES)
def test_mandoc_finds_nothing_either(installed, page):
    command = ["mandoc", "-T", "lint", "-W", "warning", installed.path(f"share/man/{page}")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert [line for line in done.stdout.splitlines() if "outdated mandoc.db" not in line] == []


def help_of(program):
    return subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout


def test_every_command_and_option_of_sidepool_is_in_its_page(installed, sidepool):
    text, page = help_of(sidepool), words(installed, "man1/sidepool.1")
    commands = re.findall(r"^  ([a-z][a-z-]*)(?: |$)", text.split("Options:")[0], re.M)
    assert "query" in commands and len(commands) > 10
    options = re.findall(r"--[a-z][a-z-]+", text.split("Options:")[1].split("Exit status:")[0])
    assert "--socket" in options
    missing = [w for w in [*commands, *options] if not re.search(rf"(^| ){re.escape(w)}[ ,.[]", page)]
    assert missing == []
    statuses = re.findall(r"(?:^|  )\s*(\d+) [a-z]", text.split("Exit status:")[1], re.M | re.I)
    assert len(statuses) > 8 and [n for n in statuses if f" {n} " not in page.split("EXIT STATUS")[1]] == []


def test_every_option_of_sidepoold_is_in_its_page(installed, sidepoold):
    page = words(installed, "man8/sidepoold.8")
    options = re.findall(r"^  .{4}(--[a-z-]+)", help_of(sidepoold), re.M)
    assert "--check" in options and [o for o in options if f"{o} " not in page] == []


def test_every_function_of_the_library_is_in_its_page(installed):
    page = words(installed, "man3/libsidepool.3")
    library = installed.path("lib").rglob("libsidepool.so")
    symbols = subprocess.run(["nm", "-D", "--defined-only", next(library)], capture_output=True, text=True, check=True).stdout
    functions = re.findall(r" T (sidepool_\w+)", symbols)
    assert len(functions) > 80 and [f for f in functions if not re.search(rf"{f}\(", page)] == []


def test_every_header_is_in_the_page_of_the_library(installed):
    text = installed.path("share/man/man3/libsidepool.3").read_text()
    headers = [p.name for p in installed.path("include").glob("*.h")]
    assert len(headers) > 5 and [h for h in headers if not re.search(rf"^\.Sh .*: {re.escape(h)}$", text, re.M)] == []


def test_the_references_lead_somewhere(installed):
    ours = {page.split("/")[1].rsplit(".", 1)[0] for page in PAGES}
    theirs = {"psql", "systemctl", "systemd.exec", "fnmatch"}
    for page in PAGES:
        text = installed.path(f"share/man/{page}").read_text()
        assert set(re.findall(r"^\.Xr (\S+)", text, re.M)) <= ours | theirs
