// SPDX-License-Identifier: MIT
// node-postgres's Client. connect() takes nothing from the pool: a client is a queue of queries, one after the other, and
// a Runner that knows where they go. The process id of the connection behind is known while there is a lease.
import { EventEmitter } from "node:events";
import { originOf } from "../call-site.js";
import { escapeIdentifier, escapeLiteral } from "../sql.js";
import { Canceller } from "./canceller.js";
import { Connection } from "./connection.js";
import { ConnectionParameters } from "./connection-parameters.js";
import { copyIn, copyOut } from "./copy.js";
import { asPgError } from "./database-error.js";
import { defaults } from "./defaults.js";
import { Query } from "./query.js";
import { Runner } from "./runner.js";
import { shareTransport } from "./transports.js";
import { TypeOverrides } from "./type-overrides.js";

const SETTINGS_OF_A_SESSION = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"];

const milliseconds = (value) => (value ? parseInt(value, 10) : 0);

/** The settings in libpq's options: -c name=value, --name=value; a backslash keeps what follows it. */
function settingsInOptions(options) {
  const found = [...options.matchAll(/(?:^|\s)(?:-c\s*|--)([\w.-]+)=((?:\\.|[^\\\s])*)/g)];
  return found.map(([, name, value]) => [name.replaceAll("-", "_"), value.replace(/\\(.)/g, "$1")]);
}

/** The script that a session begins with. */
function startupOf(parameters) {
  const timeouts = SETTINGS_OF_A_SESSION.filter((name) => milliseconds(parameters[name]) > 0);
  const all = [...timeouts.map((name) => [name, String(milliseconds(parameters[name]))]), ...settingsInOptions(parameters.options ?? "")];
  return all
    .map(([name, value]) => `SELECT set_config(${escapeLiteral(name)}, ${escapeLiteral(value)}, false)`)
    .join("; ");
}

function hidden(object, name, value) {
  Object.defineProperty(object, name, { configurable: true, enumerable: false, writable: true, value });
}

export class Client extends EventEmitter {
  #origins = new WeakMap(); // query -> originOf() when it was asked

  constructor(config) {
    super();
    const given = typeof config === "object" && config !== null ? config : {};
    this.connectionParameters = new ConnectionParameters(config);
    const { user, database, port, host, password, ssl, replication } = this.connectionParameters;
    Object.assign(this, { user, database, port, host, replication, ssl: ssl || false });
    hidden(this, "password", password);
    this.binary = given.binary || defaults.binary;
    this.pipeline = Boolean(given.pipeline);
    this.processID = null;
    this.secretKey = null;
    this.connection = new Connection(this);
    this._Promise = given.Promise || Promise;
    this._types = new TypeOverrides(given.types);
    this._connectionTimeoutMillis = given.connectionTimeoutMillis || 0;
    this._state = "new"; // "new", "connecting", "connected", "ending", "ended"
    this._queryable = true;
    this._queryQueue = [];
    this._activeQuery = null;
    this._abort = new Canceller();
    this._share = null;
    this._runner = null;
    this._refusing = false; // end() was called, and what was queued before still runs
    this._held = false; // keeps the process alive
    this._origin = null; // of what the pool hands on
    this._deadlineMs = this.connectionParameters.sidepool.lease === "session" ? 0 : milliseconds(this.connectionParameters.statement_timeout);
  }

  get _ending() {
    return this._refusing || this._state === "ending" || this._state === "ended";
  }

  get _connected() {
    return this._state === "connected";
  }

  /** Who asked for what runs. */
  get _activeOrigin() {
    return this.#origins.get(this._activeQuery);
  }

  get activeQuery() {
    return this._activeQuery;
  }

  get queryQueue() {
    return this._queryQueue;
  }

  connect(callback) {
    const connected = this.#connect();
    connected.catch(() => {}); // one that was ended while it connected, and that nobody waits for
    if (!callback) return this._Promise.resolve(connected);
    connected.then(
      (client) => callback(null, client),
      (error) => callback(error),
    );
    return undefined;
  }

