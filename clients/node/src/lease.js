// SPDX-License-Identifier: MIT
// One connection to PostgreSQL for as long as it is needed. It is taken with the first request (and BEGIN with it, where
// asked for) and given back with the last, or by release(). Requests may be sent ahead; they run in order, but the ones
// behind the first wait until it has brought the lease.
//
//	wanted --first request--> taking --granted--> held --finish, release, lost--> ended
import { SidepoolError, errorFromWire } from "./errors.js";
import { Finish, TransactionStatus } from "./schema.js";

const LOST = new Set([41, 50, 51, 52, 53, 54, 55, 56]); // codes after which there is no lease
const LOST_WITH_DAEMON = new Set(["DAEMON_LOST", "LEASE_LOST", "PROTOCOL_VIOLATION", "CLOSED"]);

/** An error after which there is no lease: by its code, or because PostgreSQL ended the connection with it. */
function isEnd({ code, sql }) {
  return LOST.has(code) || sql?.severity === "FATAL" || sql?.severity === "PANIC";
}

export class Lease {
  #transport;
  #options;
  #ref = null;
  #connection = null;
  #taking = null;
  #ended = null; // why: an error, or true where it was given back
  #renewal = null;

  /** What the last answer said: TransactionStatus, 0 before the first. */
  status = 0;
  /** Of the PostgreSQL process, 0 while the lease is not held. */
  backendPid = 0;
  /** onNotification({ channel, payload, backendPid }) */
  onNotification = null;
  /** onParameter(name, value): a setting that PostgreSQL reported as changed */
  onParameter = null;

  /** options: begin, transaction (TransactionOptions), holdMs, renew (hold it until it is released). */
  constructor(transport, options = {}) {
    this.#transport = transport;
    this.#options = options;
  }

  get held() {
    return this.#ref !== null && !this.#ended;
  }

  get ended() {
    return this.#ended !== null;
  }

  /** Its first request begins a transaction. */
  get begins() {
    return Boolean(this.#options.begin);
  }

  get inTransaction() {
    return this.status === TransactionStatus.ACTIVE || this.status === TransactionStatus.FAILED;
  }

  /** Sends a request on the lease and resolves to its Response, errors included. `finish`: see Finish. */
  async request(message, options = {}, finish = 0) {
    while (this.#taking && !this.#ref) await this.#taking;
    if (this.#ended) throw this.#endedError();
    if (finish) message.finish = finish;
    if (!this.#ref && (message.copyIn || message.copyOut)) {
      // The answer that would bring the lease of a COPY is its last one.
      const { pool, callSite, traceparent } = message;
      const response = await this.take(options, { pool, callSite, traceparent });
      if (response.error) return response;
      if (this.#options.begin) this.status = TransactionStatus.ACTIVE; // BEGIN runs ahead of the COPY
      return this.request(message, options, finish);
    }
    if (this.#ref) return this.#requestHeld(message, options, finish);
    const { begin, transaction, holdMs } = this.#options;
    message.acquire = { begin, transaction, holdMs };
    const taking = this.#send(message, options, finish);
    this.#taking = taking.catch(() => {}).then(() => {
      this.#taking = null;
    });
    return taking;
  }

  async #requestHeld(message, options, finish) {
    message.lease = this.#ref;
    const bound = { ...options, connection: this.#connection };
    if (!finish) return this.#send(message, bound, finish);
    this.#ended = true; // nothing can follow it
    try {
      return await this.#send(message, bound, finish);
    } catch (error) {
      if (this.#ended === true && !error.response && (error.outcome ?? "not sent") === "not sent") this.#ended = null; // it is held as before
      throw error;
    }
  }

  async #send(message, options, finish) {
    try {
      const response = await this.#transport.request(message, options);
      this.#absorb(response, finish);
      response.holder = this;
      return response;
    } catch (error) {
      if (error.response) this.#absorb(error.response, finish);
      else if (this.#ref ? LOST_WITH_DAEMON.has(error.code) : this.#options.begin) this.#end(error);
      throw error;
    }
  }

  #absorb(response, finish) {
    if (response.lease) this.#grant(response);
    if (response.transactionStatus) this.status = response.transactionStatus;
    for (const notification of response.notifications) this.onNotification?.(notification);
    for (const { name, value } of response.parameters) this.onParameter?.(name, value);
    if (response.error && !this.#ref && this.#options.begin) this.#end(errorFromWire(response.error)); // it never began
    else if (response.error && isEnd(response.error))
      this.#end(new SidepoolError("LEASE_LOST", `the lease was lost: ${response.error.message}`));
    else if (finish && (this.#ref || response.error === null)) this.#end(true);
  }

  /** A later answer of a stream that began on this lease: how the transaction stands when it has ended. */
  absorb(response) {
    this.#absorb(response, 0);
  }

  #grant(response) {
    const { leaseId, token, backendPid, expiresMs } = response.lease;
    this.#ref = { leaseId, token };
    this.#connection = response.connection;
    this.backendPid = backendPid;
    if (this.#options.renew && expiresMs > 0) this.#renewIn(expiresMs / 2);
  }

  #renewIn(ms) {
    clearTimeout(this.#renewal);
    this.#renewal = setTimeout(() => {
      this.request({ renew: { holdMs: this.#options.holdMs } }).catch(() => {}); // the next request on it says why
    }, Math.min(ms, 2 ** 31 - 1));
    this.#renewal.unref();
  }

  #end(why) {
    clearTimeout(this.#renewal);
    if (this.#ended === null || this.#ended === true) this.#ended = why;
    this.backendPid = 0;
    if (why === true) this.status = TransactionStatus.IDLE;
  }

  #endedError() {
    if (this.#ended === true) return new SidepoolError("UNKNOWN_LEASE", "the lease was given back already");
    return new SidepoolError(this.#ended.code, this.#ended.message, { outcome: "not sent", cause: this.#ended });
  }

  /** Takes the lease now and runs nothing yet. */
  take(options, envelope = {}) {
    return this.request({ ...envelope, takeLease: {} }, options);
  }

  /**
   * Gives it back: COMMIT or ROLLBACK, then release. Resolves to the Response, or to null where there was nothing to give
   * back. A lease that is being taken is waited for.
   */
  async release(finish = Finish.ROLLBACK, options = {}) {
    while (this.#taking) await this.#taking;
    if (!this.held) {
      this.#end(true);
      return null;
    }
    return this.request({ release: {} }, options, finish);
  }
}
