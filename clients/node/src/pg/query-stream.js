// SPDX-License-Identifier: MIT
// pg-query-stream's QueryStream: the rows of client.query(new QueryStream(text, values)) as a Readable.
import { Readable } from "node:stream";
import { Cursor } from "./cursor.js";

export class QueryStream extends Readable {
  constructor(text, values, config = {}) {
    const { batchSize, highWaterMark = 100 } = config;
    super({ objectMode: true, autoDestroy: true, highWaterMark: batchSize || highWaterMark });
    this.cursor = new Cursor(text, values, config);
    this.cursor.on("end", (result) => this.callback?.(null, result)).on("error", (error) => this.callback?.(error));
    this._result = this.cursor._result;
  }

  get text() {
    return this.cursor.text;
  }

  get values() {
    return this.cursor.values;
  }

  submit(connection) {
    return this.cursor.submit(connection);
  }

  handleError(error) {
    this.cursor.handleError(error);
  }

  handleReadyForQuery() {}

  _read(size) {
    this.cursor.read(size, (error, rows) => {
      if (error) {
        this.destroy(error);
        return;
      }
      for (const row of rows) this.push(row);
      if (rows.length < size) this.push(null);
    });
  }

  _destroy(error, callback) {
    this.cursor.close((closing) => callback(closing || error));
  }
}
