// SPDX-License-Identifier: MIT
// Runs a file of somebody else's mocha suite in a process of its own and tells how each of its cases ended.
import { spawn } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const MOCHA = createRequire(import.meta.url).resolve("mocha/bin/mocha.js");
const RESOLVE = fileURLToPath(new URL("resolve.cjs", import.meta.url));

/** Runs Node with `pg` replaced, also in what it starts; resolves to { status, output }. */
export function runReplaced(args, { env, folder, limitMs = 120_000 }) {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env, SUITE_FOLDER: folder, NODE_OPTIONS: `--require ${RESOLVE}` },
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: limitMs,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  return new Promise((resolve, reject) =>
    child.on("error", reject).on("close", (code, signal) => resolve({ status: signal ?? code, output })),
  );
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Without the cases whose full titles are in `except`. Resolves to [{ title, state: "passed" | "failed" | "pending", error }]. */
export async function mocha(file, { folder, env = {}, except = [], dry = false }) {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "sps-"));
  const report = path.join(scratch, "report.json");
  const args = [MOCHA, "--no-config", "--timeout", "20000", "--exit", "--reporter", "json", "--reporter-option", `output=${report}`];
  if (dry) args.push("--dry-run");
  if (except.length > 0) args.push("--invert", "--grep", `^(${except.map(escaped).join("|")})$`);
  try {
    const { status, output } = await runReplaced([...args, file], { env, folder });
    if (!fs.existsSync(report)) throw new Error(`mocha left with ${status} and no report:\n${output}`);
    return cases(JSON.parse(fs.readFileSync(report, "utf8")));
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

/** Of a hook that failed there is a failure, and none of its cases. */
function cases({ tests, failures, pending }) {
  const known = new Set(tests.map((test) => test.fullTitle));
  const waiting = new Set(pending.map((test) => test.fullTitle));
  const stateOf = (test) => (waiting.has(test.fullTitle) ? "pending" : Object.keys(test.err).length > 0 ? "failed" : "passed");
  return [...tests, ...failures.filter((test) => !known.has(test.fullTitle))].map((test) => ({
    title: test.fullTitle,
    state: stateOf(test),
    error: test.err.stack ?? test.err.message,
  }));
}
