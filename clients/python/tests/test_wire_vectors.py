# SPDX-License-Identifier: MIT
"""The conformance list (tests/conformance/vectors.json): framing, rows and messages, byte by byte."""
import json
import pathlib

import pytest
from google.protobuf import text_format

from sidepool import errors
from sidepool._messages import Request, Response
from sidepool._rows import pack_row, unpack_rows
from sidepool._sp import DAEMON_GREETING, GREETING, FrameReader, FramingError, frame

FILE = pathlib.Path(__file__).resolve().parents[3] / "tests" / "conformance" / "vectors.json"
VECTORS = json.loads(FILE.read_text())
STATUSES = ("", "idle", "active", "failed")


def each(part):
    return pytest.mark.parametrize("case", VECTORS[part], ids=[c["name"] for c in VECTORS[part]])


def test_greetings():
    assert GREETING.hex() == VECTORS["greeting"]["client"]
    assert DAEMON_GREETING.hex() == VECTORS["greeting"]["daemon"]


@each("frames")
def test_frame_is_made(case):
    assert frame(case["id"], bytes.fromhex(case["message"])).hex() == case["bytes"]


@each("frames")
@pytest.mark.parametrize("size", [1, 2, 5, 13, 1 << 20])
def test_frame_is_found_however_it_is_cut(case, size):
    reader, data, found = FrameReader(), DAEMON_GREETING + bytes.fromhex(case["bytes"]) * 2, []
    for at in range(0, len(data), size):
        found += reader.feed(data[at : at + size])
    assert found == [(case["id"], bytes.fromhex(case["message"]))] * 2


@each("broken_frames")
def test_broken_frame_is_refused(case):
    reader = FrameReader()
    with pytest.raises(FramingError):
        reader.feed(DAEMON_GREETING + bytes.fromhex(case["bytes"]))


@pytest.mark.parametrize("at", range(8))
def test_other_greeting_is_refused(at):
    wrong = bytearray(DAEMON_GREETING)
    wrong[at] ^= 1
    with pytest.raises(FramingError):
        FrameReader().feed(bytes(wrong))


@each("rows")
def test_rows(case):
    rows = [[None if v is None else bytes.fromhex(v) for v in row] for row in case["rows"]]
    assert b"".join(pack_row(row) for row in rows).hex() == case["bytes"]
    assert unpack_rows(bytes.fromhex(case["bytes"]), len(rows), case["columns"]) == rows


@each("broken_rows")
def test_broken_rows_are_refused(case):
    with pytest.raises(ValueError):
        unpack_rows(bytes.fromhex(case["bytes"]), case["row_count"], case["columns"])


@each("requests")
def test_request(case):
    wanted = text_format.Parse(case["text"], Request(), descriptor_pool=Request.DESCRIPTOR.file.pool)
    assert Request.FromString(bytes.fromhex(case["bytes"])) == wanted
    assert Request.FromString(wanted.SerializeToString()) == wanted


@each("responses")
def test_response(case):
    response = Response.FromString(bytes.fromhex(case["bytes"]))
    expected = case["expected"]
    if "results" in expected:
        assert [seen(r, e) for r, e in zip(response.results, expected["results"], strict=True)] == expected["results"]
    for name in ("stream_id", "wait_us", "run_us"):
        assert name not in expected or getattr(response, name) == expected[name]
    if "lease" in expected:
        grant = response.lease
        assert [grant.lease_id, grant.token, grant.expires_ms, grant.backend_pid] == expected["lease"]
    if "transaction_status" in expected:
        assert STATUSES[response.transaction_status] == expected["transaction_status"]
    assert response.HasField("error") == ("error" in expected)
    if "error" in expected:
        judge_error(errors.from_wire(response.error), response.error, expected["error"])


def seen(result, expected):
    """The result as the list has it, in the parts that the list names."""
    rows = unpack_rows(result.rows, result.row_count, len(result.columns)) if result.columns else []
    columns = [[c.name, c.type_oid, c.type_modifier, c.type_bytes, c.table_oid, c.column_number] for c in result.columns]
    whole = {
        "columns": columns, "rows": [[None if v is None else v.decode() for v in row] for row in rows],
        "tag": result.command_tag, "affected": result.affected_rows, "statement_id": result.statement_id,
        "columns_id": result.columns_id, "more": result.more, "statement_index": result.statement_index,
        "parameter_set_index": result.parameter_set_index, "notices": [n.fields.message for n in result.notices],
    }
    return {name: whole[name] for name in expected}


def judge_error(error, wire, expected):
    told = {
        "code": wire.code, "outcome": error.outcome, "message": wire.message, "sqlstate": error.sqlstate,
        "position": int(error.diag.statement_position or 0), "retryable": error.retryable,
        "retry_after_ms": round(error.retry_after * 1000),
    }
    assert {name: told[name] for name in expected} == expected
