// SPDX-License-Identifier: MIT
/// <reference types="node" />
import { EventEmitter } from "node:events";
import { Duplex, Readable, Writable } from "node:stream";

export type TypeFormat = "text" | "binary";

export interface CustomTypesConfig {
  getTypeParser(oid: number, format?: any): any;
}

/** Where the daemon is and how its connections are used. */
export interface SidepoolSettings {
  /** @default $SIDEPOOL_SOCKET, then "/run/sidepool/rpc.sock" */
  socket?: string;
  /** @default $SIDEPOOL_POOL, then the application's first */
  pool?: string;
  /** "session": one connection for as long as the client lives. @default $SIDEPOOL_LEASE, then "transaction" */
  lease?: "transaction" | "session";
  holdMs?: number;
}

export interface ClientConfig {
  user?: string | undefined;
  database?: string | undefined;
  password?: string | (() => string | Promise<string>) | undefined;
  port?: number | undefined;
  host?: string | undefined;
  /** postgres://... says nothing of where to connect; sidepool:///path/rpc.sock?pool=main&lease=session does */
  connectionString?: string | undefined;
  keepAlive?: boolean | undefined;
  stream?: (() => Duplex | undefined) | undefined;
  statement_timeout?: false | number | undefined;
  ssl?: any;
  enableChannelBinding?: boolean | undefined;
  sslnegotiation?: "postgres" | "direct" | undefined;
  query_timeout?: number | undefined;
  lock_timeout?: number | undefined;
  keepAliveInitialDelayMillis?: number | undefined;
  idle_in_transaction_session_timeout?: number | undefined;
  application_name?: string | undefined;
  fallback_application_name?: string | undefined;
  connectionTimeoutMillis?: number | undefined;
  types?: CustomTypesConfig | undefined;
  options?: string | undefined;
  client_encoding?: string | undefined;
  pipeline?: boolean | undefined;
  binary?: boolean | undefined;
  sidepool?: SidepoolSettings | undefined;
}
export type ConnectionConfig = ClientConfig;

export interface PoolConfig extends ClientConfig {
  max?: number | undefined;
  min?: number | undefined;
  idleTimeoutMillis?: number | undefined | null;
  log?: ((...messages: any[]) => void) | undefined;
  Promise?: PromiseConstructorLike | undefined;
  allowExitOnIdle?: boolean | undefined;
  maxUses?: number | undefined;
  maxLifetimeSeconds?: number | undefined;
  Client?: (new () => ClientBase) | undefined;
  onConnect?: ((client: ClientBase) => void) | undefined;
  verify?: ((client: PoolClient, done: (err?: Error) => void) => void) | undefined;
}

export interface PoolOptions extends Omit<PoolConfig, "verify" | "onConnect"> {
  onConnect?: ((client: any) => void) | undefined;
  verify?: ((client: any, done: (err?: Error) => void) => void) | undefined;
  max: number;
  maxUses: number;
  allowExitOnIdle: boolean;
  maxLifetimeSeconds: number;
  idleTimeoutMillis: number | null;
}

export type QueryConfigValues<T> = T extends Array<infer U> ? T : never;

export interface QueryConfig<I = any[]> {
  name?: string | undefined;
  text: string;
  values?: QueryConfigValues<I>;
  types?: CustomTypesConfig | undefined;
  /** Ends the statement at PostgreSQL. */
  signal?: AbortSignal | undefined;
}

export interface QueryArrayConfig<I = any[]> extends QueryConfig<I> {
  rowMode: "array";
}

export interface FieldDef {
  name: string;
  tableID: number;
  columnID: number;
  dataTypeID: number;
  dataTypeSize: number;
  dataTypeModifier: number;
  format: string;
}

export interface QueryResultBase {
  command: string;
  rowCount: number | null;
  oid: number;
  fields: FieldDef[];
}

export interface QueryResultRow {
  [column: string]: any;
}

export interface QueryResult<R extends QueryResultRow = any> extends QueryResultBase {
  rows: R[];
}

export interface QueryArrayResult<R extends any[] = any[]> extends QueryResultBase {
  rows: R[];
}

export interface ResultBuilder<R extends QueryResultRow = any> extends QueryResult<R> {
  addRow(row: R): void;
}

export interface Notification {
  processId: number;
  channel: string;
  payload?: string | undefined;
}

export interface Submittable {
  submit: (connection: Connection) => void;
}

export type TransactionStatus = "I" | "T" | "E" | null;

export function escapeIdentifier(str: string): string;
export function escapeLiteral(str: string): string;

