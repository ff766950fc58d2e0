// SPDX-License-Identifier: MIT
// Every program in examples/, and every example in the README, run as a user would run it.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, test } from "node:test";
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

  for (const name of examples) {
    test(name, async () => {
      assert.match(await run(name, read(`examples/${name}`)), /^[a-z-]+: .+\n$/);
    });
  }

  for (const { name, text } of readmeBlocks()) test(name, () => run(name, text));
});
