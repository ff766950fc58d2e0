# SPDX-License-Identifier: MIT
"""Life under a service manager: ready, reload, stop, socket activation."""
import signal
import subprocess
import threading

import pytest
from lib.cut import Cut
from lib.daemon import BINARY, Daemon, listening
from lib.wait import wait_until
from lib.wire import CODES, Failed, Wire, rows


@pytest.mark.fast
def test_ready_status_and_stopping_are_told(daemon):
    with Wire(daemon.socket) as w:
        w.values("SELECT 1")
    wait_until("the status is told", lambda: any(m.startswith("STATUS=0/5 in use, 0 waiting, breaker closed") for m in daemon.notify.lines()))
    assert daemon.stop() == 0
    wait_until("it says so", lambda: "STOPPING=1" in daemon.notify.lines())


@pytest.mark.fast
def test_the_watchdog_is_fed(pg, make_daemon):
    daemon = make_daemon(pg.url(), env={"WATCHDOG_USEC": "200000"})
    wait_until("it is fed", lambda: daemon.notify.lines().count("WATCHDOG=1") >= 3)


@pytest.mark.fast
def test_stopping_finishes_what_runs_and_refuses_the_rest(daemon, pg):
    pg.sql("DROP TABLE IF EXISTS ending; CREATE TABLE ending (a int)")
    with Wire(daemon.socket) as w, Wire(daemon.socket) as leased, pg.connect() as barrier:
        barrier.execute("BEGIN; LOCK ending IN ACCESS EXCLUSIVE MODE")
        lease = leased.lease(begin=True)
        running = w.send(w.query_request("INSERT INTO ending VALUES (1)"))
        wait_until("it runs", lambda: any("INSERT INTO ending" in b[2] and b[1] == "active" for b in pg.backends()))
        daemon.signal(signal.SIGTERM)
        wait_until("it stops", lambda: "STOPPING=1" in daemon.notify.lines())
        with pytest.raises(Failed) as e:
            w.query("SELECT 1")
        assert (e.value.code, e.value.outcome) == ("SHUTTING_DOWN", "not sent") and e.value.error.retry_after_ms > 0
        with pytest.raises(Failed) as e:
            w.lease()
        assert e.value.code == "SHUTTING_DOWN"
        barrier.execute("COMMIT")
        assert w.receive(running).results[0].affected_rows == 1
        leased.query("INSERT INTO ending VALUES (2)", lease=lease, finish=1)
    assert daemon.wait() == 0
    assert pg.sql("SELECT count(*) FROM ending") == [(2,)]
    wait_until("its connections are closed", lambda: not pg.backends())


@pytest.mark.settings({"sidepool": {"shutdown_timeout": "300ms"}})
def test_past_shutdown_timeout_what_runs_is_cancelled_and_rolled_back(daemon, pg):
    pg.sql("DROP TABLE IF EXISTS ending; CREATE TABLE ending (a int)")
    with Wire(daemon.socket) as w, Wire(daemon.socket) as idle:
        running = w.send(w.query_request("SELECT pg_sleep(600)"))
        idle.query("INSERT INTO ending VALUES (1)", begin=True)
        wait_until("it runs", lambda: any("pg_sleep" in b[2] for b in pg.backends()))
        daemon.signal(signal.SIGTERM)
        answer = w.receive(running)
        assert answer.HasField("error") and answer.error.outcome == 2
    assert daemon.wait() == 0
    assert pg.sql("SELECT count(*) FROM ending") == [(0,)]


@pytest.mark.fast
def test_a_second_signal_ends_it_at_once(daemon, pg):
    with Wire(daemon.socket) as w:
        w.send(w.query_request("SELECT pg_sleep(600)"))
        wait_until("it runs", lambda: any("pg_sleep" in b[2] for b in pg.backends()))
        daemon.signal(signal.SIGTERM)
        wait_until("it stops", lambda: "STOPPING=1" in daemon.notify.lines())
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0


