# SPDX-License-Identifier: MIT
"""Django over the daemon: migrates, writes, reads, and rolls back. $SIDEPOOL_SOCKET says where the daemon is."""
import datetime
import os
from decimal import Decimal

import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    INSTALLED_APPS=["django_bank"],
    DATABASES={"default": {"ENGINE": "sidepool.django", "NAME": "", "OPTIONS": {"socket": os.environ["SIDEPOOL_SOCKET"]}}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    TIME_ZONE="Asia/Kolkata",
    USE_TZ=True,
    DEBUG=bool(os.environ.get("DEBUG")),
)
django.setup()

from django.db import IntegrityError, connection, transaction  # noqa: E402
from django.db.models import Count, F, Sum  # noqa: E402
from django_bank.models import Account, Entry  # noqa: E402

OPENED = datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)


def write():
    ann = Account.objects.create(
        owner="Ann %s", balance="10.50", opened=OPENED, details={"k": [1, None, "é"]}, address="10.0.0.1", notice=datetime.timedelta(days=3)
    )
    Account.objects.bulk_create(Account(owner=f"owner {n}", opened=OPENED) for n in range(300))
    Entry.objects.bulk_create(Entry(account=ann, amount=n) for n in range(10))


def read():
    ann = Account.objects.get(owner="Ann %s", details__k__0=1, address="10.0.0.1")
    assert (ann.balance, ann.opened, ann.details, ann.notice) == (Decimal("10.50"), OPENED, {"k": [1, None, "é"]}, datetime.timedelta(days=3))
    assert Account.objects.filter(opened__year=2026, owner__icontains="ANN").annotate(n=Count("entries")).get().n == 10
    assert Entry.objects.filter(amount__in=[1, 2, 3]).aggregate(s=Sum("amount"))["s"] == 6
    assert len(list(Account.objects.order_by("id").iterator(chunk_size=50))) == 301
    with transaction.atomic():
        assert len(list(Account.objects.order_by("id").iterator(chunk_size=50))) == 301
    print(f"read {Account.objects.count()} accounts")


def roll_back():
    try:
        with transaction.atomic():
            Entry.objects.all().delete()
            with transaction.atomic():
                Account.objects.filter(owner="Ann %s").update(balance=F("balance") - 100)
    except IntegrityError as e:
        print(f"rolled back: {e.__cause__.diag.constraint_name}")
    assert Entry.objects.count() == 10
    assert connection.connection.info.backend_pid == 0, "between transactions nothing is held"


def main():
    call_command("migrate", verbosity=0)
    try:
        write()
        read()
        roll_back()
        assert "django_bank_entry" in connection.introspection.table_names()
    finally:
        call_command("migrate", "django_bank", "zero", verbosity=0)
    print("migrated back")


if __name__ == "__main__":
    main()
