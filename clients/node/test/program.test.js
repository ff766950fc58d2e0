// SPDX-License-Identifier: MIT
// Programs of several threads and processes, what `await using` leaves behind, and node-postgres's pool across a restart.
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import fs from "node:fs";
import { after, before, describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { connect } from "../src/index.js";
import { Client, Pool } from "../src/pg/index.js";
import { ProgramFolder } from "./lib/program-folder.js";
import { Daemon, Postgres, skip } from "./lib/servers.js";

const INDEX = new URL("../src/index.js", import.meta.url).href;

describe("programs", { skip }, () => {
  let postgres;
  let daemon;
  let db;
  let folder;

  const count = async () => (await db.query("select count(*)::int as n from program")).rows[0].n;
  const config = { sidepool: { get socket() { return daemon.socket; } } };

  before(async () => {
    postgres = await new Postgres().start();
    daemon = await new Daemon(postgres, { budget: 5 }).start();
    db = await connect(daemon.socket);
    await db.query("create table program (who int)");
    folder = new ProgramFolder();
  });

  after(async () => {
    folder?.remove();
    await db?.close();
    await daemon?.remove();
    await postgres?.stop();
  });

  test("each thread has a connection to the daemon of its own", async () => {
    const program = `
      import { workerData } from "node:worker_threads";
      import { connect } from ${JSON.stringify(INDEX)};
      const db = await connect(workerData.socket);
      await Promise.all(Array.from({ length: 20 }, () => db.transaction((tx) => tx.query("insert into program values ($1)", [workerData.who]))));
      await db.close();`;
    const file = folder.add("thread.mjs", program);
    const start = await count();
    const ended = Array.from({ length: 6 }, (_, who) => {
      const worker = new Worker(file, { workerData: { socket: daemon.socket, who } });
      return new Promise((resolve, reject) => worker.on("error", reject).on("exit", resolve));
    });
    assert.deepEqual(await Promise.all(ended), [0, 0, 0, 0, 0, 0]);
    assert.equal(await count(), start + 120);
    assert.throws(() => structuredClone(db)); // a handle goes to no other thread
  });

  test("a child process that is forked opens its own by itself", async () => {
    const program = `
      import { open } from ${JSON.stringify(INDEX)};
      const db = open(); // before the fork too: it connects with its first request
      await db.query("insert into program values ($1)", [process.pid]);
      await db.close();
      process.disconnect();`;
    const file = folder.add("child.mjs", program);
    const env = { ...process.env, SIDEPOOL_SOCKET: daemon.socket };
    const children = [1, 2, 3].map(() => fork(file, { env }));
    const ended = await Promise.all(children.map((child) => new Promise((resolve, reject) => child.on("error", reject).on("exit", resolve))));
    assert.deepEqual(ended, [0, 0, 0]);
    const { rows } = await db.query("select who from program where who = any ($1)", [children.map((child) => child.pid)]);
    assert.equal(rows.length, 3);
  });

  test("so does each worker of a cluster, of a handle that its primary has used", async () => {
    const file = folder.add("cluster.mjs", `
      import cluster from "node:cluster";
      import { Pool } from "sidepool/pg";
      const pool = new Pool();
      const { pid } = (await pool.query("insert into program values ($1) returning who as pid", [process.pid])).rows[0];
      if (cluster.isPrimary) {
        const ended = [1, 2, 3].map(() => new Promise((resolve) => cluster.fork().on("exit", resolve)));
        console.log((await Promise.all(ended)).join(" "));
      }
      await pool.end();
      if (cluster.isWorker) cluster.worker.disconnect();`);
    const start = await count();
    const { status, output } = await folder.run(file, { SIDEPOOL_SOCKET: daemon.socket });
    assert.deepEqual([status, output], [0, "0 0 0\n"]);
    assert.equal(await count(), start + 4);
  });

  test("a program may lie anywhere", async () => {
    const deep = `${"ü".repeat(100)}/`.repeat(3); // in bytes longer than a call site may be, in characters not
    fs.mkdirSync(`${folder.path}/${deep}`, { recursive: true });
    const file = folder.add(`${deep}deep.mjs`, `
      import { connect } from ${JSON.stringify(INDEX)};
      const db = await connect();
      await db.session(async (session) => {
        await session.query("select 1");
        const { leases } = await db.status();
        console.log(leases[0].callSite.replace(/^ü*/, ""), Buffer.byteLength(leases[0].callSite) <= 255);
      });
      await db.close();`);
    const { status, output } = await folder.run(file, { SIDEPOOL_SOCKET: daemon.socket });
    assert.deepEqual([status, output], [0, `/${"ü".repeat(100)}/deep.mjs:4 true\n`]);
  });

  test("what is disposed of leaves nothing behind", async () => {
    const mine = await connect(daemon.socket);
    const session = await mine.session();
    const listener = mine.listen("x");
    const client = new Client({ sidepool: { socket: daemon.socket, lease: "session" } });
    const pool = new Pool(config);
    await Promise.all([listener.ready, client.connect(), pool.query("select 1")]);
    assert.equal((await db.status()).leases.length, 2);
    for (const one of [session, listener, client, pool, mine]) await one[Symbol.asyncDispose]();
    for (;;) {
      const { leases, clients } = await db.status();
      if (leases.length === 0 && clients === 1) break;
    }
    await assert.rejects(mine.query("select 1"), { code: "CLOSED", outcome: "not sent" });
  });

  test("a program ends by itself when nothing is left to do", async () => {
    const file = folder.add("end.mjs", `
      import { connect } from "sidepool";
      import { Pool } from "sidepool/pg";
      const db = await connect();
      await db.query("select 1"); // neither closed
      const pool = new Pool({ allowExitOnIdle: true });
      await pool.query("select 1");
      process.on("exit", () => console.log("end"));`);
    const { status, output } = await folder.run(file, { SIDEPOOL_SOCKET: daemon.socket });
    assert.deepEqual([status, output], [0, "end\n"]);
  });

  test("node-postgres's pool outlives the daemon: what was not sent waits, what was lost says so", async () => {
    const pool = new Pool(config);
    pool.on("error", () => {});
    await pool.query("select 1");
    const client = await pool.connect();
    await client.query("begin");
    await client.query("insert into program values (-1)");
    await daemon.stop("SIGKILL"); // or it would wait for the transaction's end
    const waiting = Array.from({ length: 20 }, () => pool.query("insert into program values (-2)"));
    await daemon.start();
    await Promise.all(waiting);
    await assert.rejects(client.query("insert into program values (-1)"));
    await assert.rejects(client.query("commit"), { code: "LEASE_LOST", outcome: "not sent" });
    client.release();
    assert.deepEqual((await pool.query("select who, count(*)::int as n from program where who < 0 group by who")).rows, [{ who: -2, n: 20 }]);
    await pool.end();
  });

  test("killed in mid-statement: node-postgres's client hears that the outcome is unknown", async () => {
    const pool = new Pool(config);
    pool.on("error", () => {});
    const lost = assert.rejects(pool.query("select pg_sleep(1000)"), { code: "DAEMON_LOST", outcome: "outcome unknown" });
    while ((await db.query("select 1 from pg_stat_activity where state = 'active' and query like 'select pg_sleep%'")).rows.length === 0);
    await daemon.stop("SIGKILL");
    await lost;
    fs.rmSync(daemon.socket, { force: true });
    await daemon.start();
    assert.deepEqual((await pool.query("select 1 as a")).rows, [{ a: 1 }]);
    await pool.end();
  });
});
