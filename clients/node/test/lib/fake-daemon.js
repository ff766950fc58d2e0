// SPDX-License-Identifier: MIT
// A daemon that does what a test tells it, byte by byte where it must. It reads and writes messages with the reference
// codec.
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { decode, encode } from "./reference.js";

const GREETING = Buffer.from("0053500000310000", "hex");

export const HELLO = {
  version: 1,
  daemonVersion: "0.1.0",
  application: "test",
  pools: ["main"],
  maxMessageBytes: 1024 * 1024,
  maxChunkBytes: 262144,
  instanceId: 7,
};

export function frame(id, body) {
  const head = Buffer.alloc(13);
  head[0] = 1;
  head.writeBigUInt64BE(BigInt(body.length + 4), 1);
  head.writeUInt32BE(id, 9);
  return Buffer.concat([head, body]);
}

/** One client's connection as the daemon sees it. */
class Peer {
  #buf = Buffer.alloc(0);
  #greeted = false;

  constructor(daemon, socket) {
    this.daemon = daemon;
    this.socket = socket;
    socket.on("data", (chunk) => this.#data(chunk));
    socket.on("error", () => {});
    socket.write(daemon.greeting);
  }

  #data(chunk) {
    this.#buf = Buffer.concat([this.#buf, chunk]);
    if (!this.#greeted && this.#buf.length >= 8) {
      this.greeting = this.#buf.subarray(0, 8);
      this.#buf = this.#buf.subarray(8);
      this.#greeted = true;
    }
    while (this.#greeted && this.#buf.length >= 13) {
      const n = Number(this.#buf.readBigUInt64BE(1));
      if (this.#buf.length < 9 + n) return;
      const id = this.#buf.readUInt32BE(9);
      const request = decode("Request", this.#buf.subarray(13, 9 + n));
      this.#buf = this.#buf.subarray(9 + n);
      this.daemon.take({ id, request, peer: this });
    }
  }

  answer(id, response) {
    this.socket.write(frame(id, encode("Response", response)));
  }
}

/**
 * handler({ id, request, peer, reply(response) }) gets each request except Hello; without one they gather in
 * `requests`, and `next()` waits for the next.
 */
export class FakeDaemon {
  requests = [];
  peers = [];
  greeting = GREETING;
  hello = { hello: HELLO };
  #waiting = [];

  constructor(handler = null) {
    this.handler = handler;
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), "sp-"));
    this.path = path.join(this.folder, "rpc.sock");
  }

  async listen() {
    this.server = net.createServer((socket) => this.peers.push(new Peer(this, socket)));
    await new Promise((resolve, reject) => this.server.once("error", reject).listen(this.path, resolve));
    return this;
  }

  take(received) {
    received.reply = (response) => received.peer.answer(received.id, response);
    if (received.request.hello) {
      received.peer.helloRequest = received.request.hello;
      if (this.hello) received.reply(this.hello);
    } else if (this.handler) {
      this.handler(received);
    } else if (this.#waiting.length > 0) {
      this.#waiting.shift()(received);
    } else {
      this.requests.push(received);
    }
  }

  /** The next request that no handler took. */
  next() {
    if (this.requests.length > 0) return Promise.resolve(this.requests.shift());
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Ends every connection and listens no more. */
  async stop() {
    for (const peer of this.peers) peer.socket.destroy();
    this.peers = [];
    await new Promise((resolve) => this.server.close(resolve));
  }

  async remove() {
    if (this.server.listening) await this.stop();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}
