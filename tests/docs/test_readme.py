# SPDX-License-Identifier: MIT
"""README.md: its programs and its commands do what it says, taken from the page itself. Links of all pages lead somewhere."""
import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
README = (TOP / "README.md").read_text()
BUILD = pathlib.Path(os.environ["SIDEPOOL_BUILD_DIR"])
PAGES = [TOP / name for name in subprocess.check_output(["git", "ls-files", "*.md"], cwd=TOP, text=True).split()]
C_PROGRAM = """#include <sidepool.h>
#include <stdio.h>

int main(void)
{
%s
	return 0;
}
"""


def section(title):
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", README, re.M | re.S)
    assert found, f"README.md has no section {title!r}"
    return found[1]


def program(language):
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", section("Use it"), re.M | re.S)
    return text


def commands(title):
    """The indented lines; several commands on one are divided by spaces, what is behind '#' says what they do."""
    lines = [line.partition(" #")[0] for line in re.findall(r"^    (\S.*)$", section(title), re.M)]
    return [command for line in lines for command in re.split(r"\s{3,}", line.strip())]


def run(command, env=None, **options):
    done = subprocess.run(
        [str(c) for c in command], env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False, timeout=300, **options
    )
    return done.returncode, done.stdout, done.stderr


def test_c(daemon, tmp_path):
    source = tmp_path / "report.c"
    source.write_text(C_PROGRAM % program("c"))
    library = BUILD / "clients" / "c"
    flags = ["-Wall", "-Wextra", "-Werror", "-I", TOP / "include", "-L", library, f"-Wl,-rpath,{library}"]
    assert run(["gcc", *flags, "-o", tmp_path / "report", source, "-lsidepool"]) == (0, "", "")
    assert run([tmp_path / "report"], {"SIDEPOOL_SOCKET": str(daemon.socket)}) == (0, "42\n", "")


def test_python(daemon):
    env = {"SIDEPOOL_SOCKET": str(daemon.socket), "PYTHONPATH": str(TOP / "clients" / "python" / "src")}
    assert run([sys.executable, "-B", "-c", program("python")], env) == (0, "(42,)\n", "")


def test_node(daemon, tmp_path):
    modules = tmp_path / "node_modules"
    modules.mkdir()
    (modules / "sidepool").symlink_to(TOP / "clients" / "node")
    file = tmp_path / "report.mjs"
    file.write_text(program("js") + "console.log(rows);\n")
    assert run(["node", file], {"SIDEPOOL_SOCKET": str(daemon.socket)}) == (0, "[ { answer: 42 } ]\n", "")


def test_commands(daemon):
    asked = [shlex.split(c) for c in commands("Run it") if c.startswith("sidepool ")]
    assert [c[1] for c in asked] == ["query", "status", "health", "leases"]
    for command in asked:
        status, output, complaint = run([os.environ["SIDEPOOL"], *command[1:]], {"SIDEPOOL_SOCKET": str(daemon.socket)})
        assert (status, complaint) == (0, ""), command
        assert output.strip(), command


def daemon_command(pattern):
    (found,) = [c for c in commands("Run it") if re.fullmatch(pattern, c)]
    return shlex.split(found)[1:]


def check(*arguments):
    """sidepoold --check, with no setting but those of the arguments."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "SIDEPOOL", "DATABASE_URL"))}
    done = subprocess.run(
        [os.environ["SIDEPOOLD"], "--check", *map(str, arguments)], env=env, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def test_a_daemon_needs_an_address_and_no_more(pg, make_daemon):
    (url,) = daemon_command(r"sidepoold postgresql://\S+")
    assert url.startswith("postgresql://app@")
    daemon = make_daemon(pg.url())  # its file of settings is empty
    assert run([os.environ["SIDEPOOL"], "query", "select 1"], {"SIDEPOOL_SOCKET": str(daemon.socket)})[0] == 0


def test_the_example_of_a_configuration_is_right(tmp_path):
    option, path = daemon_command(r"sidepoold --config \S+")
    assert (option, pathlib.Path(path).name) == ("--config", "sidepool.conf")
    example = TOP / "deploy" / "sidepool.conf.example"
    assert "deploy/sidepool.conf.example" in section("Run it") and example.exists()
    status, output, complaint = check("--config", example, "postgresql://app@localhost/app")
    assert (status, complaint) == (0, ""), output


def test_check_tells_file_and_line(tmp_path):
    assert daemon_command(r"sidepoold --check") == ["--check"]
    wrong = tmp_path / "wrong.conf"
    wrong.write_text("[sidepool]\nbudgte = 5\n[pool main]\nurl = postgresql:///x\nlease_timeout = 30\n")
    status, output, complaint = check("--config", wrong)
    said = output + complaint
    assert status != 0
    assert f"{wrong}:2" in said and "budget" in said  # what was meant
    assert f"{wrong}:5" in said


def test_what_is_named_exists():
    for command in commands("See it work"):
        assert (TOP / shlex.split(command)[0]).exists(), command
    (table,) = re.findall(r"^```\n(.*?)^```$", section("Where things are"), re.M | re.S)
    named = re.findall(r"(?:^|  )((?:[a-z-]+/)+(?:[a-z-]+\.[a-z]+)?) ", table, re.M)
    assert len(named) > 10
    for path in named:
        assert (TOP / path).exists(), path


def test_the_quickstart_is_made_of_the_packages():
    here = TOP / "deploy" / "quickstart.d"
    assert re.search(r"^import sidepool\.aio$", (here / "bank.py").read_text(), re.M)
    assert 'from "../../clients/node/src/index.js";' in (here / "bank.mjs").read_text()
    assert "#include <sidepool.h>" in (here / "bank.c").read_text()
    for file in here.iterdir():  # and none has a client of its own
        if file.is_file():
            assert not re.search(r"AF_UNIX|open_unix_connection|node:net|protobuf", file.read_text()), file


def anchors(file):
    headings = re.findall(r"^#+ (.+)$", file.read_text(), re.M)
    return [re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(TOP)) for p in PAGES])
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(file), f"{page.name}: {target}"
