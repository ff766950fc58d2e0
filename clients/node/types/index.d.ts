// SPDX-License-Identifier: MIT
export * from "./index.cjs";
