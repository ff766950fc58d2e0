// SPDX-License-Identifier: MIT
import pg = require("sidepool/pg");
export = pg;
