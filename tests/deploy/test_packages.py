# SPDX-License-Identifier: MIT
"""The Debian packages: made, looked at by lintian, installed into a Debian of their own, used there, and purged without trace."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import stat
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/integration"))

from booted import Booted  # noqa: E402
from lib import processes  # noqa: E402
from lib.postgres import Postgres  # noqa: E402
from lib.wait import wait_until  # noqa: E402

pytestmark = pytest.mark.long

PACKAGES = ["libsidepool-dev", "libsidepool0", "python3-sidepool", "sidepoold"]
# What dpkg, ldconfig and the tools that change the user database write for themselves at each installation.
OF_OTHERS = re.compile(
    r"(proc|sys|dev|tmp|var/log|var/cache)(/|$)|etc/ld\.so\.cache$|etc/(passwd|group|shadow|gshadow|subuid|subgid)-$|etc/\.pwd\.lock$"
    r"|var/lib/(dpkg|apt)/(?!info/)|var/lib/dpkg$"
)
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def run(*command, check=True, **options):
    done = subprocess.run(
        [str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        stdin=subprocess.DEVNULL, **options,
    )  # fmt: skip
    assert not check or done.returncode == 0, f"{command}: {done.stdout}"
    return done.stdout if check else (done.returncode, done.stdout)


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packages")
    run(TOP / "deploy/package", folder)
    return folder


@pytest.fixture(scope="module")
def debs(packages):
    found = {p.name.split("_")[0]: p for p in packages.glob("*.deb") if "-dbgsym_" not in p.name}
    assert sorted(found) == PACKAGES
    return found


class Root:
    """A Debian 12 in a folder, with what our packages depend on and without them."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {"PATH": PATH, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "HOME": "/"}

    def command(self, *command, user="root:root"):
        """With a /proc for as long as it runs: systemd-tmpfiles goes by it, and so does the daemon."""
        script = 'root=$1 user=$2; shift 2; mount -t proc proc "$root/proc" && exec chroot --userspec="$user" "$root" "$@"'
        return ["unshare", "--mount", "sh", "-c", script, "sh", str(self.folder), user, *map(str, command)]

    def run(self, *command, user="root:root", check=True):
        return run(*self.command(*command, user=user), env=self.environment, check=check)

    def contents(self):
        """{path: what it is, whose, and what is in it}"""
        found = {}
        for folder, folders, files in os.walk(self.folder):
            below = pathlib.Path(folder).relative_to(self.folder)
            folders[:] = [f for f in folders if not OF_OTHERS.match(str(below / f))]
            for name in [*folders, *files]:
                path = pathlib.Path(folder) / name
                s, at = path.lstat(), str(below / name)
                if OF_OTHERS.match(at):
                    continue
                inside = os.readlink(path) if path.is_symlink() else ""
                if stat.S_ISREG(s.st_mode):
                    inside = hashlib.sha256(path.read_bytes()).hexdigest()
                found[at] = (oct(s.st_mode), s.st_uid, s.st_gid, inside)
        return found


@pytest.fixture(scope="module")
def root(debs, tmp_path_factory):
    if os.getuid() != 0 or run("unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt", check=False)[0] != 0:
        pytest.skip("a Debian in a folder needs root, and that it may mount")
    needed = {"passwd"}
    for deb in debs.values():
        for alternative in run("dpkg-deb", "-f", deb, "Depends").strip().split(","):
            name = alternative.split("|")[0].split("(")[0].split(":")[0].strip()
            needed.add(name) if name and name not in PACKAGES else None
    folder = tmp_path_factory.mktemp("debian") / "root"
    sources = [p for p in (pathlib.Path("/etc/apt/sources.list.d/debian.sources"), pathlib.Path("/etc/apt/sources.list")) if p.exists()]
    include = ",".join(sorted(needed))
    run("mmdebstrap", "--variant=apt", "--quiet", f"--include={include}", "bookworm", folder, *sources[:1], env={**os.environ, "PATH": PATH})
    yield Root(folder)
    shutil.rmtree(folder)


