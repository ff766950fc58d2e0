// SPDX-License-Identifier: MIT
"use strict";
module.exports = require("sidepool/pg").ConnectionParameters;