  async #connect() {
    if (this._state !== "new") throw new Error("Client has already been connected. You cannot reuse a client.");
    this._state = "connecting";
    try {
      if (this._connectError) throw this._connectError;
      await this.#open();
    } catch (error) {
      this.#connectFailed(error);
      throw this._connectError ?? error;
    }
    if (this._state !== "connecting") throw this._connectError ?? new Error("Connection terminated");
    this._state = "connected";
    this.ref();
    process.nextTick(() => {
      this.emit("connect");
      this._pulse();
    });
    return this;
  }

  async #open() {
    const { sidepool, application_name, fallback_application_name } = this.connectionParameters;
    this._share = shareTransport({ socket: sidepool.socket, application: application_name || fallback_application_name });
    const { transport } = this._share;
    this._runner = new Runner(transport, { ...sidepool, startup: startupOf(this.connectionParameters) });
    this._runner.onNotification = ({ channel, payload, backendPid }) =>
      this.emit("notification", { name: "notification", length: 0, processId: backendPid, channel, payload });
    this._runner.onGap = (gap) => this.emit("gap", gap);
    this._runner.onBackend = (pid) => {
      this.processID = pid || null;
    };
    this._runner.onLost = () => {
      this._queryable = false;
      process.nextTick(() => this._terminate()); // the error of the statement that met it goes first
    };
    const options = { signal: this._abort, deadlineMs: this._connectionTimeoutMillis };
    if (!transport.connection) await transport.request({ ping: {} }, options);
    await this._runner.open(options);
  }

  #connectFailed(error) {
    this._queryable = false;
    this._state = "ended";
    this._share?.release();
    this.#failAll(error);
  }

  query(config, values, callback) {
    if (config === null || config === undefined) throw new TypeError("Client was passed a null or undefined query");
    const [query, result] = this.#queryOf(config, values, callback);
    this.#origins.set(query, this._origin ?? originOf(config));
    this.#armTimeout(query, config);
    if (this.binary && !query.binary) query.binary = true;
    if (query._result && !query._result._types) query._result._types = this._types;
    const refusal = this.#refusal(query);
    if (refusal) {
      process.nextTick(() => query.handleError(refusal, this.connection));
      return result;
    }
    this._queryQueue.push(query);
    this._pulse();
    return result;
  }

  /** [the query to submit, what query() returns] */
  #queryOf(config, values, callback) {
    if (typeof config.submit === "function") {
      if (!config.callback && typeof values === "function") config.callback = values;
      else if (!config.callback && callback) config.callback = callback;
      return [config, config];
    }
    const query = new Query(config, values, callback);
    if (query.callback) {
      if (typeof query.callback !== "function") throw new TypeError("callback is not a function");
      return [query, undefined];
    }
    const result = new this._Promise((resolve, reject) => {
      query.callback = (error, done) => (error ? reject(error) : resolve(done));
    }).catch((error) => {
      if (error instanceof Error) Error.captureStackTrace(error); // one that leads to who asked
      throw error;
    });
    return [query, result];
  }

  #refusal(query) {
    if (this.pipeline && !(query instanceof Query))
      return new Error("Custom query classes such as pg-cursor and pg-query-stream are not supported in pipeline mode");
    if (this.pipeline && query.rows) return new Error("The `rows` option is not supported in pipeline mode");
    if (!this._queryable) return new Error("Client has encountered a connection error and is not queryable");
    if (this._ending) return new Error("Client was closed and is not queryable");
    return null;
  }

  #armTimeout(query, config) {
    const ms = milliseconds(config.query_timeout || this.connectionParameters.query_timeout);
    if (ms === 0) return;
    const callback = query.callback ?? (() => {});
    const timer = setTimeout(() => {
      const error = new Error("Query read timeout");
      const at = this._queryQueue.indexOf(query);
      if (at >= 0) this._queryQueue.splice(at, 1);
      query.handleError(error, this.connection);
      query.callback = () => {}; // it has had its answer
      if (this._activeQuery === query && this.pipeline) this._terminate(error);
      else if (this._activeQuery === query) this._abortActive();
      else this._pulse();
    }, ms);
    query.callback = (error, result) => {
      clearTimeout(timer);
      callback(error, result);
    };
  }

  /** Submits the next query if none is active. */
  _pulse() {
    if (this._state !== "connected" || this._activeQuery || !this._queryable) return;
    const query = this._queryQueue.shift();
    if (!query) {
      if (this.hasExecuted) this.emit("drain");
      return;
    }
    this._activeQuery = query;
    this.hasExecuted = true;
    const mistake = query.submit(this.connection);
    if (!mistake) return;
    process.nextTick(() => {
      this._activeQuery = null;
      query.handleError(mistake, this.connection);
      this._pulse();
    });
  }

  /** The active query has ended. */
  _ready(query) {
    if (query && this._activeQuery !== query) return; // it was given up
    this._activeQuery = null;
    query?.handleReadyForQuery(this.connection);
    this._pulse();
  }

  _queryFailed(query, error) {
    if (this._activeQuery !== query) return;
    this._activeQuery = null;
    query.handleError(error, this.connection);
    this._pulse();
  }

  _notice(message) {
    this.emit("notice", message);
  }

  #failAll(error) {
    const queries = this._queryQueue.splice(0);
    if (this._activeQuery) queries.unshift(this._activeQuery);
    this._activeQuery = null;
    for (const query of queries) process.nextTick(() => query.handleError(asPgError(error), this.connection));
  }

  end(callback) {
    const ended = this.#end();
    if (!callback) return this._Promise.resolve(ended);
    ended.then(() => callback());
    return undefined;
  }

  async #end() {
    if (this._state === "new" || this._state === "ended") return;
    if (this._state === "ending") {
      await new Promise((resolve) => this.once("end", resolve));
      return;
    }
    if (this.pipeline && this._queryable && (this._activeQuery || this._queryQueue.length > 0)) await this.#drained();
    await this.#close(new Error("Connection terminated"));
  }

  /** What was queued before runs to its end; nothing new is taken. */
  async #drained() {
    this._refusing = true;
    await new Promise((resolve) => this.once("drain", resolve));
  }

  /** Ends at once, as the end of a socket would. */
  _terminate(error) {
    if (this._ending) return;
    const reason = error ?? new Error("Connection terminated unexpectedly");
    this._queryable = false;
    if (this._state === "new" || this._state === "connecting") this._connectError = reason;
    if (this._state === "new") return; // connect() tells
    if (this._state === "connected") process.nextTick(() => this.emit("error", reason));
    this.#close(reason).catch(() => {}); // it is gone either way
  }

  async #close(error) {
    this._state = "ending";
    this._abort.abort(error);
    this.#failAll(error);
    this.unref();
    await this._runner?.close().catch(() => {}); // the daemon ends a lease whose client is gone
    this._state = "ended";
    this._share?.release();
    this.processID = null;
    this.connection.emit("end");
    this.emit("end");
  }

  /** As a pool takes it back: a transaction that is open is rolled back. */
  async _reset() {
    if (this._runner) await this._runner.reset();
  }

  ref() {
    if (this._held || this._state !== "connected") return;
    this._held = true;
    this._share.transport.hold(true);
  }

  unref() {
    if (!this._held) return;
    this._held = false;
    this._share.transport.hold(false);
  }

  /** "I" (idle), "T" (in a transaction), "E" (in a failed one); null before connect. */
  getTransactionStatus() {
    return this._state === "connected" ? this._runner.status : null;
  }

  /** COPY ... FROM STDIN as a Writable; it finishes when PostgreSQL has all of it. */
  copyFrom(text) {
    return copyIn(this, text);
  }

  /** COPY ... TO STDOUT as a Readable. */
  copyTo(text) {
    return copyOut(this, text);
  }

  /** node-postgres's switches for its native binding: `drain` is never held back here. */
  pauseDrain() {}
  resumeDrain() {}

  /** Ends a query of this client: one that waits is forgotten, one that runs is cancelled. */
  cancel(client, query) {
    const at = client._queryQueue.indexOf(query);
    if (at >= 0) client._queryQueue.splice(at, 1);
    else if (client._activeQuery === query) client._abortActive();
  }

  _abortActive() {
    this._abort.abort(new Error("cancelled"));
    this._abort = new Canceller();
  }

  setTypeParser(oid, format, parse) {
    return this._types.setTypeParser(oid, format, parse);
  }

  getTypeParser(oid, format) {
    return this._types.getTypeParser(oid, format);
  }

  escapeIdentifier(name) {
    return escapeIdentifier(name);
  }

  escapeLiteral(text) {
    return escapeLiteral(text);
  }

  async [Symbol.asyncDispose]() {
    await this.end();
  }
}

Client.Query = Query;
