// SPDX-License-Identifier: MIT
// A driver adapter for Prisma 7: new PrismaClient({ adapter: new PrismaSidepool({ socket }) }). Queries outside a
// transaction go to any connection; a transaction has one from its first statement to its COMMIT, which the engine sends
// as a statement like any other.
import { Chunks } from "../fetch.js";
import { makeOptions } from "../options.js";
import { RowShape, unpackRows } from "../packed.js";
import { Runner } from "../pg/runner.js";
import { Transport } from "../transport.js";
import { argument, columnTypeOf, parserOf } from "./convert.js";
import { DriverAdapterError, adapterError } from "./errors.js";

const ADAPTER_NAME = "sidepool";
const LEVELS = new Set(["READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]);

class Queryable {
  provider = "postgres";
  adapterName = ADAPTER_NAME;

  constructor(runner) {
    this.runner = runner;
  }

  /** Runs a statement; onResult(message) gets each Result message. */
  async #run({ sql, args, argTypes }, onResult) {
    const values = args.map((value, i) => argument(value, argTypes?.[i]));
    try {
      const first = await this.runner.execute({ text: sql, values });
      const chunks = new Chunks(this.runner.transport, first);
      for (let response = first; response; response = await chunks.next()) response.results.forEach(onResult);
    } catch (error) {
      throw adapterError(error);
    }
  }

  async queryRaw(query) {
    let columns = [];
    let shape = null;
    const rows = [];
    await this.#run(query, (result) => {
      if (result.columns.length > 0 && !shape) {
        columns = result.columns;
        shape = new RowShape(columns, false, true, parserOf);
      }
      if (result.rowCount > 0 && shape) unpackRows(result.rows, result.rowCount, shape, rows);
    });
    return { columnNames: columns.map((column) => column.name), columnTypes: columns.map(typeOf), rows };
  }

  async executeRaw(query) {
    let affected = 0;
    await this.#run(query, (result) => {
      affected += Number(result.affectedRows);
    });
    return affected;
  }
}

function typeOf(column) {
  const type = columnTypeOf(column.typeOid);
  if (type === undefined) throw new DriverAdapterError({ kind: "UnsupportedNativeDataType", type: String(column.typeOid) });
  return type;
}

class Transaction extends Queryable {
  options = { usePhantomQuery: false };

  // The engine has sent COMMIT or ROLLBACK before: what is still open then is rolled back.
  async commit() {
    await this.runner.close();
  }

  async rollback() {
    await this.runner.close();
  }

  async createSavepoint(name) {
    await this.executeRaw({ sql: `SAVEPOINT ${name}`, args: [] });
  }

  async rollbackToSavepoint(name) {
    await this.executeRaw({ sql: `ROLLBACK TO SAVEPOINT ${name}`, args: [] });
  }

  async releaseSavepoint(name) {
    await this.executeRaw({ sql: `RELEASE SAVEPOINT ${name}`, args: [] });
  }
}

class Adapter extends Queryable {
  #settings;
  #schema;

  constructor(transport, { pool, holdMs, schema }) {
    const settings = { lease: "transaction", pool, holdMs };
    super(new Runner(transport, settings));
    this.#settings = settings;
    this.#schema = schema;
  }

  async executeScript(script) {
    try {
      await this.runner.execute({ text: script, values: null });
    } catch (error) {
      throw adapterError(error);
    }
  }

  async startTransaction(isolationLevel) {
    if (isolationLevel && !LEVELS.has(isolationLevel))
      throw new DriverAdapterError({ kind: "InvalidIsolationLevel", level: isolationLevel });
    const transaction = new Transaction(new Runner(this.runner.transport, this.#settings));
    await transaction.executeRaw({ sql: isolationLevel ? `BEGIN ISOLATION LEVEL ${isolationLevel}` : "BEGIN", args: [] });
    return transaction;
  }

  getConnectionInfo() {
    return { schemaName: this.#schema, supportsRelationJoins: true };
  }

  async dispose() {
    await this.runner.close();
    await this.runner.transport.idle();
    this.runner.transport.close();
  }
}

/** options: those of connect(), and schema, holdMs. */
export class PrismaSidepool {
  provider = "postgres";
  adapterName = ADAPTER_NAME;
  #options;
  #own;

  constructor({ schema, holdMs, ...options } = {}) {
    this.#own = { schema, holdMs, pool: options.pool };
    this.#options = makeOptions(options, "sidepool-prisma");
  }

  async connect() {
    return new Adapter(new Transport(this.#options), this.#own);
  }
}
