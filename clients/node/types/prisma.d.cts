// SPDX-License-Identifier: MIT
import { Options } from "./index.cjs";

/** @prisma/driver-adapter-utils's types, as far as they are needed; so that it need not be installed. */
export interface SqlQuery {
  sql: string;
  args: unknown[];
  argTypes: {
    scalarType: "string" | "int" | "bigint" | "float" | "decimal" | "boolean" | "enum" | "uuid" | "json" | "datetime" | "bytes" | "unknown";
    dbType?: string;
    arity: "scalar" | "list";
  }[];
}

export interface SqlResultSet {
  columnNames: string[];
  columnTypes: any[];
  rows: unknown[][];
}

export interface SqlQueryable {
  readonly provider: "postgres";
  readonly adapterName: string;
  queryRaw(query: SqlQuery): Promise<SqlResultSet>;
  executeRaw(query: SqlQuery): Promise<number>;
}

export interface SqlTransaction extends SqlQueryable {
  readonly options: { usePhantomQuery: boolean };
  commit(): Promise<void>;
  rollback(): Promise<void>;
  createSavepoint(name: string): Promise<void>;
  rollbackToSavepoint(name: string): Promise<void>;
  releaseSavepoint(name: string): Promise<void>;
}

export interface SqlAdapter extends SqlQueryable {
  executeScript(script: string): Promise<void>;
  startTransaction(
    isolationLevel?: "READ UNCOMMITTED" | "READ COMMITTED" | "REPEATABLE READ" | "SNAPSHOT" | "SERIALIZABLE",
  ): Promise<SqlTransaction>;
  getConnectionInfo(): { schemaName?: string; maxBindValues?: number; supportsRelationJoins: boolean };
  dispose(): Promise<void>;
}

export interface PrismaOptions extends Options {
  /** @default "public", by PostgreSQL's search_path */
  schema?: string;
  /** How long a transaction may hold its connection, in ms. */
  holdMs?: number;
  /**
   * "session": one connection for as long as the adapter lives, as migrations need it; what uses it takes turns.
   * @default "transaction"
   */
  lease?: "transaction" | "session";
  /** The pool of a database that migrations may be tried in, and that is emptied for it. */
  shadowPool?: string;
}

/** The driver adapter for Prisma 7: new PrismaClient({ adapter: new PrismaSidepool() }) */
export class PrismaSidepool {
  constructor(options?: PrismaOptions);
  readonly provider: "postgres";
  readonly adapterName: string;
  connect(): Promise<SqlAdapter>;
  connectToShadowDb(): Promise<SqlAdapter>;
}
