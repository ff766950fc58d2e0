# SPDX-License-Identifier: MIT
"""The dialects for SQLAlchemy: what is particular to them, and SQLAlchemy's own suite (long)."""
import datetime
import os
import pathlib
import re
import subprocess
import sys
from decimal import Decimal
from urllib.parse import quote
from xml.etree import ElementTree

import pytest

sa = pytest.importorskip("sqlalchemy")
pytest.importorskip("greenlet")

from sqlalchemy.dialects import registry  # noqa: E402
from sqlalchemy.dialects.postgresql import ARRAY, HSTORE, INT4RANGE, JSONB, Range  # noqa: E402
from sqlalchemy.ext.asyncio import create_async_engine  # noqa: E402
from sqlalchemy.pool import NullPool  # noqa: E402

from sidepool import errors  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
registry.register("postgresql.sidepool", "sidepool.sqlalchemy", "SidepoolDialect")
registry.register("postgresql.sidepool_async", "sidepool.sqlalchemy", "SidepoolAsyncDialect")
META = sa.MetaData()
THINGS = sa.Table(
    "things", META, sa.Column("id", sa.Integer, primary_key=True), sa.Column("d", JSONB), sa.Column("a", ARRAY(sa.String)),
    sa.Column("r", INT4RANGE), sa.Column("n", sa.Numeric(10, 2)), sa.Column("at", sa.DateTime(timezone=True)), sa.Column("h", HSTORE),
)
AT = datetime.datetime(2024, 2, 29, 12, 0, 0, 500, tzinfo=datetime.timezone.utc)
VALUES = {"d": {"k": [1, None]}, "a": ["x", None, ""], "r": Range(1, 5), "n": Decimal("1.50"), "at": AT, "h": {"k": None}}


def url_of(path, driver="sidepool", **query):
    extra = "".join(f"&{k}={v}" for k, v in query.items())
    return f"postgresql+{driver}:///?socket={quote(path, safe='')}{extra}"


@pytest.fixture
def url(pg, socket_path):
    pg.sql("CREATE EXTENSION IF NOT EXISTS hstore")
    return url_of(socket_path)


@pytest.fixture
def engine(url):
    engine = sa.create_engine(url)
    META.drop_all(engine)
    META.create_all(engine)
    return engine


def test_values_come_back_as_they_went(engine):
    with engine.begin() as c:
        [key] = c.execute(THINGS.insert().values(**VALUES).returning(THINGS.c.id)).scalars()
    with engine.connect() as c:
        assert dict(c.execute(sa.select(THINGS)).mappings().one()) == {"id": key, **VALUES}


def test_many_rows_in_one_insert(engine):
    with engine.begin() as c:
        keys = c.execute(THINGS.insert().returning(THINGS.c.id), [{"n": Decimal(i)} for i in range(2500)]).scalars().all()
    assert len(set(keys)) == 2500


def test_engine_keeps_no_connection_and_a_connection_takes_none(engine, leases):
    assert isinstance(engine.pool, NullPool)
    with engine.connect() as c:
        assert c.connection.driver_connection.info.backend_pid == 0
        c.execute(sa.text("SELECT 1"))
        assert leases() == 1
        c.rollback()
        assert leases() == 0


def test_autocommit_takes_no_lease(engine):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as c:
        c.execute(sa.text("SELECT 1"))
        assert c.connection.driver_connection.info.backend_pid == 0


def test_isolation_level(engine):
    with engine.connect().execution_options(isolation_level="SERIALIZABLE", postgresql_readonly=True) as c:
        assert c.execute(sa.text("SHOW transaction_isolation")).scalar() == "serializable"
        assert c.execute(sa.text("SHOW transaction_read_only")).scalar() == "on"


def test_error_is_the_drivers(engine):
    with pytest.raises(sa.exc.IntegrityError) as raised, engine.begin() as c:
        c.execute(THINGS.insert(), [{"id": 1}, {"id": 1}])
    assert isinstance(raised.value.orig, errors.UniqueViolation)


def test_stream_results(engine):
    with engine.connect().execution_options(stream_results=True, max_row_buffer=100) as c:
        result = c.execute(sa.text("SELECT generate_series(1, 1000)"))
        assert result.scalars().fetchmany(3) == [1, 2, 3]
        assert result.cursor.name.startswith("sqlalchemy_")