@pytest.mark.fast
def test_it_leaves_also_when_a_cancel_request_is_never_answered(pg, make_daemon):
    """As where the network to PostgreSQL is down: libpq would wait for as long as TCP tries."""
    with Cut(pg) as cut:
        daemon = make_daemon(cut.url, config={"sidepool": {"shutdown_timeout": "0s", "cancel_timeout": "50ms"}})
        with Wire(daemon.socket) as w:
            running = w.send(w.query_request("SELECT pg_sleep(600)"))
            wait_until("it runs", lambda: any("pg_sleep" in b[2] for b in pg.backends()))
            cut.keep_cancels = True
            daemon.signal(signal.SIGTERM)
            assert CODES[w.receive(running).error.code] == "CONNECTION_LOST"
            assert daemon.wait() == 0 and cut.kept
        assert "a cancel request" in daemon.log()
        pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600)'")


@pytest.mark.fast
def test_a_reload_takes_effect_and_a_broken_one_does_not(pg, make_daemon):
    config = {"sidepool": {"budget": 2}, "pool main": {"url": pg.url()}}
    daemon = make_daemon(config=config)
    with Wire(daemon.socket) as w:
        config["sidepool"]["budget"] = 4
        daemon.write_config(config)
        daemon.signal(signal.SIGHUP)
        wait_until("the new budget holds", lambda: w.status().budget == 4)
        wait_until("it is told", lambda: any(m == "RELOADING=1" for m in daemon.notify.lines()))
        assert "budget: 2 -> 4" in daemon.log()
        daemon.write_config("[sidepool]\nbudget = none\n")
        daemon.signal(signal.SIGHUP)
        wait_until("the mistake is told", lambda: "the old configuration stays in force" in daemon.log())
        assert w.status().budget == 4 and w.values("SELECT 1") == [("1",)]
        wait_until("it is ready again", lambda: daemon.notify.lines().count("READY=1") == 3)


def test_ten_restarts_under_socket_activation_refuse_nobody(pg):
    """As systemd does, the test keeps the listening socket; a client loop sees waiting, and no refusal."""
    daemon = Daemon(pg.url(), config={"sidepool": {"budget": 3}})
    environment = daemon.environment()
    del environment["NOTIFY_SOCKET"]
    over, problems, answered = threading.Event(), [], []
    log = daemon.log_file.open("ab")

    def client():
        while not over.is_set():
            try:
                w = Wire(daemon.socket)
            except (ConnectionRefusedError, FileNotFoundError) as e:
                problems.append(repr(e))
                return
            except ConnectionError:
                continue  # accepted by a daemon that was just told to leave: what was not sent is sent to the next
            try:
                answered.append(w.values("SELECT 1")[0])
            except Failed as e:
                if e.outcome != "not sent":
                    problems.append(str(e))
            except ConnectionError:
                pass
            finally:
                w.close()

    listener = __import__("socket").socket(__import__("socket").AF_UNIX)
    listener.bind(str(daemon.socket))
    listener.listen(128)
    process = None

    def start():
        import os

        def inherit():
            os.dup2(listener.fileno(), 3)
            os.environ["LISTEN_PID"] = str(os.getpid())

        env = {**environment, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "rpc"}
        shell = ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *daemon.command()]
        return subprocess.Popen(shell, env=env, preexec_fn=inherit, pass_fds=(3,), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")

    threads = [threading.Thread(target=client) for _ in range(4)]
    try:
        process = start()
        for t in threads:
            t.start()
        for _ in range(10):
            seen = len(answered)
            wait_until("clients are answered", lambda n=seen: len(answered) >= n + 20 or problems)
            process.terminate()
            assert process.wait(60) == 0
            process = start()
        seen = len(answered)
        wait_until("clients are answered", lambda: len(answered) >= seen + 20 or problems)
    finally:
        over.set()
        for t in threads:
            t.join()
        process.terminate()
        process.wait(60)
        listener.close()
        log.close()
    text = daemon.log()
    daemon.remove()
    assert problems == [] and text.count("listening on the socket from systemd") == 11


def test_systemd_socket_activate_itself(pg):
    daemon = Daemon(pg.url())
    command = daemon.activated_command(daemon.socket, names="rpc")
    environment = {k: v for k, v in daemon.environment().items() if k != "NOTIFY_SOCKET"}
    with daemon.log_file.open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
    try:
        wait_until("it listens", lambda: listening(daemon.socket))
        with Wire(daemon.socket) as w:
            assert w.values("SELECT 1") == [("1",)]
        process.terminate()
        assert process.wait(60) == 0
        assert daemon.socket.exists(), "the socket is systemd's"
    finally:
        process.kill()
        daemon.remove()


