// SPDX-License-Identifier: MIT
// The registry of type parsers, with the names that pg-types has.
import { parseArray } from "./array.js";
import { binaryParsers } from "./binary.js";
import { textParsers } from "./text.js";

const parsers = { text: textParsers(), binary: binaryParsers() };
const noParse = (value) => String(value);

/** Grows by one with each change, so that what was made from the registry can tell that it is stale. */
let version = 0;

export const registryVersion = () => version;

export function getTypeParser(oid, format = "text") {
  return parsers[format]?.get(Number(oid)) ?? noParse;
}

/** setTypeParser(oid, parse) or setTypeParser(oid, "text" | "binary", parse) */
export function setTypeParser(oid, format, parse) {
  version++;
  if (typeof format === "function") parsers.text.set(Number(oid), format);
  else parsers[format].set(Number(oid), parse);
}

/** pg-types' way to make an array parser: arrayParser.create(text, parseElement).parse() */
export const arrayParser = {
  create: (text, parse) => ({
    parse: () => parseArray(text, parse),
  }),
};

export const builtins = Object.freeze({
  BOOL: 16, BYTEA: 17, CHAR: 18, INT8: 20, INT2: 21, INT4: 23, REGPROC: 24, TEXT: 25, OID: 26, TID: 27, XID: 28, CID: 29,
  JSON: 114, XML: 142, PG_NODE_TREE: 194, SMGR: 210, PATH: 602, POLYGON: 604, CIDR: 650, FLOAT4: 700, FLOAT8: 701,
  ABSTIME: 702, RELTIME: 703, TINTERVAL: 704, CIRCLE: 718, MACADDR8: 774, MONEY: 790, MACADDR: 829, INET: 869,
  ACLITEM: 1033, BPCHAR: 1042, VARCHAR: 1043, DATE: 1082, TIME: 1083, TIMESTAMP: 1114, TIMESTAMPTZ: 1184, INTERVAL: 1186,
  TIMETZ: 1266, BIT: 1560, VARBIT: 1562, NUMERIC: 1700, REFCURSOR: 1790, REGPROCEDURE: 2202, REGOPER: 2203,
  REGOPERATOR: 2204, REGCLASS: 2205, REGTYPE: 2206, UUID: 2950, TXID_SNAPSHOT: 2970, PG_LSN: 3220, PG_NDISTINCT: 3361,
  PG_DEPENDENCIES: 3402, TSVECTOR: 3614, TSQUERY: 3615, GTSVECTOR: 3642, REGCONFIG: 3734, REGDICTIONARY: 3769,
  JSONB: 3802, REGNAMESPACE: 4089, REGROLE: 4096,
});