def test_lintian_accepts_them(packages):
    changes = next(packages.glob("*.changes"))
    status, said = run("lintian", "--allow-root", "--fail-on", "error,warning", changes, check=False)
    assert status == 0 and not re.search(r"^[EW]:", said, re.M), said


def test_what_is_where(debs):
    def has(package, *names):
        listed = run("dpkg-deb", "-c", debs[package])
        return [n for n in names if not re.search(rf" \./{n}( -> |$)", listed, re.M)]

    assert has("sidepoold", "usr/sbin/sidepoold", "usr/bin/sidepool", "etc/sidepool/sidepool.conf", "lib/systemd/system/sidepool.service",
               "lib/systemd/system/sidepool.socket", "lib/systemd/system/sidepool-http.socket", "usr/lib/sysusers.d/sidepool.conf", "usr/lib/tmpfiles.d/sidepool.conf",
               "usr/share/man/man8/sidepoold.8.gz", "usr/share/man/man1/sidepool.1.gz", "usr/share/man/man5/sidepool.conf.5.gz") == []  # fmt: skip
    assert has("libsidepool0", r"usr/lib/[^/]*/libsidepool\.so\.0") == []
    assert has("libsidepool-dev", "usr/include/sidepool.h", r"usr/lib/[^/]*/libsidepool\.so", r"usr/lib/[^/]*/pkgconfig/sidepool\.pc",
               "usr/share/man/man3/libsidepool.3.gz") == []  # fmt: skip
    assert has("python3-sidepool", "usr/lib/python3/dist-packages/sidepool/__init__.py") == []


@pytest.fixture
def database():
    with Postgres() as pg:
        yield pg


def test_installed_used_and_purged_without_trace(root, debs, database):
    before = root.contents()
    assert "usr/bin/dpkg" in before and not [p for p in before if "sidepool" in p]
    for deb in debs.values():
        shutil.copy(deb, root.folder / "tmp")
    root.run("dpkg", "--install", *(f"/tmp/{deb.name}" for deb in debs.values()))
    use(root, debs, database)
    root.run("dpkg", "--purge", *PACKAGES)
    after = root.contents()
    changed = {p: (before.get(p), after.get(p)) for p in sorted(before.keys() | after.keys()) if before.get(p) != after.get(p)}
    assert changed == {}
    assert not re.search("sidepool", root.run("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\\n"))


def keep_journal(root):
    """As README.Debian says; the file has the section already."""
    path = root.folder / "etc/sidepool/sidepool.conf"
    path.write_text(path.read_text().replace("\n#submit_journal =\n", "\nsubmit_journal = /var/lib/sidepool/journal\n"))
    assert "\nsubmit_journal = /var/lib/sidepool/journal\n" in path.read_text()


def use(root, debs, database):
    configuration = (root.folder / "etc/sidepool/sidepool.conf").stat()
    users = dict(line.split(":")[:3:2] for line in (root.folder / "etc/passwd").read_text().splitlines())
    groups = dict(line.split(":")[:3:2] for line in (root.folder / "etc/group").read_text().splitlines())
    assert stat.S_IMODE(configuration.st_mode) == 0o640 and configuration.st_gid == int(groups["sidepool"]), "it may hold a password"
    assert not list((root.folder / "etc/systemd/system").rglob("*sidepool*")), "nothing is enabled: no database is known"
    assert (root.folder / "run/sidepool").stat().st_uid == int(users["sidepool"])

    # As the service has it: the daemon's user, its configuration, its folders.
    kept = root.folder / "var/lib/sidepool"
    kept.mkdir(mode=0o700)
    os.chown(kept, int(users["sidepool"]), int(groups["sidepool"]))
    with (root.folder / "etc/sidepool/sidepool.conf").open("a") as f:
        f.write(f"\n[pool main]\nurl = {database.tcp_url()}\n")
    keep_journal(root)
    assert "fine" in root.run("sidepoold", "--check", user="sidepool:sidepool")
    log = (root.folder / "tmp/log").open("wb")
    daemon = processes.launch(
        root.command("sidepoold", user="sidepool:sidepool"), env=root.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
    )
    log.close()
    try:
        socket = root.folder / "run/sidepool/rpc.sock"
        wait_until("the daemon listens", lambda: socket.exists() or daemon.poll() is not None)
        assert daemon.poll() is None, (root.folder / "tmp/log").read_text()
        assert (stat.S_IMODE(socket.stat().st_mode), socket.stat().st_gid) == (0o660, int(groups["sidepool-clients"]))
        sql = "select 6 * 7 as n"
        assert root.run("sidepool", "query", "--csv", sql, user="nobody:sidepool-clients") == "n\n42\n"
        status, said = root.run("sidepool", "query", sql, user="nobody:nogroup", check=False)
        assert status == 3, said
        script = f"import sidepool; c = sidepool.connect(); print(c.execute({sql!r}).fetchone()[0])"
        assert root.run("python3", "-c", script, user="nobody:sidepool-clients") == "42\n"
        assert compiled(root) == "42\n"
        assert (kept / "journal").exists(), "for the purge"
    finally:
        daemon.terminate()
        assert daemon.wait(60) == 0


