// SPDX-License-Identifier: MIT
// The handle that a program has: at most one connection to the daemon, and none to PostgreSQL.
import { SidepoolError, atCaller } from "./errors.js";
import { Listener } from "./listener.js";
import { makeOptions } from "./options.js";
import { BreakerState, HealthLevel } from "./schema.js";
import { Scope } from "./scope.js";
import { statementMessage, textAndValues } from "./statement.js";
import { Session, runTransaction } from "./transaction.js";
import { Transport } from "./transport.js";

const nameOf = (values, n) => Object.keys(values).find((key) => values[key] === n)?.toLowerCase().replace("_", "-") ?? "";

export class Database extends Scope {
  constructor(options) {
    super(new Transport(makeOptions(options)));
  }

  /** Connects to the daemon now, rather than with the first request. */
  async connect(options = {}) {
    await this.ping(options);
    return this;
  }

  /** What the daemon said of itself when it was connected to, or null. */
  get daemon() {
    return this.transport.connection?.hello ?? null;
  }

  /**
   * Runs work(tx) in a transaction, committed when it resolves and rolled back when it throws. BEGIN goes with the first
   * statement and COMMIT with the last, if that is returned without await or has `commit: true`.
   * options: isolation, readOnly, deferrable, holdMs, signal, deadlineMs, pool.
   */
  transaction(work, options = {}) {
    return runTransaction(this, work, options);
  }

  /**
   * Takes a connection of one's own and resolves to a Session; with `work`, runs work(session), gives the connection
   * back and resolves to what work did.
   */
  async session(work, options = {}) {
    if (typeof work !== "function") return new Session(this, work ?? {}).take();
    const session = await new Session(this, options).take();
    try {
      return await work(session);
    } finally {
      await session.close();
    }
  }

  /**
   * Hears of a channel of NOTIFY, over the one connection that the daemon listens with: an async iterable of
   * { channel, payload, backendPid }. options: pool, signal, maxQueued, onGap(gap).
   */
  listen(channel, options = {}) {
    return new Listener(this.transport, channel, { pool: this.transport.options.pool, ...options });
  }

  /**
   * A write that need not be waited for: one statement, or an array of them that are run in one transaction. The daemon
   * accepts it, or refuses it at once, and runs it whatever becomes of this program. What has the same key is run in the
   * order of its acceptance. Resolves to { id, journaled }; journaled: it is on disk, and will be run exactly once. What
   * comes of it is not told. options: key, tryMs, idempotencyKey, pool, deadlineMs, signal.
   */
  async submit(queries, options = {}) {
    try {
      const parts = (Array.isArray(queries) ? queries : [queries]).map((query) => textAndValues(query));
      const statements = parts.map(([text, values]) => statementMessage(text, [values]));
      const key = typeof options.key === "string" ? Buffer.from(options.key) : options.key;
      const submit = { statements, key, tryMs: options.tryMs };
      const { submit: reply } = await this.send({ submit }, options, parts[0]?.[0] ?? "");
      return { id: reply.submissionId, journaled: reply.journaled };
    } catch (error) {
      throw atCaller(error);
    }
  }

  /** Cancels what runs on a lease of this program. Resolves to whether there was something. */
  async cancel(leaseId, options = {}) {
    return (await this.send({ cancel: { leaseId } }, { callSite: "", ...options })).cancel.found;
  }

  /** Resolves when the daemon's loop turns. */
  async ping(options = {}) {
    try {
      await this.send({ ping: {} }, { callSite: "", ...options });
    } catch (error) {
      throw atCaller(error);
    }
  }

  /** The daemon's own account: pools, applications, leases, clients. */
  async status(options = {}) {
    const { status } = await this.send({ status: {} }, { callSite: "", ...options });
    for (const pool of status.pools) pool.breaker = nameOf(BreakerState, pool.breaker);
    return status;
  }

  /** { level: "healthy" | "degraded" | "unhealthy", checks } */
  async health(options = {}) {
    const { health } = await this.send({ health: {} }, { callSite: "", ...options });
    const named = (object) => ({ ...object, level: nameOf(HealthLevel, object.level) });
    return { ...named(health), checks: health.checks.map(named) };
  }

  /**
   * Waits for what is in flight, until the signal is aborted, then ends the connection; leases that are still held are
   * rolled back.
   */
  async close({ signal } = {}) {
    const destroy = () => this.transport.close();
    signal?.addEventListener("abort", destroy, { once: true });
    if (!signal?.aborted) await this.transport.idle();
    signal?.removeEventListener("abort", destroy);
    this.transport.close();
  }

  /** Ends the connection now. */
  destroy() {
    this.transport.close();
  }

  async [Symbol.asyncDispose]() {
    await this.close();
  }
}

/** A handle that connects with its first request. options: an object, or the socket's path. */
export function open(options) {
  return new Database(options);
}

/** A handle whose daemon has answered. */
export async function connect(options = {}) {
  const database = new Database(options);
  const signal = typeof options === "object" ? options.signal : undefined;
  try {
    return await database.connect({ signal });
  } catch (error) {
    database.destroy();
    throw error instanceof SidepoolError ? atCaller(error) : error;
  }
}
