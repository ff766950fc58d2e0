// SPDX-License-Identifier: MIT
// A subscriber to the daemon's events socket (proto/WIRE.md, section 6): SP's publish/subscribe by hand. It is sent every
// message; what does not begin with a topic that is wanted is not decoded.
import net from "node:net";
import { decode } from "./codec.js";
import { MalformedMessage } from "./protobuf.js";

const GREETING = Buffer.from([0, 0x53, 0x50, 0, 0, 0x21, 0, 0]);
const PEER_GREETING = Buffer.from([0, 0x53, 0x50, 0, 0, 0x20, 0, 0]);
const LENGTH_BYTES = 9;
const EVENT_BYTES_MAX = 1024 * 1024;

/** The path in an events_url, or null where it is none of a Unix socket. */
export function pathOfUrl(url) {
  return url.startsWith("ipc://") ? url.slice("ipc://".length) : null;
}

export class Subscriber {
  #socket;
  #rest = Buffer.alloc(0);
  #wants;
  #onEvent;
  #onEnd;
  #onReady;

  /** "connecting", "ready", "closed" */
  state = "connecting";

  /**
   * wants(topic): whether to decode what comes on it; onReady() when the daemon has greeted; onEvent(topic, event);
   * onEnd(error) once, when the connection ends by itself.
   */
  constructor(path, { wants, onReady, onEvent, onEnd }) {
    this.#wants = wants;
    this.#onReady = onReady;
    this.#onEvent = onEvent;
    this.#onEnd = onEnd;
    this.#socket = net.connect({ path });
    this.#socket.on("connect", () => this.#socket.write(GREETING));
    this.#socket.on("data", (chunk) => this.#take(chunk));
    this.#socket.on("error", (error) => this.#end(error));
    this.#socket.on("close", () => this.#end(new Error("the daemon closed the events socket")));
  }

  #take(chunk) {
    this.#rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    if (this.state === "connecting" && !this.#greet()) return;
    while (this.state === "ready" && this.#rest.length >= LENGTH_BYTES) {
      const n = Number(this.#rest.readBigUInt64BE(1));
      if (this.#rest[0] !== 1 || n > EVENT_BYTES_MAX) {
        this.#end(new Error("what came by the events socket is no message of SP"));
        return;
      }
      if (this.#rest.length < LENGTH_BYTES + n) return;
      const body = this.#rest.subarray(LENGTH_BYTES, LENGTH_BYTES + n);
      this.#rest = this.#rest.subarray(LENGTH_BYTES + n);
      this.#message(body);
    }
  }

  #greet() {
    if (this.#rest.length < PEER_GREETING.length) return false;
    if (!this.#rest.subarray(0, PEER_GREETING.length).equals(PEER_GREETING)) {
      this.#end(new Error("the events socket did not greet as an SP publisher"));
      return false;
    }
    this.#rest = this.#rest.subarray(PEER_GREETING.length);
    this.state = "ready";
    this.#onReady();
    return true;
  }

  #message(body) {
    const end = body.indexOf(0);
    if (end < 0) return;
    const topic = body.toString("utf8", 0, end);
    if (!this.#wants(topic)) return;
    let event;
    try {
      event = decode("Event", body, end + 1);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      this.#end(new Error(`an event is not a sidepool.v1.Event: ${error.message}`));
      return;
    }
    this.#onEvent(topic, event);
  }

  #end(error) {
    if (this.state === "closed") return;
    this.close();
    this.#onEnd(error);
  }

  close() {
    this.state = "closed";
    this.#socket.destroy();
  }
}
