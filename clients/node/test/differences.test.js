// SPDX-License-Identifier: MIT
// Each point of NODE-POSTGRES.md's "Differences", by the words in which it begins.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { after, before, describe, test } from "node:test";
import { SidepoolError, connect } from "../src/index.js";
import pg, { Client, DatabaseError, Pool } from "../src/pg/index.js";
import { Daemon, Postgres, skip } from "./lib/servers.js";

const page = fs.readFileSync(new URL("../NODE-POSTGRES.md", import.meta.url), "utf8");
const points = page.split("## Differences\n")[1].split("\n## ")[0].split(/^- /m).slice(1).map((text) => text.replaceAll(/[*`]/g, ""));
const SLEEP = "select pg_sleep(1000)";

let postgres;
let daemon;
let db;

async function withClient(options, work) {
  const client = new Client({ ...options, sidepool: { socket: daemon.socket, ...options.sidepool } });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const session = (options, work) => withClient({ ...options, sidepool: { lease: "session" } }, work);
const one = async (client, text) => Object.values((await client.query(text)).rows[0])[0];

const POINTS = {
  "A client has no connection": () => withClient({ host: "no.such.host", port: 1, user: "nobody", password: "wrong", database: "none" }, async (client) => {
    assert.equal(client.processID, null);
    await client.query("begin");
    const pid = await one(client, "select pg_backend_pid()");
    assert.equal(client.processID, pid);
    await client.query("commit");
    assert.equal(client.processID, null);
  }),
  "What changes a session": async () => {
    const lasting = ["set timezone = 'UTC'", "create temp table mine (a int)", "prepare p as select 1", "select pg_advisory_lock(1)"];
    await withClient({}, async (client) => {
      for (const text of lasting) await assert.rejects(client.query(text), { code: "SESSION_REQUIRED" });
      await client.query("begin");
      for (const text of lasting) await client.query(text);
      await client.query("commit");
      await assert.rejects(client.query("select * from mine"), { code: "42P01" });
    });
    await session({}, async (client) => {
      for (const text of lasting) await client.query(text);
      await client.query("select * from mine");
    });
  },
  "A script of nothing but settings": () => withClient({}, async (client) => {
    await client.query("set client_min_messages = error; set standard_conforming_strings = on");
    await assert.rejects(client.query("set search_path = x; set timezone = 'UTC'"), { code: "SESSION_REQUIRED" });
    assert.equal((await client.query("set search_path = x; show search_path"))[1].rows[0].search_path, "x");
    assert.notEqual(await one(client, "show search_path"), "x");
  }),
  "DISCARD ALL": () => withClient({}, async (client) => {
    for (const text of ["discard all", "reset all", "reset role", "deallocate all", "close all"]) await client.query(text);
  }),
  "LISTEN outside": () => withClient({}, async (client) => {
    await client.query("listen a; listen b");
    const heard = once(client, "notification");
    await db.query("notify b, 'x'");
    assert.equal((await heard)[0].payload, "x");
    await assert.rejects(client.query("listen c; select 1"), { code: "SESSION_REQUIRED" });
  }),
  "BEGIN is kept": async () => {
    const held = await Promise.all([1, 2, 3].map(() => db.session()));
    await withClient({ statement_timeout: 200 }, async (client) => {
      await client.query("begin");
      await assert.rejects(client.query("select 1"), ({ code }) => ["57014", "ACQUIRE_TIMEOUT", "DEADLINE_UNREACHABLE"].includes(code));
    });
    for (const other of held) await other.close();
  },
  "A client that is released": async () => {
    const pool = new Pool({ max: 1, sidepool: { socket: daemon.socket } });
    const client = await pool.connect();
    await client.query("begin");
    await client.query("create table undone (a int)");
    client.release();
    await assert.rejects(pool.query("select * from undone"), { code: "42P01" });
    await pool.end();
  },
  statement_timeout: async () => {
    await withClient({ statement_timeout: 100, lock_timeout: 77 }, async (client) => {
      await assert.rejects(client.query(SLEEP), { code: "57014" });
    });
    await withClient({ lock_timeout: 77, options: "-c search_path=x" }, async (client) => {
      assert.deepEqual([await one(client, "show lock_timeout"), await one(client, "show search_path")], ["0", '"$user", public']);
    });
    await session({ statement_timeout: 60_000, lock_timeout: 77, options: "-c search_path=x" }, async (client) => {
      for (const [name, value] of [["statement_timeout", "1min"], ["lock_timeout", "77ms"], ["search_path", "x"]])
        assert.equal(await one(client, `show ${name}`), value);
    });
  },
  query_timeout: () => withClient({}, async (client) => {
    await assert.rejects(client.query({ text: SLEEP, query_timeout: 100 }), /Query read timeout/);
    assert.equal(await one(client, "select 1"), 1);
    while ((await db.query("select 1 from pg_stat_activity where state = 'active' and query = $1", [SLEEP])).rows.length > 0);
  }),
  application_name: () => session({ application_name: "ours" }, async (client) => {
    assert.equal(await one(client, "select application_name from pg_stat_activity where pid = pg_backend_pid()"), "sidepool:ours");
  }),
  "A parameter's type": () => session({}, async (client) => {
    await client.query("create table typed (a text)");
    const text = "insert into typed values ($1)";
    for (let i = 0; i < 10; i++) await client.query(text, ["1"]); // until it is prepared
    execFileSync("psql", ["-qc", "alter table typed alter a type int using a::int", postgres.url]); // another program's, which the daemon does not see
    await assert.rejects(client.query(text, ["2"]), { code: "42804" });
    await client.query("insert into typed values ($1 )", ["3"]);
    for (let i = 0; i < 10; i++) await client.query("select * from typed where a = $1", ["3"]);
    await client.query("alter table typed alter a type text");
    await client.query("insert into typed values ($1)", ["four"]);
    assert.equal((await client.query("select * from typed where a = $1", ["four"])).rowCount, 1);
  }),
  "Errors that are not PostgreSQL's": () => withClient({}, async (client) => {
    await assert.rejects(client.query("set a.b = 1"), (error) => error instanceof SidepoolError && error.code === "SESSION_REQUIRED");
    await assert.rejects(client.query("select 1/0"), (error) => error instanceof DatabaseError && error.code === "22012");
  }),
  "COPY goes by": () => withClient({}, async (client) => {
    await pipeline(Readable.from(["1\n", "2\n"]), client.copyFrom("copy difference from stdin"));
    assert.equal(Buffer.concat(await client.copyTo("copy (select * from difference order by a) to stdout").toArray()).toString(), "1\n2\n");
  }),
  "pipeline: true": () => withClient({ pipeline: true }, async (client) => {
    const order = [];
    await Promise.all([client.query("select pg_sleep(0.1)"), client.query("select 1")].map((asked, i) => asked.then(() => order.push(i))));
    assert.deepEqual(order, [0, 1]);
  }),
  "pg.native": async () => {
    assert.equal(pg.native, null);
    assert.equal(typeof new pg.Connection({}).stream.write, "undefined");
  },
};

test("each difference that is told is tested, and no other", () => {
  const names = Object.keys(POINTS);
  assert.deepEqual(points.filter((text) => !names.some((name) => text.startsWith(name))), []);
  assert.deepEqual(names.filter((name) => !points.some((text) => text.startsWith(name))), []);
});

describe("differences from node-postgres", { skip }, () => {
  before(async () => {
    postgres = await new Postgres().start();
    daemon = await new Daemon(postgres, { budget: 3 }).start();
    db = await connect(daemon.socket);
    await db.query("create table difference (a int)");
  });

  after(async () => {
    await db?.close();
    await daemon?.remove();
    await postgres?.stop();
  });

  for (const [name, run] of Object.entries(POINTS)) test(name, run);
});
