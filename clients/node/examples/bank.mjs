// SPDX-License-Identifier: MIT
// The package by itself: transactions, a batch, a stream.
import assert from "node:assert/strict";
import { connect, sql } from "sidepool";

await using(await connect({ application: "bank" }), async (db) => {
  await db.query("create table if not exists bank (id int primary key, balance int not null check (balance >= 0))");
  await db.batch(["truncate bank", sql`insert into bank select i, 100 from generate_series(1, ${10}) i`]);

  await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      db.transaction(async (tx) => {
        const [from, to] = [(i % 10) + 1, ((i * 3) % 10) + 1].sort((a, b) => a - b);
        await tx.sql`update bank set balance = balance - 1 where id = ${from}`;
        await tx.sql`update bank set balance = balance + 1 where id = ${to}`.with({ commit: true });
      }),
    ),
  );

  await assert.rejects(
    db.transaction((tx) => tx.sql`update bank set balance = balance - 1000 where id = 1`),
    { sqlstate: "23514" },
  );

  let sum = 0;
  for await (const { balance } of db.sql`select balance from bank`) sum += balance;
  assert.equal(sum, 1000);
  console.log(`bank: ${sum} in 10 accounts`);
});

/** `await using` for Node before 24. */
async function using(resource, work) {
  try {
    await work(resource);
  } finally {
    await resource[Symbol.asyncDispose]();
  }
}
