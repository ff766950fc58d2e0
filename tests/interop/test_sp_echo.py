# SPDX-License-Identifier: MIT
"""src/sp/ against peers that are not ours: nngcat, pynng, ten thousand bare sockets, systemd's socket activation.

$SP_ECHO is the echo daemon (sp-echo.c). Nothing here waits for time: a daemon is ready when it says so, and an answer
is waited for until it comes.
"""

import asyncio
import contextlib
import os
import pathlib
import resource
import shutil
import socket
import struct
import subprocess
import tempfile

import pytest

pynng = pytest.importorskip("pynng")

ECHO = os.environ["SP_ECHO"]
GREETING_REQ = bytes.fromhex("0053500000300000")
GREETING_REP = bytes.fromhex("0053500000310000")
TIMEOUT_S = 60
CONNECTIONS = 10_000


@pytest.fixture
def folder():
    # Not pytest's own: its paths are longer than a socket's may be.
    with tempfile.TemporaryDirectory(prefix="sp-") as d:
        yield pathlib.Path(d)


@contextlib.contextmanager
def running(command, **options):
    """The daemon, from "ready" to its clean end."""
    daemon = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)
    try:
        assert daemon.stdout.readline() == b"ready\n"
        yield daemon
        daemon.stdin.close()
        assert daemon.wait(TIMEOUT_S) == 0
    finally:
        daemon.kill()
        daemon.wait()
        daemon.stdout.close()


@pytest.fixture
def daemon(folder):
    with running([ECHO, folder / "s"]) as d:
        d.path = str(folder / "s")
        yield d
    assert not (folder / "s").exists()


def pack(request_id, body):
    return struct.pack(">BQI", 1, 4 + len(body), 0x80000000 | request_id) + body


def read_exactly(s, n):
    data = bytearray()
    while len(data) < n:
        piece = s.recv(n - len(data))
        assert piece, f"closed after {len(data)} of {n} bytes"
        data += piece
    return bytes(data)


def read_answer(s):
    kind, length, request_id = struct.unpack(">BQI", read_exactly(s, 13))
    assert kind == 1
    return request_id & 0x7FFFFFFF, read_exactly(s, length - 4)


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(TIMEOUT_S)
    s.connect(path)
    return s


def greeted(path):
    s = connect(path)
    s.sendall(GREETING_REQ)
    assert read_exactly(s, 8) == GREETING_REP
    return s


def ask(s, body):
    s.sendall(pack(1, body))
    assert (answer := read_answer(s))[0] == 1
    return answer[1]


def nngcat(path, body):
    command = ["nngcat", "--req", "--dial", f"ipc://{path}", "--data", body, "--raw", "--recv-timeout", "30"]
    return subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=True).stdout


@pytest.mark.skipif(not shutil.which("nngcat"), reason="nngcat is not installed")
def test_nngcat_is_answered(daemon):
    assert nngcat(daemon.path, "hello there") == b"hello there"
    assert b"replies=1" in nngcat(daemon.path, "!counts")


def test_pynng_is_answered(daemon):
    with pynng.Req0(dial=f"ipc://{daemon.path}", recv_timeout=TIMEOUT_S * 1000, resend_time=-1) as req:
        for i in range(1000):
            req.send(b"%d" % i)
            assert req.recv() == b"%d" % i
        req.send(b"!peer")
        assert req.recv().decode() == f"{os.getuid()} {os.getgid()} {os.getpid()}"


def test_pynng_contexts_are_answered_out_of_order(daemon):
    async def hold(req):
        with req.new_context() as context:
            await context.asend(b"!hold")
            return await context.arecv()

    async def say(req, body):
        with req.new_context() as context:
            await context.asend(body)
            return await context.arecv()

    async def main():
        with pynng.Req0(dial=f"ipc://{daemon.path}", resend_time=-1) as req:
            held = [asyncio.create_task(hold(req)) for _ in range(100)]
            while b"requests=101 " not in await say(req, b"!counts"):
                pass
            assert not any(task.done() for task in held)
            assert await say(req, b"!release") == b"released"
            assert await asyncio.gather(*held) == [b"released"] * 100

    asyncio.run(asyncio.wait_for(main(), TIMEOUT_S))


def test_pynng_resends_and_is_served_once(daemon):
    with pynng.Req0(dial=f"ipc://{daemon.path}", recv_timeout=TIMEOUT_S * 1000, resend_time=10) as req:
        req.send(b"!repeated")
        assert req.recv() == b"handed up 1 time"


