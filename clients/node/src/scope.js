// SPDX-License-Identifier: MIT
// What one can do wherever statements run: on the database, in a transaction, in a session. A subclass says how a request
// gets there (`send`).
import { callSiteOf, findCallSite, traceparent } from "./call-site.js";
import { copyFrom, copyTo } from "./copy.js";
import { atCaller } from "./errors.js";
import { Chunks } from "./fetch.js";
import { Results } from "./result.js";
import { ServerCursor } from "./server-cursor.js";
import { Sql, fromTemplate } from "./sql.js";
import { statementMessage, textAndValues } from "./statement.js";
import { RowStream } from "./stream.js";
import { check } from "./transport.js";

/** A statement that is sent when it is awaited, iterated, or asked for its result; once, however often. */
export class Statement extends Sql {
  #scope;
  #options = {};
  #result = null;

  constructor(scope, sql) {
    super([sql]);
    this.#scope = scope;
    const callSite = scope.siteOf(this); // `await` calls then() with nobody's frame on the stack
    if (callSite) this.#options.callSite = callSite;
  }

  /** Options of Scope.query() for it. */
  with(options) {
    Object.assign(this.#options, options);
    return this;
  }

  get sent() {
    return this.#result !== null;
  }

  /** The whole Result. */
  result() {
    this.#result ??= this.#scope.query(this.text, this.values, this.#options);
    return this.#result;
  }

  async rows() {
    return (await this.result()).rows;
  }

  /** The first row, or undefined. */
  async first() {
    return (await this.result()).rows[0];
  }

  then(resolve, reject) {
    return this.rows().then(resolve, reject);
  }

  catch(reject) {
    return this.rows().catch(reject);
  }

  finally(settled) {
    return this.rows().finally(settled);
  }

  /** Rows as they come. */
  [Symbol.asyncIterator]() {
    return this.#scope.stream(this.text, this.values, this.#options)[Symbol.asyncIterator]();
  }
}

export class Scope {
  constructor(transport) {
    this.transport = transport;
    /** The tag of sql`...` that run here. */
    this.sql = (strings, ...values) => new Statement(this, fromTemplate(strings, values));
  }

  /** Who writes an sql`...`, where that is sent. */
  siteOf(sql) {
    return this.transport.options.callSite ? callSiteOf(sql.text) : "";
  }

  /** Adds to a message what every request carries. */
  envelope(message, options, text) {
    const defaults = this.transport.options;
    const pool = options.pool ?? defaults.pool;
    if (pool) message.pool = pool;
    if (options.idempotencyKey) message.idempotencyKey = options.idempotencyKey;
    const site = options.callSite ?? (defaults.callSite ? (text === null ? findCallSite() : callSiteOf(text)) : "");
    if (site) message.callSite = site;
    const trace = options.traceparent ?? (defaults.trace ? traceparent() : "");
    if (trace) message.traceparent = trace;
    return message;
  }

  /** How a request is sent from here; its Response is checked. */
  async send(message, options, text = null) {
    const { deadlineMs = this.transport.options.deadlineMs, signal } = options;
    return check(await this.transport.request(this.envelope(message, options, text), { deadlineMs, signal, text: options.cacheAs }));
  }

  #sendStatement(query, values, options) {
    const [text, given] = textAndValues(query, values);
    const statement = statementMessage(text, [given], options);
    const cacheAs = options.simple || options.parameterTypes ? undefined : text;
    return this.send({ query: { statement, chunkBytes: options.chunkBytes } }, { ...options, cacheAs }, text);
  }

  /** All results of a Response, however many answers they come in. */
  async gather(response, options) {
    const results = new Results({ ...options, types: options.types ?? this.transport.options.types });
    const chunks = new Chunks(this.transport, response, options.signal);
    for (let next = response; next; next = await chunks.next()) results.add(next.results);
    const onNotice = this.transport.options.onNotice;
    if (onNotice) for (const result of results.list) result.notices.forEach((notice) => onNotice(notice));
    return results.list;
  }

  /** Runs one statement and resolves to its Result. */
  async query(query, values, options = {}) {
    try {
      const response = await this.#sendStatement(query, values, options);
      return (await this.gather(response, options))[0];
    } catch (error) {
      throw atCaller(error);
    }
  }

  /** One statement whose rows come as they are wanted. */
  stream(query, values, options = {}) {
    const { types, onNotice } = this.transport.options;
    return new RowStream(() => this.open(query, values, options), { ...options, types: options.types ?? types, onNotice });
  }

  /** Begins a statement whose chunks are taken one by one: [the first Response, where the others come from]. */
  async open(query, values, options) {
    const first = await this.#sendStatement(query, values, options);
    return [first, new Chunks(this.transport, first, options.signal)];
  }

  /** The same by a cursor of PostgreSQL's, in a transaction. */
  async openCursor(text, values, options) {
    const { signal, binary } = options;
    const send = (sql, given) => this.#sendStatement(sql, given, { ...options, binary: binary && sql.startsWith("FETCH") });
    const cursor = new ServerCursor(send, this.transport, signal);
    return [await cursor.open(text, values), cursor];
  }

  /**
   * Several statements in one message and one round trip to PostgreSQL. atomic (the default): all or nothing. Else each
   * for itself, and the Result of one that failed has `error`.
   */
  async batch(queries, options = {}) {
    try {
      const parts = queries.map((query) => textAndValues(query));
      const statements = parts.map(([text, values]) => statementMessage(text, [values], options));
      const batch = { statements, atomic: options.atomic ?? true, chunkBytes: options.chunkBytes };
      return await this.gather(await this.send({ batch }, options, parts[0]?.[0] ?? ""), options);
    } catch (error) {
      throw atCaller(error);
    }
  }

  /** One statement with many sets of values, in one message. Resolves to one Result with the sum and all rows. */
  async executeMany(text, sets, options = {}) {
    try {
      if (sets.length === 0) return null;
      const statements = [statementMessage(text, sets, options)];
      const batch = { statements, atomic: options.atomic ?? true, chunkBytes: options.chunkBytes };
      return (await this.gather(await this.send({ batch }, options, text), options))[0];
    } catch (error) {
      throw atCaller(error);
    }
  }

  /** COPY ... FROM STDIN: sends what `source` has, and resolves to the Result. */
  async copyFrom(text, source, options = {}) {
    try {
      const ready = await this.send({ copyIn: { sql: text } }, options, text);
      return await copyFrom(this.transport, ready, source, options);
    } catch (error) {
      throw atCaller(error);
    }
  }

  /** COPY ... TO STDOUT as an async iterable of Buffers. */
  copyTo(text, options = {}) {
    const begin = () => this.send({ copyOut: { sql: text, chunkBytes: options.chunkBytes } }, options, text);
    return copyTo(this.transport, begin, options);
  }
}
