// SPDX-License-Identifier: MIT
// A PostgreSQL and a sidepoold for a test file, in a folder of a short name, gone with it.
// $SIDEPOOLD is the daemon's binary; tests/run sets it.
import { spawn, execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const RUNS_AS = "postgres"; // instead of root, whom initdb refuses

export const sidepoold = process.env.SIDEPOOLD ?? "";
export const skip = fs.existsSync(sidepoold) ? false : "$SIDEPOOLD is not set to the daemon's binary";

function postgresBinary(name) {
  const base = "/usr/lib/postgresql";
  const versions = fs.existsSync(base) ? fs.readdirSync(base).sort((a, b) => a - b).reverse() : [];
  const inVersion = versions.map((version) => path.join(base, version, "bin", name)).find((file) => fs.existsSync(file));
  return inVersion ?? name;
}

function identity() {
  if (process.getuid() !== 0) return {};
  const ask = (flag) => Number(execFileSync("id", [flag, RUNS_AS], { encoding: "utf8" }));
  return { uid: ask("-u"), gid: ask("-g") };
}

/** The environment without what would change the daemon. */
function cleanEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(SIDEPOOL_|PG|DB_|DATABASE_URL)/.test(name)));
}

/** A child process whose output is kept, and waited for. */
class Child {
  output = "";
  #watchers = [];

  constructor(command, args, options) {
    this.process = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    for (const stream of [this.process.stdout, this.process.stderr])
      stream.setEncoding("utf8").on("data", (text) => this.#add(text));
    this.exited = new Promise((resolve, reject) => {
      this.process.on("error", reject);
      this.process.on("exit", (code, signal) => {
        this.ended = true;
        for (const watcher of this.#watchers) watcher();
        resolve(signal ?? code);
      });
    });
    this.exited.catch(() => {});
  }

  #add(text) {
    this.output += text;
    for (const watcher of this.#watchers) watcher();
  }

  /** Resolves when the output has `pattern`; rejects if the process ends before. */
  says(pattern) {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (pattern.test(this.output)) resolve();
        else if (this.ended) reject(new Error(`${this.process.spawnargs[0]} ended before it said ${pattern}:\n${this.output}`));
      };
      this.#watchers.push(look);
      look();
    });
  }

  async stop(signal = "SIGTERM") {
    if (!this.ended) this.process.kill(signal);
    return this.exited;
  }
}

export class Postgres {
  async start(settings = {}) {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), "spg-"));
    const who = identity();
    if (who.uid !== undefined) fs.chownSync(this.folder, who.uid, who.gid);
    const data = path.join(this.folder, "data");
    const init = ["-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"];
    execFileSync(postgresBinary("initdb"), init, { ...who, stdio: "pipe", cwd: this.folder });
    const all = {
      listen_addresses: "", unix_socket_directories: this.folder, max_connections: 30, fsync: "off", max_prepared_transactions: 5,
      ...settings,
    };
    const args = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    this.child = new Child(postgresBinary("postgres"), ["-D", data, ...args], { ...who, cwd: this.folder });
    await this.child.says(/ready to accept connections/);
    this.url = `postgresql://postgres@/postgres?host=${this.folder}`;
    return this;
  }

  async stop() {
    await this.child?.stop("SIGINT");
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

export class Daemon {
  constructor(postgres, settings = {}) {
    this.postgres = postgres;
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), "spd-"));
    this.socket = path.join(this.folder, "rpc.sock");
    this.config = path.join(this.folder, "sidepool.conf");
    const { sections = "", ...main } = settings;
    const lines = Object.entries({ socket: this.socket, ...main }).map(([name, value]) => `${name} = ${value}`);
    fs.writeFileSync(this.config, `[sidepool]\n${lines.join("\n")}\n${sections}\n`);
  }

  async start() {
    this.child = new Child(sidepoold, ["--config", this.config, this.postgres.url], { env: cleanEnvironment() });
    await this.child.says(/listening on/);
    return this;
  }

  /** Resolves to the exit status, or the signal. */
  stop(signal) {
    return this.child.stop(signal);
  }

  async restart() {
    await this.stop();
    await this.start();
  }

  async remove() {
    await this.child?.stop();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}
