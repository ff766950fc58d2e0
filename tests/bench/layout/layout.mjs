// SPDX-License-Identifier: MIT
// What each layout costs a client in Node: decoded to arrays and to objects by a parser for each column. Nanoseconds of
// processor time per value. For each layout the quickest of several ways is kept, and which one it was is printed.
//
// "-string" ways decode the whole chunk (or column) to one string and cut the values from it, which lets every one of them
// hold the whole chunk in memory: V8's substrings refer to what they were cut from.
import assert from "node:assert/strict";
import { isAscii } from "node:buffer";

const ROUNDS = 9;
const ROUND_US = 20_000;
const text = (buf, from, to) => buf.utf8Slice(from, to);
const number = (buf, from, to) => Number(buf.latin1Slice(from, to));
const plain = (buf, from, to) => buf.latin1Slice(from, to);
const KINDS = {
  i: [number, (v) => `${v}`],
  f: [number, (v) => `${v}.25`],
  t: [text, (v) => `text value ${v}`],
  d: [plain, (v) => `${v}.10`], // a decimal stays a string, as in node-postgres
  n: [text, (v, row) => (row % 10 === 9 ? null : `note ${v}`)],
  p: [text, () => " ".repeat(84)],
  B: [text, () => "x".repeat(1 << 20)],
};
// As shapes.h has them.
const SHAPES = [
  ["1x1", 1, "i"], ["1x4", 1, "iiip"], ["1000x5", 1000, "iftdn"],
  ["100x50", 100, "iftdn".repeat(10)], ["3x2-1MB", 3, "iB"],
];
const ofString = new Map([[number, Number], [text, (s) => s], [plain, (s) => s]]);

function values(rows, kinds) {
  return Array.from({ length: rows }, (_, r) => [...kinds].map((k, c) => KINDS[k][1](r * 7 + c, r)));
}

function pack(cells, big = false) {
  const lengths = Buffer.alloc(4 * cells.length);
  cells.forEach((v, i) => lengths[big ? "writeInt32BE" : "writeInt32LE"](v === null ? -1 : v.length, 4 * i));
  return [lengths, ...cells.filter((v) => v !== null).map((v) => Buffer.from(v))];
}

// Behind a byte of something else, as a bytes field of a message lies: no chunk is aligned.
function encode(layout, table) {
  const pieces = layout.startsWith("A") ? table.flat().flatMap((v) => pack([v], layout === "A>"))
    : layout === "B" ? table[0].flatMap((_, c) => pack(table.map((row) => row[c]))) : pack(table.flat());
  return Buffer.concat([Buffer.alloc(1), ...pieces]).subarray(1);
}

const readLE = (buf, at) => buf.readInt32LE(at);
const readBE = (buf, at) => buf.readInt32BE(at);
const byHand = (buf, at) => buf[at] | (buf[at + 1] << 8) | (buf[at + 2] << 16) | (buf[at + 3] << 24);
const byHandBig = (buf, at) => (buf[at] << 24) | (buf[at + 1] << 16) | (buf[at + 2] << 8) | buf[at + 3];

// One function for each way, made from its source, so that no two ways share what the compiler has learned of types.
const own = (fn, names = {}) => new Function(...Object.keys(names), `return ${fn}`)(...Object.values(names));

const rowWise = (read) => own((data, rows, parse, row0, keys) => {
  const out = new Array(rows), width = parse.length;
  let at = 0;
  for (let r = 0; r < rows; r++) {
    const row = keys ? { ...row0 } : new Array(width);
    for (let c = 0; c < width; c++) {
      const n = read(data, at);
      at += 4;
      row[keys ? keys[c] : c] = n < 0 ? null : parse[c](data, at, (at += n));
    }
    out[r] = row;
  }
  return out;
}, { read });

const rowWiseView = () => own((data, rows, parse, row0, keys) => {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const out = new Array(rows), width = parse.length;
  let at = 0;
  for (let r = 0; r < rows; r++) {
    const row = keys ? { ...row0 } : new Array(width);
    for (let c = 0; c < width; c++) {
      const n = view.getInt32(at, true);
      at += 4;
      row[keys ? keys[c] : c] = n < 0 ? null : parse[c](data, at, (at += n));
    }
    out[r] = row;
  }
  return out;
});

const columnWise = (read) => own((data, rows, parse, row0, keys) => {
  const out = new Array(rows), width = parse.length;
  let at = 0;
  for (let r = 0; r < rows; r++) out[r] = keys ? { ...row0 } : new Array(width);
  for (let c = 0; c < width; c++) {
    let from = at;
    const p = parse[c], key = keys ? keys[c] : c;
    at += 4 * rows;
    for (let r = 0; r < rows; r++, from += 4) {
      const n = read(data, from);
      out[r][key] = n < 0 ? null : p(data, at, (at += n));
    }
  }
  return out;
}, { read });

// Text that is ASCII is cut from the string, other text decoded: asked of a column in B, of the chunk in C, of a value in A.
const columnString = (read) => own((data, rows, parse, row0, keys) => {
  const out = new Array(rows), width = parse.length, all = data.latin1Slice(0, data.length);
  let at = 0;
  for (let r = 0; r < rows; r++) out[r] = keys ? { ...row0 } : new Array(width);
  for (let c = 0; c < width; c++) {
    const p = ofString.get(parse[c]), key = keys ? keys[c] : c;
    let from = at, end = (at += 4 * rows);
    if (parse[c] === text) for (let i = from; i < at; i += 4) end += Math.max(read(data, i), 0);
    const ascii = parse[c] !== text || isAscii(data.subarray(at, end));
    for (let r = 0; r < rows; r++, from += 4) {
      const n = read(data, from);
      if (n < 0) out[r][key] = null;
      else out[r][key] = ascii ? p(all.slice(at, (at += n))) : data.utf8Slice(at, (at += n));
    }
  }
  return out;
}, { read, text, ofString, isAscii });

