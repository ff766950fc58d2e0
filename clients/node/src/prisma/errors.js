// SPDX-License-Identifier: MIT
// Errors as Prisma's driver adapters throw them: by what went wrong, so that the client can give its own codes.
import { DatabaseError, SidepoolError } from "../errors.js";

const BUSY = new Set(["QUEUE_FULL", "ACQUIRE_TIMEOUT", "DEADLINE_UNREACHABLE", "TOO_MANY_REQUESTS"]);
const UNREACHABLE = new Set(["BREAKER_OPEN", "CONNECT_FAILED", "DAEMON_UNREACHABLE", "SHUTTING_DOWN"]);
const CLOSED = new Set(["CONNECTION_LOST", "DAEMON_LOST", "CLOSED"]);
const LATE = new Set(["DEADLINE_EXCEEDED", "STATEMENT_TIMEOUT", "FETCH_TIMEOUT", "NO_ANSWER"]);

/** What @prisma/driver-adapter-utils recognises by its name. */
export class DriverAdapterError extends Error {
  constructor(cause, original) {
    super(original?.message ?? cause.kind, { cause });
    this.name = "DriverAdapterError";
    Object.defineProperty(this, "original", { value: original, enumerable: false });
  }
}

const quoted = (text) => text.match(/"((?:[^"]|"")*)"/)?.[1].replaceAll('""', '"');
const fieldsIn = (detail) => detail?.match(/Key \(([^)]+)\)/)?.[1].split(", ");

function constraintOf({ column, constraint }) {
  if (column) return { fields: [column] };
  return constraint ? { index: constraint } : undefined;
}

function uniqueViolation(error) {
  const fields = fieldsIn(error.detail);
  const constraint = error.constraint ? { index: error.constraint } : fields && { fields };
  return { kind: "UniqueConstraintViolation", constraint, table: error.table };
}

function notNullViolation({ column, detail }) {
  const fields = column ? [column] : fieldsIn(detail);
  return { kind: "NullConstraintViolation", constraint: fields && { fields } };
}

const BY_SQLSTATE = {
  "22001": ({ column }) => ({ kind: "LengthMismatch", column }),
  "22003": ({ message }) => ({ kind: "ValueOutOfRange", cause: message }),
  "22P02": ({ message }) => ({ kind: "InvalidInputValue", message }),
  23001: (error) => ({ kind: "RestrictViolation", constraint: constraintOf(error) }),
  23502: notNullViolation,
  23503: (error) => ({ kind: "ForeignKeyConstraintViolation", constraint: constraintOf(error) }),
  23505: uniqueViolation,
  40001: () => ({ kind: "TransactionWriteConflict" }),
  "40P01": () => ({ kind: "TransactionWriteConflict" }),
  "42P01": ({ message }) => ({ kind: "TableDoesNotExist", table: quoted(message) }),
  42703: ({ message }) => ({ kind: "ColumnNotFound", column: message.match(/^column (.+) does not exist$/)?.[1].replaceAll('"', "") }),
  "42P04": ({ message }) => ({ kind: "DatabaseAlreadyExists", db: quoted(message) }),
  53300: ({ message }) => ({ kind: "TooManyConnections", cause: message }),
};

function fromPostgres(error) {
  const known = BY_SQLSTATE[error.sqlstate]?.(error);
  const { sqlstate, severity = "ERROR", message, detail, column, hint } = error;
  const mapped = known ?? { kind: "postgres", code: sqlstate ?? "N/A", severity, message, detail, column, hint };
  return { originalCode: sqlstate, originalMessage: message, ...mapped };
}

function fromDaemon({ code, message }) {
  const original = { originalCode: code, originalMessage: message };
  if (BUSY.has(code)) return { ...original, kind: "TooManyConnections", cause: message };
  if (UNREACHABLE.has(code)) return { ...original, kind: "DatabaseNotReachable" };
  if (CLOSED.has(code)) return { ...original, kind: "ConnectionClosed" };
  if (LATE.has(code)) return { ...original, kind: "SocketTimeout" };
  if (code.startsWith("LEASE") || code === "IDLE_IN_TRANSACTION" || code === "UNKNOWN_LEASE")
    return { ...original, kind: "TransactionAlreadyClosed", cause: message };
  return { ...original, kind: "postgres", code, severity: "ERROR", message };
}

/** An error of ours as a DriverAdapterError; any other as it is. */
export function adapterError(error) {
  if (error instanceof DatabaseError && error.sqlstate) return new DriverAdapterError(fromPostgres(error), error);
  return error instanceof SidepoolError ? new DriverAdapterError(fromDaemon(error), error) : error;
}
