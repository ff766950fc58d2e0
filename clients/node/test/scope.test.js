// SPDX-License-Identifier: MIT
// What goes over the wire for each thing that a program can ask: against a daemon that answers what the test says.
import assert from "node:assert/strict";
import fs from "node:fs";
import { afterEach, test } from "node:test";
import * as otel from "@opentelemetry/api";
import { open, sql } from "../src/index.js";
import { Cursor, Pool } from "../src/pg/index.js";
import { FakeDaemon } from "./lib/fake-daemon.js";

const things = [];

afterEach(async () => {
  for (const thing of things.splice(0).reverse()) await (thing.remove?.() ?? thing.destroy());
});

async function start(options = {}) {
  const fake = await new FakeDaemon().listen();
  const db = open({ socket: fake.path, callSite: false, ...options });
  things.push(fake, db);
  return { fake, db };
}

const GRANT = { leaseId: 5, token: 6, backendPid: 1234, expiresMs: 30_000 };
const REF = { leaseId: "5", token: "6" };
const done = (commandTag, more = {}) => ({ results: [{ commandTag, ...more }] });

function packed(...values) {
  return Buffer.concat(
    values.map((value) => {
      const bytes = Buffer.from(value ?? "");
      const length = Buffer.alloc(4);
      length.writeInt32LE(value === null ? -1 : bytes.length);
      return Buffer.concat([length, bytes]);
    }),
  );
}

const COLUMNS = [
  { name: "id", typeOid: 23, typeModifier: -1 },
  { name: "name", typeOid: 25, typeModifier: -1 },
];
const rows = (...values) => ({ columns: COLUMNS, rows: packed(...values), rowCount: values.length / 2 });

async function answer(fake, response) {
  const received = await fake.next();
  received.reply(response);
  return received.request;
}

test("a query carries its parameters packed and its rows come out as objects", async () => {
  const { fake, db } = await start();
  const asked = db.query("select $1, $2, $3", [1, null, Buffer.from("ab")]);
  const request = await answer(fake, done("SELECT 2", { ...rows("1", "x", "-2147483648", null), affectedRows: 2 }));
  assert.deepEqual(request.query.statement, {
    sql: Buffer.from("select $1, $2, $3"),
    parameterCount: 3,
    parameterFormats: [0, 0, 1],
    parameters: packed("1", null, "ab"),
  });
  const result = await asked;
  assert.deepEqual(result.rows, [{ id: 1, name: "x" }, { id: -2147483648, name: null }]);
  assert.deepEqual([result.command, result.rowCount, result.tag], ["SELECT", 2, "SELECT 2"]);
});

test("a template's values are parameters, its fragments are text", async () => {
  const made = sql`select ${sql.identifier("a", 'b"c')} from t where x in (${sql.join([1, 2])}) and ${sql`y = ${"z"}`}`;
  assert.equal(made.text, 'select "a"."b""c" from t where x in ($1, $2) and y = $3');
  assert.deepEqual(made.values, [1, 2, "z"]);
  const { fake, db } = await start();
  const first = db.sql`select ${5}`.first();
  assert.equal((await answer(fake, done("SELECT 1", rows("5", "x")))).query.statement.sql.toString(), "select $1");
  assert.deepEqual(await first, { id: 5, name: "x" });
});

test("a transaction: BEGIN goes with the first statement, COMMIT by release", async () => {
  const { fake, db } = await start();
  const ended = db.transaction(
    async (tx) => {
      await tx.query("a");
      assert.equal(tx.backendPid, 1234);
      await tx.query("b");
      return 7;
    },
    { isolation: "repeatable read", readOnly: true },
  );
  const first = await answer(fake, { ...done("SELECT 0"), lease: GRANT, transactionStatus: 2 });
  assert.deepEqual(first.acquire, { begin: true, transaction: { isolation: 3, readOnly: true } });
  const second = await answer(fake, { ...done("SELECT 0"), transactionStatus: 2 });
  assert.deepEqual(second.lease, REF);
  assert.equal(second.finish, undefined);
  assert.deepEqual(await answer(fake, { ...done("COMMIT"), transactionStatus: 1 }), { lease: REF, finish: 1, release: {} });
  assert.equal(await ended, 7);
});

