# SPDX-License-Identifier: MIT
"""A client of sidepoold in Python, on pynng: of sidepool's it uses proto/ alone. Run it as README.md says."""
import os
import struct

import pynng
from sidepool.v1 import error_code_pb2, error_pb2, lease_pb2, rpc_pb2, statement_pb2


class Failure(Exception):
    """An answer that is an error: `sqlstate` where PostgreSQL said it, and what became of the request."""

    def __init__(self, error):
        self.code = error_code_pb2.ErrorCode.Name(error.code)
        self.outcome = error_pb2.Outcome.Name(error.outcome)
        self.sqlstate = error.sql.sqlstate  # detail, hint and the rest stand in error.sql
        super().__init__(f"{self.code}, SQLSTATE {self.sqlstate}, {self.outcome}: {error.message}")


class Client:
    """One request at a time. For many at once each needs a context of the socket: `self.socket.new_context()`."""

    def __init__(self, path, application):
        # By default a REQ socket sends again what was not answered within a minute (-1: never), and takes no answer
        # above 1 MiB.
        self.socket = pynng.Req0(resend_time=-1, recv_max_size=0)
        self.socket.dial(f"ipc://{path}", block=True)
        request = rpc_pb2.Request()
        request.hello.min_version = request.hello.max_version = 1
        request.hello.application_name, request.hello.client_name = application, "pynng"
        self.hello = self.call(request).hello

    def call(self, request):
        self.socket.send(request.SerializeToString())
        response = rpc_pb2.Response.FromString(self.socket.recv())  # an exception of pynng's here: outcome unknown
        if response.HasField("error"):
            raise Failure(response.error)
        return response

    def query(self, sql, *values, **fields):
        request = rpc_pb2.Request(**fields)
        request.query.statement.CopyFrom(statement(sql, values))
        return self.call(request)


def statement(sql, *sets):
    """Each set of values is packed behind the one before."""
    packed = b"".join(pack(value) for values in sets for value in values)
    return statement_pb2.Statement(
        sql=sql.encode(), parameter_count=len(sets[0]) if sets else 0, parameter_sets=len(sets), parameters=packed
    )


def pack(value):
    """Length, 32 bits, little-endian, and text; the length of NULL is -1."""
    text = b"" if value is None else str(value).encode()
    return struct.pack("<i", -1 if value is None else len(text)) + text


def rows(result):
    """Rows as lists of text and None."""
    at, table = 0, []
    for _ in range(result.row_count):
        row = []
        for _ in result.columns:
            (size,) = struct.unpack_from("<i", result.rows, at)
            at += 4
            row.append(None if size < 0 else result.rows[at : at + size].decode())
            at += max(size, 0)
        table.append(row)
    return table


def main():
    client = Client(os.environ.get("SIDEPOOL_SOCKET", "/run/sidepool/rpc.sock"), "bank-pynng")
    print("hello:", client.hello.application, client.hello.pools)

    # A batch is one message, and with `atomic` one transaction. One statement may have many sets of values.
    request = rpc_pb2.Request()
    request.batch.atomic = True
    request.batch.statements.append(statement("CREATE TABLE bank_pynng (owner text PRIMARY KEY, balance int)"))
    request.batch.statements.append(statement("INSERT INTO bank_pynng VALUES ($1, $2)", ("alice", 100), ("bob", None)))
    created, inserted = client.call(request).results
    print("batch:", created.command_tag, "and", inserted.affected_rows, "rows")

    found = client.query("SELECT owner, balance FROM bank_pynng WHERE owner <> $1", "carol")
    print("query:", rows(found.results[0]))

    # The first statement takes a lease and begins a transaction, the last one commits and gives it back.
    begin = lease_pb2.LeaseOptions(begin=True)
    take = "UPDATE bank_pynng SET balance = balance - $1::int WHERE owner = 'alice'"
    lease = client.query(take, 30, acquire=begin).lease
    held = lease_pb2.LeaseRef(lease_id=lease.lease_id, token=lease.token)
    give = "UPDATE bank_pynng SET balance = $1::int WHERE owner = 'bob' RETURNING balance"
    given = client.query(give, 30, lease=held, finish=lease_pb2.FINISH_COMMIT)
    print("transaction:", rows(given.results[0]))

    try:
        client.query("INSERT INTO bank_pynng VALUES ($1, 1)", "alice")
    except Failure as e:
        print("error:", e)
    client.query("DROP TABLE bank_pynng")


if __name__ == "__main__":
    main()
