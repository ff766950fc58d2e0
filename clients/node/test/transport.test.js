// SPDX-License-Identifier: MIT
// What happens to requests when the daemon comes, goes, and misbehaves: against a daemon that does what the test says.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { Chunks } from "../src/fetch.js";
import { makeOptions } from "../src/options.js";
import { Transport, check } from "../src/transport.js";
import { FakeDaemon, frame } from "./lib/fake-daemon.js";

const things = [];

afterEach(async () => {
  for (const thing of things.splice(0).reverse()) await (thing.remove?.() ?? thing.close());
});

async function daemon(handler) {
  const fake = new FakeDaemon(handler);
  things.push(fake);
  return fake.listen();
}

/** One that is connected, so that no deadline runs out over that. */
async function connected(fake, options) {
  const made = transport(fake, options);
  const answer = made.request({ ping: {} });
  (await fake.next()).reply({});
  await answer;
  return made;
}

function transport(fake, options = {}) {
  const made = new Transport(makeOptions({ socket: fake.path, application: "test", ...options }));
  things.push(made);
  return made;
}

const query = (sql) => ({ query: { statement: { sql } } });
const sqlOf = (request) => request.query.statement.sql.toString();
const fails = (promise, expected) => assert.rejects(promise, (error) => matches(error, expected));

function matches(error, expected) {
  for (const [key, value] of Object.entries(expected))
    if (value instanceof RegExp) assert.match(error[key], value);
    else assert.equal(error[key], value, `${key} of ${error.stack}`);
  return true;
}

test("the client greets as WIRE.md says and says hello first", async () => {
  const fake = await daemon();
  const sp = transport(fake);
  const answer = sp.request({ ping: {} });
  const { request, peer, reply } = await fake.next();
  assert.equal(peer.greeting.toString("hex"), "0053500000300000");
  assert.deepEqual(peer.helloRequest, {
    minVersion: 1,
    maxVersion: 1,
    applicationName: "test",
    clientName: "sidepool-node",
    clientVersion: "0.1.0",
  });
  assert.deepEqual(request, { ping: {} });
  reply({ runUs: 5 });
  assert.equal((await answer).runUs, 5);
  assert.equal(sp.connection.hello.application, "test");
});

test("many requests are in flight and answers come in any order", async () => {
  const fake = await daemon();
  const sp = transport(fake);
  const answers = Array.from({ length: 50 }, (_, i) => sp.request(query(`select ${i}`)));
  const received = [];
  for (let i = 0; i < 50; i++) received.push(await fake.next());
  assert.equal(new Set(received.map(({ id }) => id)).size, 50);
  for (const { request, reply } of received.reverse())
    reply({ results: [{ commandTag: sqlOf(request) }] });
  const tags = (await Promise.all(answers)).map((response) => response.results[0].commandTag);
  assert.deepEqual(tags, Array.from({ length: 50 }, (_, i) => `select ${i}`));
});

test("no daemon: not sent, at once, with the socket's path and the remedy", async () => {
  const fake = new FakeDaemon();
  things.push(Object.assign(fake, { server: { listening: false } }));
  await fails(transport(fake).request({ ping: {} }), {
    code: "DAEMON_UNREACHABLE",
    outcome: "not sent",
    retryable: true,
    message: new RegExp(`${fake.path} cannot be reached.*ENOENT`),
    remedy: /start sidepoold/,
  });
});

test("connectWaitMs: a first connect waits for a daemon that starts later", async () => {
  const fake = new FakeDaemon(({ reply }) => reply({}));
  things.push(fake);
  const sp = transport(fake, { connectWaitMs: 20_000 });
  const answer = sp.request({ ping: {} });
  await new Promise((resolve) => setImmediate(resolve)); // the first try has failed
  await fake.listen();
  await answer;
});

test("the connection is lost before the answer: outcome unknown, and never sent again", async () => {
  const fake = await daemon();
  const sp = transport(fake);
  const lost = sp.request(query("insert 1"));
  await fake.next();
  await fake.stop();
  await fails(lost, { code: "DAEMON_LOST", outcome: "outcome unknown", retryable: false });
  await fake.listen();
  const other = sp.request(query("insert 2"));
  const { request, reply } = await fake.next();
  assert.equal(sqlOf(request), "insert 2");
  reply({});
  await other;
});

