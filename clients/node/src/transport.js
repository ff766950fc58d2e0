// SPDX-License-Identifier: MIT
// Requests to the daemon across its restarts. A request is sent once or not at all: while there is no connection it
// waits, within its deadline and `reconnectWaitMs`, and goes out when there is one; once it is sent, a lost connection
// means "outcome unknown". What the daemon refuses because it shuts down was not sent on by its own word, so it waits
// for the next daemon. What belongs to a connection (a lease, a stream) fails with it.
import { performance } from "node:perf_hooks";
import { Call } from "./call.js";
import { Connection } from "./connection.js";
import { AbortError, SidepoolError, errorFromWire } from "./errors.js";
import { Fifo } from "./fifo.js";
import { Finish } from "./schema.js";

const BACKOFF_FIRST_MS = 5;
const BACKOFF_LAST_MS = 500;
const NO_DAEMON_FOR_GOOD = new Set(["EACCES", "EPERM", "ENOTSOCK", "EPROTOTYPE", "EINVAL", "ENAMETOOLONG"]);
const NOBODY = { answered() {}, lost() {}, unsent() {} };

export class Transport {
  #queue = new Fifo(); // calls for any connection
  #connection = null; // the one for new calls; others may live on while they drain
  #connections = new Set();
  #outageSince = 0; // since when calls wait for a daemon; 0: none does
  #everReady = false;
  #lastError = null;
  #backoffMs = BACKOFF_FIRST_MS;
  #retryTimer = null;
  #closed = false;
  #holds = 0;
  #idlers = []; // who waits in idle()
  /** { lost(connection) }: told of each connection that ends. */
  watchers = new Set();

  /** options: see options.js; onConnection(connection) is called for each that becomes ready. */
  constructor(options) {
    this.options = options;
  }

  get closed() {
    return this.#closed;
  }

  /** The connection that new requests take, or null. */
  get connection() {
    return this.#connection?.state === "ready" ? this.#connection : null;
  }

  /**
   * Sends a request and resolves to its Response, which may carry an error; Response.connection is the one it came
   * by. Rejects with a SidepoolError where there is no answer. options: see Call.
   */
  request(message, options = {}) {
    return new Promise((resolve, reject) => {
      const error = this.#refusal(options);
      if (error) {
        reject(error);
        return;
      }
      const call = new Call(this, message, options, resolve, reject);
      call.start();
      this.#queueOf(call).push(call);
      this.pump(call.bound);
    });
  }

  #refusal(options) {
    if (this.#closed) return new SidepoolError("CLOSED");
    if (options.signal?.aborted) return new AbortError("not sent", options.signal.reason);
    if (options.connection?.state === "closed")
      return new SidepoolError("LEASE_LOST", "the connection to the daemon that it was held by is gone");
    if (this.#queue.size >= this.options.maxQueued)
      return new SidepoolError("QUEUE_FULL", `${this.#queue.size} requests of this process wait for the daemon already`);
    return null;
  }

  #queueOf(call) {
    return call.bound ? call.bound.backlog : this.#queue;
  }

  /** The process lives on while it is called more often with true than with false. */
  hold(on) {
    this.#holds += on ? 1 : -1;
    for (const connection of this.#connections) connection.keepAlive = this.#holds > 0;
  }

  /** Sends what can be sent now; `connection`: one whose own calls may go too. */
  pump(connection) {
    if (this.#idlers.length > 0) this.#wakeIdlers();
    if (connection) this.#sendFrom(connection.backlog, connection);
    if (this.#queue.size === 0) return;
    const current = this.#connection;
    if (current?.state === "ready" && !current.draining) this.#sendFrom(this.#queue, current);
    else this.#ensure();
  }

  #sendFrom(queue, connection) {
    while (queue.size > 0 && !connection.full) queue.shift().send(connection);
  }

  unqueue(call) {
    this.#queueOf(call).remove(call);
  }

  /** Nothing of the call ran: it goes next. */
  again(call) {
    this.#queueOf(call).unshift(call);
    this.pump(call.bound);
  }

  /** Whether a call that a daemon refused because it shuts down may wait for the next one. */
  mayWait(call) {
    call.refusedAt ||= performance.now();
    return !this.#closed && performance.now() - call.refusedAt < this.options.reconnectWaitMs;
  }

  nextDaemon(call, retryAfterMs) {
    this.#queue.unshift(call);
    this.#backoffMs = Math.min(Math.max(retryAfterMs, this.#backoffMs), BACKOFF_LAST_MS);
    this.#ensure();
  }

  cancel(connection, id) {
    if (connection.state === "ready") connection.send({ ...NOBODY, message: { cancel: { requestId: id } } });
  }

  /** Gives back what an answer brought that nobody waits for. */
  discard(connection, response) {
    if (connection.state !== "ready") return;
    const { lease, streamId } = response;
    if (streamId !== 0) connection.send({ ...NOBODY, message: { fetch: { streamId, close: true } } });
    if (!lease) return;
    const ref = { leaseId: lease.leaseId, token: lease.token };
    connection.send({ ...NOBODY, message: { lease: ref, finish: Finish.ROLLBACK, release: {} } });
  }

  /** Calls wait and there is no connection for them: sees to it that there will be one. */
  #ensure() {
    if (this.#closed || this.#retryTimer || this.#connection?.state === "connecting") return;
    this.#outageSince ||= performance.now();
    if (this.#connection?.draining) this.#connectLater();
    else this.#connect();
  }

  #connectLater() {
    const wait = this.#backoffMs * (0.5 + Math.random() / 2);
    this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_LAST_MS);
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = null;
      if (this.#queue.size > 0) this.#connect();
      else this.#outageSince = 0;
    }, wait);
  }

