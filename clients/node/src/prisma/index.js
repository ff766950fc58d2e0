// SPDX-License-Identifier: MIT
// A driver adapter for Prisma 7: new PrismaClient({ adapter: new PrismaSidepool({ socket }) }). Queries outside a
// transaction go to any connection; a transaction has one from its first statement to its COMMIT, which the engine sends
// as a statement like any other. With lease "session" an adapter has one connection for as long as it lives, as a
// migration needs it, and what uses it takes turns.
import { Chunks } from "../fetch.js";
import { makeOptions } from "../options.js";
import { RowShape, unpackRows } from "../packed.js";
import { Runner } from "../pg/runner.js";
import { Transport } from "../transport.js";
import { argument, columnTypeOf, parserOf } from "./convert.js";
import { DriverAdapterError, adapterError } from "./errors.js";
import { Turns } from "./turns.js";

const ADAPTER_NAME = "sidepool";
const LEVELS = new Set(["READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]);

class Queryable {
  provider = "postgres";
  adapterName = ADAPTER_NAME;

  constructor(runner) {
    this.runner = runner;
  }

  /** Runs a statement (values: null for a script); onResult(message) gets each Result message. */
  async run(text, values, onResult) {
    try {
      const first = await this.runner.execute({ text, values });
      const chunks = new Chunks(this.runner.transport, first);
      for (let response = first; response; response = await chunks.next()) response.results.forEach(onResult);
    } catch (error) {
      throw adapterError(error);
    }
  }

  #runQuery({ sql, args, argTypes }, onResult) {
    return this.run(sql, args.map((value, i) => argument(value, argTypes?.[i])), onResult);
  }

  async queryRaw(query) {
    let columns = [];
    let shape = null;
    const rows = [];
    await this.#runQuery(query, (result) => {
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
    await this.#runQuery(query, (result) => {
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
  #end;

  /** end(): called once, when it has ended. */
  constructor(runner, end) {
    super(runner);
    this.#end = end;
  }

  // The engine has sent COMMIT or ROLLBACK before: what is still open then is rolled back.
  async commit() {
    await this.#end();
  }

  async rollback() {
    await this.#end();
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
  #turns;

  constructor(transport, { pool, holdMs, schema, lease = "transaction" }) {
    const settings = { lease, pool, holdMs };
    super(new Runner(transport, settings));
    this.#settings = settings;
    this.#schema = schema;
    this.#turns = lease === "session" ? new Turns() : null;
  }

  async open() {
    try {
      await this.runner.open({});
    } catch (error) {
      this.runner.transport.close();
      throw adapterError(error);
    }
    return this;
  }

  async run(text, values, onResult) {
    const end = await this.#turns?.take();
    try {
      await super.run(text, values, onResult);
    } finally {
      end?.();
    }
  }

  executeScript(script) {
    return this.run(script, null, () => {});
  }

  async startTransaction(isolationLevel) {
    if (isolationLevel && !LEVELS.has(isolationLevel))
      throw new DriverAdapterError({ kind: "InvalidIsolationLevel", level: isolationLevel });
    const transaction = await this.#newTransaction();
    try {
      await transaction.executeRaw({ sql: isolationLevel ? `BEGIN ISOLATION LEVEL ${isolationLevel}` : "BEGIN", args: [] });
    } catch (error) {
      await transaction.rollback();
      throw error;
    }
    return transaction;
  }

  async #newTransaction() {
    if (!this.#turns) {
      const runner = new Runner(this.runner.transport, this.#settings);
      return new Transaction(runner, () => runner.close());
    }
    const end = await this.#turns.take();
    return new Transaction(this.runner, () => this.runner.reset().finally(end));
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

/**
 * options: those of connect(), and schema, holdMs, lease ("transaction" or "session"), shadowPool (the pool of a database that
 * migrations may be tried in).
 */
export class PrismaSidepool {
  provider = "postgres";
  adapterName = ADAPTER_NAME;
  #options;
  #own;
  #shadowPool;

  constructor({ schema, holdMs, lease = "transaction", shadowPool, ...options } = {}) {
    if (lease !== "transaction" && lease !== "session") throw new TypeError('lease is "transaction" or "session"');
    this.#own = { schema, holdMs, lease, pool: options.pool };
    this.#shadowPool = shadowPool;
    this.#options = makeOptions(options, "sidepool-prisma");
  }

  connect() {
    return new Adapter(new Transport(this.#options), this.#own).open();
  }

  async connectToShadowDb() {
    if (!this.#shadowPool) throw new Error("a shadow database needs shadowPool, the name of a pool whose database may be emptied");
    return new Adapter(new Transport(this.#options), { ...this.#own, lease: "session", pool: this.#shadowPool }).open();
  }
}
