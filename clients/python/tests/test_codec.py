# SPDX-License-Identifier: MIT
"""What needs no daemon: framing, rows, queries, settings, what is generated."""
import pathlib
import pickle
import struct
import subprocess
import sys

import pytest
from sidepool import _messages, _query, _rows, _settings, _sp, errors
from sidepool._xid import Xid

TOOLS = pathlib.Path(__file__).resolve().parent.parent / "tools"


@pytest.mark.parametrize("tool", ["make_descriptors.py", "make_error_types.py", "unasync.py"])
def test_what_is_made_is_fresh(tool):
    done = subprocess.run([sys.executable, TOOLS / tool, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run tools/{tool}\n{done.stdout}{done.stderr}"


def test_frame_is_as_wire_md_says():
    message = bytes.fromhex("08e807d20100")
    assert _sp.frame(0x80000001, message).hex() == "01" + "000000000000000a" + "80000001" + message.hex()


def test_ids_have_the_top_bit_and_wrap():
    assert _sp.next_id(0xFFFFFFFF) == 0x80000000
    assert _sp.next_id(0x80000000) == 0x80000001


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_reader_takes_any_pieces(step):
    reader = _sp.FrameReader()
    wire = _sp.DAEMON_GREETING + _sp.frame(0x80000001, b"") + _sp.frame(0x80000002, b"x" * 40)
    got = []
    for at in range(0, len(wire), step):
        got += reader.feed(wire[at : at + step])
    assert got == [(0x80000001, b""), (0x80000002, b"x" * 40)]


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1", b"\0SP\0\0\x30\0\0", _sp.DAEMON_GREETING + b"\2" + bytes(12), _sp.DAEMON_GREETING + b"\1" + bytes(12),
        _sp.DAEMON_GREETING + struct.pack(">BQI", 1, 1 << 40, 0x80000000), _sp.DAEMON_GREETING + struct.pack(">BQI", 1, 4, 1),
    ],
)
def test_reader_refuses_what_is_no_answer(wire):
    with pytest.raises(_sp.FramingError):
        _sp.FrameReader().feed(wire)


def test_packed_rows():
    row = [b"42", None, b""]
    packed = _rows.pack_row(row)
    assert packed.hex() == "020000003432ffffffff00000000"
    assert _rows.unpack_rows(packed * 3, 3, 3) == [row] * 3
    assert _rows.load_rows(packed, 1, [int, int, bytes], tuple) == [(42, None, b"")]


@pytest.mark.parametrize("data, rows", [(b"\2\0\0\0", 1), (b"\2\0\0\0ab!", 1), (b"\2\0\0", 1), (b"", 1), (b"\0\0\0\0", 0)])
def test_packed_rows_of_another_length(data, rows):
    with pytest.raises(ValueError):
        _rows.unpack_rows(data, rows, 1)
    with pytest.raises(ValueError):
        _rows.load_rows(data, rows, [bytes], tuple)


@pytest.mark.parametrize(
    "query, params, sql, values",
    [
        ("select %s, %s", (1, 2), b"select $1, $2", (1, 2)),
        ("select %(a)s, %(b)s, %(a)s", {"a": 1, "b": 2, "c": 3}, b"select $1, $2, $1", [1, 2]),
        ("select 10 %% %s", [3], b"select 10 % $1", [3]),
        ("select '%'", None, b"select '%'", None),
        ("select %b, %t", [1, 2], b"select $1, $2", [1, 2]),
        ("select 1", [], b"select 1", []),
        (b"select %s", [1], b"select $1", [1]),
    ],
)
def test_placeholders(query, params, sql, values):
    assert _query.bind(query, params) == (sql, values)


@pytest.mark.parametrize(
    "query, params",
    [
        ("select %s", []), ("select %s", [1, 2]), ("select %(a)s", {}), ("select %s, %(a)s", [1]), ("select %(a)s", [1]),
        ("select %s", {"a": 1}), ("select %x", [1]), ("select 1 %", []), ("select %(a)d", {"a": 1}),
    ],
)
def test_placeholders_that_are_wrong(query, params):
    with pytest.raises(errors.ProgrammingError):
        _query.bind(query, params)


@pytest.mark.parametrize("params", ["abc", b"abc", 1, {1}])
def test_parameters_of_a_wrong_type(params):
    with pytest.raises(TypeError):
        _query.bind("select %s", params)


@pytest.mark.parametrize(
    "sql, several",
    [
        (b"select 1", False), (b"select 1;", False), (b"select 1; -- x\n /* ; */ ", False), (b"select 1; select 2", True),
        (b"select ';'", False), (b'select ";x" from t', False), (b"do $$ a; b $$", False), (b"do $x$ a; $$ b $x$; select 1", True),
        (b"select E'\\'; x'", False), (b"select 1;;select 2", True), (b"select '''; x'", False),
    ],
)
def test_several_statements(sql, several):
    assert _query.is_several(sql) is several


