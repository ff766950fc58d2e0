// SPDX-License-Identifier: MIT
// Preloaded into a suite that was written for node-postgres: `pg` is sidepool-pg there. $SUITE_FOLDER is the package that the
// suite belongs to; with $SUITE_SUBJECT (Pool, Cursor, QueryStream) that is ours, else it is itself on our Client.
"use strict";

const fs = require("node:fs");
const Module = require("node:module");
const path = require("node:path");

const PACKAGE = path.resolve(__dirname, "../..");
const FOLDER = process.env.SUITE_FOLDER && fs.realpathSync(process.env.SUITE_FOLDER);
const LIB = FOLDER && path.join(FOLDER, "lib");
const SUBJECT = process.env.SUITE_SUBJECT;

const ours = (name) => path.join(PACKAGE, "sidepool-pg", "lib", `${name.replace(/\.js$/, "") || "index"}.js`);

/** A file of the suite's own package. */
function replacedFile(file) {
  if (!SUBJECT) return undefined;
  if (SUBJECT !== "pg") return file === FOLDER || file === path.join(FOLDER, "index.js") ? path.join(__dirname, "subject.cjs") : undefined;
  return file === LIB || file.startsWith(LIB + path.sep) ? ours(path.relative(LIB, file)) : undefined;
}

function replaced(request, parent) {
  if (request === "sidepool/pg") return path.join(PACKAGE, "cjs", "pg.cjs");
  if (request === "pg") return ours("index");
  if (request.startsWith("pg/lib/")) return ours(request.slice("pg/lib/".length));
  if (request === "pg-pool" && SUBJECT === "pg") return path.join(__dirname, "subject.cjs");
  return FOLDER && parent?.filename && /^\.?\.?\//.test(`${request}/`)
    ? replacedFile(path.resolve(path.dirname(parent.filename), request))
    : undefined;
}

const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, parent, ...rest) {
  return replaced(request, parent) ?? resolve.call(this, request, parent, ...rest);
};
