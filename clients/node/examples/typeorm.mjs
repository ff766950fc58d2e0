// SPDX-License-Identifier: MIT
import "reflect-metadata";
import assert from "node:assert/strict";
import * as pg from "sidepool/pg";
import { DataSource, EntitySchema } from "typeorm";

const User = new EntitySchema({
  name: "User",
  tableName: "typeorm_user",
  columns: {
    id: { type: Number, primary: true, generated: true },
    name: { type: String, unique: true },
    tags: { type: "jsonb", default: [] },
    born: { type: "timestamptz", nullable: true },
  },
  relations: { posts: { type: "one-to-many", target: "Post", inverseSide: "author" } },
});
const Post = new EntitySchema({
  name: "Post",
  tableName: "typeorm_post",
  columns: { id: { type: Number, primary: true, generated: true }, title: { type: String } },
  relations: { author: { type: "many-to-one", target: "User", inverseSide: "posts", joinColumn: true } },
});

const source = new DataSource({
  type: "postgres", driver: pg.default, applicationName: "typeorm", entities: [User, Post], synchronize: true, dropSchema: false,
});
await source.initialize();
await source.query("truncate typeorm_post, typeorm_user restart identity cascade");

const users = source.getRepository(User);
const born = new Date("1815-12-10T00:00:00Z");
await source.transaction("SERIALIZABLE", async (manager) => {
  const ada = await manager.save(User, { name: "Ada", tags: ["first"], born });
  await manager.save(Post, [{ title: "Note G", author: ada }, { title: "Note A", author: ada }]);
});
await assert.rejects(
  source.transaction(async (manager) => {
    await manager.createQueryBuilder().delete().from(Post).execute();
    await manager.save(User, { name: "Ada" });
  }),
  { code: "23505" },
);

const ada = await users.findOne({ where: { name: "Ada" }, relations: { posts: true }, order: { posts: { title: "ASC" } } });
assert.deepEqual([ada.tags, ada.born, ada.posts.map((post) => post.title)], [["first"], born, ["Note A", "Note G"]]);
assert.equal(await users.count(), 1);
await source.destroy();
console.log(`typeorm: ${ada.posts.length} posts`);
