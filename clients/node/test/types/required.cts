// SPDX-License-Identifier: MIT
// Compiled, never run: the same from CommonJS.
import sidepool = require("sidepool");
import pg = require("sidepool/pg");
import prisma = require("sidepool/prisma");

export const all = [sidepool.connect({}), new pg.Pool(), new prisma.PrismaSidepool()];
