// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import { PrismaSidepool } from "sidepool/prisma";
import { PrismaClient } from "./generated/client.js";

const prisma = new PrismaClient({ adapter: new PrismaSidepool({ application: "prisma" }) });
const born = new Date("1815-12-10T01:02:03.004Z");
const ada = await prisma.author.create({
  data: {
    email: "ada@example.org", name: "Ada", born, meta: { a: [1, null] }, tags: ["x", "y z"],
    books: { create: [{ title: "Notes", price: "12.50", sold: 9007199254740993n, cover: Buffer.from([1, 2]) }, { title: "Engine", price: 3 }] },
  },
  include: { books: { orderBy: { id: "asc" } } },
});
const [notes] = ada.books;
assert.deepEqual([ada.born, ada.meta, ada.tags], [born, { a: [1, null] }, ["x", "y z"]]);
assert.deepEqual([notes.price.toFixed(2), notes.sold, [...notes.cover]], ["12.50", 9007199254740993n, [1, 2]]);
await assert.rejects(prisma.author.create({ data: { email: "ada@example.org" } }), { code: "P2002" });

await assert.rejects(
  prisma.$transaction(async (tx) => {
    await tx.book.deleteMany();
    throw new Error("no");
  }),
  /no/,
);
assert.equal(await prisma.book.count(), 2);
await prisma.$transaction(
  async (tx) => {
    await tx.author.update({ where: { id: ada.id }, data: { name: "Countess" } });
    await tx.book.create({ data: { title: "Sketch", price: 1, authorId: ada.id } });
  },
  { isolationLevel: "Serializable" },
);
await prisma.$transaction([prisma.book.create({ data: { title: "Letters", price: 2, authorId: ada.id } }), prisma.author.findMany()]);

// Forty at a time, on the few connections that the daemon has.
await Promise.all(Array.from({ length: 20 }, () => prisma.author.findUnique({ where: { id: ada.id }, include: { books: true } })));
await Promise.all(
  Array.from({ length: 20 }, () =>
    prisma.$transaction((tx) => tx.book.update({ where: { id: notes.id }, data: { sold: { increment: 1 } } })),
  ),
);
const found = await prisma.author.findFirst({
  where: { tags: { has: "x" }, born: { lt: new Date() } },
  include: { books: { orderBy: { title: "asc" } } },
});
const titles = found.books.map((book) => book.title).join(", ");
assert.equal(titles, "Engine, Letters, Notes, Sketch");
const [{ sold }] = await prisma.$queryRaw`select sold from prisma_book where title = ${"Notes"}`;
assert.equal(sold, 9007199254741013n);
await prisma.$disconnect();
console.log(`prisma: ${found.name}: ${titles}`);
