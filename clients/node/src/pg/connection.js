// SPDX-License-Identifier: MIT
// What a client's queries are submitted to. node-postgres's is a connection of the PostgreSQL protocol; there is none
// here, but queries of other packages (pg-cursor, pg-query-stream) speak to it in the protocol's steps: parse, bind,
// describe, execute, flush, sync, close. They are carried out one after the other; after an error all is skipped up to
// the next sync, as PostgreSQL does.
import { EventEmitter } from "node:events";
import { Chunks } from "../fetch.js";
import { sqlFields } from "../errors.js";
import { asPgError } from "./database-error.js";
import { Portal } from "./portal.js";

/** In the place of a query that has failed. */
const FAILED = { handleReadyForQuery() {}, handleError() {} };

export class Connection extends EventEmitter {
  #client;
  #steps = Promise.resolve();
  #failed = false;
  #text = "";
  #values = [];
  #binary = false;
  #portal = null;

  /** name -> text */
  parsedStatements = {};
  submittedNamedStatements = {};
  /** For programs that end a client by ending its socket. */
  stream;

  constructor(client) {
    super();
    this.#client = client;
    this.on("error", (error) => client._terminate(error));
    this.stream = this.#makeStream();
  }

  #makeStream() {
    const stream = new EventEmitter();
    stream.on("error", (error) => {
      stream.destroyed = true;
      this.#client._terminate(error);
    });
    this.on("end", () => {
      stream.emit("end");
      stream.emit("close");
    });
    return Object.assign(stream, {
      destroyed: false,
      destroy: (error) => this.#client._terminate(error),
      cork() {},
      uncork() {},
      setKeepAlive() {},
      ref: () => this.ref(),
      unref: () => this.unref(),
    });
  }

  get runner() {
    return this.#client._runner;
  }

  /** The type parsers of the client. */
  get portalTypes() {
    return this.#client._types;
  }

  /** Adds to a request what its client says of all of them. */
  requestOf(request) {
    request.signal = this.#client._abort;
    request.deadlineMs = this.#client._deadlineMs;
    return Object.assign(request, this.#client._activeOrigin);
  }

  /** Runs a Query of ours to its end. */
  async run(query) {
    const request = this.requestOf(query.request(this));
    if (query.signal) request.signal = request.signal.with(query.signal);
    try {
      const response = await this.runner.execute(request);
      if (query.name && query.text) this.parsedStatements[query.name] = query.text;
      const onNotice = (fields) => this.notice(fields);
      query.take(response.results, onNotice);
      if (response.streamId !== 0) await this.#takeRest(query, response, request, onNotice);
    } catch (error) {
      this.#client._queryFailed(query, asPgError(error));
      return;
    } finally {
      request.signal.detach();
    }
    this.#client._ready(query);
  }

  async #takeRest(query, response, request, onNotice) {
    const chunks = new Chunks(this.runner.transport, response, request.signal);
    try {
      for (let next = await chunks.next(); next; next = await chunks.next()) query.take(next.results, onNotice);
    } finally {
      chunks.close();
    }
  }

  /** A Portal of ours for a cursor. */
  portal(text, values, { binary, rowMode, types }) {
    return new Portal(this.runner, this.requestOf({ text, values: values ?? [], binary }), { types, asArray: rowMode === "array" });
  }

  /** Whoever was submitted has ended. */
  ready() {
    this.#client._ready(this.#client._activeQuery);
  }

  notice(fields) {
    this.#client._notice({ name: "notice", length: 0, ...fields, code: fields.sqlstate });
  }

  /** Does `step` after those before it, unless one has failed. */
  #then(step) {
    this.#steps = this.#steps.then(async () => {
      if (this.#failed) return;
      try {
        await step(this.#client._activeQuery);
      } catch (error) {
        this.#failed = true;
        const query = this.#client._activeQuery;
        this.#client._activeQuery = FAILED; // it hears of nothing more, and the client is busy until the sync
        query?.handleError(asPgError(error), this);
      }
    });
  }

  parse({ text, name }) {
    this.#text = text ?? this.parsedStatements[name] ?? "";
    if (name) this.parsedStatements[name] = this.#text;
  }

  bind({ values, binary, valueMapper }) {
    this.#values = (values ?? []).map((value) => (valueMapper ? valueMapper(value) : value));
    this.#binary = Boolean(binary);
  }

  describe() {
    const request = this.requestOf({ text: this.#text, values: this.#values, binary: this.#binary });
    this.#then(async (query) => {
      this.#portal = new Portal(this.runner, request, { asArray: true });
      await this.#portal.open();
      for (const { fields } of this.#portal.notices) this.notice(sqlFields(fields));
      const { fields } = this.#portal;
      if (fields.length === 0) {
        this.emit("noData");
      } else {
        query.handleRowDescription({ fields, fieldCount: fields.length });
        this.emit("rowDescription", { fields });
      }
    });
  }

  execute({ rows = 0 } = {}) {
    this.#then(async (query) => {
      const got = await this.#portal.read(rows);
      for (const fields of got) query.handleDataRow({ fields, fieldCount: fields.length });
      if (rows > 0 && got.length === rows) query.handlePortalSuspended(this);
      else if (this.#portal.tag) query.handleCommandComplete({ text: this.#portal.tag }, this);
      else query.handleEmptyQuery(this);
    });
  }

  flush() {}

  sync() {
    this.#steps = this.#steps.then(() => {
      this.#portal?.close();
      this.#portal = null;
      this.#failed = false;
      this.#client._ready(this.#client._activeQuery);
      this.emit("readyForQuery");
    });
  }

  close({ type } = {}) {
    if (type !== "P") return;
    this.#then(() => {
      this.#portal?.close();
    });
  }

  /** The simple protocol, for a query of another package. */
  query(text) {
    this.parse({ text });
    this.#values = null;
    this.describe();
    this.execute();
    this.sync();
  }

  /** As a connection that is cut. */
  end() {
    this.#client._terminate();
  }

  ref() {
    this.#client.ref();
  }

  unref() {
    this.#client.unref();
  }
}
