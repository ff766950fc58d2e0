# SPDX-License-Identifier: MIT
import django
from django.db import migrations, models

# `check` is called `condition` since Django 5.1.
COVERED = {"condition" if django.VERSION >= (5, 1) else "check": models.Q(balance__gte=0)}


class Migration(migrations.Migration):
    dependencies = [("django_bank", "0001_initial")]
    operations = [
        migrations.AddField("account", "open", models.BooleanField(default=True)),
        migrations.AddConstraint("account", models.CheckConstraint(**COVERED, name="account_covered")),
    ]
