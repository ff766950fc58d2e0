// SPDX-License-Identifier: MIT
// What `prisma generate` and `tsc` do, with the same packages that they are made of: the command itself brings an engine from
// elsewhere.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import ts from "typescript";

const require = createRequire(import.meta.url); // the generator's ESM imports what Node does not find
const { PrismaClientTsGenerator } = require("@prisma/client-generator-ts");
const internals = require("@prisma/internals");

/** Generates the client of folder/schema.prisma into folder/generated. */
export async function generateClient(folder) {
  const schema = path.join(folder, "schema.prisma");
  const schemaContext = await internals.loadSchemaContext({ schemaPath: { cliProvidedPath: schema }, printLoadMessage: false });
  const registry = { "prisma-client": { type: "in-process", generator: new PrismaClientTsGenerator() } };
  const generators = await internals.getGenerators({ schemaContext, registry, printDownloadProgress: false, skipDownload: true });
  for (const generator of generators) {
    await generator.generate();
    generator.stop();
  }
  compile(path.join(folder, "generated"));
}

function compile(folder) {
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
  for (const name of fs.readdirSync(folder, { recursive: true })) {
    const file = path.join(folder, name);
    if (!name.endsWith(".ts")) continue;
    const { outputText } = ts.transpileModule(fs.readFileSync(file, "utf8"), { compilerOptions, fileName: file });
    fs.writeFileSync(file.replace(/\.ts$/, ".js"), outputText);
  }
}
