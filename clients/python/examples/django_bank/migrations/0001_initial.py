# SPDX-License-Identifier: MIT
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Account",
            fields=[
                ("id", models.BigAutoField(primary_key=True)),
                ("owner", models.CharField(max_length=50, unique=True)),
                ("balance", models.DecimalField(decimal_places=2, default=0, max_digits=12)),
                ("opened", models.DateTimeField()),
                ("details", models.JSONField(default=dict)),
                ("address", models.GenericIPAddressField(null=True)),
                ("notice", models.DurationField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Entry",
            fields=[
                ("id", models.BigAutoField(primary_key=True)),
                ("amount", models.IntegerField()),
                ("account", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="entries", to="django_bank.account")),
            ],
        ),
    ]
