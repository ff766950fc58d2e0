// SPDX-License-Identifier: MIT
// Compiled, never run: the types of `sidepool` and `sidepool/prisma` as a program uses them.
import type { SqlDriverAdapterFactory } from "@prisma/driver-adapter-utils";
import { AbortError, DatabaseError, connect, open, sql } from "sidepool";
import type { Database, Result, Session, Transaction } from "sidepool";
import { PrismaSidepool } from "sidepool/prisma";

export const factory: SqlDriverAdapterFactory = new PrismaSidepool({ socket: "/run/sidepool/rpc.sock", schema: "public" });

interface Account {
  id: number;
  balance: number;
}

export async function program(signal: AbortSignal): Promise<number> {
  await using db: Database = await connect({ application: "types" });
  const result: Result<Account> = await db.query<Account>("select * from account where id = $1", [1], { signal });
  const rows: Account[] = await db.sql<Account>`select * from account where id in (${sql.join([1, 2])})`;
  const first: Account | undefined = await db.sql<Account>`select 1`.first();
  for await (const row of db.stream<Account>("select * from account")) console.log(row.balance);
  const n: number = await db.transaction(async (tx: Transaction) => {
    await tx.query("delete from account", [], { commit: true });
    return 5;
  }, { isolation: "serializable" });
  const moved: Account[] = await db.transaction((tx) => tx.sql<Account>`update account set balance = 0 returning *`);
  await db.session(async (session: Session) => session.query("listen x"));
  await using session = await db.session({ holdMs: 1000 });
  session.onNotification = ({ channel, payload }) => console.log(channel, payload);
  await using listener = db.listen("jobs", { signal, maxQueued: 10, onGap: ({ lost, over }) => console.log(lost, over) });
  await listener.ready;
  for await (const { channel, payload, backendPid } of listener) console.log(channel, payload, backendPid);
  await db.copyFrom("copy account from stdin", ["1\t2\n"]);
  for await (const piece of db.copyTo("copy account to stdout")) console.log(piece.length);
  try {
    await db.batch(["select 1", sql`select ${2}`, { text: "select $1", values: [3] }], { atomic: false });
  } catch (error) {
    if (error instanceof DatabaseError) console.log(error.sqlstate, error.outcome === "failed");
    if (error instanceof AbortError) console.log(error.cause);
  }
  open("/run/x.sock").destroy();
  // @ts-expect-error there is no such option
  open({ sockets: "x" });
  return n + rows.length + moved.length + (first?.id ?? 0) + (result.rowCount ?? 0);
}
