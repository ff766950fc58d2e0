# SPDX-License-Identifier: MIT
"""What is written: the source of sidepool._sync."""