const lengthsFirst = (read) => own((data, rows, parse, row0, keys) => {
  const out = new Array(rows), width = parse.length;
  let from = 0, at = 4 * rows * width;
  for (let r = 0; r < rows; r++) {
    const row = keys ? { ...row0 } : new Array(width);
    for (let c = 0; c < width; c++, from += 4) {
      const n = read(data, from);
      row[keys ? keys[c] : c] = n < 0 ? null : parse[c](data, at, (at += n));
    }
    out[r] = row;
  }
  return out;
}, { read });

const lengthsString = (read) => own((data, rows, parse, row0, keys) => {
  const out = new Array(rows), width = parse.length;
  let from = 0, at = 4 * rows * width;
  const start = at, body = data.subarray(at);
  if (!isAscii(body)) throw new Error("not this way");
  const all = data.latin1Slice(at, data.length), p = parse.map((f) => ofString.get(f));
  for (let r = 0; r < rows; r++) {
    const row = keys ? { ...row0 } : new Array(width);
    for (let c = 0; c < width; c++, from += 4) {
      const n = read(data, from);
      row[keys ? keys[c] : c] = n < 0 ? null : p[c](all.slice(at - start, (at += n) - start));
    }
    out[r] = row;
  }
  return out;
}, { read, ofString, isAscii });

function isAsciiValue(data, at, end) {
  if (end - at > 64) return isAscii(data.subarray(at, end));
  while (at < end) if (data[at++] > 127) return false;
  return true;
}

const rowString = (read) => own((data, rows, parse, row0, keys) => {
  const out = new Array(rows), width = parse.length, all = data.latin1Slice(0, data.length);
  const numeric = parse.map((f) => f !== text), p = parse.map((f) => ofString.get(f));
  let at = 0;
  for (let r = 0; r < rows; r++) {
    const row = keys ? { ...row0 } : new Array(width);
    for (let c = 0; c < width; c++) {
      const n = read(data, at), from = at + 4;
      at = from;
      if (n >= 0) at += n;
      if (n < 0) row[keys ? keys[c] : c] = null;
      else if (numeric[c] || isAsciiValue(data, from, at)) row[keys ? keys[c] : c] = p[c](all.slice(from, at));
      else row[keys ? keys[c] : c] = data.utf8Slice(from, at);
    }
    out[r] = row;
  }
  return out;
}, { read, text, ofString, isAsciiValue });

function ways() {
  return {
    A: { readInt32LE: rowWise(readLE), "by-hand": rowWise(byHand), DataView: rowWiseView(), "-string": rowString(byHand) },
    B: { readInt32LE: columnWise(readLE), "by-hand": columnWise(byHand), "-string": columnString(byHand) },
    C: { readInt32LE: lengthsFirst(readLE), "by-hand": lengthsFirst(byHand), "-string": lengthsString(byHand) },
    "A>": { readInt32BE: rowWise(readBE), "by-hand": rowWise(byHandBig), "-string": rowString(byHandBig) },
  };
}

function timed(fn, count) {
  const started = process.cpuUsage();
  for (let i = 0; i < count; i++) fn();
  const { user, system } = process.cpuUsage(started);
  return ((user + system) * 1000) / count;
}

function measureAll(candidates) {
  for (const c of candidates) {
    for (c.count = 1; timed(c.run, c.count) * c.count < ROUND_US * 1000; ) c.count *= 2;
    c.took = [];
  }
  for (let i = 0; i < ROUNDS; i++) for (const c of candidates) c.took.push(timed(c.run, c.count)); // interleaved
  for (const c of candidates) c.took.sort((a, b) => a - b);
}

const median = (c) => c.took[ROUNDS >> 1];

function report(work, shape, candidates, n) {
  const cells = [...new Set(candidates.map((c) => c.layout))].map((layout) => {
    const c = candidates.filter((d) => d.layout === layout).sort((a, b) => median(a) - median(b))[0];
    const spread = (c.took[(ROUNDS * 3) >> 2] - c.took[ROUNDS >> 2]) / 2 / median(c);
    return `${layout} ${(median(c) / n).toFixed(1)} ±${(spread * 100).toFixed(0)}% ${c.way}`;
  });
  console.log(`node\t${work}\t${shape}\t${cells.join("\t")}`);
}

for (const [name, rows, kinds] of SHAPES) {
  const table = values(rows, kinds), parse = [...kinds].map((k) => KINDS[k][0]);
  const names = parse.map((_, c) => `column${c}`), row0 = Object.fromEntries(names.map((n) => [n, null]));
  const expected = table.map((row) => row.map((v, c) => (v === null ? null : ofString.get(parse[c])(v))));
  for (const keys of [null, names]) {
    const candidates = [];
    for (const [layout, fns] of Object.entries(ways()))
      for (const [way, fn] of Object.entries(fns)) {
        const data = encode(layout, table), run = () => fn(data, rows, parse, row0, keys);
        assert.deepEqual(run().map((row) => Object.values(row)), expected, `${layout} ${way} ${name}`);
        candidates.push({ layout, way, run });
      }
    measureAll(candidates);
    report(keys ? "objects" : "arrays", name, candidates, rows * kinds.length);
  }
}
