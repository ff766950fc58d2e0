# SPDX-License-Identifier: MIT
"""The database of `manage.py test` is that of a pool: nothing is made through one, and nothing dropped."""
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql.creation import DatabaseCreation as PostgresCreation

_REMEDY = 'name a pool of its own in "TEST": {"NAME": ...}, and run the tests with --keepdb and without --parallel'


class DatabaseCreation(PostgresCreation):
    def _create_test_db(self, verbosity, autoclobber, keepdb=False):
        if not keepdb:
            raise ImproperlyConfigured(f"sidepool.django makes no test database: {_REMEDY}")
        return self._get_test_db_name()

    def _clone_test_db(self, suffix, verbosity, keepdb=False):
        raise ImproperlyConfigured(f"sidepool.django makes no copies of a test database: {_REMEDY}")

    def _destroy_test_db(self, test_database_name, verbosity):
        raise ImproperlyConfigured(f"sidepool.django drops no test database: {_REMEDY}")
