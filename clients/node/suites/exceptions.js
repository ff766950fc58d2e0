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

const WIRE = "a server or a stream of its own that speaks the wire protocol";
const TLS = "TLS";
const PUSHED = "expects news of an idle session from PostgreSQL: it comes with the next answer";
const NAME = "expects the application's name alone: in PostgreSQL it is sidepool: and the name";
const PASSWORD = "the password exchange, or the password file";

/** Of pg's own tests: files under test/ that are not run. */
export const PG_FILES = {
  "integration/client/connection-timeout": WIRE,
  "integration/client/huge-numeric": "sets a parser in the package pg-types: pg.types has it here",
  "integration/client/network-partition": WIRE,
  "integration/client/type-coercion": "one text, and a temporary table dropped and made again with another type: see A parameter's type",
  "integration/gh-issues/130": PUSHED,
  "integration/gh-issues/2079": TLS,
  "integration/gh-issues/2085": TLS,
  "integration/gh-issues/2307": TLS,
  "integration/gh-issues/3174": WIRE,
  "integration/gh-issues/699": "pg-copy-streams writes bytes of the wire",
  "unit/client/cleartext-password": PASSWORD,
  "unit/client/early-disconnect": WIRE,
  "unit/client/md5-password": PASSWORD,
  "unit/client/notification": WIRE,
  "unit/client/password-callback": PASSWORD,
  "unit/client/prepared-statement": WIRE,
  "unit/client/query-queue": WIRE,
  "unit/client/query-timeout": WIRE,
  "unit/client/result-metadata": WIRE,
  "unit/client/sasl-scram": PASSWORD,
  "unit/client/set-keepalives": WIRE,
  "unit/client/simple-query": WIRE,
  "unit/client/stream-and-query-error-interaction": WIRE,
  "unit/client/throw-in-bind": WIRE,
  "unit/client/throw-in-type-parser": WIRE,
  "unit/connection-parameters/creation": "libpq's connection string, which pg-native needs",
  "unit/connection/error": WIRE,
  "unit/connection/startup": WIRE,
};

/** Cases of the files that are run. */
export const PG_CASES = {
  "integration/client/api": { "raises error if cannot connect": HOST },
  "integration/client/appname": {
    "No default appliation_name ": NAME,
    "fallback_application_name is used": NAME,
    "application_name is used": NAME,
    "application_name has precedence over fallback_application_name": NAME,
    "application_name from connection string": NAME,
    "application_name is read from the env": NAME,
  },
  "integration/client/error-handling": {
    "non-query error with callback": HOST,
    "non-query error": HOST,
    "when connecting to an invalid host with callback": HOST,
    "when connecting to invalid host with promise": HOST,
  },
  "integration/client/query-error-handling-prepared-statement": {
    "query killed during query execution of prepared statement":
      "finds its backend by its last statement, which an idle connection of the pool may show too",
  },
  "integration/client/promise-api": { "invalid connection rejects promise": HOST },
  "integration/connection-pool/error": { "connecting to invalid port": HOST, "errors emitted on checked-out clients": PUSHED },
  "integration/gh-issues/2627": { "client should fail to connect": HOST },
  "unit/client/configuration": {
    "calls connect correctly on connection": WIRE,
  },
};

const CHANGES = "changes its session outside a transaction";
const KILLED = "kills its backend, which ends a statement or a transaction then, not the client";

/** Files that need lease=session besides. */
export const PG_WITHOUT_SESSION = {
  ...Object.fromEntries(
    [
      ..."api array big-simple-query connection-parameter error-handling idle_in_transaction_session_timeout".split(" "),
      ..."json-type-parsing no-data notice parse-int-8 prepared-statement query-column-names query-error-handling".split(" "),
      ..."result-metadata simple-query statement_timeout transaction type-parser-override".split(" "),
    ]
      .map((name) => `integration/client/${name}`)
      .concat("1105 131 199 2056 2416 2862 507 600 675".split(" ").map((number) => `integration/gh-issues/${number}`))
      .map((file) => [file, CHANGES]),
  ),
  "integration/client/query-error-handling-prepared-statement": KILLED,
  "integration/connection-pool/error": KILLED,
};
