// SPDX-License-Identifier: MIT
// What `prisma migrate deploy` does, with the daemon instead of a URL: Prisma's own engine for migrations over the adapter.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { bindMigrationAwareSqlAdapterFactory } from "@prisma/driver-adapter-utils";
import * as wasm from "@prisma/schema-engine-wasm/schema_engine_bg";
import { PrismaSidepool } from "sidepool/prisma";

const FILTERS = { externalTables: [], externalEnums: [] };

function loadEngine() {
  const file = createRequire(import.meta.url).resolve("@prisma/schema-engine-wasm/schema_engine_bg").replace(/\.js$/, ".wasm");
  const module = new WebAssembly.Module(fs.readFileSync(file));
  const { exports } = new WebAssembly.Instance(module, { "./schema_engine_bg.js": wasm });
  wasm.__wbg_set_wasm(exports);
  exports.__wbindgen_start();
}

function migrationsIn(folder) {
  const names = fs.readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name).sort();
  const lock = "migration_lock.toml";
  return {
    baseDir: path.resolve(folder),
    lockfile: { path: lock, content: fs.readFileSync(path.join(folder, lock), "utf8") },
    shadowDbInitScript: "",
    migrationDirectories: names.map((name) => ({
      path: name,
      migrationFile: { path: "migration.sql", content: { tag: "ok", value: fs.readFileSync(path.join(folder, name, "migration.sql"), "utf8") } },
    })),
  };
}

/** Applies what was not applied yet; resolves to the names. The engine holds an advisory lock, so this takes a session. */
async function migrate(schema, folder) {
  const sidepool = new PrismaSidepool({ application: "prisma-migrate", lease: "session" });
  const adapter = await sidepool.connect();
  const { provider, adapterName } = sidepool;
  const factory = { provider, adapterName, connect: async () => adapter, connectToShadowDb: () => sidepool.connectToShadowDb() };
  const datamodels = [[schema, fs.readFileSync(schema, "utf8")]];
  const engine = await wasm.SchemaEngine.new({ datamodels }, () => {}, bindMigrationAwareSqlAdapterFactory(factory));
  try {
    return (await engine.applyMigrations({ migrationsList: migrationsIn(folder), filters: FILTERS })).appliedMigrationNames;
  } finally {
    await adapter.dispose();
  }
}

loadEngine();
console.log(`migrated: ${(await migrate("schema.prisma", "migrations")).join(", ") || "nothing"}`);
process.exit(); // the engine's own timers would go on for ten seconds
