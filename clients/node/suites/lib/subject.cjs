// SPDX-License-Identifier: MIT
// What a suite finds in the place of the package that it belongs to.
"use strict";

const name = process.env.SUITE_SUBJECT;

module.exports = require("../../cjs/pg.cjs")[name === "pg" ? "Pool" : name];
