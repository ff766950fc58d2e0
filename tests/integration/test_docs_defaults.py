# SPDX-License-Identifier: MIT
"""Every default that is written down is the binary's: in sidepool.conf(5), in --help, in the example, and in the guides."""
import os
import pathlib
import re
import subprocess

import pytest
from lib.daemon import BINARY

pytestmark = pytest.mark.fast

TOP = pathlib.Path(__file__).parents[2]
# What is worked out from other settings is shown as what came of it.
RESOLVED = {("pool", "max_size"): "0", ("application", "max"): "0"}


def sidepoold(*arguments, **environment):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "SIDEPOOL", "DATABASE_URL", "DB_"))}
    done = subprocess.run([BINARY, *map(str, arguments)], env={**kept, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def in_force(text):
    """{section: {name: (value, where it is from)}} of --print-config; one application and one pool are enough."""
    sections, current = {}, None
    for line in text.splitlines():
        if line.startswith("["):
            current = sections.setdefault(line.strip("[]").split()[0], {})
        elif line:
            name, value, origin = re.fullmatch(r"(\w+) = ?(.*?) ?; ([^;]*)", line).groups()
            current[name] = (value, origin)
    return sections


@pytest.fixture(scope="module")
def defaults(tmp_path_factory):
    """What the daemon itself has in force where nothing is set."""
    config = tmp_path_factory.mktemp("defaults") / "sidepool.conf"
    config.write_text("[pool main]\nurl = postgresql://a@b/c\n[application *]\n")
    sections = in_force(sidepoold("--config", config, "--print-config"))
    found = {(s, n): value for s, settings in sections.items() for n, (value, origin) in settings.items() if origin == "default"}
    found[("pool", "url")] = ""
    return {**found, **RESOLVED}


def resolved(documented, defaults):
    """What is inherited is in force as what it is inherited from."""
    return {
        (section, name): documented["sidepool", name] if value == "inherit" != defaults.get((section, name)) else value
        for (section, name), value in documented.items()
    }


def test_the_manual_page_has_every_setting_with_its_default(defaults):
    page = (pathlib.Path(os.environ["SIDEPOOL_BUILD_DIR"]) / "src/config/sidepool.conf.5").read_text()
    documented = {}
    for section, text in re.findall(r"^\.Sh [A-Z ]+: \[(\w+)[^\n]*\]\n(.*?)(?=^\.Sh )", page, re.M | re.S):
        for name, about in re.findall(r"^\.It Ic (\w+)\n(.*?)(?=^\.It|^\.El)", text, re.M | re.S):
            value = re.search(r"^Default: (.*)\.$", about, re.M)[1]
            documented[(section, name)] = "" if value == "empty" else value
    assert resolved(documented, defaults) == defaults


def test_help_has_every_setting_with_its_default(defaults):
    documented, section = {}, None
    for line in sidepoold("--help").splitlines():
        title, setting = re.match(r"Settings of \[(\w+)", line), re.match(r"  ([a-z]\w+)(?: = (.*))?$", line)
        section = title[1] if title else section
        if section and setting:
            documented[(section, setting[1])] = setting[2] or ""
    assert resolved(documented, defaults) == defaults


def test_the_example_has_every_setting_with_its_default(defaults):
    text = (TOP / "deploy/sidepool.conf.example").read_text()
    assert text == sidepoold("--print-example"), "deploy/sidepool.conf.example is old: sidepoold --print-example > it"
    documented, section = {}, None
    for line in text.splitlines():
        title, setting = re.match(r"#?\[(\w+)", line), re.match(r"#(\w+) =(?: (.*))?$", line)
        section = title[1] if title else section
        if setting:
            documented[(section, setting[1])] = setting[2] or ""
    assert resolved(documented, defaults) == defaults


def test_the_example_means_nothing_with_or_without_its_marks(defaults, tmp_path):
    """A setting whose mark is taken away is at its default still: what the example says is a value that the parser takes."""
    lines = (TOP / "deploy/sidepool.conf.example").read_text().splitlines()
    needs_something = ("url", "socket_owner", "socket_group")
    config = tmp_path / "sidepool.conf"
    config.write_text("\n".join(line[1:] if re.match(r"#(\[|\w+ = \S)", line) else line for line in lines))
    sections = in_force(sidepoold("--config", config, "--print-config", DATABASE_URL="postgresql://a@b/c"))
    values = {(s, n): value for s, settings in sections.items() for n, (value, _) in settings.items() if n not in needs_something}
    assert {**values, **RESOLVED} == {key: value for key, value in defaults.items() if key[1] not in needs_something}


def guides():
    return sorted((TOP / "deploy/guides").glob("*.md")) if (TOP / "deploy/guides").exists() else []


@pytest.mark.parametrize("guide", guides(), ids=lambda p: p.name)
def test_the_guides_name_settings_that_exist_with_their_true_defaults(guide, defaults):
    """In a guide, `name` (default `value`) is a default, and each line of an ini block is a setting."""
    text = guide.read_text()
    names = {name for _, name in defaults}
    told = re.findall(r"`(\w+)` \(default `([^`]*)`\)", text)
    assert [t for t in told if t[1] not in {value for (_, name), value in defaults.items() if name == t[0]}] == []
    for block in re.findall(r"^```ini\n(.*?)^```", text, re.M | re.S):
        used = re.findall(r"^([a-z_]+) *=", block, re.M)
        assert [name for name in used if name not in names] == []
