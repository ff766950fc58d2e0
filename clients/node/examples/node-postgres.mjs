// SPDX-License-Identifier: MIT
// A program that was written for node-postgres, as it was: only what `pg` is has changed.
import assert from "node:assert/strict";
import pg from "pg";

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 20, application_name: "node-postgres" });
await pool.query("create table if not exists np_task (id serial primary key, title text not null, done boolean default false)");
await pool.query("truncate np_task");

const client = await pool.connect();
try {
  await client.query("BEGIN");
  await client.query("insert into np_task (title) values ($1), ($2)", ["write", "read"]);
  await client.query("COMMIT");
  await client.query("BEGIN");
  await client.query("delete from np_task");
  await client.query("ROLLBACK");
} finally {
  client.release();
}

await Promise.all(Array.from({ length: 100 }, () => pool.query("update np_task set done = not done where title = $1", ["write"])));
const { rows, rowCount } = await pool.query("select title, done from np_task order by id");
assert.deepEqual([rows, rowCount], [[{ title: "write", done: false }, { title: "read", done: false }], 2]);
await assert.rejects(pool.query("insert into np_task (title) values (null)"), { code: "23502", column: "title" });
await pool.end();
console.log(`node-postgres: ${rowCount} tasks`);
