# SPDX-License-Identifier: MIT
"""The dialect for threads."""
import itertools
import json
import logging
from functools import cached_property

from sqlalchemy import exc, pool, util
from sqlalchemy.dialects.postgresql.base import PGDialect, PGExecutionContext

from .. import _settings, adapt
from ..types import adapters as everywhere
from ..types import register_hstore, set_json_dumps, set_json_loads
from .types import COLSPECS

_logger = logging.getLogger("sqlalchemy.dialects.postgresql")
_names = itertools.count(1)


class SidepoolExecutionContext(PGExecutionContext):
    def create_server_side_cursor(self):
        return self._dbapi_connection.cursor(f"sqlalchemy_{id(self):x}_{next(_names):x}")


def _log_notice(diagnostic):
    _logger.info("%s: %s", diagnostic.severity, diagnostic.message_primary)


class SidepoolDialect(PGDialect):
    driver = "sidepool"
    supports_statement_cache = True
    supports_server_side_cursors = True
    supports_sane_multi_rowcount = True
    supports_native_json_serialization = True
    supports_native_json_deserialization = True
    dialect_injects_custom_json_deserializer = True
    default_paramstyle = "pyformat"
    poolclass = pool.NullPool
    execution_ctx_cls = SidepoolExecutionContext
    colspecs = util.update_copy(PGDialect.colspecs, COLSPECS)
    has_native_hstore = True

    def __init__(self, use_native_hstore=True, **kwargs):
        super().__init__(**kwargs)
        self.use_native_hstore = self.has_native_hstore = use_native_hstore
        self.adapters = adapt.AdaptersMap(everywhere)
        if self._native_inet_types is False:
            for name in ("inet", "cidr"):
                self.adapters.register_loader(name, bytes.decode)
        set_json_loads(self._json_deserializer or json.loads, self.adapters)
        set_json_dumps(self._json_serializer or json.dumps, self.adapters)

    @classmethod
    def import_dbapi(cls):
        import sidepool

        return sidepool

    @classmethod
    def get_async_dialect_cls(cls, url):
        from .aio import SidepoolAsyncDialect

        return SidepoolAsyncDialect

    def retrieve_dbapi_version(self, dbapi):
        return tuple(int(n) for n in _settings.VERSION.split("."))

    # -- connecting

    def create_connect_args(self, url):
        """The URL's database is the pool, its query has the settings of sidepool.connect()."""
        if url.host or url.port or url.username or url.password:
            raise exc.ArgumentError(
                "a URL of sidepool has no host, user or password, for the daemon knows them: postgresql+sidepool:///POOL?socket=PATH"
            )
        settings = dict(url.query)
        if url.database:
            settings["pool"] = url.database
        return [], settings

    def on_connect(self):
        def made(connection):
            connection.adapters.lay_over(self.adapters)
            connection.add_notice_handler(_log_notice)
            if self.isolation_level is not None:
                self.set_isolation_level(connection, self.isolation_level)

        return made

    def initialize(self, connection):
        super().initialize(connection)
        if self.use_native_hstore:
            info = self._fetch_type(connection, "hstore")
            self.has_native_hstore = info is not None
            if info is not None:
                register_hstore(info, self.adapters)

    def _fetch_type(self, connection, name):
        from sidepool import fetch_type

        return fetch_type(connection.connection.driver_connection, name)

    def is_disconnect(self, e, connection, cursor):
        return connection is not None and bool(connection.closed or connection.broken)

    def do_ping(self, dbapi_connection):
        before = dbapi_connection.autocommit
        self._set_autocommit(dbapi_connection, True)
        cursor = dbapi_connection.cursor()
        try:
            cursor.execute("SELECT 1")
        finally:
            cursor.close()
            if not dbapi_connection.closed:
                self._set_autocommit(dbapi_connection, before)
        return True

    # -- transactions

    def _set_autocommit(self, dbapi_connection, value):
        dbapi_connection.autocommit = value

    def detect_autocommit_setting(self, dbapi_connection):
        return bool(dbapi_connection.autocommit)

    def get_isolation_level_values(self, dbapi_connection):
        return ("AUTOCOMMIT", *self._levels)

    @cached_property
    def _levels(self):
        return {level.name.replace("_", " "): level for level in self.dbapi.IsolationLevel}

    def set_isolation_level(self, dbapi_connection, level):
        self._set_autocommit(dbapi_connection, level == "AUTOCOMMIT")
        dbapi_connection.isolation_level = self._levels.get(level)

    def get_isolation_level(self, dbapi_connection):
        idle = self._is_idle(dbapi_connection)
        level = super().get_isolation_level(dbapi_connection)
        if idle:
            dbapi_connection.rollback()
        return level

    def set_readonly(self, connection, value):
        connection.read_only = value

    def get_readonly(self, connection):
        return connection.read_only

    def set_deferrable(self, connection, value):
        connection.deferrable = value

    def get_deferrable(self, connection):
        return connection.deferrable

    def _is_idle(self, dbapi_connection):
        return dbapi_connection.info.transaction_status == self.dbapi.TransactionStatus.IDLE

    def do_begin_twophase(self, connection, xid):
        connection.connection.tpc_begin(xid)

    def do_prepare_twophase(self, connection, xid):
        connection.connection.tpc_prepare()

    def do_commit_twophase(self, connection, xid, is_prepared=True, recover=False):
        self._end_twophase(connection, "tpc_commit", xid, recover)

    def do_rollback_twophase(self, connection, xid, is_prepared=True, recover=False):
        self._end_twophase(connection, "tpc_rollback", xid, recover)

    def _end_twophase(self, connection, name, xid, recover):
        dbapi_connection = connection.connection.dbapi_connection
        end = getattr(dbapi_connection, name)
        if not recover:
            end()
            return
        if not self._is_idle(dbapi_connection):
            dbapi_connection.rollback()
        end(xid)

    def do_recover_twophase(self, connection):
        return [str(xid) for xid in connection.connection.tpc_recover()]
