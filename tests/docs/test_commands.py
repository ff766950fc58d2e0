# SPDX-License-Identifier: MIT
"""Every command line of the guides, of the manual pages and of README.md is run as it stands, or says here why not.

What is in capitals is put in: a lease that is held, a request that runs, a pool. Settings that a guide writes are checked as a file."""
import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
from lib.wait import wait_until
from lib.wire import Request, Wire

TOP = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ("sidepool", "sidepoold", "systemctl", "journalctl", "logger", "ss", "ls", "free", "deploy/quickstart", "tests/run")
BOOTED = "tests/deploy/test_packages.py does, in a Debian that it boots"
THEIRS = "it is asked of a machine of its own, and is not ours"
NOT_RUN = {
    "deploy/quickstart": "the group quickstart does",
    "tests/run": "it runs this",
    "sidepoold postgresql://app@db.example/app": "test_readme.py does, with an address that exists",
    "sidepoold --config /etc/sidepool/sidepool.conf": "test_readme.py does, with the example",
    "systemctl enable --now sidepool.socket sidepool.service": BOOTED,
    "systemctl stop sidepool.service": BOOTED,
    "systemctl enable --now sidepool-http.socket": BOOTED,
    "systemctl start sidepool.service": BOOTED,
    "systemctl restart sidepool": BOOTED,
    "systemctl status sidepool": THEIRS,
    "systemctl status sidepool.socket sidepool.service": THEIRS,
    "systemctl edit sidepool.service": THEIRS,
    "journalctl -u sidepool": THEIRS,
    "ls -l /run/sidepool/": THEIRS,
    "ss -xlp | grep rpc.sock": THEIRS,
    "free": THEIRS,
    "sidepool top": "tests/integration/test_top.py does, on a terminal",
}


def is_command(text):
    return text.split() and text.split()[0] in PROGRAMS and text not in PROGRAMS[:2]


