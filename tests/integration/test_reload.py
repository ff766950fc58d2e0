# SPDX-License-Identifier: MIT
"""`sidepool reload`, which the service unit's ExecReload= is: it is back when the new configuration is in force, or says why not."""
import os
import subprocess

import pytest
from lib.wait import wait_until
from lib.wire import Failed, Wire

pytestmark = pytest.mark.fast

COMMAND = os.environ.get("SIDEPOOL", "sidepool")
OK, REFUSED = 0, 6


def reload(daemon):
    done = subprocess.run([COMMAND, "--socket", str(daemon.socket), "reload"], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def reload_request(wire):
    request = wire.request()
    request.admin.reload = True
    return request


def test_it_is_back_when_the_new_configuration_is_in_force(pg, make_daemon):
    daemon = make_daemon(config={"sidepool": {"budget": 2}, "pool main": {"url": pg.url()}})
    for budget in (3, 4, 5, 6, 7):
        daemon.write_config({"sidepool": {"budget": budget}, "pool main": {"url": pg.url()}})
        assert reload(daemon) == (OK, "reloaded the configuration\n")
        with Wire(daemon.socket) as w:
            assert w.status().budget == budget


def test_a_broken_configuration_is_refused_with_the_place(pg, make_daemon):
    daemon = make_daemon(config={"sidepool": {"budget": 2}, "pool main": {"url": pg.url()}})
    daemon.write_config("[sidepool]\nbudget = none\nqueue_limit = 0\n")
    status, said = reload(daemon)
    assert status == REFUSED and "the old configuration stays in force" in said and f"{daemon.file}:2: budget" in said
    with Wire(daemon.socket) as w:
        assert w.status().budget == 2


@pytest.fixture
def slow_to_read(pg, make_daemon):
    """A daemon whose configuration is a FIFO now: a reload lasts until somebody has written into it."""
    daemon = make_daemon(config={"sidepool": {"budget": 2}, "pool main": {"url": pg.url()}})
    text = daemon.file.read_text().replace("budget = 2", "budget = 3")
    daemon.file.unlink()
    os.mkfifo(daemon.file)
    return daemon, lambda: daemon.file.write_text(text)


def test_one_at_a_time(slow_to_read):
    daemon, write = slow_to_read
    with Wire(daemon.socket) as first, Wire(daemon.socket) as second:
        number = first.send(reload_request(first))
        wait_until("it is under way", lambda: "RELOADING=1" in daemon.notify.lines())
        with pytest.raises(Failed, match="a reload is under way"):
            second.call(reload_request(second))
        assert second.status().budget == 2
        write()
        assert first.receive(number).admin.message == "reloaded the configuration"
        assert second.status().budget == 3


def test_who_leaves_meanwhile_costs_nothing(slow_to_read):
    daemon, write = slow_to_read
    with Wire(daemon.socket) as w, Wire(daemon.socket) as other:
        w.send(reload_request(w))
        wait_until("it is under way", lambda: "RELOADING=1" in daemon.notify.lines())
        w.close()
        wait_until("its end was seen", lambda: other.status().clients == 1)
        write()
        wait_until("it is in force all the same", lambda: other.status().budget == 3)
