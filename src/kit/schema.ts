/** The kit's own tables, brought up to date before those of the services. */
import type { Schema } from "../store/tables.ts";
import { deliveryMigration, laneMigration } from "./delivery-queue.ts";
import { clientTokenMigration } from "./tokens.ts";

export const kitSchema: Schema = { owner: "kit", migrations: [clientTokenMigration, deliveryMigration, laneMigration] };
