# SPDX-License-Identifier: MIT
from sqlalchemy.testing.suite import *  # noqa: F403
from sqlalchemy.testing.suite import ServerSideCursorsTest as _ServerSideCursorsTest

from sidepool import ServerCursor


class ServerSideCursorsTest(_ServerSideCursorsTest):
    def _is_server_side(self, cursor):
        """SQLAlchemy's own knows the drivers that it ships by name."""
        if isinstance(cursor, ServerCursor) or getattr(cursor, "server_side", False):
            return True
        return self.engine.dialect.driver == "psycopg" and super()._is_server_side(cursor)
