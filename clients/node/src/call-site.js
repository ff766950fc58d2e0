// SPDX-License-Identifier: MIT
// Who asks, for whoever looks for the culprit: the first frame of the program itself, and the current trace.
//
// Walking the stack costs some ten microseconds, so it is done when a statement's text is first seen and now and then
// after that: a text that is used in several places is blamed on one of them. `Session` and `transaction` always look.
import path from "node:path";
import { fileURLToPath } from "node:url";

const OURS = path.dirname(fileURLToPath(import.meta.url)) + path.sep;
const KEPT_MAX = 1024;
const USES_MAX = 256; // of what was found for a text, before it is looked for again
const DEPTH = 40;
const SITE_BYTES_MAX = 255;
const sites = new Map(); // text -> { site, uses }

const OTEL_API = Symbol.for("opentelemetry.js.api.1");
const OTEL_SPAN = Symbol.for("OpenTelemetry Context Key SPAN");
const INVALID_TRACE = "00000000000000000000000000000000";

function fileOf(frame) {
  const name = frame.getFileName() ?? "";
  return name.startsWith("file://") ? fileURLToPath(name) : name;
}

function isTheirs(file) {
  return file !== "" && !file.startsWith(OURS) && !file.startsWith("node:") && !file.includes(`${path.sep}node_modules${path.sep}`);
}

function shorten(file) {
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith("..") ? file : relative;
}

/** The last bytes of a site; a character that is cut goes whole. */
function atMost(site) {
  const bytes = Buffer.from(site);
  if (bytes.length <= SITE_BYTES_MAX) return site;
  let from = bytes.length - SITE_BYTES_MAX;
  while ((bytes[from] & 0xc0) === 0x80) from++;
  return bytes.toString("utf8", from);
}

/** "src/jobs.js:88", or "" where the stack has only libraries. */
export function findCallSite() {
  const { stackTraceLimit, prepareStackTrace } = Error;
  Error.stackTraceLimit = DEPTH;
  Error.prepareStackTrace = (_, frames) => frames;
  const frames = new Error().stack;
  Error.stackTraceLimit = stackTraceLimit;
  Error.prepareStackTrace = prepareStackTrace;
  if (!Array.isArray(frames)) return "";
  for (const frame of frames) {
    const file = fileOf(frame);
    if (isTheirs(file)) return atMost(`${shorten(file)}:${frame.getLineNumber()}`);
  }
  return "";
}

/** The same, kept for the text of a statement. */
export function callSiteOf(text) {
  const kept = sites.get(text);
  if (kept && kept.uses < USES_MAX) {
    kept.uses++;
    return kept.site;
  }
  const site = findCallSite();
  sites.delete(text);
  sites.set(text, { site, uses: 0 });
  if (sites.size > KEPT_MAX) sites.delete(sites.keys().next().value);
  return site;
}

/**
 * The W3C traceparent of OpenTelemetry's current span, or "". The API keeps itself in a global of a registered name, so
 * that nothing needs to be imported to find out whether it is there.
 */
export function traceparent() {
  const context = globalThis[OTEL_API]?.context?.active?.();
  const span = context?.getValue?.(OTEL_SPAN)?.spanContext?.();
  if (!span || span.traceId === INVALID_TRACE) return "";
  const flags = (span.traceFlags & 0xff).toString(16).padStart(2, "0");
  return `00-${span.traceId}-${span.spanId}-${flags}`;
}

/** Both, of a query that may have to wait for its turn: then nothing on the stack tells any more who asked. */
export function originOf(query) {
  const text = typeof query === "string" ? query : query?.text;
  return { callSite: callSiteOf(String(text)), traceparent: traceparent() };
}
