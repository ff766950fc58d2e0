# SPDX-License-Identifier: MIT
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_bank", "0001_initial")]
    operations = [
        migrations.AddField("account", "open", models.BooleanField(default=True)),
        migrations.AddConstraint("account", models.CheckConstraint(condition=models.Q(balance__gte=0), name="account_covered")),
    ]
