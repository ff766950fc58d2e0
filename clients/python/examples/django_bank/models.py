# SPDX-License-Identifier: MIT
import django
from django.db import models

# `check` is called `condition` since Django 5.1.
COVERED = {"condition" if django.VERSION >= (5, 1) else "check": models.Q(balance__gte=0)}


class Account(models.Model):
    owner = models.CharField(max_length=50, unique=True)
    balance = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    opened = models.DateTimeField()
    details = models.JSONField(default=dict)
    address = models.GenericIPAddressField(null=True)
    notice = models.DurationField(null=True)
    open = models.BooleanField(default=True)

    class Meta:
        constraints = [models.CheckConstraint(**COVERED, name="account_covered")]


class Entry(models.Model):
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="entries")
    amount = models.IntegerField()
