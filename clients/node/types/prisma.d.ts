// SPDX-License-Identifier: MIT
export * from "./prisma.cjs";
