// SPDX-License-Identifier: MIT
// LISTEN for as many as want to hear, over what the daemon listens to for all processes of the host: each channel is asked for
// by a Listen on the RPC connection, and what is notified comes by the events socket. Both may be lost and are made anew;
// a channel is "on" once its Listen was answered and a message has come by the events socket: behind each Listen there is
// a mark for that. What was lost on the way is told to who listens, as a gap: by the sequence numbers where those tell how
// much it was, else without a number.
//
//	off --Listen--> asked --its answer--> answered --the socket is heard--> on     (any --a connection is lost--> off)
import { SidepoolError } from "./errors.js";
import { Subscriber, pathOfUrl } from "./subscriber.js";
import { check } from "./transport.js";

const RETRY_FIRST_MS = 20;
const RETRY_LAST_MS = 1000;
/** A channel of a pool, and who hears of it. */
class Channel {
  state = "off";
  topic = null;
  instanceId = 0;
  sequence = null; // of the last event; null before the first mark
  listeners = new Set();
  timer = null;
  retryMs = RETRY_FIRST_MS;
  connection = null; // that asked
  wasOn = false;
  broken = false; // since it was on, a Listen was lost

  constructor(pool, name) {
    this.pool = pool;
    this.name = name;
  }

  gap(gap) {
    for (const listener of this.listeners) listener.gap(gap);
  }
}

/** To Listen twice does no harm: where the answer is unknown it is asked again. */
function isPassing(error) {
  return error.retryable || error.outcome === "outcome unknown" || error.code === "DEADLINE_EXCEEDED";
}

export class Listening {
  #transport;
  #channels = new Map(); // [pool, name] as JSON -> Channel
  #topics = new Map(); // topic -> Channel
  #subscriber = null;
  #heard = false; // something has come by this subscriber
  #reconnect = null;

  constructor(transport) {
    this.#transport = transport;
  }

  /** `listener`: { on(), notification(event), gap(gap), failed(error) } */
  add(pool, name, listener) {
    const key = JSON.stringify([pool, name]);
    let channel = this.#channels.get(key);
    if (!channel) {
      if (this.#channels.size === 0) this.#begin();
      channel = new Channel(pool, name);
      this.#channels.set(key, channel);
    }
    channel.listeners.add(listener);
    if (channel.state === "on") queueMicrotask(() => listener.on());
    else if (channel.state === "off" && !channel.timer) this.#ask(channel);
  }

  remove(pool, name, listener) {
    const key = JSON.stringify([pool, name]);
    const channel = this.#channels.get(key);
    if (!channel?.listeners.delete(listener) || channel.listeners.size > 0) return;
    this.#channels.delete(key);
    this.#forget(channel);
    const message = { unlisten: { channel: name }, ...(pool ? { pool } : {}) };
    if (channel.connection?.state === "ready")
      this.#transport.request(message, { connection: channel.connection }).catch(() => {}); // it ends with the connection too
    if (this.#channels.size === 0) this.#end();
  }

  #forget(channel) {
    clearTimeout(channel.timer);
    channel.timer = null;
    if (channel.topic !== null) this.#topics.delete(channel.topic);
  }

  #begin() {
    this.#transport.hold(true);
    this.#transport.watchers.add(this);
  }

  #end() {
    this.#transport.hold(false);
    this.#transport.watchers.delete(this);
    clearTimeout(this.#reconnect);
    this.#reconnect = null;
    this.#subscriber?.close();
    this.#subscriber = null;
  }

  /** A connection of the transport was lost, and what it had asked for with it. */
  lost(connection) {
    for (const channel of this.#channels.values()) {
      if (channel.connection !== connection) continue;
      channel.connection = null;
      if (channel.wasOn && !channel.broken) channel.gap({ lost: null, over: false, reason: "the connection to the daemon was lost" });
      channel.broken = channel.wasOn;
      this.#off(channel);
    }
  }

