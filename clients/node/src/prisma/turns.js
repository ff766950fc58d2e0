// SPDX-License-Identifier: MIT
// Who may use the one connection of a session: one after the other, a transaction from its beginning to its end.
export class Turns {
  #last = Promise.resolve();

  /** Resolves, when all who came before have ended, to the function that ends this one. */
  take() {
    const before = this.#last;
    return new Promise((resolve) => {
      this.#last = new Promise((end) => before.then(() => resolve(end)));
    });
  }
}
