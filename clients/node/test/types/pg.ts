// SPDX-License-Identifier: MIT
// Compiled, never run: what sidepool/pg has can stand where node-postgres's types are asked for.
import type * as real from "pg";
import sidepool, { Client, Cursor, DatabaseError, Pool, Query, QueryStream, defaults, types } from "sidepool/pg";

export const pool: real.Pool = new Pool({ max: 5, sidepool: { lease: "session" } });
export const client: real.Client = new Client("sidepool:///run/sidepool/rpc.sock");
export const base: real.ClientBase = new Client();
export const poolClient: Promise<real.PoolClient> = new Pool().connect();
export const byDefault: real.Pool = new sidepool.Pool();
export const error: Pick<real.DatabaseError, "code" | "detail" | "constraint"> = new DatabaseError("x", 1, "error");

interface Row {
  id: number;
}

export async function results(): Promise<void> {
  const result: real.QueryResult<Row> = await new Pool().query<Row>("select 1 as id", []);
  const arrays: real.QueryArrayResult<[number]> = await new Pool().query<[number]>({ text: "select 1", rowMode: "array" });
  const rows: Row[] = await client.query(new Cursor<Row>("select 1 as id")).read(10);
  for await (const row of client.query(new QueryStream("select 1"))) console.log(row, result.rowCount, arrays.rows, rows);
  client.query(new Query<Row>("select 1 as id")).on("row", (row: Row) => row.id);
  client.query("select 1", (err: Error, done: real.QueryResult) => done.rows);
  new Pool().connect((err, one, release) => release());
  types.setTypeParser(20, BigInt);
  defaults.parseInt8 = true;
  client.on("notification", (message) => message.payload);
  await using disposed = new Client();
}

/** The default export is a namespace of types too, as @types/pg's is. */
export async function byNamespace(config: sidepool.PoolConfig): Promise<sidepool.QueryResult<Row>> {
  const one: sidepool.PoolClient = await new sidepool.Pool(config).connect();
  const failed = (error: unknown): error is sidepool.DatabaseError => error instanceof sidepool.DatabaseError;
  return one.query<Row>("select 1 as id").catch((error) => (failed(error) ? Promise.reject(error.detail) : Promise.reject(error)));
}
