// SPDX-License-Identifier: MIT
// Twenty workers on a Pool of node-postgres, or on sidepool's in its place.
import { makePool, name, work } from "./common.mjs";

const pool = await makePool();
await work(async (worker, unit) => {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    await client.query("INSERT INTO work (program, worker, unit) VALUES ($1, $2, $3)", [name, worker, unit]);
    await client.query("SELECT pg_sleep(0.03)");
    await client.query("COMMIT");
  } finally {
    client.release();
  }
  const { rows } = await pool.query("SELECT count(*)::int AS n FROM work WHERE program = $1 AND worker = $2", [name, worker]);
  return rows[0].n;
});
await pool.end();
