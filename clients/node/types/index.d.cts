// SPDX-License-Identifier: MIT
/// <reference types="node" />

/** Which of three a failure was: safe to try again, ended without effect, or not known. */
export type OutcomeName = "not sent" | "failed" | "outcome unknown";

export interface TypeParsers {
  getTypeParser(oid: number, format?: "text" | "binary"): (value: any) => any;
}

/** Who has a connection of the pool. */
export interface Holder {
  application: string;
  pid: number;
  unit: string;
  callSite: string;
  state: string;
  heldMs: number;
  leaseId: number | bigint;
}

/** How the pool stood when a wait failed. */
export interface PoolState {
  pool: string;
  inUse: number;
  limit: number;
  waiting: number;
  waitedMs: number;
  holders: Holder[];
}

/** The fields of PostgreSQL's report; absent where it sent none. */
export interface SqlFields {
  severity?: string;
  sqlstate?: string;
  detail?: string;
  hint?: string;
  position?: number;
  internalPosition?: number;
  internalQuery?: string;
  where?: string;
  schema?: string;
  table?: string;
  column?: string;
  dataType?: string;
  constraint?: string;
  file?: string;
  line?: number;
  routine?: string;
}

export interface Notice extends SqlFields {
  message: string;
}

export interface SidepoolError extends SqlFields {}
export class SidepoolError extends Error {
  constructor(code: string, message?: string, options?: { outcome?: OutcomeName; cause?: unknown });
  /** A name of proto/errors.def: "ACQUIRE_TIMEOUT", "SQL_ERROR", ... */
  code: string;
  outcome: OutcomeName;
  retryable: boolean;
  /** Do not try again before; 0: no advice. */
  retryAfterMs: number;
  /** What to do about it, in a sentence; may be empty. */
  remedy: string;
  pool: PoolState | null;
  /** Batches: which statement and which of its parameter sets. */
  statementIndex?: number;
  parameterSetIndex?: number;
}

/** PostgreSQL refused a statement, or ended it. */
export class DatabaseError extends SidepoolError {}

/** A request that its AbortSignal ended; `cause` is the signal's reason. */
export class AbortError extends SidepoolError {
  constructor(outcome: OutcomeName, cause?: unknown);
}

export interface Options {
  /** @default $SIDEPOOL_SOCKET, then "/run/sidepool/rpc.sock" */
  socket?: string;
  /** Who asks, at most 63 bytes. @default what the daemon finds out of the process */
  application?: string;
  /** @default the application's first */
  pool?: string;
  /** For requests that have none of their own. @default what the application's settings say */
  deadlineMs?: number;
  /** How long after its deadline an answer is awaited. @default 1000 */
  graceMs?: number;
  /** How long an aborted request's answer is awaited. @default 10000 */
  cancelWaitMs?: number;
  /** How long to try a first connect while nobody listens. @default 0 */
  connectWaitMs?: number;
  /** The same after a connection broke: daemons restart. @default 10000 */
  reconnectWaitMs?: number;
  /** Requests that may wait in this process. @default 65536 */
  maxQueued?: number;
  /** Statements whose ids are kept. @default 256 */
  statementCache?: number;
  /** Send the file and line that asks. @default true */
  callSite?: boolean;
  /** Send OpenTelemetry's current traceparent where it is installed. @default true */
  trace?: boolean;
  /** @default the package's own, `types` */
  types?: TypeParsers;
  onNotice?: (notice: Notice) => void;
}

/** How one request shall be made. */
export interface RequestOptions {
  signal?: AbortSignal;
  /** The time for waiting, running and fetching. */
  deadlineMs?: number;
  pool?: string;
  /** 1 to 255 bytes: the same again is then safe. */
  idempotencyKey?: string | Uint8Array;
  callSite?: string;
  traceparent?: string;
}

export interface QueryOptions extends RequestOptions {
  /** @default "object" */
  rowMode?: "object" | "array";
  types?: TypeParsers;
  /** Results in PostgreSQL's binary formats. @default false */
  binary?: boolean;
  /** OIDs of the parameters; PostgreSQL infers what is missing. */
  parameterTypes?: number[];
  /** The most bytes of rows in one answer. */
  chunkBytes?: number;
  /** In a transaction: COMMIT with this statement, in the same message. */
  commit?: boolean;
}

export interface Column {
  name: string;
  typeOid: number;
  typeModifier: number;
  tableOid: number;
  columnNumber: number;
  typeBytes: number;
}

