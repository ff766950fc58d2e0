// SPDX-License-Identifier: MIT
// Protobuf's wire format (https://protobuf.dev/programming-guides/encoding/) over Buffers: the six shapes that
// sidepool's messages use, and nothing else. A 64 bit integer is a Number as long as it is exact and a BigInt
// beyond, so that one value always has one type and `===` compares ids.
//
// A Writer appends to a slab and hands out views of what was written; a view stays valid, because the slab is never
// written twice: when it is full the next one begins.

const SLAB_BYTES = 64 * 1024;
const NO_SLAB = Buffer.alloc(0);
const TWO_32 = 0x1_0000_0000;

export class Writer {
  constructor() {
    this.buf = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.start = 0; // of what has not been taken yet
    this.pos = 0;
  }

  /** Makes room for `n` more bytes. What has not been taken moves to the new slab if it must. */
  reserve(n) {
    if (this.pos + n <= this.buf.length) return;
    const pending = this.pos - this.start;
    const next = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, (pending + n) * 2));
    this.buf.copy(next, 0, this.start, this.pos);
    this.buf = next;
    this.start = 0;
    this.pos = pending;
  }

  /** What was written since the last take(). */
  take() {
    const view = this.buf.subarray(this.start, this.pos);
    this.start = this.pos;
    if (this.buf.length > SLAB_BYTES) {
      this.buf = NO_SLAB; // a large message's slab goes with the message
      this.start = this.pos = 0;
    }
    return view;
  }

  /** Forgets what was written since `mark` (a position that `pos - start` had). */
  rewind(mark) {
    this.pos = this.start + mark;
  }

  varint(value) {
    this.reserve(10);
    if (typeof value === "bigint") {
      this.#bigVarint(BigInt.asUintN(64, value));
      return;
    }
    while (value > 0x7f) {
      this.buf[this.pos++] = (value % 128) | 0x80;
      value = value < TWO_32 ? value >>> 7 : Math.floor(value / 128);
    }
    this.buf[this.pos++] = value;
  }

  #bigVarint(value) {
    while (value > 0x7fn) {
      this.buf[this.pos++] = Number(value & 0x7fn) | 0x80;
      value >>= 7n;
    }
    this.buf[this.pos++] = Number(value);
  }

  /** int32: a negative one takes ten bytes. */
  int32(value) {
    this.varint(value < 0 ? BigInt(value) : value);
  }

  sint32(value) {
    this.varint(((value << 1) ^ (value >> 31)) >>> 0);
  }

  string(value) {
    const n = Buffer.byteLength(value);
    this.varint(n);
    this.reserve(n);
    this.pos += this.buf.write(value, this.pos, n, "utf8");
  }

  /** A view of bytes, or a text for a field of bytes. */
  bytes(value) {
    if (typeof value === "string") {
      this.string(value);
      return;
    }
    this.varint(value.length);
    this.reserve(value.length);
    this.buf.set(value, this.pos);
    this.pos += value.length;
  }

  /** Runs `body`, which writes, and puts the length of what it wrote in front. */
  delimited(body) {
    this.reserve(1);
    let at = this.pos - this.start;
    this.pos++;
    body();
    at += this.start; // the slab may have changed meanwhile
    const n = this.pos - at - 1;
    if (n <= 0x7f) {
      this.buf[at] = n;
      return;
    }
    const extra = n < 0x4000 ? 1 : n < 0x20_0000 ? 2 : n < 0x1000_0000 ? 3 : 4;
    this.reserve(extra);
    at = this.pos - n - 1;
    this.buf.copyWithin(at + 1 + extra, at + 1, this.pos);
    const end = this.pos + extra;
    this.pos = at;
    this.varint(n);
    this.pos = end;
  }
}

/** What a Reader throws on bytes that are not protobuf. */
export class MalformedMessage extends Error {}

export class Reader {
  constructor(buf, pos = 0, end = buf.length) {
    this.buf = buf;
    this.pos = pos;
    this.end = end;
  }

  #byte() {
    if (this.pos >= this.end) throw new MalformedMessage("the message ends within a field");
    return this.buf[this.pos++];
  }

  /** A varint of which the lower 32 bits are wanted. */
  uint32() {
    let b = this.#byte();
    if (b < 0x80) return b;
    let value = b & 0x7f;
    for (let shift = 7; shift < 70; shift += 7) {
      b = this.#byte();
      if (shift < 32) value |= (b & 0x7f) << shift;
      if (b < 0x80) return value >>> 0;
    }
    throw new MalformedMessage("a number has more than ten bytes");
  }

  int32() {
    return this.uint32() | 0;
  }

  sint32() {
    const n = this.uint32();
    return (n >>> 1) ^ -(n & 1);
  }

  uint64() {
    let low = 0;
    let factor = 1;
    let i = 0;
    for (; i < 7; i++, factor *= 128) {
      const b = this.#byte();
      low += (b & 0x7f) * factor;
      if (b < 0x80) return low;
    }
    return this.#high(BigInt(low));
  }

  #high(value) {
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const b = this.#byte();
      value |= BigInt(b & 0x7f) << shift;
      if (b < 0x80) {
        value = BigInt.asUintN(64, value);
        return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
      }
    }
    throw new MalformedMessage("a number has more than ten bytes");
  }

  /** The end of a length-delimited field that begins here. */
  #delimited() {
    const n = this.uint32();
    if (n > this.end - this.pos) throw new MalformedMessage("a field is longer than its message");
    return this.pos + n;
  }

  /** A view, not a copy. */
  bytes() {
    const end = this.#delimited();
    const view = this.buf.subarray(this.pos, end);
    this.pos = end;
    return view;
  }

  string() {
    const end = this.#delimited();
    const text = this.buf.utf8Slice(this.pos, end);
    this.pos = end;
    return text;
  }

  /** Calls `read` with this reader's end set to that of the message that begins here. */
  message(read, type) {
    const outer = this.end;
    this.end = this.#delimited();
    const value = read(this, type);
    this.pos = this.end;
    this.end = outer;
    return value;
  }

  skip(wireType) {
    if (wireType === 0) this.uint32();
    else if (wireType === 2) this.pos = this.#delimited();
    else if (wireType === 1) this.pos += 8;
    else if (wireType === 5) this.pos += 4;
    else throw new MalformedMessage(`a field has the wire type ${wireType}`);
    if (this.pos > this.end) throw new MalformedMessage("the message ends within a field");
  }
}
