// SPDX-License-Identifier: MIT
// Statements that belong together, on a lease: a transaction, or a session that keeps its connection.
import { findCallSite } from "./call-site.js";
import { AbortError, SidepoolError } from "./errors.js";
import { Lease } from "./lease.js";
import { Finish, Isolation, TransactionStatus } from "./schema.js";
import { Scope, Statement } from "./scope.js";
import { canHaveCursor } from "./server-cursor.js";
import { escapeIdentifier } from "./sql.js";
import { scan } from "./sql-scan.js";
import { textAndValues } from "./statement.js";
import { check } from "./transport.js";

const IN_FAILED_TRANSACTION = "25P02";

/** { isolation: "repeatable read", readOnly, deferrable } as a TransactionOptions message. */
export function transactionOptions({ isolation, readOnly, deferrable }) {
  const level = isolation ? Isolation[isolation.toUpperCase().replaceAll(/[ -]/g, "_")] : 0;
  if (level === undefined) throw new SidepoolError("INVALID_ARGUMENT", `there is no isolation level ${isolation}`);
  return { isolation: level, readOnly, deferrable };
}

function beginText({ isolation, readOnly, deferrable }) {
  let text = "BEGIN";
  if (isolation) text += ` ISOLATION LEVEL ${isolation.toUpperCase().replaceAll("-", " ")}`;
  if (readOnly) text += " READ ONLY";
  return deferrable ? `${text} DEFERRABLE` : text;
}

/** What COMMIT said: a failed transaction answers it with ROLLBACK. */
function checkCommitted(response) {
  if (response?.results[0]?.commandTag !== "ROLLBACK") return;
  const error = new SidepoolError("SQL_ERROR", "the transaction had failed: it was rolled back, not committed");
  throw Object.assign(error, { sqlstate: IN_FAILED_TRANSACTION });
}

/** Throws where a transaction's signal was aborted before its COMMIT. */
function checkNotAborted(signal) {
  if (signal?.aborted) throw new AbortError("failed", signal.reason);
}

class LeaseScope extends Scope {
  #inherited;

  /** inherited: options that hold for every request. */
  constructor(transport, lease, inherited) {
    super(transport);
    this.lease = lease;
    this.#inherited = inherited;
  }

  /** What is inherited says it. */
  siteOf() {
    return "";
  }

  async send(message, given, text = null) {
    const options = { ...this.#inherited, ...given };
    const { deadlineMs = this.transport.options.deadlineMs, signal, cacheAs, commit } = options;
    if (commit && !this.lease.begins) throw new SidepoolError("INVALID_ARGUMENT", "commit: true is for statements of db.transaction()");
    const finish = commit ? Finish.COMMIT : 0;
    this.envelope(message, options, text);
    return check(await this.lease.request(message, { deadlineMs, signal, text: cacheAs }, finish));
  }

  async open(query, values, options) {
    const [text, given] = textAndValues(query, values);
    const inTransaction = this.lease.begins || this.lease.inTransaction;
    if (inTransaction && canHaveCursor(scan(text))) return this.openCursor(text, given, options);
    return super.open(query, values, options);
  }

  /** The process id of the PostgreSQL backend; 0 before the first statement. */
  get backendPid() {
    return this.lease.backendPid;
  }

  get transactionStatus() {
    return ["", "idle", "active", "failed"][this.lease.status];
  }
}

/** Where statements of a transaction run. */
export class TransactionScope extends LeaseScope {
  #savepoints = 0;

