// SPDX-License-Identifier: MIT
// The ledger's client in Node: many lanes on one handle, and some on sidepool/pg.
//
//     worker.mjs SOCKET NAME SEED
//
// Standard output is its log, a line for each event, written at once (audit.py has the format).
import { writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { open } from "../../clients/node/src/index.js";
import { Pool } from "../../clients/node/src/pg/index.js";

const ACCOUNTS = 40;
const LANES = 6;
const PG_LANES = 2;
const OUTCOMES = { "not sent": "N", failed: "F", "outcome unknown": "U" };
const UPDATE = "update account set balance = balance + $1::bigint where id = $2::int";
const ENTRIES = "insert into entry values ($1, $2::int, $3::bigint), ($1, $4::int, $5::bigint)";
const TRANSFER =
  "with moved as (update account set balance = balance + case id when $2::int then -$4::bigint" +
  " else $4::bigint end where id in ($2::int, $3::int) returning id)" +
  " insert into entry select $1::text, id, case id when $2::int then -$4::bigint else $4::bigint end from moved";

const [path, name, seed] = process.argv.slice(2);
let over = false;
process.on("SIGTERM", () => (over = true));

function say(kind, ...words) {
  const line = Buffer.from([kind, (Number(process.hrtime.bigint()) / 1e9).toFixed(3), ...words].join("\t") + "\n");
  for (let at = 0; at < line.length; ) {
    try {
      at += writeSync(1, line, at);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

function hash(text) {
  let h = 2166136261;
  for (const c of text) h = Math.imul(h ^ c.charCodeAt(0), 16777619);
  return h >>> 0;
}

/** What one lane does: the choice, and the words for the log. */
class Lane {
  constructor(name) {
    this.name = name;
    this.state = hash(`${seed} ${name}`);
    this.count = 0;
  }

  /** mulberry32: [0, 1) */
  random() {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  below(n) {
    return Math.floor(this.random() * n);
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  transfer(how) {
    const a = this.below(ACCOUNTS);
    const b = (a + 1 + this.below(ACCOUNTS - 1)) % ACCOUNTS;
    const t = { key: `${this.name}.${this.count++}`, a, b, n: 1 + this.below(100) };
    say("I", t.key, how, a, b, t.n);
    return t;
  }

  options() {
    return { deadlineMs: this.pick([20, 200, 1000, 3000, 10_000, 10_000, 10_000]) };
  }

  /** What became of it. An error before COMMIT was asked for means absence, whatever it was. */
  tell(key, error, commit = true) {
    if (!error) say("S", key, "");
    else if (!commit) say("F", key, why(error));
    else if (OUTCOMES[error.outcome]) say(OUTCOMES[error.outcome], key, why(error));
    else throw error;
  }
}

const why = (error) => `${error.code ?? error.name} ${error.sqlstate ?? ""}`.trim();
const values = (t) => [t.key, t.a, t.b, t.n];
const steps = (t) => [
  [UPDATE, [-t.n, t.a]],
  [UPDATE, [t.n, t.b]],
  [ENTRIES, [t.key, t.a, -t.n, t.b, t.n]],
];

/** Runs work(), tells what became of the transfers, and returns the error. */
async function attempt(lane, transfers, work) {
  let error = null;
  await work().catch((e) => (error = e));
  for (const t of transfers) lane.tell(t.key, error);
  return error;
}

const plain = (db, lane) => {
  const t = lane.transfer("plain");
  return attempt(lane, [t], () => db.query(TRANSFER, values(t), lane.options()));
};

const keyed = (db, lane) => {
  const t = lane.transfer("keyed");
  return attempt(lane, [t], () => db.query(TRANSFER, values(t), { ...lane.options(), idempotencyKey: t.key }));
};

/** On disk it will be run exactly once; in memory it is lost with the daemon. */
async function submitted(db, lane) {
  const t = lane.transfer("submitted");
  const queries = lane.below(2) ? steps(t).map(([text, list]) => ({ text, values: list })) : { text: TRANSFER, values: values(t) };
  try {
    const { journaled } = await db.submit(queries, { ...lane.options(), key: lane.pick(["", "a", "b"]) });
    if (journaled) say("S", t.key, "");
    else say("U", t.key, "accepted, in memory");
    return null;
  } catch (error) {
    lane.tell(t.key, error);
    return error;
  }
}

const several = (lane, how) => Array.from({ length: 2 + lane.below(4) }, () => lane.transfer(how));

const atomic = (db, lane) => {
  const ts = several(lane, "batch");
  return attempt(lane, ts, () => db.batch(ts.map((t) => ({ text: TRANSFER, values: values(t) })), lane.options()));
};

const many = (db, lane) => {
  const ts = several(lane, "many");
  return attempt(lane, ts, () => db.executeMany(TRANSFER, ts.map(values), lane.options()));
};

/** Each for itself: each result says what became of its statement. */
async function single(db, lane) {
  const ts = several(lane, "batch, each for itself");
  let error = null;
  const queries = ts.map((t) => ({ text: TRANSFER, values: values(t) }));
  const results = await db.batch(queries, { ...lane.options(), atomic: false }).catch((e) => ((error = e), null));
  ts.forEach((t, i) => lane.tell(t.key, error ?? results[i].error));
  return error;
}

/** COMMIT is asked for with the last statement, or after it. */
async function transaction(db, lane) {
  const t = lane.transfer("lease");
  const way = lane.below(3);
  let committing = false;
  let error = null;
  const work = async (tx) => {
    const [first, second, last] = steps(t);
    await tx.query(...first);
    await tx.query(...second);
    committing = true;
    if (way === 0) return tx.query(...last);
    if (way === 1) return void (await tx.query(...last, { commit: true }));
    committing = false;
    await tx.query(...last);
    committing = true;
  };
  await db.transaction(work, lane.options()).catch((e) => (error = e));
  lane.tell(t.key, error, committing);
  return error;
}

async function copy(db, lane) {
  const t = lane.transfer("lease, COPY");
  let committing = false;
  let error = null;
  const work = async (tx) => {
    for (const [text, list] of steps(t).slice(0, 2)) await tx.query(text, list);
    await tx.copyFrom("copy entry from stdin", [`${t.key}\t${t.a}\t${-t.n}\n${t.key}\t`, `${t.b}\t${t.n}\n`]);
    committing = true;
  };
  await db.transaction(work, lane.options()).catch((e) => (error = e));
  lane.tell(t.key, error, committing);
  return error;
}

async function rollback(db, lane) {
  const t = lane.transfer("rollback");
  const mind = new Error("changed my mind");
  let error = null;
  const work = async (tx) => {
    for (const [text, list] of steps(t)) await tx.query(text, list);
    throw mind;
  };
  await db.transaction(work, lane.options()).catch((e) => (error = e));
  say("F", t.key, "rolled back");
  return error === mind ? null : error;
}

const aborted = (db, lane) => {
  const t = lane.transfer("aborted");
  const signal = AbortSignal.timeout(lane.below(20));
  return attempt(lane, [t], () => db.query(TRANSFER, values(t), { ...lane.options(), signal }));
};

/** What is asked for is what comes, in one answer or many. */
async function echo(db, lane) {
  const token = `${lane.name}-${lane.random()}`;
  const rows = lane.pick([1, 1, 5000]);
  const text = "select $1::text || g as token, repeat('x', 80) as x from generate_series(1, $2::int) g";
  let seen = 0;
  try {
    for await (const row of db.stream(text, [token, rows], lane.options())) {
      if (row.token !== `${token}${++seen}`) say("V", `asked for ${token}${seen} and got ${row.token}`);
    }
  } catch (error) {
    return error;
  }
  if (seen !== rows) say("V", `asked for ${rows} rows and got ${seen}`);
  say("E");
  return null;
}

async function read(db, lane) {
  try {
    const { rows } = await db.query("select sum(balance)::text as sum from account", [], lane.options());
    if (rows[0].sum !== "0") say("V", `the balances sum up to ${rows[0].sum}`);
    say("E");
    return null;
  } catch (error) {
    return error;
  }
}

/** A program that was written for node-postgres. */
async function classic(pool, lane) {
  const t = lane.transfer("node-postgres");
  const client = await pool.connect();
  let committing = false;
  let error = null;
  try {
    await client.query("BEGIN");
    for (const [text, list] of steps(t)) await client.query(text, list);
    committing = true;
    const { command } = await client.query("COMMIT");
    if (command !== "COMMIT") throw Object.assign(new Error(command), { outcome: "failed" });
  } catch (e) {
    error = e;
    if (!committing) await client.query("ROLLBACK").catch(() => {});
  }
  client.release(error ?? undefined);
  lane.tell(t.key, error, committing);
  return error;
}

async function run(handle, lane, ways) {
  while (!over) {
    const error = await lane.pick(ways)(handle, lane);
    const wait = error ? Math.min(Math.max(error.retryAfterMs ?? 0, 20), 300) : 0;
    await sleep(lane.random() * 40 + wait);
  }
}

const db = open({ socket: path, application: "ledger-node" });
const pool = new Pool({ max: PG_LANES, sidepool: { socket: path }, application_name: "ledger-pg" });
pool.on("error", () => {}); // a client that idles and loses its connection: the next one comes anew
const ways = [
  plain, plain, plain, submitted, submitted, keyed, atomic, many, single, transaction, transaction, copy, rollback, aborted, echo, read,
];
const lanes = [
  ...Array.from({ length: LANES }, (_, i) => run(db, new Lane(`${name}.n${i}`), ways)),
  ...Array.from({ length: PG_LANES }, (_, i) => run(pool, new Lane(`${name}.p${i}`), [classic])),
];
try {
  await Promise.all(lanes);
  db.destroy();
  await pool.end();
  say("B");
  process.exit(0);
} catch (error) {
  say("V", `the client raised ${error.stack ?? error}`.replace(/[\n\t]+/g, " "));
  process.exit(1);
}
