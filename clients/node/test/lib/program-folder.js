// SPDX-License-Identifier: MIT
// A folder in which programs find this package as `sidepool`, and as `pg` what `npm:sidepool-pg` would give them; and
// everything that is installed for the tests. All of it is links: programs run with --preserve-symlinks.
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const PACKAGE = fileURLToPath(new URL("../..", import.meta.url));

export class ProgramFolder {
  constructor() {
    this.path = fs.mkdtempSync(path.join(os.tmpdir(), "spp-"));
    const modules = path.join(this.path, "node_modules");
    fs.mkdirSync(modules);
    for (const name of fs.readdirSync(path.join(PACKAGE, "node_modules")))
      if (!name.startsWith(".") && name !== "pg") fs.symlinkSync(path.join(PACKAGE, "node_modules", name), path.join(modules, name));
    fs.symlinkSync(PACKAGE, path.join(modules, "sidepool"));
    fs.symlinkSync(path.join(PACKAGE, "sidepool-pg"), path.join(modules, "pg"));
  }

  /** Puts a program there; returns its path. */
  add(name, text) {
    const file = path.join(this.path, name);
    fs.writeFileSync(file, text);
    return file;
  }

  /** Puts a copy of a folder there; returns its path. */
  addFolder(name, from) {
    const folder = path.join(this.path, name);
    fs.cpSync(from, folder, { recursive: true });
    return folder;
  }

  /** Runs it; resolves to { status, output }. */
  run(file, env, cwd = this.path) {
    const args = ["--preserve-symlinks", "--preserve-symlinks-main", "--no-warnings", file];
    const child = spawn(process.execPath, args, { env: { ...process.env, ...env }, cwd, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => resolve({ status: signal ?? code, output }));
    });
  }

  remove() {
    fs.rmSync(this.path, { recursive: true, force: true });
  }
}
