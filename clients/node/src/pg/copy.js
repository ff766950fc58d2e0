// SPDX-License-Identifier: MIT
// COPY on a client, in its turn: client.copyFrom(text) is a Writable, client.copyTo(text) a Readable.
import { PassThrough, Readable, Writable } from "node:stream";
import { copyFrom, copyTo } from "../copy.js";
import { asPgError } from "./database-error.js";

/** What a client submits; `work(connection)` does it. */
function turn(work) {
  return {
    submit(connection) {
      this.started = work(connection).then(() => connection.ready());
      return null;
    },
    handleError(error) {
      this.failed(error);
    },
    handleReadyForQuery() {},
    failed(_error) {},
  };
}

export function copyIn(client, text) {
  const data = new PassThrough();
  const query = turn(async (connection) => {
    try {
      const ready = await connection.runner.copy({ copyIn: { sql: text } }, connection.requestOf({ text }));
      settle(null, await copyFrom(connection.runner.transport, ready, data, {}));
    } catch (error) {
      settle(asPgError(error));
    }
  });
  let settle;
  const done = new Promise((resolve, reject) => {
    settle = (error, result) => (error ? reject(error) : resolve(result));
  });
  const stream = new Writable({
    write: (chunk, encoding, callback) => {
      if (data.write(chunk)) callback();
      else data.once("drain", callback);
    },
    final: (callback) => {
      data.end();
      done.then((result) => {
        stream.rowCount = result.rowCount;
        callback();
      }, callback);
    },
    destroy: (error, callback) => {
      data.destroy(error ?? new Error("the stream was destroyed"));
      callback(error);
    },
  });
  done.catch((error) => stream.destroy(error));
  query.failed = (error) => settle(error);
  client.query(query);
  return stream;
}

export function copyOut(client, text) {
  let start;
  const started = new Promise((resolve, reject) => {
    start = (error, connection) => (error ? reject(error) : resolve(connection));
  });
  let end;
  const query = turn(async (connection) => {
    start(null, connection);
    await new Promise((resolve) => {
      end = resolve;
    });
  });
  query.failed = (error) => start(error);
  client.query(query);
  const pieces = async function* () {
    const connection = await started;
    try {
      const { runner } = connection;
      yield* copyTo(runner.transport, () => runner.copy({ copyOut: { sql: text } }, connection.requestOf({ text })), {});
    } catch (error) {
      throw asPgError(error);
    } finally {
      end();
    }
  };
  return Readable.from(pieces(), { objectMode: false });
}