def test_large_bodies_pass_pynng(daemon):
    body = os.urandom(5_000_000)
    with pynng.Req0(dial=f"ipc://{daemon.path}", recv_timeout=TIMEOUT_S * 1000, resend_time=-1) as req:
        req.recv_max_size = 0
        req.send(body)
        assert req.recv() == body


def test_other_protocols_are_turned_away(daemon):
    for protocol in (0x0010, 0x0021, 0x0031, 0x0050, 0x0051):
        with connect(daemon.path) as s:
            s.sendall(b"\0SP\0" + struct.pack(">HH", protocol, 0))
            assert read_exactly(s, 8) == GREETING_REP
            assert s.recv(1) == b""


def test_an_oversized_message_is_refused_by_its_length(daemon):
    with greeted(daemon.path) as s, greeted(daemon.path) as other:
        s.sendall(struct.pack(">BQ", 1, (16 << 20) + 1))
        assert s.recv(1) == b""
        assert ask(other, b"undisturbed") == b"undisturbed"


def memory_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


@contextlib.contextmanager
def descriptors(n):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < n:
        pytest.skip(f"the hard limit of descriptors is {hard}, {n} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, n), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ten_thousand_connections(folder):
    path = str(folder / "s")
    with descriptors(CONNECTIONS + 200), running([ECHO, path]) as daemon, contextlib.ExitStack() as stack:
        with greeted(path) as first:
            assert ask(first, b"warm") == b"warm"
        before = memory_kib(daemon.pid)
        sockets = [stack.enter_context(connect(path)) for _ in range(CONNECTIONS)]
        for s in sockets:
            s.sendall(GREETING_REQ)
        for s in sockets:
            assert read_exactly(s, 8) == GREETING_REP
        for i, s in enumerate(sockets):
            s.sendall(pack(i, b"%d" % i))
        for i, s in enumerate(sockets):
            assert read_answer(s) == (i, b"%d" % i)
        assert ask(sockets[0], b"!counts").startswith(b"connections=10000 requests=1 ")
        # What is left beside the connections themselves is the pool of blocks, 8 MiB at most.
        grown_kib = memory_kib(daemon.pid) - before
        print(f"10000 connections: {grown_kib} KiB")
        if os.environ.get("SP_ECHO_SANITIZER", "none") == "none":
            assert grown_kib < 10_000 * 2 + 8192
        for s in sockets[1:]:
            s.close()
        while not ask(sockets[0], b"!counts").startswith(b"connections=1 "):
            pass


def test_a_thousand_come_in_with_descriptors_for_a_hundred(folder):
    """Those beyond the limit wait in the listen queue, and nobody is refused."""
    path = str(folder / "s")
    limit = (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    few = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit)}
    with descriptors(1200), running([ECHO, path], **few):
        sockets = [connect(path) for _ in range(1000)]
        for s in sockets:
            s.sendall(GREETING_REQ + pack(7, b"in time"))
        for s in sockets:
            assert read_exactly(s, 8) == GREETING_REP
            assert read_answer(s) == (7, b"in time")
            s.close()


def test_an_activated_socket_outlives_its_daemon(folder):
    path = str(folder / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(128)
        # As systemd does it, for a socket that outlives several daemons.
        shell = 'exec 3<&"$1"; LISTEN_FDS=1 LISTEN_PID=$$ exec "$2"'
        command = ["bash", "-c", shell, "bash", str(listener.fileno()), ECHO]
        for _ in range(3):
            waiting = connect(path)
            waiting.sendall(GREETING_REQ + pack(3, b"patience"))
            with running(command, pass_fds=[listener.fileno()]):
                assert read_exactly(waiting, 8) == GREETING_REP
                assert read_answer(waiting) == (3, b"patience")
                with greeted(path) as s:
                    assert ask(s, b"hello") == b"hello"
            waiting.close()
            assert os.path.exists(path)


@pytest.mark.skipif(not shutil.which("systemd-socket-activate"), reason="systemd-socket-activate is not installed")
def test_systemd_socket_activate_starts_it(folder):
    path = str(folder / "s")
    command = ["systemd-socket-activate", f"--listen={path}", ECHO]
    activator = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert b"Listening on" in activator.stderr.readline()
        with connect(path) as s:
            s.sendall(GREETING_REQ + pack(1, b"activated"))
            assert activator.stdout.readline() == b"ready\n"
            assert read_exactly(s, 8) == GREETING_REP
            assert read_answer(s) == (1, b"activated")
        activator.stdin.close()
        assert activator.wait(TIMEOUT_S) == 0
    finally:
        activator.kill()
        activator.wait()
        activator.stdout.close()
        activator.stderr.close()
