// SPDX-License-Identifier: MIT
// What a client of node-postgres listens to, by the daemon's own listening rather than on a session.
import { Listener } from "../listener.js";
import { statements } from "../sql-scan.js";

const isListen = (verb) => verb === "LISTEN" || verb === "UNLISTEN";

/** The channel that a lexeme names: quoted, or folded as PostgreSQL folds it. */
function channelOf(lexeme) {
  if (/^".+"$/s.test(lexeme)) return lexeme.slice(1, -1).replaceAll('""', '"');
  return /^[A-Za-z_\u0080-\uffff]/.test(lexeme) ? lexeme.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : undefined;
}

/** [{ verb, channel }] of a text that has only LISTEN and UNLISTEN; the channel is null for all of them. null for any other. */
export function listenVerbs({ verbs }, text) {
  if (verbs.length === 0 || !verbs.every(isListen)) return null;
  const found = statements(text).map(([verb, name = "", ...more]) => {
    const all = name === "*" && verb.toUpperCase() === "UNLISTEN";
    return { verb: verb.toUpperCase(), channel: all ? null : channelOf(name), more: more.length > 0 };
  });
  return found.some(({ channel, more }) => channel === undefined || more) ? null : found;
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
