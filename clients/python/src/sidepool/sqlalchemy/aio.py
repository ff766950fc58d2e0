# SPDX-License-Identifier: MIT
"""The dialect for asyncio: the connection of sidepool.aio as SQLAlchemy's greenlets see it.

The adapters here are our own, on nothing but what SQLAlchemy documents for dialects, because those in
sqlalchemy.connectors.asyncio differ between 2.0 and 2.1.
"""
from sqlalchemy import pool
from sqlalchemy.engine import AdaptedConnection

from .dialect import SidepoolDialect

try:
    from sqlalchemy.util.concurrency import await_  # 2.1
except ImportError:
    from sqlalchemy.util import await_only as await_


class AdaptedCursor:
    """A cursor whose rows are here when execute() returns."""

    server_side = False

    def __init__(self, cursor):
        self._cursor = cursor

    @property
    def description(self):
        return self._cursor.description

    @property
    def rowcount(self):
        return self._cursor.rowcount

    @property
    def lastrowid(self):
        return None

    @property
    def arraysize(self):
        return self._cursor.arraysize

    @arraysize.setter
    def arraysize(self, value):
        self._cursor.arraysize = value

    def execute(self, operation, parameters=None):
        return await_(self._cursor.execute(operation, parameters))

    def executemany(self, operation, parameters):
        return await_(self._cursor.executemany(operation, parameters))

    def callproc(self, name, parameters=()):
        return await_(self._cursor.callproc(name, parameters))

    def setinputsizes(self, *sizes):
        pass

    def nextset(self):
        return self._cursor.nextset()

    def fetchone(self):
        return self._cursor._fetch_one()

    def fetchmany(self, size=None):
        return self._cursor._fetch_many(self.arraysize if size is None else size)

    def fetchall(self):
        return self._cursor._take_all()

    def __iter__(self):
        while (row := self.fetchone()) is not None:
            yield row

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    async def _async_soft_close(self):
        """SQLAlchemy asks for it where it cannot await close(), which here needs none."""

    def close(self):
        self._cursor._close()


class AdaptedServerCursor(AdaptedCursor):
    """A cursor that PostgreSQL keeps: each fetch is a request."""

    server_side = True

    def fetchone(self):
        return await_(self._cursor.fetchone())

    def fetchmany(self, size=None):
        return await_(self._cursor.fetchmany(self.arraysize if size is None else size))

    def fetchall(self):
        return await_(self._cursor.fetchall())

    def close(self):
        await_(self._cursor.close())


def _same(name, settable=False):
    """A property that is the connection's own."""

    def get(self):
        return getattr(self._connection, name)

    def put(self, value):
        setattr(self._connection, name, value)

    return property(get, put if settable else None)


class AdaptedSidepoolConnection(AdaptedConnection):
    __slots__ = ("dbapi",)

    info = _same("info")
    adapters = _same("adapters")
    closed = _same("closed")
    broken = _same("broken")
    autocommit = _same("autocommit", True)
    isolation_level = _same("isolation_level", True)
    read_only = _same("read_only", True)
    deferrable = _same("deferrable", True)

    def __init__(self, dbapi, connection):
        self.dbapi = dbapi
        self._connection = connection

    def cursor(self, name=None):
        if name is None:
            return AdaptedCursor(self._connection.cursor())
        return AdaptedServerCursor(self._connection.cursor(name))

    def execute(self, operation, parameters=None):
        cursor = self.cursor()
        cursor.execute(operation, parameters)
        return cursor

    def add_notice_handler(self, handler):
        self._connection.add_notice_handler(handler)

    def commit(self):
        await_(self._connection.commit())

    def rollback(self):
        await_(self._connection.rollback())

    def close(self):
        await_(self._connection.close())

    def terminate(self):
        """Closes where nothing can be awaited; close() does not wait, so that one step is all of it."""
        try:
            self._connection.close().send(None)
        except StopIteration:
            pass

    def tpc_begin(self, xid):
        await_(self._connection.tpc_begin(xid))

    def tpc_prepare(self):
        await_(self._connection.tpc_prepare())

    def tpc_commit(self, xid=None):
        await_(self._connection.tpc_commit(xid))

    def tpc_rollback(self, xid=None):
        await_(self._connection.tpc_rollback(xid))

    def tpc_recover(self):
        return await_(self._connection.tpc_recover())


class AdaptedModule:
    """The package sidepool, with a connect() for greenlets."""

    def __init__(self, package):
        self._package = self.exceptions_module = package

    def __getattr__(self, name):
        return getattr(self._package, name)

    def connect(self, *arguments, async_creator_fn=None, **settings):
        from sidepool import aio

        create = async_creator_fn or aio.connect
        return AdaptedSidepoolConnection(self, await_(create(*arguments, **settings)))


class SidepoolAsyncDialect(SidepoolDialect):
    driver = "sidepool_async"
    is_async = True
    has_terminate = True
    supports_statement_cache = True
    poolclass = pool.NullPool

    @classmethod
    def import_dbapi(cls):
        return AdaptedModule(super().import_dbapi())

    @classmethod
    def get_pool_class(cls, url):
        return cls.poolclass

    def get_driver_connection(self, connection):
        return connection._connection

    def do_terminate(self, dbapi_connection):
        dbapi_connection.terminate()

    def _fetch_type(self, connection, name):
        from sidepool import aio

        return await_(aio.fetch_type(connection.connection.driver_connection, name))
