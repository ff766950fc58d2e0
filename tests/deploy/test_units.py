# SPDX-License-Identifier: MIT
"""The systemd units: what systemd itself says of them, and what the daemon needs of the sandbox."""
import os
import pathlib
import re
import stat
import subprocess

import pytest

pytestmark = pytest.mark.fast

UNITS = "lib/systemd/system"
UNIT_NAMES = ("sidepool.service", "sidepool.socket", "sidepool-http.socket")


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **options)
    return done.returncode, done.stdout + done.stderr


def options_of(path):
    """What a unit says, as {section: {name: [values]}}."""
    sections, current = {}, None
    for line in path.read_text().splitlines():
        if line.startswith("["):
            current = sections.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            name, value = line.split("=", 1)
            current.setdefault(name, []).append(value)
    return sections


@pytest.fixture(scope="module")
def units(installed, tmp_path_factory):
    """Copies that name the programs where this installation has them, so that systemd finds them."""
    folder = tmp_path_factory.mktemp("units")
    for unit in UNIT_NAMES:
        text = (installed.path(UNITS) / unit).read_text()
        assert "@" not in re.sub(r"@(system-service|privileged|resources|chown)\b", "", text), "a path was not put in"
        text = text.replace("/usr/local/sbin/sidepoold", str(installed.path("sbin/sidepoold")))
        (folder / unit).write_text(text.replace("/usr/local/bin/sidepool ", f"{installed.path('bin/sidepool')} "))
    return folder


