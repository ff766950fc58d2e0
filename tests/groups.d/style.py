# SPDX-License-Identifier: MIT
"""sizes, formatting, forbidden words, generated files that are out of date"""

ORDER = 10
FAST = True


def run(group):
    group.check("proto/gen-errors --check", "proto/gen-errors", "--check")
    group.check("tests/tools/sizes", "tests/tools/sizes")
    group.check("tests/tools/words", "tests/tools/words")
    group.check("tests/tools/format --check", "tests/tools/format", "--check")
