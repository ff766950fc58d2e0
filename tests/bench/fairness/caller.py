# SPDX-License-Identifier: MIT
"""A program that wants much: keeps so many requests of one length in flight, and tells how long each has waited.

caller.py SOCKET NAME IN_FLIGHT MILLISECONDS: runs until its standard input ends, then prints one JSON line: the waits in
microseconds, as the daemon told them, with the moment of each answer.
"""
import json
import pathlib
import select
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "integration"))
from lib.wire import Request, Wire  # noqa: E402


def main(path, name, in_flight, milliseconds):
    answers, errors = [], []
    # One statement id a length would do; the sleep is what the connection is busy with, not the processor.
    sql = f"SELECT pg_sleep({int(milliseconds) / 1000})"
    with Wire(path) as w:
        hello = Request()
        hello.hello.application_name = name
        w.call(hello)
        for _ in range(int(in_flight)):
            w.send(w.query_request(sql))
        over = False
        waiting = int(in_flight)
        while waiting:
            readable, _, _ = select.select([w.socket] if over else [w.socket, sys.stdin], [], [])
            over = over or sys.stdin in readable
            if w.socket not in readable:
                continue
            _, answer = w.receive_any()
            waiting -= 1
            if answer.HasField("error"):
                errors.append(answer.error.message)
            answers.append((time.monotonic(), answer.wait_us))
            if not over:
                w.send(w.query_request(sql))
                waiting += 1
    print(json.dumps({"answers": answers, "errors": errors}))


if __name__ == "__main__":
    main(*sys.argv[1:])