@pytest.mark.parametrize("unit", UNIT_NAMES)
def test_systemd_finds_nothing_to_complain_of(units, unit):
    status, said = run("systemd-analyze", "verify", "--man=no", units / unit, env={**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"})
    about = [line for line in said.splitlines() if "sidepool" in line]
    assert (status, about) == (0, []), said


def test_a_mistake_in_a_unit_would_be_found(units, tmp_path):
    text = (units / "sidepool.service").read_text().replace("ExecStart=", "ExecStart=/nowhere").replace("Type=", "Tpye=")
    (tmp_path / "sidepool.service").write_text(text)
    (tmp_path / "sidepool.socket").write_text((units / "sidepool.socket").read_text())
    status, said = run("systemd-analyze", "verify", "--man=no", tmp_path / "sidepool.service")
    assert status != 0 and "Tpye" in said


def test_the_exposure_is_at_most_1_5(units):
    status, said = run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", units / "sidepool.service")
    assert status == 0, said
    level = re.search(r"Overall exposure level for sidepool.service: ([0-9.]+)", said)
    assert float(level[1]) <= 1.5, said


def test_the_sandbox_lets_the_daemon_see_who_asks(units):
    service = options_of(units / "sidepool.service")["Service"]
    assert "PrivateUsers" not in service, "every uid but its own would be nobody's"
    assert service.get("ProtectProc", ["default"]) == ["default"], "/proc/PID/cgroup of others would be hidden"
    assert service["ProcSubset"] == ["pid"]
    assert "PrivateNetwork" not in service and "AF_UNIX" in service["RestrictAddressFamilies"][0]


def test_limits_and_life_cycle(units, sidepoold):
    service = options_of(units / "sidepool.service")["Service"]
    assert service["Type"] == ["notify"] and service["LimitCORE"] == ["0"]
    assert int(service["LimitNOFILE"][0]) >= 2 * 20000, "max_clients is 10000 by default, budget at most 10000"
    assert service["ExecReload"][0].endswith("/sidepool reload")
    shutdown = re.search(r"^#shutdown_timeout = (\d+)s$", run(sidepoold, "--print-example")[1], re.M)
    assert int(service["TimeoutStopSec"][0].removesuffix("s")) > int(shutdown[1])
    assert int(service["WatchdogSec"][0].removesuffix("s")) > 0


def test_the_sockets_of_unit_daemon_and_command_are_the_same(units, sidepoold):
    socket = options_of(units / "sidepool.socket")["Socket"]
    default = re.search(r"^#socket = (.*)$", run(sidepoold, "--print-example")[1], re.M)[1]
    mode = re.search(r"^#socket_mode = (.*)$", run(sidepoold, "--print-example")[1], re.M)[1]
    assert socket["ListenStream"] == [default] and socket["SocketMode"] == [mode]
    assert socket["FileDescriptorName"] == ["rpc"]
    http = options_of(units / "sidepool-http.socket")["Socket"]
    assert http["ListenStream"] == [str(pathlib.Path(default).with_name("http.sock"))], "where the daemon makes it by itself"
    assert http["FileDescriptorName"] == ["http"] and http["Service"] == ["sidepool.service"]
    assert {k: http[k] for k in ("SocketUser", "SocketGroup", "SocketMode")} == {k: socket[k] for k in ("SocketUser", "SocketGroup", "SocketMode")}
    service = options_of(units / "sidepool.service")["Service"]
    assert service["ReadWritePaths"] == [str(pathlib.Path(default).parent)]


def test_a_journal_has_a_folder_that_is_the_daemons_alone(units, installed):
    service = options_of(units / "sidepool.service")["Service"]
    assert (service["StateDirectory"], service["StateDirectoryMode"]) == (["sidepool"], ["0700"])
    assert service["ProtectSystem"] == ["strict"], "there is no other"
    folder = f"/var/lib/{service['StateDirectory'][0]}"
    assert f"submit_journal = {folder}/journal" in (installed.path("share/man/man8/sidepoold.8")).read_text()
    debian = pathlib.Path(__file__).resolve().parents[2] / "deploy/debian"
    assert f"submit_journal = {folder}/journal\n" in (debian / "sidepoold.README.Debian").read_text()
    assert re.search(rf"^\trm -rf .*{folder}$", (debian / "sidepoold.postrm").read_text(), re.M), "purge empties it"


def test_the_password_is_where_password_file_looks(units, tmp_path, sidepoold):
    service = options_of(units / "sidepool.service")["Service"]
    name = service["LoadCredential"][0].split(":")[0]
    config = tmp_path / "sidepool.conf"
    config.write_text(f"[pool main]\nurl = postgresql://a@b/c\npassword_file = $CREDENTIALS_DIRECTORY/{name}\n")
    status, said = run(sidepoold, "--config", config, "--print-config", env={**os.environ, "CREDENTIALS_DIRECTORY": "/run/credentials/x"})
    assert status == 0 and f"/run/credentials/x/{name}" in said


def test_users_and_folders_are_made(installed, units, tmp_path):
    """systemd-sysusers and systemd-tmpfiles do what the units count on."""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    for tool, where in (("sysusers", "sysusers.d"), ("tmpfiles", "tmpfiles.d")):
        (root / "usr/lib" / where).mkdir(parents=True)
        (root / "usr/lib" / where / "sidepool.conf").write_bytes(installed.path(f"lib/{where}/sidepool.conf").read_bytes())
    status, said = run("systemd-sysusers", f"--root={root}", "sidepool.conf")
    assert status == 0, said
    users = {line.split(":")[0]: line.split(":") for line in (root / "etc/passwd").read_text().splitlines()}
    groups = {line.split(":")[0]: line.split(":") for line in (root / "etc/group").read_text().splitlines()}
    socket, service = options_of(units / "sidepool.socket")["Socket"], options_of(units / "sidepool.service")["Service"]
    assert users[service["User"][0]][3] == groups[service["Group"][0]][2]
    assert users["sidepool"][6] in ("/usr/sbin/nologin", "/sbin/nologin", "/bin/nologin") and socket["SocketUser"] == service["User"]
    assert socket["SocketGroup"][0] in groups and socket["SocketGroup"] != service["Group"], "clients must not read the configuration"
    if os.getuid() == 0:
        status, said = run("systemd-tmpfiles", f"--root={root}", "--create", "sidepool.conf")
        assert status == 0, said
        made = (root / "run/sidepool").stat()
        clients = int(groups[socket["SocketGroup"][0]][2])
        assert (stat.S_IMODE(made.st_mode), made.st_uid, made.st_gid) == (0o2755, int(users["sidepool"][2]), clients)
