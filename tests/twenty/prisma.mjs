// SPDX-License-Identifier: MIT
// Twenty workers on Prisma, over its adapter for node-postgres or sidepool's.
import { connectionString, name, onSidepool, work, WORKERS } from "./common.mjs";
import { PrismaClient } from "./generated/client.js";

async function makeAdapter() {
  if (onSidepool) return new (await import("sidepool/prisma")).PrismaSidepool({ application: name });
  return new (await import("@prisma/adapter-pg")).PrismaPg({ connectionString, max: WORKERS });
}

// Transactions may wait for their turn: Prisma's own limits are 2 s to begin and 5 s to end.
const limits = { maxWait: 60_000, timeout: 60_000 };
const prisma = new PrismaClient({ adapter: await makeAdapter() });
await work(async (worker, unit) => {
  await prisma.$transaction(async (tx) => {
    await tx.work.create({ data: { program: name, worker, unit } });
    await tx.$executeRaw`SELECT pg_sleep(0.03)`;
  }, limits);
  return prisma.work.count({ where: { program: name, worker } });
});
await prisma.$disconnect();