export interface QueryParse {
  name: string;
  text: string;
  types: string[];
}

export interface BindConfig {
  portal?: string | undefined;
  statement?: string | undefined;
  binary?: string | undefined;
  values?: Array<Buffer | null | undefined | string> | undefined;
  valueMapper?: ((param: any, index: number) => any) | undefined;
}

export interface ExecuteConfig {
  portal?: string | undefined;
  rows?: string | undefined;
}

export interface MessageConfig {
  type: string;
  name?: string | undefined;
}

/** A type alone, as in @types/pg: no class of this name is exported. */
export interface Events extends EventEmitter {
  on(event: "error", listener: (err: Error, client: Client) => void): this;
}

/** What queries of other packages are submitted to: the protocol's steps, carried out by the daemon. */
export class Connection extends EventEmitter {
  readonly stream: Duplex;
  constructor(config?: ConnectionConfig);
  bind(config: any, more: boolean): void;
  execute(config: any, more: boolean): void;
  parse(query: any, more: boolean): void;
  query(text: string): void;
  describe(msg: any, more: boolean): void;
  close(msg: any, more: boolean): void;
  flush(): void;
  sync(): void;
  end(): void;
}

interface Queries {
  query<T extends Submittable>(queryStream: T): T;
  query<R extends any[] = any[], I = any[]>(
    queryConfig: QueryArrayConfig<I>,
    values?: QueryConfigValues<I>,
  ): Promise<QueryArrayResult<R>>;
  query<R extends QueryResultRow = any, I = any[]>(queryConfig: QueryConfig<I>): Promise<QueryResult<R>>;
  query<R extends QueryResultRow = any, I = any[]>(
    queryTextOrConfig: string | QueryConfig<I>,
    values?: QueryConfigValues<I>,
  ): Promise<QueryResult<R>>;
  query<R extends any[] = any[], I = any[]>(
    queryConfig: QueryArrayConfig<I>,
    callback: (err: Error, result: QueryArrayResult<R>) => void,
  ): void;
  query<R extends QueryResultRow = any, I = any[]>(
    queryTextOrConfig: string | QueryConfig<I>,
    callback: (err: Error, result: QueryResult<R>) => void,
  ): void;
  query<R extends QueryResultRow = any, I = any[]>(
    queryText: string,
    values: QueryConfigValues<I>,
    callback: (err: Error, result: QueryResult<R>) => void,
  ): void;
}

