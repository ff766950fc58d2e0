// SPDX-License-Identifier: MIT
// pg-cursor's Cursor: client.query(new Cursor(text, values)), then read(n) until it gives fewer. It keeps its client until
// it is read to the end or closed.
import { EventEmitter } from "node:events";
import { sqlFields } from "../errors.js";
import { asPgError } from "./database-error.js";
import { Result } from "./result.js";

export class Cursor extends EventEmitter {
  #portal = null;
  #steps = Promise.resolve();
  #error = null;
  #waiting = []; // reads that came before the client had its turn

  constructor(text, values, config = {}) {
    super();
    this._conf = config ?? {};
    this.text = text;
    this.values = values ?? null;
    this.connection = null;
    this.state = "initialized"; // "initialized", "open", "error", "done"
    this._result = new Result(this._conf.rowMode, this._conf.types);
    this._Promise = this._conf.Promise || Promise;
  }

  submit(connection) {
    this.connection = connection;
    this.state = "open";
    this.#steps = this.#steps.then(() => this.#open()).catch((error) => this.#fail(error));
    for (const start of this.#waiting.splice(0)) start();
    return null;
  }

  async #open() {
    const types = this._result._types ?? this.connection.portalTypes;
    this.#portal = this.connection.portal(this.text, this.values, { ...this._conf, types });
    await this.#portal.open();
    for (const { fields } of this.#portal.notices) this.connection.notice(sqlFields(fields));
    this._result.addFields(this.#portal.fields);
  }

  #fail(given) {
    const error = asPgError(given);
    this.#error = error;
    if (this.state === "done") return;
    this.state = "error";
    if (this.listenerCount("error") > 0) this.emit("error", error);
    this.connection.ready();
  }

  async #read(n) {
    if (this.state === "error") throw this.#error;
    if (this.state === "done") return [];
    let rows;
    try {
      rows = await this.#portal.read(n);
    } catch (error) {
      this.#fail(error);
      throw this.#error;
    }
    for (const row of rows) this.emit("row", row, this._result);
    this._result.rows = rows;
    if (rows.length < n || n === 0) this.#finish();
    return rows;
  }

  #finish() {
    if (this.state !== "open") return;
    this.state = "done";
    if (this.#portal?.tag) this._result.addCommandComplete({ text: this.#portal.tag });
    this.#portal?.close();
    this.connection.ready();
    this.emit("end", this._result);
  }

  /** Does `step` after those before it, once the client has come to this cursor. */
  #queue(step) {
    return new this._Promise((resolve, reject) => {
      const start = () => {
        const done = this.#steps.then(step);
        this.#steps = done.then(() => {}, () => {});
        done.then(resolve, reject);
      };
      if (this.state === "initialized") this.#waiting.push(start);
      else start();
    });
  }

  /** The next `n` rows; fewer are the last. */
  read(n, callback) {
    const rows = this.#queue(() => this.#read(n));
    if (!callback) return rows;
    rows.then(
      (got) => callback(null, got, this._result),
      (error) => callback(error),
    );
    return undefined;
  }

  /** Gives the rest up, and the client free. */
  close(callback) {
    const closed =
      this.state === "initialized" || this.state === "done"
        ? this._Promise.resolve()
        : this.#queue(() => this.#finish());
    if (!callback) return closed;
    closed.then(() => callback(), callback);
    return undefined;
  }

  // What a client tells of those it has submitted.
  handleReadyForQuery() {}

  handleError(error) {
    if (this.state === "done") return;
    this.#error = error;
    this.state = "error";
    for (const start of this.#waiting.splice(0)) start();
    if (this.listenerCount("error") > 0) this.emit("error", error);
  }

  async *[Symbol.asyncIterator]() {
    try {
      for (let rows = await this.read(100); rows.length > 0; rows = await this.read(100)) yield* rows;
    } finally {
      await this.close();
    }
  }
}
