// SPDX-License-Identifier: MIT
// generate.mjs FOLDER: makes Prisma's client for the schema in FOLDER.
import { generateClient } from "../../clients/node/test/lib/prisma-client.js";

await generateClient(process.argv[2]);
