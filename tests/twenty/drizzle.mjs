// SPDX-License-Identifier: MIT
// Twenty workers on Drizzle, over node-postgres or sidepool in its place.
import { and, count, eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { integer, pgTable, serial, text } from "drizzle-orm/pg-core";
import { makePool, name, work } from "./common.mjs";

const table = pgTable("work", { id: serial().primaryKey(), program: text(), worker: integer(), unit: integer() });
const pool = await makePool();
const db = drizzle(pool);
await work(async (worker, unit) => {
  await db.transaction(async (tx) => {
    await tx.insert(table).values({ program: name, worker, unit });
    await tx.execute(sql`SELECT pg_sleep(0.03)`);
  });
  const mine = and(eq(table.program, name), eq(table.worker, worker));
  return (await db.select({ n: count() }).from(table).where(mine))[0].n;
});
await pool.end();