test("while the daemon restarts, what was not sent waits and goes through", async () => {
  const fake = await daemon();
  const sp = transport(fake);
  const first = sp.request({ ping: {} });
  (await fake.next()).reply({});
  await first;
  await fake.stop();
  const waiting = Array.from({ length: 20 }, (_, i) => sp.request(query(`select ${i}`)));
  fake.handler = ({ reply }) => reply({ runUs: 1 });
  await fake.listen();
  for (const response of await Promise.all(waiting)) assert.equal(response.runUs, 1);
});

test("what waits for a daemon that does not come back fails as not sent when its time is over", async () => {
  const fake = await daemon(({ reply }) => reply({}));
  const sp = transport(fake, { reconnectWaitMs: 60 });
  await sp.request({ ping: {} });
  await fake.stop();
  await fails(sp.request({ ping: {} }), { code: "DAEMON_UNREACHABLE", outcome: "not sent" });
  await fails(sp.request({ ping: {} }, { deadlineMs: 1 }), { code: "DAEMON_UNREACHABLE", outcome: "not sent" });
});

test("a daemon that shuts down refuses: the request waits for the next one", async () => {
  let refused = 0;
  const fake = await daemon(({ reply, request, peer }) => {
    if (peer === fake.peers[0]) {
      refused++;
      reply({ error: { code: 24, outcome: 1, message: "shutting down", retryable: true, retryAfterMs: 1 } });
    } else {
      reply({ results: [{ commandTag: sqlOf(request) }] });
    }
  });
  const sp = transport(fake);
  const answers = await Promise.all([sp.request(query("a")), sp.request(query("b"))]);
  assert.deepEqual(answers.map((r) => r.results[0].commandTag).sort(), ["a", "b"]);
  assert.equal(refused, 2);
});

test("what belongs to a connection fails with it and is not sent to another", async () => {
  const fake = await daemon(({ reply }) => reply({}));
  const sp = transport(fake);
  const { connection } = await sp.request({ ping: {} });
  await fake.stop();
  await fake.listen();
  await sp.request({ ping: {} });
  await fails(sp.request(query("x"), { connection }), { code: "LEASE_LOST", outcome: "not sent" });
});

test("a deadline travels as the time that is left, and an answer that does not come is unknown", async () => {
  const fake = await daemon();
  const sp = await connected(fake, { graceMs: 1 });
  const answer = sp.request(query("x"), { deadlineMs: 30 });
  answer.catch(() => {}); // it may come before it is waited for
  const { request } = await fake.next();
  assert.ok(request.deadlineMs >= 1 && request.deadlineMs <= 30, `${request.deadlineMs}`);
  await fails(answer, { code: "NO_ANSWER", outcome: "outcome unknown" });
});

test("an answer that comes when nobody waits gives its lease and its stream back", async () => {
  const fake = await daemon();
  const sp = await connected(fake, { graceMs: 1 });
  const answer = sp.request({ ...query("x"), acquire: {} }, { deadlineMs: 5 });
  answer.catch(() => {}); // it may come before it is waited for
  const { reply } = await fake.next();
  await fails(answer, { code: "NO_ANSWER" });
  reply({ lease: { leaseId: 3, token: 9 }, streamId: 5 });
  assert.deepEqual((await fake.next()).request, { fetch: { streamId: "5", close: true } });
  assert.deepEqual((await fake.next()).request, { lease: { leaseId: "3", token: "9" }, finish: 2, release: {} });
});

async function answerOf(fake, promise) {
  (await fake.next()).reply({ runUs: 1 });
  return promise;
}

