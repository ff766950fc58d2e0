// SPDX-License-Identifier: MIT
// Every program in examples/, and every example in the README, run as a user would run it.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { generateClient } from "./lib/prisma-client.js";
import { ProgramFolder } from "./lib/program-folder.js";
import { Daemon, Postgres, skip } from "./lib/servers.js";

const read = (name) => fs.readFileSync(new URL(`../${name}`, import.meta.url), "utf8");
const examples = fs.readdirSync(new URL("../examples", import.meta.url)).filter((name) => name.endsWith(".mjs"));

/** The blocks of code of the README that are marked as programs of their own. */
function readmeBlocks() {
  return [...read("README.md").matchAll(/```(js|cjs)\n([\s\S]*?)```/g)].map(([, kind, text], i) => ({
    name: `readme-${i + 1}.${kind === "js" ? "mjs" : "cjs"}`,
    text,
  }));
}

describe("examples", { skip }, () => {
  let postgres;
  let daemon;
  let folder;

  before(async () => {
    postgres = await new Postgres().start();
    daemon = await new Daemon(postgres, { budget: 5 }).start();
    folder = new ProgramFolder();
  });

  after(async () => {
    folder?.remove();
    await daemon?.remove();
    await postgres?.stop();
  });

  async function run(name, text) {
    const { status, output } = await folder.run(folder.add(name, text), { SIDEPOOL_SOCKET: daemon.socket });
    assert.equal(status, 0, output);
    return output;
  }

  // The first: Prisma begins in a schema that is empty.
  test("prisma", async () => {
    const program = folder.addFolder("prisma", fileURLToPath(new URL("../examples/prisma", import.meta.url)));
    fs.writeFileSync(`${program}/package.json`, '{ "type": "module" }');
    await generateClient(program);
    const steps = [
      ["migrate.mjs", /^migrated: 20260101000000_library\n$/],
      ["migrate.mjs", /^migrated: nothing\n$/],
      ["main.mjs", /^prisma: .+\n$/],
    ];
    for (const [name, wanted] of steps) {
      const { status, output } = await folder.run(name, { SIDEPOOL_SOCKET: daemon.socket }, program);
      assert.equal(status, 0, output);
      assert.match(output, wanted);
    }
  });

  for (const name of examples) {
    test(name, async () => {
      assert.match(await run(name, read(`examples/${name}`)), /^[a-z-]+: .+\n$/);
    });
  }

  for (const { name, text } of readmeBlocks()) test(name, () => run(name, text));
});
