// SPDX-License-Identifier: MIT
// An AbortSignal ends whatever waits: before it was sent, while it waits for a connection, while it runs.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { AbortError, connect, open } from "../src/index.js";
import { Client, Pool } from "../src/pg/index.js";
import { Daemon, Postgres, skip } from "./lib/servers.js";

const LONG = "select pg_sleep(1000)";

async function drain(iterable) {
  for await (const _ of iterable);
}

/** Every way to ask for something that takes long: (db, { signal }) => promise */
const WAYS = {
  query: (db, options) => db.query(LONG, [], options),
  "tagged template": (db, options) => db.sql`select pg_sleep(${1000})`.with(options).result(),
  stream: (db, options) => drain(db.stream(LONG, [], options)),
  batch: (db, options) => db.batch(["select 1", LONG], options),
  executeMany: (db, options) => db.executeMany("select pg_sleep($1)", [[1000], [1000]], options),
  "COPY in": (db, options) => db.copyFrom("copy abort_item from stdin", endless(), options),
  "COPY in, of a source that gives nothing": (db, options) => db.copyFrom("copy abort_item from stdin", nothing(), options),
  "COPY out": (db, options) => drain(db.copyTo(`copy (${LONG}) to stdout`, options)),
  "a transaction": (db, options) => db.transaction((tx) => tx.query(LONG), options),
  "a statement of a transaction": (db, options) => db.transaction((tx) => tx.query(LONG, [], options)),
  "a statement of a transaction of a session": (db, options) => db.session((session) => session.transaction((tx) => tx.query(LONG), options)),
  "a statement in a savepoint": (db, options) => db.transaction((tx) => tx.transaction((inner) => inner.query(LONG, [], options))),
  "a statement of a session": (db, options) => db.session((session) => session.query(LONG, [], options)),
};

async function* endless() {
  for (;;) yield "1\n";
}

async function* nothing() {
  yield "1\n";
  await new Promise(() => {});
}

/** Requests that do not run on a connection: an abort finds them unsent or answered. */
const BRIEF = {
  ping: (db, options) => db.ping(options),
  status: (db, options) => db.status(options),
  health: (db, options) => db.health(options),
  session: (db, options) => db.session(options),
  listen: (db, options) => db.listen("x", options).next(),
  submit: (db, options) => db.submit("select 1", options),
  cancel: (db, options) => db.cancel(1, options),
};

