// SPDX-License-Identifier: MIT
// tests/conformance/vectors.json: the bytes that every client must make and understand.
import assert from "node:assert/strict";
import fs from "node:fs";
import { describe, test } from "node:test";
import { decode, encode } from "../src/codec.js";
import { errorFromWire } from "../src/errors.js";
import { RowShape, packRows, unpackRows } from "../src/packed.js";
import { Results } from "../src/result.js";
import { FrameReader, FramingError, GREETING, HEADER_BYTES, writeHeader } from "../src/sp.js";
import * as reference from "./lib/reference.js";

const vectors = JSON.parse(fs.readFileSync(new URL("../../../tests/conformance/vectors.json", import.meta.url), "utf8"));
const hex = (text) => Buffer.from(text, "hex");

function read(bytes, size) {
  const seen = [];
  const reader = new FrameReader(1 << 20, () => {}, (id, buf, start, end) => seen.push([id, buf.toString("hex", start, end)]));
  const all = Buffer.concat([hex(vectors.greeting.daemon), bytes]);
  for (let at = 0; at < all.length; at += size) reader.push(all.subarray(at, at + size));
  return seen;
}

test("greeting", () => assert.equal(GREETING.toString("hex"), vectors.greeting.client));

describe("frames", () => {
  for (const { name, id, message, bytes } of vectors.frames) {
    test(name, () => {
      const body = hex(message);
      const made = Buffer.alloc(HEADER_BYTES + body.length);
      writeHeader(made, 0, body.length + 4, id);
      body.copy(made, HEADER_BYTES);
      assert.equal(made.toString("hex"), bytes);
      for (let size = 1; size <= made.length + 8; size++) assert.deepEqual(read(made, size), [[id, message]]);
    });
  }
});

describe("broken frames", () => {
  for (const { name, bytes } of vectors.broken_frames)
    test(name, () => assert.throws(() => read(hex(bytes), 5), FramingError));
});

const shapeOf = (n) =>
  new RowShape(Array.from({ length: n }, (_, i) => ({ name: `${i}`, typeOid: 17 })), true, true, () => (buf) => buf.toString("hex"));

function unpack(bytes, count, columns) {
  const rows = [];
  unpackRows(hex(bytes), count, shapeOf(columns), rows);
  return rows;
}

describe("rows", () => {
  for (const { name, columns, rows, bytes } of vectors.rows) {
    test(name, () => {
      assert.equal(packRows(rows.map((row) => row.map((value) => (value === null ? null : hex(value))))).toString("hex"), bytes);
      if (columns > 0) assert.deepEqual(unpack(bytes, rows.length, columns), rows);
    });
  }
});

describe("broken rows", () => {
  for (const { name, columns, row_count, bytes } of vectors.broken_rows)
    test(name, () => assert.throws(() => unpack(bytes, row_count, columns), { code: "PROTOCOL_VIOLATION" }));
});

describe("requests", () => {
  for (const { name, bytes } of vectors.requests) {
    test(name, () => {
      const ours = encode("Request", decode("Request", hex(bytes)));
      assert.deepEqual(reference.decode("Request", ours), reference.decode("Request", hex(bytes)));
    });
  }
});

const STATUS = ["", "idle", "active", "failed"];

function resultOf(result) {
  const columns = result.columns.map((c) => [c.name, c.typeOid, c.typeModifier, c.typeBytes, c.tableOid, c.columnNumber]);
  const shape = new RowShape(result.columns, false, true, () => (text) => text);
  const rows = [];
  if (result.rowCount > 0) unpackRows(result.rows, result.rowCount, shape, rows);
  const notices = result.notices.map((notice) => notice.fields.message);
  return {
    columns, rows, tag: result.commandTag, affected: result.affectedRows, statement_id: result.statementId,
    columns_id: result.columnsId, notices, more: result.more,
  };
}

function errorOf(error) {
  const { outcome, retryable, retryAfterMs, sqlstate, position } = errorFromWire(error);
  return { code: error.code, outcome, message: error.message, retryable, retry_after_ms: retryAfterMs, sqlstate, position };
}

/** Every field that is expected is there; what is not expected is zero, empty or absent. */
function matches(actual, expected) {
  for (const [key, value] of Object.entries(actual)) {
    if (key in expected) assert.deepEqual(value, expected[key], key);
    else assert.ok(!value || value.length === 0, `${key} is ${value}`);
  }
}

describe("responses", () => {
  for (const { name, bytes, expected } of vectors.responses) {
    test(name, () => {
      const response = decode("Response", hex(bytes));
      assert.equal(response.results.length, expected.results.length);
      response.results.forEach((result, i) => matches(resultOf(result), expected.results[i]));
      assert.equal(response.streamId, expected.stream_id ?? 0);
      assert.equal(STATUS[response.transactionStatus], expected.transaction_status ?? "");
      const { lease } = response;
      // JSON.parse() has rounded the token; the codec's own test compares such numbers exactly
      const granted = lease && [lease.leaseId, Number(lease.token), lease.expiresMs, lease.backendPid];
      assert.deepEqual(granted, expected.lease ?? null);
      if (expected.error) matches(errorOf(response.error), expected.error);
      else assert.equal(response.error, null);
      const results = new Results({});
      results.add(response.results);
      assert.equal(results.list.length, expected.results.length);
    });
  }
});