  /** A transaction in the transaction: a savepoint, rolled back to if `work` throws. */
  async transaction(work) {
    const name = escapeIdentifier(`sidepool_${++this.#savepoints}`);
    await this.query(`SAVEPOINT ${name}`);
    try {
      const value = await work(this);
      await this.query(`RELEASE SAVEPOINT ${name}`);
      return value;
    } catch (error) {
      // Its error matters more; where this fails, so does the COMMIT.
      if (this.lease.held) await this.query(`ROLLBACK TO SAVEPOINT ${name}`, [], { signal: undefined }).catch(() => {});
      throw error;
    }
  }
}

export class Transaction extends TransactionScope {
  constructor(database, options) {
    const { transport } = database;
    const { signal, deadlineMs, pool, traceparent } = options;
    const lease = new Lease(transport, { begin: true, transaction: transactionOptions(options), holdMs: options.holdMs });
    const callSite = options.callSite ?? (transport.options.callSite ? findCallSite() : undefined);
    super(transport, lease, { signal, deadlineMs, pool, traceparent, callSite });
  }

  /** Commits, unless a statement with `commit: true` has done so. Throws where PostgreSQL rolled back instead. */
  async commit({ signal, deadlineMs } = {}) {
    if (this.lease.ended) return;
    const response = await this.lease.release(Finish.COMMIT, { signal, deadlineMs });
    checkCommitted(response && check(response));
  }

  async rollback() {
    if (this.lease.ended) return;
    await this.lease.release(Finish.ROLLBACK);
  }
}

/** Runs `work` in a transaction: committed when it resolves, rolled back when it throws. */
export async function runTransaction(database, work, options) {
  const tx = new Transaction(database, options);
  let value;
  try {
    value = work(tx);
    // A statement that was returned and not awaited is the last one: it takes the COMMIT along.
    if (value instanceof Statement && !value.sent) value = value.with({ commit: true });
    value = await value;
    if (!tx.lease.ended) checkNotAborted(options.signal);
    await tx.commit({ signal: options.signal });
    return value;
  } catch (error) {
    await tx.rollback().catch(() => {}); // its error matters more; the daemon rolls back a lost lease by itself
    throw error;
  }
}

/** A connection of one's own until close(): temporary tables, advisory locks, SET, LISTEN. */
export class Session extends LeaseScope {
  #options;
  #inherited;

  constructor(database, options) {
    const { transport } = database;
    const { deadlineMs, pool, traceparent } = options;
    const callSite = options.callSite ?? (transport.options.callSite ? findCallSite() : undefined);
    const inherited = { deadlineMs, pool, traceparent, callSite };
    super(transport, new Lease(transport, { holdMs: options.holdMs, renew: true }), inherited);
    this.#options = options;
    this.#inherited = inherited;
  }

  /** Takes the connection. */
  async take() {
    const { signal, deadlineMs = this.transport.options.deadlineMs } = this.#options;
    const envelope = this.envelope({}, { pool: this.#options.pool, callSite: this.#options.callSite }, null);
    check(await this.lease.take({ signal, deadlineMs }, envelope));
    return this;
  }

  set onNotification(listener) {
    this.lease.onNotification = listener;
  }

  /** A transaction; in one that is open already, a savepoint. `work` is given where its statements run. */
  async transaction(work, options = {}) {
    const { signal, deadlineMs = this.#inherited.deadlineMs } = options;
    const scope = new TransactionScope(this.transport, this.lease, { ...this.#inherited, signal, deadlineMs });
    if (this.lease.inTransaction) return scope.transaction(work);
    await scope.query(beginText(options));
    let value;
    try {
      value = await work(scope);
      checkNotAborted(signal);
    } catch (error) {
      if (this.lease.held) await this.query("ROLLBACK").catch(() => {}); // its error matters more
      throw error;
    }
    const failed = this.lease.status === TransactionStatus.FAILED;
    const { tag } = await scope.query("COMMIT");
    if (failed) checkCommitted({ results: [{ commandTag: tag }] });
    return value;
  }

  /** Gives the connection back; a transaction that is open is rolled back. */
  async close() {
    if (!this.lease.ended) await this.lease.release(Finish.ROLLBACK);
  }

  async [Symbol.asyncDispose]() {
    await this.close();
  }
}
