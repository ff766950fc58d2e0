// SPDX-License-Identifier: MIT
// One connection to the daemon, from connect() to its end; it is never used again after. It numbers requests, finds the
// call that an answer belongs to and tells every call in flight when the connection is lost. What to do about that is
// the transport's business.
//
// Requests of one turn of the event loop leave in one write.
import net from "node:net";
import { Writer, MalformedMessage } from "./protobuf.js";
import { encodeTo, decode } from "./codec.js";
import { FIRST_ID, FrameReader, FramingError, GREETING, HEADER_BYTES, nextId, writeHeader } from "./sp.js";
import { SidepoolError, errorFromWire } from "./errors.js";
import { Fifo } from "./fifo.js";
import { StatementCache } from "./statement-cache.js";

const VERSION = 1; // of the contract in proto/
const GREETING_TIMEOUT_MS = 10_000;
const REPLY_LIMIT_BYTES = 1024 * 1024 * 1024 + 1024 * 1024; // PostgreSQL's largest value, and something around it
const IN_FLIGHT_MAX = 1000; // the daemon reads no further beyond 1024; the rest is room for Cancel
const UNWRITTEN_MAX_BYTES = 4 * 1024 * 1024; // what the socket has not taken yet
const MESSAGE_LIMIT_BYTES = 16 * 1024 * 1024; // until HelloReply says otherwise

const violation = (error) =>
  new SidepoolError("PROTOCOL_VIOLATION", `what answers on the socket does not keep to sidepool's protocol: ${error.message}`);

/** What a call in flight gets when its connection ends: an error of its own, whose stack can be its caller's. */
function lossBecauseOf(reason) {
  const options = { cause: reason ?? undefined };
  if (!(reason instanceof SidepoolError)) return new SidepoolError("DAEMON_LOST", "", options);
  return new SidepoolError(reason.code, reason.message, { ...options, outcome: reason.outcome });
}

/**
 * A call is { message, answered(response), lost(error), unsent() }; exactly one of the three is called for each call that
 * send() took, unless abandon() was. unsent(): the other side was gone before a byte of it was written.
 */
export class Connection {
  #socket;
  #reader;
  #writer = new Writer();
  #calls = new Map(); // by request id
  #id = FIRST_ID;
  #unwritten = []; // ids of what the next write will carry
  #greetingTimer = null;
  #opened;
  #closed;
  #room;
  #idleRef = false;
  #refd = true;

  state = "connecting"; // "connecting", "ready", "closed"
  /** HelloReply, when state is "ready" or was. */
  hello = null;
  /** The daemon said that it shuts down: nothing new on this connection. */
  draining = false;
  /** What the daemon at the other end knows of statements. */
  statements;
  /** Calls that may go nowhere else and wait for room. */
  backlog = new Fifo();