describe("AbortSignal", { skip }, () => {
  let postgres;
  let daemon;
  let db;

  const aborted = (error) => {
    assert.ok(error instanceof AbortError, error.stack);
    assert.equal(error.name, "AbortError");
    assert.equal(error.cause?.message, "enough");
    return true;
  };

  /** Resolves when a statement of the test runs on a connection. */
  const running = async () => {
    while ((await db.query("select 1 from pg_stat_activity where state = 'active' and query ilike any ($1)", [["%pg_sleep%", "copy abort%"]])).rows.length === 0);
  };
  const settled = async () => {
    while ((await db.query("select 1 from pg_stat_activity where state <> 'idle' and pid <> pg_backend_pid() and query ilike any ($1)", [["%pg_sleep%", "copy abort%"]])).rows.length > 0);
  };

  before(async () => {
    postgres = await new Postgres().start();
    daemon = await new Daemon(postgres, { budget: 3 }).start();
    db = await connect(daemon.socket);
    await db.query("create table abort_item (n int)");
  });

  after(async () => {
    await db?.close();
    await daemon?.remove();
    await postgres?.stop();
  });

  for (const [name, way] of Object.entries({ ...WAYS, ...BRIEF })) {
    test(`${name}: aborted before it begins, nothing is sent`, async () => {
      const signal = AbortSignal.abort(new Error("enough"));
      await assert.rejects(way(db, { signal }), (error) => aborted(error) && error.outcome === "not sent");
    });
  }

  for (const [name, way] of Object.entries(WAYS)) {
    test(`${name}: aborted while it runs, the statement ends at PostgreSQL`, async () => {
      const controller = new AbortController();
      const ended = assert.rejects(way(db, { signal: controller.signal }), aborted);
      await running();
      controller.abort(new Error("enough"));
      await ended;
      await settled();
      assert.equal((await db.query("select count(*)::int as n from abort_item")).rows[0].n, 0);
    });
  }

  test("connect() ends with its signal", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await assert.rejects(connect({ socket: daemon.socket, signal }), aborted);
    const controller = new AbortController();
    const waiting = assert.rejects(connect({ socket: "/nowhere/rpc.sock", connectWaitMs: 60_000, signal: controller.signal }), aborted);
    controller.abort(new Error("enough"));
    await waiting;
  });

  test("an abort ahead of the COMMIT rolls back, and the connection is given back", async () => {
    const ways = {
      commit: (run, options) => db.transaction(run, options),
      "commit with the last statement": (run, options) => db.transaction(async (tx) => {
        await run(tx);
        await tx.query("select 1", [], { commit: true });
      }, options),
      "a session's": (run, options) => db.session((session) => session.transaction(run, options)),
    };
    for (const [name, way] of Object.entries(ways)) {
      const controller = new AbortController();
      const work = async (tx) => {
        await tx.query("insert into abort_item values (8)");
        controller.abort(new Error("enough"));
      };
      await assert.rejects(way(work, { signal: controller.signal }), aborted, name);
      assert.deepEqual((await db.status()).leases, [], name);
      assert.equal((await db.query("select 1 from abort_item where n = 8")).rows.length, 0, name);
    }
  });

  test("an abort of a COMMIT that runs ends it", async () => {
    await db.query(`create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(1000); return null; end $$`);
    await db.query("create table slow_item (n int)");
    await db.query("create constraint trigger slow after insert on slow_item deferrable initially deferred for each row execute function slow()");
    for (const way of [(work, options) => db.transaction(work, options), (work, options) => db.session((session) => session.transaction(work, options))]) {
      const controller = new AbortController();
      const ended = assert.rejects(way((tx) => tx.query("insert into slow_item values (1)"), { signal: controller.signal }), aborted);
      while ((await db.query("select 1 from pg_stat_activity where wait_event = 'PgSleep'")).rows.length === 0);
      controller.abort(new Error("enough"));
      await ended;
      assert.equal((await db.query("select 1 from slow_item")).rows.length, 0);
    }
  });

  test("close() waits no longer than its signal", async () => {
    const other = await connect(daemon.socket);
    const cut = assert.rejects(other.query(LONG), { code: "CLOSED", outcome: "outcome unknown" });
    await running();
    const controller = new AbortController();
    const closing = other.close({ signal: controller.signal });
    controller.abort();
    await Promise.all([closing, cut]);
    await other.close({ signal: AbortSignal.abort() });
    await settled();
  });

  test("who waits for a connection waits no longer", async () => {
    const holders = await Promise.all([1, 2, 3].map(() => db.session()));
    const other = open(daemon.socket);
    const controller = new AbortController();
    const ended = assert.rejects(other.query("insert into abort_item values (7)", [], { signal: controller.signal }), (error) => aborted(error) && error.outcome === "not sent");
    while ((await db.status()).pools[0].waiting === 0);
    controller.abort(new Error("enough"));
    await ended;
    await Promise.all(holders.map((session) => session.close()));
    await other.close();
    assert.equal((await db.query("select 1 from abort_item where n = 7")).rows.length, 0);
  });

  test("a query of sidepool/pg has one too", async () => {
    const pool = new Pool({ sidepool: { socket: daemon.socket } });
    await assert.rejects(pool.query({ text: LONG, signal: AbortSignal.abort(new Error("enough")) }), aborted);
    const controller = new AbortController();
    const ended = assert.rejects(pool.query({ text: LONG, signal: controller.signal }), aborted);
    await running();
    controller.abort(new Error("enough"));
    await ended;
    assert.deepEqual((await pool.query("select 1 as a")).rows, [{ a: 1 }]);
    await pool.end();
    const client = new Client({ sidepool: { socket: daemon.socket, lease: "session" } });
    await client.connect();
    const controllers = new AbortController();
    const cut = assert.rejects(client.query({ text: LONG, signal: controllers.signal }), aborted);
    await running();
    controllers.abort(new Error("enough"));
    await cut;
    assert.deepEqual((await client.query("select 1 as a")).rows, [{ a: 1 }]);
    await client.end();
  });
});