test("a transaction: COMMIT goes with a statement that is returned without await, or says so", async () => {
  const { fake, db } = await start();
  const returned = db.transaction((tx) => tx.sql`insert ${1}`);
  const request = await answer(fake, done("INSERT 0 1"));
  assert.deepEqual([request.acquire, request.finish], [{ begin: true, transaction: {} }, 1]);
  await returned;

  const said = db.transaction(async (tx) => {
    await tx.query("a");
    await tx.query("b", [], { commit: true });
    await assert.rejects(tx.query("c"), { code: "UNKNOWN_LEASE", outcome: "not sent" });
  });
  await answer(fake, { ...done("SELECT 0"), lease: GRANT });
  assert.equal((await answer(fake, done("INSERT 0 1"))).finish, 1);
  await said;
});

test("a transaction whose work throws is rolled back, and the error is the work's", async () => {
  const { fake, db } = await start();
  const failed = db.transaction(async (tx) => {
    await tx.query("a");
    throw new Error("mine");
  });
  await answer(fake, { ...done("SELECT 0"), lease: GRANT });
  assert.equal((await answer(fake, done("ROLLBACK"))).finish, 2);
  await assert.rejects(failed, { message: "mine" });
});

test("a transaction that PostgreSQL rolled back at COMMIT is an error", async () => {
  const { fake, db } = await start();
  const failed = db.transaction(async (tx) => {
    await tx.query("a").catch(() => {});
  });
  const error = { code: 40, outcome: 2, sql: { sqlstate: "22012", message: "division by zero" } };
  await answer(fake, { error, lease: GRANT, transactionStatus: 3 });
  await answer(fake, done("ROLLBACK"));
  await assert.rejects(failed, { sqlstate: "25P02" });
});

test("a transaction that got no connection runs nothing at all, also what was asked beside it", async () => {
  const { fake, db } = await start();
  const failed = db.transaction((tx) => Promise.allSettled([tx.query("a"), tx.query("b")]));
  await answer(fake, { error: { code: 21, outcome: 1, message: "no connection" } });
  const [a, b] = await failed;
  assert.equal(a.reason.code, "ACQUIRE_TIMEOUT");
  assert.deepEqual([b.reason.code, b.reason.outcome], ["ACQUIRE_TIMEOUT", "not sent"]);
  assert.equal(fake.requests.length, 0);
});

test("statements of a transaction may be sent ahead once it has its connection", async () => {
  const { fake, db } = await start();
  const ended = db.transaction((tx) => Promise.all([tx.query("a"), tx.query("b"), tx.query("c")]));
  const first = await fake.next();
  assert.equal(fake.requests.length, 0);
  first.reply({ ...done("SELECT 0"), lease: GRANT });
  const [b, c] = [await fake.next(), await fake.next()];
  assert.deepEqual([b, c].map(({ request }) => request.query.statement.sql.toString()), ["b", "c"]);
  b.reply(done("SELECT 0"));
  c.reply(done("SELECT 0"));
  await answer(fake, done("COMMIT"));
  await ended;
});

test("a stream asks for two chunks ahead, and leaving the loop gives the rest up", async () => {
  const { fake, db } = await start();
  const seen = [];
  const reading = (async () => {
    for await (const row of db.stream("select big")) if (seen.push(row.id) === 3) break;
  })();
  await answer(fake, { results: [{ ...rows("1", "a", "2", "b"), more: true }], streamId: 9 });
  const asked = [await fake.next(), await fake.next(), await fake.next()];
  for (const { request } of asked) assert.deepEqual(request, { fetch: { streamId: "9" } });
  asked[0].reply({ results: [{ rows: packed("3", "c"), rowCount: 1, more: true }], streamId: 9 });
  assert.deepEqual((await fake.next()).request, { fetch: { streamId: "9", close: true } });
  await reading;
  assert.deepEqual(seen, [1, 2, 3]);
});

