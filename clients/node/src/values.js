// SPDX-License-Identifier: MIT
// JavaScript values as parameters: text that PostgreSQL reads, bytes, or null. The rules are node-postgres's: null and
// undefined are NULL, bytes stay bytes, a Date becomes a timestamp with its offset, an array an array literal, an object
// what its toPostgres() says or JSON, all else its text.
import { deprecate, types as utilTypes } from "node:util";
import { formatLocal, formatUtc } from "./types/date.js";

/** datesAsUtc: a Date goes in UTC, not in local time. */
export const settings = { datesAsUtc: false };

const asBuffer = (view) => (Buffer.isBuffer(view) ? view : Buffer.from(view.buffer, view.byteOffset, view.byteLength));
const quoted = (text) => `"${text.replace(/\\/g, "\\\\").replace(/"/g, '\\"')}"`;

function arrayElement(item) {
  if (item === null || item === undefined) return "NULL";
  if (Array.isArray(item)) return arrayLiteral(item);
  if (ArrayBuffer.isView(item)) return `\\\\x${asBuffer(item).toString("hex")}`;
  const value = prepareValue(item);
  if (value === null) return "NULL";
  return Buffer.isBuffer(value) ? arrayElement(value) : quoted(value);
}

/** {1,NULL,"x"}: elements of an array whose type has another delimiter than the comma are not for it. */
export function arrayLiteral(items) {
  return `{${items.map(arrayElement).join(",")}}`;
}

function prepareObject(value, seen) {
  if (typeof value.toPostgres !== "function") return JSON.stringify(value);
  if (seen.includes(value)) throw new Error(`circular reference detected while preparing "${value}" for query`);
  return prepareValue(value.toPostgres((inner) => prepareValue(inner)), [...seen, value]);
}

const warnOfInvalidDate = deprecate(
  () => {},
  "Sending an invalid date to PostgreSQL is deprecated: ensure that any Date passed as a parameter is valid.",
  "PG_INVALID_DATE",
);

function formatDate(date) {
  if (Number.isNaN(date.getTime())) warnOfInvalidDate(); // PostgreSQL refuses it
  return settings.datesAsUtc ? formatUtc(date) : formatLocal(date);
}

/** A string, a Buffer or null. */
export function prepareValue(value, seen = []) {
  if (typeof value === "string") return value;
  if (value === null || value === undefined) return null;
  if (typeof value !== "object") return value.toString();
  if (ArrayBuffer.isView(value)) return asBuffer(value);
  if (utilTypes.isDate(value)) return formatDate(value);
  if (Array.isArray(value)) return arrayLiteral(value);
  return prepareObject(value, seen);
}
