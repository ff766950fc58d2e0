// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import { test } from "node:test";
import { scan, transactionVerb } from "../src/sql-scan.js";

const SEVERAL = [
  "select 1; select 2",
  "select ';'; select 2",
  "begin; insert into t values (1); commit",
  "select $$;$$; x",
  "select 1; /* ; */ -- ;\n x",
];
const ONE = [
  "select 1;",
  "select 1;;;  ",
  "select ';x'",
  "select 'it''s; x'",
  "select E'\\'; x'",
  'select "a;b"',
  'select "a""; b"',
  "select $$ ; $$",
  "select $tag$ ; $$ ; $tag$",
  "select 1 -- ; x",
  "select 1 /* ; /* ; */ ; */",
  "select 1 /* unfinished ; x",
  "select 'unfinished ; x",
  "select $1, a$b$c, $2",
  "/* ; */ select 1",
  "select 1; -- nothing",
];
const EMPTY = ["", " \n", "-- x", "/* x */", ";", " ; ; "];

test("several statements are told from one", () => {
  for (const text of SEVERAL) assert.equal(scan(text).several, true, text);
  for (const text of ONE) assert.deepEqual([scan(text).several, scan(text).empty], [false, false], text);
  for (const text of EMPTY) assert.equal(scan(text).empty, true, text);
});

test("the verbs of a script", () => {
  assert.deepEqual(scan("begin; /* x */ insert into t select ';' ; COMMIT").verbs, ["BEGIN", "INSERT", "COMMIT"]);
});

const BEGINS = {
  BEGIN: {},
  "begin;": {},
  "/* c */ BEGIN WORK": {},
  "start transaction": {},
  "BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE": { isolation: "SERIALIZABLE" },
  "begin isolation level repeatable read, read only": { isolation: "REPEATABLE READ", readOnly: true },
  "START TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE, DEFERRABLE": { isolation: "SERIALIZABLE", readOnly: true, deferrable: true },
  "begin isolation level read committed": { isolation: "READ COMMITTED" },
  "begin read write": null,
  "begin not deferrable": null,
};

test("BEGIN and its modes", () => {
  for (const [text, options] of Object.entries(BEGINS))
    assert.deepEqual(transactionVerb(scan(text)), { verb: "BEGIN", options }, text);
});

test("SET TRANSACTION", () => {
  const of = (text) => transactionVerb(scan(text));
  assert.deepEqual(of("set transaction isolation level serializable"), { verb: "SET TRANSACTION", options: { isolation: "SERIALIZABLE" } });
  assert.deepEqual(of("SET TRANSACTION SNAPSHOT 'x'"), { verb: "SET TRANSACTION", options: null });
  assert.equal(of("set timezone = 'UTC'"), null);
});

test("ends of transactions, and what only looks like one", () => {
  for (const text of ["commit", "COMMIT WORK;", "end", "END TRANSACTION"]) assert.equal(transactionVerb(scan(text)).verb, "COMMIT", text);
  for (const text of ["rollback", "ABORT", "rollback work"]) assert.equal(transactionVerb(scan(text)).verb, "ROLLBACK", text);
  for (const text of ["rollback to savepoint a", "rollback to a", "commit prepared 'x'", "commit and chain", "select 1", "", "commit; begin", "savepoint a"])
    assert.equal(transactionVerb(scan(text)), null, text);
});
