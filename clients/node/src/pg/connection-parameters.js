// SPDX-License-Identifier: MIT
// What a client was told, by node-postgres's names, and what of it concerns the daemon.
import { defaults } from "./defaults.js";
import { parseConnectionString } from "./connection-string.js";

const SOCKET_NAME = /\.sock$/;

/** config[key], else the environment, else the default. env: a variable's name, or false for none. */
function pick(key, config, env = `PG${key.toUpperCase()}`) {
  return config[key] || (env && process.env[env]) || defaults[key];
}

function sslFromEnvironment() {
  const mode = process.env.PGSSLMODE;
  if (mode === "no-verify") return { rejectUnauthorized: false };
  if (mode === "disable") return false;
  return ["prefer", "require", "verify-ca", "verify-full"].includes(mode) ? true : defaults.ssl;
}

function hide(object, name, value) {
  Object.defineProperty(object, name, { configurable: true, enumerable: false, writable: true, value });
}

/** `config` as an object: a string is a connection string, and so is config.connectionString, which comes first. */
export function normalizeConfig(config) {
  const given = typeof config === "string" ? { connectionString: config } : config || {};
  return given.connectionString ? { ...given, ...parseConnectionString(given.connectionString) } : given;
}

/**
 * The part for the daemon: `sidepool: { socket, pool, lease, holdMs }` in a config, the same in a sidepool: connection
 * string, a host that is the path of a .sock file, $SIDEPOOL_SOCKET, $SIDEPOOL_POOL, $SIDEPOOL_LEASE.
 */
function daemonSettings(config) {
  const told = config.sidepool ?? {};
  const host = typeof config.host === "string" && SOCKET_NAME.test(config.host) ? config.host : undefined;
  const lease = told.lease ?? config.lease ?? process.env.SIDEPOOL_LEASE ?? "transaction";
  if (lease !== "transaction" && lease !== "session")
    throw new TypeError(`lease is "transaction" or "session", not ${JSON.stringify(lease)}`);
  return {
    socket: told.socket ?? config.socket ?? host,
    pool: told.pool ?? config.pool ?? process.env.SIDEPOOL_POOL,
    holdMs: told.holdMs,
    lease,
  };
}

export class ConnectionParameters {
  constructor(given) {
    const config = normalizeConfig(given);
    this.user = pick("user", config);
    this.database = pick("database", config) ?? this.user;
    this.port = parseInt(pick("port", config), 10);
    this.host = pick("host", config);
    hide(this, "password", pick("password", config));
    this.binary = pick("binary", config);
    this.options = pick("options", config);
    this.ssl = config.ssl === undefined ? sslFromEnvironment() : config.ssl;
    if (this.ssl === "true") this.ssl = true;
    if (this.ssl === "no-verify") this.ssl = { rejectUnauthorized: false };
    if (this.ssl?.key) hide(this.ssl, "key", this.ssl.key);
    this.client_encoding = pick("client_encoding", config);
    this.replication = pick("replication", config);
    this.isDomainSocket = (this.host || "").startsWith("/");
    this.application_name = pick("application_name", config, "PGAPPNAME");
    this.fallback_application_name = pick("fallback_application_name", config, false);
    for (const key of ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "query_timeout"])
      this[key] = pick(key, config, false);
    this.connect_timeout =
      config.connectionTimeoutMillis === undefined
        ? process.env.PGCONNECT_TIMEOUT || 0
        : Math.floor(config.connectionTimeoutMillis / 1000);
    if (config.keepAlive !== undefined) this.keepalives = config.keepAlive ? 1 : 0;
    this.sidepool = daemonSettings(config);
  }
}
