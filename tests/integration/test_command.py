# SPDX-License-Identifier: MIT
"""The `sidepool` command: what it prints, what it says when something fails, and its exit statuses."""
import json
import os
import re
import subprocess

import pytest
from lib.told import Told
from lib.wait import FACTOR, wait_until
from lib.wire import Response, Wire

pytestmark = pytest.mark.fast

COMMAND = os.environ.get("SIDEPOOL", "sidepool")
OK, FAILED, USAGE, NO_DAEMON, NOT_SENT, UNKNOWN, REFUSED, TROUBLE = range(8)


class Ran:
    def __init__(self, socket, *arguments, stdin=""):
        environment = {k: v for k, v in os.environ.items() if k != "SIDEPOOL_SOCKET"}
        if socket:
            environment["SIDEPOOL_SOCKET"] = str(socket)
        done = subprocess.run(
            [COMMAND, *arguments], env=environment, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr


@pytest.fixture
def sidepool(daemon):
    return lambda *arguments, **options: Ran(daemon.socket, *arguments, **options)


def test_a_query_is_drawn_as_psql_draws_it(sidepool):
    r = sidepool("query", "select 1 as n, $1::text as \"näme\", null as nothing, e'two\\nlines' as l", "日本")
    assert (r.status, r.err) == (OK, "")
    assert r.out == (
        " n | näme | nothing |   l\n"
        "---+------+---------+-------\n"
        " 1 | 日本 |         | two  +\n"
        "   |      |         | lines\n"
        "(1 row)\n"
    )


def test_numbers_stand_to_the_right_and_controls_do_not_reach_the_terminal(sidepool):
    r = sidepool("query", "select g, e'\\x1b[31m' as c from generate_series(9, 10) g")
    assert r.out.splitlines()[2:4] == ["  9 | \\x1B[31m", " 10 | \\x1B[31m"]


def test_csv_and_json(sidepool):
    sql = "select 1 as a, 'x,\"y' as b, null as c, '' as d, true as e, '{\"k\": [1]}'::jsonb as f, 'NaN'::float8 as g"
    assert sidepool("query", "--csv", sql).out == 'a,b,c,d,e,f,g\n1,"x,""y",,"",t,"{""k"": [1]}",NaN\n'
    assert json.loads(sidepool("query", "--json", sql).out) == [
        {"a": 1, "b": 'x,"y', "c": None, "d": "", "e": True, "f": {"k": [1]}, "g": "NaN"}
    ]
    assert json.loads(sidepool("query", "--json", "select 1 as a where false").out) == []


def test_parameters_may_be_null_or_begin_with_a_dash(sidepool):
    r = sidepool("query", "--csv", "--", "select $1::int as a, $2::int is null as b", "-5", "\\N")
    assert r.out == "a,b\n-5,t\n"


def test_a_large_result_comes_whole(sidepool):
    r = sidepool("query", "--csv", "select g, repeat('x', 50) from generate_series(1, 100000) g")
    lines = r.out.splitlines()
    assert (r.status, len(lines), lines[-1]) == (OK, 100001, "100000," + "x" * 50)
    assert sidepool("query", "select generate_series(1, 100000)").out.endswith(" 100000\n(100000 rows)\n")


def test_an_sql_error_shows_the_place(sidepool):
    r = sidepool("query", "select 1,\n  wrong\nfrom pg_class")
    assert (r.status, r.out) == (FAILED, "")
    assert r.err.splitlines() == [
        'sidepool: ERROR 42703: column "wrong" does not exist',
        "LINE 2:   wrong",
        "          ^",
    ]


def test_what_needs_a_session_is_refused_with_the_remedy(sidepool):
    r = sidepool("query", "set work_mem = '1MB'")
    assert r.status == REFUSED
    assert "SESSION_REQUIRED" in r.err and "remedy: take a lease" in r.err


def test_commands_print_their_tags_and_notices(sidepool):
    assert sidepool("query", "create table if not exists cmd (a int)").out == "CREATE TABLE\n"
    r = sidepool("query", "create table if not exists cmd (a int)")
    assert r.err.startswith("NOTICE:") and r.out == "CREATE TABLE\n"


def test_exec_runs_a_file_on_one_connection(sidepool, tmp_path):
    file = tmp_path / "a.sql"
    file.write_text("create temp table x (a int);\ninsert into x values (1), (2);\nselect sum(a) as s from x;\n")
    r = sidepool("exec", str(file))
    assert (r.status, r.out) == (OK, "CREATE TABLE\nINSERT 0 2\n s\n---\n 3\n(1 row)\n")
    r = sidepool("exec", "-", stdin="select 1 as a;\nselect 1/0;\n")
    assert r.status == FAILED and "22012" in r.err
    r = sidepool("exec", str(tmp_path / "nothing.sql"))
    assert r.status == TROUBLE and "nothing.sql: No such file" in r.err


def test_what_exec_leaves_open_is_rolled_back(sidepool):
    sidepool("exec", "-", stdin="drop table if exists left_open; create table left_open (a int);")
    assert sidepool("exec", "-", stdin="begin; insert into left_open values (1);").status == OK
    assert sidepool("query", "--csv", "select count(*) from left_open").out == "count\n0\n"


def test_ping_status_and_lists(sidepool):
    assert sidepool("ping").out.startswith("sidepoold ")
    status = sidepool("status")
    assert status.status == OK and "connections" in status.out and "main" in status.out
    for command in ("status", "pools", "apps", "leases", "clients"):
        r = sidepool(command)
        assert r.status == OK, r.err
        assert max(map(len, r.out.splitlines())) <= 80
        assert sidepool(command, "--json").status == OK
    whole = json.loads(sidepool("status", "--json").out)
    assert whole["daemon"]["budget"] == 5 and [p["name"] for p in whole["pools"]] == ["main"]
    assert sidepool("clients", "--app", "me").out.count(" me ") == 1


@pytest.fixture
def busy(daemon, sidepool):
    """One statement that runs for long, and one that waits for its connection."""
    with Wire(daemon.socket) as seeds, Wire(daemon.socket) as api:
        seeds.named("seed-1"), api.named("api")
        running = seeds.send(seeds.query_request("SELECT pg_sleep(600)", call_site="seed.py:7"))
        wait_until("it runs", lambda: [r for r in rows_of(sidepool("queries", "--json")) if r["state"] == "running"])
        waiting = api.send(api.query_request("SELECT 1"))
        wait_until("the other waits", lambda: len(rows_of(sidepool("queries", "--json"))) == 2)
        yield lambda: (seeds.receive(running), api.receive(waiting))


def rows_of(ran):
    assert ran.status == OK, ran.err
    return json.loads(ran.out)


ONE = pytest.mark.settings({"sidepool": {"budget": 1}, "pool main": {"pipeline": "off"}})


@ONE
def test_queries_and_queue_tell_what_runs_and_what_waits(sidepool, busy):
    running, waiting = rows_of(sidepool("queries", "--json"))
    assert (running["application"], running["state"], running["call_site"]) == ("seed-1", "running", "seed.py:7")
    assert running["statement"] == "SELECT pg_sleep(600)" and running["backend_pid"] and not waiting["backend_pid"]
    assert [r["application"] for r in rows_of(sidepool("queue", "--json"))] == ["api"]
    table = sidepool("queries").out
    assert "SELECT pg_sleep(" in table and max(len(line) for line in table.splitlines()) <= 80
    assert sidepool("cancel", "0").status == REFUSED
    assert "see: sidepool queries" in sidepool("cancel", "x").err
    done = sidepool("cancel", str(running["request_id"]))
    assert (done.status, done.out) == (OK, f"cancelled request {running['request_id']} of seed-1\n")
    ended, served = busy()
    assert ended.HasField("error") and not served.HasField("error")


@ONE
def test_kill_ends_what_an_application_has_and_leaves_the_rest(sidepool, busy):
    assert sidepool("kill").status == USAGE
    done = sidepool("kill", "--app", "seed-*")
    assert done.out == 'cancelled 1 request and revoked 0 leases of "seed-*"\n'
    ended, served = busy()
    assert ended.HasField("error") and not served.HasField("error")


@ONE
def test_pause_waits_for_what_runs(daemon, sidepool, busy):
    waiting = subprocess.Popen([COMMAND, "pause", "--wait", "--socket", daemon.socket], stdout=subprocess.PIPE, text=True)
    assert waiting.stdout.readline() == "paused every pool\n"
    assert sidepool("kill", "--app", "seed-*").status == OK
    assert waiting.communicate()[0] == "what ran has ended\n" and waiting.returncode == OK
    assert sidepool("resume").out == "resumed every pool\n"
    assert not busy()[1].HasField("error")


def test_who_waits_for_a_paused_pool_is_told_so(sidepool):
    sidepool("pause", "main")
    r = sidepool("query", "--timeout", f"{200 * FACTOR:g}ms", "select 1")
    assert r.status == NOT_SENT and "; it is paused by an administrator" in r.err
    health = sidepool("health")
    said = " ".join(health.out.split())
    assert health.status == 10 and "paused by hand: nothing is granted" in said and "sidepool resume" in said
    assert "main: paused by hand" in sidepool("status").out
    sidepool("resume")
    assert sidepool("health").status == OK and "paused" not in sidepool("status").out


def test_killing_nobody_says_so(sidepool):
    r = sidepool("kill", "--app", "nobody-*")
    assert (r.status, r.out) == (OK, 'nothing of "nobody-*" waits, runs or holds a lease\n')


def test_the_breaker_is_opened_and_closed(sidepool):
    assert sidepool("breaker", "trip", "main").out == "tripped the breaker of pool main\n"
    said = sidepool("query", "select 1").err
    assert re.search(r"tripped by an administrator \d+ s ago, and stays open until it is reset", said) and "next try" not in said
    assert re.search(r"opened by hand \d+ s ago and stays so", " ".join(sidepool("health").out.split()))
    assert sidepool("breaker", "reset").out == "reset the breaker of every pool\n"
    assert sidepool("query", "select 1").status == OK
    assert "trip or reset" in sidepool("breaker", "open").err


@pytest.mark.settings({"sidepool": {"budget": 7}})
def test_config_tells_what_is_in_force_and_from_where(sidepool, daemon):
    text = sidepool("config").out
    assert re.search(rf"^budget = 7\b.*{re.escape(str(daemon.file))}", text, re.M) and "[pool main]" in text


@pytest.mark.settings({"sidepool": {"budget": 9}, "pool idle": {"url": "postgresql:///x", "min_size": 0}})
def test_advice_is_given_in_sentences(sidepool):
    for _ in range(3):
        sidepool("query", "select 1")
    lines = sidepool("advise").out.splitlines()
    text = "\n" + " ".join(lines).replace("  ", " ")
    assert max(map(len, lines)) <= 80
    assert re.search(r"pool main: on average \d\.\d\d of at most 9 connections .* for 3 queries.* \d would do", text)
    assert "pool idle: " in text and "It was not used." in text and "say little yet" in text


def advice(tmp_path, pools=(), applications=(), leases=(), requests=(), **daemon):
    """What is advised on that; an hour of uptime."""
    status = Response().status
    for name, value in {"uptime_ms": 3600000, "budget": 10, "budget_in_force": 10, **daemon}.items():
        setattr(status, name, value)
    for rows, into in ((pools, status.pools), (applications, status.applications), (leases, status.leases), (requests, status.requests)):
        for row in rows:
            into.add(**row)
    with Told(tmp_path / "told.sock", status=status):
        done = subprocess.run([COMMAND, "advise", "--socket", str(tmp_path / "told.sock")], capture_output=True, text=True, check=True)
    (tmp_path / "told.sock").unlink()
    return " ".join(done.stdout.split())


def test_advice_goes_by_what_was_used_and_what_is_still_held(tmp_path):
    pool = {"name": "main", "max_size": 10, "min_size": 1, "queries_total": 5}
    assert "min_size = 0 would leave its connections to others" in advice(tmp_path, [pool])
    assert advice(tmp_path, [{**pool, "min_size": 0}]).endswith("It was not used.")
    hour = 3600 * 1000
    used = {**pool, "run_us_total": hour * 1000}  # one, all of the time: 1 + 3 + 1 would do
    assert "1.00 of at most 10" in advice(tmp_path, [used]) and "max_size = 5 would do" in advice(tmp_path, [used])
    held = advice(tmp_path, [pool], leases=[{"pool": "main", "held_ms": hour}, {"pool": "other", "held_ms": hour}])
    assert "1.00 of at most 10" in held and "max_size = 5 would do" in held
    runs = [{"pool": "main", "run_ms": hour}, {"pool": "main", "run_ms": hour, "lease_id": 7}]
    assert "1.00 of at most 10" in advice(tmp_path, [pool], requests=runs), "what runs on a lease is the lease's"


def test_advice_where_it_is_short(tmp_path):
    pool = {"name": "main", "max_size": 3, "run_us_total": 4 * 3600 * 10**6, "wait_p99_us": 90000}
    assert "It is short: max_size = 11 would do, and a budget of as much, which is 10" in advice(tmp_path, [pool])
    assert "It is short: max_size = 11 would do." in advice(tmp_path, [pool], budget=20, budget_in_force=20)
    assert "let us have 7 connections: more than that in budget (10) is no use" in advice(tmp_path, [pool], budget_in_force=7)
    assert "11 would do on average, but many come at once" in advice(tmp_path, [{**pool, "max_size": 11}])
    said = advice(tmp_path, applications=[{"name": "api", "refused_total": 4}, {"name": "cron", "refused_total": 5, "max": 2}])
    assert "api: 4 requests were refused; it waits" in said and "cron: 5 requests were refused; it has max = 2" in said
    shares = [{"name": "api", "min": 2}, {"name": "cron", "min": 1, "in_use": 1}]
    assert "api: min = 2 is guaranteed and was never used" in advice(tmp_path, applications=shares)
    assert "cron" not in advice(tmp_path, applications=shares)


@pytest.mark.settings({"application api": {"max": 2}})
def test_an_application_without_a_limit_has_any(sidepool):
    assert sidepool("query", "select 1", "--app", "api").status == OK and sidepool("query", "select 1", "--app", "cron").status == OK
    rows = {line.split()[0]: line.split() for line in sidepool("apps").out.splitlines()}
    assert rows["APPLICATION"][4] == "MAX" and rows["api"][4] == "2" and rows["cron"][4] == "any"


def test_watch_goes_on_until_its_reader_leaves(daemon):
    with subprocess.Popen([COMMAND, "pools", "--json", "--watch=10ms", "--socket", daemon.socket], stdout=subprocess.PIPE, text=True) as p:
        seen = [p.stdout.readline() for _ in range(10)]
        p.terminate()
    assert len([line for line in seen if '"name":"main"' in line.replace(" ", "")]) > 1


def test_health_is_an_exit_status(sidepool):
    sidepool("query", "select 1")
    r = sidepool("health")
    assert (r.status, r.out.splitlines()[0]) == (OK, "healthy")


def test_a_deadline_ends_a_slow_statement(sidepool):
    assert sidepool("query", "select 1").status == OK  # a connection is there: none of the time goes into waiting for it
    r = sidepool("query", "--timeout", "1s", "select pg_sleep(60)")
    assert r.status == FAILED
    assert "deadline" in r.err.lower() or "57014" in r.err


def test_nobody_listens(tmp_path):
    r = Ran(tmp_path / "s", "ping")
    assert r.status == NO_DAEMON
    assert str(tmp_path / "s") in r.err and "remedy: start sidepoold" in r.err


def test_another_server_on_the_socket(daemon, pg):
    import socket

    with socket.socket(socket.AF_UNIX) as s:
        path = daemon.dir / "other"
        s.bind(str(path))
        s.listen()
        import threading

        def greet():
            peer = s.accept()[0]
            peer.sendall(b"SSH-2.0-x\r\n")
            peer.recv(100)
            peer.close()

        threading.Thread(target=greet, daemon=True).start()
        r = Ran(path, "ping")
    assert r.status == NO_DAEMON and "is not sidepoold" in r.err


@pytest.mark.parametrize(
    "arguments",
    [[], ["nix"], ["query"], ["ping", "x"], ["ping", "--nix"], ["ping", "--timeout", "5"], ["ping", "--timeout", "0s"],
     ["revoke", "x"], ["ping", "--socket", "/" + "x" * 200]],
)  # fmt: skip
def test_wrong_usage(arguments):
    r = Ran(None, *arguments)
    assert (r.status, r.out) == (USAGE, "")
    assert r.err


def test_help_names_every_command_and_status():
    r = Ran(None, "--help")
    assert r.status == OK
    assert all(f"\n  {name} " in r.out for name in ("query", "exec", "status", "ping", "health", "leases"))
    assert Ran(None, "--version").out.startswith("sidepool ")


def test_output_that_cannot_be_written_is_told(daemon):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [COMMAND, "--socket", str(daemon.socket), "query", "select 1"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode == TROUBLE and "standard output" in done.stderr
