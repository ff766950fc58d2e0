// SPDX-License-Identifier: MIT
// The packed rows of the wire (proto/WIRE.md, section 5), and the only place that knows their layout: row after row, each
// value a little-endian 32 bit length and its bytes; the length of NULL is -1.
import { SidepoolError } from "./errors.js";
import { parseInteger, parseText } from "./types/text.js";

const LENGTH_BYTES = 4;
const NULL = -1;
const TEXT = 0; // the text itself
const INTEGER = 1; // a short text of digits
const PARSED = 2; // a text through its parser
const BINARY = 3; // bytes through their parser
const INTEGER_DIGITS = 9; // as many as need no care
const ZERO = 0x30;
const MINUS = 0x2d;

function sizeOf(value) {
  if (value === null) return LENGTH_BYTES;
  return LENGTH_BYTES + (typeof value === "string" ? Buffer.byteLength(value) : value.length);
}

function put(buf, at, value) {
  if (value === null) return buf.writeInt32LE(NULL, at);
  const from = at + LENGTH_BYTES;
  const n = typeof value === "string" ? buf.write(value, from, "utf8") : value.copy(buf, from);
  buf.writeInt32LE(n, at);
  return from + n;
}

/** Rows of prepared values (strings, Buffers, null), all in one. */
export function packRows(rows) {
  let size = 0;
  for (const row of rows) for (const value of row) size += sizeOf(value);
  const buf = Buffer.allocUnsafe(size);
  let at = 0;
  for (const row of rows) for (const value of row) at = put(buf, at, value);
  return buf;
}

function kindOf(parse, binary) {
  if (binary) return BINARY;
  if (parse === parseText) return TEXT;
  return parse === parseInteger ? INTEGER : PARSED;
}

/** An object with a null for each name, each an own property: a column may be called __proto__. */
export function templateOf(names) {
  const template = Object.create(null);
  for (const name of names) template[name] = null;
  return { ...template };
}

const namesOf = new WeakMap(); // columns -> { names, template }; a statement that is known has the same columns each time

function describe(columns) {
  let found = namesOf.get(columns);
  if (!found) {
    const names = columns.map((column) => column.name);
    namesOf.set(columns, (found = { names, template: templateOf(names) }));
  }
  return found;
}

/**
 * How rows of these columns become objects (or, asArray, arrays): made once, used for each chunk. parserOf(typeOid,
 * "text" | "binary") gives the parsers.
 */
export class RowShape {
  constructor(columns, binary, asArray, parserOf) {
    const format = binary ? "binary" : "text";
    const { names, template } = describe(columns);
    this.names = names;
    this.template = template;
    this.parsers = columns.map((column) => parserOf(column.typeOid, format));
    this.kinds = this.parsers.map((parse) => kindOf(parse, binary));
    this.asArray = asArray;
  }

  /** A row without values. */
  emptyRow() {
    return this.asArray ? new Array(this.names.length) : { ...this.template };
  }
}

function readInteger(buf, from, to) {
  if (to - from > INTEGER_DIGITS) return parseInteger(buf.latin1Slice(from, to));
  let at = buf[from] === MINUS ? from + 1 : from;
  let n = 0;
  for (; at < to; at++) n = n * 10 + (buf[at] - ZERO);
  return buf[from] === MINUS ? -n : n;
}

function readValue(buf, from, to, kind, parse) {
  if (kind === TEXT) return buf.utf8Slice(from, to);
  if (kind === INTEGER) return readInteger(buf, from, to);
  if (kind === PARSED) return parse(buf.utf8Slice(from, to));
  return parse(Buffer.from(buf.subarray(from, to))); // a copy: a small value must not hold the whole message
}

function lengthAt(buf, at) {
  return buf[at] | (buf[at + 1] << 8) | (buf[at + 2] << 16) | (buf[at + 3] << 24);
}

const broken = () => new SidepoolError("PROTOCOL_VIOLATION", "an answer's packed rows do not add up");

/** Appends `count` rows of `shape` to `rows`. */
export function unpackRows(buf, count, shape, rows) {
  const { names, parsers, kinds, asArray } = shape;
  let at = 0;
  for (let r = 0; r < count; r++) {
    const row = shape.emptyRow();
    for (let c = 0; c < names.length; c++) {
      const n = lengthAt(buf, at);
      at += LENGTH_BYTES;
      if (n < NULL || at + n > buf.length) throw broken();
      const value = n === NULL ? null : readValue(buf, at, at + n, kinds[c], parsers[c]);
      if (n > 0) at += n;
      row[asArray ? c : names[c]] = value;
    }
    rows.push(row);
  }
  if (at !== buf.length) throw broken();
}
