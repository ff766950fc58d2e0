-- SPDX-License-Identifier: MIT
-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateTable
CREATE TABLE "prisma_author" (
    "id" SERIAL NOT NULL,
    "email" TEXT NOT NULL,
    "name" TEXT,
    "born" TIMESTAMPTZ(3),
    "meta" JSONB,
    "tags" TEXT[],

    CONSTRAINT "prisma_author_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "prisma_book" (
    "id" SERIAL NOT NULL,
    "title" TEXT NOT NULL,
    "price" DECIMAL(10,2) NOT NULL,
    "sold" BIGINT NOT NULL DEFAULT 0,
    "cover" BYTEA,
    "authorId" INTEGER NOT NULL,

    CONSTRAINT "prisma_book_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "prisma_author_email_key" ON "prisma_author"("email");

-- AddForeignKey
ALTER TABLE "prisma_book" ADD CONSTRAINT "prisma_book_authorId_fkey" FOREIGN KEY ("authorId") REFERENCES "prisma_author"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
