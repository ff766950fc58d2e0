# SPDX-License-Identifier: MIT
"""check.py SUMMARY...: compares what the quickstart's programs say with what is in the database."""
import json
import pathlib
import sys

import sidepool


def main(paths):
    told = [json.loads(pathlib.Path(p).read_text()) for p in paths]
    for t in told:
        print(
            f"  {t['program']:7} {t['callers']:3} callers: {t['reads']:5} reads, {t['transfers']:5} transactions,"
            f" {t['batches']:4} batches, {t['streamed']} rows, {t['errors']} errors"
        )
    with sidepool.connect(application="quickstart", autocommit=True) as conn:
        total, accounts = conn.execute("SELECT sum(balance), count(*) FROM sidepool_quickstart.account").fetchone()
        (notes,) = conn.execute("SELECT count(*) FROM sidepool_quickstart.note").fetchone()
    wanted = 10 * sum(t["batches"] for t in told)
    right = total == 1000 * accounts and notes == wanted and not any(t["errors"] for t in told)
    print(f"\n  money in the bank: {total} of {1000 * accounts}; notes: {notes} of {wanted}", end="")
    print(": right." if right else ": WRONG.")
    return 0 if right else 1


sys.exit(main(sys.argv[1:]))
