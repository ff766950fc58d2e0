// SPDX-License-Identifier: MIT
// SP framing over a stream socket (proto/WIRE.md, sections 2 and 3): a greeting of 8 bytes each way, then messages of
// a byte 1, a length of 64 bits and a body that begins with the request id. Knows nothing of what is in a body.

export const GREETING = Buffer.from([0, 0x53, 0x50, 0, 0, 0x30, 0, 0]);
const PEER_GREETING = Buffer.from([0, 0x53, 0x50, 0, 0, 0x31, 0, 0]);
const LENGTH_BYTES = 9; // the byte 1 and the length
const ID_BYTES = 4;
export const HEADER_BYTES = LENGTH_BYTES + ID_BYTES;
export const FIRST_ID = 0x8000_0000;
const LAST_ID = 0xffff_ffff;

/** The id after `id`. */
export function nextId(id) {
  return id === LAST_ID ? FIRST_ID : id + 1;
}

/** Puts the header of a message whose body (with the id) has `n` bytes at `pos`. */
export function writeHeader(buf, pos, n, id) {
  buf[pos] = 1;
  buf.writeUInt32BE(Math.floor(n / 0x1_0000_0000), pos + 1);
  buf.writeUInt32BE(n >>> 0, pos + 5);
  buf.writeUInt32BE(id, pos + LENGTH_BYTES);
}

/** What a FrameReader throws on bytes that are not the protocol. */
export class FramingError extends Error {}

/**
 * Cuts what comes from the socket into messages. A message that lies within one chunk is handed out as a view of it; one
 * that does not is gathered into a buffer of exactly its size.
 */
export class FrameReader {
  #limit;
  #onGreeting;
  #onMessage;
  #greeted = false;
  #head = Buffer.alloc(HEADER_BYTES); // what has come of a header that is not complete
  #headBytes = 0;
  #body = null; // the message being gathered
  #bodyBytes = 0;
  #id = 0;

  /** onMessage(id, buffer, start, end). A body of more than `limit` bytes is an error. */
  constructor(limit, onGreeting, onMessage) {
    this.#limit = limit;
    this.#onGreeting = onGreeting;
    this.#onMessage = onMessage;
  }

  push(chunk) {
    let pos = 0;
    while (pos < chunk.length) {
      if (this.#body) pos = this.#fill(chunk, pos);
      else if (!this.#greeted) pos = this.#greeting(chunk, pos);
      else if (this.#headBytes > 0 || chunk.length - pos < HEADER_BYTES) pos = this.#partialHead(chunk, pos);
      else pos = this.#begin(chunk, pos, chunk, pos + HEADER_BYTES);
    }
  }

  #take(chunk, pos, wanted) {
    const n = Math.min(wanted - this.#headBytes, chunk.length - pos);
    chunk.copy(this.#head, this.#headBytes, pos, pos + n);
    this.#headBytes += n;
    return pos + n;
  }

  #greeting(chunk, pos) {
    pos = this.#take(chunk, pos, GREETING.length);
    const got = this.#head.subarray(0, this.#headBytes);
    if (!got.equals(PEER_GREETING.subarray(0, got.length)))
      throw new FramingError(`the greeting was ${got.toString("hex")}, not that of an SP REP socket`);
    if (this.#headBytes < GREETING.length) return pos;
    this.#headBytes = 0;
    this.#greeted = true;
    this.#onGreeting();
    return pos;
  }

  #partialHead(chunk, pos) {
    pos = this.#take(chunk, pos, HEADER_BYTES);
    if (this.#headBytes < HEADER_BYTES) return pos;
    this.#headBytes = 0;
    return this.#begin(this.#head, 0, chunk, pos);
  }

  /** The header is in `head` at `at`; what follows it begins in `chunk` at `pos`. */
  #begin(head, at, chunk, pos) {
    const high = head.readUInt32BE(at + 1);
    const n = head.readUInt32BE(at + 5) - ID_BYTES;
    if (head[at] !== 1) throw new FramingError(`a message began with the byte ${head[at]}, not 1`);
    if (n < 0) throw new FramingError("a message had no request id");
    if (high !== 0 || n > this.#limit) throw new FramingError(`a message was longer than ${this.#limit} bytes`);
    const id = head.readUInt32BE(at + LENGTH_BYTES);
    if (id < FIRST_ID) throw new FramingError("an answer's id was not one of a request");
    if (chunk.length - pos >= n) {
      this.#onMessage(id, chunk, pos, pos + n);
      return pos + n;
    }
    this.#id = id;
    this.#body = Buffer.allocUnsafeSlow(n);
    this.#bodyBytes = 0;
    return this.#fill(chunk, pos);
  }

  #fill(chunk, pos) {
    const n = Math.min(this.#body.length - this.#bodyBytes, chunk.length - pos);
    chunk.copy(this.#body, this.#bodyBytes, pos, pos + n);
    this.#bodyBytes += n;
    if (this.#bodyBytes === this.#body.length) {
      const body = this.#body;
      this.#body = null;
      this.#onMessage(this.#id, body, 0, body.length);
    }
    return pos + n;
  }
}
