# SPDX-License-Identifier: MIT
"""HTTP on a Unix socket or an address."""
import http.client
import json
import re
import socket


class Connection(http.client.HTTPConnection):
    def __init__(self, where, timeout=60):
        """`where` is a path, or (host, port)."""
        super().__init__("localhost" if not isinstance(where, tuple) else where[0], timeout=timeout)
        self.where = where

    def connect(self):
        if isinstance(self.where, tuple):
            self.sock = socket.create_connection(self.where, timeout=self.timeout)
        else:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(str(self.where))


def get(where, path, method="GET", headers=None, body=None):
    """(status, headers, body) of one request."""
    c = Connection(where)
    try:
        c.request(method, path, headers=headers or {}, body=body)
        r = c.getresponse()
        return r.status, r.headers, r.read()
    finally:
        c.close()


def get_json(where, path):
    status, _, body = get(where, path)
    return status, json.loads(body)


LINE = re.compile(r'^([a-z_]+)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def metrics(where):
    """{(name, label=value, ...): number}, the labels in their order."""
    found = {}
    for line in get(where, "/metrics")[2].decode().splitlines():
        if not line.startswith("#"):
            name, labels, value = LINE.match(line).groups()
            key = (name, *(f"{k}={v}" for k, v in LABEL.findall(labels or "")))
            assert key not in found, f"{key} is told twice"
            found[key] = float(value)
    return found


def port_of(daemon):
    """Of http_listen, which the log tells."""
    return int(re.search(r"HTTP on \S+, port (\d+)", daemon.log())[1])
