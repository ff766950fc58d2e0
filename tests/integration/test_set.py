# SPDX-License-Identifier: MIT
"""`sidepool set` and `unset`: a setting changed while the daemon runs, checked as the file is, told by `config`, gone with a restart."""
import os
import pwd
import re
import shutil
import subprocess
import tempfile

import pytest
from lib.wait import wait_until
from lib.wire import Failed, Request, Wire

pytestmark = pytest.mark.fast

COMMAND = os.environ.get("SIDEPOOL", "sidepool")
OK, USAGE, REFUSED = 0, 2, 6
ME = f"uid {os.getuid()} ({pwd.getpwuid(os.getuid()).pw_name})"
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


@pytest.fixture
def daemon(pg, make_daemon):
    return make_daemon(
        config={
            "sidepool": {"budget": 8, "slow_query": "off"},
            "pool main": {"url": pg.url(), "min_size": 0, "max_size": 4},
            "application api": {"weight": 2, "match_user": os.getuid()},
        }
    )


@pytest.fixture
def sidepool(daemon):
    def run(*arguments):
        done = subprocess.run(
            [COMMAND, "--socket", str(daemon.socket), *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, done.stdout + done.stderr

    return run


def config_line(sidepool, name):
    lines = [line for line in sidepool("config")[1].splitlines() if line.startswith(f"{name} =")]
    return lines[0]


def test_config_tells_who_has_set_it_and_the_log_too(daemon, sidepool):
    assert sidepool("set", "budget=6") == (OK, "[sidepool] budget: 8 -> 6\n")
    assert re.fullmatch(rf"budget = 6 ; set by {re.escape(ME)}, at {TIME}", config_line(sidepool, "budget"))
    assert f"{ME}: [sidepool] budget: 8 -> 6" in daemon.log()
    with Wire(daemon.socket) as w:
        assert w.status().budget == 6


def test_it_may_be_written_as_in_the_file(sidepool):
    assert sidepool("set", "admin_users", "=", "1234", "4321") == (OK, "[sidepool] admin_users:  -> 1234 4321\n")
    assert sidepool("set", "budget = 6") == (OK, "[sidepool] budget: 8 -> 6\n")
    assert sidepool("set", "budget=6") == (OK, "[sidepool] budget is 6 already\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bugdet=6"], 'unknown setting "bugdet": did you mean budget?'),
        (["pool_size=6"], 'unknown setting "pool_size": did you mean max_size in a [pool NAME] section?'),
        (["budget=0"], "budget: 0 is out of range: 1 to 10000"),
        (["slow_query=3"], 'slow_query: "3" has no unit: write 3s or 3ms'),
        (["socket=/tmp/x"], "socket needs a restart: write it into the file and restart the daemon"),
        (["url=postgresql://x"], "url may hold a password"),
        (["weight=3"], "weight is a setting of an [application PATTERN] section: say of which"),
        (["weight=3", "--pool", "main"], "weight does not belong here: it is a setting of an [application PATTERN] section"),
        (["max_size=3", "--pool", "mian"], "there is no section [pool mian]"),
        (["weight=3", "--app", "nobody"], "there is no section [application nobody]"),
        (["min_size=5"], "min_size = 5 is more than max_size = 4 in [pool main]"),
        (["log_level=info\nbudget=1"], "a value is one line of text"),
    ],
)
def test_what_the_file_could_not_have_is_refused_with_its_sentences(sidepool, arguments, said):
    before = sidepool("config")[1]
    status, text = sidepool("set", *arguments)
    assert status == REFUSED and "nothing was changed: " in text and said in text
    assert sidepool("config")[1] == before


def test_what_is_not_an_assignment_is_usage(sidepool):
    assert sidepool("set", "budget")[0] == USAGE
    assert sidepool("set", "budget=1", "--pool", "main", "--app", "api")[0] == USAGE
    assert sidepool("unset", "--pool", "main")[0] == USAGE


def test_what_has_no_effect_is_said(sidepool):
    status, text = sidepool("set", "max_size=20")
    assert status == OK
    assert text.startswith("[pool main] max_size: 4 -> 20; ") and "it never gets more" in text


def test_a_lowered_max_size_drains(daemon, sidepool):
    with Wire(daemon.socket) as w:
        leases = [w.lease() for _ in range(4)]
        assert w.status().pools[0].in_use == 4
        assert sidepool("set", "max_size=2", "--pool", "main")[0] == OK
        for lease in leases:
            w.release(lease)
        wait_until("two are left", lambda: len(pids(w)) <= 2)
        first, second = w.lease(), w.lease()
        with pytest.raises(Failed):
            w.lease(deadline_ms=200)
        w.release(first)
        w.release(second)


def pids(w):
    pool = w.status().pools[0]
    return range(pool.idle + pool.in_use)


