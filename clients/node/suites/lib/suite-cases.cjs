// SPDX-License-Identifier: MIT
// Preloaded into a file of node-postgres's own tests: leaves out the cases whose names are in $SUITE_EXCEPT (a JSON list) and
// tells on standard output which there were.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const suiteFile = path.join(fs.realpathSync(process.env.SUITE_FOLDER), "test", "suite.js");
const except = JSON.parse(process.env.SUITE_EXCEPT ?? "[]");
const Suite = require(suiteFile);
const { test } = Suite.prototype;

Suite.prototype.test = function (name, action) {
  const left = except.includes(name);
  process.stdout.write(`\n#case ${JSON.stringify({ name, left })}\n`);
  return test.call(this, name, left ? undefined : action);
};