test("a result of several chunks is one result, and chunks asked beyond its end are not minded", async () => {
  const { fake, db } = await start();
  const asked = db.query("select big");
  await answer(fake, { results: [{ ...rows("1", "a"), more: true }], streamId: 9 });
  await answer(fake, done("SELECT 2", { rows: packed("2", "b"), rowCount: 1, affectedRows: 2 }));
  await answer(fake, { error: { code: 57, outcome: 1 } });
  const result = await asked;
  assert.deepEqual(result.rows.map((row) => row.id), [1, 2]);
  assert.equal(result.rowCount, 2);
});

test("a batch is atomic unless it is told otherwise, and each result stands for itself", async () => {
  const { fake, db } = await start();
  const asked = db.batch(["a", { text: "b", values: [1] }, sql`c ${2}`], { atomic: false });
  const error = { code: 40, outcome: 2, sql: { sqlstate: "23505", message: "dup" } };
  const request = await answer(fake, {
    results: [{ commandTag: "INSERT 0 1", affectedRows: 1 }, { statementIndex: 1, error }, { statementIndex: 2, ...rows("1", "x"), commandTag: "SELECT 1" }],
  });
  assert.equal(request.batch.atomic, undefined);
  const results = await asked;
  assert.equal(results[1].error.sqlstate, "23505");
  assert.equal(results[2].rows[0].name, "x");
  const atomic = db.batch(["a"]);
  assert.equal((await answer(fake, done("INSERT 0 1"))).batch.atomic, true);
  await atomic;
});

test("executeMany packs every set into one statement, and refuses what does not fit together", async () => {
  const { fake, db } = await start();
  const asked = db.executeMany("insert into t values ($1, $2)", [[1, "a"], [2, null]]);
  const { batch } = await answer(fake, done("INSERT 0 2", { affectedRows: 2 }));
  assert.equal(batch.statements[0].parameterSets, 2);
  assert.deepEqual(batch.statements[0].parameters, packed("1", "a", "2", null));
  assert.equal((await asked).rowCount, 2);
  await assert.rejects(db.executeMany("x", [[1], [1, 2]]), { code: "INVALID_ARGUMENT", message: /set 1 has 2 values/ });
  await assert.rejects(db.executeMany("x", [[Buffer.from("a")], ["b"]]), { code: "INVALID_ARGUMENT", message: /\$1/ });
});

test("COPY in gathers small pieces, sends a few ahead and ends; a source that fails is told to PostgreSQL", async () => {
  const { fake, db } = await start();
  const copied = db.copyFrom("copy t from stdin", ["1\n", Buffer.from("2\n"), "3\n".repeat(200_000)]);
  assert.equal((await answer(fake, { copyReady: { streamId: 4 } })).copyIn.sql.toString(), "copy t from stdin");
  let data = "";
  for (;;) {
    const { request, reply } = await fake.next();
    assert.equal(request.copyData.streamId, "4");
    data += request.copyData.data ?? "";
    if (request.copyData.end) {
      reply(done("COPY 200002", { affectedRows: 200_002 }));
      break;
    }
    assert.ok(fake.requests.length <= 4);
    reply({});
  }
  assert.equal(data, "1\n2\n" + "3\n".repeat(200_000));
  assert.equal((await copied).rowCount, 200_002);

  const failing = db.copyFrom("copy t from stdin", (async function* () {
    yield "1\n";
    throw new Error("disk on fire");
  })());
  await answer(fake, { copyReady: { streamId: 5 } });
  assert.deepEqual((await answer(fake, { error: { code: 40, outcome: 2 } })).copyData, { streamId: "5", fail: "disk on fire" });
  await assert.rejects(failing, { message: "disk on fire" });
});

