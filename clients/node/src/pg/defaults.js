// SPDX-License-Identifier: MIT
// node-postgres's table of defaults. What speaks of a server (host, port, password, ssl) is kept for programs that look at
// it and means nothing here: the daemon owns the connections.
import * as types from "../types/index.js";
import { settings } from "../values.js";

const INT8 = 20;
const INT8_ARRAY = 1016;
const parseInt8Text = types.getTypeParser(INT8);
const parseInt8TextArray = types.getTypeParser(INT8_ARRAY);

export const defaults = {
  host: "localhost",
  user: process.env.USER,
  database: undefined,
  password: null,
  connectionString: undefined,
  port: 5432,
  rows: 0,
  binary: false,
  max: 10,
  idleTimeoutMillis: 30_000,
  client_encoding: "",
  ssl: false,
  sslnegotiation: undefined,
  application_name: undefined,
  fallback_application_name: undefined,
  options: undefined,
  statement_timeout: false,
  lock_timeout: false,
  idle_in_transaction_session_timeout: false,
  query_timeout: false,
  connect_timeout: 0,
  keepalives: 1,
  keepalives_idle: 0,
};

Object.defineProperty(defaults, "parseInputDatesAsUTC", {
  enumerable: true,
  get: () => settings.datesAsUtc,
  set: (value) => {
    settings.datesAsUtc = Boolean(value);
  },
});

/** int8 as a number (true) or, exactly, as text. */
Object.defineProperty(defaults, "parseInt8", {
  set(value) {
    types.setTypeParser(INT8, "text", value ? types.getTypeParser(23) : parseInt8Text);
    types.setTypeParser(INT8_ARRAY, "text", value ? types.getTypeParser(1007) : parseInt8TextArray);
  },
});
