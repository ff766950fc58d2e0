// SPDX-License-Identifier: MIT
// node-postgres's error: the fields of PostgreSQL's report under its names, `code` being the SQLSTATE. What the daemon
// says besides (outcome, remedy) is there too.
import { DatabaseError as SidepoolDatabaseError, SidepoolError } from "../errors.js";

const QUERY_CANCELED = "57014";
const TIMED_OUT = new Set(["DEADLINE_EXCEEDED", "STATEMENT_TIMEOUT"]);
const SESSION_REMEDY = 'give the client a session: sidepool: { lease: "session" }, or $SIDEPOOL_LEASE=session';
const FIELDS = [
  "severity", "detail", "hint", "internalQuery", "where", "schema", "table", "column", "dataType", "constraint", "file", "routine",
];
const NUMBERS = ["position", "internalPosition", "line"]; // texts in node-postgres

export class DatabaseError extends Error {
  constructor(message, length, name) {
    super(message);
    this.length = length;
    this.name = name;
  }
}

/** An error as node-postgres would give it: PostgreSQL's as a DatabaseError, all others as they are. */
export function asPgError(error) {
  if (error instanceof SidepoolError && error.code === "SESSION_REQUIRED") error.remedy = SESSION_REMEDY;
  const timedOut = error instanceof SidepoolError && TIMED_OUT.has(error.code);
  if (!(error instanceof SidepoolDatabaseError) && !timedOut) return error;
  const made = new DatabaseError(timedOut && !error.sqlstate ? "canceling statement due to statement timeout" : error.message, error.message.length, "error");
  for (const key of FIELDS) made[key] = error[key];
  for (const key of NUMBERS) made[key] = error[key] === undefined ? undefined : String(error[key]);
  made.code = error.sqlstate ?? QUERY_CANCELED;
  made.severity ??= "ERROR";
  Object.defineProperty(made, "outcome", { value: error.outcome, enumerable: false });
  Object.defineProperty(made, "cause", { value: error, enumerable: false });
  return made;
}