def test_slow_query_and_log_level_are_in_force_at_once(daemon, sidepool):
    with Wire(daemon.socket) as w:
        w.query("select 41")
        assert sidepool("set", "slow_query=0s")[0] == OK
        w.query("select 42")
        assert sidepool("set", "slow_query=off")[0] == OK
        w.query("select 43")
    statements = re.findall(r"slow statement.*(select \d+)", daemon.log())
    assert statements == ["select 42"]


def test_the_weight_of_an_application_that_is_connected(daemon, sidepool):
    with Wire(daemon.socket) as w:
        hello = Request()
        hello.hello.application_name = "api"
        w.call(hello)
        assert weights(w) == [2]
        assert sidepool("set", "weight=7", "--app", "api") == (OK, "[application api] weight: 2 -> 7\n")
        assert weights(w) == [7]
        assert sidepool("unset", "weight", "--app", "api") == (OK, "[application api] weight: 7 -> 2\n")
        assert weights(w) == [2]


def weights(w):
    return [a.weight for a in w.status().applications if a.name == "api"]


def test_a_reload_keeps_it_and_says_so_and_unset_takes_it_back(daemon, sidepool):
    assert sidepool("set", "budget=6")[0] == OK
    assert sidepool("set", "max_size=3")[0] == OK
    daemon.write_config(daemon.file.read_text().replace("budget = 8", "budget = 9"))
    assert sidepool("reload") == (
        OK,
        "reloaded the configuration; still as set by hand: [sidepool] budget, [pool main] max_size\n",
    )
    assert config_line(sidepool, "budget").startswith("budget = 6 ; set by")
    assert sidepool("unset", "budget") == (OK, "[sidepool] budget: 6 -> 9\n")
    assert config_line(sidepool, "budget") == f"budget = 9 ; {daemon.file}:2"
    assert sidepool("unset") == (OK, "[pool main] max_size: 3 -> 4\n")
    assert sidepool("unset") == (OK, "nothing has changed\n")


def test_a_change_by_hand_does_not_read_the_file_again(daemon, sidepool):
    daemon.write_config("[sidepool]\nbudget = none\n")
    assert sidepool("set", "max_size=3")[0] == OK
    assert config_line(sidepool, "budget") == f"budget = 8 ; {daemon.file}:2"


def test_a_file_that_contradicts_it_is_refused_by_whom_it_was_set(daemon, sidepool):
    assert sidepool("set", "min_size=3")[0] == OK
    daemon.write_config(daemon.file.read_text().replace("max_size = 4", "max_size = 2"))
    status, text = sidepool("reload")
    assert status == REFUSED and f"set by {ME}, at " in text and "min_size = 3 is more than max_size = 2 in [pool main]" in text


def test_a_section_that_is_gone_takes_it_along(daemon, sidepool):
    assert sidepool("set", "weight=3", "--app", "api")[0] == OK
    daemon.write_config(daemon.file.read_text().replace("application api", "application web"))
    assert sidepool("reload")[0] == OK
    assert "weight = 3 is for [application api], which is not there any more" in daemon.log()


def test_a_restart_drops_it(daemon, sidepool):
    assert sidepool("set", "budget=6")[0] == OK
    assert daemon.stop() == 0
    daemon.start()
    wait_until("it answers again", lambda: sidepool("ping")[0] == OK)
    assert config_line(sidepool, "budget") == f"budget = 8 ; {daemon.file}:2"


def for_everybody(folder):
    """The command and its library where another user can read them: the build may be below a folder that is root's alone."""
    os.chmod(folder, 0o755)  # noqa: S103
    libraries = subprocess.run(["ldd", COMMAND], check=True, capture_output=True, text=True).stdout
    library = re.search(r"(\S+) => (\S*libsidepool\S*)", libraries)
    shutil.copy(library[2], os.path.join(folder, library[1]))
    return shutil.copy(COMMAND, folder)


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user")
def test_nobody_else_may(daemon):
    with tempfile.TemporaryDirectory(prefix="sp-", dir="/tmp") as folder:
        command = for_everybody(folder)
        os.chmod(daemon.dir, 0o755)  # noqa: S103
        os.chmod(daemon.socket, 0o666)  # noqa: S103
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--clear-groups", command, "--socket", str(daemon.socket), "set", "budget=6"],
            capture_output=True, text=True, timeout=60, check=False, cwd=folder, env={**os.environ, "LD_LIBRARY_PATH": folder},
        )  # fmt: skip
    assert done.returncode == REFUSED and "uid 65534 is no administrator of this daemon" in done.stderr


def test_it_is_the_daemons_even_when_who_asked_has_left(daemon, sidepool):
    with Wire(daemon.socket) as w:
        request = w.request()
        request.admin.set.name, request.admin.set.value = "budget", "5"
        w.send(request)
    wait_until("it is in force", lambda: config_line(sidepool, "budget").startswith("budget = 5 "))
    assert f"{ME}: [sidepool] budget: 8 -> 5" in daemon.log()