def compiled(root):
    """A program in C, built with the packages' headers and library on this machine, run there."""
    library = next((root.folder / "usr/lib").glob("*/libsidepool.so"))
    example = root.folder / "usr/share/doc/libsidepool-dev/examples/query.c"
    source = root.folder / "tmp/query.c"
    source.write_text('#include <sidepool.h>\n#include <stdio.h>\nint main(void)\n{\n\tstruct sidepool *sp;\n\tstruct sidepool_reply *r;\n'
                      '\tif (sidepool_open(NULL, &sp))\n\t\treturn 1;\n'
                      '\tr = sidepool_wait(sp, sidepool_query(sp, "select 42", NULL, NULL));\n'
                      '\tputs(sidepool_code(r) ? "failed" : sidepool_value(sidepool_result(r, 0), 0, 0));\n'
                      '\tsidepool_reply_free(r);\n\tsidepool_close(sp);\n}\n')  # fmt: skip
    flags = ["-I", root.folder / "usr/include", f"-L{library.parent}", "-Wl,--unresolved-symbols=ignore-in-shared-libs"]
    run("gcc", "-Wall", "-Werror", "-c", *flags[:2], example, "-o", root.folder / "tmp/example.o")
    run("gcc", "-Wall", "-Werror", *flags[:2], source, *flags[2:], "-lsidepool", "-o", root.folder / "tmp/query")
    return root.run("/tmp/query", user="nobody:sidepool-clients")


PASSWORD = "not to be seen"


@pytest.fixture
def machine(root, debs, database):
    """That Debian, booted, with the packages, a configuration and a password where the guide says."""
    for deb in debs.values():
        shutil.copy(deb, root.folder / "tmp")
    root.run("dpkg", "--install", *(f"/tmp/{deb.name}" for deb in debs.values()))
    with (root.folder / "etc/sidepool/sidepool.conf").open("a") as f:
        f.write(f"\n[pool main]\nurl = {database.tcp_url()}\npassword_file = $CREDENTIALS_DIRECTORY/password\n")
    keep_journal(root)
    store = root.folder / "etc/credstore"
    store.mkdir(mode=0o700, exist_ok=True)
    (store / "sidepool.password").write_text(PASSWORD + "\n")
    (store / "sidepool.password").chmod(0o600)
    with Booted(root.folder) as booted:
        status, said = booted.run("systemctl", "enable", "--now", "sidepool.socket", "sidepool.service")
        assert status == 0, said + booted.run("journalctl", "-u", "sidepool.service")[1]
        yield booted


def add_to_configuration(root, text):
    with (root.folder / "etc/sidepool/sidepool.conf").open("a") as f:
        f.write(text)


def asked_by_http(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(str(path))
        s.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: s.recv(65536), b""))


