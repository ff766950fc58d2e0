// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameReader, FramingError, nextId, writeHeader, HEADER_BYTES } from "../src/sp.js";
import { frame } from "./lib/fake-daemon.js";

const PEER = Buffer.from("0053500000310000", "hex");

function collect(limit = 1 << 20) {
  const seen = [];
  const reader = new FrameReader(
    limit,
    () => seen.push("greeting"),
    (id, buf, start, end) => seen.push([id, buf.toString("latin1", start, end)]),
  );
  return { reader, seen };
}

const BODIES = ["", "a", "bc".repeat(40), "d".repeat(100_000), "e"];
const STREAM = Buffer.concat([PEER, ...BODIES.map((body, i) => frame(0x80000001 + i, Buffer.from(body)))]);
const EXPECTED = ["greeting", ...BODIES.map((body, i) => [0x80000001 + i, body])];

for (const size of [1, 2, 7, 8, 13, 14, 100, 65_536, STREAM.length]) {
  test(`messages come out whole in pieces of ${size} bytes`, () => {
    const { reader, seen } = collect();
    for (let at = 0; at < STREAM.length; at += size) reader.push(STREAM.subarray(at, at + size));
    assert.deepEqual(seen, EXPECTED);
  });
}

test("what is not the protocol is refused", () => {
  const cases = {
    "the greeting of a publisher": ["0053500000200000"],
    "a greeting that is HTTP": [Buffer.from("HTTP/1.1").toString("hex")],
    "a message that does not begin with 1": [PEER.toString("hex") + "02000000000000000480000001"],
    "a message without an id": [PEER.toString("hex") + "01000000000000000380000001"],
    "a message beyond the limit": [PEER.toString("hex") + "01000000000010000580000001"],
    "a message of 4 GiB": [PEER.toString("hex") + "01000000010000000880000001"],
  };
  for (const [what, [hex]] of Object.entries(cases)) {
    const { reader } = collect();
    assert.throws(() => reader.push(Buffer.from(hex, "hex")), FramingError, what);
  }
});

test("the header is that of WIRE.md's example", () => {
  const buf = Buffer.alloc(HEADER_BYTES);
  writeHeader(buf, 0, 11, 0x80000001);
  assert.equal(buf.toString("hex"), "01000000000000000b80000001");
});

test("ids keep their top bit when they wrap", () => {
  assert.equal(nextId(0x80000000), 0x80000001);
  assert.equal(nextId(0xffffffff), 0x80000000);
});