@pytest.mark.parametrize(
    "sql, words",
    [
        (b"select 1", ("SELECT", "")), (b" /* x */ -- y\n begin work", ("BEGIN", "WORK")), (b"", ("", "")), (b"(select 1)", ("SELECT", "")),
        (b"start transaction read only", ("START", "TRANSACTION")),
    ],
)
def test_first_words(sql, words):
    assert _query.first_words(sql) == words


def test_settings_from_a_line(monkeypatch):
    monkeypatch.setenv("SIDEPOOL_SOCKET", "/tmp/env.sock")
    assert _settings.make_settings().socket == "/tmp/env.sock"
    assert _settings.make_settings("/tmp/x.sock").socket == "/tmp/x.sock"
    told = _settings.make_settings("sidepool:///main?socket=/tmp/y.sock&lease=session&timeout=1.5&autocommit=true", pool="other")
    assert (told.socket, told.lease, told.timeout, told.autocommit, told.pool) == ("/tmp/y.sock", "session", 1.5, True, "other")


@pytest.mark.parametrize(
    "line, given",
    [
        ("postgresql://x", {}), ("", {"nonsense": 1}), ("", {"lease": "forever"}), ("", {"timeout": -1}),
        ("", {"socket": "/" + "x" * 200}), ("", {"application": "x" * 64}), ("sidepool:///?timeout=soon", {}), ("sidepool:///?trace=maybe", {}),
    ],
)
def test_settings_that_are_wrong(line, given):
    with pytest.raises(errors.InterfaceError) as caught:
        _settings.make_settings(line, **given)
    assert caught.value.code == "INVALID_ARGUMENT" and caught.value.outcome == "not sent"


def test_the_class_of_a_sqlstate():
    assert errors.lookup("23505") is errors.UniqueViolation
    assert issubclass(errors.UniqueViolation, errors.IntegrityError)
    assert issubclass(errors.UndefinedTable, errors.ProgrammingError)
    assert issubclass(errors.QueryCanceled, errors.OperationalError)
    assert errors.InternalError.sqlstate is None and errors.InternalError_.sqlstate == "XX000"
    with pytest.raises(KeyError):
        errors.lookup("ZZZZZ")


def test_sqlstates_are_those_of_psycopg():
    theirs = pytest.importorskip("psycopg.errors")
    for state, cls in theirs._sqlcodes.items():
        if len(state) == 5 and state[0].isdigit():
            ours = errors.lookup(state)
            assert (ours.__name__, ours.__mro__[1].__name__) == (cls.__name__, cls.__mro__[1].__name__), state


def wire_error(**fields):
    wire = _messages.Error(**fields)
    wire.pool.pool, wire.pool.in_use, wire.pool.limit, wire.pool.waited_ms = "main", 25, 25, 5000
    wire.pool.holders.add(application="celery", pid=812, held_ms=93000, state="idle in transaction")
    return wire


def test_a_wait_that_failed_says_who_holds_what():
    error = errors.from_wire(wire_error(code=21, outcome=1, message="no connection became free", retryable=True, retry_after_ms=250))
    assert isinstance(error, errors.PoolTimeout) and isinstance(error, errors.OperationalError)
    assert "pool main 25/25 in use, waited 5.0 s; longest: celery[812] 93 s idle in transaction" in str(error)
    assert (error.code, error.outcome, error.retryable, error.retry_after) == ("ACQUIRE_TIMEOUT", "not sent", True, 0.25)
    assert error.pool.holders[0].pid == 812


def test_every_code_has_a_class():
    for number, name, outcome, *_ in errors.CODES:
        error = errors.from_wire(_messages.Error(code=number, message="m"))
        assert isinstance(error, errors.Error) and error.code == name
        assert error.outcome_unknown is (outcome == "UNKNOWN")


def test_a_code_of_a_later_daemon():
    error = errors.from_wire(_messages.Error(code=9999))
    assert isinstance(error, errors.OperationalError) and error.outcome_unknown


def test_errors_can_be_pickled():
    wire = _messages.Error(code=40, outcome=2)
    wire.sql.sqlstate, wire.sql.message, wire.sql.detail = "23505", "duplicate", "Key (id)"
    error = pickle.loads(pickle.dumps(errors.from_wire(wire)))
    assert isinstance(error, errors.UniqueViolation) and error.diag.message_detail == "Key (id)" and error.sqlstate == "23505"


def test_xid_as_text_and_back():
    xid = Xid(1, "gtrid", "bqual")
    assert Xid.parse(str(xid)) == xid
    assert Xid.parse("a name of another") == (None, "a name of another", None)
