// SPDX-License-Identifier: MIT
"use strict";
// An ordinary object, as node-postgres's is: programs and tracers replace its members.
module.exports = require("../src/pg/index.js").default;
