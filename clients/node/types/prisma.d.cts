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

/** The driver adapter for Prisma 7: new PrismaClient({ adapter: new PrismaSidepool() }) */
export class PrismaSidepool {
  constructor(options?: Options & { schema?: string; holdMs?: number });
  readonly provider: "postgres";
  readonly adapterName: string;
  connect(): Promise<SqlAdapter>;
}
