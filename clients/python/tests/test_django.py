# SPDX-License-Identifier: MIT
"""sidepool.django: what is particular to it. A whole program is examples/django_program.py."""
import datetime
import os
import pathlib
import subprocess
import sys

import pytest

django = pytest.importorskip("django")
from django.conf import settings  # noqa: E402
from django.core.exceptions import ImproperlyConfigured  # noqa: E402

if not settings.configured:
    settings.configure(DATABASES={}, USE_TZ=True, TIME_ZONE="Asia/Kolkata")
    django.setup()

from django.db import IntegrityError, connections  # noqa: E402
from django.db.backends.postgresql.psycopg_any import NumericRange  # noqa: E402
from django.db.utils import load_backend  # noqa: E402
from sidepool.django.base import DatabaseWrapper  # noqa: E402


@pytest.fixture
def wrap(socket_path):
    """A function that makes a wrapper as Django does of its settings."""
    made = []

    def make(options=None, **told):
        whole = connections.configure_settings({"default": {"ENGINE": "sidepool.django", "OPTIONS": {"socket": socket_path, **(options or {})}, **told}})
        made.append(load_backend("sidepool.django").DatabaseWrapper(whole["default"], "default"))
        return made[-1]

    yield make
    for wrapper in made:
        wrapper.close()


def value(wrapper, sql, *params):
    with wrapper.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchone()[0]


def test_is_djangos_with_another_driver(wrap, pg):
    wrapper = wrap()
    assert isinstance(wrapper, DatabaseWrapper) and wrapper.vendor == "postgresql"
    assert wrapper.pg_version == int(pg.sql("SHOW server_version_num")[0][0]) and not wrapper.is_usable()
    wrapper.connect()
    assert wrapper.is_usable() and wrapper.connection.info.backend_pid == 0


def test_values(wrap):
    wrapper = wrap()
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    got = value(wrapper, "SELECT %s::timestamptz", at)
    assert got == at and got.utcoffset() == datetime.timedelta(0) and value(wrapper, "SELECT '{\"a\": 1}'::jsonb") == '{"a": 1}'
    for zone in (None, "Asia/Kolkata"):
        wrapper = wrap(TIME_ZONE=zone)
        assert value(wrapper, "SELECT %s::timestamptz", at) == at
    assert value(wrapper, "SELECT %s::timestamptz", at).utcoffset() == datetime.timedelta(hours=5, minutes=30)
    assert value(wrapper, "SELECT '10.0.0.1'::inet") == "10.0.0.1"
    ranged = value(wrapper, "SELECT %s::int4range", NumericRange(1, 5))
    assert ranged == NumericRange(1, 5) and type(ranged) is NumericRange
    assert value(wrapper, "SELECT isempty(%s::int4range)", NumericRange(empty=True)) is True


def test_quoting(wrap):
    editor = wrap().schema_editor(collect_sql=True)
    assert editor.quote_value("it's 5 %") == "'it''s 5 %'" and editor.quote_value(None) == "NULL"
    assert wrap().ops.compose_sql("SELECT %s, '$1'", ["x"]) == "SELECT 'x', '$1'"


def test_errors_are_djangos(wrap, table):
    wrapper = wrap()
    with pytest.raises(IntegrityError) as raised, wrapper.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (1, 'a'), (1, 'b')")
    assert raised.value.__cause__.sqlstate == "23505"


@pytest.mark.parametrize("told", [{"USER": "me"}, {"PASSWORD": "x"}, {"HOST": "h"}, {"PORT": 5432}, {"options": {"assume_role": "boss"}}])
def test_what_it_does_not_know_is_refused(wrap, told):
    with pytest.raises(ImproperlyConfigured):
        wrap(**told).connect()


def test_time_zone_without_use_tz(wrap, monkeypatch):
    monkeypatch.setattr(settings, "USE_TZ", False)
    with pytest.raises(ImproperlyConfigured, match="USE_TZ"):
        wrap().connect()
    wrapper = wrap({"lease": "session"})
    assert value(wrapper, "SELECT current_setting('TimeZone')") == "Asia/Kolkata"
    assert value(wrapper, "SELECT %s::timestamptz", datetime.datetime(2026, 1, 1)) == datetime.datetime(2026, 1, 1)


def test_time_zone_that_a_test_changes(wrap, monkeypatch):
    """As override_settings() tells it: nothing is set on the pool's connection, and what cannot be is said."""
    plain, session = wrap(), wrap({"lease": "session"})
    for wrapper in (plain, session):
        assert wrapper.ensure_timezone() is False  # there is no connection
        wrapper.connect()
    assert plain.ensure_timezone() is False and plain.connection.info.backend_pid == 0
    monkeypatch.setattr(settings, "USE_TZ", False)
    monkeypatch.setattr(settings, "TIME_ZONE", "Europe/Lisbon")
    for wrapper in (plain, session):
        wrapper.__dict__.pop("timezone", None), wrapper.__dict__.pop("timezone_name", None)
    with pytest.raises(ImproperlyConfigured, match="USE_TZ"):
        plain.ensure_timezone()
    assert session.ensure_timezone() is True and value(session, "SELECT current_setting('TimeZone')") == "Europe/Lisbon"


