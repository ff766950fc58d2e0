// SPDX-License-Identifier: MIT
// node-postgres's Query: a statement with its callback, its events ("row", "end", "error") and its Result, or Results
// where the text has several statements.
import { EventEmitter } from "node:events";
import { sqlFields } from "../errors.js";
import { RowShape, unpackRows } from "../packed.js";
import { getTypeParser } from "../types/index.js";
import { Result, fieldsOfColumns } from "./result.js";
import { normalizeQueryConfig } from "./utils.js";

export class Query extends EventEmitter {
  #shape = null; // of the result that is being read
  #more = false; // the result goes on in the next chunk

  constructor(config, values, callback) {
    super();
    const given = normalizeQueryConfig(config, values, callback);
    this.text = given.text;
    this.values = given.values;
    this.rows = given.rows;
    this.types = given.types;
    this.name = given.name;
    this.queryMode = given.queryMode;
    this.binary = given.binary;
    this.portal = given.portal || "";
    this.callback = given.callback;
    this.signal = given.signal;
    this._rowMode = given.rowMode;
    if (process.domain && given.callback) this.callback = process.domain.bind(given.callback);
    this._result = new Result(this._rowMode, this.types);
    this._results = this._result;
  }

  /** Whether it goes by the extended protocol, and so is one statement. */
  requiresPreparation() {
    if (this.queryMode === "extended" || this.name || this.rows) return true;
    return Boolean(this.text && this.values && this.values.length > 0);
  }

  #mistake(connection) {
    if (typeof this.text !== "string" && typeof this.name !== "string")
      return new Error("A query must have either text or a name. Supplying neither is unsupported.");
    const previous = connection.parsedStatements[this.name];
    if (this.text && previous !== undefined && this.text !== previous)
      return new Error(`Prepared statements must be unique - '${this.name}' was used for a different statement`);
    if (this.values && !Array.isArray(this.values)) return new Error("Query values must be an array");
    return null;
  }

  /** Begins on a client's connection. Returns an Error where it cannot. */
  submit(connection) {
    const mistake = this.#mistake(connection);
    if (mistake) return mistake;
    connection.run(this);
    return null;
  }

  /** What Runner.execute() is to be asked for. */
  request(connection) {
    const text = this.text ?? connection.parsedStatements[this.name] ?? "";
    const values = this.requiresPreparation() ? this.values ?? [] : null;
    return { text, values, binary: this.binary };
  }

  /** Takes a Response's results; onNotice({ severity, message, ... }). */
  take(results, onNotice) {
    for (const message of results) {
      for (const notice of message.notices) onNotice(sqlFields(notice.fields));
      if (!this.#more) this.#beginResult(message);
      if (message.rowCount > 0) this.#takeRows(message);
      this.#more = message.more;
      if (!message.more && message.commandTag) this._result.addCommandComplete({ text: message.commandTag });
    }
  }

  #beginResult({ columns, format }) {
    if (this._result.command) {
      if (!Array.isArray(this._results)) this._results = [this._result];
      this._result = new Result(this._rowMode, this._result._types);
      this._results.push(this._result);
    }
    const result = this._result;
    const types = result._types;
    const binary = format === 1;
    this._accumulateRows = this.callback || this.listenerCount("row") === 0;
    if (columns.length === 0) {
      this.#shape = null;
      return;
    }
    result.fields = fieldsOfColumns(columns, binary ? "binary" : "text");
    const parserOf = types ? (oid, fmt) => types.getTypeParser(oid, fmt) : getTypeParser;
    this.#shape = new RowShape(columns, binary, result.rowAsArray, parserOf);
    result._parsers = this.#shape.parsers;
    result._prebuiltEmptyResultObject = this.#shape.template;
  }

  #takeRows(message) {
    const rows = [];
    if (this.#shape) unpackRows(message.rows, message.rowCount, this.#shape, rows);
    else for (let i = 0; i < message.rowCount; i++) rows.push(this._result.rowAsArray ? [] : {});
    if (this.listenerCount("row") > 0) for (const row of rows) this.emit("row", row, this._result);
    if (!this._accumulateRows) return;
    if (this._result.rows.length === 0) this._result.rows = rows;
    else for (const row of rows) this._result.rows.push(row);
  }

  handleError(error) {
    if (this.callback) this.callback(error);
    else this.emit("error", error);
  }

  handleReadyForQuery() {
    if (this.callback) {
      try {
        this.callback(null, this._results);
      } catch (error) {
        process.nextTick(() => {
          throw error;
        });
      }
    }
    this.emit("end", this._results);
  }
}
