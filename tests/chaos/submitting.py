# SPDX-License-Identifier: MIT
"""Submitted writes while calls fail, without and with a journal: what was accepted is run, what was refused is not, and with a journal
each is run exactly once, also by the daemon after this one."""
import contextlib
import itertools
import pathlib

from lib.wait import wait_until
from lib.wire import Failed, Request, fill
from stage import REFUSALS, Stage, Violation

TABLES = "DROP TABLE IF EXISTS count_submit, sidepool_submitted; CREATE TABLE count_submit (a int)"
LEFT = 3  # so many are left to the next daemon


def submit(wire, number):
    r = Request()
    r.submit.key = b"key"
    fill(r.submit.statements.add(), "INSERT INTO count_submit VALUES ($1::int)", [str(number)])
    return wire.call(r).submit


def queue(stage):
    """The figures of what is submitted; asked for twice if the first time is what fails."""
    for last in (False, True):
        try:
            with stage.wire() as w:
                r = Request()
                r.status.parts.extend([6, 7])
                return w.call(r).status.submit
        except REFUSALS:
            if last:
                raise


def drained(stage):
    """The figures when nothing waits any more."""

    def empty():
        q = queue(stage)
        return q if q.waiting + q.running == 0 else None

    return wait_until("the submit queue is empty", empty, stage.patience)


def count(stage, number):
    ((n,),) = stage.pg.sql("SELECT count(*) FROM count_submit WHERE a = %s", number)
    return n


def submits(stage):
    number, before, told = stage.number(), queue(stage), None
    try:
        with stage.wire() as w:
            submit(w, number)
    except REFUSALS as e:
        told = e
    after, n = drained(stage), count(stage, number)
    failed, unknown = after.failed_total - before.failed_total, after.unknown_total - before.unknown_total
    if told is None and n != 1 and (stage.journal or not failed + unknown):
        raise Violation(f"it was accepted, and is there {n} times; {failed} are told to have failed, {unknown} unknown")
    if n > 1 or (n and (failed or isinstance(told, Failed))):
        raise Violation(f"it was told {told}, and is there {n} times")
    if told:
        raise told


class JournaledStage(Stage):
    """Each daemon but the first finds what the one before has left."""

    def __init__(self, pg, failing, folder):
        super().__init__(pg, failing)
        self.journal = pathlib.Path(folder) / "journal"
        self.numbers = itertools.count(1_000_000)  # the other stage's are in the table
        self.left = None

    def config(self):
        config = super().config()
        return {**config, "sidepool": {**config["sidepool"], "submit_journal": self.journal}}

    @contextlib.contextmanager
    def work(self):
        """Writes that wait for a lock, so that nothing of them is done."""
        self.pg.sql("TRUNCATE count_submit")
        with self.pg.connect() as c, c.transaction(), super().work():
            c.execute("LOCK count_submit IN ACCESS EXCLUSIVE MODE")
            with self.wire() as w:
                for number in range(LEFT):
                    submit(w, number)
            yield

    def prepare(self):
        """What a daemon finds that follows one that was killed at work."""
        if not self.left:
            self.journal.unlink(missing_ok=True)
            self.start()
            with self.work():
                self.daemon.kill()
            self.left = self.journal.read_bytes()
            self.clear()
        self.pg.sql("TRUNCATE count_submit; DROP TABLE IF EXISTS sidepool_submitted")
        self.journal.write_bytes(self.left)

    def check_left(self):
        drained(self)
        for number in range(LEFT):
            if (n := count(self, number)) != 1:
                raise Violation(f"what the last one left is there {n} times")

    def check_next(self):
        """The next daemon, for which nothing fails, does what this one has not."""
        self.clear()
        self.start()
        self.check_left()
        self.leave()