  #off(channel) {
    clearTimeout(channel.timer);
    channel.timer = null;
    channel.state = "off";
    this.#ask(channel);
  }

  async #ask(channel) {
    channel.state = "asked";
    let response;
    try {
      const message = { listen: { channel: channel.name }, ...(channel.pool ? { pool: channel.pool } : {}) };
      response = check(await this.#transport.request(message));
    } catch (error) {
      this.#failed(channel, error);
      return;
    }
    if (channel.listeners.size === 0 || channel.state !== "asked") return;
    this.#answered(channel, response);
  }

  #failed(channel, error) {
    if (channel.listeners.size === 0) return;
    channel.state = "off";
    if (!channel.wasOn || this.#transport.closed || !isPassing(error)) {
      for (const listener of [...channel.listeners]) listener.failed(error);
      return;
    }
    this.#later(channel);
  }

  #later(channel) {
    channel.timer = setTimeout(() => this.#off(channel), channel.retryMs);
    channel.retryMs = Math.min(2 * channel.retryMs, RETRY_LAST_MS);
  }

  #answered(channel, { listen, connection }) {
    channel.state = "answered";
    channel.connection = connection;
    const topic = listen.topic.toString("utf8", 0, listen.topic.length - 1);
    if (channel.topic !== topic && channel.topic !== null) this.#topics.delete(channel.topic);
    channel.topic = topic;
    this.#topics.set(topic, channel);
    const { instanceId } = connection.hello;
    if (channel.instanceId !== instanceId) {
      channel.instanceId = instanceId;
      channel.sequence = Number(listen.sequence);
    }
    this.#subscribe(listen.eventsUrl);
    if (this.#heard) this.#on(channel);
    else this.#later(channel); // its mark went by before the socket was connected
  }

  #subscribe(url) {
    if (this.#subscriber) return;
    this.#heard = false;
    const path = pathOfUrl(url);
    if (path === null) {
      this.#failAll(new SidepoolError("UNSUPPORTED", `the daemon's events are at ${url || "no socket"}, not at a Unix socket`));
      return;
    }
    this.#subscriber = new Subscriber(path, {
      wants: (topic) => this.#topics.has(topic),
      onReady: () => this.#askAgain(),
      onEvent: (topic, event) => this.#event(this.#topics.get(topic), event),
      onEnd: () => this.#subscriberEnded(url),
    });
  }

  #failAll(error) {
    for (const channel of [...this.#channels.values()])
      for (const listener of [...channel.listeners]) listener.failed(error);
  }

  /** The events socket is connected (again): Listen anew, for the mark. */
  #askAgain() {
    for (const channel of this.#channels.values()) if (channel.state === "answered") this.#off(channel);
  }

  #subscriberEnded(url) {
    this.#subscriber = null;
    this.#heard = false;
    for (const channel of this.#channels.values()) if (channel.state === "on") channel.state = "answered";
    this.#reconnect = setTimeout(() => {
      this.#reconnect = null;
      if (this.#channels.size > 0) this.#subscribe(url);
    }, RETRY_FIRST_MS);
  }

  #event(channel, event) {
    if (!this.#heard) {
      this.#heard = true;
      for (const other of this.#channels.values()) if (other.state === "answered" && other !== channel) this.#on(other);
    }
    if (event.instanceId !== channel.instanceId) {
      if (channel.state === "on") this.#off(channel); // the answer to Listen begins to count anew
      return;
    }
    if (!this.#count(channel, event)) return;
    if (channel.state === "answered") this.#on(channel);
    if (event.gap) channel.gap({ lost: null, over: event.gap.over, reason: event.gap.reason });
    else if (event.notification) for (const listener of [...channel.listeners]) listener.notification(event);
  }

  /** Tells what the sequence numbers say was lost; false: it is older than the Listen. */
  #count(channel, event) {
    const sequence = Number(event.sequence);
    const lost = sequence - channel.sequence - (event.mark ? 0 : 1);
    if (lost < 0) return Boolean(event.mark);
    channel.sequence = sequence;
    if (lost > 0) channel.gap({ lost, over: true, reason: "this process read too slowly, or was not connected" });
    return true;
  }

  #on(channel) {
    clearTimeout(channel.timer);
    channel.timer = null;
    channel.state = "on";
    channel.wasOn = true;
    channel.retryMs = RETRY_FIRST_MS;
    if (channel.broken) channel.gap({ lost: null, over: true, reason: "listening again" });
    channel.broken = false;
    for (const listener of [...channel.listeners]) listener.on();
  }
}

const listenings = new WeakMap(); // Transport -> Listening

export function listeningOf(transport) {
  let listening = listenings.get(transport);
  if (!listening) listenings.set(transport, (listening = new Listening(transport)));
  return listening;
}
