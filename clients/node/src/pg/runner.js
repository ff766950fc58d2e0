// SPDX-License-Identifier: MIT
// Where the statements of one client go. Outside a transaction each is a plain query on any connection. BEGIN is kept
// until a statement follows, which then takes a lease and begins in the same message; COMMIT and ROLLBACK end the
// transaction and the lease in one message. A script (several statements in one text) takes a lease for itself, and keeps
// it if it leaves a transaction open. With lease "session" all of it runs on one lease that lasts as long as the client.
//
//	none --BEGIN--> begun --statement--> leased --COMMIT, ROLLBACK--> none
import { checkedScript, givesUp, isOfSettings, needsSession, takeCheck } from "./lasting.js";
import { Listens, listenVerbs } from "./listens.js";
import { SidepoolError } from "../errors.js";
import { Lease } from "../lease.js";
import { Finish, TransactionStatus } from "../schema.js";
import { Scope } from "../scope.js";
import { scan, transactionVerb } from "../sql-scan.js";
import { statementMessage } from "../statement.js";
import { transactionOptions } from "../transaction.js";
import { check } from "../transport.js";

const NOTHING = Buffer.alloc(0);
const STATUS = { [TransactionStatus.ACTIVE]: "T", [TransactionStatus.FAILED]: "E" };
const NO_TRANSACTION = {
  severity: "WARNING",
  sqlstate: "25P01",
  message: "there is no transaction in progress",
};

/** A Response that the daemon was not needed for, of one result for each tag. */
function localResponse(tags, notices = []) {
  const results = [tags].flat().map((commandTag) => ({
    columns: [], rows: NOTHING, rowCount: 0, commandTag, affectedRows: 0, notices, statementIndex: 0, parameterSetIndex: 0,
    error: null, more: false, format: 0,
  }));
  return { results, streamId: 0, connection: null, notifications: [], parameters: [], copyReady: null };
}

export class Runner {
  #scope;
  #settings;
  #begun = null; // the modes of a BEGIN that nothing has followed yet
  #lease = null;
  #listens = null;

  /** Set by the client: onGap(gap) of what it listens to, onNotification(message), onBackend(pid) as the connection behind changes, onLost() of a session. */
  onNotification = null;
  onGap = null;
  onLost = null;
  onBackend = null;

  /** settings: lease ("transaction" or "session"), pool, holdMs, startup (a script for a new session). */
  constructor(transport, settings) {
    this.#scope = new Scope(transport);
    this.#settings = settings;
  }

  get transport() {
    return this.#scope.transport;
  }

