// SPDX-License-Identifier: MIT
// What the Node programs of tests/integration/test_twenty.py are told.
export const [mode, name] = process.argv.slice(2);
export const onSidepool = mode === "sidepool"; // else a pool of the program's own
export const connectionString = process.env.DATABASE_URL; // no program on sidepool has it
export const WORKERS = 20;
const UNITS = 5;

/** A pool as programs make it, of the package `pg` or of what stands in its place. */
export async function makePool() {
  const { Pool } = (await import(onSidepool ? "sidepool/pg" : "pg")).default;
  return new Pool({ connectionString, max: WORKERS, application_name: name });
}

/** Each of the workers does its units, one after the other. unit(worker, n) resolves to how many are there now. */
export async function work(unit) {
  const worker = async (_, w) => {
    for (let n = 0; n < UNITS; n++) if ((await unit(w, n)) !== n + 1) throw new Error(`${name}: a unit is missing`);
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
  console.log(`done ${WORKERS * UNITS}`);
}
