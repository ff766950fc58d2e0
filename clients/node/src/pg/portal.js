// SPDX-License-Identifier: MIT
// A statement whose rows are taken a few at a time: what the protocol calls a portal.
import { Chunks } from "../fetch.js";
import { RowShape, unpackRows } from "../packed.js";
import { ServerCursor, canHaveCursor } from "../server-cursor.js";
import { scan } from "../sql-scan.js";
import { fieldOf } from "./result.js";

const asIs = (value) => value;

export class Portal {
  #runner;
  #request;
  #chunks = null;
  #shape = null;
  #parserOf;
  #asArray;
  #rows = [];

  fields = [];
  tag = "";
  notices = [];

  /** request: see Runner.execute(). types: null gives the values as they come. */
  constructor(runner, request, { types = null, asArray = false } = {}) {
    this.#runner = runner;
    this.#request = request;
    this.#asArray = asArray;
    this.#parserOf = types ? (oid, format) => types.getTypeParser(oid, format) : () => asIs;
  }

  /** Runs the statement; `fields` are known then. */
  async open() {
    const { text, values, binary, signal } = this.#request;
    const { transport, status } = this.#runner;
    let response;
    if (status === "T" && canHaveCursor(scan(text))) {
      const send = (sql, given) => this.#runner.execute({ ...this.#request, text: sql, values: given, binary: binary && sql.startsWith("FETCH") });
      this.#chunks = new ServerCursor(send, transport, signal);
      response = await this.#chunks.open(text, values);
    } else {
      response = await this.#runner.execute(this.#request);
      this.#chunks = new Chunks(transport, response, signal);
    }
    this.#take(response);
  }

  #take(response) {
    for (const result of response.results) {
      if (!this.#shape && result.columns.length > 0) this.#describe(result);
      if (result.rowCount > 0 && this.#shape) unpackRows(result.rows, result.rowCount, this.#shape, this.#rows);
      if (!result.more && result.commandTag) this.tag = result.commandTag;
      this.notices.push(...result.notices);
    }
  }

  #describe({ columns, format }) {
    this.fields = columns.map((column) => fieldOf(column, format ? "binary" : "text"));
    this.#shape = new RowShape(columns, format === 1, this.#asArray, this.#parserOf);
  }

  /** The next `n` rows (0: all that are left); fewer are the last. */
  async read(n) {
    while ((n === 0 || this.#rows.length < n) && !this.#chunks.ended) {
      const response = await this.#chunks.next();
      if (response) this.#take(response);
    }
    return this.#rows.splice(0, n || this.#rows.length);
  }

  /** Gives the rest up. */
  close() {
    this.#rows = [];
    this.#chunks?.close();
  }
}
