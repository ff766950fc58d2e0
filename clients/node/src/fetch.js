// SPDX-License-Identifier: MIT
// The rest of a result that is longer than one answer. A few chunks are asked for ahead, so that the next is on its way
// while this one is used; no more, so that a slow reader stops PostgreSQL and fills nobody's memory.
import { AbortError, SidepoolError } from "./errors.js";
import { check } from "./transport.js";

const AHEAD = 2;

/** A stream that the daemon keeps open for us. */
export class Chunks {
  #transport;
  #connection;
  #holder; // the lease that it began on, or null
  #streamId;
  #signal;
  #asked = []; // promises of the chunks that were asked for, in order
  #ended = false;
  #aborted = false; // before the end
  #onAbort = null;

  /** `first` is the Response that the stream begins with. */
  constructor(transport, first, signal) {
    this.#transport = transport;
    this.#connection = first.connection;
    this.#holder = first.holder ?? null;
    this.#streamId = first.streamId || first.copyReady?.streamId || 0;
    this.#ended = this.#streamId === 0;
    this.#signal = signal ?? null;
    if (!this.#signal || this.#ended) return;
    this.#onAbort = () => {
      this.#aborted = true;
      this.close();
    };
    if (this.#signal.aborted) {
      this.#onAbort();
      return;
    }
    this.#signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  get ended() {
    return this.#ended;
  }

  #ask() {
    const message = { fetch: { streamId: this.#streamId } };
    const asked = this.#transport.request(message, { connection: this.#connection });
    asked.catch(() => {}); // one that was asked beyond the end
    this.#asked.push(asked);
  }

  /** The next Response, or null after the last. */
  async next() {
    if (this.#aborted) throw this.#abortError();
    if (this.#ended) return null; // an abort that comes after the end has nothing left to end
    while (this.#asked.length <= AHEAD) this.#ask();
    try {
      const response = await this.#asked.shift();
      this.#holder?.absorb(response);
      check(response);
      if (response.streamId === 0) this.#end();
      return response;
    } catch (error) {
      this.#end();
      throw this.#aborted ? this.#abortError() : streamLost(error);
    }
  }

  /** By its first row a statement may have written, and have come to its end. */
  #abortError() {
    return new AbortError("outcome unknown", this.#signal.reason);
  }

  /** Gives the rest up. */
  close() {
    if (this.#ended) return;
    this.#end();
    const message = { fetch: { streamId: this.#streamId, close: true } };
    this.#transport
      .request(message, { connection: this.#connection })
      .then((response) => this.#holder?.absorb(response))
      .catch(() => {}); // it is gone either way
  }

  #end() {
    this.#ended = true;
    if (this.#onAbort) this.#signal.removeEventListener("abort", this.#onAbort);
  }
}

/** A stream that went with its connection: the statement had begun. */
function streamLost(error) {
  if (error.code !== "LEASE_LOST") return error;
  return new SidepoolError("DAEMON_LOST", "the connection to the daemon was lost before the end of the result");
}
