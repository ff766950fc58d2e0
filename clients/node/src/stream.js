// SPDX-License-Identifier: MIT
// A large result as an async iterable: `for await (const row of db.stream(...))`. Nothing is sent before the first row
// is asked for; leaving the loop gives the rest up.
import { atCaller } from "./errors.js";
import { Result, rowOptions } from "./result.js";

export class RowStream {
  #begin;
  #result;
  #onNotice;

  /** begin(): see Scope.open(); options: rowMode, types, onNotice. */
  constructor(begin, options) {
    this.#begin = begin;
    this.#onNotice = options.onNotice ?? null;
    this.#result = new Result(rowOptions(options));
  }

  /** Columns, command and rowCount as far as they are known; all of them after the last row. */
  get result() {
    return this.#result;
  }

  /** Arrays of rows, as they come. */
  async *chunks() {
    let chunks = null;
    try {
      let response;
      [response, chunks] = await this.#begin();
      for (; response; response = await chunks.next()) {
        const told = this.#result.notices.length;
        for (const message of response.results) this.#result.add(message);
        if (this.#onNotice) this.#result.notices.slice(told).forEach((notice) => this.#onNotice(notice));
        const rows = this.#result.takeRows();
        if (rows.length > 0) yield rows;
      }
    } catch (error) {
      throw atCaller(error);
    } finally {
      chunks?.close();
    }
  }

  async *[Symbol.asyncIterator]() {
    for await (const rows of this.chunks()) yield* rows;
  }
}
