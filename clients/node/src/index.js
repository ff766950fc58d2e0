// SPDX-License-Identifier: MIT
export { connect, open, Database } from "./database.js";
export { Session, Transaction, TransactionScope } from "./transaction.js";
export { Scope, Statement } from "./scope.js";
export { Listener } from "./listener.js";
export { Result } from "./result.js";
export { RowStream } from "./stream.js";
export { AbortError, DatabaseError, SidepoolError } from "./errors.js";
export { CODES as errorCodes } from "./error-codes.js";
export { Sql, escapeIdentifier, escapeLiteral, sql } from "./sql.js";
export * as types from "./types/index.js";
export { VERSION as version } from "./options.js";
