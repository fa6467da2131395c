/** S3, as far as packaging and deploying need it: buckets, objects in one piece, listings. */
import { defineService } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import { bucketOperations } from "./buckets.ts";
import { listingOperations } from "./listing.ts";
import { objectOperations } from "./objects.ts";
import { bucketResource } from "./resources.ts";
import { migrations, objects } from "./tables.ts";

export const s3 = defineService({
  name: "s3",
  migrations,
  create: (deps) => ({
    operations: { ...bucketOperations(deps), ...objectOperations(deps), ...listingOperations(deps) },
    resources: [bucketResource(deps)],
    namesBlob: async (id) =>
      (await deps.store.read((tx) => tx.one(sql`select key from ${objects.name} where blob_id = ${id}`))) !== undefined,
  }),
});
