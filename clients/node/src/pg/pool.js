// SPDX-License-Identifier: MIT
// node-postgres's Pool. What it pools are clients, which hold nothing of the database until a transaction begins: `max`
// bounds how many parts of this program ask at once, and how many connections there are is the daemon's business.
import { EventEmitter } from "node:events";
import { originOf } from "../call-site.js";
import { Client } from "./client.js";

const NOTHING = () => {};

function timedOut(message, cause) {
  return new Error(message, cause ? { cause } : undefined);
}

/** Keeps a secret out of what is printed of an object. */
function hide(object, name, value) {
  Object.defineProperty(object, name, { configurable: true, enumerable: false, writable: true, value });
}

/** Someone who waits for a client: callback(error, client, release). */
class Waiter {
  timer = null;
  gone = false;

  constructor(callback) {
    this.callback = callback;
  }

  done(error, client, release = NOTHING) {
    clearTimeout(this.timer);
    if (!this.gone) this.callback(error, client, release);
  }
}

export class Pool extends EventEmitter {
  constructor(options, BoundClient) {
    super();
    this.options = { ...options };
    if (options && "password" in options) hide(this.options, "password", options.password);
    if (options?.ssl?.key) hide(this.options.ssl, "key", options.ssl.key);
    this.options.max ||= this.options.poolSize || 10;
    this.options.min ||= 0;
    this.options.maxUses ||= Infinity;
    this.options.allowExitOnIdle ||= false;
    this.options.maxLifetimeSeconds ||= 0;
    this.options.idleTimeoutMillis ??= 10_000;
    this.log = this.options.log || NOTHING;
    this.Client = this.options.Client || BoundClient || Client;
    this.Promise = this.options.Promise || Promise;
    this._clients = [];
    this._idle = []; // { client, onError, timer }, the last used at the end
    this._expired = new WeakSet();
    this._pendingQueue = [];
    this._endCallback = undefined;
    this.ending = false;
    this.ended = false;
  }

  get totalCount() {
    return this._clients.length;
  }

  get idleCount() {
    return this._idle.length;
  }

  get waitingCount() {
    return this._pendingQueue.length;
  }

  get expiredCount() {
    return this._clients.filter((client) => this._expired.has(client)).length;
  }

  _isFull() {
    return this._clients.length >= this.options.max;
  }

  _isAboveMin() {
    return this._clients.length > this.options.min;
  }

