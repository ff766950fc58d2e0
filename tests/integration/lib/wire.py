# SPDX-License-Identifier: MIT
"""A client that is nothing but the wire: it can say anything, also what no client should."""
import pathlib
import struct
import subprocess
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from .framed import Framed
from .secrets import SECRET

PROTO = pathlib.Path(__file__).resolve().parents[3] / "proto"
GREETING = b"\0SP\0\0\x30\0\0"
COMMIT, ROLLBACK = 1, 2


def _load():
    with tempfile.NamedTemporaryFile(suffix=".desc") as f:
        files = sorted(str(p.relative_to(PROTO)) for p in PROTO.glob("sidepool/v1/*.proto"))
        subprocess.run(["protoc", f"-I{PROTO}", f"--descriptor_set_out={f.name}", *files], check=True)
        described = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(f.name).read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in described.file:
        pool.Add(file)
    find = lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"sidepool.v1.{name}"))  # noqa: E731
    codes = pool.FindEnumTypeByName("sidepool.v1.ErrorCode")
    return find("Request"), find("Response"), {v.number: v.name.removeprefix("ERROR_CODE_") for v in codes.values}


Request, Response, CODES = _load()
OUTCOMES = {1: "not sent", 2: "failed", 3: "unknown"}


class Failed(Exception):
    def __init__(self, error):
        super().__init__(f"{CODES[error.code]}: {error.message}")
        self.error, self.code, self.outcome = error, CODES[error.code], OUTCOMES[error.outcome]


def pack(values):
    """One packed row: str is text, bytes as they are, None is NULL."""
    out = b""
    for v in values:
        data = v.encode() if isinstance(v, str) else v
        out += struct.pack("<i", -1 if data is None else len(data)) + (data or b"")
    return out


def rows(result, columns=None):
    """The packed rows of a result, as tuples of bytes or None."""
    n, at, out = columns or len(result.columns), 0, []
    for _ in range(result.row_count):
        row = []
        for _ in range(n):
            (length,) = struct.unpack_from("<i", result.rows, at)
            at += 4
            row.append(None if length < 0 else result.rows[at : at + length])
            at += max(length, 0)
        out.append(tuple(row))
    assert at == len(result.rows)
    return out


def fill(statement, sql, values=(), **options):
    statement.sql = sql.encode()
    statement.parameter_count = len(values)
    statement.parameters = pack(values)
    for key, value in options.items():
        getattr(statement, key).extend(value) if isinstance(value, (list, tuple)) else setattr(statement, key, value)


class Wire(Framed):
    def __init__(self, path, greet=True, timeout=60):
        super().__init__(path, timeout)
        self.last, self.early = 0, {}
        if greet:
            self.greet(GREETING, b"\0SP\0\0\x31\0\0")

    def named(self, name):
        """Says Hello by that name; for what is to be known by it from the start."""
        hello = Request()
        hello.hello.application_name = name
        self.call(hello)
        return self

    def send_body(self, body):
        self.socket.sendall(b"\1" + struct.pack(">Q", len(body)) + body)

    def send(self, request):
        """Send it and return its id."""
        self.last += 1
        number = 0x80000000 | self.last
        self.send_body(struct.pack(">I", number) + request.SerializeToString())
        return number

    def receive_any(self):
        body = self.read_message()
        assert SECRET.encode() not in body, "an answer shows the database's password"
        return struct.unpack(">I", body[:4])[0], Response.FromString(body[4:])

    def receive(self, number):
        """The answer to this id; answers to others are kept for those who ask for them."""
        while number not in self.early:
            other, response = self.receive_any()
            self.early[other] = response
        return self.early.pop(number)

    def call(self, request):
        """Send, receive, and raise Failed where the answer has an error."""
        response = self.receive(self.send(request))
        if response.HasField("error"):
            raise Failed(response.error)
        return response

    def request(self, lease=None, begin=None, acquire=False, finish=0, deadline_ms=0, pool="", key=b"", call_site=""):
        r = Request(finish=finish, deadline_ms=deadline_ms, pool=pool, idempotency_key=key, call_site=call_site)
        if lease:
            r.lease.lease_id, r.lease.token = lease.lease_id, lease.token
        if begin or acquire:
            r.acquire.begin = bool(begin)
        return r

    def query_request(self, sql, values=(), chunk_bytes=0, statement=None, **where):
        r = self.request(**where)
        fill(r.query.statement, sql, values, **(statement or {}))
        r.query.chunk_bytes = chunk_bytes
        return r

    def query(self, sql, values=(), **options):
        """The whole Response."""
        return self.call(self.query_request(sql, values, **options))

    def values(self, sql, values=(), **options):
        """The rows as tuples of text."""
        result = self.query(sql, values, **options).results[0]
        return [tuple(None if v is None else v.decode() for v in row) for row in rows(result)]

    def batch_request(self, statements, atomic=True, **where):
        r = self.request(**where)
        r.batch.atomic = atomic
        for s in statements:
            sql, values, options = (s, (), {}) if isinstance(s, str) else (*s, {})[:3]
            fill(r.batch.statements.add(), sql, values, **options)
        return r

    def lease(self, **options):
        r = self.request(acquire=True, **options)
        r.take_lease.SetInParent()
        return self.call(r).lease

    def release(self, lease, finish=ROLLBACK):
        r = self.request(lease=lease, finish=finish)
        r.release.SetInParent()
        return self.call(r)

    def fetch_request(self, stream_id, close=False):
        r = Request()
        r.fetch.stream_id, r.fetch.close = stream_id, close
        return r

    def status(self):
        r = Request()
        r.status.SetInParent()
        return self.call(r).status
