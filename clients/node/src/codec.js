// SPDX-License-Identifier: MIT
// Objects to protobuf and back, led by the tables of schema.js. To encode, only the keys that an object has are looked
// at: what is absent, undefined or the default is not written. What is decoded always has every field: 0, "", false,
// null for a message, an empty array (frozen, shared) for a list; so all objects of a type have one shape.
import { Writer, Reader, MalformedMessage } from "./protobuf.js";
import { MESSAGES } from "./schema.js";

const EMPTY = Object.freeze([]);
const NO_BYTES = Buffer.alloc(0);
const WIRE_VARINT = 0;
const WIRE_DELIMITED = 2;

const SCALARS = {
  bool: { wire: WIRE_VARINT, empty: false, write: (w, v) => w.varint(v ? 1 : 0), read: (r) => r.uint32() !== 0 },
  enum: { wire: WIRE_VARINT, empty: 0, write: (w, v) => w.varint(v), read: (r) => r.uint32() },
  uint32: { wire: WIRE_VARINT, empty: 0, write: (w, v) => w.varint(v), read: (r) => r.uint32() },
  int32: { wire: WIRE_VARINT, empty: 0, write: (w, v) => w.int32(v), read: (r) => r.int32() },
  sint32: { wire: WIRE_VARINT, empty: 0, write: (w, v) => w.sint32(v), read: (r) => r.sint32() },
  uint64: { wire: WIRE_VARINT, empty: 0, write: (w, v) => w.varint(v), read: (r) => r.uint64() },
  string: { wire: WIRE_DELIMITED, empty: "", write: (w, v) => w.string(v), read: (r) => r.string() },
  bytes: { wire: WIRE_DELIMITED, empty: NO_BYTES, write: (w, v) => w.bytes(v), read: (r) => r.bytes() },
};

function makeField(types, name, [number, kind]) {
  const repeated = Array.isArray(kind);
  const type = repeated ? kind[0] : kind;
  const scalar = SCALARS[type] ?? null;
  const wire = scalar ? scalar.wire : WIRE_DELIMITED;
  const packed = repeated && wire === WIRE_VARINT;
  return { name, number, repeated, packed, wire, scalar, message: scalar ? null : types[type] };
}

function emptyValue(field) {
  if (field.repeated) return EMPTY;
  return field.scalar ? field.scalar.empty : null;
}

function compile() {
  const types = Object.create(null);
  for (const name of Object.keys(MESSAGES)) types[name] = { name, byName: new Map(), byNumber: [], empty: {} };
  for (const [name, fields] of Object.entries(MESSAGES)) {
    const type = types[name];
    for (const [key, spec] of Object.entries(fields)) {
      const field = makeField(types, key, spec);
      type.byName.set(key, field);
      type.byNumber[field.number] = field;
      type.empty[key] = emptyValue(field);
    }
  }
  return types;
}

const TYPES = compile();

function writeOne(w, field, value) {
  w.varint(field.number * 8 + (field.packed ? WIRE_DELIMITED : field.wire));
  if (field.message) w.delimited(() => writeMessage(w, field.message, value));
  else field.scalar.write(w, value);
}

function writeList(w, field, list) {
  if (list.length === 0) return;
  if (!field.packed) {
    for (const value of list) writeOne(w, field, value);
    return;
  }
  w.varint(field.number * 8 + WIRE_DELIMITED);
  w.delimited(() => {
    for (const value of list) field.scalar.write(w, value);
  });
}

function writeMessage(w, type, object) {
  for (const key in object) {
    const value = object[key];
    if (value === undefined || value === null) continue;
    const field = type.byName.get(key);
    if (!field) throw new TypeError(`sidepool.v1.${type.name} has no field ${key}`);
    if (field.repeated) writeList(w, field, value);
    else if (field.message || (value !== field.scalar.empty && value.length !== 0)) writeOne(w, field, value);
  }
}

function readList(r, field, wire, list) {
  const out = list === EMPTY ? [] : list;
  if (field.message) {
    out.push(r.message(readMessage, field.message));
  } else if (field.packed && wire === WIRE_DELIMITED) {
    r.message((inner) => {
      while (inner.pos < inner.end) out.push(field.scalar.read(inner));
    });
  } else {
    out.push(field.scalar.read(r));
  }
  return out;
}

function readMessage(r, type) {
  const out = { ...type.empty };
  while (r.pos < r.end) {
    const key = r.uint32();
    const wire = key & 7;
    const field = type.byNumber[key >>> 3];
    if (field === undefined || (wire !== field.wire && !(field.packed && wire === WIRE_DELIMITED))) r.skip(wire);
    else if (field.repeated) out[field.name] = readList(r, field, wire, out[field.name]);
    else if (field.message) out[field.name] = r.message(readMessage, field.message);
    else out[field.name] = field.scalar.read(r);
  }
  if (r.pos !== r.end) throw new MalformedMessage("a field is longer than its message");
  return out;
}

function typeOf(name) {
  const type = TYPES[name];
  if (!type) throw new TypeError(`no message sidepool.v1.${name}`);
  return type;
}

/** Appends `object` as a message to a Writer. */
export function encodeTo(writer, name, object) {
  writeMessage(writer, typeOf(name), object);
}

/** `object` as a message of its own. */
export function encode(name, object) {
  const writer = new Writer();
  encodeTo(writer, name, object);
  return writer.take();
}

/** The message in `buf`; byte fields are views of it. Throws MalformedMessage. */
export function decode(name, buf, pos = 0, end = buf.length) {
  return readMessage(new Reader(buf, pos, end), typeOf(name));
}
