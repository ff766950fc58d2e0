// SPDX-License-Identifier: MIT
// The package against the real daemon and a real PostgreSQL.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { connect, escapeLiteral, open, sql, types } from "../src/index.js";
import { Daemon, Postgres, skip } from "./lib/servers.js";

describe("on a database", { skip }, () => {
  let postgres;
  let daemon;
  let db;

  before(async () => {
    postgres = await new Postgres().start();
    daemon = await new Daemon(postgres, { budget: 4 }).start();
    db = await connect({ socket: daemon.socket, application: "tests" });
    await db.query("create table account (id int primary key, balance int not null check (balance >= 0))");
  });

  after(async () => {
    await db?.close();
    await daemon?.remove();
    await postgres?.stop();
  });

  afterEach(() => db.query("truncate account"));

  const VALUES = {
    bool: [true, false],
    int2: [-32768],
    int4: [2147483647, -5],
    int8: ["9223372036854775807"],
    float8: [0.1, NaN, Infinity, -Infinity, 1e300],
    numeric: ["123456789012345678901234567890.12345", "NaN"],
    text: ["", "größer ☃ 𝄞", "a'b\"c\\d\n\t", "x".repeat(100_000)],
    bytea: [Buffer.alloc(0), Buffer.from([0, 1, 255, 92, 39])],
    timestamptz: [new Date("2024-02-29T12:34:56.789Z"), new Date(0)],
    json: [{ a: [1, "x", null], b: { c: true } }],
    jsonb: [{ a: 1 }],
    uuid: ["5e0f2c5c-1111-2222-3333-444455556666"],
    "int4[]": [[1, null, 3], [[1, 2], [3, 4]], []],
    "text[]": [["a", 'b"c', "d\\e", "NULL", "", null, "f,g", "{h}"]],
    "bytea[]": [[Buffer.from([1, 2]), null]],
  };

  for (const [type, values] of Object.entries(VALUES)) {
    test(`${type} goes there and comes back`, async () => {
      for (const value of [...values, null]) {
        const { rows } = await db.query(`select $1::${type} as v`, [value]);
        assert.deepEqual(rows[0].v, value);
      }
    });
  }

  test("values come in binary where that is asked for", async () => {
    const { rows } = await db.query("select 7::int4 a, 2.5::float8 b, 'x'::text c, '\\x0102'::bytea d, 1.5::numeric e", [], { binary: true, types: undefined });
    assert.deepEqual([rows[0].a, rows[0].b, rows[0].c, rows[0].e], [7, 2.5, "x", 1.5]);
  });

  test("rows as arrays, columns of the same name, no columns, no rows", async () => {
    assert.deepEqual((await db.query("select 1 a, 2 a", [], { rowMode: "array" })).rows, [[1, 2]]);
    assert.deepEqual((await db.query("select 1 a, 2 a")).rows, [{ a: 2 }]);
    assert.deepEqual((await db.query("select from generate_series(1, 2)")).rows, [{}, {}]);
    const none = await db.query("select 1 a where false");
    assert.deepEqual([none.rows, none.columns[0].name, none.rowCount], [[], "a", 0]);
    assert.equal((await db.query("create table if not exists account (id int)")).rowCount, null);
  });

  test("the same text again goes by its id, also when its columns have changed meanwhile", async () => {
    await db.query("create table changing (a int)");
    await db.query("insert into changing values (1)");
    for (let i = 0; i < 3; i++) assert.deepEqual((await db.query("select * from changing")).rows, [{ a: 1 }]);
    await db.query("alter table changing add b text default 'x'");
    for (let i = 0; i < 3; i++) assert.deepEqual((await db.query("select * from changing")).rows, [{ a: 1, b: "x" }]);
    await db.query("drop table changing");
  });

  test("PostgreSQL's error has every field", async () => {
    await db.query("insert into account values (1, 1)");
    await assert.rejects(db.query("insert into account values (1, 1)"), {
      name: "DatabaseError", code: "SQL_ERROR", outcome: "failed", sqlstate: "23505", severity: "ERROR",
      schema: "public", table: "account", constraint: "account_pkey", detail: "Key (id)=(1) already exists.",
    });
    await assert.rejects(db.query("select 1 frm x"), { sqlstate: "42601", position: 14 });
    await assert.rejects(db.query("selec"), /syntax error/);
  });

  test("what would leak to the next client is refused, with the remedy", async () => {
    for (const text of ["set timezone = 'UTC'", "begin", "listen x", "create temp table t (a int)", "select pg_advisory_lock(1)"])
      await assert.rejects(db.query(text), { code: "SESSION_REQUIRED", outcome: "not sent", remedy: /db\.session/ }, text);
  });

  test("what a transaction changes of its session ends with it", async () => {
    const before = (await db.query("show timezone")).rows[0].TimeZone;
    await db.transaction(async (tx) => {
      await tx.query("set timezone = 'Asia/Tokyo'");
      await tx.query("create temp table mine (a int)");
      await tx.query("select pg_advisory_lock(77)");
      assert.equal((await tx.query("show timezone")).rows[0].TimeZone, "Asia/Tokyo");
    });
    const left = "select current_setting('timezone') as zone, to_regclass('mine') as mine, (select count(*)::int from pg_locks where objid = 77) as locks";
    for (const { rows } of await Promise.all(Array.from({ length: 20 }, () => db.query(left))))
      assert.deepEqual(rows, [{ zone: before, mine: null, locks: 0 }]);
  });

  test("a transaction commits, rolls back, and nests", async () => {
    await db.transaction(async (tx) => {
      await tx.sql`insert into account values (1, 100), (2, 0)`;
      await assert.rejects(
        tx.transaction(async () => {
          await tx.sql`update account set balance = balance - 30 where id = 1`;
          await tx.sql`update account set balance = -1 where id = 2`;
        }),
        { sqlstate: "23514" },
      );
      await tx.sql`update account set balance = balance + 1 where id = 2`;
    });
    assert.deepEqual(await db.sql`select balance from account order by id`, [{ balance: 100 }, { balance: 1 }]);
    await assert.rejects(db.transaction(async (tx) => {
      await tx.sql`delete from account`;
      throw new Error("changed my mind");
    }), /changed my mind/);
    assert.equal((await db.sql`select count(*) n from account`.first()).n, "2");
  });

  test("a transaction has the isolation that was asked for, and read only is read only", async () => {
    const level = await db.transaction((tx) => tx.sql`show transaction_isolation`, { isolation: "serializable" });
    assert.deepEqual(level, [{ transaction_isolation: "serializable" }]);
    await assert.rejects(db.transaction((tx) => tx.sql`insert into account values (1, 1)`, { readOnly: true }), { sqlstate: "25006" });
    await assert.rejects(db.transaction(() => {}, { isolation: "nonsense" }), { code: "INVALID_ARGUMENT" });
  });

  test("a transaction whose failure was swallowed does not pretend to have committed", async () => {
    await assert.rejects(db.transaction(async (tx) => {
      await tx.query("insert into account values (1, 1)");
      await tx.query("select 1/0").catch(() => {});
    }), { sqlstate: "25P02", outcome: "failed" });
    assert.equal((await db.query("select * from account")).rows.length, 0);
  });

  test("forty workers move money through four connections and none is lost", async () => {
    await db.executeMany("insert into account values ($1, $2)", Array.from({ length: 10 }, (_, i) => [i, 1000]));
    await Promise.all(Array.from({ length: 40 }, async (_, worker) => {
      for (let i = 0; i < 10; i++) {
        const [from, to] = [(worker + i) % 10, (worker * 3 + i + 1) % 10].sort();
        await db.transaction(async (tx) => {
          await tx.sql`update account set balance = balance - 1 where id = ${from}`;
          await tx.query("update account set balance = balance + 1 where id = $1", [to], { commit: true });
        });
      }
    }));
    assert.equal((await db.sql`select sum(balance)::int s from account`.first()).s, 10_000);
    const { budget, connections } = await db.status();
    assert.ok(connections <= budget && budget === 4, `${connections} of ${budget}`);
  });

  test("a batch is all or nothing, or each for itself", async () => {
    const queries = [sql`insert into account values (${1}, ${5})`, sql`insert into account values (${1}, ${6})`, "select 7 as x"];
    await assert.rejects(db.batch(queries), { sqlstate: "23505", statementIndex: 1 });
    assert.equal((await db.query("select * from account")).rows.length, 0);
    const [first, second, third] = await db.batch(queries, { atomic: false });
    assert.deepEqual([first.rowCount, second.error.sqlstate, third.rows], [1, "23505", [{ x: 7 }]]);
  });

  test("executeMany: the sum, and the set that failed", async () => {
    const many = await db.executeMany("select repeat('x', $1::int) as x", [[300], [300], [300]], { chunkBytes: 512 }); // in several answers
    assert.deepEqual(many.rows.map(({ x }) => x.length), [300, 300, 300]);
    const result = await db.executeMany("insert into account values ($1, $2) returning id", [[1, 1], [2, 2], [3, 3]]);
    assert.deepEqual([result.rowCount, result.rows.map((row) => row.id)], [3, [1, 2, 3]]);
    await assert.rejects(db.executeMany("insert into account values ($1, $2)", [[4, 1], [5, -1]]), { sqlstate: "23514", parameterSetIndex: 1 });
  });

  test("a large result streams in little memory, and may be left in the middle", async () => {
    let sum = 0;
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    for await (const row of db.stream("select i, repeat('x', 1000) s from generate_series(1, 100000) i")) {
      sum += row.i;
      if (row.i % 1000 === 0) most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
    assert.equal(sum, 5_000_050_000);
    assert.ok(most < 64 * 1024 * 1024, `${most} bytes`);
    const seen = [];
    for await (const { i } of db.sql`select generate_series(1, 1000000000) i`) if (seen.push(i) === 5) break;
    assert.deepEqual(seen, [1, 2, 3, 4, 5]);
    await assert.rejects(async () => {
      for await (const _ of db.stream("select 1 / (50000 - i) from generate_series(1, 60000) i"));
    }, { sqlstate: "22012" });
  });

  test("a large result in a transaction may be left in the middle, and the transaction goes on", async () => {
    await db.transaction(async (tx) => {
      await tx.query("insert into account values (1, 5)");
      const seen = [];
      for await (const row of tx.sql`select generate_series(1, 1000000000) i where ${1}::int = 1`) if (seen.push(row.i) === 2500) break;
      assert.equal(seen.at(-1), 2500);
      const stream = tx.stream("select generate_series(1, 3000) i");
      let n = 0;
      for await (const _ of stream) n++;
      assert.deepEqual([n, stream.result.rowCount, stream.result.command], [3000, 3000, "SELECT"]);
      await tx.query("update account set balance = 6");
    });
    assert.deepEqual(await db.sql`select balance from account`, [{ balance: 6 }]);
  });

  test("COPY both ways", async () => {
    const result = await db.copyFrom("copy account from stdin", (function* () {
      for (let i = 0; i < 50_000; i++) yield `${i}\t${i}\n`;
    })());
    assert.deepEqual([result.tag, result.rowCount], ["COPY 50000", 50_000]);
    let bytes = 0;
    for await (const piece of db.copyTo("copy account to stdout")) bytes += piece.length;
    assert.equal(bytes, 2 * Array.from({ length: 50_000 }, (_, i) => `${i}\t`.length).reduce((a, b) => a + b));
    await assert.rejects(db.copyFrom("copy account from stdin", ["nonsense\n"]), { sqlstate: "22P02" });
    await assert.rejects(db.copyFrom("copy account from stdin", (function* () {
      yield "60000\t1\n";
      throw new Error("no more");
    })()), /no more/);
    assert.equal((await db.query("select * from account where id = 60000")).rows.length, 0);
  });

  test("COPY as the first of a transaction belongs to it", async () => {
    await db.transaction(async (tx) => {
      await tx.copyFrom("copy account from stdin", ["1\t1\n"]);
      let text = "";
      for await (const piece of tx.copyTo("copy account to stdout")) text += piece;
      assert.equal(text, "1\t1\n");
      assert.equal(tx.transactionStatus, "active");
      await tx.rollback();
    });
    assert.equal((await db.query("select * from account")).rows.length, 0);
  });

  test("a session has everything that the database has", async () => {
    await db.session(async (session) => {
      await session.query("create temp table own (n int)");
      await session.executeMany("insert into own values ($1)", [[1], [2]]);
      await session.copyFrom("copy own from stdin", ["3\n"]);
      const found = [];
      for await (const { n } of session.stream("select n from own order by n")) found.push(n);
      for await (const { n } of session.sql`select n from own where n > ${2}`) found.push(n);
      for await (const piece of session.copyTo("copy own to stdout")) found.push(piece.toString());
      const [, counted] = await session.batch(["delete from own where n = 1", "select count(*)::int as n from own"]);
      assert.deepEqual([found, counted.rows], [[1, 2, 3, 3, "1\n2\n3\n"], [{ n: 2 }]]);
      for await (const _ of session.stream("select repeat('x', 1000) from generate_series(1, 2000)"));
      assert.equal(session.transactionStatus, "idle");
      await assert.rejects(session.copyFrom("copy own from stdin", ["x\n"]), { sqlstate: "22P02" });
      assert.equal(session.transactionStatus, "idle");
      await assert.rejects(session.transaction(async () => {
        for await (const { n } of session.stream("select n from own for update")) assert.ok(n > 1);
        await session.query("truncate own");
        throw new Error("no");
      }), /no/);
      assert.equal((await session.query("select n from own")).rowCount, 2);
    });
  });

  test("a transaction of a session nests, and its connection stays", async () => {
    await db.query("create table nested (n int)");
    await db.session(async (session) => {
      await session.query("set application_name = 'kept'");
      await session.transaction(async (tx) => {
        await tx.query("insert into nested values (1)");
        await assert.rejects(session.transaction(async (inner) => {
          await inner.query("insert into nested values (2)");
          throw new Error("undo");
        }), /undo/);
        await tx.transaction((inner) => inner.query("insert into nested values (3)"));
        assert.equal(tx.transactionStatus, "active");
      });
      await assert.rejects(session.query("select 1", [], { commit: true }), { code: "INVALID_ARGUMENT" });
      assert.equal((await session.query("show application_name")).rows[0].application_name, "kept");
    });
    const session = await db.session();
    const work = async (tx) => {
      await tx.query("insert into nested values (4)");
      await db.query("select pg_terminate_backend($1)", [tx.backendPid]);
      await assert.rejects(tx.query("select 1"));
      throw new Error("the work's own"); // no ROLLBACK's error replaces it
    };
    await assert.rejects(session.transaction(work), /the work's own/);
    await session.close();
    assert.deepEqual((await db.query("select n from nested order by n")).rows, [{ n: 1 }, { n: 3 }]);
  });

  test("a session keeps its settings, hears NOTIFY, and leaves nothing behind", async () => {
    await using(await db.session(), async (session) => {
      const heard = [];
      session.onNotification = ({ channel, payload }) => heard.push([channel, payload]);
      await session.query("set timezone = 'Asia/Tokyo'");
      await session.query("listen news");
      await session.query("create temp table mine (a int)");
      assert.equal((await session.query("show timezone")).rows[0].TimeZone, "Asia/Tokyo");
      await session.query("notify news, 'hello'");
      await session.query("select 1");
      assert.deepEqual(heard, [["news", "hello"]]);
      assert.equal(await session.transaction(async (tx) => (await tx.query("select 5 as x")).rows[0].x), 5);
    });
    for (let i = 0; i < 8; i++) assert.notEqual((await db.query("show timezone")).rows[0].TimeZone, "Asia/Tokyo");
    await assert.rejects(db.query("select * from mine"), { sqlstate: "42P01" });
  });

  async function using(resource, work) {
    try {
      await work(resource);
    } finally {
      await resource[Symbol.asyncDispose]();
    }
  }

  test("an abort cancels the statement at PostgreSQL, wherever it runs", async () => {
    const running = () => db.sql`select count(*)::int n from pg_stat_activity where query like 'select pg_sleep(1000%'`.first();
    const start = async (work) => {
      const controller = new AbortController();
      const failed = assert.rejects(work(controller.signal), { name: "AbortError", outcome: "failed" });
      while ((await running()).n === 0) await new Promise((resolve) => setImmediate(resolve));
      controller.abort();
      await failed;
      while ((await running()).n > 0) await new Promise((resolve) => setImmediate(resolve));
    };
    await start((signal) => db.query("select pg_sleep(1000)", [], { signal }));
    await start((signal) => db.transaction((tx) => tx.query("select pg_sleep(1000)"), { signal }));
    await start(async (signal) => {
      for await (const _ of db.stream("select pg_sleep(1000), i from generate_series(1, 10) i", [], { signal }));
    });
  });

  test("a deadline ends the statement", async () => {
    await assert.rejects(db.query("select pg_sleep(1000)", [], { deadlineMs: 100 }), { code: "DEADLINE_EXCEEDED", outcome: "failed" });
  });

  test("who waits in vain hears who holds the pool, and where", async () => {
    const sessions = await Promise.all(Array.from({ length: 4 }, () => db.session()));
    try {
      await sessions[0].query("begin");
      const error = await db.query("select 1", [], { deadlineMs: 200 }).catch((e) => e);
      assert.match(error.code, /ACQUIRE_TIMEOUT|DEADLINE_UNREACHABLE|DEADLINE_EXCEEDED/);
      assert.deepEqual([error.outcome, error.pool.inUse, error.pool.limit], ["not sent", 4, 4]);
      assert.match(error.message, /4\/4 in use/);
      assert.equal(error.pool.holders[0].application, "tests");
      assert.match(error.pool.holders[0].callSite, /db\.test\.js:\d+/);
    } finally {
      await Promise.all(sessions.map((session) => session.close()));
    }
  });

  test("an idempotency key makes a repetition safe", async () => {
    const options = { idempotencyKey: Buffer.from("the only one") };
    for (let i = 0; i < 3; i++) await db.query("insert into account values (77, 1)", [], options);
    assert.equal((await db.query("select * from account where id = 77")).rows.length, 1);
    await assert.rejects(db.query("insert into account values (78, 1)", [], options), { code: "IDEMPOTENCY_MISMATCH" });
  });

  test("status, health and ping", async () => {
    await db.ping();
    const status = await db.status();
    assert.deepEqual([status.pools[0].name, status.pools[0].breaker], ["main", "closed"]);
    assert.equal((await db.health()).level, "healthy");
    assert.equal(db.daemon.application, "tests");
  });

  test("options of a query: parameterTypes, types, binary; fragments stand as they are", async () => {
    const typed = await db.query("select pg_typeof($1)::text as t", [1], { parameterTypes: [types.builtins.INT2] });
    assert.deepEqual(typed.rows, [{ t: "smallint" }]);
    const shouted = { getTypeParser: (oid, format) => (value) => `${oid} ${format} ${value}` };
    assert.deepEqual((await db.query("select 1 as a", [], { types: shouted })).rows, [{ a: "23 text 1" }]);
    assert.deepEqual((await db.query("select 1 as a", [], { types: shouted, binary: true })).rows[0].a.slice(0, 9), "23 binary");
    const literal = "it's \\ \"x\"";
    assert.equal((await db.sql`select ${sql.unsafe(escapeLiteral(literal))} as ${sql.identifier('a"b')}`.first())['a"b'], literal);
  });

  test("notices reach who asked and who listens", async () => {
    const told = [];
    const other = open({ socket: daemon.socket, onNotice: (notice) => told.push(notice.message) });
    const { notices } = await other.query("do $$ begin raise warning 'careful'; end $$");
    assert.deepEqual([notices[0].severity, notices[0].message, told], ["WARNING", "careful", ["careful"]]);
    await other.query("create function careful(n int) returns int language plpgsql as $$ begin raise notice 'row %', n; return n; end $$");
    await other.query("create table noticed (n int check (careful(n) = n))");
    told.length = 0;
    for await (const _ of other.stream("select careful(n) from generate_series(1, 2) n"));
    const copied = await other.copyFrom("copy noticed from stdin", ["3\n", "4\n"]);
    assert.deepEqual([told, copied.notices.length], [["row 1", "row 2", "row 3", "row 4"], 2]);
    await other.close();
  });
});

describe("while the daemon comes and goes", { skip }, () => {
  let postgres;
  let daemon;
  let db;

  before(async () => {
    postgres = await new Postgres().start();
    daemon = await new Daemon(postgres, { budget: 4 }).start();
    db = await connect({ socket: daemon.socket });
    await db.query("create table done (n int)");
  });

  after(async () => {
    await db?.close();
    await daemon?.remove();
    await postgres?.stop();
  });

  test("ten restarts: writes that say that they were done are done, once; none is refused", async () => {
    let stop = false;
    let n = 0;
    const unknown = [];
    const workers = Array.from({ length: 8 }, async () => {
      while (!stop) {
        const mine = ++n;
        await db.query("insert into done values ($1)", [mine]).catch((error) => {
          assert.equal(error.outcome, "outcome unknown", error.stack);
          unknown.push(mine);
        });
      }
    });
    for (let i = 0; i < 10; i++) {
      const goal = n + 50;
      while (n < goal) await new Promise((resolve) => setImmediate(resolve));
      await daemon.restart();
    }
    stop = true;
    await Promise.all(workers);
    const rows = (await db.query("select n, count(*)::int c from done group by n")).rows;
    assert.ok(rows.every((row) => row.c === 1));
    const there = new Set(rows.map((row) => row.n));
    for (let i = 1; i <= n; i++) assert.ok(there.has(i) || unknown.includes(i), `${i} is lost`);
  });

  test("killed in mid-statement: outcome unknown; what waits behind it goes through", async () => {
    const lost = assert.rejects(db.query("select pg_sleep(1000)"), { code: "DAEMON_LOST", outcome: "outcome unknown" });
    const status = async () => (await db.status()).pools[0].inUse;
    while ((await status()) === 0) await new Promise((resolve) => setImmediate(resolve));
    await daemon.stop("SIGKILL");
    await lost;
    const later = db.query("select 1 as x");
    await daemon.start();
    assert.deepEqual((await later).rows, [{ x: 1 }]);
  });

  test("a transaction does not outlive its daemon, and says that it was not committed", async () => {
    await assert.rejects(db.transaction(async (tx) => {
      await tx.query("insert into done values (-1)");
      await daemon.stop("SIGKILL");
      await daemon.start();
      await tx.query("insert into done values (-2)");
    }), { code: "LEASE_LOST", outcome: "not sent" });
    assert.deepEqual((await db.query("select * from done where n < 0")).rows, []);
  });
});
