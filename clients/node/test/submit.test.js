// SPDX-License-Identifier: MIT
// Writes in the background, by the real daemon.
import assert from "node:assert/strict";
import path from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { connect, sql } from "../src/index.js";
import { Daemon, Postgres, skip } from "./lib/servers.js";

describe("what is submitted", { skip }, () => {
  let postgres;
  let daemon;
  let db;

  before(async () => {
    postgres = await new Postgres().start();
    daemon = await new Daemon(postgres, { budget: 4 }).start();
    db = await connect({ socket: daemon.socket, application: "tests" });
    await db.query("create table note (n serial, a int unique)");
  });

  after(async () => {
    await db?.close();
    await daemon?.remove();
    await postgres?.stop();
  });

  afterEach(() => db.query("truncate note"));

  const notes = async (handle = db) => (await handle.query("select a from note order by n")).rows.map((row) => row.a);

  async function drained(handle = db) {
    for (;;) {
      const { submit } = await handle.status();
      if (submit.waiting + submit.running === 0) return submit;
    }
  }

  test("is accepted and run in the order of its key", async () => {
    const ids = [];
    for (let a = 0; a < 20; a++) {
      const { id, journaled } = await db.submit({ text: "insert into note (a) values ($1)", values: [a] }, { key: "k" });
      assert.equal(journaled, false);
      ids.push(id);
    }
    assert.equal(new Set(ids).size, 20);
    await drained();
    assert.deepEqual(await notes(), Array.from({ length: 20 }, (_, a) => a));
  });

  test("several are one transaction", async () => {
    await db.submit([sql`insert into note (a) values (${1})`, "insert into note (a) values (1)"], { key: Buffer.from([0, 255]) });
    await db.submit(sql`insert into note (a) values (${2})`, { key: Buffer.from([0, 255]) });
    await drained();
    assert.deepEqual(await notes(), [2]);
    const [failed] = (await db.status()).failedSubmissions;
    assert.deepEqual([failed.sqlstate, failed.outcome, [...failed.key]], ["23505", "failed", [0, 255]]);
  });

  test("an idempotency key makes asking again safe", async () => {
    const ask = () => db.submit("insert into note (a) values (7)", { idempotencyKey: "once" });
    assert.deepEqual(await ask(), await ask());
    await drained();
    assert.deepEqual(await notes(), [7]);
  });

  test("what cannot be run is refused at once", async () => {
    await assert.rejects(db.submit("set x.y = 1"), { code: "SESSION_REQUIRED", outcome: "not sent" });
    await assert.rejects(db.submit([]), { code: "INVALID_ARGUMENT" });
    await assert.rejects(db.submit("select 1", { key: "x".repeat(256) }), { code: "INVALID_ARGUMENT" });
  });

  test("a journal is told of", async () => {
    const kept = new Daemon(postgres, { submit_journal: path.join(daemon.folder, "journal") });
    await kept.start();
    const handle = await connect({ socket: kept.socket });
    try {
      assert.equal((await handle.submit("insert into note (a) values (9)")).journaled, true);
      assert.equal((await drained(handle)).doneTotal, 1);
      assert.deepEqual(await notes(handle), [9]);
    } finally {
      await handle.close();
      await kept.remove();
    }
  });
});
