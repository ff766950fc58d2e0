# SPDX-License-Identifier: MIT
"""Django's own backend for PostgreSQL with sidepool in psycopg's place. Django's imports psycopg, so that must be installed, but
no connection of psycopg's is made. NAME is the pool; the connection's settings are OPTIONS:

    DATABASES = {"default": {"ENGINE": "sidepool.django", "NAME": "main", "OPTIONS": {"socket": "/run/sidepool/rpc.sock"}}}
"""
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base
from django.db.backends.postgresql.features import DatabaseFeatures as PostgresFeatures
from django.db.backends.postgresql.operations import DatabaseOperations as PostgresOperations
from django.db.backends.postgresql.psycopg_any import is_psycopg3
from django.db.backends.postgresql.schema import DatabaseSchemaEditor as PostgresSchemaEditor
from django.utils.asyncio import async_unsafe
from django.utils.functional import cached_property

import sidepool

from .._copy import inline
from .adapting import adapters_for
from .creation import DatabaseCreation

if not is_psycopg3:
    raise ImproperlyConfigured("sidepool.django needs psycopg 3 to be installed: Django's backend, which it extends, speaks its types")

_NOT_OURS = ("USER", "PASSWORD", "HOST", "PORT")


class DatabaseFeatures(PostgresFeatures):
    uses_server_side_binding = True


class DatabaseOperations(PostgresOperations):
    def compose_sql(self, sql, params):
        """The statement with its parameters as literals, for those that take no others."""
        with self.connection.cursor() as cursor:
            return inline(cursor.cursor, sql, params).decode()


class DatabaseSchemaEditor(PostgresSchemaEditor):
    def quote_value(self, value):
        return self.connection.ops.compose_sql("%s", [value])


class DatabaseWrapper(base.DatabaseWrapper):
    Database = sidepool
    SchemaEditorClass = DatabaseSchemaEditor
    features_class = DatabaseFeatures
    ops_class = DatabaseOperations
    creation_class = DatabaseCreation
    pool = None  # Django's own: the daemon is one

    def get_connection_params(self):
        told = self.settings_dict
        wrong = [name for name in _NOT_OURS if told.get(name)]
        if wrong:
            raise ImproperlyConfigured(f"sidepool.django knows no {', '.join(wrong)}: NAME is the pool, and OPTIONS has the socket")
        params = {name: value for name, value in told["OPTIONS"].items() if name not in ("isolation_level", "assume_role")}
        return {"pool": told["NAME"] or "", **params}

    @async_unsafe
    def get_new_connection(self, conn_params):
        level = self.settings_dict["OPTIONS"].get("isolation_level")
        connection = sidepool.connect(**conn_params)
        self.isolation_level = sidepool.IsolationLevel.READ_COMMITTED if level is None else sidepool.IsolationLevel(level)
        if level is not None:
            connection.isolation_level = self.isolation_level
        connection.adapters = adapters_for(self)
        return connection

    def _configure_connection(self, connection):
        """SET TimeZone and SET ROLE are a session's. Without one Django may live with the server's time zone, for it reads and
        writes times with their offsets, unless it has none (USE_TZ = False)."""
        if connection.settings.lease == "session":
            return super()._configure_connection(connection)
        self._check_role()
        self._check_zone(connection)
        return False

    def ensure_timezone(self):
        """The half of it that Django 4.2 and 5.0 ask for, and django.test where a test changes TIME_ZONE or USE_TZ."""
        if self.connection is None:
            return False
        if self.connection.settings.lease == "session":
            return super().ensure_timezone()
        self._check_zone(self.connection)
        return False

    def ensure_role(self):
        """The other half."""
        if self.connection is not None and self.connection.settings.lease == "session":
            return super().ensure_role()
        self._check_role()
        return False

    def _check_role(self):
        if self.settings_dict["OPTIONS"].get("assume_role"):
            raise ImproperlyConfigured('assume_role needs "lease": "session" in OPTIONS')

    def _check_zone(self, connection):
        if self.timezone is not None or not self.timezone_name:
            return
        zone = self._show("TimeZone", connection)
        if zone != self.timezone_name:
            raise ImproperlyConfigured(
                f"USE_TZ is False, and the time zone of the database is {zone}, not {self.timezone_name}: change either "
                '(ALTER ROLE ... SET timezone), or use "lease": "session" in OPTIONS'
            )

    @staticmethod
    def _show(name, connection):
        return connection.cursor().execute("SELECT current_setting(%s)", [name]).fetchone()[0]

    @cached_property
    def pg_version(self):
        with self.temporary_connection():
            return int(self._show("server_version_num", self.connection))

    @async_unsafe
    def create_cursor(self, name=None):
        if name and (self.in_atomic_block or self.connection.settings.lease == "session"):
            return self.connection.cursor(name, scrollable=False, withhold=self.connection.autocommit)
        return self.connection.cursor()

    def is_usable(self):
        if self.connection is None:
            return False
        try:
            self.connection.cursor().execute("SELECT 1")
        except sidepool.Error:
            return False
        return True
