// SPDX-License-Identifier: MIT
// The driver adapter as Prisma's engine uses it, with @prisma/driver-adapter-utils around it as the client has it.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ColumnTypeEnum, bindSqlAdapterFactory, isDriverAdapterError } from "@prisma/driver-adapter-utils";
import { ColumnType } from "../src/prisma/convert.js";
import { PrismaSidepool } from "../src/prisma/index.js";
import { Daemon, Postgres, skip } from "./lib/servers.js";

test("the column types have Prisma's numbers", () => assert.deepEqual({ ...ColumnType }, { ...ColumnTypeEnum }));

describe("sidepool/prisma", { skip }, () => {
  let postgres;
  let daemon;
  let adapter;
  let factory;

  const query = (sql, args = [], argTypes = []) => ({ sql, args, argTypes });
  const arg = (scalarType, dbType, arity = "scalar") => ({ scalarType, dbType, arity });

  before(async () => {
    postgres = await new Postgres().start();
    daemon = await new Daemon(postgres, { budget: 3 }).start();
    factory = new PrismaSidepool({ socket: daemon.socket, schema: "public" });
    adapter = await factory.connect();
    await adapter.executeScript("create table t (id serial primary key, v text unique not null); create table u (t int references t)");
  });

  after(async () => {
    await adapter?.dispose();
    await daemon?.remove();
    await postgres?.stop();
  });

  test("values come in the forms that the engine reads", async () => {
    const { columnNames, columnTypes, rows } = await adapter.queryRaw(query(
      `select 1::int4 a, 2::int8 b, 1.50::numeric c, true d, 'x'::text e, '2024-02-29'::date f, '12:34:56.789'::time g,
        '2024-02-29 12:34:56.789'::timestamp h, '2024-02-29 12:34:56.789+02'::timestamptz i, '{"a": 1}'::jsonb j, '\\x0102'::bytea k,
        '{1,NULL}'::int4[] l, '{2024-02-29}'::date[] m, '5e0f2c5c-1111-2222-3333-444455556666'::uuid n, null::int4 o, '$1,234.50'::money p`));
    assert.equal(columnNames.join(""), "abcdefghijklmnop");
    const T = ColumnType;
    assert.deepEqual(columnTypes, [
      T.Int32, T.Int64, T.Numeric, T.Boolean, T.Text, T.Date, T.Time, T.DateTime, T.DateTime, T.Json, T.Bytes, T.Int32Array, T.DateArray,
      T.Uuid, T.Int32, T.Numeric,
    ]);
    assert.deepEqual(rows, [[
      1, "2", "1.50", true, "x", "2024-02-29", "12:34:56.789", "2024-02-29T12:34:56.789+00:00", "2024-02-29T10:34:56.789+00:00",
      '{"a": 1}', Buffer.from([1, 2]), [1, null], ["2024-02-29"], "5e0f2c5c-1111-2222-3333-444455556666", null, "1234.50",
    ]]);
  });

  test("parameters go in the forms that PostgreSQL reads", async () => {
    const at = "2024-02-29T12:34:56.789Z";
    const { rows } = await adapter.queryRaw(query(
      "select $1::timestamp, $2::date, $3::time, $4::bytea, $5::int[], $6::text, $7::jsonb",
      [at, new Date(at), new Date(at), "AQI=", [1, 2], null, '{"x": [1]}'],
      [arg("datetime", "TIMESTAMP"), arg("datetime", "DATE"), arg("datetime", "TIME"), arg("bytes"), arg("int", undefined, "list"), arg("string"), arg("json")],
    ));
    assert.deepEqual(rows, [["2024-02-29T12:34:56.789+00:00", "2024-02-29", "12:34:56.789", Buffer.from([1, 2]), [1, 2], null, '{"x": [1]}']]);
  });

  test("a transaction as the engine runs it: its own COMMIT, then commit()", async () => {
    const tx = await adapter.startTransaction("SERIALIZABLE");
    assert.equal(tx.options.usePhantomQuery, false);
    assert.equal(await tx.executeRaw(query("insert into t (v) values ($1), ($2)", ["a", "b"])), 2);
    await tx.createSavepoint("s");
    await tx.executeRaw(query("delete from t"));
    await tx.rollbackToSavepoint("s");
    await tx.releaseSavepoint("s");
    assert.deepEqual((await tx.queryRaw(query("show transaction_isolation"))).rows, [["serializable"]]);
    await tx.executeRaw(query("COMMIT"));
    await tx.commit();
    assert.equal((await adapter.queryRaw(query("select v from t"))).rows.length, 2);

    const other = await adapter.startTransaction();
    await other.executeRaw(query("delete from t"));
    await other.executeRaw(query("ROLLBACK"));
    await other.rollback();
    assert.equal((await adapter.queryRaw(query("select v from t"))).rows.length, 2);
    await assert.rejects(adapter.startTransaction("SNAPSHOT"), (error) => error.cause.kind === "InvalidIsolationLevel");
  });

  test("errors are Prisma's kinds", async () => {
    const kindOf = async (promise) => {
      const error = await promise.then(() => assert.fail("no error"), (e) => e);
      assert.ok(isDriverAdapterError(error), error.stack);
      return error.cause;
    };
    await adapter.executeRaw(query("insert into t (v) values ('dup')"));
    assert.deepEqual(await kindOf(adapter.executeRaw(query("insert into t (v) values ('dup')"))), {
      kind: "UniqueConstraintViolation", constraint: { index: "t_v_key" }, table: "t",
      originalCode: "23505", originalMessage: 'duplicate key value violates unique constraint "t_v_key"',
    });
    assert.deepEqual((await kindOf(adapter.executeRaw(query("insert into t (v) values (null)")))).constraint, { fields: ["v"] });
    assert.equal((await kindOf(adapter.executeRaw(query("insert into u values (999)")))).kind, "ForeignKeyConstraintViolation");
    assert.deepEqual((await kindOf(adapter.queryRaw(query("select * from nothing")))).table, "nothing");
    assert.equal((await kindOf(adapter.queryRaw(query("select x from t")))).column, "x");
    assert.equal((await kindOf(adapter.queryRaw(query("select $1::int", ["x"])))).kind, "InvalidInputValue");
    assert.equal((await kindOf(adapter.queryRaw(query("select 1/0")))).kind, "postgres");
    const nowhere = await new PrismaSidepool({ socket: "/nowhere/rpc.sock" }).connect();
    assert.equal((await kindOf(nowhere.queryRaw(query("select 1")))).kind, "DatabaseNotReachable");
  });

  test("an adapter of a session has one connection, and what uses it takes turns", async () => {
    assert.throws(() => new PrismaSidepool({ lease: "forever" }), /"transaction" or "session"/);
    const session = await new PrismaSidepool({ socket: daemon.socket, lease: "session" }).connect();
    await session.executeRaw(query("select pg_advisory_lock(1)"));
    await session.executeScript("create temp table mine (a int); insert into mine values (1)");
    const tx = await session.startTransaction();
    await tx.executeRaw(query("insert into mine values (2)"));
    const outside = session.queryRaw(query("select a from mine"));
    await tx.executeRaw(query("insert into mine values (3)"));
    await tx.executeRaw(query("ROLLBACK"));
    await tx.rollback();
    assert.deepEqual((await outside).rows, [[1]]);
    const left = await session.startTransaction();
    await left.executeRaw(query("insert into mine values (4)"));
    await left.commit(); // without the engine's COMMIT: rolled back
    assert.deepEqual((await session.queryRaw(query("select a from mine"))).rows, [[1]]);
    const locks = "select count(*)::int from pg_locks where locktype = 'advisory'";
    assert.deepEqual((await adapter.queryRaw(query(locks))).rows, [[1]]);
    await session.dispose();
    while ((await adapter.queryRaw(query(locks))).rows[0][0] > 0); // it is reset after it was given back
  });

  test("a shadow database is a pool of its own", async () => {
    await assert.rejects(factory.connectToShadowDb(), /shadowPool/);
    const shadow = await new PrismaSidepool({ socket: daemon.socket, shadowPool: "main" }).connectToShadowDb();
    assert.deepEqual((await shadow.queryRaw(query("select current_database()"))).rows, [["postgres"]]);
    await shadow.dispose();
    await assert.rejects(new PrismaSidepool({ socket: daemon.socket, shadowPool: "none" }).connectToShadowDb(), /none/);
  });

  test("as the client binds it, errors are results", async () => {
    const bound = await bindSqlAdapterFactory(factory).connect();
    assert.ok(bound.ok);
    const failed = await bound.value.queryRaw(query("select * from nothing"));
    assert.deepEqual([failed.ok, failed.error.kind], [false, "TableDoesNotExist"]);
    const fine = await bound.value.queryRaw(query("select 1 as a"));
    assert.deepEqual([fine.ok, fine.value.rows], [true, [[1]]]);
    await bound.value.dispose();
  });
});
