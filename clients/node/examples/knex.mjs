// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import knex from "knex";

const db = knex({ client: "pg", connection: { application_name: "knex" }, pool: { min: 0, max: 5 } });

await db.schema.dropTableIfExists("knex_order");
await db.schema.createTable("knex_order", (table) => {
  table.increments("id");
  table.string("item").notNullable();
  table.decimal("price", 10, 2);
  table.timestamp("at").defaultTo(db.fn.now());
});

await db.transaction(async (trx) => {
  await trx("knex_order").insert([{ item: "tea", price: 3.5 }, { item: "cake", price: 4.25 }]);
});
await assert.rejects(
  db.transaction(async (trx) => {
    await trx("knex_order").delete();
    await trx("knex_order").insert({ item: null });
  }),
  { code: "23502" },
);
await db.transaction(async (trx) => {
  await trx.transaction((inner) => inner("knex_order").delete().then(() => inner.rollback(new Error("no")))).catch(() => {});
  await trx("knex_order").where({ item: "tea" }).update({ price: 3 });
});

const orders = await db("knex_order").select("item", "price").orderBy("id");
assert.deepEqual(orders, [{ item: "tea", price: "3.00" }, { item: "cake", price: "4.25" }]);
const [{ count }] = await db("knex_order").count();
assert.equal(count, "2");
await db.destroy();
console.log(`knex: ${orders.length} orders`);
