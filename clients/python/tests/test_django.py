# SPDX-License-Identifier: MIT
"""sidepool.django: what is particular to it. A whole program is examples/django_program.py."""
import datetime

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
