// SPDX-License-Identifier: MIT
// The errors that a caller sees. `code` is a name of proto/errors.def; `outcome` says which of three it was: "not sent"
// (PostgreSQL never saw it: safe to try again), "failed" (it ended without effect), "outcome unknown" (it was sent, and
// the answer was lost: look before you repeat it).
import { CODES } from "./error-codes.js";

const BY_NUMBER = new Map(CODES.map((entry) => [entry.number, entry]));
const BY_NAME = new Map(CODES.map((entry) => [entry.name, entry]));
const OUTCOMES = ["", "not sent", "failed", "outcome unknown"];
const OUTCOME_OF = { NOT_SENT: OUTCOMES[1], FAILED: OUTCOMES[2], UNKNOWN: OUTCOMES[3] };
const UNKNOWN_CODE = { number: 0, name: "UNKNOWN", outcome: "UNKNOWN", retryable: false, sentence: "", remedy: "" };

/** PostgreSQL's fields of an error or notice, by the names that they have here; "" and 0 where it sent none. */
const SQL_FIELDS = {
  severity: "severity",
  sqlstate: "sqlstate",
  detail: "detail",
  hint: "hint",
  position: "position",
  internalPosition: "internalPosition",
  internalQuery: "internalQuery",
  where: "where",
  schema: "schemaName",
  table: "tableName",
  column: "columnName",
  dataType: "dataTypeName",
  constraint: "constraintName",
  file: "sourceFile",
  line: "sourceLine",
  routine: "sourceFunction",
};

function seconds(ms) {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;
}

function holderSentence(holder) {
  return `${holder.application}[${holder.pid}] ${seconds(holder.heldMs)} ${holder.state}`.trimEnd();
}

/** "pool main 25/25 in use, waited 5.0 s; longest: celery[812] 93 s idle in transaction" */
export function poolSentence(state) {
  let text = `pool ${state.pool} ${state.inUse}/${state.limit} in use`;
  if (state.waitedMs > 0) text += `, waited ${seconds(state.waitedMs)}`;
  if (state.holders.length > 0) text += `; longest: ${state.holders.map(holderSentence).join(", ")}`;
  return text;
}

export class SidepoolError extends Error {
  /**
   * @param {string} code a name of proto/errors.def
   * @param {string} [message] instead of the code's sentence
   * @param {{ outcome?: string, cause?: unknown }} [options]
   */
  constructor(code, message, options = {}) {
    const entry = BY_NAME.get(code) ?? UNKNOWN_CODE;
    super(message || entry.sentence || code, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.outcome = options.outcome ?? OUTCOME_OF[entry.outcome];
    this.retryable = entry.retryable;
    this.remedy = entry.remedy;
    this.retryAfterMs = 0;
    /** How the pool stood and who held its connections, for waits that failed. */
    this.pool = null;
  }

  get name() {
    return "SidepoolError";
  }
}

/** PostgreSQL refused a statement, or ended it: `sqlstate` and the fields of its report. */
export class DatabaseError extends SidepoolError {
  get name() {
    return "DatabaseError";
  }
}

/** A request that its AbortSignal ended; `cause` is the signal's reason. */
export class AbortError extends SidepoolError {
  constructor(outcome, cause) {
    super("CANCELLED", "the request was aborted", { outcome, cause });
  }

  get name() {
    return "AbortError";
  }
}

/** The fields of an SqlError message by the names that errors and notices have. */
export function sqlFields(sql) {
  const fields = { message: sql.message };
  for (const key in SQL_FIELDS) {
    const value = sql[SQL_FIELDS[key]];
    if (value !== "" && value !== 0) fields[key] = value;
  }
  return fields;
}

function messageOf(error) {
  const text = error.sql?.message || error.message;
  if (!error.pool || error.message.includes("in use")) return text;
  return `${text} (${poolSentence(error.pool)})`;
}

/** The error of a Response or Result as one to throw. */
export function errorFromWire(error) {
  const entry = BY_NUMBER.get(error.code) ?? { ...UNKNOWN_CODE, name: `CODE_${error.code}` };
  const made = error.sql
    ? new DatabaseError(entry.name, messageOf(error))
    : new SidepoolError(entry.name, messageOf(error));
  if (error.outcome !== 0) made.outcome = OUTCOMES[error.outcome] ?? OUTCOMES[3];
  made.retryable = error.retryable;
  made.retryAfterMs = error.retryAfterMs;
  if (error.remedy) made.remedy = error.remedy;
  if (entry.name === "SESSION_REQUIRED") made.remedy = "run it in db.session(), which holds a lease"; // the daemon knows no names of ours
  made.pool = error.pool;
  if (error.sql) Object.assign(made, sqlFields(error.sql), { message: made.message });
  made.statementIndex = error.statementIndex;
  made.parameterSetIndex = error.parameterSetIndex;
  return made;
}

/** Gives an error that came from the socket the stack of the caller that awaits it. */
export function atCaller(error) {
  if (error instanceof SidepoolError) Error.captureStackTrace(error, atCaller);
  return error;
}
