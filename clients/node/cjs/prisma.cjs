// SPDX-License-Identifier: MIT
"use strict";
module.exports = { ...require("../src/prisma/index.js") };