test("an abort before sending: not sent; after: Cancel goes out and the request answers for itself", async () => {
  const fake = await daemon();
  const sp = transport(fake);
  await fails(sp.request({ ping: {} }, { signal: AbortSignal.abort("no") }), { name: "AbortError", outcome: "not sent", cause: "no" });

  const queued = new AbortController();
  const waiting = sp.request({ ping: {} }, { signal: queued.signal });
  queued.abort();
  await fails(waiting, { name: "AbortError", outcome: "not sent" });

  const controller = new AbortController();
  const answer = sp.request(query("slow"), { signal: controller.signal });
  const { id, reply } = await fake.next();
  controller.abort(new Error("enough"));
  const cancel = await fake.next();
  assert.deepEqual(cancel.request, { cancel: { requestId: id } });
  reply({ error: { code: 42, outcome: 2, message: "cancelled" } });
  await fails(answer, { name: "AbortError", code: "CANCELLED", outcome: "failed" });

  for (const [outcome, name] of [[1, "not sent"], [3, "outcome unknown"]]) {
    const again = new AbortController();
    const ended = sp.request(query("slow"), { signal: again.signal });
    const slow = await fake.next();
    again.abort();
    await fake.next();
    slow.reply({ error: { code: 42, outcome, message: "cancelled" } });
    await fails(ended, { name: "AbortError", code: "CANCELLED", outcome: name });
  }

  const faster = new AbortController();
  const done = sp.request(query("fast"), { signal: faster.signal });
  const other = await fake.next();
  faster.abort();
  await fake.next();
  other.reply({ runUs: 1 });
  assert.equal((await done).runUs, 1);
});

test("an abort after the last answer is none; in the middle of a stream nobody knows what its statement has done", async () => {
  const fake = await daemon();
  const sp = transport(fake);
  const connection = (await answerOf(fake, sp.request(query("select 1")))).connection;
  const whole = new Chunks(sp, { connection, streamId: 0 }, AbortSignal.abort());
  assert.equal(await whole.next(), null);

  const controller = new AbortController();
  const part = new Chunks(sp, { connection, streamId: 7 }, controller.signal);
  controller.abort("enough");
  const { request, reply } = await fake.next();
  assert.deepEqual(request, { fetch: { streamId: "7", close: true } });
  reply({});
  await fails(part.next(), { name: "AbortError", outcome: "outcome unknown", cause: "enough" });
});

test("a statement that the daemon knows goes as its id, and as text again when it has forgotten", async () => {
  const fake = await daemon();
  const sp = transport(fake);
  const ask = () => sp.request(query("select a"), { text: "select a" });
  const columns = [{ name: "a", typeOid: 23 }];

  let answer = ask();
  let received = await fake.next();
  assert.equal(sqlOf(received.request), "select a");
  received.reply({ results: [{ columns, statementId: 77, columnsId: 5 }] });
  await answer;

  answer = ask();
  received = await fake.next();
  assert.deepEqual(received.request.query.statement, { statementId: "77", knownColumnsId: "5" });
  received.reply({ results: [{ columnsId: 5, statementId: 77 }] });
  assert.equal((await answer).results[0].columns[0].name, "a");

  answer = ask();
  (await fake.next()).reply({ error: { code: 9, outcome: 1, retryable: true } });
  received = await fake.next();
  assert.equal(sqlOf(received.request), "select a");
  received.reply({ results: [{ columns, statementId: 78, columnsId: 6 }] });
  await answer;
});

test("on a lease a statement always goes as text", async () => {
  const fake = await daemon();
  const sp = transport(fake);
  const first = sp.request(query("select a"), { text: "select a" });
  (await fake.next()).reply({ results: [{ columns: [{ name: "a" }], statementId: 77, columnsId: 5 }] });
  const { connection } = await first;
  const answer = sp.request(query("select a"), { text: "select a", connection });
  const { request, reply } = await fake.next();
  assert.deepEqual(request.query.statement, { sql: Buffer.from("select a"), knownColumnsId: "5" });
  reply({});
  await answer;
});

test("a message beyond the daemon's limit is refused before it is sent; others are not disturbed", async () => {
  const fake = await daemon(({ reply }) => reply({}));
  const sp = transport(fake);
  await sp.request({ ping: {} });
  const [large, small] = await Promise.allSettled([sp.request(query("x".repeat(2 << 20))), sp.request(query("y"))]);
  matches(large.reason, { code: "MESSAGE_TOO_LARGE", outcome: "not sent" });
  assert.equal(small.status, "fulfilled");
});

