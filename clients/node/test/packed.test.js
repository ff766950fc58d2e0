// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import { test } from "node:test";
import { RowShape, packRows, unpackRows } from "../src/packed.js";
import { getTypeParser } from "../src/types/index.js";

const columns = (...names) => names.map((name) => ({ name, typeOid: 25 }));
const rowsOf = (bytes, count, shape) => {
  const rows = [];
  unpackRows(bytes, count, shape, rows);
  return rows;
};

test("what is packed comes out again: NULL, empty, text beyond ASCII, bytes", () => {
  const rows = [["a", null, ""], ["größer", "☃", "x".repeat(70_000)], [null, Buffer.from("ab"), "z"]];
  const shape = new RowShape(columns("a", "b", "c"), false, true, getTypeParser);
  const expected = rows.map((row) => row.map((value) => (Buffer.isBuffer(value) ? "ab" : value)));
  assert.deepEqual(rowsOf(packRows(rows), 3, shape), expected);
});

test("the bytes are those of WIRE.md", () => {
  assert.equal(packRows([["ab", null], ["", "c"]]).toString("hex"), "02000000" + "6162" + "ffffffff" + "00000000" + "01000000" + "63");
});

test("integers of every length", () => {
  const shape = new RowShape([{ name: "i", typeOid: 23 }], false, true, getTypeParser);
  for (const n of [0, 5, -5, 999_999_999, -99_999_999, 2_147_483_647, -2_147_483_648])
    assert.deepEqual(rowsOf(packRows([[String(n)]]), 1, shape), [[n]]);
});

test("a column may have any name", () => {
  const shape = new RowShape(columns("__proto__", "constructor", "a b", ""), false, false, getTypeParser);
  const [row] = rowsOf(packRows([["1", "2", "3", "4"]]), 1, shape);
  assert.deepEqual(Object.entries(row), [["__proto__", "1"], ["constructor", "2"], ["a b", "3"], ["", "4"]]);
  assert.equal(Object.getPrototypeOf(row), Object.prototype);
});

test("rows that end within a value are refused", () => {
  const whole = packRows([["abc", "de"]]);
  const shape = new RowShape(columns("a", "b"), false, false, getTypeParser);
  for (let n = 0; n < whole.length; n++) assert.throws(() => rowsOf(whole.subarray(0, n), 1, shape), { code: "PROTOCOL_VIOLATION" }, `${n} bytes`);
});
