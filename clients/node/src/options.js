// SPDX-License-Identifier: MIT
// What a handle may be told, with the defaults.
import { SidepoolError } from "./errors.js";

export const VERSION = "0.1.0";
const SOCKET_PATH_MAX = 107;
const APPLICATION_MAX = 63;

const DEFAULTS = {
  socket: "/run/sidepool/rpc.sock",
  application: "",
  pool: "",
  deadlineMs: 0, // what the application's settings in the daemon say
  graceMs: 1000, // how long after its deadline an answer is awaited
  cancelWaitMs: 10_000, // how long an aborted request's answer is awaited
  connectWaitMs: 0, // how long to try a first connect while nobody listens
  reconnectWaitMs: 10_000, // the same after a connection broke: daemons restart
  maxQueued: 65_536, // requests that wait in this process
  statementCache: 256, // statements whose ids are kept
  callSite: true,
  trace: true,
  types: null, // { getTypeParser(oid, format) }
  onNotice: null, // onNotice(notice): what PostgreSQL says that is no error
};

const WHOLE_NUMBERS = ["deadlineMs", "graceMs", "cancelWaitMs", "connectWaitMs", "reconnectWaitMs", "maxQueued", "statementCache"];

function bad(name, what) {
  return new SidepoolError("INVALID_ARGUMENT", `the option ${name} ${what}`);
}

function validate(options) {
  for (const name of WHOLE_NUMBERS)
    if (!Number.isInteger(options[name]) || options[name] < 0) throw bad(name, "must be a whole number, 0 or more");
  if (typeof options.socket !== "string" || options.socket === "") throw bad("socket", "must be a path");
  if (Buffer.byteLength(options.socket) > SOCKET_PATH_MAX)
    throw bad("socket", `is a path of more than ${SOCKET_PATH_MAX} bytes, longer than a socket's address holds`);
  if (Buffer.byteLength(options.application) > APPLICATION_MAX)
    throw bad("application", `has more than ${APPLICATION_MAX} bytes`);
}

/** `given` (an object, or the socket's path) over the environment over the defaults. Throws INVALID_ARGUMENT. */
export function makeOptions(given = {}, clientName = "sidepool-node") {
  const told = typeof given === "string" ? { socket: given } : given;
  const options = { ...DEFAULTS };
  if (process.env.SIDEPOOL_SOCKET) options.socket = process.env.SIDEPOOL_SOCKET;
  const { signal: _, ...settings } = told;
  for (const [name, value] of Object.entries(settings)) {
    if (!(name in DEFAULTS)) throw bad(name, "is unknown");
    if (value !== undefined && value !== null) options[name] = value;
  }
  validate(options);
  options.hello = { applicationName: options.application, clientName, clientVersion: VERSION };
  return options;
}
