# SPDX-License-Identifier: MIT
"""A database backend for Django: "ENGINE": "sidepool.django", see base.py."""
