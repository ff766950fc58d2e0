// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import { Kysely, Migrator, PostgresDialect, sql } from "kysely";
import { Cursor, Pool } from "sidepool/pg";

const db = new Kysely({ dialect: new PostgresDialect({ pool: new Pool({ application_name: "kysely", max: 5 }), cursor: Cursor }) });

const migrations = {
  "0001_pets": {
    up: (db) =>
      db.schema.createTable("kysely_pet").addColumn("id", "serial", (c) => c.primaryKey()).addColumn("name", "text", (c) => c.notNull().unique())
        .addColumn("weight", "numeric").execute(),
    down: (db) => db.schema.dropTable("kysely_pet").execute(),
  },
};
// The migrator holds an advisory lock over several statements, which needs a session.
const session = new Pool({ application_name: "kysely", max: 1, sidepool: { lease: "session" } });
const migrating = new Kysely({ dialect: new PostgresDialect({ pool: session }) });
const migrator = new Migrator({
  db: migrating,
  provider: { getMigrations: async () => migrations },
  migrationTableName: "kysely_migration_of_example",
  migrationLockTableName: "kysely_lock_of_example",
});
for (const step of [() => migrator.migrateToLatest(), () => migrator.migrateDown(), () => migrator.migrateToLatest()]) {
  const { error } = await step();
  assert.equal(error, undefined);
}
await migrating.destroy();

await db.transaction().setIsolationLevel("serializable").execute(async (trx) => {
  await trx.insertInto("kysely_pet").values([{ name: "Rex", weight: "12.5" }, { name: "Tom", weight: "4.1" }]).execute();
});
await assert.rejects(
  db.transaction().execute(async (trx) => {
    await trx.deleteFrom("kysely_pet").execute();
    throw new Error("no");
  }),
  /no/,
);
const trx = await db.startTransaction().execute();
const saved = await trx.savepoint("before").execute();
await saved.deleteFrom("kysely_pet").execute();
await (await saved.rollbackToSavepoint("before").execute()).commit().execute();

const names = [];
for await (const { name } of db.selectFrom("kysely_pet").select("name").orderBy("name").stream(1)) names.push(name);
assert.deepEqual(names, ["Rex", "Tom"]);
const { rows } = await sql`select sum(weight) as total from kysely_pet`.execute(db);
assert.equal(rows[0].total, "16.6");
await db.destroy();
console.log(`kysely: ${names.join(", ")}`);