  #connect() {
    const connection = new Connection({
      path: this.options.socket,
      hello: this.options.hello,
      statementCache: this.options.statementCache,
      onOpen: () => this.#opened(connection),
      onDrain: () => this.pump(connection),
      onClose: (error, wasReady) => this.#lost(connection, error, wasReady),
    });
    this.#connection = connection;
    this.#connections.add(connection);
    connection.keepAlive = this.#holds > 0;
  }

  #opened(connection) {
    this.#everReady = true;
    this.#outageSince = 0;
    this.#lastError = null;
    this.#backoffMs = BACKOFF_FIRST_MS;
    this.options.onConnection?.(connection);
    this.pump(connection);
  }

  #lost(connection, error, wasReady) {
    this.#connections.delete(connection);
    if (this.#connection === connection) this.#connection = null;
    for (const call of connection.backlog.drain())
      call.fail(new SidepoolError("LEASE_LOST", "the connection to the daemon was lost"));
    this.options.onLost?.(connection);
    for (const watcher of [...this.watchers]) watcher.lost(connection);
    if (error) this.#lastError = error;
    this.#wakeIdlers();
    if (this.#closed || this.#connection) return;
    if (this.#queue.size === 0) {
      this.#outageSince = 0;
      return;
    }
    this.#outageSince ||= performance.now();
    if (!wasReady && this.#gaveUp(error)) this.#failQueued();
    else if (!this.#retryTimer) this.#connectLater();
  }

  #gaveUp(error) {
    if (error instanceof SidepoolError && error.code !== "SHUTTING_DOWN") return true;
    if (NO_DAEMON_FOR_GOOD.has(error?.code)) return true;
    const { connectWaitMs, reconnectWaitMs } = this.options;
    const wait = this.#everReady || error?.code === "EAGAIN" ? reconnectWaitMs : connectWaitMs;
    return performance.now() - this.#outageSince >= wait;
  }

  #failQueued() {
    this.#outageSince = 0;
    this.#backoffMs = BACKOFF_FIRST_MS;
    for (const call of this.#queue.drain()) call.fail(this.unreachable());
  }

  /** Why there is no daemon; nothing was sent. */
  unreachable(detail) {
    const cause = this.#lastError;
    if (cause instanceof SidepoolError) return new SidepoolError(cause.code, cause.message, { cause, outcome: "not sent" });
    const reason = [detail, cause?.message].filter(Boolean).join("; ") || "it closes the connection";
    const text = `the daemon at ${this.options.socket} cannot be reached: ${reason}`;
    const error = new SidepoolError("DAEMON_UNREACHABLE", text, cause ? { cause } : {});
    if (cause?.code === "EACCES") error.remedy = "the mode, owner and group of the socket decide who may connect";
    return error;
  }

  /** Resolves when nothing waits and nothing is in flight. */
  async idle() {
    while (!this.#closed && (this.#queue.size > 0 || [...this.#connections].some((connection) => connection.inFlight > 0)))
      await new Promise((resolve) => this.#idlers.push(resolve));
  }

  #wakeIdlers() {
    for (const resolve of this.#idlers.splice(0)) resolve();
  }

  /** Ends everything. What was sent has an unknown outcome, what was not was not sent. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#wakeIdlers();
    clearTimeout(this.#retryTimer);
    for (const call of this.#queue.drain()) call.fail(new SidepoolError("CLOSED"));
    for (const connection of [...this.#connections])
      connection.destroy(new SidepoolError("CLOSED", "the handle was closed before the answer", { outcome: "outcome unknown" }));
  }
}

/** Throws a Response's error; the error has the Response as `response`, unlisted. */
export function check(response) {
  if (!response.error) return response;
  const error = errorFromWire(response.error);
  Object.defineProperty(error, "response", { value: response });
  throw error;
}
