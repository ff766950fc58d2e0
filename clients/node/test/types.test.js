// SPDX-License-Identifier: MIT
// Our parsers against pg-types 2.2, the version that node-postgres 8 has.
import assert from "node:assert/strict";
import { test } from "node:test";
import pgTypes from "pg-types";
import * as types from "../src/types/index.js";

const DATES = [
  "2024-02-29", "0001-01-01", "0099-12-31", "9999-12-31", "10000-01-01", "0044-03-15 BC", "infinity", "-infinity", "nonsense",
];
const TIMESTAMPS = [
  "2024-02-29 23:59:59", "2024-02-29 23:59:59.1", "2024-02-29 23:59:59.123", "0044-03-15 12:00:00 BC", "0050-01-01 00:00:00",
  "2024-06-01 12:00:00+00", "2024-06-01 12:00:00.5+02", "2024-06-01 12:00:00-03:30", "1880-06-01 12:00:00+00:53:28",
  "0044-03-15 12:00:00+00 BC", "0099-01-01 00:00:00+00", "infinity", "-infinity",
];
const INTERVALS = [
  "00:00:00", "1 year", "1 year 2 mons 3 days 04:05:06", "-1 years -2 mons +3 days -04:05:06.789", "00:00:00.000001",
  "-00:00:01.5", "100:00:00", "2 days", "1 mon -1 days", "",
];
const ARRAYS = ["{}", "{1}", "{1,NULL,3}", "{{1,2},{3,4}}", "[2:4]={1,2,3}", "{{{1},{2}}}"];
const CASES = {
  16: ["t", "f", "true", "false", "on", "x"],
  17: ["\\x", "\\x00ff10", "abc\\000\\\\d", "\\\\"],
  20: ["0", "-1", "9223372036854775807"],
  21: ["1", "-32768"],
  23: ["2147483647", "-1"],
  25: ["x", ""],
  26: ["4294967295"],
  114: ['{"a":[1,null]}', "1", '"x"', "null"],
  3802: ['{"a":[1,null]}'],
  600: ["(1.5,-2)", "(1e+20,NaN)"],
  700: ["1.5", "NaN", "Infinity", "-Infinity"],
  701: ["1e-300", "NaN", "-0"],
  718: ["<(1,2.5),3>"],
  1082: DATES,
  1114: TIMESTAMPS,
  1184: TIMESTAMPS,
  1186: INTERVALS,
  1700: ["1.10", "NaN"],
  1000: ["{t,f,NULL}"],
  1001: ['{"\\\\x00ff",NULL}'],
  1005: ARRAYS, 1007: ARRAYS, 1028: ARRAYS, 1016: ARRAYS, 1021: ["{1.5,NaN,NULL}"], 1022: ["{1.5,-Infinity}"], 1231: ["{1.10}"],
  1009: ['{a,"b c","d\\"e","f\\\\g",NULL,"NULL",""}', '{{a,"{x}"},{"x,y",z}}', '{ü,"☃"}', ""],
  1015: ["{a}"], 1014: ["{a}"], 1008: ["{a}"], 2951: ["{5e0f2c5c-0000-0000-0000-000000000000}"], 1041: ["{10.0.0.0/8}"],
  1017: ['{"(1,2)",NULL}'],
  1182: ["{2024-02-29,NULL,infinity}"],
  1115: ['{"2024-02-29 23:59:59.1"}'],
  1185: ['{"2024-02-29 23:59:59+01"}'],
  1187: ['{"1 year 04:05:06",NULL}'],
  199: ['{"{\\"a\\": 1}",NULL}'],
  3807: ['{"[1]"}'],
  3907: ['{"[1,2)"}'], 791: ["{$1.00}"], 1183: ["{10:00:00}"], 1270: ["{10:00:00+00}"], 1040: ["{aa:bb:cc:dd:ee:ff}"], 651: ["{10.0.0.0/8}"],
  2950: ["5e0f2c5c-0000-0000-0000-000000000000"],
};

const plain = (value) => (value !== null && typeof value === "object" && !(value instanceof Date) && !Buffer.isBuffer(value) && !Array.isArray(value) ? { ...value } : Array.isArray(value) ? value.map(plain) : value);

for (const [oid, texts] of Object.entries(CASES)) {
  test(`type ${oid} as pg-types reads it`, () => {
    for (const text of texts)
      assert.deepEqual(plain(types.getTypeParser(oid)(text)), plain(pgTypes.getTypeParser(Number(oid))(text)), text);
  });
}

test("every type that pg-types reads is read, and no other", () => {
  for (let oid = 1; oid < 5000; oid++) {
    for (const format of ["text", "binary"]) {
      const theirs = pgTypes.getTypeParser(oid, format).name !== "noParse";
      const ours = types.getTypeParser(oid, format).name !== "noParse";
      assert.equal(ours, theirs, `${oid} ${format}`);
    }
  }
});

test("intervals print as theirs do", () => {
  for (const text of INTERVALS) {
    const ours = types.getTypeParser(1186)(text);
    const theirs = pgTypes.getTypeParser(1186)(text);
    assert.equal(ours.toPostgres(), theirs.toPostgres(), text);
    assert.equal(ours.toISO(), theirs.toISO(), text);
    assert.equal(ours.toISOString(), theirs.toISOString(), text);
  }
});

test("builtins have the same numbers", () => assert.deepEqual({ ...types.builtins }, { ...pgTypes.builtins }));

const BINARY = {
  16: ["01", "00"],
  20: ["000000000000000a", "ffffffffffffffff", "7fffffffffffffff"],
  21: ["000a", "ffff"],
  23: ["0000000a", "80000000"],
  25: ["c3bc"],
  700: ["3fc00000"],
  701: ["3ff8000000000000", "c000000000000000"],
  1184: ["0002600e9a2c0000"],
  1114: ["0002600e9a2c0000"],
  1700: ["0002000000000002000109c4", "0001000040000000002a"],
};

for (const [oid, values] of Object.entries(BINARY)) {
  test(`type ${oid} in binary as pg-types reads it`, () => {
    for (const hex of values) {
      const buf = Buffer.from(hex, "hex");
      const theirs = pgTypes.getTypeParser(Number(oid), "binary")(buf);
      const ours = types.getTypeParser(oid, "binary")(buf);
      if (theirs instanceof Date) assert.equal(ours.getTime(), theirs.getTime(), hex);
      else assert.deepEqual(ours, theirs, hex);
    }
  });
}

test("setTypeParser takes both of its forms", () => {
  const before = types.getTypeParser(20);
  types.setTypeParser(20, BigInt);
  assert.equal(types.getTypeParser(20)("5"), 5n);
  types.setTypeParser(20, "text", before);
  assert.equal(types.getTypeParser(20, "text")("5"), "5");
  assert.deepEqual(types.arrayParser.create("{1,2}", Number).parse(), [1, 2]);
});
