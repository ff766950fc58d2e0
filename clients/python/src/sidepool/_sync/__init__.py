# SPDX-License-Identifier: MIT
# Made by tools/unasync.py from _async; do not edit.
"""What is written: the source of sidepool._sync."""