test("COPY out comes as buffers", async () => {
  const { fake, db } = await start();
  const got = (async () => {
    let text = "";
    for await (const piece of db.copyTo("copy t to stdout")) text += piece;
    return text;
  })();
  await answer(fake, { copyReady: { streamId: 4 }, streamId: 4 });
  await answer(fake, { copyChunk: { data: Buffer.from("1\n") }, streamId: 4 });
  await answer(fake, { copyChunk: { data: Buffer.from("2\n") }, streamId: 4 });
  await answer(fake, done("COPY 2"));
  assert.equal(await got, "1\n2\n");
});

/** Each way to ask, with the answers that it needs before its own is seen. */
const ASKS = {
  query: async (db) => {
    await db.query("select 'site 1'");
  },
  "tagged template": async (db) => {
    await db.sql`select 'site 2'`;
  },
  "a statement with options": async (db) => {
    await db.sql`select 'site 3'`.with({ binary: true }).first();
  },
  stream: async (db) => {
    for await (const _ of db.stream("select 'site 4'"));
  },
  batch: async (db) => {
    await db.batch(["select 'site 5'"]);
  },
  executeMany: async (db) => {
    await db.executeMany("select 'site 6', $1", [[1]]);
  },
  copyFrom: async (db) => {
    await db.copyFrom("copy site_7 from stdin", []);
  },
  copyTo: async (db) => {
    for await (const _ of db.copyTo("copy site_8 to stdout"));
  },
  submit: async (db) => {
    await db.submit("select 'site 9'");
  },
  transaction: async (db) => {
    await db.transaction((tx) => tx.sql`select 'site 10'`);
  },
  session: async (db) => {
    await db.session();
  },
};
/** The same of node-postgres's surface; all but the first wait for their turn. */
const PG_ASKS = {
  "pool.query": (pool) => {
    const ask = (n) => pool.query(`select 'pool ${n}'`);
    return Promise.all([1, 2, 3].map(ask));
  },
  "client.query": (pool) => pool.connect((error, client) => {
    for (const n of [1, 2, 3]) client.query({ text: `select 'client ${n}'` }, () => n === 3 && client.release());
  }),
  cursors: (pool) => pool.connect((error, client) => {
    for (const n of [1, 2, 3]) client.query(new Cursor(`select 'cursor ${n}'`)).read(1, () => n === 3 && client.release());
  }),
};
const source = fs.readFileSync(new URL(import.meta.url), "utf8").split("\n");

const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/** OpenTelemetry's API with a span that is current. */
function withSpan(work) {
  const span = otel.trace.wrapSpanContext({ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 1 });
  const current = otel.trace.setSpan(otel.ROOT_CONTEXT, span);
  otel.context.setGlobalContextManager({ active: () => current, with: (_, run) => run(), bind: (_, run) => run, enable() {}, disable() {} });
  return Promise.resolve(work()).finally(() => otel.context.disable());
}

for (const [name, ask] of Object.entries(ASKS)) {
  test(`${name}: the call site is this file's line, and the trace is OpenTelemetry's current span`, async () => {
    const { fake, db } = await start({ callSite: true });
    await withSpan(async () => {
      ask(db).catch(() => {}); // what comes of it is not the matter here
      const { request } = await fake.next();
      const [, line] = /scope\.test\.js:(\d+)$/.exec(request.callSite ?? "") ?? [];
      assert.ok(line, `"${request.callSite}"`);
      assert.ok(ask.toString().includes(source[line - 1].trim()), `${line}: ${source[line - 1]}`);
      assert.equal(request.traceparent, TRACEPARENT);
    });
  });
}

test("the line of a text that comes again is looked up now and then", async () => {
  const { fake, db } = await start({ callSite: true });
  const lines = new Set();
  const ask = async (asked) => {
    lines.add((await answer(fake, done("SELECT 0"))).callSite);
    await asked;
  };
  for (let i = 0; i < 300; i++) await ask(db.query("select 'again'"));
  assert.equal(lines.size, 1);
  for (let i = 0; i < 300; i++)
    await ask(db.query("select 'again'")); // blamed on the first for a while
  assert.equal(lines.size, 2);
});

