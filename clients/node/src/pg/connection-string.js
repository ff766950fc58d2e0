// SPDX-License-Identifier: MIT
// Connection strings: postgres://user@host:port/database?option=value, socket:/path?db=name, "/path database", and
// sidepool:///path/to/rpc.sock?pool=main&lease=session, whose path is the daemon's socket.

const NOT_ENCODED = / |%[^a-f0-9]|%[a-f0-9][^a-f0-9]/i;
const EMPTY_HOST = "___EMPTY___";

function parseUrl(text) {
  const encoded = NOT_ENCODED.test(text) ? encodeURI(text).replace(/%25(\d\d)/g, "%$1") : text;
  try {
    return new URL(encoded, "postgres://base");
  } catch (error) {
    if (encoded.includes("@/")) return new URL(encoded.replace("@/", `@${EMPTY_HOST}/`), "postgres://base");
    if (error.input) error.input = "*****REDACTED*****"; // it may have a password in it
    throw error;
  }
}

function hostAndPath(url) {
  const host = url.hostname === EMPTY_HOST || url.hostname === EMPTY_HOST.toLowerCase() ? "" : url.hostname;
  return [decodeURIComponent(host.replace(/^\[(.+)\]$/, "$1")), url.pathname.slice(1)];
}

function sslOf(config) {
  if (config.sslmode === "disable" || config.ssl === "0" || config.ssl === "false") return false;
  if (config.sslmode || config.sslcert || config.sslkey || config.sslrootcert) return {};
  return config.ssl === "true" || config.ssl === "1" ? true : config.ssl;
}

/** The parts of a connection string by node-postgres's names. */
export function parseConnectionString(text) {
  if (text.startsWith("/")) {
    const [host, database] = text.split(" ");
    return { host, database };
  }
  const url = parseUrl(text);
  const config = Object.fromEntries(url.searchParams);
  config.user ||= decodeURIComponent(url.username);
  config.password ||= decodeURIComponent(url.password);
  if (url.protocol === "socket:")
    return { ...config, host: decodeURI(url.pathname), database: config.db, client_encoding: config.encoding };
  if (url.protocol === "sidepool:") return { ...config, socket: decodeURIComponent(url.pathname) || undefined };
  const [host, path] = hostAndPath(url);
  const hostInPath = config.host && host && /^\//.test(host) ? `${encodeURIComponent(host)}${path}` : path;
  config.host ||= host;
  config.port ||= url.port;
  config.database = hostInPath ? decodeURI(hostInPath) : null;
  const ssl = sslOf(config);
  if (ssl !== undefined) config.ssl = ssl;
  return config;
}