def test_the_service_under_systemd(root, machine):
    """In its sandbox: the password, who asks, a reload that waits, a death that clients wait out."""
    sql = "'select 6 * 7 as n'"
    assert machine.run("sidepool", "query", "--csv", "select 42 as n") == (0, "n\n42\n")
    # Who asks: the unit and the uid of a program of another user; which program it is takes the capability of sidepoold(8).
    asks = "/usr/bin/sidepool clients --csv"
    done, said = machine.as_unit("web", asks, "nobody", "sidepool-clients")
    assert done and re.search(r"^\d+,web,\d+,65534,web\.service,\"?\"?,", said, re.M), said
    done, said = machine.as_unit("web", f"/usr/bin/sidepool query {sql}", "nobody", "nogroup")
    assert not done and "Permission denied" in said
    drop_in = root.folder / "etc/systemd/system/sidepool.service.d"
    drop_in.mkdir()
    (drop_in / "exe.conf").write_text("[Service]\nAmbientCapabilities=CAP_SYS_PTRACE\nCapabilityBoundingSet=CAP_SYS_PTRACE\n")
    machine.run("systemctl", "daemon-reload")
    assert machine.run("systemctl", "restart", "sidepool.service")[0] == 0
    done, said = machine.as_unit("web", asks, "nobody", "sidepool-clients")
    assert done and re.search(r"65534,web\.service,[^,]*/usr/bin/sidepool,", said), said

    # A reload is in force when systemctl is back, and fails where the old configuration stays.
    add_to_configuration(root, "\n[application zebra]\nmax = 3\n")
    assert machine.run("systemctl", "reload", "sidepool.service")[0] == 0
    log = machine.run("journalctl", "-u", "sidepool.service")[1]
    assert "[application zebra]" in log
    add_to_configuration(root, "nosuch = 1\n")
    assert machine.run("systemctl", "reload", "sidepool.service")[0] != 0
    assert machine.run("systemctl", "is-active", "sidepool.service") == (0, "active\n")
    text = (root.folder / "etc/sidepool/sidepool.conf").read_text()
    (root.folder / "etc/sidepool/sidepool.conf").write_text(text.replace("nosuch = 1\n", ""))

    # The journal has fields to look by.
    assert machine.run("sidepool", "pause", "main")[0] == machine.run("sidepool", "resume", "main")[0] == 0
    entries = [json.loads(line) for line in machine.run("journalctl", "-u", "sidepool.service", "-o", "json", "APPLICATION=sidepool")[1].splitlines()]
    (paused,) = [e for e in entries if e["MESSAGE"] == "uid 0: paused pool main"]
    assert (paused["UID"], paused["PRIORITY"], paused["_SYSTEMD_UNIT"]) == ("0", "5", "sidepool.service")

    # It dies, and is there again; who asks meanwhile waits at the socket.
    machine.run("systemctl", "kill", "--signal=KILL", "sidepool.service")
    assert machine.run("sidepool", "query", "--csv", "select 43 as n") == (0, "n\n43\n")

    # A write goes into the journal, in the one folder of the disk that it may write to.
    kept = root.folder / "var/lib/sidepool"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700 and kept.stat().st_uid == (kept / "journal").stat().st_uid != 0
    script = "import sidepool; print(sidepool.connect().submit('create table submitted_there ()').journaled)"
    assert machine.run("python3", "-c", script) == (0, "True\n")

    # HTTP by its own socket: asking starts the service.
    assert machine.run("systemctl", "stop", "sidepool.service")[0] == 0
    assert machine.run("systemctl", "enable", "--now", "sidepool-http.socket")[0] == 0
    answer = asked_by_http(machine.path("run/sidepool/http.sock"))
    assert answer.startswith(b"HTTP/1.1 200 ") and b"Healthy" in answer
    assert machine.run("sidepool", "query", "--csv", "select 44 as n") == (0, "n\n44\n")
    assert machine.run("systemctl", "stop", "sidepool.service", "sidepool.socket", "sidepool-http.socket")[0] == 0
    log = machine.run("journalctl", "-u", "sidepool.service")[1]
    assert "the old configuration stays in force" in log and PASSWORD not in log
