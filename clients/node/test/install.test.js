// SPDX-License-Identifier: MIT
// The packages as npm packs and installs them, in a program that asks for pg itself and by a library, as the README tells.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
const readme = fs.readFileSync(path.join(PACKAGE, "README.md"), "utf8");
const manifests = [...readme.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text]) => JSON.parse(text));
const QUIET = ["--offline", "--no-audit", "--no-fund", "--loglevel", "error"];

function run(command, args, cwd) {
  return new Promise((resolve) => {
    execFile(command, args, { cwd }, (error, stdout, stderr) => resolve({ status: error ? error.code : 0, output: stdout + stderr }));
  });
}

describe("installed from files", () => {
  let folder;

  const write = (name, text) => {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, typeof text === "string" ? text : JSON.stringify(text));
  };
  const npm = async (...args) => {
    const { status, output } = await run("npm", [...args, ...QUIET], folder);
    assert.equal(status, 0, output);
    return output;
  };
  const program = async (name, text) => {
    write(name, text);
    const { status, output } = await run(process.execPath, [name], folder);
    assert.equal(status, 0, output);
    return output;
  };

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "spi-"));
    await npm("pack", PACKAGE, path.join(PACKAGE, "sidepool-pg"));
    write("library/package.json", { name: "library", version: "1.0.0", dependencies: { pg: "^8.11.0" } });
    write("library/index.js", 'module.exports = require("pg");');
    await npm("pack", "./library");
  });

  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  test("the README's package.json gives the program and its library one pg", async () => {
    const told = manifests.find(({ dependencies }) => dependencies.pg.startsWith("file:"));
    write("package.json", { ...told, dependencies: { ...told.dependencies, library: "file:./library-1.0.0.tgz" } });
    await npm("install");
    const text = `
      const pg = require("pg");
      if (require("library") !== pg || require("sidepool/pg") !== pg) throw new Error("several");
      console.log(new pg.Pool().constructor.name, require("pg/package.json").name);`;
    assert.equal(await program("both.cjs", text), "BoundPool sidepool-pg\n");
    assert.equal(await program("both.mjs", 'import pg from "library"; import { Pool } from "sidepool/pg"; console.log(pg.Pool === Pool);'), "true\n");
    for (const name of ["sidepool", "sidepool/pg", "sidepool/prisma"]) {
      const names = `Object.keys(all).filter((name) => name !== "default" && name !== "module.exports").sort().join()`;
      const imported = await program("names.mjs", `import * as all from "${name}"; console.log(${names});`);
      assert.equal(await program("names.cjs", `const all = require("${name}"); console.log(${names});`), imported);
      assert.ok(imported.length > 10, imported);
    }
  });

  test("what is told for the registry differs in nothing but where the packages are", () => {
    const [registry, files] = manifests;
    assert.equal(registry.overrides.pg, files.overrides.pg);
    assert.match(registry.dependencies.pg, /^npm:sidepool-pg@8$/);
  });

  test("each package has its licence and what it imports", async () => {
    for (const name of ["sidepool", "pg"]) {
      const installed = path.join(folder, "node_modules", name);
      const licence = fs.readFileSync(path.join(installed, "LICENSE"), "utf8");
      assert.equal(licence, fs.readFileSync(path.join(PACKAGE, "..", "..", "LICENSE"), "utf8"));
    }
  });
});