export class Result<R = any> {
  rows: R[];
  columns: Column[];
  /** "SELECT", "INSERT", "CREATE TABLE"; "" for an empty statement */
  command: string;
  /** The number in the tag, or null where it has none. */
  rowCount: number | null;
  /** "INSERT 0 3" */
  tag: string;
  notices: Notice[];
  /** Batches that are not atomic: why this statement failed. */
  error: SidepoolError | null;
}

/** A piece of SQL with its values. */
export class Sql {
  readonly text: string;
  readonly values: any[];
}

export type StatementLike = string | Sql | { text: string; values?: any[] };

export interface SqlTag {
  (strings: TemplateStringsArray, ...values: any[]): Sql;
  /** "schema"."table": each name quoted. */
  identifier(...names: string[]): Sql;
  /** Values or fragments with a separator between. @default ", " */
  join(items: any[], separator?: string): Sql;
  /** Text as it stands. Never from outside. */
  unsafe(text: string): Sql;
}

export const sql: SqlTag;
export function escapeIdentifier(name: string): string;
export function escapeLiteral(text: string): string;

/** A statement that is sent when it is awaited (to its rows), iterated, or asked for its result. */
export class Statement<R = any> extends Sql implements PromiseLike<R[]> {
  /** Options for it. */
  with(options: QueryOptions): this;
  readonly sent: boolean;
  result(): Promise<Result<R>>;
  rows(): Promise<R[]>;
  first(): Promise<R | undefined>;
  then<A = R[], B = never>(
    resolve?: ((rows: R[]) => A | PromiseLike<A>) | null,
    reject?: ((error: any) => B | PromiseLike<B>) | null,
  ): Promise<A | B>;
  catch<B = never>(reject?: ((error: any) => B | PromiseLike<B>) | null): Promise<R[] | B>;
  finally(settled?: (() => void) | null): Promise<R[]>;
  [Symbol.asyncIterator](): AsyncIterator<R>;
}

/** A large result: rows by `for await`, or arrays of rows by chunks(). */
export class RowStream<R = any> implements AsyncIterable<R> {
  /** All of it is known after the last row. */
  readonly result: Result<R>;
  chunks(): AsyncGenerator<R[], void, void>;
  [Symbol.asyncIterator](): AsyncIterator<R>;
}

export type CopySource = Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

/** What one can do wherever statements run. */
export class Scope {
  sql<R = any>(strings: TemplateStringsArray, ...values: any[]): Statement<R>;
  query<R = any>(query: StatementLike, values?: any[], options?: QueryOptions): Promise<Result<R>>;
  stream<R = any>(query: StatementLike, values?: any[], options?: QueryOptions): RowStream<R>;
  /** atomic (the default): all or nothing; else each for itself. */
  batch(queries: StatementLike[], options?: QueryOptions & { atomic?: boolean }): Promise<Result[]>;
  /** One statement with many sets of values. Resolves to the sum and all rows; to null for no set. */
  executeMany<R = any>(text: string, sets: any[][], options?: QueryOptions & { atomic?: boolean }): Promise<Result<R> | null>;
  /** COPY ... FROM STDIN */
  copyFrom(text: string, source: CopySource, options?: RequestOptions): Promise<Result>;
  /** COPY ... TO STDOUT */
  copyTo(text: string, options?: RequestOptions & { chunkBytes?: number }): AsyncGenerator<Buffer, void, void>;
}

export interface TransactionOptions extends RequestOptions {
  isolation?: "read uncommitted" | "read committed" | "repeatable read" | "serializable";
  readOnly?: boolean;
  deferrable?: boolean;
  /** The longest that the connection shall be held. */
  holdMs?: number;
}

/** Where the statements of a transaction run. */
export class TransactionScope extends Scope {
  /** Of the PostgreSQL process; 0 before the first statement. */
  readonly backendPid: number;
  readonly transactionStatus: "" | "idle" | "active" | "failed";
  /** A savepoint, rolled back to if `work` throws. */
  transaction<T>(work: (tx: this) => T | PromiseLike<T>): Promise<Awaited<T>>;
}

export class Transaction extends TransactionScope {
  commit(options?: { signal?: AbortSignal; deadlineMs?: number }): Promise<void>;
  rollback(): Promise<void>;
}

export interface SessionOptions extends RequestOptions {
  holdMs?: number;
}

export interface Notification {
  channel: string;
  payload: string;
  backendPid: number;
}

