// SPDX-License-Identifier: MIT
// sidepool/pg against the real daemon: what a program that was written for node-postgres relies on, and where its
// statements go.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { Readable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { after, before, describe, test } from "node:test";
import pg, { Client, Cursor, DatabaseError, Pool, Query, QueryStream } from "../src/pg/index.js";
import { connect } from "../src/index.js";
import { Daemon, Postgres, skip } from "./lib/servers.js";

const require = createRequire(import.meta.url);

describe("sidepool/pg", { skip }, () => {
  let postgres;
  let daemon;
  let pool;
  let db;

  const config = (more = {}) => ({ ...more, sidepool: { socket: daemon.socket, ...more.sidepool } });
  const leases = async () => (await db.status()).leases.length;

  async function withClient(options, work) {
    const client = new Client(config(options));
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }

  before(async () => {
    postgres = await new Postgres().start({ timezone: "Etc/UTC" });
    daemon = await new Daemon(postgres, { budget: 4 }).start();
    pool = new Pool(config({ max: 20 }));
    db = await connect(daemon.socket);
    await db.query("create table item (id int primary key, name text)");
  });

  after(async () => {
    await pool?.end();
    await db?.close();
    await daemon?.remove();
    await postgres?.stop();
  });

  test("a result has node-postgres's fields", async () => {
    const result = await pool.query("select $1::int as n, 'x'::text as t, now() as at", ["5"]);
    assert.deepEqual([result.command, result.rowCount, result.oid, result.rowAsArray], ["SELECT", 1, null, false]);
    assert.deepEqual([result.rows[0].n, result.rows[0].t, result.rows[0].at instanceof Date], [5, "x", true]);
    assert.deepEqual(result.fields[0], {
      name: "n", tableID: 0, columnID: 0, dataTypeID: 23, dataTypeSize: 4, dataTypeModifier: -1, format: "text",
    });
    assert.ok(result instanceof pg.Result);
    const insert = await pool.query("insert into item values (1, 'a'), (2, 'b')");
    assert.deepEqual([insert.command, insert.rowCount], ["INSERT", 2]);
    assert.equal((await pool.query("create table if not exists item (id int)")).rowCount, null);
    const empty = await pool.query("");
    assert.deepEqual([empty.command, empty.rowCount, empty.rows], [null, null, []]);
  });

  test("callbacks, events, rowMode, types of one query, named statements", async () => {
    const byCallback = await new Promise((resolve, reject) =>
      pool.query("select 1 as a", (error, result) => (error ? reject(error) : resolve(result))),
    );
    assert.deepEqual(byCallback.rows, [{ a: 1 }]);
    assert.deepEqual((await pool.query({ text: "select 1, 2", rowMode: "array" })).rows, [[1, 2]]);
    const types = { getTypeParser: () => (text) => `<${text}>` };
    assert.deepEqual((await pool.query({ text: "select 1 as a", types })).rows, [{ a: "<1>" }]);
    await withClient({}, async (client) => {
      const named = { name: "one", text: "select $1::int as a", values: [1] };
      assert.deepEqual((await client.query(named)).rows, [{ a: 1 }]);
      assert.deepEqual((await client.query({ name: "one", values: [2] })).rows, [{ a: 2 }]);
      await assert.rejects(client.query({ ...named, text: "select 2" }), /must be unique/);
      const seen = [];
      const query = client.query(new Query("select generate_series(1, 3) as i"));
      query.on("row", (row) => seen.push(row.i));
      const result = await new Promise((resolve) => query.on("end", resolve));
      assert.deepEqual([seen, result.rowCount, result.rows], [[1, 2, 3], 3, []]);
    });
  });

  test("a DatabaseError has node-postgres's fields, and the outcome", async () => {
    const error = await pool.query("insert into item values (1, 'again')").catch((e) => e);
    assert.ok(error instanceof DatabaseError && error instanceof Error);
    assert.deepEqual(
      [error.code, error.severity, error.constraint, error.table, error.schema, error.name, error.outcome],
      ["23505", "ERROR", "item_pkey", "item", "public", "error", "failed"],
    );
    assert.match(error.stack, /pg\.test\.js/);
    assert.equal((await pool.query("select 1 frm x").catch((e) => e)).position, "14");
  });

  test("a client takes nothing until a transaction begins, and gives it back with COMMIT", async () => {
    await withClient({}, async (client) => {
      await client.query("select 1");
      assert.deepEqual([await leases(), client.getTransactionStatus(), client.processID], [0, "I", null]);
      assert.equal((await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ")).command, "BEGIN");
      assert.deepEqual([await leases(), client.getTransactionStatus()], [0, "T"]);
      await client.query("insert into item values (10, 'x')");
      assert.equal(await leases(), 1);
      assert.equal(client.processID, (await client.query("select pg_backend_pid() as p")).rows[0].p);
      assert.equal((await client.query("show transaction_isolation")).rows[0].transaction_isolation, "repeatable read");
      assert.equal((await client.query("COMMIT")).command, "COMMIT");
      assert.deepEqual([await leases(), client.getTransactionStatus()], [0, "I"]);
      assert.equal((await client.query("select * from item where id = 10")).rowCount, 1);
    });
  });

  test("a failed transaction stays failed until ROLLBACK, and COMMIT of it says ROLLBACK", async () => {
    await withClient({}, async (client) => {
      await client.query("begin");
      await assert.rejects(client.query("select 1/0"), { code: "22012" });
      assert.equal(client.getTransactionStatus(), "E");
      await assert.rejects(client.query("select 1"), { code: "25P02" });
      assert.equal((await client.query("rollback")).command, "ROLLBACK");
      await client.query("begin; insert into item values (11, 'x')");
      assert.equal(client.getTransactionStatus(), "T");
      await assert.rejects(client.query("insert into item values (11, 'x')"), { code: "23505" });
      assert.equal((await client.query("commit")).command, "ROLLBACK");
      assert.deepEqual([await leases(), (await client.query("select * from item where id = 11")).rowCount], [0, 0]);
    });
  });

  test("SET TRANSACTION right after BEGIN", async () => {
    await withClient({}, async (client) => {
      await client.query("BEGIN");
      assert.equal((await client.query("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")).command, "SET");
      assert.equal((await client.query("show transaction_isolation")).rows[0].transaction_isolation, "serializable");
      await client.query("COMMIT");
    });
  });

  test("savepoints, modes that need their text, COMMIT of nothing", async () => {
    await withClient({}, async (client) => {
      const notices = [];
      client.on("notice", (notice) => notices.push(notice.code));
      await client.query("start transaction read write");
      await client.query("savepoint a");
      await assert.rejects(client.query("selec"));
      await client.query("rollback to savepoint a");
      await client.query("insert into item values (12, 'x')");
      await client.query("end");
      assert.equal((await client.query("select * from item where id = 12")).rowCount, 1);
      assert.equal((await client.query("commit")).command, "COMMIT");
      await client.query("begin");
      await client.query("rollback");
      assert.deepEqual([notices, await leases()], [["25P01"], 0]);
    });
  });

  test("a script gives a Result for each statement and its own lease", async () => {
    const results = await pool.query("select 1 as a; insert into item values (13, 'x'); select 2 as b, 3 as c");
    assert.deepEqual(results.map((r) => r.command), ["SELECT", "INSERT", "SELECT"]);
    assert.deepEqual(results[2].rows, [{ b: 2, c: 3 }]);
    const whole = await pool.query("begin; delete from item where id = 13; commit");
    assert.deepEqual([whole.length, await leases()], [3, 0]);
    await assert.rejects(pool.query("delete from item where id = 12; select 1/0"), { code: "22012" });
    assert.deepEqual([(await pool.query("select * from item where id = 12")).rowCount, await leases()], [1, 0]);
  });

  test("what needs a session is refused, and works with one", async () => {
    await assert.rejects(pool.query("set timezone = 'Asia/Tokyo'"), { code: "SESSION_REQUIRED", outcome: "not sent", remedy: /lease: "session"/ });
    await withClient({ sidepool: { lease: "session" }, options: "-c search_path=pg_catalog", statement_timeout: 1234 }, async (client) => {
      assert.ok(client.processID > 0);
      await client.query("create temp table mine (a int)");
      await client.query("begin");
      await client.query("insert into mine values (1)");
      await client.query("commit");
      assert.equal((await client.query("select * from mine")).rowCount, 1);
      assert.equal((await client.query("show search_path")).rows[0].search_path, "pg_catalog");
      assert.equal((await client.query("show statement_timeout")).rows[0].statement_timeout, "1234ms");
    });
    assert.equal(await leases(), 0);
  });

  test("what gives up a session's state is done where there is none", async () => {
    const tags = { "DISCARD ALL": "DISCARD", "reset all": "RESET", "deallocate prepare all": "DEALLOCATE", "/* x */ close all;": "CLOSE", "reset role": "RESET" };
    for (const [text, command] of Object.entries(tags)) {
      const { rows, rowCount, command: given } = await pool.query(text);
      assert.deepEqual([rows, rowCount, given], [[], null, command]);
    }
    await assert.rejects(pool.query("discard plans"), { code: "SESSION_REQUIRED" });
    await withClient({}, async (client) => {
      await client.query("begin");
      await assert.rejects(client.query("discard all"), { code: "25001" }); // in a transaction it is PostgreSQL's to refuse
      await client.query("rollback");
    });
  });

  test("a script of settings passes where it changes nothing, and is refused where it would be lost", async () => {
    // As Sequelize begins each connection.
    const script = (zone) => `SET standard_conforming_strings=on;SET client_min_messages TO warning;SET TIME ZONE ${zone};`;
    await withClient({ application_name: "ours" }, async (client) => {
      for (const zone of ["'Etc/UTC'", "'utc'", "INTERVAL '+00:00' HOUR TO MINUTE"]) {
        const results = await client.query(script(zone));
        assert.deepEqual(results.map(({ command }) => command), ["SET", "SET", "SET"]);
      }
    });
    const lost = { code: "SESSION_REQUIRED", message: /TimeZone .* Asia\/Tokyo, .* have /, remedy: /SIDEPOOL_LEASE=session/ };
    await assert.rejects(pool.query(script("'Asia/Tokyo'")), lost);
    for (const text of ["set search_path = x; set timezone = 'UTC'", "set role x; reset role", "prepare a as select 1; prepare b as select 2"])
      await assert.rejects(pool.query(text), { code: "SESSION_REQUIRED", message: /would end with the script/ });
    await assert.rejects(pool.query("set client_min_messages = nonsense; set timezone = 'UTC'"), { code: "22023" });
    assert.deepEqual((await pool.query("set timezone = 'Asia/Tokyo'; show timezone"))[1].rows, [{ TimeZone: "Asia/Tokyo" }]); // is of use in itself
    assert.equal(await leases(), 0);
  });

  test("a client that is released in a transaction takes it to nobody", async () => {
    const one = new Pool(config({ max: 1 }));
    const client = await one.connect();
    await client.query("begin");
    await client.query("insert into item values (99, 'left behind')");
    client.release();
    const next = await one.connect();
    assert.equal(next, client);
    assert.equal(next.getTransactionStatus(), "I");
    assert.equal((await next.query("select * from item where id = 99")).rowCount, 0);
    next.release();
    assert.throws(() => next.release(), /already been released/);
    await one.end();
  });

  test("a transaction of a killed backend fails, and its client goes on after ROLLBACK", async () => {
    await withClient({}, async (client) => {
      await client.query("begin");
      await client.query("select 1");
      await db.query("select pg_terminate_backend($1)", [client.processID]);
      await assert.rejects(client.query("select 2"));
      await assert.rejects(client.query("commit"), { code: "LEASE_LOST", outcome: "not sent" });
      assert.deepEqual((await client.query("select 3 as x")).rows, [{ x: 3 }]);
    });
  });

  test("a hundred workers of a pool of twenty share four connections", async () => {
    await pool.query("insert into item values (1000, '0')");
    await Promise.all(Array.from({ length: 100 }, async () => {
      const client = await pool.connect();
      try {
        await client.query("begin");
        await client.query("update item set name = (name::int + 1)::text where id = 1000");
        await client.query("commit");
      } finally {
        client.release();
      }
    }));
    assert.equal((await pool.query("select name from item where id = 1000")).rows[0].name, "100");
    assert.ok(pool.totalCount <= 20);
    assert.ok((await db.status()).connections <= 4);
  });

  for (const [what, ThisCursor] of [["our Cursor", Cursor]]) {
    test(`${what} reads a few rows at a time, in a transaction and outside`, async () => {
      await withClient({}, async (client) => {
        const cursor = client.query(new ThisCursor("select i from generate_series(1, 10) i where i <> $1", [5]));
        assert.deepEqual((await cursor.read(3)).map((row) => row.i), [1, 2, 3]);
        assert.deepEqual((await cursor.read(100)).map((row) => row.i), [4, 6, 7, 8, 9, 10]);
        assert.deepEqual(await cursor.read(1), []);
        await client.query("begin");
        const endless = client.query(new ThisCursor("select generate_series(1, 1000000000) i"));
        assert.equal((await endless.read(10)).length, 10);
        await endless.close();
        assert.deepEqual((await client.query("select 1 as a")).rows, [{ a: 1 }]);
        await client.query("commit");
        const failing = client.query(new ThisCursor("select 1/0"));
        await assert.rejects(failing.read(1), { code: "22012" });
        assert.deepEqual((await client.query("select 1 as a")).rows, [{ a: 1 }]);
      });
    });
  }

  test("a QueryStream is a Readable, and may be left in the middle", async () => {
    await withClient({}, async (client) => {
      let sum = 0;
      for await (const row of client.query(new QueryStream("select i from generate_series(1, 50000) i"))) sum += row.i;
      assert.equal(sum, 1_250_025_000);
      for await (const _ of client.query(new QueryStream("select generate_series(1, 1000000000) i"))) break;
      assert.deepEqual((await client.query("select 1 as a")).rows, [{ a: 1 }]);
    });
  });

  test("COPY by streams, in a transaction and outside", async () => {
    await withClient({}, async (client) => {
      await pipeline(Readable.from(["5001\ta\n", "5002\tb\n"]), client.copyFrom("copy item from stdin"));
      await client.query("begin");
      const stream = client.copyFrom("copy item from stdin");
      stream.end("5003\tc\n");
      await finished(stream);
      assert.equal(stream.rowCount, 1);
      let text = "";
      for await (const piece of client.copyTo("copy (select * from item where id > 5000 order by id) to stdout")) text += piece;
      assert.equal(text, "5001\ta\n5002\tb\n5003\tc\n");
      await client.query("rollback");
      assert.equal((await client.query("select * from item where id > 5000")).rowCount, 2);
      await assert.rejects(pipeline(Readable.from(["nonsense\n"]), client.copyFrom("copy item from stdin")), { code: "22P02" });
      assert.equal((await client.query("select 1 as a")).rows[0].a, 1);
    });
  });

  test("a session is idle again after COPY, and after a result of many chunks", async () => {
    await withClient({ sidepool: { lease: "session" } }, async (client) => {
      await pipeline(Readable.from(["7001\ta\n"]), client.copyFrom("copy item from stdin"));
      assert.equal(client.getTransactionStatus(), "I");
      await client.query("select repeat('x', 1000) from generate_series(1, 2000)");
      assert.equal(client.getTransactionStatus(), "I");
      await client.query("begin");
      await client.query("select repeat('x', 1000) from generate_series(1, 2000)");
      assert.equal(client.getTransactionStatus(), "T");
      await client.query("rollback");
    });
  });

  test("query_timeout cancels what runs", async () => {
    await withClient({ query_timeout: 100 }, async (client) => {
      await assert.rejects(client.query("select pg_sleep(1000)"), /Query read timeout/);
      assert.deepEqual((await client.query({ text: "select 1 as a", query_timeout: 60_000 })).rows, [{ a: 1 }]);
    });
  });

  test("statement_timeout is the deadline of each statement", async () => {
    await withClient({ statement_timeout: 100 }, async (client) => {
      await assert.rejects(client.query("select pg_sleep(1000)"), { code: "57014" });
    });
  });

  test("end() ends what runs", async () => {
    const client = new Client(config());
    await client.connect();
    const cut = assert.rejects(client.query("select pg_sleep(1000)"), /Connection terminated/);
    await client.end();
    await cut;
    await assert.rejects(client.query("select 1"), /Client was closed and is not queryable/);
    await assert.rejects(client.connect(), /already been connected/);
  });

  test("require and import are one module; programs find Pool by its name", () => {
    const cjs = require("../cjs/pg.cjs");
    assert.equal(cjs.Client, Client);
    assert.equal(cjs, pg);
    assert.match(pg.Pool.name, /Pool/);
    assert.ok(pool instanceof cjs.Pool);
  });

  test("connection strings", () => {
    const of = (text) => new Client(text).connectionParameters;
    const url = of("postgres://u%40x:p%23w@db.example:6000/my%20db?application_name=app");
    assert.deepEqual([url.user, url.password, url.host, url.port, url.database, url.application_name], ["u@x", "p#w", "db.example", 6000, "my db", "app"]);
    assert.deepEqual(of("sidepool:///run/x.sock?pool=main&lease=session").sidepool, { socket: "/run/x.sock", pool: "main", holdMs: undefined, lease: "session" });
    assert.equal(of("sidepool:?lease=session").sidepool.socket, of("postgres://x").sidepool.socket); // where it is by default
    assert.throws(() => of("sidepool:///x.sock?lease=forever"), /"transaction" or "session"/);
    assert.equal(JSON.stringify(new Client({ password: "hunter2" })).includes("hunter2"), false);
  });
});
