# SPDX-License-Identifier: MIT
"""Names and texts as SQL writes them."""


def quote_ident(name):
    if "\0" in name:
        raise ValueError("a name cannot contain NUL")
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text):
    if "\0" in text:
        raise ValueError("a text cannot contain NUL")
    quoted = "'" + text.replace("'", "''") + "'"
    return " E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted
