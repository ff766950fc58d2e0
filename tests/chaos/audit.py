# SPDX-License-Identifier: MIT
"""The logs of the clients against the books.

A log has a line for each event, fields separated by tabs: what, when (seconds, monotonic), and

    I KEY HOW FROM TO AMOUNT    a transfer is about to be asked for
    S KEY                       it was told to be a success
    F KEY WHY                   ... to have failed, or was never committed
    N KEY WHY                   ... not to have been sent
    U KEY WHY                   its outcome is unknown
    V TEXT                      the client itself saw something that must not be
    E                           an answer was what was asked for
    B                           the client came to its end in good order

A transfer without a word behind it was in flight when its client was killed: its outcome is unknown.
A success has to be in the books exactly once, a failure and what was not sent not at all, an
unknown outcome at most once; and in full: what one account lost, another has.
"""
import collections
import pathlib

WORDS = {"S": "success", "F": "failed", "N": "not sent", "U": "outcome unknown", "K": "client killed"}


class Transfer:
    __slots__ = ("key", "how", "origin", "to", "amount", "asked", "told", "when", "why", "rows")

    def __init__(self, key, how, origin, to, amount, asked):
        self.key, self.how, self.origin, self.to, self.amount = key, how, int(origin), int(to), int(amount)
        self.asked, self.told, self.when, self.why, self.rows = float(asked), "K", 0.0, "", []

    def __str__(self):
        return (
            f"{self.key} ({self.how}: {self.amount} from {self.origin} to {self.to}), asked at {self.asked:.3f},"
            f" told at {self.when:.3f}: {WORDS[self.told]} {self.why}; in the books: {self.rows}"
        )

    def problem(self):
        """What is wrong with how it stands in the books, or None."""
        right = sorted([(self.origin, -self.amount), (self.to, self.amount)])
        rows = sorted(self.rows)
        if rows == right:
            return None if self.told in "SUK" else f"is in the books, though it was told as {WORDS[self.told]}"
        if not rows:
            return "was told as a success, and is not in the books" if self.told == "S" else None
        if len(rows) % 2 == 0 and rows == sorted(right * (len(rows) // 2)):
            return f"is in the books {len(rows) // 2} times"
        return "is in the books, but not as it was asked for"


class Audit:
    def __init__(self):
        self.transfers, self.violations = {}, []
        self.answers, self.clients, self.ended = 0, 0, 0
        self.answered = collections.Counter()  # successes in each second

    def read(self, folder):
        for file in sorted(pathlib.Path(folder).glob("*.log")):
            self.clients += 1
            with file.open() as f:
                for line in f:
                    self._line(file.stem, line)
        return self

    def _line(self, client, line):
        kind, when, *words = line.rstrip("\n").split("\t")
        if kind == "I":
            self.transfers[words[0]] = Transfer(*words[:5], when)
        elif kind in "SFNU":
            self._told(kind, float(when), *words)
        elif kind == "V":
            self.violations.append(f"{client} at {when}: {' '.join(words)}")
        elif kind == "E":
            self.answers += 1
        elif kind == "B":
            self.ended += 1
        else:
            self.violations.append(f"{client} logged what nobody understands: {line!r}")

    def _told(self, kind, when, key, why=""):
        t = self.transfers[key]
        if t.told != "K":
            self.violations.append(f"{t}: told twice, then as {WORDS[kind]}")
        t.told, t.when, t.why = kind, when, why
        if kind == "S":
            self.answered[int(when)] += 1

    def compare(self, connection):
        """With the books, in the database."""
        sums = collections.Counter()
        with connection.cursor(name="books") as rows:
            rows.itersize = 20000
            for key, account, amount in rows.execute("SELECT key, account, amount FROM entry"):
                sums[account] += amount
                if key in self.transfers:
                    self.transfers[key].rows.append((account, amount))
                else:
                    self.violations.append(f"nobody asked for {key}, and it is in the books")
        for t in self.transfers.values():
            if problem := t.problem():
                self.violations.append(f"{t}: it {problem}")
        balances = dict(connection.execute("SELECT id, balance FROM account"))
        if sum(balances.values()) != 0:
            self.violations.append(f"the balances sum up to {sum(balances.values())}, not to 0")
        for account, balance in balances.items():
            if balance != sums[account]:
                self.violations.append(f"account {account} has {balance}, and its entries sum up to {sums[account]}")
        return self

    def figures(self):
        """How many of each kind, and how many of the unknown ones had happened."""
        told = collections.Counter(t.told for t in self.transfers.values())
        happened = collections.Counter(t.told for t in self.transfers.values() if t.rows)
        return {WORDS[k]: (told[k], happened[k]) for k in WORDS}

    def ways(self):
        return collections.Counter((t.how, WORDS[t.told]) for t in self.transfers.values())

    def reasons(self):
        return collections.Counter((WORDS[t.told], t.why.strip()) for t in self.transfers.values() if t.why)
