// SPDX-License-Identifier: MIT
"use strict";
// The same module instance that `import` gives: nothing exists twice in a program that does both.
module.exports = { ...require("../src/index.js") };