const MISBEHAVIOUR = {
  "a greeting of another protocol": { greeting: Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"), outcome: "not sent" },
  "an answer that is no protobuf": { answer: (id) => frame(id, Buffer.from("0aff", "hex")), outcome: "outcome unknown" },
  "bytes that are no frame": { answer: () => Buffer.from("garbage, and more of it"), outcome: "outcome unknown" },
};

for (const [what, { greeting, answer, outcome }] of Object.entries(MISBEHAVIOUR)) {
  test(`${what}: PROTOCOL_VIOLATION, ${outcome}`, async () => {
    const fake = await daemon(({ id, peer }) => peer.socket.write(answer(id)));
    if (greeting) fake.greeting = greeting;
    await fails(transport(fake).request(query("x")), { code: "PROTOCOL_VIOLATION", outcome });
  });
}

test("a daemon that refuses Hello: its reason reaches the caller", async () => {
  const fake = await daemon();
  fake.hello = { error: { code: 3, outcome: 1, message: "version 1 is not spoken here" } };
  await fails(transport(fake).request({ ping: {} }), { code: "UNSUPPORTED", outcome: "not sent", message: /not spoken/ });
});

test("an answer to nothing is not minded", async () => {
  const fake = await daemon(({ id, peer, reply }) => {
    peer.answer(0x80123456, { runUs: 3 });
    reply({ runUs: 4 });
    peer.answer(id, { runUs: 5 });
  });
  const sp = transport(fake);
  assert.equal((await sp.request({ ping: {} })).runUs, 4);
  assert.equal((await sp.request({ ping: {} })).runUs, 4);
});

test("more requests than the daemon reads at once wait here, in order, up to a limit", async () => {
  const fake = await daemon();
  const sp = transport(fake, { maxQueued: 1500 });
  const answers = Array.from({ length: 1501 }, (_, i) => sp.request(query(`${i}`)));
  await fails(answers.pop(), { code: "QUEUE_FULL", outcome: "not sent", retryable: true });
  const seen = [];
  while (seen.length < 1500) {
    const { request, reply } = await fake.next();
    assert.ok(fake.requests.length <= 1000);
    seen.push(Number(sqlOf(request)));
    reply({});
  }
  await Promise.all(answers);
  assert.deepEqual(seen, Array.from({ length: 1500 }, (_, i) => i));
});

test("close: what was sent is unknown, what was not is not sent, and nothing goes after it", async () => {
  const fake = await daemon();
  const sp = transport(fake);
  const sent = sp.request(query("a"));
  await fake.next();
  sp.close();
  await fails(sent, { code: "CLOSED", outcome: "outcome unknown" });
  await fails(sp.request(query("b")), { code: "CLOSED", outcome: "not sent" });
});

test("check() throws PostgreSQL's fields and the pool's state", () => {
  const pool = {
    pool: "main",
    inUse: 25,
    limit: 25,
    waiting: 3,
    waitedMs: 5000,
    holders: [{ application: "celery", pid: 812, heldMs: 93_000, state: "idle in transaction" }],
  };
  const base = { code: 21, outcome: 1, message: "no connection became free", sql: null, retryAfterMs: 40, retryable: true, remedy: "" };
  assert.throws(() => check({ error: { ...base, pool } }), (error) =>
    matches(error, {
      code: "ACQUIRE_TIMEOUT",
      outcome: "not sent",
      retryAfterMs: 40,
      message:
        "no connection became free (pool main 25/25 in use, waited 5.0 s; longest: celery[812] 93 s idle in transaction)",
    }),
  );
  const sql = { severity: "ERROR", sqlstate: "23505", message: "duplicate key", constraintName: "k", position: 0 };
  assert.throws(() => check({ error: { ...base, code: 40, outcome: 2, sql, pool: null } }), (error) =>
    matches(error, { name: "DatabaseError", sqlstate: "23505", constraint: "k", outcome: "failed", message: "duplicate key" }),
  );
});