export interface Pool extends Queries {}
export class Pool extends EventEmitter {
  constructor(config?: PoolConfig);
  readonly totalCount: number;
  readonly idleCount: number;
  readonly waitingCount: number;
  readonly expiredCount: number;
  readonly ending: boolean;
  readonly ended: boolean;
  options: PoolOptions;
  connect(): Promise<PoolClient>;
  connect(
    callback: (err: Error | undefined, client: PoolClient | undefined, done: (release?: any) => void) => void,
  ): void;
  end(): Promise<void>;
  end(callback: () => void): void;
  on<K extends "error" | "release" | "connect" | "acquire" | "remove">(
    event: K,
    listener: K extends "error" | "release" ? (err: Error, client: PoolClient) => void : (client: PoolClient) => void,
  ): this;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface ClientBase extends Queries {}
export class ClientBase extends EventEmitter {
  constructor(config?: string | ClientConfig);
  connect(): Promise<ClientBase>;
  connect(callback: ((err: Error) => void) | ((err: null, c: ClientBase) => void)): void;
  /** COPY ... FROM STDIN as a Writable; it finishes when PostgreSQL has all of it. */
  copyFrom(queryText: string): Writable;
  /** COPY ... TO STDOUT as a Readable. */
  copyTo(queryText: string): Readable;
  pauseDrain(): void;
  resumeDrain(): void;
  escapeIdentifier: typeof escapeIdentifier;
  escapeLiteral: typeof escapeLiteral;
  setTypeParser(oid: number, parse: (value: any) => any): void;
  setTypeParser(oid: number, format: TypeFormat, parse: (value: any) => any): void;
  getTypeParser(oid: number, format?: any): any;
  getTransactionStatus(): TransactionStatus;
  on<E extends "connect" | "drain" | "error" | "notice" | "notification" | "end">(
    event: E,
    listener: E extends "connect" | "drain" | "end" ? () => void
      : E extends "error" ? (err: Error) => void
      : E extends "notice" ? (notice: any) => void
      : (message: Notification) => void,
  ): this;
}

export class Client extends ClientBase {
  user?: string | undefined;
  database?: string | undefined;
  port: number;
  host: string;
  password?: string | undefined;
  ssl: boolean;
  readonly pipeline: boolean;
  readonly connection: Connection;
  /** Of the PostgreSQL process behind the current transaction or session; null in between. */
  readonly processID: number | null;
  constructor(config?: string | ClientConfig);
  connect(): Promise<Client>;
  connect(callback: ((err: Error) => void) | ((err: null, c: Client) => void)): void;
  end(): Promise<void>;
  end(callback: (err: Error) => void): void;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface PoolClient extends Client {
  release(err?: Error | boolean): void;
}

export class Query<R extends QueryResultRow = any, I extends any[] = any> extends EventEmitter implements Submittable {
  constructor(
    queryTextOrConfig?: string | QueryConfig<I>,
    callback?: (error: Error | undefined, result: ResultBuilder<R>) => void,
  );
  constructor(
    queryTextOrConfig?: string | QueryConfig<I>,
    values?: I,
    callback?: (error: Error | undefined, result: ResultBuilder<R>) => void,
  );
  submit: (connection: Connection) => void;
  on<E extends "row" | "error" | "end">(
    event: E,
    listener: E extends "row" ? (row: R, result?: ResultBuilder<R>) => void
      : E extends "error" ? (err: Error) => void
      : (result: ResultBuilder<R>) => void,
  ): this;
}

export interface CursorConfig {
  rowMode?: "array";
  types?: CustomTypesConfig;
}

/** pg-cursor's */
export class Cursor<R extends QueryResultRow = any> extends EventEmitter implements Submittable {
  constructor(text: string, values?: any[], config?: CursorConfig);
  submit: (connection: Connection) => void;
  read(rowCount: number): Promise<R[]>;
  read(rowCount: number, callback: (err: Error | undefined, rows: R[], result: ResultBuilder<R>) => void): void;
  close(): Promise<void>;
  close(callback: (err?: Error) => void): void;
  [Symbol.asyncIterator](): AsyncIterator<R>;
}

/** pg-query-stream's */
export class QueryStream extends Readable implements Submittable {
  constructor(text: string, values?: any[], config?: CursorConfig & { batchSize?: number; highWaterMark?: number });
  readonly text: string;
  submit: (connection: Connection) => void;
}

export class DatabaseError extends Error {
  constructor(message: string, length: number, name: any);
  readonly length: number;
  severity: string | undefined;
  /** SQLSTATE */
  code: string | undefined;
  detail: string | undefined;
  hint: string | undefined;
  position: string | undefined;
  internalPosition: string | undefined;
  internalQuery: string | undefined;
  where: string | undefined;
  schema: string | undefined;
  table: string | undefined;
  column: string | undefined;
  dataType: string | undefined;
  constraint: string | undefined;
  file: string | undefined;
  line: string | undefined;
  routine: string | undefined;
  readonly outcome?: "not sent" | "failed" | "outcome unknown";
}

export class TypeOverrides {
  constructor(types?: CustomTypesConfig);
  setTypeParser(oid: number, parse: (value: any) => any): void;
  setTypeParser(oid: number, format: TypeFormat, parse: (value: any) => any): void;
  getTypeParser(oid: number, format?: any): any;
}

export class Result<R extends QueryResultRow = any> implements QueryResult<R> {
  command: string;
  rowCount: number | null;
  oid: number;
  fields: FieldDef[];
  rows: R[];
  constructor(rowMode: string, t: any);
}

export const types: {
  getTypeParser(oid: number, format?: any): any;
  setTypeParser(oid: number, parse: (value: any) => any): void;
  setTypeParser(oid: number, format: TypeFormat, parse: (value: any) => any): void;
  arrayParser: { create(text: string, parse?: (value: string) => any): { parse(): any[] } };
  builtins: Readonly<Record<string, number>>;
};

export interface Defaults extends ClientConfig {
  poolSize?: number | undefined;
  poolIdleTimeout?: number | undefined;
  reapIntervalMillis?: number | undefined;
  binary?: boolean | undefined;
  parseInt8?: boolean | undefined;
  parseInputDatesAsUTC?: boolean | undefined;
}
export const defaults: Defaults & ClientConfig;

export const utils: {
  prepareValue(value: any): string | Buffer | null;
  normalizeQueryConfig(config: any, values?: any, callback?: any): any;
  escapeIdentifier: typeof escapeIdentifier;
  escapeLiteral: typeof escapeLiteral;
};

/** Always null: there is no native binding. */
export const native: typeof import("./pg.cjs") | null;