def of_markdown(path):
    """Indented lines, of which several may stand on one, and what is between backticks, over the end of a line too."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.M | re.S)
    lines = [line.partition(" #")[0] for line in re.findall(r"^    (\S.*)$", text, re.M)]
    indented = [command for line in lines for command in re.split(r"\s{3,}", line.strip())]
    quoted = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]
    return indented + quoted


def of_manual(path):
    text = path.read_text()
    blocks = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", text, re.M | re.S)
    quoted = re.findall(r"^\.(?:Ql|Dl) (.*?)(?: [.,])?$", text, re.M)
    return [line.replace("\\e", "\\") for block in blocks for line in block.splitlines()] + quoted


PAGES = sorted([TOP / "README.md", *(TOP / "deploy/guides").glob("*.md"), *(TOP / "deploy/man").glob("*.in")])
COMMANDS = {
    page: sorted({c for c in (of_markdown(page) if page.suffix == ".md" else of_manual(page)) if is_command(c)}) for page in PAGES
}


def test_what_is_not_run_is_written_somewhere():
    written = {command for commands in COMMANDS.values() for command in commands}
    assert set(NOT_RUN) - written == set() and len(written - set(NOT_RUN)) > 30


class Host:
    """A daemon with work for the commands, each beginning anew, and the programs by the names that the pages have."""

    def __init__(self, daemon, folder):
        self.daemon, self.folder = daemon, folder
        programs = folder / "bin"
        programs.mkdir()
        for name in ("sidepool", "sidepoold"):
            (programs / name).symlink_to(os.environ[name.upper()])
        (programs / "logger").write_text('#!/bin/sh\n[ "$1" = -p ] && [ "$2" = daemon.err ] && [ -n "$3" ]\n')
        (programs / "logger").chmod(0o755)
        (folder / "seed.sql").write_text("CREATE TEMP TABLE seed (n int);\nINSERT INTO seed VALUES (1), (2);\n")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "SIDEPOOL", "DATABASE_URL"))}
        more = {"PATH": f"{programs}:{os.environ['PATH']}", "SIDEPOOL_SOCKET": str(daemon.socket), "DATABASE_URL": "postgresql://a@b/c"}
        self.environment = {**kept, **more}

    def put_in(self, command, wire):
        """The command with names in the place of what is in capitals."""
        if "LEASE" in command:
            command = command.replace("LEASE", str(wire.lease().lease_id))
        if "REQUEST" in command:
            wire.send(wire.query_request("SELECT pg_sleep(600)"))
            find = lambda: [r for r in self.wire.status().requests if r.state == "running"]  # noqa: E731
            command = command.replace("REQUEST", str(wait_until("it runs", find)[0].request_id))
        if command.startswith("sidepool unset"):
            self.done("sidepool set log_level=debug")
        for name, value in (("NAME=VALUE", "log_level=debug"), ("--app NAME", "--app api"), ("NAME", "log_level"), ("POOL", "main")):
            command = command.replace(name, value)
        return command

    def done(self, command):
        done = subprocess.run(["sh", "-c", command], env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)
        # The status of health says how the daemon is.
        assert done.returncode in ((0, 10, 11) if "health" in command else (0,)), (command, done.stdout, done.stderr)
        assert done.stderr == "" and (done.stdout or shlex.split(command)[-1].startswith("sidepool: ")), command
        return done.stdout

    def run(self, command):
        with Wire(self.daemon.socket) as wire, Wire(self.daemon.socket) as self.wire:
            hello = Request()
            hello.hello.application_name = "api"
            wire.call(hello)
            self.done(self.put_in(command, wire))


@pytest.mark.settings({"sidepool": {"budget": 4}, "pool main": {"pipeline": "off"}, "application api": {"max": 3}})
@pytest.mark.parametrize("page", [p for p in PAGES if set(COMMANDS[p]) - set(NOT_RUN)], ids=lambda p: p.name)
def test_they_do_as_they_stand(page, pg, daemon, tmp_path):
    host = Host(daemon, tmp_path)
    pg.sql("DROP TABLE IF EXISTS users; CREATE TABLE users (id int, name text); INSERT INTO users VALUES (42, 'Zaphod')")
    commands = [c for c in COMMANDS[page] if c not in NOT_RUN]
    for command in sorted(commands, key=lambda c: c.endswith("drain")):
        host.run(command)
        if command.startswith("sidepool pause"):
            host.done("sidepool resume")
    if "sidepool drain" in commands:
        daemon.wait()


INI = {page: re.findall(r"^```ini\n(.*?)^```$", page.read_text(), re.M | re.S) for page in PAGES if page.suffix == ".md"}
INI[TOP / "deploy/man/sidepool.conf.5.in"] = re.findall(
    r"^\.Bd -literal.*?\n(\[.*?)^\.Ed$", (TOP / "deploy/man/sidepool.conf.5.in").read_text(), re.M | re.S
)


@pytest.mark.parametrize("page", [p for p in INI if INI[p]], ids=lambda p: p.name)
def test_what_is_to_be_written_is_accepted(page, tmp_path):
    for text in INI[page]:
        file = tmp_path / "sidepool.conf"
        file.write_text(text)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "SIDEPOOL_", "DATABASE_URL", "DB_"))}
        url = [] if "\nurl = " in text else ["postgresql://a@b/c"]
        command = [os.environ["SIDEPOOLD"], "--check", "--config", str(file), *url]
        done = subprocess.run(command, env={**kept, "CREDENTIALS_DIRECTORY": "/run"}, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, ""), text


def test_the_engine_of_sqlalchemy_is_one(daemon):
    (line,) = re.findall(r"^engine = (create_engine\(.*\))$", (TOP / "deploy/guides/from-sqlalchemy.md").read_text(), re.M)
    script = f"""from sqlalchemy import create_engine, text
from sqlalchemy.dialects import registry
registry.register("postgresql.sidepool", "sidepool.sqlalchemy", "SidepoolDialect")  # as the package does where it is installed
engine = {line}
with engine.connect() as c: print(c.execute(text("select 42")).scalar())"""
    environment = {**os.environ, "SIDEPOOL_SOCKET": str(daemon.socket), "PYTHONPATH": str(TOP / "clients/python/src")}
    done = subprocess.run([sys.executable, "-B", "-c", script], env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