  /** { result, callback }: a promise, or nothing where there is a callback. */
  #answer(callback) {
    if (callback) return { callback, result: undefined };
    let settle;
    const result = new this.Promise((resolve, reject) => {
      settle = (error, value) => (error ? reject(error) : resolve(value));
    }).catch((error) => {
      if (error instanceof Error) Error.captureStackTrace(error);
      throw error;
    });
    return { callback: settle, result };
  }

  connect(callback) {
    const answer = this.#answer(callback);
    if (this.ending) {
      answer.callback(new Error("Cannot use a pool after calling end on the pool"));
      return answer.result;
    }
    const waiter = new Waiter(answer.callback);
    if (this._isFull() || this._idle.length > 0) {
      if (this._idle.length > 0) process.nextTick(() => this._pulseQueue());
      this.#armWait(waiter);
      this._pendingQueue.push(waiter);
    } else {
      this.newClient(waiter);
    }
    return answer.result;
  }

  #armWait(waiter) {
    const ms = this.options.connectionTimeoutMillis;
    if (!ms) return;
    waiter.timer = setTimeout(() => {
      this._pendingQueue = this._pendingQueue.filter((other) => other !== waiter);
      waiter.done(timedOut("timeout exceeded when trying to connect"));
      waiter.gone = true;
    }, ms);
    waiter.timer.unref();
  }

  /** Serves the first who waits, if that can be. */
  _pulseQueue() {
    this.log("pulse queue");
    if (this.ended) {
      this.log("pulse queue ended");
      return;
    }
    if (this.ending) {
      this.#endIfEmpty();
      return;
    }
    if (this._pendingQueue.length === 0) {
      this.log("no queued requests");
      return;
    }
    if (this._idle.length === 0 && this._isFull()) return;
    const waiter = this._pendingQueue.shift();
    const idle = this._idle.pop();
    if (!idle) {
      this.newClient(waiter);
      return;
    }
    clearTimeout(idle.timer);
    idle.client.ref?.();
    this._acquireClient(idle.client, waiter, idle.onError, false);
  }

  #endIfEmpty() {
    this.log("pulse queue on ending");
    for (const { client } of [...this._idle]) this._remove(client);
    if (this._clients.length > 0) return;
    this.ended = true;
    this._endCallback();
  }

  newClient(waiter) {
    const client = new this.Client(this.options);
    this._clients.push(client);
    const onError = (error) => this.#idleFailed(client, onError, error);
    let late = false;
    let timer = null;
    if (this.options.connectionTimeoutMillis) {
      this.log("checking client timeout");
      timer = setTimeout(() => {
        this.log("ending client due to timeout");
        late = true;
        if (client.connection) client.connection.stream.destroy();
        else client.end();
      }, this.options.connectionTimeoutMillis);
    }
    this.log("connecting new client");
    client.connect((error) => {
      clearTimeout(timer);
      client.on("error", onError);
      if (error) this.#connectFailed(client, waiter, late ? timedOut("Connection terminated due to connection timeout", error) : error);
      else this.#connected(client, waiter, onError);
    });
  }

  #idleFailed(client, onError, error) {
    error.client = client;
    client.removeListener("error", onError);
    client.on("error", () => this.log("additional client error after disconnection due to error", error));
    this._remove(client);
    this.emit("error", error, client);
  }

  #connectFailed(client, waiter, error) {
    this.log("client failed to connect", error);
    this._clients = this._clients.filter((other) => other !== client);
    this._pulseQueue();
    waiter.done(error, undefined);
  }

  #connected(client, waiter, onError) {
    this.log("new client connected");
    const { onConnect } = this.options;
    if (!onConnect) {
      this._afterConnect(client, waiter, onError);
      return;
    }
    new this.Promise((resolve) => resolve(onConnect(client))).then(
      () => this._afterConnect(client, waiter, onError),
      (error) => {
        this._clients = this._clients.filter((other) => other !== client);
        client.end(() => {
          this._pulseQueue();
          waiter.done(error, undefined);
        });
      },
    );
  }

  _afterConnect(client, waiter, onError) {
    if (this.options.maxLifetimeSeconds !== 0) this.#armLifetime(client, onError);
    this._acquireClient(client, waiter, onError, true);
  }

  #armLifetime(client, onError) {
    const timer = setTimeout(() => {
      this.log("ending client due to expired lifetime");
      this._expired.add(client);
      if (this._idle.some((idle) => idle.client === client))
        this._acquireClient(client, new Waiter((error, _, release) => release()), onError, false);
    }, this.options.maxLifetimeSeconds * 1000);
    timer.unref();
    client.once("end", () => clearTimeout(timer));
  }

  _acquireClient(client, waiter, onError, isNew) {
    if (isNew) this.emit("connect", client);
    this.emit("acquire", client);
    client.release = this.#releaseOnce(client, onError);
    client.removeListener("error", onError);
    const { verify } = this.options;
    if (isNew && verify) {
      verify(client, (error) => {
        if (error) client.release(error);
        this.#handOver(client, waiter, error);
      });
    } else {
      this.#handOver(client, waiter, null);
    }
  }

  #handOver(client, waiter, error) {
    if (error) waiter.done(error, undefined);
    else if (waiter.gone) client.release();
    else waiter.done(undefined, client, client.release);
  }

  #releaseOnce(client, onError) {
    let released = false;
    return (error) => {
      if (released) throw new Error("Release called on client which has already been released to the pool.");
      released = true;
      this._release(client, onError, error);
    };
  }

  _release(client, onError, error) {
    client.on("error", onError);
    client._poolUseCount = (client._poolUseCount || 0) + 1;
    this.emit("release", error, client);
    if (error || this.ending || !client._queryable || client._ending || client._poolUseCount >= this.options.maxUses) {
      if (client._poolUseCount >= this.options.maxUses) this.log("remove expended client");
      this._remove(client, () => this._pulseQueue());
    } else if (this._expired.has(client)) {
      this.log("remove expired client");
      this._expired.delete(client);
      this._remove(client, () => this._pulseQueue());
    } else {
      this.#rollBackLeftovers(client, onError);
    }
  }

  /** Nobody gets a client with somebody else's transaction. */
  #rollBackLeftovers(client, onError) {
    const status = client.getTransactionStatus?.() ?? "I";
    if (status === "I" || !client._reset) {
      this.#makeIdle(client, onError);
      return;
    }
    this.log("rolling back what a released client left open");
    client._reset().then(
      () => this.#makeIdle(client, onError),
      () => this._remove(client, () => this._pulseQueue()),
    );
  }

  #makeIdle(client, onError) {
    const idle = { client, onError, timer: null };
    const { idleTimeoutMillis, allowExitOnIdle } = this.options;
    if (idleTimeoutMillis && this._isAboveMin()) {
      idle.timer = setTimeout(() => {
        if (!this._isAboveMin()) return;
        this.log("remove idle client");
        this._remove(client, () => this._pulseQueue());
      }, idleTimeoutMillis);
      if (allowExitOnIdle) idle.timer.unref();
    }
    if (allowExitOnIdle) client.unref?.();
    this._idle.push(idle);
    this._pulseQueue();
  }

  _remove(client, callback = NOTHING) {
    const at = this._idle.findIndex((idle) => idle.client === client);
    if (at >= 0) clearTimeout(this._idle.splice(at, 1)[0].timer);
    this._clients = this._clients.filter((other) => other !== client);
    client.end(() => {
      this.emit("remove", client);
      callback();
    });
  }

  query(text, values, callback) {
    const answer = this.#answer([text, values, callback].find((argument) => typeof argument === "function"));
    if (typeof text === "function") {
      setImmediate(() => answer.callback(new Error("Passing a function as the first parameter to pool.query is not supported")));
      return answer.result;
    }
    const origin = originOf(text);
    this.connect((error, client) => {
      if (error) answer.callback(error);
      else this.#queryOn(client, origin, text, typeof values === "function" ? undefined : values, answer.callback);
    });
    return answer.result;
  }

  #queryOn(client, origin, text, values, callback) {
    let released = false;
    const finish = (error, result) => {
      if (released) return;
      released = true;
      client.removeListener("error", finish);
      client.release(error);
      if (error) callback(error);
      else callback(undefined, result);
    };
    client.once("error", finish);
    this.log("dispatching query");
    client._origin = origin;
    try {
      client.query(text, values, (error, result) => {
        this.log("query dispatched");
        finish(error, result);
      });
    } catch (error) {
      finish(error);
    } finally {
      client._origin = null;
    }
  }

  end(callback) {
    this.log("ending");
    const answer = this.#answer(callback);
    if (this.ending) {
      answer.callback(new Error("Called end on pool more than once"));
      return answer.result;
    }
    this.ending = true;
    this._endCallback = answer.callback;
    this._pulseQueue();
    return answer.result;
  }

  async [Symbol.asyncDispose]() {
    if (!this.ending) await this.end();
  }
}