/** A connection of one's own until close(). */
export class Session extends Scope {
  readonly backendPid: number;
  readonly transactionStatus: "" | "idle" | "active" | "failed";
  /** Called with what came since the last answer on this session. */
  set onNotification(listener: ((notification: Notification) => void) | null);
  /** A transaction; in one that is open already, a savepoint. */
  transaction<T>(work: (tx: TransactionScope) => T | PromiseLike<T>, options?: TransactionOptions): Promise<Awaited<T>>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What was lost of a channel's notifications. */
export interface Gap {
  /** How many; null: nobody knows. */
  lost: number | null;
  /** false: nothing is heard until a gap that is over. */
  over: boolean;
  reason: string;
}

export interface ListenOptions {
  pool?: string;
  /** Ends it. */
  signal?: AbortSignal;
  /** Notifications that may wait to be taken. @default 10000 */
  maxQueued?: number;
  onGap?: (gap: Gap) => void;
}

/** Who listens to a channel: notifications by `for await`. It listens until the loop is left, close() or its signal. */
export class Listener implements AsyncIterableIterator<Notification> {
  /** Resolves when it listens. */
  readonly ready: Promise<void>;
  next(): Promise<IteratorResult<Notification, undefined>>;
  return(value?: any): Promise<IteratorResult<Notification, any>>;
  close(): Promise<void>;
  [Symbol.asyncIterator](): this;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface HealthCheck {
  name: string;
  level: "healthy" | "degraded" | "unhealthy";
  reason: string;
  advice: string;
}

export interface SubmitOptions extends RequestOptions {
  /** What has the same key is run in the order of its acceptance; at most 255 bytes. @default none, and no order */
  key?: string | Uint8Array;
  /** For so long it is tried to get it to PostgreSQL. @default what the daemon's settings say */
  tryMs?: number;
}

export interface Submitted {
  /** Of this submission, in the daemon's log, events and status. */
  id: number | bigint;
  /** It is on disk, and will be run exactly once; else it is lost if the daemon dies. */
  journaled: boolean;
}

export class Database extends Scope {
  constructor(options?: Options | string);
  connect(options?: RequestOptions): Promise<this>;
  /** What the daemon said of itself when it was connected to, or null. */
  readonly daemon: { daemonVersion: string; application: string; pools: string[]; features: string[]; [key: string]: any } | null;
  /**
   * Runs work(tx) in a transaction, committed when it resolves and rolled back when it throws. A statement that is
   * returned without await takes the COMMIT along.
   */
  transaction<T>(work: (tx: Transaction) => T | PromiseLike<T>, options?: TransactionOptions): Promise<Awaited<T>>;
  session(options?: SessionOptions): Promise<Session>;
  session<T>(work: (session: Session) => T | PromiseLike<T>, options?: SessionOptions): Promise<Awaited<T>>;
  /** Hears of a channel of NOTIFY, over the one connection that the daemon listens with. */
  listen(channel: string, options?: ListenOptions): Listener;
  /**
   * A write that need not be waited for: one statement, or several that are run in one transaction. Accepted or refused at
   * once, and run whatever becomes of this program; what comes of it is not told.
   */
  submit(queries: StatementLike | StatementLike[], options?: SubmitOptions): Promise<Submitted>;
  /** Cancels what runs on a lease of this program. */
  cancel(leaseId: number | bigint, options?: RequestOptions): Promise<boolean>;
  ping(options?: RequestOptions): Promise<void>;
  status(options?: RequestOptions): Promise<any>;
  health(options?: RequestOptions): Promise<HealthCheck & { checks: HealthCheck[] }>;
  /** Waits for what is in flight, until `signal` is aborted, then ends the connection. */
  close(options?: { signal?: AbortSignal }): Promise<void>;
  /** Ends the connection now. */
  destroy(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A handle that connects with its first request. */
export function open(options?: Options | string): Database;
/** A handle whose daemon has answered. */
export function connect(options?: (Options & { signal?: AbortSignal }) | string): Promise<Database>;

export const errorCodes: readonly {
  number: number;
  name: string;
  outcome: "NOT_SENT" | "FAILED" | "UNKNOWN";
  retryable: boolean;
  sentence: string;
  remedy: string;
}[];

export const types: TypeParsers & {
  setTypeParser(oid: number, parse: (value: any) => any): void;
  setTypeParser(oid: number, format: "text" | "binary", parse: (value: any) => any): void;
  arrayParser: { create(text: string, parse?: (value: string) => any): { parse(): any[] } };
  builtins: Readonly<Record<string, number>>;
};

export const version: string;
