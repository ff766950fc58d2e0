// SPDX-License-Identifier: MIT
// node-postgres's own tests, where there is a checkout of its repository with its packages installed: $NODE_POSTGRES. pg is
// published without them.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Daemon, Postgres, skip } from "../test/lib/servers.js";
import { PG_CASES, PG_FILES, PG_WITHOUT_SESSION } from "./exceptions.js";
import { runReplaced } from "./lib/mocha.js";

const FOLDER = path.join(process.env.NODE_POSTGRES ?? "", "packages", "pg");
const SUITE_CASES = fileURLToPath(new URL("lib/suite-cases.cjs", import.meta.url));
const missing = process.env.NODE_POSTGRES ? skip : "$NODE_POSTGRES is not set to a checkout of node-postgres";

/** Files below test/, without their ending. */
function filesOf(kind) {
  const names = fs.readdirSync(path.join(FOLDER, "test", kind), { recursive: true });
  return names.filter((name) => name.endsWith("-tests.js")).map((name) => path.join(kind, name.slice(0, -"-tests.js".length))).sort();
}

describe("node-postgres's tests", { skip: missing, concurrency: 1 }, () => {
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

  async function run(file, lease) {
    const env = {
      SIDEPOOL_SOCKET: daemon.socket, SIDEPOOL_LEASE: lease, PGUSER: "postgres", PGDATABASE: "postgres", SUITE_SUBJECT: "pg",
      SUITE_EXCEPT: JSON.stringify(Object.keys(PG_CASES[file] ?? {})),
    };
    const program = path.join(FOLDER, "test", `${file}-tests.js`);
    return runReplaced(["--require", SUITE_CASES, program], { env, folder: FOLDER });
  }

  for (const lease of ["session", "transaction"]) {
    const except = lease === "session" ? PG_FILES : { ...PG_FILES, ...PG_WITHOUT_SESSION };
    describe(`lease ${lease}`, { concurrency: 1 }, () => {
      for (const file of missing ? [] : [...(lease === "session" ? filesOf("unit") : []), ...filesOf("integration")]) {
        test(file, { skip: except[file] }, async (t) => {
          const { status, output } = await run(file, lease);
          assert.equal(status, 0, output);
          for (const [, text] of output.matchAll(/^#case (.*)$/gm)) {
            const { name, left } = JSON.parse(text);
            await t.test(name, { skip: left && PG_CASES[file][name] }, () => {});
          }
        });
      }
    });
  }

  test("every exception is of a file that there is", () => {
    const there = new Set([...filesOf("unit"), ...filesOf("integration")]);
    const named = Object.keys({ ...PG_FILES, ...PG_CASES, ...PG_WITHOUT_SESSION });
    assert.deepEqual(named.filter((file) => !there.has(file)), []);
  });
});
