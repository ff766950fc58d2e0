// SPDX-License-Identifier: MIT
// The package as npm would publish it: its types, its exports, what it depends on.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import * as exceptions from "../suites/exceptions.js";
import { ProgramFolder } from "./lib/program-folder.js";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
const manifest = JSON.parse(fs.readFileSync(path.join(PACKAGE, "package.json"), "utf8"));

/** Runs a tool that is installed for the tests. */
function tool(name, args, cwd = PACKAGE) {
  const script = fs.realpathSync(path.join(PACKAGE, "node_modules", ".bin", name));
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...args], { cwd }, (error, stdout, stderr) => resolve({ error, output: stdout + stderr }));
  });
}

test("nothing is installed with it and nothing runs when it is", () => {
  for (const key of ["dependencies", "optionalDependencies", "peerDependencies", "bundledDependencies"]) assert.equal(manifest[key], undefined);
  for (const script of Object.keys(manifest.scripts)) assert.doesNotMatch(script, /^(pre|post)?(install|prepare)/);
});

test("what the README links to comes with the package", () => {
  const readme = fs.readFileSync(path.join(PACKAGE, "README.md"), "utf8");
  const links = [...readme.matchAll(/\]\(([^):]+)\)/g)].map(([, to]) => to);
  assert.ok(links.length >= 3);
  for (const to of links) {
    assert.ok(fs.existsSync(path.join(PACKAGE, to)), to);
    assert.ok(manifest.files.includes(to.split("/")[0]), `${to} is not in "files"`);
  }
});

test("the README names sidepool-pg's file as npm pack does", () => {
  const { version } = JSON.parse(fs.readFileSync(path.join(PACKAGE, "sidepool-pg", "package.json"), "utf8"));
  assert.ok(fs.readFileSync(path.join(PACKAGE, "README.md"), "utf8").includes(`sidepool-pg-${version}.tgz`));
});

test("the sources import nothing but Node and themselves", () => {
  for (const name of fs.readdirSync(path.join(PACKAGE, "src"), { recursive: true })) {
    if (!name.endsWith(".js")) continue;
    const text = fs.readFileSync(path.join(PACKAGE, "src", name), "utf8");
    for (const [, from] of text.matchAll(/^(?:(?:import|export) [^;"]*from |import )"([^"]+)"/gm)) assert.match(from, /^(node:|\.)/, `${name}: ${from}`);
  }
});

test("NODE-POSTGRES.md names each file of node-postgres's that is not run, and the reasons", () => {
  const page = fs.readFileSync(path.join(PACKAGE, "NODE-POSTGRES.md"), "utf8").replace(/\s+/g, " ");
  const { PG_FILES, PG_CASES, PG_WITHOUT_SESSION } = exceptions;
  for (const [file, reason] of Object.entries(PG_FILES)) {
    const row = page.split("| |").find((text) => text.includes(`\`${file.replace(/^(integration|unit)\//, "")}\``) && text.includes(reason));
    assert.ok(row, `${file}: ${reason}`);
  }
  for (const [file, cases] of Object.entries(PG_CASES)) {
    assert.match(page, new RegExp(`\`${file.replace(/^integration\//, "")}\``));
    for (const reason of Object.values(cases)) assert.ok(page.includes(reason), reason);
  }
  for (const file of Object.keys(PG_WITHOUT_SESSION)) assert.match(page, new RegExp(`[\`/]${file.split("/").pop()}\``));
});

test("the version is the one that the client tells", async () => {
  const { version } = await import("../src/index.js");
  assert.equal(version, manifest.version);
});

test("the types compile, strictly, and @types/pg's can be had from them", async () => {
  const { error, output } = await tool("tsc", ["-p", "test/types"]);
  assert.equal(error, null, output);
});

/** What modules of types export: [[{ name, isValue }]] */
function exportsOf(...names) {
  const files = names.map((name) => path.join(PACKAGE, name));
  const program = ts.createProgram(files, { module: ts.ModuleKind.NodeNext, types: ["node"], noLib: true });
  const checker = program.getTypeChecker();
  return files.map((file) => {
    const symbols = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)));
    return symbols.map((symbol) => ({ name: symbol.name, isValue: (symbol.flags & ts.SymbolFlags.Value) !== 0 }));
  });
}

test("every name of @types/pg is one of ours", () => {
  const [theirs, ours] = exportsOf("node_modules/@types/pg/index.d.ts", "types/pg.d.cts").map((all) => all.map(({ name }) => name));
  assert.ok(theirs.length > 30, theirs.join());
  assert.deepEqual(theirs.filter((name) => !ours.includes(name)), []);
});

test("the types promise what there is", async () => {
  const modules = { index: "index.js", pg: "pg/index.js", prisma: "prisma/index.js" };
  const typesAlone = new Set(["ClientBase"]); // a class in @types/pg, and nowhere in pg
  for (const [name, file] of Object.entries(modules)) {
    const [told] = exportsOf(`types/${name}.d.cts`);
    const is = Object.keys(await import(`../src/${file}`));
    const all = name === "pg" ? [...is, "native"] : is; // of the default export
    const values = told.filter(({ name: value, isValue }) => isValue && !typesAlone.has(value)).map(({ name: value }) => value);
    assert.deepEqual(values.filter((value) => !all.includes(value)), [], name);
    assert.deepEqual(is.filter((value) => value !== "default" && !values.includes(value)), [], name);
  }
});

test("the sources have no name that is not there, and override nothing by another thing", async () => {
  const { output } = await tool("tsc", ["-p", "test/types/sources.json"]);
  // Of all that it says without annotations, what is a mistake in any case.
  const mistakes = /error TS(2304|2305|2307|2416|2551|2552|2554|2663|18004):/;
  assert.deepEqual(output.split("\n").filter((line) => mistakes.test(line)), []);
});

for (const folder of [PACKAGE, path.join(PACKAGE, "sidepool-pg")]) {
  test(`publint finds nothing in ${path.basename(folder)}`, async () => {
    const { error, output } = await tool("publint", ["--strict"], folder);
    assert.equal(error, null, output);
    assert.match(output, /All good/);
  });
}

test("arethetypeswrong finds nothing", async () => {
  const { error, output } = await tool("attw", ["--pack", "."]);
  assert.equal(error, null, output);
});

const EXPORTS = `
  const names = ["Client", "Pool", "Query", "Result", "DatabaseError", "types", "defaults", "TypeOverrides", "escapeLiteral", "Connection"];
  for (const name of names) if (!all[name]) throw new Error(name + " is missing");
`;

test("sidepool-pg stands where pg stood, by require, import and pg/lib/...", async () => {
  const folder = new ProgramFolder();
  const cjs = `const all = require("pg"); ${EXPORTS}
    const lib = (name) => require("pg/lib/" + name);
    const same = [[lib("client"), all.Client], [lib("query.js"), all.Query], [lib("result.js"), all.Result], [lib("utils").prepareValue, all.utils.prepareValue],
      [lib("defaults"), all.defaults], [lib("type-overrides"), all.TypeOverrides], [lib("connection"), all.Connection]];
    for (const [a, b] of same) if (a !== b || !a) throw new Error("not the same");
    new (lib("connection-parameters"))("postgres://x");`;
  const esm = `import pg, * as all from "pg"; ${EXPORTS} if (pg.Pool !== all.Pool) throw new Error("two Pools");`;
  try {
    for (const [name, text] of [["a.cjs", cjs], ["b.mjs", esm]]) {
      const { status, output } = await folder.run(folder.add(name, text), {});
      assert.equal(status, 0, output);
    }
  } finally {
    folder.remove();
  }
});
