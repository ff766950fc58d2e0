// SPDX-License-Identifier: MIT
// The contract as protobufjs reads it: an encoder and decoder that are not ours.
import path from "node:path";
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";

const PROTO = fileURLToPath(new URL("../../../../proto", import.meta.url));

const root = new protobuf.Root();
root.resolvePath = (_, target) => path.join(PROTO, target);
root.loadSync(["sidepool/v1/rpc.proto", "sidepool/v1/events.proto"]).resolveAll();

export const namespace = root.lookup("sidepool.v1");
export const lookupType = (name) => namespace.lookupType(name);

export function encode(name, object) {
  const type = lookupType(name);
  return Buffer.from(type.encode(type.fromObject(object)).finish());
}

/** With 64 bit integers as text. */
export function decode(name, buf) {
  const type = lookupType(name);
  return type.toObject(type.decode(buf), { longs: String, bytes: Buffer });
}
