// SPDX-License-Identifier: MIT
// One request from the moment that it is made until its promise is settled. It is in one of these states: "queued" (in a
// queue of the transport), "sent" (known to its connection), "done".
import { performance } from "node:perf_hooks";
import { AbortError, SidepoolError, errorFromWire } from "./errors.js";
import { Outcome } from "./schema.js";

const UNKNOWN_STATEMENT = 9;
const SHUTTING_DOWN = 24;
const CANCELLED = 42;

export class Call {
  #timer = null;
  #onAbort = null;
  #known = null; // the entry of the statement cache that the message was made from

  /** options: deadlineMs, signal, connection (only there), text (of the one statement in the message). */
  constructor(transport, message, options, resolve, reject) {
    this.transport = transport;
    this.message = message;
    this.bound = options.connection ?? null;
    this.signal = options.signal ?? null;
    this.text = options.text ?? null;
    this.resolve = resolve;
    this.reject = reject;
    this.state = "queued";
    this.connection = null;
    this.id = 0;
    this.refusedAt = 0; // when a daemon that shuts down refused it first
    this.deadline = options.deadlineMs > 0 ? performance.now() + options.deadlineMs : 0;
  }

  start() {
    if (this.deadline > 0) this.#arm(this.deadline - performance.now());
    if (!this.signal) return;
    this.#onAbort = () => this.#abort();
    this.signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  #arm(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#late(), Math.max(0, Math.ceil(ms)));
  }

  /** Hands the message to a connection that is ready. */
  send(connection) {
    try {
      if (this.deadline > 0) this.message.deadlineMs = Math.max(1, Math.ceil(this.deadline - performance.now()));
      if (this.text !== null) this.#known = this.#apply(connection);
      this.id = connection.send(this);
    } catch (error) {
      this.fail(error);
      return;
    }
    this.state = "sent";
    this.connection = connection;
    if (this.#timer) this.#arm(this.deadline - performance.now() + this.transport.options.graceMs);
  }

  #apply(connection) {
    const withId = this.bound === null && !this.message.acquire;
    return connection.statements.apply(this.message.query.statement, this.text, withId);
  }

  #late() {
    if (this.state === "queued") {
      this.transport.unqueue(this);
      this.fail(this.transport.unreachable("the deadline passed before the request could be sent"));
    } else {
      this.#giveUp(new SidepoolError("NO_ANSWER"));
    }
  }

  #abort() {
    if (this.state === "queued") {
      this.transport.unqueue(this);
      this.fail(new AbortError("not sent", this.signal.reason));
      return;
    }
    this.transport.cancel(this.connection, this.id);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => this.#giveUp(new AbortError("outcome unknown", this.signal.reason)),
      this.transport.options.cancelWaitMs,
    );
  }

  /** Nobody waits for the answer any more; what it may still bring (a lease, a stream) goes back. */
  #giveUp(error) {
    const { connection, transport } = this;
    connection.abandon(this.id, (response) => transport.discard(connection, response));
    this.fail(error);
  }

  /** The answer came. The transport may take the call back: see again(). */
  answered(response) {
    if (response.error && this.#notRun(response.error)) return;
    if (this.text !== null && response.results.length > 0)
      this.connection.statements.learn(this.text, response.results[0], this.#known);
    this.#finish();
    response.connection = this.connection;
    if (response.error?.code === CANCELLED && this.signal?.aborted)
      this.reject(Object.assign(new AbortError(errorFromWire(response.error).outcome, this.signal.reason), { response }));
    else this.resolve(response);
    this.transport.pump(this.connection);
  }

  /** The daemon's word that nothing ran, and the call may go out once more: true. */
  #notRun(error) {
    if (error.outcome !== Outcome.NOT_SENT || this.signal?.aborted) return false;
    if (error.code === UNKNOWN_STATEMENT && this.message.query?.statement.statementId) {
      this.connection.statements.forget(this.text);
      this.state = "queued";
      this.transport.again(this);
      return true;
    }
    if (error.code !== SHUTTING_DOWN) return false;
    this.connection.draining = true;
    if (this.bound || !this.transport.mayWait(this)) return false;
    this.state = "queued";
    this.transport.nextDaemon(this, error.retryAfterMs);
    return true;
  }

  lost(error) {
    this.fail(error);
  }

  /** The connection was gone before any of the message was written. Calls come here in reverse order. */
  unsent() {
    this.state = "queued";
    if (this.signal?.aborted) this.fail(new AbortError("not sent", this.signal.reason));
    else if (this.bound || !this.transport.mayWait(this)) this.fail(new SidepoolError("LEASE_LOST", "the connection to the daemon was lost"));
    else this.transport.again(this);
  }

  fail(error) {
    if (this.state === "done") return;
    this.#finish();
    this.reject(error);
  }

  #finish() {
    this.state = "done";
    clearTimeout(this.#timer);
    if (this.#onAbort) this.signal.removeEventListener("abort", this.#onAbort);
  }
}
