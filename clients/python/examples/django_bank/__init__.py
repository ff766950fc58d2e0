# SPDX-License-Identifier: MIT
"""An application of Django, see django_program.py."""
