// SPDX-License-Identifier: MIT
// COPY in both directions.
import { AbortError, SidepoolError, atCaller } from "./errors.js";
import { Chunks } from "./fetch.js";
import { Result, rowOptions } from "./result.js";
import { check } from "./transport.js";

const PIECE_BYTES = 128 * 1024;
const AHEAD = 3;

function asBuffer(piece) {
  if (typeof piece === "string") return Buffer.from(piece);
  if (ArrayBuffer.isView(piece)) return Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
  throw new SidepoolError("INVALID_ARGUMENT", "the data of a COPY are texts and bytes");
}

/** Pieces of a good size from pieces of any: small ones are gathered, large ones are cut. */
async function* resize(source) {
  let gathered = [];
  let bytes = 0;
  for await (const piece of source) {
    const buf = asBuffer(piece);
    for (let at = 0; at < buf.length; at += PIECE_BYTES) {
      const part = buf.subarray(at, at + PIECE_BYTES);
      gathered.push(part);
      bytes += part.length;
      if (bytes < PIECE_BYTES) continue;
      yield Buffer.concat(gathered);
      gathered = [];
      bytes = 0;
    }
  }
  if (bytes > 0) yield Buffer.concat(gathered);
}

class CopyIn {
  #transport;
  #connection;
  #holder; // the lease that it began on, or null
  #streamId;
  #asked = [];

  constructor(transport, ready) {
    this.#transport = transport;
    this.#connection = ready.connection;
    this.#holder = ready.holder ?? null;
    this.#streamId = ready.copyReady.streamId;
  }

  #send(fields, signal) {
    const options = { connection: this.#connection, signal };
    const sent = this.#transport.request({ copyData: { streamId: this.#streamId, ...fields } }, options);
    sent.catch(() => {}); // the first that fails is waited for; those behind it fail with it
    return sent;
  }

  async put(data) {
    this.#asked.push(this.#send({ data }));
    if (this.#asked.length > AHEAD) this.#check(await this.#asked.shift());
  }

  #check(response) {
    this.#holder?.absorb(response);
    return check(response);
  }

  /** An abort after this is a cancellation. */
  async end(signal) {
    const last = this.#send({ end: true }, signal);
    for (const sent of this.#asked.splice(0)) this.#check(await sent);
    return this.#check(await last);
  }

  /** Gives up; PostgreSQL rolls back what it has. */
  fail(reason) {
    return this.#transport
      .request({ copyData: { streamId: this.#streamId, fail: reason || "the client gave up" } }, { connection: this.#connection })
      .then((response) => this.#holder?.absorb(response))
      .catch(() => {}); // it has failed already
  }
}

/** Each piece of `source`; an abort ends it, also while the source has nothing to give. */
async function* untilAborted(source, signal) {
  if (!signal) {
    yield* source;
    return;
  }
  let abort;
  const aborted = new Promise((_, reject) => {
    abort = () => reject(new AbortError("failed", signal.reason));
    signal.addEventListener("abort", abort, { once: true });
  });
  aborted.catch(() => {}); // also when nobody waits for it
  if (signal.aborted) abort();
  try {
    for (;;) {
      const { value, done } = await Promise.race([aborted, source.next()]);
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", abort);
    source.return().catch(() => {}); // not awaited: it may have nothing to give for long
  }
}

/** Sends `source` (an iterable or async iterable of texts and bytes, a Readable among them) and resolves to a Result. */
export async function copyFrom(transport, ready, source, { signal }) {
  const copy = new CopyIn(transport, ready);
  try {
    for await (const piece of untilAborted(resize(source), signal)) await copy.put(piece);
    const response = await copy.end(signal);
    const result = new Result(rowOptions({}));
    for (const message of response.results) result.add(message);
    const { onNotice } = transport.options;
    if (onNotice) result.notices.forEach((notice) => onNotice(notice));
    return result;
  } catch (error) {
    await copy.fail(String(error?.message ?? error));
    throw atCaller(error);
  }
}

/** What COPY ... TO STDOUT gives, as an async iterable of Buffers. begin(): the promise of the Response with CopyReady. */
export async function* copyTo(transport, begin, options) {
  let chunks = null;
  try {
    chunks = new Chunks(transport, await begin(), options.signal);
    for (let response = await chunks.next(); response; response = await chunks.next())
      if (response.copyChunk && response.copyChunk.data.length > 0) yield Buffer.from(response.copyChunk.data);
  } catch (error) {
    throw atCaller(error);
  } finally {
    chunks?.close();
  }
}
