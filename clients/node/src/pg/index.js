// SPDX-License-Identifier: MIT
// The surface of node-postgres 8 over the daemon. `import pg from "sidepool/pg"`, or by name.
import { escapeIdentifier, escapeLiteral } from "../sql.js";
import * as registry from "../types/index.js";
import { Client } from "./client.js";
import { Connection } from "./connection.js";
import { ConnectionParameters } from "./connection-parameters.js";
import { Cursor } from "./cursor.js";
import { DatabaseError } from "./database-error.js";
import { defaults } from "./defaults.js";
import { Pool as PlainPool } from "./pool.js";
import { Query } from "./query.js";
import { QueryStream } from "./query-stream.js";
import { Result } from "./result.js";
import { TypeOverrides } from "./type-overrides.js";
import { utils } from "./utils.js";

const { getTypeParser, setTypeParser, arrayParser, builtins } = registry;
const types = { getTypeParser, setTypeParser, arrayParser, builtins };

/** Programs look for "Pool" in this name. */
class BoundPool extends PlainPool {
  constructor(options) {
    super(options, pg.Client);
  }
}

const pg = {
  defaults,
  Client,
  Query,
  Pool: BoundPool,
  Connection,
  types,
  DatabaseError,
  TypeOverrides,
  escapeIdentifier,
  escapeLiteral,
  Result,
  utils,
  Cursor,
  QueryStream,
};

/** The native binding of node-postgres: there is none here. */
Object.defineProperty(pg, "native", { configurable: true, enumerable: false, value: null });
/** What node-postgres has at pg/lib/connection-parameters. */
Object.defineProperty(pg, "ConnectionParameters", { configurable: true, enumerable: false, value: ConnectionParameters });

export {
  BoundPool as Pool, Client, Connection, Cursor, DatabaseError, Query, QueryStream, Result, TypeOverrides, defaults,
  escapeIdentifier, escapeLiteral, types, utils,
};
export default pg;
