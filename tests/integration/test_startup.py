# SPDX-License-Identifier: MIT
"""What the daemon makes of its arguments, its environment, its file, and its socket."""
import os
import pathlib
import socket
import subprocess

import pytest
from lib.daemon import BINARY, Daemon
from lib.postgres import Postgres
from lib.wire import Failed, Wire

pytestmark = pytest.mark.fast


def run(*arguments, env=None):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "SIDEPOOL", "DATABASE_URL"))}
    return subprocess.run([BINARY, *arguments], env={**kept, **(env or {})}, capture_output=True, text=True, timeout=60, check=False)


def test_version_and_help():
    assert run("--version").stdout.startswith("sidepoold 0.")
    shown = run("--help").stdout
    assert "--check" in shown and "budget" in shown and "idle_transaction_timeout" in shown


def test_an_unknown_option_is_told():
    done = run("--frobnicate")
    assert done.returncode == 2 and "frobnicate" in done.stderr


def test_check_reports_every_mistake_with_its_line(tmp_path):
    file = tmp_path / "x.conf"
    file.write_text("[sidepool]\nbugdet = 5\nshutdown_timeout = 30\n[pool main]\nurl = postgresql://x/y\nmax_size = many\n[nonsense]\n")
    done = run("--check", "--config", str(file))
    assert done.returncode == 1
    assert f"{file}:2" in done.stderr and "budget" in done.stderr
    assert f"{file}:3" in done.stderr and "30s" in done.stderr
    assert f"{file}:6" in done.stderr and f"{file}:7" in done.stderr


def test_check_is_quiet_about_a_good_file(pg, tmp_path):
    file = tmp_path / "x.conf"
    file.write_text(f"[pool main]\nurl = {pg.url()}\n")
    done = run("--check", "--config", str(file))
    assert done.returncode == 0 and done.stderr == ""


@pytest.mark.parametrize(
    "arguments, env, part",
    [
        ([], {}, "DATABASE_URL"),
        (["postgresql://x:bad port/y"], {}, "port"),
        (["--config", "/nowhere/x.conf", "postgresql:///x"], {}, "/nowhere/x.conf"),
        (["postgresql:///x?frobnicate=1"], {}, "frobnicate"),
        (["--socket", "/tmp/" + "x" * 120, "postgresql:///x"], {}, "107"),
        (["--socket", "/nowhere/x.sock", "postgresql:///x"], {}, "/nowhere/x.sock"),
        (["service=absent"], {"PGSERVICEFILE": "/nowhere"}, "service"),
    ],
)
def test_a_bad_start_names_what_is_wrong(arguments, env, part, tmp_path):
    done = run("--socket", str(tmp_path / "s"), *arguments, env=env)
    assert done.returncode == 1 and part in done.stderr, done.stderr


def test_a_socket_in_use_is_left_alone(daemon, pg):
    done = run("--socket", str(daemon.socket), pg.url())
    assert done.returncode == 1 and "another process answers" in done.stderr
    with Wire(daemon.socket) as w:
        assert w.values("SELECT 1") == [("1",)]


def test_a_socket_that_nobody_answers_on_is_replaced(pg, make_daemon):
    daemon = make_daemon(pg.url(), start=False)
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(daemon.socket))
    left.close()
    daemon.start()
    with Wire(daemon.socket) as w:
        assert w.values("SELECT 1") == [("1",)]


