// SPDX-License-Identifier: MIT
// The suites that pg-pool, pg-cursor and pg-query-stream were published with, on sidepool/pg: on our Pool, Cursor and
// QueryStream, and those packages themselves on our Client. (pg itself is published without its tests: pg.test.js here.)
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Daemon, Postgres, skip } from "../test/lib/servers.js";
import * as exceptions from "./exceptions.js";
import { mocha } from "./lib/mocha.js";

const MODULES = fileURLToPath(new URL("../node_modules/", import.meta.url));

const SUITES = [
  { name: "pg-pool", package: "node-postgres-pool", subject: "Pool", except: exceptions.POOL },
  { name: "pg-cursor", package: "node-postgres-cursor", subject: "Cursor" },
  { name: "pg-cursor", package: "node-postgres-cursor", subject: "Cursor", lease: "transaction", except: exceptions.CURSOR_WITHOUT_SESSION },
  { name: "pg-cursor, itself", package: "node-postgres-cursor" },
  ...["session", "transaction"].map((lease) => ({
    name: "pg-query-stream", package: "node-postgres-query-stream", subject: "QueryStream", lease,
    except: exceptions.QUERY_STREAM, files: exceptions.QUERY_STREAM_FILES,
  })),
  {
    name: "pg-query-stream, itself", package: "node-postgres-query-stream", except: exceptions.QUERY_STREAM,
    files: exceptions.QUERY_STREAM_FILES,
  },
];

/** Files among the tests that have no cases. */
const HELPERS = new Set(["helper.js", "idle-timeout-exit.js", "setup.js", "timeout.js"]);

function filesOf(folder) {
  return fs.readdirSync(path.join(folder, "test")).filter((name) => name.endsWith(".js") && !HELPERS.has(name));
}

describe("node-postgres's suites", { skip, concurrency: 1 }, () => {
  let postgres;
  let daemon;

  before(async () => {
    postgres = await new Postgres().start();
    daemon = await new Daemon(postgres, { budget: 20 }).start();
  });

  after(async () => {
    await daemon?.remove();
    await postgres?.stop();
  });

  for (const { name, package: folderName, subject, lease = "session", except = {}, files = {} } of SUITES) {
    const folder = path.join(MODULES, folderName);
    describe(`${name}, lease ${lease}`, { concurrency: 1 }, () => {
      for (const file of filesOf(folder)) {
        test(file, { skip: files[file] }, async (t) => {
          const env = { SIDEPOOL_SOCKET: daemon.socket, SIDEPOOL_LEASE: lease, PGUSER: "postgres", PGDATABASE: "postgres" };
          if (subject) env.SUITE_SUBJECT = subject;
          const cases = await mocha(path.join(folder, "test", file), { folder, env, except: Object.keys(except) });
          assert.ok(cases.length > 0);
          for (const { title, state, error } of cases)
            await t.test(title, { skip: state === "pending" && "not run by its own authors" }, () => assert.notEqual(state, "failed", error));
        });
      }
      for (const [title, reason] of Object.entries(except)) test(title, { skip: reason }, () => {});
      if (Object.keys(except).length === 0) return;
      test("every exception is of a case that there is", async () => {
        const there = filesOf(folder).filter((file) => !files[file]).map((file) => path.join(folder, "test", file));
        const all = await Promise.all(there.map((file) => mocha(file, { folder, dry: true })));
        const titles = new Set(all.flat().map(({ title }) => title));
        assert.deepEqual(Object.keys(except).filter((title) => !titles.has(title)), []);
      });
    });
  }
});
