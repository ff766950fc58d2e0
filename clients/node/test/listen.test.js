// SPDX-License-Identifier: MIT
// LISTEN over the daemon's events: on the real daemon, and where connections break on one that does what it is told.
import assert from "node:assert/strict";
import net from "node:net";
import path from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { connect, open } from "../src/index.js";
import { Client, Pool } from "../src/pg/index.js";
import { FakeDaemon, HELLO } from "./lib/fake-daemon.js";
import { encode } from "./lib/reference.js";
import { Daemon, Postgres, skip } from "./lib/servers.js";

/** The payloads of the next `n`. */
async function payloads(listener, n) {
  const found = [];
  while (found.length < n) found.push((await listener.next()).value.payload);
  return found;
}

describe("listen", { skip }, () => {
  let postgres;
  let daemon;
  let db;

  const notify = (channel, payload) => db.query("select pg_notify($1, $2)", [channel, payload]);

  before(async () => {
    postgres = await new Postgres().start();
    daemon = await new Daemon(postgres, { budget: 4 }).start();
  });

  beforeEach(async () => {
    db = await connect(daemon.socket);
  });

  afterEach(() => db.close());

  after(async () => {
    await daemon?.remove();
    await postgres?.stop();
  });

  test("what is notified comes by itself, to each who listens", async () => {
    const [one, two, other] = [db.listen("Jobs"), db.listen("Jobs"), db.listen("other")];
    await Promise.all([one.ready, two.ready, other.ready]);
    await notify("Jobs", "a");
    await notify("jobs", "of another name");
    await notify("Jobs", "");
    const { value } = await one.next();
    assert.deepEqual([value.channel, value.payload, value.backendPid > 0], ["Jobs", "a", true]);
    assert.deepEqual(await payloads(one, 1), [""]);
    assert.deepEqual(await payloads(two, 2), ["a", ""]);
    await one.close();
    await notify("Jobs", "b");
    assert.deepEqual(await payloads(two, 1), ["b"]);
    assert.deepEqual(await one.next(), { value: undefined, done: true });
    await notify("other", "c");
    for await (const { payload } of other) {
      assert.equal(payload, "c");
      break;
    }
    assert.equal((await other.next()).done, true);
  });

  test("it ends with its signal, or with the handle", async () => {
    const controller = new AbortController();
    const listener = db.listen("jobs", { signal: controller.signal });
    const next = listener.next();
    controller.abort(new Error("enough"));
    await assert.rejects(next, (error) => error.name === "AbortError" && error.cause.message === "enough");
    assert.equal((await listener.next()).done, true);
    await assert.rejects(db.listen("jobs", { signal: controller.signal }).next(), { name: "AbortError" });
    const mine = await connect(daemon.socket);
    const left = mine.listen("jobs").next();
    await mine.close();
    assert.equal((await left).done, true);
  });

  test("what cannot be listened to says why", async () => {
    assert.throws(() => db.listen(""), { code: "INVALID_ARGUMENT" });
    const listener = db.listen("jobs", { pool: "none" });
    await assert.rejects(listener.ready, { code: "UNKNOWN_POOL" });
    await assert.rejects(listener.next(), { code: "UNKNOWN_POOL" });
    assert.equal((await listener.next()).done, true);
  });

  test("who takes none is told how many were lost, and keeps the first", async () => {
    const gaps = [];
    const listener = db.listen("jobs", { maxQueued: 2, onGap: (gap) => gaps.push(gap.lost) });
    const seen = db.listen("jobs");
    await Promise.all([listener.ready, seen.ready]);
    for (const payload of ["1", "2", "3", "4"]) await notify("jobs", payload);
    await payloads(seen, 4);
    assert.deepEqual([await payloads(listener, 2), gaps], [["1", "2"], [2]]);
    await Promise.all([listener.close(), seen.close()]);
  });

  test("it listens again after the daemon has restarted, and tells the gap", async () => {
    const gaps = [];
    let again;
    const over = new Promise((resolve) => (again = resolve));
    const listener = db.listen("jobs", { onGap: (gap) => (gaps.push([gap.over, gap.lost]), gap.over && again()) });
    await listener.ready;
    await daemon.restart();
    await over;
    await notify("jobs", "after");
    assert.deepEqual(await payloads(listener, 1), ["after"]);
    assert.deepEqual(gaps, [[false, null], [true, null]]);
    await listener.close();
  });

  for (const lease of ["transaction", "session"]) {
    test(`a client of node-postgres hears without asking, lease ${lease}`, async () => {
      const client = new Client({ sidepool: { socket: daemon.socket, lease } });
      const pool = new Pool({ sidepool: { socket: daemon.socket } });
      const heard = [];
      let waiting;
      client.on("notification", ({ channel, payload, processId }) => {
        heard.push([channel, payload, processId > 0]);
        if (payload === "last") waiting();
      });
      const last = new Promise((resolve) => (waiting = resolve));
      await client.connect();
      for (const text of ["LISTEN Jobs", "LISTEN gone -- for now"]) assert.equal((await client.query(text)).command, "LISTEN");
      const several = await client.query('listen "Jobs"; LISTEN "of ""two"; unlisten "of ""two";'); // as graphile-worker does
      assert.deepEqual(several.map(({ command }) => command), ["LISTEN", "LISTEN", "UNLISTEN"]);
      assert.equal((await client.query("UNLISTEN gone")).command, "UNLISTEN");
      for (const [channel, payload] of [["jobs", "1"], ["Jobs", "2"], ["gone", "3"], ['of "two', "4"], ["jobs", "last"]])
        await pool.query("select pg_notify($1, $2)", [channel, payload]);
      await last;
      assert.deepEqual(heard.sort(), [["Jobs", "2", true], ["jobs", "1", true], ["jobs", "last", true]]);
      await client.query("UNLISTEN *");
      await pool.end();
      await client.end();
    });
  }

  test("a LISTEN that nobody would hear is refused", async () => {
    const client = new Client({ sidepool: { socket: daemon.socket } });
    await client.connect();
    for (const text of ["listen x; select 1", "begin; listen x; commit", "listen x; listen"])
      await assert.rejects(client.query(text), { code: "SESSION_REQUIRED", outcome: "not sent", message: /nobody/ }, text);
    await client.query("begin");
    await assert.rejects(client.query("listen x"), { code: "SESSION_REQUIRED", message: /nobody/ });
    await client.query("rollback");
    await client.end();
  });
});

