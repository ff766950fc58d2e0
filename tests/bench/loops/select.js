#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// One-row SELECTs, several at once: select.js KIND TARGET SECONDS ACCOUNTS CONCURRENT [CONNECTIONS]. KIND is sidepool, sidepool-pg
// (its surface of node-postgres), pg or pg-prepared; TARGET is the daemon's socket or a URL. Prints one line of JSON: how many a
// second, and a time in microseconds for each.

const [kind, target, seconds, accounts, concurrent, connections = concurrent] = process.argv.slice(2);
const text = "SELECT abalance FROM pgbench_accounts WHERE aid = $1";
const WARMUP_S = 1; // the compiler has come to rest by then

const kinds = {
  async sidepool() {
    const { connect } = await import("../../../clients/node/src/index.js");
    const db = await connect({ socket: target });
    return { ask: (aid) => db.query(text, [aid]), close: () => db.close() };
  },
  async "sidepool-pg"() {
    const { Pool } = await import("../../../clients/node/src/pg/index.js");
    return pooled(new Pool({ max: Number(connections), sidepool: { socket: target } }));
  },
  async pg() {
    return pooled(await nodePostgres());
  },
  async "pg-prepared"() {
    return pooled(await nodePostgres(), "select");
  },
};

async function nodePostgres() {
  const { default: pg } = await import("pg");
  return new pg.Pool({ connectionString: target, max: Number(connections) });
}

function pooled(pool, name) {
  return { ask: (aid) => pool.query({ name, text, values: [aid] }), close: () => pool.end() };
}

// Numbers by a generator of its own, so that each run asks for the same accounts.
function* chance(state = 1) {
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield 1 + Math.floor((state / 2 ** 32) * Number(accounts));
  }
}

async function run(ask, length) {
  const aids = chance();
  const times = [];
  const start = performance.now();
  const end = start + length * 1000;
  await Promise.all(
    Array.from({ length: Number(concurrent) }, async () => {
      for (let then = performance.now(); then < end; ) {
        const { rows } = await ask(aids.next().value);
        if (rows.length !== 1) throw new Error(`${rows.length} rows`);
        const now = performance.now();
        times.push(Math.round((now - then) * 1000));
        then = now;
      }
    }),
  );
  return { rate: (times.length * 1000) / (performance.now() - start), done: times.length, times_us: times };
}

const { ask, close } = await kinds[kind]();
await run(ask, WARMUP_S);
console.log(JSON.stringify(await run(ask, Number(seconds))));
await close();
