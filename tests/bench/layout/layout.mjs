// SPDX-License-Identifier: MIT
// How fast Node decodes each layout of packed rows into arrays of numbers and strings: nanoseconds per value.

const kinds = [(n) => `${n}`, (n) => `${n}.25`, (n) => `text value ${n}`];
const parsers = [Number, Number, (s) => s];

function values(rows, columns) {
  return Array.from({ length: rows }, (_, r) => Array.from({ length: columns }, (_, c) => Buffer.from(kinds[c % 3](r * 7 + c))));
}

function lengths(list) {
  const b = Buffer.alloc(4 * list.length);
  list.forEach((v, i) => b.writeInt32LE(v.length, 4 * i));
  return b;
}

function encode(layout, table) {
  if (layout === "A") return Buffer.concat(table.flat().flatMap((v) => [lengths([v]), v]));
  if (layout === "B") return Buffer.concat(table[0].flatMap((_, c) => { const column = table.map((r) => r[c]); return [lengths(column), ...column]; }));
  return Buffer.concat([lengths(table.flat()), ...table.flat()]);
}

function decodeA(data, rows, parse) {
  const out = new Array(rows);
  let at = 0;
  for (let r = 0; r < rows; r++) {
    const row = new Array(parse.length);
    for (let c = 0; c < parse.length; c++) {
      const n = data.readInt32LE(at);
      at += 4;
      if (n < 0) row[c] = null;
      else row[c] = parse[c](data.latin1Slice(at, (at += n)));
    }
    out[r] = row;
  }
  return out;
}

function decodeB(data, rows, parse) {
  const out = Array.from({ length: rows }, () => new Array(parse.length));
  let at = 0;
  for (let c = 0; c < parse.length; c++) {
    let from = at;
    at += 4 * rows;
    for (let r = 0; r < rows; r++, from += 4) {
      const n = data.readInt32LE(from);
      if (n < 0) out[r][c] = null;
      else out[r][c] = parse[c](data.latin1Slice(at, (at += n)));
    }
  }
  return out;
}

function decodeC(data, rows, parse) {
  const out = new Array(rows);
  let from = 0;
  let at = 4 * rows * parse.length;
  for (let r = 0; r < rows; r++) {
    const row = new Array(parse.length);
    for (let c = 0; c < parse.length; c++, from += 4) {
      const n = data.readInt32LE(from);
      if (n < 0) row[c] = null;
      else row[c] = parse[c](data.latin1Slice(at, (at += n)));
    }
    out[r] = row;
  }
  return out;
}

function measure(fn, ...args) {
  for (let count = 1; ; count *= 2) {
    const started = process.hrtime.bigint();
    for (let i = 0; i < count; i++) fn(...args);
    const took = Number(process.hrtime.bigint() - started);
    if (took > 5e7) return took / count;
  }
}

for (const [rows, columns] of [[1, 1], [1, 4], [1000, 5], [100, 50]]) {
  const table = values(rows, columns);
  const parse = Array.from({ length: columns }, (_, c) => parsers[c % 3]);
  const took = { A: [], B: [], C: [] };
  for (let i = 0; i < 5; i++)
    for (const [layout, fn] of [["A", decodeA], ["B", decodeB], ["C", decodeC]])
      took[layout].push(measure(fn, encode(layout, table), rows, parse));
  const text = Object.entries(took).map(([k, v]) => `${k} ${(v.sort((a, b) => a - b)[2] / rows / columns).toFixed(1).padStart(7)}`);
  console.log(`node   ${String(rows).padStart(5)} x ${String(columns).padStart(2)}  ${text.join("  ")}  ns/value`);
}
