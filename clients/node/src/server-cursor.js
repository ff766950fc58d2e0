// SPDX-License-Identifier: MIT
// A large result in a transaction, by DECLARE and FETCH. A stream that is given up is cancelled, and a cancelled
// statement fails its transaction; a cursor can be left at any row. It has the interface of Chunks.
import { Chunks } from "./fetch.js";

const CHUNK_ROWS = 1000;
const WITH_CURSOR = new Set(["SELECT", "VALUES", "TABLE"]);

let lastNumber = 0;

/** Whether a text (as scan() found it) can be a cursor's. */
export function canHaveCursor({ words, several }) {
  return !several && WITH_CURSOR.has(words[0]) && !words.includes("INTO");
}

export class ServerCursor {
  #send;
  #transport;
  #signal;
  #name = `sidepool_cursor_${++lastNumber}`;
  #chunks = null; // of the FETCH that is being read
  #rows = 0; // in all
  #rowsOfFetch = 0;
  #ended = false;

  /** send(text, values): runs a statement in the transaction and resolves to its Response. */
  constructor(send, transport, signal) {
    this.#send = send;
    this.#transport = transport;
    this.#signal = signal;
  }

  get ended() {
    return this.#ended;
  }

  /** Runs the statement; resolves to the first Response. */
  async open(text, values) {
    const head = `DECLARE ${this.#name} NO SCROLL CURSOR FOR `;
    try {
      await this.#send(head + text, values);
    } catch (error) {
      this.#ended = true;
      if (error.position > head.length) error.position -= head.length;
      throw error;
    }
    return this.next();
  }

  /** The next Response, or null after the last. */
  async next() {
    if (this.#ended) return null;
    let response = this.#chunks ? await this.#chunks.next() : null;
    if (!response) response = await this.#fetch();
    const [result] = response.results;
    this.#rows += result.rowCount;
    this.#rowsOfFetch += result.rowCount;
    if (this.#chunks.ended && this.#rowsOfFetch < CHUNK_ROWS) this.#end();
    const over = this.#ended;
    Object.assign(result, { more: !over, commandTag: over ? `SELECT ${this.#rows}` : "", affectedRows: this.#rows });
    return response;
  }

  async #fetch() {
    const response = await this.#send(`FETCH FORWARD ${CHUNK_ROWS} FROM ${this.#name}`, []);
    this.#chunks = new Chunks(this.#transport, response, this.#signal);
    this.#rowsOfFetch = 0;
    return response;
  }

  #end() {
    this.#ended = true;
    this.#send(`CLOSE ${this.#name}`, []).catch(() => {}); // in a transaction that has failed or ended it is closed
  }

  /** Leaves the rest. */
  close() {
    if (!this.#ended) this.#end();
  }
}
