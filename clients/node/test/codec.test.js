// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, encode } from "../src/codec.js";
import { MalformedMessage, Writer } from "../src/protobuf.js";
import { MESSAGES } from "../src/schema.js";
import * as schema from "../src/schema.js";
import * as reference from "./lib/reference.js";

const ENUMS = {
  Outcome: "OUTCOME",
  TransactionStatus: "TRANSACTION_STATUS",
  Finish: "FINISH",
  Isolation: "ISOLATION",
  BreakerState: "BREAKER_STATE",
  HealthLevel: "HEALTH_LEVEL",
};

function kindOf(field) {
  const name = field.resolvedType?.values ? "enum" : field.resolvedType?.name ?? field.type;
  return field.repeated ? [name] : name;
}

test("the tables say what the .proto files say", () => {
  const names = reference.namespace.nestedArray.filter((type) => type.fields).map((type) => type.name);
  assert.deepEqual(Object.keys(MESSAGES).sort(), names.sort());
  for (const name of names) {
    const fields = reference.lookupType(name).fieldsArray.map((field) => [field.name, [field.id, kindOf(field)]]);
    assert.deepEqual(MESSAGES[name], Object.fromEntries(fields), name);
  }
});

test("the enums say what the .proto files say", () => {
  for (const [name, prefix] of Object.entries(ENUMS)) {
    const { UNSPECIFIED: zero, ...values } = Object.fromEntries(
      Object.entries(reference.namespace.lookupEnum(name).values).map(([key, n]) => [key.slice(prefix.length + 1), n]),
    );
    assert.equal(zero, 0);
    assert.deepEqual({ ...schema[name] }, values, name);
  }
});

const TEXTS = ["", "x", "größer ☃ 𝄞", "a".repeat(127), "b".repeat(128), "c".repeat(70_000)];
const INTEGERS = [0, 1, 127, 128, 16_383, 16_384, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const LONGS = [...INTEGERS, 2 ** 32, 2 ** 49, 2 ** 53 - 1, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

/** A generator of the same numbers every time. */
function numbers(seed) {
  return (n) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * n);
  };
}

const MAKE = {
  bool: (pick) => pick(2) === 1,
  enum: (pick) => pick(4),
  uint32: (pick) => INTEGERS[pick(INTEGERS.length)],
  int32: (pick) => [0, -1, 5, -(2 ** 31), 2 ** 31 - 1][pick(5)],
  sint32: (pick) => [0, -1, 5, -(2 ** 31), 2 ** 31 - 1][pick(5)],
  uint64: (pick) => LONGS[pick(LONGS.length)],
  string: (pick) => TEXTS[pick(TEXTS.length)],
  bytes: (pick) => Buffer.from(TEXTS[pick(TEXTS.length)]),
};

function makeValue(kind, pick, depth) {
  return MAKE[kind] ? MAKE[kind](pick) : makeMessage(kind, pick, depth + 1);
}

/** Of the members of a oneof at most one may be there. */
function leftOut(name, pick) {
  const out = new Set();
  for (const { oneof } of reference.lookupType(name).oneofsArray) {
    const chosen = oneof[pick(oneof.length)];
    for (const key of oneof) if (key !== chosen) out.add(key);
  }
  return out;
}

function makeMessage(name, pick, depth = 0) {
  const out = {};
  const skip = leftOut(name, pick);
  for (const [key, [, kind]] of Object.entries(MESSAGES[name])) {
    if (pick(3) === 0 || depth > 4 || skip.has(key)) continue;
    if (Array.isArray(kind)) out[key] = Array.from({ length: pick(3) }, () => makeValue(kind[0], pick, depth));
    else if (name === "Admin" && kind === "bool") out[key] = true; // false in a oneof is no action
    else out[key] = makeValue(kind, pick, depth);
  }
  return out;
}

/** What a decoder must find: defaults filled in, our way. */
function complete(name, object) {
  const out = {};
  for (const [key, [, kind]] of Object.entries(MESSAGES[name])) {
    const value = object[key];
    if (Array.isArray(kind)) out[key] = (value ?? []).map((one) => (MAKE[kind[0]] ? one : complete(kind[0], one)));
    else if (!MAKE[kind]) out[key] = value ? complete(kind, value) : null;
    else if (kind === "bytes") out[key] = Buffer.from(value ?? "");
    else out[key] = value ?? { bool: false, string: "" }[kind] ?? 0;
  }
  return out;
}

function forReference(value) {
  if (typeof value === "bigint") return value.toString();
  if (Buffer.isBuffer(value) || value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(forReference);
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, forReference(one)]));
}

for (const name of ["Request", "Response", "StatusReply", "Error", "Result", "Statement"]) {
  test(`${name}: what the reference writes is read exactly, and the other way round`, () => {
    const pick = numbers(name.length);
    for (let i = 0; i < 60; i++) {
      const object = makeMessage(name, pick);
      const theirs = reference.encode(name, forReference(object));
      const expected = complete(name, object);
      assert.deepEqual(decode(name, theirs), expected);
      const ours = encode(name, object);
      assert.deepEqual(decode(name, Buffer.from(ours)), expected);
      assert.deepEqual(reference.decode(name, ours), reference.decode(name, theirs));
    }
  });
}

test("fields that are not known are skipped, whatever their wire type", () => {
  const unknown = Buffer.from("f80701" + "fa0703616263" + "fd0701020304" + "f9070102030405060708", "hex");
  const known = encode("Hello", { applicationName: "x" });
  assert.equal(decode("Hello", Buffer.concat([unknown, known, unknown])).applicationName, "x");
});

test("a field of another wire type than ours is skipped", () => {
  assert.equal(decode("Hello", Buffer.from("18051a0178", "hex")).applicationName, "x");
});

test("broken bytes are refused at every cut, and never read beyond their end", () => {
  const whole = encode("Response", makeMessage("Response", numbers(3)));
  let refused = 0;
  for (let n = 0; n < Math.min(whole.length, 3000); n++) {
    try {
      decode("Response", whole, 0, n);
    } catch (error) {
      assert.ok(error instanceof MalformedMessage, error.stack);
      refused++;
    }
  }
  assert.ok(refused > 100);
  for (const hex of ["0a05", "0aff", "ffffffffffffffffffffff01", "0b", "18ffffffffffffffffffffff01", "09010203"])
    assert.throws(() => decode("Response", Buffer.from(hex, "hex")), MalformedMessage, hex);
});

test("a name that is no field is a mistake of ours and said at once", () => {
  assert.throws(() => encode("Query", { sql: "select 1" }), /Query has no field sql/);
});

test("views that a writer handed out do not change as it goes on", () => {
  const writer = new Writer();
  const views = [];
  for (let i = 0; i < 3000; i++) {
    writer.string(`${i}`.repeat(i % 90));
    views.push([writer.take(), `${i}`.repeat(i % 90)]);
  }
  for (const [view, text] of views) assert.equal(view.subarray(text.length > 127 ? 2 : 1).toString(), text);
});
