// SPDX-License-Identifier: MIT
// What a client of node-postgres listens to, by the daemon's own listening rather than on a session.
import { Listener } from "../listener.js";

const LISTEN = /^\s*(LISTEN|UNLISTEN)\s+(?:"((?:[^"]|"")+)"|(\*)|([A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*))\s*;?\s*$/i;

/** { verb, channel } of LISTEN and UNLISTEN; the channel is null for all of them. null for anything else. */
export function listenVerb({ words, several }, text) {
  if (several || (words[0] !== "LISTEN" && words[0] !== "UNLISTEN")) return null;
  const [, verb, quoted, all, plain] = LISTEN.exec(text) ?? [];
  if (!verb || (all && words[0] === "LISTEN")) return null;
  const folded = plain?.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  return { verb: words[0], channel: all ? null : quoted?.replaceAll('""', '"') ?? folded };
}

export class Listens {
  #transport;
  #pool;
  #onNotification;
  #onGap;
  #listeners = new Map(); // channel -> Listener

  constructor(transport, pool, { onNotification, onGap }) {
    this.#transport = transport;
    this.#pool = pool;
    this.#onNotification = onNotification;
    this.#onGap = onGap;
  }

  /** Resolves when it listens. */
  async add(channel) {
    let listener = this.#listeners.get(channel);
    if (!listener) {
      listener = new Listener(this.#transport, channel, { pool: this.#pool, onGap: (gap) => this.#onGap({ channel, ...gap }) });
      this.#listeners.set(channel, listener);
      this.#tell(channel, listener);
    }
    await listener.ready;
  }

  async #tell(channel, listener) {
    try {
      for await (const notification of listener) this.#onNotification(notification);
    } catch (error) {
      this.#onGap({ channel, lost: null, over: false, reason: error.message });
    }
    if (this.#listeners.get(channel) === listener) this.#listeners.delete(channel);
  }

  /** null: all of them */
  async remove(channel) {
    for (const [name, listener] of [...this.#listeners]) {
      if (channel !== null && name !== channel) continue;
      this.#listeners.delete(name);
      await listener.close();
    }
  }
}