  /** "I", "T" or "E", as ReadyForQuery has it. */
  get status() {
    if (this.#begun) return "T";
    if (!this.#lease) return "I";
    if (this.#lease.ended) return this.#settings.lease === "session" ? "I" : "E";
    return STATUS[this.#lease.status] ?? "I";
  }

  get session() {
    return this.#settings.lease === "session";
  }

  #newLease(options) {
    const lease = new Lease(this.transport, { holdMs: this.#settings.holdMs, ...options });
    lease.onNotification = (notification) => this.onNotification?.(notification);
    this.#lease = lease;
    return lease;
  }

  /** Takes the lease of a session. */
  async open(options) {
    if (!this.session) return;
    const lease = this.#newLease({ renew: true });
    check(await lease.take(options, this.#scope.envelope({}, this.#settings, null)));
    this.onBackend?.(lease.backendPid);
    const { startup } = this.#settings;
    if (startup) check(await lease.request({ query: { statement: { sql: startup, simple: true } } }, options));
  }

  /**
   * Runs a statement and resolves to its first Response. request: text, values (null: the simple protocol, as
   * node-postgres uses it), binary, deadlineMs, signal, chunkBytes, callSite, traceparent.
   */
  async execute(given) {
    const request = given.text === "" ? { ...given, text: " " } : given; // the wire knows no empty text
    const found = scan(request.text);
    const listens = this.status === "I" ? listenVerbs(found, request.text) : null;
    if (listens && (await this.#canListen())) return this.#listen(listens);
    if (this.session) return this.#onLease(request, found);
    if (found.verbs.includes("LISTEN") && (found.several || this.status !== "I"))
      throw needsSession("LISTEN in a transaction or among other statements would be heard by nobody");
    const verb = transactionVerb(found);
    if (verb?.verb === "BEGIN") return this.#beginTransaction(request, verb.options, found);
    if (verb?.verb === "SET TRANSACTION") return this.#setTransaction(request, verb.options, found);
    if (verb) return this.#endTransaction(request, verb.verb);
    if (this.#begun || this.#lease) return this.#inTransaction(request, found);
    if (givesUp(found)) return this.#giveUp(found);
    return found.several && !request.values ? this.#script(request, found) : this.#plain(request);
  }

  #message(request, simple) {
    const { text, values, binary, chunkBytes } = request;
    const statement = statementMessage(text, values ? [values] : null, { binary, simple });
    return this.#envelope({ query: { statement, chunkBytes } }, request);
  }

  #envelope(message, { text, callSite, traceparent }) {
    return this.#scope.envelope(message, { pool: this.#settings.pool, callSite, traceparent }, text);
  }

  async #canListen() {
    if (!this.transport.connection) check(await this.transport.request({ ping: {} }));
    return this.transport.connection?.hello.features.includes("listen") ?? false;
  }

  /** LISTEN and UNLISTEN outside a transaction are the daemon's business: what is notified comes by itself then. */
  async #listen(listens) {
    this.#listens ??= new Listens(this.transport, this.#settings.pool, {
      onNotification: (notification) => this.onNotification?.(notification),
      onGap: (gap) => this.onGap?.(gap),
    });
    for (const { verb, channel } of listens) {
      if (verb === "LISTEN") await this.#listens.add(channel);
      else await this.#listens.remove(channel);
    }
    return localResponse(listens.map(({ verb }) => verb));
  }

  /** DISCARD ALL and the like, of a client that has nothing but what it listens to. */
  async #giveUp(found) {
    const tag = givesUp(found);
    if (tag === "DISCARD ALL") await this.#listens?.remove(null);
    return localResponse(tag);
  }

  async #plain(request) {
    const { deadlineMs, signal, text } = request;
    return check(await this.transport.request(this.#message(request), { deadlineMs, signal, text }));
  }

  #beginTransaction(request, modes, found) {
    if (this.#begun || this.#lease) return this.#inTransaction(request, found); // PostgreSQL warns
    if (modes) {
      this.#begun = modes;
      return localResponse("BEGIN");
    }
    this.#newLease({});
    return this.#inTransaction(request, found);
  }

  /** Modes that follow a BEGIN that was not sent yet are sent with it. */
  #setTransaction(request, modes, found) {
    if (!this.#begun || !modes) return this.#begun || this.#lease ? this.#inTransaction(request, found) : this.#plain(request);
    this.#begun = { ...this.#begun, ...modes };
    return localResponse("SET");
  }

  async #inTransaction(request, found) {
    if (this.#begun) {
      const transaction = transactionOptions(this.#begun);
      this.#begun = null;
      this.#newLease({ begin: true, transaction });
    }
    return this.#onLease(request, found);
  }

  async #onLease(request, found) {
    const lease = this.#lease;
    const simple = found.several && !request.values;
    const { deadlineMs, signal, text } = request;
    const options = { deadlineMs, signal, text: simple ? undefined : text };
    try {
      return check(await lease.request(this.#message(request, simple), options));
    } catch (error) {
      if (this.session && lease.ended) this.onLost?.();
      throw error;
    } finally {
      this.onBackend?.(lease.backendPid);
      if (!this.session) await this.#giveBackIfIdle(lease);
    }
  }

  /** A transaction that has ended by itself (in a script, by COMMIT AND ...) needs its lease no longer. */
  async #giveBackIfIdle(lease) {
    if (lease.held && lease.status === TransactionStatus.IDLE) await this.#release(Finish.ROLLBACK, {});
    else if (!lease.held && !lease.ended) this.#lease = null; // it never was taken
  }

  /** Begins a COPY (message: copyIn or copyOut) where a statement would run. */
  async copy(message, request) {
    const { deadlineMs, signal } = request;
    this.#envelope(message, request);
    if (this.#begun) {
      const transaction = transactionOptions(this.#begun);
      this.#begun = null;
      this.#newLease({ begin: true, transaction });
    }
    const where = this.#lease ?? this.transport;
    return check(await where.request(message, { deadlineMs, signal }));
  }

  async #script(request, found) {
    const lease = this.#newLease({});
    if (found.verbs.some((verb) => verb === "BEGIN" || verb === "START")) return this.#onLease(request, found);
    const { deadlineMs, signal } = request;
    const ofSettings = isOfSettings(found);
    try {
      const message = this.#message(ofSettings ? { ...request, text: checkedScript(request.text) } : request, true);
      const response = check(await lease.request(message, { deadlineMs, signal }, Finish.COMMIT));
      return ofSettings ? takeCheck(response) : response;
    } finally {
      this.#lease = null;
    }
  }

  async #endTransaction(request, verb) {
    if (this.#begun) {
      this.#begun = null;
      return localResponse(verb);
    }
    if (!this.#lease) return localResponse(verb, [{ fields: NO_TRANSACTION }]);
    if (this.#lease.ended) return this.#endOfLost(verb);
    const response = await this.#release(verb === "COMMIT" ? Finish.COMMIT : Finish.ROLLBACK, request);
    return response?.results.length > 0 ? response : localResponse(verb);
  }

  /** The lease was lost, and the transaction with it. */
  #endOfLost(verb) {
    this.#lease = null;
    if (verb === "ROLLBACK") return localResponse(verb);
    throw new SidepoolError("LEASE_LOST", "the transaction was lost with its lease: nothing was committed");
  }

  async #release(finish, { deadlineMs, signal }) {
    const lease = this.#lease;
    this.#lease = null;
    try {
      const response = await lease.release(finish, { deadlineMs, signal });
      return response && check(response);
    } finally {
      this.onBackend?.(0);
    }
  }

  /** Between two users of a pooled client: what is left of a transaction is rolled back. */
  async reset() {
    this.#begun = null;
    if (this.session) {
      if (this.#lease?.inTransaction) await this.#lease.request({ query: { statement: { sql: "ROLLBACK" } } });
    } else if (this.#lease) {
      await this.#release(Finish.ROLLBACK, {});
    }
  }

  /** The client ends. */
  async close() {
    this.#begun = null;
    await this.#listens?.remove(null);
    if (this.#lease) await this.#release(Finish.ROLLBACK, {});
  }
}