SERIES = "SELECT n FROM generate_series(1, 250) n"


def declared(wrapper):
    """The statements that a named cursor of Django's sends, and how many rows it brings."""
    with wrapper.wrap_database_errors, wrapper.create_cursor("named") as cursor:
        cursor.execute(SERIES)
        first = cursor.fetchmany(100)
        held = wrapper.connection.execute("SELECT statement FROM pg_cursors").fetchall()
        return [s for (s,) in held if "DECLARE" in s], len(first) + len(cursor.fetchall())


def test_cursors_of_iterator(wrap):
    """A server's where there is a transaction or a session, else all rows at once."""
    plain = wrap()
    plain.connect()
    assert declared(plain) == ([], 250)
    plain.set_autocommit(False)
    plain.in_atomic_block = True
    assert declared(plain) == ([f'DECLARE "named" NO SCROLL CURSOR FOR {SERIES}'], 250)
    plain.in_atomic_block = False
    plain.rollback()
    session = wrap({"lease": "session"})
    session.connect()
    assert declared(session) == ([f'DECLARE "named" NO SCROLL CURSOR WITH HOLD FOR {SERIES}'], 250)


TESTED = """
import os, django
from django.conf import settings
pool = {"ENGINE": "sidepool.django", "NAME": "main", "OPTIONS": {"socket": os.environ["SIDEPOOL_SOCKET"]}, "TEST": {"NAME": "tests"}}
settings.configure(DATABASES={"default": pool}, INSTALLED_APPS=["django_bank"], DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", USE_TZ=True)
django.setup()
from django.core.management import call_command
from django.db import connection
call_command("test", "case_of_bank", interactive=False, parallel=int(os.environ["PARALLEL"]), keepdb=bool(os.environ["KEEPDB"]), verbosity=0)
"""
CASE = """
from django.db import connection
from django.test import TestCase
from django_bank.models import Account

class BankCase(TestCase):
    def test_database(self):
        Account.objects.create(owner="a", opened="2026-01-01T00:00:00Z")
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_database(), (SELECT count(*) FROM django_bank_account)")
            self.assertEqual(cursor.fetchone(), ("suite", 1))

class OtherCase(BankCase):
    pass
"""


@pytest.fixture(scope="module")
def suite(pg, tmp_path_factory):
    """suite(keepdb, parallel) runs a test of Django's in a process, where the pool "tests" has the database "suite"."""
    from lib.daemon import Daemon

    folder = tmp_path_factory.mktemp("suite")
    (folder / "case_of_bank.py").write_text(CASE)
    pg.sql("CREATE DATABASE suite")
    pools = "".join(f"[pool {name}]\nurl = {pg.url(database=database)}\n" for name, database in (("main", "test"), ("tests", "suite")))
    daemon = Daemon(None, config="[sidepool]\nbudget = 6\n" + pools).start()
    examples = pathlib.Path(__file__).resolve().parent.parent / "examples"
    path = os.pathsep.join([str(folder), str(examples), *filter(None, sys.path)])
    env = {**os.environ, "SIDEPOOL_SOCKET": str(daemon.socket), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}

    def run(keepdb, parallel=1):
        told = {**env, "KEEPDB": keepdb, "PARALLEL": str(parallel)}
        return subprocess.run([sys.executable, "-c", TESTED], env=told, cwd=folder, capture_output=True, text=True, check=False)

    yield run
    daemon.close()
    daemon.remove()
    pg.sql("DROP DATABASE suite WITH (FORCE)")


def databases(pg):
    return sorted(name for (name,) in pg.sql("SELECT datname FROM pg_database"))


def test_keepdb_runs_tests_in_the_pool_that_is_named(suite, pg):
    before = databases(pg)
    for _ in range(2):
        done = suite("yes")
        assert done.returncode == 0, done.stderr
        assert "Ran 2 tests" in done.stderr
    assert databases(pg) == before
    assert pg.sql("SELECT count(*) FROM django_bank_account", database="suite") == [(0,)]


@pytest.mark.parametrize("keepdb, parallel", [("", 1), ("yes", 2)])
def test_no_database_is_made_or_dropped(suite, pg, keepdb, parallel):
    before = databases(pg)
    done = suite(keepdb, parallel)
    assert done.returncode != 0 and "--keepdb and without --parallel" in done.stderr, done.stderr
    assert databases(pg) == before