def test_a_file_that_is_no_socket_is_left_alone(pg, tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    done = run("--socket", str(path), pg.url())
    assert done.returncode == 1 and path.read_text() == "data"


def test_the_socket_has_its_mode_and_goes_with_the_daemon(pg, make_daemon):
    daemon = make_daemon(pg.url(), config={"sidepool": {"socket_mode": "0640"}})
    assert daemon.socket.stat().st_mode & 0o777 == 0o640
    assert daemon.stop() == 0 and not daemon.socket.exists()


@pytest.mark.parametrize("how", ["DATABASE_URL", "PG", "SIDEPOOL_POOL_URL", "service"])
def test_the_database_may_be_named_by_the_environment(pg, make_daemon, tmp_path, how):
    service = tmp_path / "services"
    service.write_text(f"[mine]\nhost={pg.data}\nport={pg.port}\nuser=postgres\ndbname=test\n")
    env = {
        "DATABASE_URL": {"DATABASE_URL": pg.url()},
        "PG": {"PGHOST": str(pg.data), "PGPORT": str(pg.port), "PGUSER": "postgres", "PGDATABASE": "test"},
        "SIDEPOOL_POOL_URL": {"SIDEPOOL_POOL_URL": pg.url()},
        "service": {"PGSERVICEFILE": str(service), "DATABASE_URL": "postgresql://?service=mine"},
    }[how]
    daemon = make_daemon(env=env)
    with Wire(daemon.socket) as w:
        assert w.values("SELECT current_database()") == [("test",)]


def test_prismas_parameters_and_the_names_of_others_are_taken(pg, make_daemon):
    daemon = make_daemon(env={"DATABASE_URL": pg.url(connection_limit=3, pool_timeout=7), "DB_MAX_OVERFLOW": "1"})
    with Wire(daemon.socket) as w:
        assert w.status().pools[0].max_size == 4


@pytest.mark.no_memcheck("the command line is valgrind's own, which nobody can write over")
def test_the_password_is_seen_nowhere(pg, make_daemon):
    pg.sql("DROP ROLE IF EXISTS keeper; CREATE ROLE keeper LOGIN PASSWORD 'sup3rs3cret'")
    daemon = make_daemon(pg.tcp_url("keeper", password="sup3rs3cret"))
    with Wire(daemon.socket) as w:
        w.values("SELECT 1")
        assert "sup3rs3cret" not in str(w.status())
    assert b"sup3rs3cret" not in pathlib.Path(f"/proc/{daemon.pid()}/cmdline").read_bytes()
    assert "sup3rs3cret" not in daemon.log()
    shown = run("--print-config", pg.tcp_url("keeper", password="sup3rs3cret"))
    assert shown.returncode == 0 and "sup3rs3cret" not in shown.stdout + shown.stderr


def test_a_password_may_come_from_a_file(pg, make_daemon, tmp_path):
    secret = tmp_path / "password"
    secret.write_text("sup3rs3cret\n")
    config = {"pool main": {"url": pg.tcp_url("postgres"), "password_file": str(secret)}}
    daemon = make_daemon(config=config)
    with Wire(daemon.socket) as w:
        assert w.values("SELECT 1") == [("1",)]
    done = run("--socket", str(tmp_path / "s"), "--config", str(daemon.file), env={"SIDEPOOL_POOL_PASSWORD_FILE": "/nowhere/x"})
    assert done.returncode == 1 and "/nowhere/x" in done.stderr


def test_a_daemon_without_its_database_starts_and_waits(make_daemon):
    daemon = make_daemon("postgresql://x@127.0.0.1:1/x")
    with Wire(daemon.socket) as w, pytest.raises(Failed) as e:
        w.query("SELECT 1", deadline_ms=500)
    assert e.value.outcome == "not sent" and "refused" in e.value.error.message


def test_more_than_the_server_gives_is_warned_of_with_the_number_that_fits(make_daemon):
    with Postgres(max_connections=12) as small:
        daemon = make_daemon(small.url(), config={"sidepool": {"budget": 50}})
        with Wire(daemon.socket) as w:
            w.values("SELECT 1")
            (warning,) = w.status().warnings
        assert "max_size" in warning and "12" in warning
        assert "the server gives no more than" in daemon.log()


def test_the_example_is_what_the_binary_says():
    example = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "sidepool.conf.example"
    assert run("--print-example").stdout == example.read_text()
