// SPDX-License-Identifier: MIT
// Who listens to a channel: for await (const { payload } of db.listen("jobs")). It listens from the moment that it is made;
// `ready` resolves when nothing that is notified from then on is missed unawares.
import { AbortError, SidepoolError } from "./errors.js";
import { listeningOf } from "./listening.js";

const CHANNEL_BYTES_MAX = 63;
const QUEUED_MAX = 10_000;

export class Listener {
  #listening;
  #pool;
  #channel;
  #onGap;
  #maxQueued;
  #queue = []; // notifications that nobody has taken yet
  #dropped = 0; // that found the queue full
  #waiting = []; // [resolve, reject] of next()
  #ended = false;
  #error = null; // that next() throws, once
  #signal;
  #onAbort;
  #settleReady;

  /** Resolves when it listens; rejects if that failed. */
  ready;

  constructor(transport, channel, { pool = "", signal, maxQueued = QUEUED_MAX, onGap } = {}) {
    const bytes = Buffer.byteLength(channel);
    if (bytes === 0 || bytes > CHANNEL_BYTES_MAX) throw new SidepoolError("INVALID_ARGUMENT", "a channel's name has 1 to 63 bytes");
    this.#listening = listeningOf(transport);
    this.#pool = pool;
    this.#channel = channel;
    this.#onGap = onGap ?? null;
    this.#maxQueued = maxQueued;
    this.ready = new Promise((resolve, reject) => (this.#settleReady = { resolve, reject }));
    this.ready.catch(() => {}); // next() tells it too
    this.#signal = signal ?? null;
    this.#onAbort = () => this.failed(new AbortError("not sent", this.#signal.reason));
    if (this.#signal?.aborted) {
      this.#onAbort();
      return;
    }
    this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
    this.#listening.add(pool, channel, this);
  }

  // What the Listening tells.

  notification({ notification, sequence }) {
    const { channel, payload, backendPid } = notification;
    const item = { channel, payload, backendPid, sequence: Number(sequence) };
    const next = this.#waiting.shift();
    if (next) next[0]({ value: item, done: false });
    else if (this.#queue.length < this.#maxQueued) this.#queue.push(item);
    else this.#dropped++;
  }

  gap(gap) {
    this.#onGap?.(gap);
  }

  on() {
    this.#settleReady.resolve();
  }

  failed(error) {
    if (this.#ended) return;
    if (error.code !== "CLOSED") this.#error = error;
    this.#settleReady.reject(error);
    this.#end();
    if (this.#error && this.#waiting.length > 0) this.#waiting.shift()[1](this.#takeError());
    for (const [resolve] of this.#waiting.splice(0)) resolve({ value: undefined, done: true });
  }

  #end() {
    this.#ended = true;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#listening.remove(this.#pool, this.#channel, this);
  }

  #takeError() {
    const error = this.#error;
    this.#error = null;
    return error;
  }

  async next() {
    if (this.#queue.length > 0) return { value: this.#taken(), done: false };
    if (this.#error) throw this.#takeError();
    if (this.#ended) return { value: undefined, done: true };
    return new Promise((resolve, reject) => this.#waiting.push([resolve, reject]));
  }

  #taken() {
    const item = this.#queue.shift();
    if (this.#dropped > 0) {
      const lost = this.#dropped;
      this.#dropped = 0;
      this.gap({ lost, over: true, reason: `${this.#maxQueued} notifications waited to be taken` });
    }
    return item;
  }

  /** Listens no more; what waits is forgotten. */
  async close() {
    if (this.#ended) return;
    this.#queue = [];
    this.failed(new SidepoolError("CLOSED"));
  }

  async return(value) {
    await this.close();
    return { value, done: true };
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  async [Symbol.asyncDispose]() {
    await this.close();
  }
}
