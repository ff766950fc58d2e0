// SPDX-License-Identifier: MIT
// What ends the requests of a client: an AbortSignal as far as a request needs one, and much cheaper to listen to, for each
// query of each client has one.
export class Canceller {
  aborted = false;
  reason = undefined;
  #listeners = new Set();

  addEventListener(_, listener) {
    this.#listeners.add(listener);
  }

  removeEventListener(_, listener) {
    this.#listeners.delete(listener);
  }

  abort(reason) {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener();
  }

  /** One that ends with this one or with an AbortSignal; detach() when it is of no more use. */
  with(signal) {
    const both = new Canceller();
    const follow = () => both.abort(this.reason);
    const obey = () => both.abort(signal.reason);
    this.addEventListener("abort", follow);
    signal.addEventListener("abort", obey, { once: true });
    both.detach = () => {
      this.removeEventListener("abort", follow);
      signal.removeEventListener("abort", obey);
    };
    if (this.aborted) follow();
    else if (signal.aborted) obey();
    return both;
  }

  detach() {}
}
