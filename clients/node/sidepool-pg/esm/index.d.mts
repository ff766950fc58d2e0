// SPDX-License-Identifier: MIT
export * from "sidepool/pg";
export { default } from "sidepool/pg";
