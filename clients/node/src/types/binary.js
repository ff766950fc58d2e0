// SPDX-License-Identifier: MIT
// How binary values of each type are read, where a program asks for binary results: the types that pg-types 2.2 reads
// are read here, exactly; others stay bytes.

const EPOCH_MS = Date.UTC(2000, 0, 1);
const INFINITE = 0x7fff_ffff_ffff_ffffn;
const NUMERIC_NAN = 0xc000;
const NUMERIC_INFINITY = 0xd000;
const NUMERIC_MINUS_INFINITY = 0xf000;
const NUMERIC_MINUS = 0x4000;

const readInt8 = (buf) => buf.readBigInt64BE(0).toString();
const readText = (buf) => buf.toString("utf8");

function readNumeric(buf) {
  const count = buf.readUInt16BE(0);
  const sign = buf.readUInt16BE(4);
  if (sign === NUMERIC_NAN) return NaN;
  if (sign === NUMERIC_INFINITY) return Infinity;
  if (sign === NUMERIC_MINUS_INFINITY) return -Infinity;
  const weight = buf.readInt16BE(2);
  let digits = "";
  for (let i = 0; i < count; i++) digits += String(buf.readUInt16BE(8 + 2 * i)).padStart(4, "0");
  const value = Number(`${digits || "0"}e${4 * (weight - count + 1)}`);
  return sign === NUMERIC_MINUS ? -value : value;
}

function readTimestamp(buf, local) {
  const micros = buf.readBigInt64BE(0);
  if (micros === INFINITE) return Infinity;
  if (micros === -INFINITE - 1n) return -Infinity;
  const date = new Date(Math.floor(Number(micros) / 1000) + EPOCH_MS);
  if (local) date.setTime(date.getTime() + date.getTimezoneOffset() * 60_000);
  return date;
}

function readArray(buf) {
  const dimensions = buf.readInt32BE(0);
  const parse = BINARY.get(buf.readUInt32BE(8)) ?? readText;
  const sizes = Array.from({ length: dimensions }, (_, i) => buf.readInt32BE(12 + 8 * i));
  let at = 12 + 8 * dimensions;
  const element = () => {
    const n = buf.readInt32BE(at);
    at += 4;
    if (n < 0) return null;
    at += n;
    return parse(buf.subarray(at - n, at));
  };
  const level = (i) => Array.from({ length: sizes[i] }, () => (i + 1 < dimensions ? level(i + 1) : element()));
  return dimensions === 0 ? [] : level(0);
}

const BINARY = new Map([
  [16, (buf) => buf[0] > 0],
  [20, readInt8],
  [21, (buf) => buf.readInt16BE(0)],
  [23, (buf) => buf.readInt32BE(0)],
  [25, readText],
  [26, (buf) => buf.readUInt32BE(0)],
  [700, (buf) => buf.readFloatBE(0)],
  [701, (buf) => buf.readDoubleBE(0)],
  [1114, (buf) => readTimestamp(buf, true)],
  [1184, (buf) => readTimestamp(buf, false)],
  [1700, readNumeric],
  [1000, readArray],
  [1007, readArray],
  [1008, readArray],
  [1009, readArray],
  [1016, readArray],
]);

/** OID -> parser */
export const binaryParsers = () => new Map(BINARY);