@pytest.mark.parametrize("bad", ["u@/x", "u:p@h/x", "h:5432/x"])
def test_url_with_a_host_is_refused(bad):
    with pytest.raises(sa.exc.ArgumentError):
        sa.create_engine(f"postgresql+sidepool://{bad}").connect()


def test_database_of_the_url_is_the_pool(url):
    engine = sa.create_engine(url.replace(":///?", ":///nowhere?"))
    with pytest.raises(sa.exc.OperationalError) as raised:
        engine.connect()
    assert raised.value.orig.code == "UNKNOWN_POOL"


async def test_asyncio(engine, socket_path):
    there = create_async_engine(url_of(socket_path, "sidepool_async"))
    async with there.begin() as c:
        await c.execute(THINGS.insert().values(id=7, **VALUES))
    async with there.connect() as c:
        assert dict((await c.execute(sa.select(THINGS))).mappings().one()) == {"id": 7, **VALUES}
        result = await c.stream(sa.text("SELECT generate_series(1, 50)"))
        assert [row[0] async for row in result] == list(range(1, 51))
    with pytest.raises(sa.exc.IntegrityError):
        async with there.begin() as c:
            await c.execute(THINGS.insert().values(id=7))
    await there.dispose()


SUITES = {
    "default": ("sidepool", {}), "session": ("sidepool", {"lease": "session"}), "asyncio": ("sidepool_async", {}),
}  # fmt: skip
_DRIVER = re.compile(r"_postgresql\+[a-z_]+[a-z](_\d+)*")
# Tests that need a session of their own, by the word in their names that says why; each of them passes in "session".
NEED_A_SESSION = {
    "temp": "a temporary table or view is made in one transaction and looked for in the next",
    "schema_change": "search_path is set at connect, and looked for in a later transaction",
    "reset_on_return": "search_path is set at connect",
}


def make_database(pg):
    pg.sql("CREATE EXTENSION IF NOT EXISTS hstore", database="postgres")
    pg.sql("DROP DATABASE IF EXISTS suite")
    pg.sql("CREATE DATABASE suite")
    pg.sql("ALTER DATABASE suite SET default_text_search_config = 'pg_catalog.english'")
    for sql in ("CREATE EXTENSION hstore", "CREATE SCHEMA test_schema", "CREATE SCHEMA test_schema_2"):
        pg.sql(sql, database="suite")


def run_suite(url, folder):
    """{name of a test: "passed" or "skipped"}; there is no third."""
    report = folder / "suite.xml"
    env = {**os.environ, "SIDEPOOL_SUITE_URL": url, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "setup.cfg", "--rootdir=.", "--dburi", url,
         "--tb=short", f"--junitxml={report}", "test_suite.py"],
        cwd=HERE / "sqlalchemy_suite", env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    cases = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = _DRIVER.sub("", f"{case.get('classname')}.{case.get('name')}")
        cases[name] = "skipped" if case.find("skipped") is not None else "passed"
    assert len(cases) > 1400
    return cases


@pytest.fixture(scope="module")
def skipped_by_psycopg(pg, tmp_path_factory):
    """What the suite skips with SQLAlchemy's own dialect for psycopg, straight to the server."""
    make_database(pg)
    cases = run_suite(pg.url(database="suite").replace("postgresql:", "postgresql+psycopg:"), tmp_path_factory.mktemp("psycopg"))
    return {name for name, what in cases.items() if what == "skipped"}


@pytest.mark.long
@pytest.mark.parametrize("name", SUITES)
def test_suite_of_sqlalchemy(name, pg, tmp_path, skipped_by_psycopg):
    """No failure, and no skip that psycopg's dialect has not. On a daemon that keeps no prepared statements: the suite creates
    tables of one name and other columns all the time, and within a transaction PostgreSQL's "cached plan must not change result
    type" cannot be mended by anybody."""
    from lib.daemon import Daemon

    make_database(pg)
    daemon = Daemon(
        config={"sidepool": {"budget": 10}, "pool main": {"url": pg.url(database="suite"), "max_prepared_statements": 0}}
    ).start()
    driver, query = SUITES[name]
    try:
        cases = run_suite(url_of(str(daemon.socket), driver, **query), tmp_path)
    finally:
        daemon.close()
        daemon.remove()
    ours = {n for n, what in cases.items() if what == "skipped"} - skipped_by_psycopg
    if name != "session":
        ours = {n for n in ours if not any(word in n for word in NEED_A_SESSION)}
    assert not ours
