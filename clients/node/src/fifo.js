// SPDX-License-Identifier: MIT
// A first-in-first-out queue whose ends cost the same at any length.

export class Fifo {
  #items = [];
  #head = 0;

  get size() {
    return this.#items.length - this.#head;
  }

  peek() {
    return this.#items[this.#head];
  }

  push(item) {
    this.#items.push(item);
  }

  /** In front of all others. */
  unshift(item) {
    if (this.#head > 0) this.#items[--this.#head] = item;
    else this.#items.unshift(item);
  }

  shift() {
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head === this.#items.length) this.#items.length = this.#head = 0;
    else if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  remove(item) {
    const at = this.#items.indexOf(item, this.#head);
    if (at >= 0) this.#items.splice(at, 1);
  }

  /** Empties the queue and returns what was in it, in order. */
  drain() {
    const items = this.#items.slice(this.#head);
    this.#items.length = this.#head = 0;
    return items;
  }
}
