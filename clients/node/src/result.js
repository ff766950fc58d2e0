// SPDX-License-Identifier: MIT
// Results as a program sees them, gathered from the chunks that they come in.
import { errorFromWire, sqlFields } from "./errors.js";
import { RowShape, unpackRows } from "./packed.js";
import { getTypeParser, registryVersion } from "./types/index.js";

const TAG = /^([A-Z][A-Z ]*?)(?: (\d+))?(?: (\d+))?$/;
const BINARY = 1;
const shapes = new WeakMap(); // columns -> { shape, version, asArray, binary }

/** The shape of rows; kept for columns that come again, where the parsers are the common ones. */
function shapeOf(columns, binary, { asArray, parserOf }) {
  if (parserOf !== getTypeParser) return new RowShape(columns, binary, asArray, parserOf);
  const version = registryVersion();
  const kept = shapes.get(columns);
  if (kept && kept.version === version && kept.asArray === asArray && kept.binary === binary) return kept.shape;
  const shape = new RowShape(columns, binary, asArray, parserOf);
  shapes.set(columns, { shape, version, asArray, binary });
  return shape;
}

/** { asArray, parserOf } from a caller's options. */
export function rowOptions({ rowMode, types }) {
  return { asArray: rowMode === "array", parserOf: types ? (oid, format) => types.getTypeParser(oid, format) : getTypeParser };
}

/** What a statement gave. */
export class Result {
  #rowOptions;
  #shape = null;

  constructor(options) {
    this.#rowOptions = options;
    this.rows = [];
    this.columns = [];
    /** "SELECT", "INSERT", "CREATE TABLE"; "" for an empty statement */
    this.command = "";
    /** The number in the tag, or null where the tag has none. */
    this.rowCount = null;
    /** "INSERT 0 3" */
    this.tag = "";
    this.notices = [];
    /** Batches that are not atomic: why this statement failed. */
    this.error = null;
  }

  /** Takes a Result message; it is the first or goes on where the last ended. */
  add(message) {
    if (message.columns.length > 0 && !this.#shape) {
      this.columns = message.columns;
      this.#shape = shapeOf(message.columns, message.format === BINARY, this.#rowOptions);
    }
    if (message.rowCount > 0) this.#addRows(message);
    for (const notice of message.notices) this.notices.push(sqlFields(notice.fields));
    if (message.error) this.error = errorFromWire(message.error);
    if (!message.more && message.commandTag) this.#end(message);
  }

  #addRows(message) {
    if (this.#shape) unpackRows(message.rows, message.rowCount, this.#shape, this.rows);
    else for (let i = 0; i < message.rowCount; i++) this.rows.push(this.#rowOptions.asArray ? [] : {}); // select from t
  }

  #end(message) {
    const m = TAG.exec(message.commandTag);
    this.tag = message.commandTag;
    this.command = m ? m[1] : message.commandTag;
    if (m?.[2] !== undefined) this.rowCount = Number(message.affectedRows);
  }

  /** Takes the rows that have come so far. */
  takeRows() {
    const { rows } = this;
    this.rows = [];
    return rows;
  }
}

/** The Results of a Response and of those that go on with it. */
export class Results {
  #options;
  #byIndex = new Map();
  list = [];

  constructor(options) {
    this.#options = rowOptions(options);
  }

  add(messages) {
    for (const message of messages) this.#of(message).add(message);
  }

  /** A statement in a script has no index of its own: each that has ended makes room for the next. */
  #of(message) {
    const key = message.statementIndex * 2 ** 21 + message.parameterSetIndex;
    let result = this.#byIndex.get(key);
    if (!result) {
      result = new Result(this.#options);
      this.list.push(result);
    }
    if (message.more) this.#byIndex.set(key, result);
    else this.#byIndex.delete(key);
    return result;
  }
}
