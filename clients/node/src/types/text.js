// SPDX-License-Identifier: MIT
// How text values of each type are read. What pg-types 2.2 makes of a type is what they are here; other types stay text.
import { parseArray } from "./array.js";
import { parseDate } from "./date.js";
import { parseInterval } from "./interval.js";

const TRUE = new Set(["t", "true", "TRUE", "y", "yes", "on", "1"]);
const OCTAL_OR_BACKSLASH = /\\(\d{3}|\\)/g;

export const parseInteger = (text) => parseInt(text, 10);
export const parseText = (text) => text;
export const parseBool = (text) => TRUE.has(text);

/** Both of bytea's outputs: hex (\x...) and escape. */
export function parseBytea(text) {
  if (text.startsWith("\\x")) return Buffer.from(text.slice(2), "hex");
  const bytes = text.replace(OCTAL_OR_BACKSLASH, (_, code) => (code === "\\" ? code : String.fromCharCode(parseInt(code, 8))));
  return Buffer.from(bytes, "latin1");
}

export function parsePoint(text) {
  if (text[0] !== "(") return null;
  const [x, y] = text.slice(1, -1).split(",");
  return { x: parseFloat(x), y: parseFloat(y) };
}

export function parseCircle(text) {
  const m = /^<\((.*),(.*)\),(.*)>$/.exec(text);
  return m ? { x: parseFloat(m[1]), y: parseFloat(m[2]), radius: parseFloat(m[3]) } : null;
}

const arrayOf = (parse) => (text) => (text ? parseArray(text, parse) : null);
const parseJson = (text) => JSON.parse(text);

/** [parser, OIDs of the type, OIDs of its arrays] */
const TABLE = [
  [parseBool, [16], [1000]],
  [parseBytea, [17], [1001]],
  [parseText, [20], [1016]], // int8: exact, so not a number
  [parseInteger, [21, 23, 26], [1005, 1007, 1028]],
  [parseFloat, [700, 701], [1021, 1022, 1231]], // numeric is text, numeric[] are numbers: as pg-types has it
  [parseDate, [1082, 1114, 1184], [1115, 1182, 1185]],
  [parseInterval, [1186], [1187]],
  [parsePoint, [600], [1017]],
  [parseCircle, [718], []],
  [parseJson, [114, 3802], [199, 3807]],
  // char, varchar, bpchar, text, macaddr, inet, cidr, numrange, uuid, money, time, timetz
  [parseText, [], [1014, 1015, 1009, 1008, 1040, 1041, 651, 3907, 2951, 791, 1183, 1270]],
];

/** OID -> parser */
export function textParsers() {
  const parsers = new Map();
  for (const [parse, oids, arrays] of TABLE) {
    for (const oid of oids) parsers.set(oid, parse);
    const parseAll = arrayOf(parse);
    for (const oid of arrays) parsers.set(oid, parseAll);
  }
  return parsers;
}