/** The daemon's publisher, as far as a test needs it. */
class Publisher {
  subscribers = [];
  #waiting = [];

  constructor(file) {
    this.path = file;
  }

  async listen() {
    this.server = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", (greeting) => {
        assert.equal(greeting.toString("hex"), "0053500000210000");
        socket.write(Buffer.from("0053500000200000", "hex"));
        this.subscribers.push(socket);
        for (const resolve of this.#waiting.splice(0)) resolve();
      });
    });
    await new Promise((resolve) => this.server.listen(this.path, resolve));
    return this;
  }

  /** Resolves with the next subscriber. */
  subscribed() {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  publish(topic, event) {
    const body = Buffer.concat([Buffer.from(`${topic}\0`), encode("Event", { instanceId: HELLO.instanceId, ...event })]);
    const head = Buffer.alloc(9);
    head[0] = 1;
    head.writeBigUInt64BE(BigInt(body.length), 1);
    for (const socket of this.subscribers) socket.write(Buffer.concat([head, body]));
  }

  cut() {
    for (const socket of this.subscribers.splice(0)) socket.destroy();
  }

  async close() {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

describe("listen, where connections break", () => {
  const TOPIC = "notify/main/jobs";
  let fake;
  let publisher;
  let db;
  let sequence;

  const notification = (number, payload) =>
    publisher.publish(TOPIC, { sequence: number, notification: { channel: "jobs", payload, backendPid: 1 } });

  beforeEach(async () => {
    sequence = 0;
    fake = await new FakeDaemon(({ request, reply }) => {
      if (!request.listen) return reply({});
      reply({ listen: { eventsUrl: `ipc://${publisher.path}`, topic: Buffer.from(`${TOPIC}\0`), sequence } });
      return publisher.publish(TOPIC, { sequence, mark: {} });
    }).listen();
    publisher = await new Publisher(path.join(fake.folder, "events.sock")).listen();
    db = open(fake.path);
  });

  afterEach(async () => {
    db.destroy();
    await publisher.close();
    await fake.remove();
  });

  test("the sequence numbers tell what was lost on the way", async () => {
    const gaps = [];
    const listener = db.listen("jobs", { onGap: ({ lost, over }) => gaps.push([lost, over]) });
    await listener.ready;
    notification(1, "a");
    notification(5, "b");
    assert.deepEqual([await payloads(listener, 2), gaps], [["a", "b"], [[3, true]]]);
    publisher.publish("notify/main/other", { sequence: 9, notification: { channel: "other", payload: "x" } });
    publisher.publish(TOPIC, { sequence: 6, gap: { over: false, reason: "paused" } });
    notification(7, "c");
    assert.deepEqual([await payloads(listener, 1), gaps], [["c"], [[3, true], [null, false]]]);
  });

  test("a subscription that is cut is made again, and its mark tells what was lost meanwhile", async () => {
    const gaps = [];
    const listener = db.listen("jobs", { onGap: ({ lost }) => gaps.push(lost) });
    await listener.ready;
    notification(1, "a");
    await payloads(listener, 1);
    sequence = 4; // three more, while nobody hears
    const again = publisher.subscribed();
    publisher.cut();
    await again;
    const next = payloads(listener, 1);
    notification(5, "b");
    assert.deepEqual([await next, gaps], [["b"], [3]]);
  });

  test("what is no event ends the subscription, not the program", async () => {
    const listener = db.listen("jobs");
    await listener.ready;
    const again = publisher.subscribed();
    for (const socket of publisher.subscribers.splice(0)) socket.write(Buffer.alloc(16, 0xff));
    await again;
    notification(1, "a");
    assert.deepEqual(await payloads(listener, 1), ["a"]);
  });
});
