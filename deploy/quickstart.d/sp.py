# SPDX-License-Identifier: MIT
"""A client of sidepoold in a few lines of asyncio, and the checks of the quickstart: what proto/WIRE.md says is all it needs.

sp.py exec FILE        run a file of SQL on a lease
sp.py check SUMMARY... compare what the programs say with what is in the database
"""
import asyncio
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PROTO = pathlib.Path(__file__).resolve().parent.parent.parent / "proto"


def load_messages():
    """The message classes, by name, straight from proto/: nothing is generated."""
    with tempfile.NamedTemporaryFile(suffix=".desc") as f:
        files = sorted(str(p.relative_to(PROTO)) for p in PROTO.glob("sidepool/v1/*.proto"))
        subprocess.run(["protoc", f"-I{PROTO}", f"--descriptor_set_out={f.name}", "--include_imports", *files], check=True)
        described = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(f.name).read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in described.file:
        pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"sidepool.v1.{name}"))
        for name in ("Request", "Response")
    }


MESSAGES = load_messages()
Request = MESSAGES["Request"]


class Failed(Exception):
    pass


def pack(values):
    """One packed row: each value is its length and its bytes; the length of NULL is -1."""
    out = bytearray()
    for value in values:
        data = None if value is None else str(value).encode()
        out += struct.pack("<i", -1 if data is None else len(data)) + (data or b"")
    return bytes(out)


def unpack(result, columns):
    """The rows of a result as tuples of text."""
    at, rows = 0, []
    for _ in range(result.row_count):
        row = []
        for _ in range(columns):
            (n,) = struct.unpack_from("<i", result.rows, at)
            at += 4
            row.append(None if n < 0 else result.rows[at : at + n].decode())
            at += max(n, 0)
        rows.append(tuple(row))
    return rows


def statement(target, sql, values=()):
    target.sql = sql.encode()
    target.parameter_count = len(values)
    target.parameters = pack(values)


class Client:
    """One connection; any number of requests in flight."""

    async def open(self, path, name):
        self.reader, self.writer = await asyncio.open_unix_connection(path)
        self.writer.write(b"\0SP\0\0\x30\0\0")
        if await self.reader.readexactly(8) != b"\0SP\0\0\x31\0\0":
            raise Failed("what answers there is not sidepoold")
        self.waiting, self.last = {}, 0
        self.task = asyncio.ensure_future(self._read())
        hello = Request()
        hello.hello.min_version = hello.hello.max_version = 1
        hello.hello.application_name = name
        await self.call(hello)
        return self

    async def _read(self):
        while True:
            head = await self.reader.readexactly(9)
            body = await self.reader.readexactly(struct.unpack(">Q", head[1:])[0])
            future = self.waiting.pop(struct.unpack(">I", body[:4])[0])
            future.set_result(MESSAGES["Response"].FromString(body[4:]))

    async def call(self, request):
        self.last += 1
        number = 0x80000000 | self.last
        body = struct.pack(">I", number) + request.SerializeToString()
        self.waiting[number] = future = asyncio.get_running_loop().create_future()
        self.writer.write(b"\1" + struct.pack(">Q", len(body)) + body)
        response = await future
        if response.HasField("error"):
            raise Failed(f"{response.error.message} {response.error.sql.detail}".strip())
        return response

    async def query(self, sql, values=(), lease=None, begin=False, finish=0):
        request = Request(finish=finish)
        statement(request.query.statement, sql, values)
        if begin:
            request.acquire.begin = True
        if lease:
            request.lease.lease_id, request.lease.token = lease.lease_id, lease.token
        return await self.call(request)

    def close(self):
        self.task.cancel()
        self.writer.close()


async def execute(path):
    client = await Client().open(os.environ["SIDEPOOL_SOCKET"], "quickstart")
    request = Request(finish=1)
    request.acquire.SetInParent()
    request.query.statement.sql = pathlib.Path(path).read_bytes()
    request.query.statement.simple = True
    await client.call(request)
    client.close()


async def check(paths):
    client = await Client().open(os.environ["SIDEPOOL_SOCKET"], "quickstart")
    told = [json.loads(pathlib.Path(p).read_text()) for p in paths]
    for t in told:
        print(
            f"  {t['program']:7} {t['callers']:3} callers: {t['reads']:5} reads, {t['transfers']:5} transactions,"
            f" {t['batches']:4} batches, {t['streamed']} rows, {t['errors']} errors"
        )
    money = await client.query("SELECT sum(balance), count(*) FROM sidepool_quickstart.account")
    notes = await client.query("SELECT count(*) FROM sidepool_quickstart.note")
    total, accounts = unpack(money.results[0], 2)[0]
    noted = int(unpack(notes.results[0], 1)[0][0])
    wanted = 10 * sum(t["batches"] for t in told)
    right = int(total) == 1000 * int(accounts) and noted == wanted and not any(t["errors"] for t in told)
    print(f"\n  money in the bank: {total} of {1000 * int(accounts)}; notes: {noted} of {wanted}", end="")
    print(": right." if right else ": WRONG.")
    client.close()
    return 0 if right else 1


if __name__ == "__main__":
    if sys.argv[1] == "exec":
        asyncio.run(execute(sys.argv[2]))
    else:
        sys.exit(asyncio.run(check(sys.argv[2:])))
