# SPDX-License-Identifier: MIT
"""Moves money between accounts, as a program of psycopg's does it. $SIDEPOOL_SOCKET says where the daemon is."""
import sidepool
from sidepool.rows import dict_row


def move(conn, giver, taker, amount):
    """All or nothing."""
    with conn.transaction():
        conn.execute("UPDATE purse SET coins = coins - %s WHERE owner = %s", [amount, giver])
        conn.execute("UPDATE purse SET coins = coins + %s WHERE owner = %s", [amount, taker])


def main():
    with sidepool.connect(autocommit=True) as conn:
        conn.execute("DROP TABLE IF EXISTS purse")
        conn.execute("CREATE TABLE purse (owner text PRIMARY KEY, coins int CHECK (coins >= 0))")
        with conn.cursor() as cur:
            cur.executemany("INSERT INTO purse VALUES (%s, %s)", [("ann", 10), ("bob", 0)])
        move(conn, "ann", "bob", 7)
        try:
            move(conn, "ann", "bob", 7)
        except sidepool.errors.CheckViolation as e:
            print(f"refused: {e.diag.constraint_name}")
        for row in conn.cursor(row_factory=dict_row).execute("SELECT * FROM purse ORDER BY owner"):
            print(f"{row['owner']} has {row['coins']}")
        conn.execute("DROP TABLE purse")


if __name__ == "__main__":
    main()
