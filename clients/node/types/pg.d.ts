// SPDX-License-Identifier: MIT
export * from "./pg.cjs";
import * as pg from "./pg.cjs";
export default pg;
