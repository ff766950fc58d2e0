// SPDX-License-Identifier: MIT
// What of node-postgres's own tests does not apply to sidepool/pg, and why: NODE-POSTGRES.md is held to this list.

const HOST = "a host, port or password that is wrong, or never answers: sidepool/pg uses none of them";
const TEMPORARY = "a temporary table outside a transaction: needs a session";

/** Of pg-pool, pg-cursor and pg-query-stream, by the full titles of their cases. */
export const POOL = {
  "Bring your own promise uses promises in errors": HOST,
  "connection timeout should callback with an error if timeout is passed": HOST,
  "connection timeout should reject promise with an error if timeout is passed": HOST,
  "connection timeout should handle multiple timeouts": HOST,
  "pool error handling should continue with queued items after a connection failure": HOST,
  "pool with callbacks passes connection errors to callback": HOST,
  "pool with callbacks does not pass client to error callback": HOST,
};

export const CURSOR_WITHOUT_SESSION = {
  "cursor returns rowCount on insert": TEMPORARY,
  "queries with no data handles queries that return no data": TEMPORARY,
};

export const QUERY_STREAM = {
  "Async iterator only returns rows on first iteration": "reads a stream again that was iterated to its end: Node says AbortError since version 16",
};

/** Files of pg-query-stream's suite that cannot be run: what they need comes from no registry. */
export const QUERY_STREAM_FILES = {
  "pauses.js": "stream-tester, one of whose dependencies is in no registry",
  "stream-tester.js": "stream-spec and stream-tester",
  "stream-tester-timestamp.js": "stream-spec and stream-tester",
};
