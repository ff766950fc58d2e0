# SPDX-License-Identifier: MIT
"""The frame itself: a test that hangs on it must be able to fail."""
import os
import signal
import subprocess
import sys

import pytest
from lib import processes
from lib.notify import Notify
from lib.postgres import Postgres
from lib.wait import wait_until

pytestmark = pytest.mark.fast


@pytest.fixture
def own_pg():
    with Postgres(max_connections=12) as server:
        yield server


def test_a_server_is_killed_and_recovers(own_pg):
    own_pg.sql("CREATE TABLE kept AS SELECT 1 AS a")
    own_pg.kill9()
    with pytest.raises(Exception, match="refused|No such file"):
        own_pg.sql("SELECT 1")
    own_pg.start()
    assert own_pg.sql("SELECT a FROM kept") == [(1,)]
    assert own_pg.sql("SHOW max_connections") == [("12",)]


def test_a_server_is_stopped_in_each_way(own_pg):
    for mode in ("smart", "fast", "immediate"):
        own_pg.stop(mode)
        assert own_pg.process.poll() is not None
        own_pg.start()
    with pytest.raises(KeyError):
        own_pg.stop("gently")


def test_a_setting_is_in_force_when_set_returns(own_pg):
    own_pg.set("work_mem", "3MB")
    assert own_pg.sql("SHOW work_mem") == [("3MB",)]
    with pytest.raises(ValueError, match="restart"):
        own_pg.set("max_connections", 13)
    own_pg.restart()
    assert own_pg.sql("SHOW max_connections") == [("12",)]


def test_psql_stops_at_the_first_error(own_pg):
    assert own_pg.psql("SELECT 1;\n\\echo two\n") == "1\ntwo\n"
    with pytest.raises(RuntimeError, match="nonsense"):
        own_pg.psql("SELECT 1; SELECT nonsense; CREATE TABLE never ();")
    assert own_pg.sql("SELECT to_regclass('never')") == [(None,)]


def test_all_ways_lead_to_the_server(own_pg):
    import psycopg

    for where in (own_pg.url(), own_pg.tcp_url(), own_pg.conninfo()):
        with psycopg.connect(where) as c:
            assert c.execute("SHOW port").fetchone() == (str(own_pg.port),)


def test_a_server_with_a_wrong_setting_says_why():
    with pytest.raises(RuntimeError, match="no_such_setting"), Postgres(no_such_setting=1):
        pass


def test_a_daemon_that_was_killed_is_blamed(pg, make_daemon):
    daemon = make_daemon(pg.url())
    os.kill(daemon.pid(), signal.SIGKILL)
    wait_until("it is gone", lambda: daemon.process.poll() is not None)
    with pytest.raises(AssertionError, match="left by itself, with status -9"):
        daemon.close()
    daemon.end_is_known = True


def test_a_complaint_of_a_sanitizer_is_blamed(pg, make_daemon):
    daemon = make_daemon(pg.url())
    daemon.stop()
    with daemon.log_file.open("a") as f:
        f.write("x.c:1:2: runtime error: signed integer overflow\n")
    with pytest.raises(AssertionError, match="the sanitizer, or valgrind, complains"):
        daemon.close()
    daemon.log_file.write_text("")


def test_reload_waits_until_the_daemon_is_ready_again(pg, make_daemon):
    daemon = make_daemon(pg.url(), config={"sidepool": {"budget": 3}})
    daemon.write_config({"sidepool": {"budget": 4}})
    daemon.reload()
    assert "budget: 3 -> 4" in daemon.log()


def test_messages_are_recorded_without_anybody_waiting(tmp_path):
    import socket

    notify = Notify(tmp_path / "n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        for i in range(2000):
            s.sendto(b"READY=1\nSTATUS=%d" % i, str(tmp_path / "n"))
    notify.wait("READY=1", 2000)
    assert notify.lines()[-1] == "STATUS=1999"
    notify.close()
    notify.close()


def test_wait_until_returns_what_came_and_fails_by_name():
    values = iter([0, None, "", "there"])
    assert wait_until("it comes", lambda: next(values)) == "there"
    with pytest.raises(AssertionError, match="never comes; last: 0"):
        wait_until("it never comes", lambda: 0, timeout=0)


def test_what_a_child_leaves_behind_is_found():
    script = "import subprocess; print(subprocess.Popen(['cat'], stdin=subprocess.PIPE, start_new_session=True).pid, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        orphan = int(parent.stdout.readline())
        assert orphan in processes.children(os.getpid())
        os.kill(orphan, signal.SIGSTOP)
        parent.kill()
    assert any(s.startswith(f"{orphan} ") for s in processes.survivors())
    os.kill(orphan, signal.SIGKILL)
    os.waitpid(orphan, 0)
    assert not any(s.startswith(f"{orphan} ") for s in processes.survivors())


def test_an_open_descriptor_is_seen():
    before = processes.descriptors()
    r, w = os.pipe()
    assert set(processes.descriptors()) - set(before) == {r, w}
    os.close(r)
    os.close(w)
    assert processes.descriptors() == before
