// SPDX-License-Identifier: MIT
// The quickstart's Node program, on the sidepool package.
import { connect } from "../../clients/node/src/index.js";

const CALLERS = 60;
const ROUNDS = 150;
const told = { program: "node", callers: CALLERS, reads: 0, transfers: 0, batches: 0, streamed: 0, errors: 0 };
const db = await connect({ socket: process.env.SIDEPOOL_SOCKET, application: "bank-node" });
const random = (from, to) => from + Math.floor(Math.random() * (to - from + 1));

async function read() {
  await db.query("SELECT balance FROM sidepool_quickstart.account WHERE id = $1", [random(1, 500)]);
  told.reads++;
}

async function transfer() {
  const from = random(1, 250);
  const to = random(251, 500);
  const amount = random(-20, 20);
  const move = "UPDATE sidepool_quickstart.account SET balance = balance + $1 WHERE id = $2";
  await db.transaction(async (tx) => {
    await tx.query(move, [-amount, from]);
    await tx.query(move, [amount, to]);
  });
  told.transfers++;
}

async function batch() {
  const text = "INSERT INTO sidepool_quickstart.note (program, body) VALUES ($1, $2)";
  await db.batch(Array.from({ length: 10 }, (_, i) => ({ text, values: ["node", `note ${i}`] })));
  told.batches++;
}

async function caller(number) {
  for (let i = 0; i < ROUNDS; i++) {
    try {
      await (i % 10 === 9 ? batch : i % 2 ? transfer : read)();
    } catch (e) {
      told.errors++;
      console.error(`node: ${e.message}`);
    }
  }
  if (number === 0)
    for await (const _ of db.stream("SELECT g, repeat('x', 100) FROM generate_series(1, 50000) g")) told.streamed++;
}

await Promise.all(Array.from({ length: CALLERS }, (_, n) => caller(n)));
await db.close();
console.log(JSON.stringify(told));
