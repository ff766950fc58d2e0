// SPDX-License-Identifier: MIT
// The conformance driver of the package for Node, as its users use it.
import readline from "node:readline";
import { SidepoolError, open } from "../../../clients/node/src/index.js";

const FEATURES = [
  "sessions", "many", "batch", "batch_apart", "streams", "copy", "later", "commit_with_last", "statement_ids", "known_columns",
  "next_daemon", "submit",
];
const held = new Map(); // name: { scope, end() }
const started = new Map(); // id: { promise, abort }
let db;

function told(error) {
  if (!(error instanceof SidepoolError)) throw error;
  const { code, outcome, retryable, retryAfterMs, sqlstate, detail, hint, constraint, table, position, statementIndex } = error;
  const named = { retry_after_ms: retryAfterMs, statement_index: statementIndex };
  return { code, outcome, retryable, sqlstate, detail, hint, constraint, table, position, ...named };
}

function resultOf(result) {
  if (result.error) return { error: told(result.error) };
  const columns = result.columns.map((column) => column.name);
  const rows = result.rows.map((row) => (Array.isArray(row) ? row : columns.map((name) => row[name])));
  return { rows, columns, tag: result.tag, affected: result.rowCount ?? 0 };
}

const scopeOf = (step) => (step.on ? held.get(step.on).scope : db);

/** A transaction of the package ends when its function does: it is kept waiting until the case ends it. */
function begin() {
  return new Promise((resolve) => {
    let over;
    const ended = new Promise((r) => (over = r));
    const done = db.transaction((tx) => {
      resolve({ scope: tx, end: () => (over(), done) });
      return ended;
    });
  });
}

const operations = {
  hello: () => ({ client: "sidepool for Node", features: FEATURES }),

  async connect({ socket, deadline_ms: deadlineMs, grace_ms: graceMs, reconnect_wait_ms: reconnectWaitMs }) {
    db = open(Object.fromEntries(Object.entries({ socket, deadlineMs, graceMs, reconnectWaitMs }).filter(([, v]) => v)));
    await db.connect();
    return {};
  },

  async close() {
    await db.close();
    return {};
  },

  async query(step) {
    const abort = step.later && new AbortController();
    const options = { rowMode: "array", commit: step.commit };
    if (step.deadline_ms) options.deadlineMs = step.deadline_ms;
    if (abort) options.signal = abort.signal;
    const promise = scopeOf(step).query(step.sql, step.values ?? [], options).then(resultOf);
    if (!abort) return promise;
    promise.catch(() => {}); // told by wait
    started.set(step.id, { promise, abort });
    return {};
  },

  wait: ({ target }) => started.get(target).promise,

  cancel({ target }) {
    started.get(target).abort.abort();
    return {};
  },

  async begin(step) {
    held.set(step.as, await begin());
    return {};
  },

  async commit({ on }) {
    const { scope, end } = held.get(on);
    await scope.commit();
    await end();
    return {};
  },

  async rollback({ on }) {
    const { scope, end } = held.get(on);
    await scope.rollback();
    await end();
    return {};
  },

  async session(step) {
    held.set(step.as, { scope: await db.session() });
    return {};
  },

  async release({ on }) {
    await held.get(on).scope.close();
    return {};
  },

  async many(step) {
    return { affected: (await scopeOf(step).executeMany(step.sql, step.sets)).rowCount };
  },

  async batch(step) {
    const statements = step.statements.map(({ sql, values = [] }) => ({ text: sql, values }));
    return { results: (await scopeOf(step).batch(statements, { atomic: step.atomic, rowMode: "array" })).map(resultOf) };
  },

  async submit(step) {
    const statements = step.statements.map(({ sql, values = [] }) => ({ text: sql, values }));
    const { id, journaled } = await db.submit(statements, { key: step.key, tryMs: step.try_ms });
    return { submission_id: Number(id), journaled };
  },

  async stream({ sql, chunk_bytes: chunkBytes, take }) {
    const rows = [];
    for await (const row of db.stream(sql, [], { chunkBytes, rowMode: "array" })) if (rows.push(row) === take) break;
    return { count: rows.length, first: rows.slice(0, 1), last: rows.slice(-1) };
  },

  async copy_in(step) {
    async function* pieces() {
      yield* step.pieces;
      if (step.fail) throw new SidepoolError("CANCELLED", step.fail);
    }
    return { affected: (await scopeOf(step).copyFrom(step.sql, pieces())).rowCount };
  },

  async copy_out(step) {
    const data = [];
    for await (const piece of scopeOf(step).copyTo(step.sql)) data.push(piece);
    return { data: Buffer.concat(data).toString() };
  },
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const step = JSON.parse(line);
  let answer;
  try {
    answer = { ok: await operations[step.op](step) };
  } catch (error) {
    answer = { error: told(error) };
  }
  process.stdout.write(`${JSON.stringify({ id: step.id, ...answer })}\n`);
}
db?.destroy();