  /**
   * onOpen() once it is ready; onDrain() when there is room again; onClose(error, wasReady) once when it ends,
   * also if it never was ready.
   */
  constructor({ path, hello, statementCache, onOpen, onDrain, onClose }) {
    this.#opened = onOpen;
    this.#closed = onClose;
    this.statements = new StatementCache(statementCache);
    this.#reader = new FrameReader(
      REPLY_LIMIT_BYTES,
      () => this.#sendHello(hello),
      (id, buf, start, end) => this.#answer(id, buf, start, end),
    );
    this.#socket = net.connect({ path });
    this.#room = onDrain;
    this.#socket.on("drain", onDrain);
    this.#socket.on("connect", () => this.#socket.write(GREETING));
    this.#socket.on("data", (chunk) => this.#take(chunk));
    this.#socket.on("error", (error) => this.#end(error));
    this.#socket.on("close", () => this.#end(null));
    this.#greetingTimer = setTimeout(
      () => this.#end(new Error(`it did not greet within ${GREETING_TIMEOUT_MS} ms`)),
      GREETING_TIMEOUT_MS,
    );
  }

  get inFlight() {
    return this.#calls.size;
  }

  /** No room for another request at the moment; an answer or onDrain makes some. */
  get full() {
    return this.#calls.size >= IN_FLIGHT_MAX || this.#socket.writableLength > UNWRITTEN_MAX_BYTES;
  }

  get maxMessageBytes() {
    return this.hello?.maxMessageBytes || MESSAGE_LIMIT_BYTES;
  }

  /** Keeps the process alive while nothing is in flight too. */
  set keepAlive(value) {
    this.#idleRef = value;
    this.#updateRef();
  }

  /** Queues a call's message and returns its id. Throws MESSAGE_TOO_LARGE and TypeError with nothing sent. */
  send(call) {
    const id = this.#freeId();
    this.#encode(id, call.message);
    this.#calls.set(id, call);
    if (this.#calls.size === 1) this.#updateRef();
    if (this.#unwritten.push(id) === 1) process.nextTick(() => this.#write());
    return id;
  }

  /** The answer to `id` shall go to `late(response)` instead of its call. */
  abandon(id, late) {
    if (this.#calls.has(id)) this.#calls.set(id, { answered: late, lost() {}, unsent() {} });
  }

  /** Ends the connection; calls in flight end with `error`. */
  destroy(error) {
    this.#end(error);
  }

  #freeId() {
    do this.#id = nextId(this.#id);
    while (this.#calls.has(this.#id));
    return this.#id;
  }

  #encode(id, message) {
    const w = this.#writer;
    const mark = w.pos - w.start;
    try {
      w.reserve(HEADER_BYTES);
      w.pos += HEADER_BYTES;
      encodeTo(w, "Request", message);
    } catch (error) {
      w.rewind(mark);
      throw error;
    }
    const n = w.pos - w.start - mark - HEADER_BYTES + 4;
    if (n > this.maxMessageBytes) {
      w.rewind(mark);
      throw new SidepoolError(
        "MESSAGE_TOO_LARGE",
        `the message has ${n} bytes, the daemon takes at most ${this.maxMessageBytes}`,
      );
    }
    writeHeader(w.buf, w.start + mark, n, id);
  }

  #write() {
    if (this.state === "closed") return;
    const ids = this.#unwritten;
    this.#unwritten = [];
    const bytes = this.#writer.take();
    if (!this.#socket.writable) {
      this.#end(this.#socket.errored, new Set(ids)); // the other side has gone, and the event that says so is on its way
      return;
    }
    this.#socket.write(bytes);
    // Where the other side has gone, the write fails at once and whole; a part of it would have been an error later.
    if (this.#socket.errored?.code === "EPIPE") this.#end(this.#socket.errored, new Set(ids));
  }

  #sendHello(hello) {
    const call = {
      message: { hello: { minVersion: VERSION, maxVersion: VERSION, ...hello } },
      answered: (response) => this.#greeted(response),
      lost() {},
      unsent() {},
    };
    this.send(call);
  }

  #greeted(response) {
    if (response.error || !response.hello) {
      this.#end(response.error ? errorFromWire(response.error) : new FramingError("Hello was not answered"));
      return;
    }
    clearTimeout(this.#greetingTimer);
    this.hello = response.hello;
    this.state = "ready";
    this.#opened();
    this.#updateRef();
  }

  #take(chunk) {
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof FramingError)) throw error;
      this.#end(error);
    }
  }

  #answer(id, buf, start, end) {
    const call = this.#calls.get(id);
    if (!call || this.state === "closed") return;
    let response;
    try {
      response = decode("Response", buf, start, end);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      this.#end(new FramingError(`an answer is not a sidepool.v1.Response: ${error.message}`));
      return;
    }
    this.#calls.delete(id);
    call.answered(response);
    if (this.#calls.size > 0 || this.state !== "ready") return;
    this.#updateRef();
    this.#room();
  }

  #updateRef() {
    if (this.state === "closed") return;
    const wanted = this.#calls.size > 0 || this.#idleRef || this.state === "connecting";
    if (wanted === this.#refd) return; // a socket that still connects adds a listener at each call
    this.#refd = wanted;
    if (wanted) this.#socket.ref();
    else this.#socket.unref();
  }

  /** `unsent`: ids of calls of which nothing was written. */
  #end(error, unsent = null) {
    if (this.state === "closed") return;
    const wasReady = this.state === "ready";
    const reason = error instanceof FramingError ? violation(error) : error;
    this.state = "closed";
    clearTimeout(this.#greetingTimer);
    this.#socket.destroy();
    const calls = [...this.#calls];
    this.#calls.clear();
    this.#closed(reason, wasReady);
    for (const [id, call] of calls) if (!unsent?.has(id)) call.lost(lossBecauseOf(reason));
    for (const [id, call] of calls.reverse()) if (unsent?.has(id)) call.unsent();
  }
}