for (const [name, ask] of Object.entries(PG_ASKS)) {
  test(`${name}: who waits for a turn is told by the line and the trace too`, async () => {
    const { fake } = await start();
    const pool = new Pool({ max: 1, sidepool: { socket: fake.path } });
    await withSpan(async () => {
      const ended = ask(pool);
      otel.context.disable(); // when its turn comes, the trace is another's
      for (let seen = 0; seen < 3; ) {
        const { request, reply } = await fake.next();
        reply(request.ping ? {} : { ...done("SELECT 0") });
        if (!request.query) continue;
        seen++;
        const [, line] = /scope\.test\.js:(\d+)$/.exec(request.callSite ?? "") ?? [];
        assert.ok(line && ask.toString().includes(source[line - 1].trim()), `"${request.callSite}"`);
        assert.equal(request.traceparent, name === "pool.query" ? TRACEPARENT : undefined);
      }
      await ended;
    });
    await pool.end();
  });
}

test("neither is sent where it is turned off, and a request's own goes before", async () => {
  const { fake, db } = await start({ callSite: false, trace: false });
  await withSpan(async () => {
    const asked = db.query("select 'none'");
    const { callSite, traceparent } = await answer(fake, done("SELECT 0"));
    await asked;
    assert.deepEqual([callSite, traceparent], [undefined, undefined]);
    const told = db.query("select 'told'", [], { callSite: "jobs.rb:1", traceparent: "00-1" });
    const second = await answer(fake, done("SELECT 0"));
    await told;
    assert.deepEqual([second.callSite, second.traceparent], ["jobs.rb:1", "00-1"]);
  });
});

test("a session takes its connection at once and gives it back when it is disposed of", async () => {
  const { fake, db } = await start();
  const opening = db.session({ holdMs: 5000 });
  assert.deepEqual(await answer(fake, { lease: GRANT }), { acquire: { holdMs: 5000 }, takeLease: {} });
  const session = await opening;
  const heard = [];
  session.onNotification = (notification) => heard.push(notification.payload);
  const asked = session.query("listen x");
  await answer(fake, { ...done("LISTEN"), notifications: [{ channel: "x", payload: "hi", backendPid: 3 }] });
  await asked;
  assert.deepEqual(heard, ["hi"]);
  const closing = session[Symbol.asyncDispose]();
  assert.equal((await answer(fake, {})).finish, 2);
  await closing;
});

test("close waits for what is in flight", async () => {
  const { fake, db } = await start();
  const asked = db.query("slow");
  const received = await fake.next();
  let closed = false;
  const closing = db.close().then(() => (closed = true));
  assert.equal(closed, false);
  received.reply(done("SELECT 0"));
  await asked;
  await closing;
  await assert.rejects(db.query("x"), { code: "CLOSED", outcome: "not sent" });
});

test("options that are not there or out of range are refused by name", () => {
  assert.throws(() => open({ sockets: "x" }), { code: "INVALID_ARGUMENT", message: /sockets is unknown/ });
  assert.throws(() => open({ deadlineMs: -1 }), { code: "INVALID_ARGUMENT", message: /deadlineMs/ });
  assert.throws(() => open({ socket: "" }), { code: "INVALID_ARGUMENT", message: /socket/ });
  assert.throws(() => open({ socket: "/".repeat(120) }), { code: "INVALID_ARGUMENT", message: /socket/ });
});

test("the stack of an error from the daemon leads to who asked", async () => {
  const { fake, db } = await start();
  async function theCaller() {
    await db.query("select 1/0");
  }
  const asked = theCaller();
  await answer(fake, { error: { code: 40, outcome: 2, sql: { message: "division by zero", sqlstate: "22012" } } });
  const error = await asked.catch((e) => e);
  assert.match(error.stack, /theCaller/);
  assert.equal(error.sqlstate, "22012");
});
