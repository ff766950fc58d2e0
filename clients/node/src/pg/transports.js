// SPDX-License-Identifier: MIT
// The clients of one program share a connection to the daemon: one for each socket and application name. It ends with
// the last client that uses it.
import { makeOptions } from "../options.js";
import { Transport } from "../transport.js";

const shared = new Map(); // key -> { transport, users }

/** A user's part in a transport: { transport, release() }. */
export function shareTransport({ socket, application }) {
  const options = makeOptions({ socket, application }, "sidepool-pg");
  const key = JSON.stringify([options.socket, options.application]);
  let entry = shared.get(key);
  if (!entry) {
    entry = { transport: new Transport(options), users: 0 };
    shared.set(key, entry);
  }
  entry.users++;
  let released = false;
  return {
    transport: entry.transport,
    release() {
      if (released) return;
      released = true;
      if (--entry.users > 0) return;
      shared.delete(key);
      entry.transport.idle().then(() => entry.transport.close());
    },
  };
}
