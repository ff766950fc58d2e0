// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import { eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { integer, jsonb, pgTable, serial, text, timestamp } from "drizzle-orm/pg-core";
import { Pool } from "sidepool/pg";

const author = pgTable("drizzle_author", { id: serial().primaryKey(), name: text().notNull().unique() });
const book = pgTable("drizzle_book", {
  id: serial().primaryKey(),
  authorId: integer("author_id").notNull().references(() => author.id),
  title: text().notNull(),
  tags: jsonb().notNull(),
  printed: timestamp({ withTimezone: true }).notNull(),
});

const pool = new Pool({ application_name: "drizzle" });
const db = drizzle(pool, { schema: { author, book } });

await db.transaction(async (tx) => {
  await tx.execute(sql`drop table if exists drizzle_book, drizzle_author`);
  await tx.execute(sql`create table drizzle_author (id serial primary key, name text not null unique)`);
  await tx.execute(sql`create table drizzle_book (id serial primary key, author_id int not null references drizzle_author,
    title text not null, tags jsonb not null, printed timestamptz not null)`);
});

const printed = new Date("1967-05-30T00:00:00Z");
await db.transaction(async (tx) => {
  const [{ id }] = await tx.insert(author).values({ name: "Márquez" }).returning({ id: author.id });
  await tx.insert(book).values({ authorId: id, title: "Cien años de soledad", tags: ["novel", { pages: 471 }], printed });
});

await assert.rejects(
  db.transaction(async (tx) => {
    await tx.delete(book);
    await tx.insert(author).values({ name: "Márquez" });
  }),
  (error) => (error.cause ?? error).code === "23505",
);
await db.transaction(async (tx) => {
  await tx.transaction(async (inner) => {
    await inner.delete(book);
    inner.rollback();
  }).catch(() => {});
  await tx.update(author).set({ name: "García Márquez" }).where(eq(author.name, "Márquez"));
});

const rows = await db.select({ name: author.name, title: book.title, tags: book.tags, printed: book.printed })
  .from(book).innerJoin(author, eq(author.id, book.authorId));
assert.deepEqual(rows, [{ name: "García Márquez", title: "Cien años de soledad", tags: ["novel", { pages: 471 }], printed }]);
await pool.end();
console.log(`drizzle: ${rows[0].title}`);
