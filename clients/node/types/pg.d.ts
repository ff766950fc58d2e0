// SPDX-License-Identifier: MIT
export * from "./pg.cjs";
import * as pg from "./pg.cjs";
declare const all: typeof pg;
export default all;
