// SPDX-License-Identifier: MIT
// Values between Prisma's query engine and PostgreSQL: results as texts in the forms that the engine reads, parameters
// from the forms that it gives.
import { parseArray } from "../types/array.js";
import { getTypeParser } from "../types/index.js";

const FIRST_USER_OID = 16_384;

/** @prisma/driver-adapter-utils's ColumnTypeEnum; a test compares. */
export const ColumnType = Object.freeze({
  Int32: 0, Int64: 1, Float: 2, Double: 3, Numeric: 4, Boolean: 5, Character: 6, Text: 7, Date: 8, Time: 9, DateTime: 10, Json: 11,
  Enum: 12, Bytes: 13, Set: 14, Uuid: 15, Int32Array: 64, Int64Array: 65, FloatArray: 66, DoubleArray: 67, NumericArray: 68,
  BooleanArray: 69, CharacterArray: 70, TextArray: 71, DateArray: 72, TimeArray: 73, DateTimeArray: 74, JsonArray: 75, EnumArray: 76,
  BytesArray: 77, UuidArray: 78, UnknownNumber: 128,
});

const asIs = (text) => text;
const datetime = (text) => `${text.replace(" ", "T")}+00:00`;
const withoutZone = (text) => text.replace(/[+-]\d\d(:\d\d)?(:\d\d)?$/, "");

/** In UTC, whatever the session's zone: the text as it is where that is UTC, to the millisecond where it is not. */
function instant(text) {
  if (/\+00(:00)?$/.test(text)) return `${withoutZone(text).replace(" ", "T")}+00:00`;
  const date = getTypeParser(1184)(text);
  return date instanceof Date ? date.toISOString().replace("Z", "+00:00") : text;
}

/** [ColumnType, ColumnType of the array, parser (null: the common one), OIDs, OIDs of the arrays] */
const TABLE = [
  ["Int32", "Int32Array", null, [21, 23], [1005, 1007]],
  ["Int64", "Int64Array", null, [20, 26], [1016, 1028]],
  ["Float", "FloatArray", null, [700], [1021]],
  ["Double", "DoubleArray", null, [701], [1022]],
  ["Numeric", "NumericArray", asIs, [1700], [1231]],
  ["Numeric", "NumericArray", (text) => text.replace(/^(-?)\$/, "$1").replaceAll(",", ""), [790], [791]],
  ["Boolean", "BooleanArray", null, [16], [1000]],
  ["Date", "DateArray", asIs, [1082], [1182]],
  ["Time", "TimeArray", asIs, [1083], [1183]],
  ["Time", "TimeArray", withoutZone, [1266], [1270]],
  ["DateTime", "DateTimeArray", datetime, [1114], [1115]],
  ["DateTime", "DateTimeArray", instant, [1184], [1185]],
  ["Json", "JsonArray", asIs, [114, 3802], [199, 3807]],
  ["Uuid", "UuidArray", asIs, [2950], [2951]],
  ["Bytes", "BytesArray", null, [17], [1001]],
  ["Character", "CharacterArray", asIs, [], [1002]],
  // bpchar, text, varchar, bit, varbit, inet, cidr, xml, name
  ["Text", "TextArray", asIs, [1042, 25, 1043, 1560, 1562, 869, 650, 142, 19], [1014, 1009, 1015, 1561, 1563, 1041, 651, 143, 1003]],
];

const columnTypes = new Map();
const parsers = new Map();
for (const [scalar, array, parse, oids, arrayOids] of TABLE) {
  for (const oid of oids) {
    columnTypes.set(oid, ColumnType[scalar]);
    if (parse) parsers.set(oid, parse);
  }
  for (const oid of arrayOids) {
    columnTypes.set(oid, ColumnType[array]);
    if (parse) parsers.set(oid, (text) => parseArray(text, parse));
  }
}

/** The ColumnType of a type, or undefined for one that the engine does not know. */
export function columnTypeOf(oid) {
  return columnTypes.get(oid) ?? (oid >= FIRST_USER_OID ? ColumnType.Text : undefined);
}

export function parserOf(oid) {
  return parsers.get(oid) ?? getTypeParser(oid);
}

const dayOf = (date) => date.toISOString().slice(0, -14);
const timeOf = (date) => date.toISOString().slice(-13, -1);

function formatDate(date, dbType) {
  if (dbType === "DATE") return dayOf(date);
  return dbType === "TIME" || dbType === "TIMETZ" ? timeOf(date) : `${dayOf(date)} ${timeOf(date)}`;
}

/** A parameter of the engine as one of ours. */
export function argument(value, type) {
  if (value === null || value === undefined) return null;
  if (Array.isArray(value) && type?.arity === "list") return value.map((one) => argument(one, type));
  if (type?.scalarType === "datetime" && typeof value === "string") return formatDate(new Date(value), type.dbType);
  if (value instanceof Date) return formatDate(value, type?.dbType);
  if (type?.scalarType === "bytes" && typeof value === "string") return Buffer.from(value, "base64");
  return value;
}
